"""The firmware's node on a simulated line, against the gateway's own end of the link."""

from __future__ import annotations

import sys
from random import Random

import leafnode.link
from leafnode.cli.sim.node import BAUD, WireHal, new_node
from leafnode.cli.sim.wire import Wire
from leafnode.clock import NS_PER_MS, NS_PER_S
from leafnode.link import events
from leafnode.link.gateway import GatewaySession
from tests.sim.clock import FakeClock
from tests.unit.cli.sim.world import FakeTerminal


class Gateway(FakeTerminal):
    """Commits every reading at once."""

    def __init__(self, clock: FakeClock) -> None:
        super().__init__(clock)
        self.session = GatewaySession()
        self.readings: list[events.Reading] = []

    def _now_ms(self) -> int:
        return self.clock.monotonic_ns() // NS_PER_MS

    def read(self) -> bytes:
        return self.session.data_to_send(self._now_ms())

    def write(self, data: bytes) -> int:
        for event in self.session.receive(data, self._now_ms()):
            if isinstance(event, events.Reading):
                self.readings.append(event)
                self.session.committed(event.seq, event.boot_id)
        return len(data)

    def wait(self, delay_ns: int) -> None:
        self.clock.advance(min(max(delay_ns, 1), 5 * NS_PER_MS))


def line(*, bad: float = 0, for_s: float | None = None) -> tuple[WireHal, Gateway, Wire]:
    clock = FakeClock()
    gateway = Gateway(clock)
    wire = Wire(BAUD, Random(1), bad)
    until_ns = None if for_s is None else clock.monotonic_ns() + int(for_s * NS_PER_S)
    return WireHal(wire, gateway, clock, until_ns=until_ns), gateway, wire


def test_its_readings_come_each_once_over_a_bad_line() -> None:
    hal, gateway, wire = line(bad=0.002)
    node = new_node(hal, Random(1), "sim-1", interval_ms=100, count=60, text=False)

    node.run()

    assert node.done
    assert wire.damaged > 0
    assert [one.seq for one in gateway.readings] == list(range(1, 61))
    assert {one.subject for one in gateway.readings} == {"temperature", "humidity"}
    assert {one.device for one in gateway.readings} == {"sim-1"}


def test_its_time_ends_it() -> None:
    hal, gateway, _ = line(for_s=5)
    node = new_node(hal, Random(1), "sim-1", interval_ms=1000, count=0, text=False)

    node.run()

    assert hal.closed
    assert len(gateway.readings) == 10


def test_in_text_it_says_lines() -> None:
    clock = FakeClock()
    terminal = FakeTerminal(clock)
    hal = WireHal(Wire(9600, Random(1)), terminal, clock, until_ns=clock.monotonic_ns() + NS_PER_S)
    node = new_node(hal, Random(1), "sim-1", interval_ms=1000, count=0, text=True)

    node.run()

    assert b"".join(data for _, data in terminal.heard).startswith(b"hello sim-1 ")


def test_the_gateways_link_is_another_one() -> None:
    line_hal, _, _ = line()
    new_node(line_hal, Random(1), "sim-1", interval_ms=1000, count=0, text=False)

    assert sys.modules["link"] is not leafnode.link
    assert sys.modules["leafnode.link.events"] is events


def test_a_line_that_is_far_behind_takes_nothing_of_it() -> None:
    clock = FakeClock()
    hal = WireHal(Wire(50, Random(1)), FakeTerminal(clock), clock)

    assert hal.write(memoryview(bytes(60_000))) == 60_000
    assert hal.write(memoryview(bytes(60_000))) == 0
