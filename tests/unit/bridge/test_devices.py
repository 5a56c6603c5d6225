"""Who said hello, and whose name is taken. Truth: docs/serial/messages.md, "Names"."""

from __future__ import annotations

import pytest

from leafnode.bridge import port_bounds
from leafnode.bridge.devices import Devices, Slaves
from leafnode.bridge.reading import DeviceHello, Presence, Receipt
from leafnode.clock import NS_PER_MS, NS_PER_S
from tests.sim.clock import FakeClock
from tests.unit.bridge.modbus.bus import port, slave


class FakePort:
    """Implements Port: a board is there, or none."""

    def __init__(self, name: str, device: str = "") -> None:
        self.name = name
        self.device = device
        self.heard_at_ms = 0
        self.is_there = True
        self.names: list[str] = []
        self.forgot: list[str] = []
        self.again: list[tuple[str, int]] = []

    def board(self) -> Presence | None:
        return Presence(self.device, self.heard_at_ms, self.is_there) if self.device else None

    def named(self) -> list[str]:
        return self.names

    def pattern(self, name: str) -> bytes:
        return b"s.%b.>" % name.encode()

    def forget(self, name: str) -> None:
        self.forgot.append(name)

    def says_again(self, name: str, boot_id: int) -> None:
        self.again.append((name, boot_id))

    def is_storing(self, name: str, boot_id: int) -> bool:
        return (name, boot_id) in self.again


def hello(device: str, boot: int = 7) -> DeviceHello:
    return DeviceHello(device, boot, False, window=4, frame_bytes=256, capabilities=("log",))


def test_a_board_is_shown_as_its_hello_said() -> None:
    clock = FakeClock()
    devices, port = Devices(clock), FakePort("a", "press")
    devices.join(port)

    devices.met("a", "link", hello("press"))
    devices.read("a", "press")
    devices.read("a", "nobody")

    (row,) = devices.devices()
    assert (row.name, row.port, row.framing, row.boot) == ("press", "a", "link", 7)
    assert (row.window, row.frame_bytes, row.capabilities) == (4, 256, ("log",))
    assert (row.up, row.hellos, row.boots, row.readings) == (True, 1, 1, 1)


def test_its_boots_and_hellos_are_counted_and_its_readings_go_on() -> None:
    devices = Devices(FakeClock())
    devices.join(FakePort("a", "press"))
    devices.met("a", "link", hello("press"))
    devices.read("a", "press")

    devices.met("a", "link", hello("press"))
    devices.met("a", "link", hello("press", boot=8))

    (row,) = devices.devices()
    assert (row.hellos, row.boots, row.boot, row.readings) == (3, 2, 8, 1)


def test_it_was_seen_when_its_port_heard_it_and_is_up_while_it_is_there() -> None:
    clock = FakeClock()
    devices, port = Devices(clock), FakePort("a", "press")
    devices.join(port)
    devices.met("a", "link", hello("press"))
    clock.advance(5 * NS_PER_S)
    port.heard_at_ms = clock.monotonic_ns() // NS_PER_MS

    assert devices.devices()[0].seen_ns == port.heard_at_ms * NS_PER_MS
    port.device = ""
    assert not devices.devices()[0].up


def test_who_is_silent_was_heard_when_its_port_heard_it_and_keeps_its_name_from_nobody() -> None:
    clock = FakeClock()
    devices, port, other = Devices(clock), FakePort("a", "press"), FakePort("b")
    devices.join(port)
    devices.join(other)
    devices.met("a", "link", hello("press"))
    clock.advance(5 * NS_PER_S)
    port.heard_at_ms = clock.monotonic_ns() // NS_PER_MS
    clock.advance(500 * NS_PER_S)
    port.is_there = False

    (row,) = devices.devices()
    assert (row.up, row.seen_ns) == (False, port.heard_at_ms * NS_PER_MS)
    assert devices.refusal("b", "press", ()) == ""
    assert port.forgot == ["press"]


def test_who_went_unseen_was_heard_with_its_last_reading() -> None:
    clock = FakeClock()
    devices, port = Devices(clock), FakePort("a", "press")
    devices.join(port)
    devices.met("a", "link", hello("press"))
    clock.advance(5 * NS_PER_S)
    port.heard_at_ms = heard_at_ms = clock.monotonic_ns() // NS_PER_MS
    clock.advance(NS_PER_S)
    devices.read("a", "press")  # waited for a second

    port.device = ""
    clock.advance(5 * NS_PER_S)
    devices.read("a", "press")  # and this one until it was gone

    (row,) = devices.devices()
    assert (row.seen_ns, row.readings) == (heard_at_ms * NS_PER_MS, 2)


@pytest.mark.parametrize("allowed", [(), ("press",)])
def test_when_one_was_heard_last_is_known_though_another_comes_in_its_place(
    allowed: tuple[str, ...],
) -> None:
    """And though that one may not have its name: a text board is forgotten then, too."""
    clock = FakeClock()
    devices, port = Devices(clock), FakePort("a", "press")
    devices.join(port)
    devices.met("a", "link", hello("press"))
    clock.advance(5 * NS_PER_S)
    port.heard_at_ms = heard_at_ms = clock.monotonic_ns() // NS_PER_MS
    clock.advance(NS_PER_S)

    assert bool(devices.refusal("a", "saw", allowed)) is bool(allowed)
    port.device, port.heard_at_ms = "saw", clock.monotonic_ns() // NS_PER_MS
    devices.met("a", "link", hello("saw"))

    press, saw = devices.devices()
    assert (press.name, press.up, press.seen_ns) == ("press", False, heard_at_ms * NS_PER_MS)
    assert (saw.name, saw.up, saw.seen_ns) == ("saw", True, clock.monotonic_ns())


def test_a_name_is_refused_that_the_port_does_not_give_or_that_another_board_has() -> None:
    devices = Devices(FakeClock())
    a, b = FakePort("a", "press"), FakePort("b")
    devices.join(a)
    devices.join(b)

    assert devices.refusal("a", "press", ()) == ""
    assert devices.refusal("b", "saw", ()) == ""
    assert devices.refusal("b", "press", ()) == "a board on port a has it"
    assert devices.refusal("b", "press", ("saw",)) == "boards of this port does not name it"
    assert devices.refusal("b", "saw", ("saw", "drill")) == ""


def test_a_name_under_which_another_port_speaks_is_refused_where_subjects_collide() -> None:
    devices = Devices(FakeClock())
    a, b = FakePort("a"), FakePort("b")
    devices.join(a)
    devices.join(b)
    a.names = b.names = ["a", "meter"]

    assert devices.refusal("b", "meter", ()) == "port a speaks under it"
    assert devices.refusal("b", "press", ()) == ""
    b.pattern = lambda name: b"other.%b.>" % name.encode()  # type: ignore[method-assign]
    assert devices.refusal("b", "meter", ()) == ""


def test_the_slaves_of_a_bus_are_there_by_their_names() -> None:
    devices, board = Devices(FakeClock()), FakePort("b")
    devices.join(board)
    meter = slave("meter", 1, "{ name: t, address: 0 }")
    slaves = Slaves(port(f"slaves [ {meter} ]"))
    devices.join(slaves)

    assert devices.refusal("b", "meter", ()) == "port bus speaks under it"
    assert devices.refusal("b", "press", ()) == ""
    assert devices.devices() == []
    devices.leave(slaves)
    assert devices.refusal("b", "meter", ()) == ""


def test_a_board_that_went_may_come_back_on_another_port() -> None:
    devices, port = Devices(FakeClock()), FakePort("a", "press")
    devices.join(port)
    devices.join(FakePort("b"))

    port.device = ""

    assert devices.refusal("b", "press", ()) == ""


def test_who_takes_a_name_has_it_although_the_one_before_may_speak_again() -> None:
    devices = Devices(FakeClock())
    a, b, c = FakePort("a"), FakePort("b", "saw"), FakePort("c", "drill")
    for one in (a, b, c):
        devices.join(one)

    assert devices.refusal("b", "drill", ()) != ""
    assert (a.forgot, b.forgot, c.forgot) == ([], [], [])
    assert devices.refusal("b", "press", ()) == ""

    assert (a.forgot, b.forgot, c.forgot) == (["press"], [], ["press"])


def test_a_port_that_is_gone_takes_its_boards_along() -> None:
    devices, port, same = Devices(FakeClock()), FakePort("a", "press"), FakePort("a", "press")
    devices.join(port)
    devices.met("a", "link", hello("press"))

    devices.leave(same)
    assert len(devices.devices()) == 1
    devices.leave(port)

    assert devices.devices() == []
    assert devices.refusal("b", "press", ()) == ""


def test_beyond_the_bound_the_one_that_went_longest_ago_is_forgotten() -> None:
    devices = Devices(FakeClock())
    devices.join(FakePort("a", "board0"))
    for number in range(port_bounds.DEVICES_MAX):
        devices.met("a", "link", hello(f"board{number}"))
    assert (len(devices.devices()), devices.forgotten) == (port_bounds.DEVICES_MAX, 0)

    devices.met("a", "link", hello("another"))

    names = {row.name for row in devices.devices()}
    assert (len(names), devices.forgotten) == (port_bounds.DEVICES_MAX, 1)
    assert "board0" in names  # it is there
    assert "board1" not in names


def test_each_port_hears_what_a_board_says_again() -> None:
    devices, a, b = Devices(FakeClock()), FakePort("a", "press"), FakePort("b")
    for one in (a, b, Slaves(port(f"slaves [ {slave('meter', 1, '{ name: t, address: 0 }')} ]"))):
        devices.join(one)

    ports = devices.say_again(hello("press"))

    assert [one.is_storing("press", 7) for one in ports] == [True, True, False]
    assert a.again == b.again == [("press", 7)]


def test_a_port_that_ended_hears_it_until_it_leaves() -> None:
    """What it had read is stored yet."""
    devices, port = Devices(FakeClock()), FakePort("a", "press")
    devices.join(port)

    devices.end(port)
    assert devices.say_again(hello("press")) == [port]
    assert devices.refusal("b", "press", ()) == ""
    devices.leave(port)

    assert devices.say_again(hello("press")) == []
    assert port.again == [("press", 7)]


def test_a_boot_of_which_something_is_stored_now_is_not_forgotten_for_an_older_one() -> None:
    devices = Devices(FakeClock())
    for boot in range(1, port_bounds.DEVICES_MAX + 1):
        devices.stored(Receipt((b"uno", boot), 1))

    devices.stored(Receipt((b"uno", 1), 2))
    devices.stored(Receipt((b"press", 7), 1))

    assert [devices.stored_through("uno", boot) for boot in (1, 2, 3)] == [2, 0, 1]


def test_what_is_stored_of_a_boot_is_known_for_the_newest_boots() -> None:
    devices = Devices(FakeClock())
    for seq in (5, 7, 6):  # of two ports
        devices.stored(Receipt((b"press", 7), seq))
    devices.stored(Receipt((b"press", 8), 1))
    devices.stored(Receipt((b"uno", -1), 9))  # each hello is another life

    assert [devices.stored_through("press", boot) for boot in (7, 8, 9)] == [7, 1, 0]
    assert devices.stored_through("uno", -1) == 0

    for boot in range(1, port_bounds.DEVICES_MAX):
        devices.stored(Receipt((b"uno", boot), 1))
    assert [devices.stored_through("press", boot) for boot in (7, 8)] == [0, 1]
