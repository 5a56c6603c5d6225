"""RS-485 by our own hand, on a line that notes what happens to it and when."""

from __future__ import annotations

import errno

import pytest

from leafnode.bridge import port_bounds
from leafnode.bridge.port import LineErrors
from leafnode.bridge.transports.rts import RtsPort
from leafnode.clock import NS_PER_MS, NS_PER_S
from leafnode.config.serial_options import Rs485Options, SerialPort
from tests.sim.clock import FakeClock

OPTIONS = SerialPort("/dev/ttyS0", "p", "s.p", baud=9600, parity="even")
BYTE_NS = 11 * NS_PER_S // 9600  # a start bit, 8, parity, a stop bit


class NotedLine:
    """Implements RtsLine."""

    path = "/dev/ttyS0"
    is_low_latency = True

    def __init__(self, clock: FakeClock) -> None:
        self.clock = clock
        self.start_ns = clock.monotonic_ns()
        self.notes: list[tuple[int, str]] = []
        self.takes = 10_000
        self.unsent = 0
        self.input = b""
        self.failure: OSError | None = None

    def note(self, what: str) -> None:
        self.notes.append((self.clock.monotonic_ns() - self.start_ns, what))

    def describe(self) -> str:
        return "line"

    def fileno(self) -> int:
        return 99

    def read(self) -> bytes:
        data, self.input = self.input, b""
        return data

    def write(self, data: bytes) -> int:
        if self.failure is not None:
            raise self.failure
        count = min(len(data), self.takes)
        self.note(f"write {count}")
        return count

    def line_errors(self) -> LineErrors:
        return LineErrors()

    def write_pause_ns(self) -> int:
        return 0

    def set_rts(self, *, on: bool) -> None:
        self.note("rts on" if on else "rts off")

    def unsent_bytes(self) -> int:
        return self.unsent

    def drop_input(self) -> None:
        self.input = b""

    def stop(self) -> None:
        pass

    def close(self) -> None:
        self.note("close")


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def line(clock: FakeClock) -> NotedLine:
    return NotedLine(clock)


def port_on(line: NotedLine, **switch: object) -> RtsPort:
    return RtsPort(line, OPTIONS, Rs485Options("rts", **switch), line.clock)  # type: ignore[arg-type]


def test_rts_is_up_from_the_delay_before_until_the_last_bit_has_left(
    line: NotedLine, clock: FakeClock
) -> None:
    port = port_on(line, delay_before_ns=NS_PER_MS, delay_after_ns=2 * NS_PER_MS)

    assert port.write(b"12345678") == 8
    clock.advance(NS_PER_S)

    assert line.notes == [
        (0, "rts on"),
        (NS_PER_MS, "write 8"),
        (NS_PER_MS + 8 * BYTE_NS + 2 * NS_PER_MS, "rts off"),
    ]
    assert clock.pending() == 0


def test_what_is_said_while_it_speaks_goes_out_in_the_same_breath(
    line: NotedLine, clock: FakeClock
) -> None:
    port = port_on(line)

    port.write(b"1234")
    clock.advance(2 * BYTE_NS)
    port.write(b"5678")
    clock.advance(NS_PER_S)

    assert [what for _, what in line.notes] == ["rts on", "write 4", "write 4", "rts off"]
    assert line.notes[-1][0] == 8 * BYTE_NS


def test_a_driver_that_still_sends_is_waited_for(line: NotedLine, clock: FakeClock) -> None:
    port = port_on(line)
    port.write(b"1")
    line.unsent = 20

    clock.advance(10 * BYTE_NS)
    assert line.notes[-1][1] == "write 1"
    line.unsent = 0
    clock.advance(30 * BYTE_NS)

    assert line.notes[-1][1] == "rts off"


def test_lines_of_the_other_polarity_are_known(line: NotedLine, clock: FakeClock) -> None:
    port_on(line, rts_on_send=False).write(b"1")
    clock.advance(NS_PER_S)

    assert [what for _, what in line.notes] == ["rts off", "write 1", "rts on"]


@pytest.mark.parametrize("rx_during_tx", [False, True])
def test_our_own_voice_is_dropped_unless_it_is_wanted(
    line: NotedLine, clock: FakeClock, rx_during_tx: bool
) -> None:
    port = port_on(line, rx_during_tx=rx_during_tx)
    port.write(b"poll")
    line.input = b"poll"
    assert port.read() == (b"poll" if rx_during_tx else b"")
    line.input = b"ll"

    clock.advance(NS_PER_S)
    assert port.read() == (b"ll" if rx_during_tx else b"")
    line.input = b"answer"

    assert port.read() == b"answer"


def test_a_full_driver_is_asked_again_and_what_waits_is_bounded(
    line: NotedLine, clock: FakeClock
) -> None:
    line.takes = 100
    port = port_on(line)

    taken = port.write(bytes(2 * port_bounds.RS485_BUFFER_MAX))
    assert taken == port_bounds.RS485_BUFFER_MAX
    line.takes = 0
    more = port.write(bytes(500))
    assert more == 100  # as much as the driver took
    assert port.write(b"x") == 0
    assert port.write_pause_ns() > 0
    line.takes = 1000
    clock.advance(60 * NS_PER_S)

    written = sum(int(what.split()[1]) for _, what in line.notes if "write" in what)
    assert written == taken + more
    assert line.notes[-1][1] == "rts off"


def test_a_line_that_fails_meanwhile_says_so_at_the_next_write(
    line: NotedLine, clock: FakeClock
) -> None:
    port = port_on(line, delay_before_ns=NS_PER_MS)
    port.write(b"1")
    line.failure = OSError(errno.EIO, "gone")
    clock.advance(NS_PER_S)

    with pytest.raises(OSError, match="gone"):
        port.write(b"2")


def test_when_it_is_stopped_it_listens_and_moves_nothing_more(
    line: NotedLine, clock: FakeClock
) -> None:
    port = port_on(line)
    port.write(b"12345")

    port.stop()
    port.close()
    clock.advance(NS_PER_S)

    assert [what for _, what in line.notes] == ["rts on", "write 5", "rts off", "close"]
    assert clock.pending() == 0
