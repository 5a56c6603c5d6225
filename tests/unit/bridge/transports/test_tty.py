"""pyserial's port, opened the way a gateway needs it. A pseudo-terminal stands for the tty."""

from __future__ import annotations

import os
import tty
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from leafnode import limits
from leafnode.bridge.port import PortGone
from leafnode.bridge.transports.tty import open_pyserial
from leafnode.config.serial_options import SerialPort

if TYPE_CHECKING:
    from collections.abc import Iterator


class Cable:
    """A pty pair: `device` is the sensor's end, `path` the one that is opened."""

    def __init__(self) -> None:
        self.device, self._kept = os.openpty()
        tty.setraw(self._kept)
        self.path = os.ttyname(self._kept)

    def options(self, *, baud: int = 115_200) -> SerialPort:
        return SerialPort(device=self.path, name="p", subject="s.p", baud=baud)

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
    port = open_pyserial(cable.options())
    every_byte = bytes(range(256))

    os.write(cable.device, every_byte)
    assert port.read() == every_byte
    assert port.write(every_byte) == 256
    assert os.read(cable.device, 1000) == every_byte

    port.close()


def test_a_read_of_nothing_is_empty_and_does_not_block(cable: Cable) -> None:
    port = open_pyserial(cable.options())

    assert port.read() == b""

    port.close()


def test_a_read_gives_at_most_its_bound(cable: Cable) -> None:
    port = open_pyserial(cable.options())
    os.set_blocking(cable.device, False)
    os.write(cable.device, bytes(3 * limits.SERIAL_READ_BYTES))

    assert 0 < len(port.read()) <= limits.SERIAL_READ_BYTES

    port.close()


def test_what_came_before_the_port_was_opened_is_kept(cable: Cable) -> None:
    os.write(cable.device, b"21.5\n")

    port = open_pyserial(cable.options())

    assert port.read() == b"21.5\n"
    port.close()


def test_a_second_opening_is_refused(cable: Cable) -> None:
    port = open_pyserial(cable.options())

    with pytest.raises(OSError, match="exclusively lock"):
        open_pyserial(cable.options())

    port.close()


def test_an_unplugged_port_says_so_on_read_and_on_write(cable: Cable) -> None:
    port = open_pyserial(cable.options())
    cable.unplug()

    with pytest.raises(OSError, match=r"Input/output error|hung up"):
        port.read()
    with pytest.raises(OSError, match="Input/output error"):
        port.write(b"x")

    port.close()


def test_an_end_of_file_is_a_port_that_is_gone(cable: Cable) -> None:
    port = open_pyserial(cable.options())
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, port.fileno())

    with pytest.raises(PortGone):
        port.read()

    os.close(nothing)
    port.close()


def test_a_missing_device_is_an_os_error_and_leaks_nothing() -> None:
    before = descriptors()

    with pytest.raises(OSError, match="No such file"):
        open_pyserial(SerialPort(device="/dev/nonexistent", name="p", subject="s.p"))

    assert descriptors() == before


def test_what_is_no_terminal_is_an_os_error_and_leaks_nothing() -> None:
    before = descriptors()

    with pytest.raises(OSError, match="Could not configure port"):
        open_pyserial(SerialPort(device=os.devnull, name="p", subject="s.p"))

    assert descriptors() == before


def test_an_impossible_baud_rate_is_refused(cable: Cable) -> None:
    with pytest.raises(ValueError, match="baud"):
        open_pyserial(cable.options(baud=-1))


def test_a_full_line_takes_no_more_and_does_not_block(cable: Cable) -> None:
    port = open_pyserial(cable.options())

    written = 0
    while (taken := port.write(bytes(65536))) > 0:
        written += taken

    assert written > 0
    port.close()


def test_closing_drops_what_is_not_sent_and_every_descriptor(cable: Cable) -> None:
    before = descriptors()
    port = open_pyserial(cable.options())
    port.write(b"not read by anybody")

    port.close()

    assert descriptors() == before
