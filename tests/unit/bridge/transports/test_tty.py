"""pyserial's port, opened the way a gateway needs it. A pseudo-terminal stands for the tty."""

from __future__ import annotations

import errno
import fcntl
import os
import struct
import sys
import termios
import tty
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import serial

from leafnode import limits
from leafnode.bridge.port import LineErrors, PortGone
from leafnode.bridge.transports.tty import TtyPort, _settings
from leafnode.bridge.uucp_lock import take
from leafnode.clock import NS_PER_MS
from leafnode.config.serial_options import Rs485Options, SerialPort

if TYPE_CHECKING:
    from collections.abc import Iterator


TIOCGEXCL = 0x80045440
STOP2 = termios.CSTOPB


class Cable:
    """A pty pair: `device` is the sensor's end, `path` the one that is opened."""

    def __init__(self) -> None:
        self.device, self._kept = os.openpty()
        tty.setraw(self._kept)
        self.path = os.ttyname(self._kept)

    def options(self, **changes: Any) -> SerialPort:
        return SerialPort(device=self.path, name="p", subject="s.p", **changes)

    def open(self, **changes: Any) -> TtyPort:
        return TtyPort(self.options(**changes), self.path)

    def unplug(self) -> None:
        for descriptor in (self.device, self._kept):
            if descriptor >= 0:
                os.close(descriptor)
        self.device = self._kept = -1


@pytest.fixture
def cable() -> Iterator[Cable]:
    cable = Cable()
    yield cable
    cable.unplug()


def descriptors() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


def test_bytes_come_and_go_unchanged(cable: Cable) -> None:
    port = cable.open()
    every_byte = bytes(range(256))

    os.write(cable.device, every_byte)
    assert port.read() == every_byte
    assert port.write(every_byte) == 256
    assert os.read(cable.device, 1000) == every_byte

    port.close()


def test_a_read_of_nothing_is_empty_and_does_not_block(cable: Cable) -> None:
    port = cable.open()

    assert port.read() == b""

    port.close()


def test_a_read_gives_at_most_its_bound(cable: Cable) -> None:
    port = cable.open()
    os.set_blocking(cable.device, False)
    os.write(cable.device, bytes(3 * limits.SERIAL_READ_BYTES))

    assert 0 < len(port.read()) <= limits.SERIAL_READ_BYTES

    port.close()


def test_what_came_before_the_port_was_opened_is_kept(cable: Cable) -> None:
    os.write(cable.device, b"21.5\n")

    port = cable.open()

    assert port.read() == b"21.5\n"
    port.close()


def test_a_second_opening_is_refused(cable: Cable) -> None:
    port = cable.open()

    with pytest.raises(OSError, match="exclusively lock"):
        cable.open()

    port.close()
    cable.open().close()


def test_who_asks_for_no_lock_is_kept_out_too_and_let_in_afterwards(cable: Cable) -> None:
    port = cable.open()

    assert is_exclusive(cable)
    port.close()
    assert not is_exclusive(cable)


def is_exclusive(cable: Cable) -> bool:
    """Root gets in all the same, so the flag itself is asked for."""
    number = fcntl.ioctl(cable._kept, TIOCGEXCL, b"\0" * 4)
    return int.from_bytes(number, sys.byteorder) == 1


@pytest.mark.parametrize(
    ("changes", "flags"),
    [
        ({}, termios.CS8),
        ({"data_bits": 7, "parity": "even"}, termios.CS7 | termios.PARENB),
        ({"parity": "odd", "stop_bits": 2}, termios.CS8 | termios.PARENB | termios.PARODD | STOP2),
        ({"data_bits": 5}, termios.CS5),
    ],
)
def test_the_line_is_set_as_it_was_asked(cable: Cable, changes: dict[str, Any], flags: int) -> None:
    port = cable.open(**changes)

    _, _, cflag, _, _, speed, _ = termios.tcgetattr(cable._kept)

    assert speed == termios.B115200
    # A pseudo-terminal holds back CSIZE and PARENB from who asks, but for the flags that it can do.
    seen = port._serial
    size = {5: termios.CS5, 6: termios.CS6, 7: termios.CS7, 8: termios.CS8}[seen.bytesize]
    assert size == flags & termios.CSIZE
    assert (seen.parity != "N") == bool(flags & termios.PARENB)
    assert bool(cflag & termios.CSTOPB) == bool(flags & termios.CSTOPB)
    port.close()


@pytest.mark.parametrize("changes", [{"parity": "even"}, {"data_bits": 7}])
def test_a_driver_without_parity_is_opened_again_as_it_was_at_first(
    cable: Cable, changes: dict[str, Any]
) -> None:
    """A gateway that was started anew said "Invalid argument" for ever."""
    for _ in range(3):
        port = cable.open(baud=9600, **changes)
        assert termios.tcgetattr(cable._kept)[5] == termios.B9600
        port.close()
    for _ in range(2):  # for the same cause, too
        with pytest.raises(OSError, match="has no RS-485 mode"):
            cable.open(rs485=Rs485Options("kernel"), **changes)


def test_flow_control_is_set(cable: Cable) -> None:
    port = cable.open(flow="xonxoff")
    assert termios.tcgetattr(cable._kept)[0] & termios.IXON
    port.close()
    port = cable.open(flow="rtscts")
    assert termios.tcgetattr(cable._kept)[2] & termios.CRTSCTS
    assert not termios.tcgetattr(cable._kept)[0] & termios.IXON
    assert "flow=rtscts" in port.describe()
    port.close()


def test_a_driver_without_low_latency_is_no_error(cable: Cable) -> None:
    port = cable.open(low_latency=True)

    assert not port.is_low_latency

    port.close()


def test_a_driver_without_rs485_is_refused_with_advice_and_the_device_is_free_again(
    cable: Cable,
) -> None:
    before = descriptors()

    with pytest.raises(OSError, match=r"no RS-485 mode: use rs485 mode rts, or adapter"):
        cable.open(rs485=Rs485Options("kernel"))

    assert descriptors() == before
    port = cable.open(rs485=Rs485Options("adapter"))  # nothing of the failure is left
    assert port.write(b"x") == 1
    port.close()


def test_a_line_that_cannot_be_set_beside_rs485_is_refused_and_not_raised_as_termios_does(
    cable: Cable,
) -> None:
    before = descriptors()

    # pyserial sets the line again: a pseudo-terminal without parity answers EINVAL then.
    with pytest.raises(OSError, match=r"no RS-485 mode: use rs485 mode rts, or adapter"):
        cable.open(baud=9600, parity="even", rs485=Rs485Options("kernel"))

    assert descriptors() == before


@pytest.mark.parametrize("number", [errno.EIO, errno.ENODEV, errno.ENXIO])
def test_one_that_goes_while_rs485_is_set_is_said_to_be_gone(
    cable: Cable, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    before = descriptors()
    opened = serial.Serial.open

    def set_line(*_: object) -> None:
        raise termios.error(number, os.strerror(number))

    def then_it_goes(port: serial.Serial) -> None:
        opened(port)
        monkeypatch.setattr(termios, "tcsetattr", set_line)

    monkeypatch.setattr(serial.Serial, "open", then_it_goes)

    with pytest.raises(OSError, match=os.strerror(number)):
        cable.open(parity="even", rs485=Rs485Options("kernel"))

    assert descriptors() == before


def test_a_speed_beyond_the_drivers_is_an_error_of_the_port(cable: Cable) -> None:
    port = cable.open()

    with pytest.raises(OSError, match=r"."):
        port.set_line(2**31, "none")

    port.close()


class Driver:
    """Takes the ioctls that no pseudo-terminal has, and keeps what was set."""

    GET_RS485, SET_RS485, GET_SERIAL, SET_SERIAL = 0x542E, 0x542F, 0x541E, 0x541F

    def __init__(self) -> None:
        self.was: dict[int, list[int]] = {}
        self._real = fcntl.ioctl

    def ioctl(self, fd: int, request: int, *rest: Any) -> Any:
        if request in (self.GET_RS485, self.GET_SERIAL):
            return 0
        if request in (self.SET_RS485, self.SET_SERIAL):
            self.was[request] = list(rest[0])
            return 0
        return self._real(fd, request, *rest)


@pytest.mark.parametrize(
    ("options", "flags", "delays"),
    [
        # enabled 1, RTS on send 2, RTS after send 4, receive while sending 16
        (Rs485Options("kernel"), 1 | 2, [0, 0]),
        (Rs485Options("kernel", rts_on_send=False, rx_during_tx=True), 1 | 4 | 16, [0, 0]),
        (Rs485Options("kernel", 3 * NS_PER_MS, 29 * NS_PER_MS), 1 | 2, [3, 29]),
        (Rs485Options("kernel", 1, NS_PER_MS + 1), 1 | 2, [1, 2]),
    ],
)
def test_a_driver_that_switches_rs485_itself_is_told_how(
    cable: Cable,
    monkeypatch: pytest.MonkeyPatch,
    options: Rs485Options,
    flags: int,
    delays: list[int],
) -> None:
    driver = Driver()
    monkeypatch.setattr(fcntl, "ioctl", driver.ioctl)

    port = cable.open(rs485=options)

    assert driver.was[driver.SET_RS485][:3] == [flags, *delays]
    assert port._serial.rts is not options.rts_on_send  # nobody speaks before the driver knows
    port.close()


def test_every_delay_of_whole_milliseconds_reaches_the_driver_as_it_is() -> None:
    for delay_ms in range(1001):
        settings = _settings(Rs485Options("kernel", delay_ms * NS_PER_MS))
        assert int(settings.delay_before_tx * 1000) == delay_ms


def test_a_driver_with_low_latency_is_told(cable: Cable, monkeypatch: pytest.MonkeyPatch) -> None:
    driver = Driver()
    monkeypatch.setattr(fcntl, "ioctl", driver.ioctl)

    port = cable.open()
    assert port.is_low_latency
    assert driver.was[driver.SET_SERIAL][4] == 0x2000  # ASYNC_LOW_LATENCY
    port.close()

    port = cable.open(low_latency=False)
    assert not port.is_low_latency
    port.close()


def test_a_line_without_rts_is_no_line_for_a_soft_switch(cable: Cable) -> None:
    before = descriptors()

    with pytest.raises(OSError, match="has no RTS line for the RS-485 mode rts: use adapter"):
        cable.open(rs485=Rs485Options("rts"))

    assert descriptors() == before


def test_its_lock_file_goes_with_it(cable: Cable, tmp_path: Path) -> None:
    lock = take(cable.path, tmp_path)
    port = TtyPort(cable.options(), cable.path, lock)
    assert list(tmp_path.iterdir())

    port.close()

    assert not list(tmp_path.iterdir())


def test_an_unplugged_port_says_so_on_read_and_on_write(cable: Cable) -> None:
    port = cable.open()
    cable.unplug()

    with pytest.raises(OSError, match=r"Input/output error|hung up"):
        port.read()
    with pytest.raises(OSError, match="Input/output error"):
        port.write(b"x")

    port.close()


def test_an_end_of_file_is_a_port_that_is_gone(cable: Cable) -> None:
    port = cable.open()
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, port.fileno())

    with pytest.raises(PortGone):
        port.read()

    os.close(nothing)
    port.close()


def test_a_missing_device_is_an_os_error_and_leaks_nothing() -> None:
    before = descriptors()

    with pytest.raises(OSError, match="No such file"):
        TtyPort(SerialPort(device="", name="p", subject="s.p"), "/dev/nonexistent")

    assert descriptors() == before


def test_what_is_no_terminal_is_an_os_error_and_leaks_nothing() -> None:
    before = descriptors()

    with pytest.raises(OSError, match="Could not configure port"):
        TtyPort(SerialPort(device="", name="p", subject="s.p"), os.devnull)

    assert descriptors() == before


def test_an_impossible_baud_rate_is_refused(cable: Cable) -> None:
    with pytest.raises(OSError, match="baud"):
        cable.open(baud=-1)


def test_a_full_line_takes_no_more_and_does_not_block(cable: Cable) -> None:
    port = cable.open()

    written = 0
    while (taken := port.write(bytes(65536))) > 0:
        written += taken

    assert written > 0
    port.close()


def test_closing_drops_what_is_not_sent_and_every_descriptor(cable: Cable) -> None:
    before = descriptors()
    port = cable.open()
    port.write(b"not read by anybody")

    port.close()

    assert descriptors() == before


class CountingDriver:
    """Counts as a driver does: since it was loaded, in 32 bits. None: it counts nothing."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.counts: tuple[int, int, int, int, int] | None = (10, 20, 30, 40, 0x7FFFFFFF)
        self._real = fcntl.ioctl
        monkeypatch.setattr(fcntl, "ioctl", self._ioctl)

    def _ioctl(self, fd: int, request: int, argument: Any = 0, *more: Any) -> Any:
        if request != termios.TIOCGICOUNT:
            return self._real(fd, request, argument, *more)
        if self.counts is None:
            raise OSError(25, "Inappropriate ioctl for device")
        # cts, dsr, rng, dcd, rx, tx; then frame, overrun, parity, brk, buf_overrun; reserved
        return struct.pack("=11i9i", *(1, 2, 3, 4, 5, 6), *self.counts, *[9] * 9)


def test_what_the_driver_counted_is_told_from_the_opening_on(
    cable: Cable, monkeypatch: pytest.MonkeyPatch
) -> None:
    driver = CountingDriver(monkeypatch)
    port = cable.open()

    assert port.line_errors() == LineErrors()
    driver.counts = (11, 22, 33, 44, -0x7FFFFFFF)  # the last one came round
    seen = LineErrors(overruns=2 + 2, framing_errors=1, parity_errors=3, breaks=4)
    assert port.line_errors() == seen
    driver.counts = None  # unplugged
    assert port.line_errors() == seen
    port.close()


def test_a_driver_that_counts_nothing_has_no_errors(cable: Cable) -> None:
    port = cable.open()

    assert port.line_errors() == LineErrors()
    port.close()
