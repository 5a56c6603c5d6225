"""All ports of a configuration: none of them disturbs another."""

from __future__ import annotations

import asyncio
import logging
import random
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from leafnode import limits
from leafnode.bridge import port_bounds
from leafnode.bridge.bridge import Bridge
from leafnode.bridge.publication import Publication
from leafnode.bridge.runner import PortRunner
from leafnode.clock import NS_PER_S
from leafnode.config.serial_options import SerialOptions, SerialPort
from leafnode.config.serial_stage_options import FramingOptions, MappingOptions
from tests.sim.clock import FakeClock
from tests.unit.bridge.fake_stream import NO_SPACE, FakeStream, new_account
from tests.unit.bridge.world import FakeLine, FakePort

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from leafnode.bridge.port import OpenPort
    from leafnode.bridge.status import PortStatus

LINES = FramingOptions(keep_first=True)
PORT = SerialPort(device="/dev/ttyUSB0", name="scale", subject="s.{port}", framing=LINES)


def test_a_port_that_cannot_be_opened_and_one_that_floods_do_not_stop_a_third() -> None:
    lines = {"flood": FakeLine(), "scale": FakeLine()}

    def open_line(options: SerialPort) -> FakePort:
        if options.name == "dead":
            raise FileNotFoundError(2, "No such file or directory")
        return lines[options.name].open(options)

    ports = tuple(replace(PORT, name=name, device=name) for name in ("dead", "flood", "scale"))
    account, clock = new_account(), FakeClock()
    flooded = FakeStream(account, b"s.flood")
    stream = FakeStream(account, b"s.scale")
    stream.commits_at_once = True
    bridge = Bridge(
        SerialOptions(ports=ports), account, clock, random.Random(1), open_serial=open_line
    )

    async def story() -> None:
        async with asyncio.TaskGroup() as tasks:
            running = tasks.create_task(bridge.run())
            async with asyncio.timeout(10):
                while not all(status.open for status in bridge.status()[1:]):  # noqa: ASYNC110
                    await asyncio.sleep(0)
                flood, scale = lines["flood"].device, lines["scale"].device
                assert flood is not None
                assert scale is not None
                said = 0
                while len(stream.payloads) < 50:
                    if said == len(stream.payloads):
                        said += 1
                        scale.send(b"%d\n" % said)
                    try:
                        flood.send(b"x\n" * 2000)
                    except BlockingIOError:
                        assert bridge.status()[1].paused
                    clock.advance(0)
                    await asyncio.sleep(0)
            running.cancel()

    asyncio.run(story())
    for line in lines.values():
        assert line.device is not None
        line.device.close()

    dead, flood, scale = bridge.status()
    assert stream.payloads == [b"%d" % number for number in range(1, 51)]
    assert not dead.open
    assert dead.open_failures >= 1
    assert flood.pauses == 1
    assert flooded.received == limits.READINGS_BURST_MAX
    assert scale.stored == 50


def test_ports_come_and_go_while_it_runs_and_the_others_stay_open() -> None:
    lines = {name: FakeLine() for name in ("a", "b", "c")}
    opened: list[str] = []

    def open_line(options: SerialPort) -> FakePort:
        opened.append(options.name)
        return lines[options.name].open(options)

    ports = {name: replace(PORT, name=name, device=name) for name in lines}
    bridge = Bridge(
        SerialOptions(ports=(ports["a"], ports["b"])),
        new_account(),
        FakeClock(),
        random.Random(1),
        open_serial=open_line,
    )

    async def until_open() -> None:
        async with asyncio.timeout(10):
            while not all(status.open for status in bridge.status()):  # noqa: ASYNC110
                await asyncio.sleep(0)

    async def story() -> None:
        async with asyncio.TaskGroup() as tasks:
            running = tasks.create_task(bridge.run())
            await until_open()
            await bridge.change(SerialOptions(ports=(ports["b"], ports["c"])))
            await until_open()
            running.cancel()

    asyncio.run(story())
    for line in lines.values():
        assert line.device is not None
        line.device.close()

    assert opened == ["a", "b", "c"]
    assert [status.name for status in bridge.status()] == ["b", "c"]


@pytest.mark.parametrize("is_account", [False, True])
def test_what_ports_hand_on_at_a_reload_is_handed_on_a_port_in_a_turn(
    *, is_account: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each may have 4,096 readings: 24 ports took 56 ms."""
    lines = {name: FakeLine() for name in ("a", "b", "c")}
    ports = [replace(PORT, name=name, device=name) for name in lines]
    turn = 0
    handed: list[int] = []
    inherit = PortRunner.inherit

    def new_bridge() -> Bridge:
        return Bridge(
            SerialOptions(ports=tuple(ports)),
            new_account(),
            FakeClock(),
            random.Random(1),
            open_serial=lambda options: lines[options.name].open(options),
        )

    def note(runner: PortRunner, ended: PortRunner) -> int:
        handed.append(turn)
        return inherit(runner, ended)

    async def count() -> None:
        nonlocal turn
        while True:
            await asyncio.sleep(0)
            turn += 1

    async def opened(bridge: Bridge) -> None:
        async with asyncio.timeout(10):
            while not all(status.open for status in bridge.status()):  # noqa: ASYNC110
                await asyncio.sleep(0)

    async def story() -> None:
        bridge = new_bridge()
        async with asyncio.TaskGroup() as tasks:
            jobs = [tasks.create_task(bridge.run()), tasks.create_task(count())]
            await opened(bridge)
            if is_account:
                jobs[0].cancel()
                await asyncio.wait(jobs[:1])
                before, bridge = bridge, new_bridge()
                bridge.succeed(before)
                jobs.append(tasks.create_task(bridge.run()))
            else:
                changed = tuple(replace(port, baud=9600) for port in ports)
                await bridge.change(SerialOptions(ports=changed))
            await opened(bridge)
            for task in jobs:
                task.cancel()

    monkeypatch.setattr(PortRunner, "inherit", note)
    asyncio.run(story())
    for line in lines.values():
        assert line.device is not None
        line.device.close()

    assert len(handed) == len(set(handed)) == 3


async def test_a_port_that_does_not_end_is_waited_for_until_the_deadline_and_said(
    caplog: pytest.LogCaptureFixture,
) -> None:
    released = asyncio.Event()

    async def hangs() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            await released.wait()

    none = SerialOptions(ports=())
    clock = FakeClock()
    bridge = Bridge(none, new_account(), clock, random.Random(1))
    async with asyncio.TaskGroup() as tasks:
        running = tasks.create_task(bridge.run())
        await asyncio.sleep(0)
        ended_late = bridge._runners[PORT] = bridge._runner(PORT)
        bridge._running[PORT] = tasks.create_task(hangs(), name=PORT.name)
        await asyncio.sleep(0)

        await bridge.change(none)

        assert "did not end in time: port=scale" in caplog.text
        assert bridge.status() == []
        ended_late._publisher.offer(Publication(b"s.scale", 0, b"1", None))
        ended_late._ended = True
        released.set()
        for _ in range(5):
            await asyncio.sleep(0)
            clock.advance(port_bounds.SERIAL_SETTLE_NS)
        await asyncio.sleep(0)
        assert "went with their port: port=scale count=1" in caplog.text
        running.cancel()


def test_frames_and_what_they_publish_count_where_they_wait_for_a_turn() -> None:
    bridge = Bridge(SerialOptions(ports=()), new_account(), FakeClock(), random.Random(1))
    seams = bridge._seams
    assert seams.turns is not None
    assert seams.bursts is not None

    seams.turns.deferred, seams.bursts.deferred = 2, 3

    assert bridge.deferred == 5


class Reloaded:
    """A bridge of one port, whose entry a test changes."""

    def __init__(self, port: SerialPort = PORT, *, seed: int = 1) -> None:
        self.account, self.clock, self.line = new_account(), FakeClock(), FakeLine()
        self.other = FakeLine()  # of any other device
        self.port = port
        self.bridge = Bridge(
            SerialOptions(ports=(port,)),
            self.account,
            self.clock,
            random.Random(seed),
            open_serial=self._open,
            find_path=self.line.find,
        )

    def _open(self, options: SerialPort) -> OpenPort:
        line = self.line if options.device == PORT.device else self.other
        return line.open(options)

    async def until(self, condition: Callable[[], bool]) -> None:
        async with asyncio.timeout(10):
            while not condition():
                self.clock.advance(0)
                await asyncio.sleep(0)

    async def says(self, first: int, count: int) -> None:
        """Let the device say so many numbers, and wait until they are read."""
        await self.until(lambda: self.status.open)
        assert self.line.device is not None
        lines = [b"%d\n" % number for number in range(first, first + count)]
        self.line.device.sendall(b"".join(lines))
        await self.until(lambda: self.status.frames == count)

    async def reload(self, **changes: Any) -> None:
        self.port = replace(self.port, **changes)
        await self.bridge.change(SerialOptions(ports=(self.port,)))

    @property
    def status(self) -> PortStatus:
        return self.bridge.status()[0]

    def run(self, story: Callable[[], Coroutine[object, object, None]]) -> None:
        async def main() -> None:
            async with asyncio.TaskGroup() as tasks:
                running = tasks.create_task(self.bridge.run())
                await story()
                running.cancel()

        asyncio.run(main())
        assert self.line.device is not None
        self.line.device.close()


def test_readings_after_a_reload_that_changed_the_entry_are_new_ones() -> None:
    one = Reloaded()
    stream = FakeStream(one.account, b"s.>")
    stream.commits_at_once = True

    async def story() -> None:
        await one.says(0, 100)
        await one.reload(baud=9600)
        await one.says(100, 130)
        await one.until(lambda: one.status.stored == 130)

    one.run(story)

    assert one.status.duplicates == 0
    assert stream.payloads == [b"%d" % number for number in range(230)]


def test_readings_that_wait_for_a_stream_are_published_by_the_entry_that_replaces_theirs() -> None:
    one = Reloaded()
    count = limits.READINGS_UNCOMMITTED_MAX + 50  # the last ones wait in the framing

    async def story() -> None:
        await one.until(lambda: one.status.open)
        assert one.line.device is not None
        one.line.device.sendall(b"".join(b"%d\n" % number for number in range(count)))
        await one.until(lambda: one.status.bytes_in >= 4 * count - 200 and one.status.paused)
        await one.reload(mapping=MappingOptions(headers=(("X", "y"),)))
        waiting = one.status.queued
        assert waiting > limits.READINGS_UNCOMMITTED_MAX
        assert "no stream captures s.scale" in one.status.last_error
        stream = FakeStream(one.account, b"s.>")
        stream.commits_at_once = True
        one.clock.advance(limits.READING_RETRY_MAX_NS)
        await one.says(count, 10)
        await one.until(lambda: one.status.stored == waiting + 10)
        read = [*range(waiting), *range(count, count + 10)]
        assert stream.payloads == [b"%d" % number for number in read]
        assert [b"X: y" in block for block in stream.headers] == [False] * waiting + [True] * 10
        assert one.status.queued == 0
        assert one.status.last_error == ""

    one.run(story)


def test_new_readings_do_not_wait_behind_those_that_no_stream_captures() -> None:
    one = Reloaded()
    stream = FakeStream(one.account, b"t.>")
    stream.commits_at_once = True

    async def story() -> None:
        await one.says(0, 5)
        await one.until(lambda: one.status.last_error != "")
        await one.reload(subject="t.{port}")
        await one.says(5, 5)
        await one.until(lambda: one.status.stored == 5)
        assert stream.payloads == [b"5", b"6", b"7", b"8", b"9"]
        assert (one.status.queued, one.status.queued_bytes > 0) == (5, True)
        assert one.status.last_error == ("what the entry before left: no stream captures s.scale")
        before = FakeStream(one.account, b"s.>")
        before.commits_at_once = True
        one.clock.advance(limits.READING_RETRY_MAX_NS)
        await one.until(lambda: one.status.queued == 0)
        assert before.payloads == [b"0", b"1", b"2", b"3", b"4"]

    one.run(story)


def test_new_readings_wait_behind_those_whose_stream_is_there_and_takes_none() -> None:
    one = Reloaded()
    stream = FakeStream(one.account, b"s.>")
    stream.refusal = NO_SPACE

    async def story() -> None:
        for first in (0, 5, 10):  # also behind those of two entries before
            await one.says(first, 5)
            await one.reload(baud=9600 + first)
        await one.says(15, 5)
        await one.until(lambda: one.status.queued == 20)
        stream.refusal, stream.commits_at_once = None, True
        for _ in range(40):
            one.clock.advance(limits.READING_RETRY_MAX_NS // 10)
            await asyncio.sleep(0)
        await one.until(lambda: one.status.queued == 0)

    one.run(story)

    assert stream.payloads == [b"%d" % number for number in range(20)]


@pytest.mark.parametrize("ends_late", [False, True])
def test_what_a_port_had_read_goes_before_what_is_read_under_its_new_name(
    *, ends_late: bool
) -> None:
    one = Reloaded()
    stream = FakeStream(one.account, b"s.>")
    stream.refusal = NO_SPACE
    asyncio_wait = asyncio.wait

    async def not_yet(tasks: Any, **_: Any) -> Any:
        await asyncio.sleep(0)
        return set(), set(tasks)

    async def story() -> None:
        for first, name in ((0, "balance"), (5, "weigher")):
            await one.says(first, 5)
            if ends_late:
                asyncio.wait = not_yet  # type: ignore[assignment]
            try:
                await one.reload(name=name)
            finally:
                asyncio.wait = asyncio_wait
        await one.says(10, 5)
        await one.until(lambda: one.status.queued == 15)
        stream.refusal, stream.commits_at_once = None, True
        for _ in range(40):
            one.clock.advance(limits.READING_RETRY_MAX_NS // 10)
            await asyncio.sleep(0)
        await one.until(lambda: one.status.queued == 0)

    one.run(story)

    assert stream.payloads == [b"%d" % number for number in range(15)]
    assert stream.subjects == [b"s.scale"] * 5 + [b"s.balance"] * 5 + [b"s.weigher"] * 5


def test_a_port_stays_lent_under_a_new_name_and_not_under_one_that_was_another_ports() -> None:
    one = Reloaded()
    scale, other = one.port, replace(one.port, name="other", device="/dev/other")

    async def story() -> None:
        await one.until(lambda: one.status.open)
        await one.bridge.change(SerialOptions(ports=(scale, other)))
        await one.until(lambda: all(row.open for row in one.bridge.status()))
        port = one.bridge.port("scale")
        assert port is not None
        port.life.lend(30 * NS_PER_S, lambda: None, lease="a", holder="me")
        await one.until(lambda: not one.status.open)
        moved = replace(other, device=scale.device)
        await one.bridge.change(SerialOptions(ports=(replace(scale, name="new"), other)))
        await asyncio.sleep(0)
        assert [row.lent_to for row in one.bridge.status()] == ["me", ""]
        await one.bridge.change(SerialOptions(ports=(moved,)))
        await one.until(lambda: one.status.open)
        assert one.status.lent_to == ""

    one.run(story)
    assert one.other.device is not None
    one.other.device.close()


def test_what_is_being_stored_at_a_reload_is_stored_once() -> None:
    one = Reloaded()
    stream = FakeStream(one.account, b"s.>")

    async def story() -> None:
        await one.says(0, 5)
        await one.until(lambda: stream.staged == 5)
        await one.reload(baud=9600)
        stream.commits_at_once = True
        stream.commit()
        await one.says(5, 5)
        await one.until(lambda: one.status.queued == 0)

    one.run(story)

    assert stream.payloads == [b"%d" % number for number in range(10)]


def test_what_was_read_is_stored_before_the_server_ends() -> None:
    one = Reloaded()
    stream = FakeStream(one.account, b"s.>")
    count = limits.READINGS_UNCOMMITTED_MAX

    async def story() -> None:
        running = asyncio.create_task(one.bridge.run())
        await one.says(0, count)
        await one.until(lambda: stream.staged == limits.READINGS_BURST_MAX)
        running.cancel()
        await asyncio.wait([running])
        settling = asyncio.create_task(one.bridge.settle())
        while not settling.done():
            stream.commit()
            one.clock.advance(port_bounds.SERIAL_LOOK_NS)
            await asyncio.sleep(0)

    asyncio.run(story())
    assert one.line.device is not None
    one.line.device.close()

    assert stream.payloads == [b"%d" % number for number in range(count)]
    assert one.clock.pending() == 0


@pytest.mark.parametrize("how", ["refuses", "is silent"])
def test_what_no_stream_takes_before_the_server_ends_is_said(
    how: str, caplog: pytest.LogCaptureFixture
) -> None:
    one = Reloaded()
    stream = FakeStream(one.account, b"s.>")
    stream.silent = how == "is silent"
    stream.refusal = NO_SPACE if how == "refuses" else None
    took_ns: list[int] = []

    async def story() -> None:
        running = asyncio.create_task(one.bridge.run())
        await one.says(0, 5)
        running.cancel()
        await asyncio.wait([running])
        settling = asyncio.create_task(one.bridge.settle())
        began_ns = one.clock.monotonic_ns()
        while not settling.done():
            one.clock.advance(port_bounds.SERIAL_LOOK_NS)
            await asyncio.sleep(0)
        took_ns.append(one.clock.monotonic_ns() - began_ns)

    asyncio.run(story())
    assert one.line.device is not None
    one.line.device.close()

    assert "went with their port: port=scale count=5" in caplog.text
    assert (took_ns[0] < port_bounds.SERIAL_SETTLE_NS // 5) is (how == "refuses")
    assert one.clock.pending() == 0


def test_what_goes_with_a_port_that_is_configured_no_longer_is_said(
    caplog: pytest.LogCaptureFixture,
) -> None:
    one = Reloaded()

    async def story() -> None:
        await one.says(0, 5)
        await one.bridge.change(SerialOptions(ports=()))
        for _ in range(50):  # no stream captures it: that is asked three times
            one.clock.advance(port_bounds.SERIAL_LOOK_NS)
            await asyncio.sleep(0)

    one.run(story)

    assert "went with their port: port=scale count=5" in caplog.text


@pytest.mark.parametrize("is_stopped", [False, True])
def test_what_a_port_had_read_is_stored_though_it_is_configured_no_longer(
    *, is_stopped: bool, caplog: pytest.LogCaptureFixture
) -> None:
    one = Reloaded()
    stream = FakeStream(one.account, b"s.>")
    count = limits.READINGS_UNCOMMITTED_MAX

    async def story() -> None:
        running = asyncio.create_task(one.bridge.run())
        await one.says(0, count)
        await one.bridge.change(SerialOptions(ports=()))
        await asyncio.sleep(0)
        if is_stopped:
            running.cancel()
            await asyncio.wait([running])
            running = asyncio.create_task(one.bridge.settle())
        for _ in range(200):
            stream.commit()
            one.clock.advance(port_bounds.SERIAL_LOOK_NS)
            await asyncio.sleep(0)
        running.cancel()
        await asyncio.wait([running])

    asyncio.run(story())
    assert one.line.device is not None
    one.line.device.close()

    assert stream.payloads == [b"%d" % number for number in range(count)]
    assert one.clock.pending() == 0
    assert "went with their port" not in caplog.text


def test_a_port_stays_lent_when_a_reload_changes_its_entry(
    caplog: pytest.LogCaptureFixture,
) -> None:
    one = Reloaded()
    told: list[str] = []

    def lend() -> str:
        port = one.bridge.port("scale")
        assert port is not None
        life = port.life
        return life.lend(30 * NS_PER_S, lambda: told.append(life.path), lease="a", holder="me")

    async def story() -> None:
        await one.until(lambda: one.status.open)
        lend()
        await one.until(lambda: len(told) == 1)
        await one.reload(baud=9600)
        for _ in range(20):
            one.clock.advance(NS_PER_S)
            await asyncio.sleep(0)
        assert (one.status.open, one.status.lent_to) == (False, "me")
        assert lend() == ""
        await one.until(lambda: told == ["/dev/fake", "/dev/fake"])
        port = one.bridge.port("scale")
        assert port is not None
        port.life.take_back()
        await one.until(lambda: one.status.open)
        await one.reload(baud=19_200)
        await one.until(lambda: one.status.open)
        assert lend() == "this lending was ended"  # a renewal that comes late

    caplog.set_level(logging.INFO)
    one.run(story)

    assert one.line.opens == 3
    assert caplog.text.count("Serial port lent") == 1


def test_a_bridge_of_another_account_has_what_no_stream_of_the_first_took() -> None:
    one, other = Reloaded(), Reloaded(seed=2)
    stream = FakeStream(other.account, b"s.>")
    stream.commits_at_once = True

    async def first() -> None:
        await one.says(0, 5)
        await one.until(lambda: one.status.last_error == "no stream captures s.scale")
        port = one.bridge.port("scale")
        assert port is not None
        port.life.lend(30 * NS_PER_S, lambda: None, lease="a", holder="me")
        await one.until(lambda: not one.status.open)

    async def second() -> None:
        other.bridge.succeed(one.bridge)
        await asyncio.sleep(0)
        assert (other.status.open, other.status.lent_to) == (False, "me")
        await other.until(lambda: other.status.stored == 5)
        other.clock.advance(30 * NS_PER_S)
        await other.says(5, 5)
        await other.until(lambda: other.status.stored == 10)

    one.run(first)
    other.run(second)

    assert stream.payloads == [b"%d" % number for number in range(10)]


def test_a_bridge_of_another_account_lets_what_no_port_of_it_follows_be_stored() -> None:
    another = replace(PORT, name="other", device="/dev/other")
    one, other = Reloaded(), Reloaded(another, seed=2)
    other.line = other.other

    async def first() -> None:
        await one.says(0, 5)
        await one.until(lambda: one.status.last_error == "no stream captures s.scale")

    async def second() -> None:
        other.bridge.succeed(one.bridge)
        await other.until(lambda: other.status.open)
        stream = FakeStream(one.account, b"s.>")
        stream.commits_at_once = True
        for _ in range(20):
            one.clock.advance(NS_PER_S // 2)
            other.clock.advance(NS_PER_S // 2)
            await asyncio.sleep(0)
        assert stream.payloads == [b"%d" % number for number in range(5)]

    one.run(first)
    other.run(second)


def test_who_waits_until_a_port_is_closed_hears_it_of_the_entry_that_replaces_its() -> None:
    one = Reloaded()
    told: list[bool] = []

    async def story() -> None:
        await one.until(lambda: one.status.open)
        port = one.bridge.port("scale")
        assert port is not None
        port.life.lend(NS_PER_S, lambda: told.append(one.status.open))
        await one.reload(baud=9600)
        await one.until(lambda: told == [False])
        assert one.line.closes == 1

    one.run(story)
