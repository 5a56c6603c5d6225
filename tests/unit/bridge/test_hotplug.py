"""One socket on which the kernel tells of ttys, here a pipe and a list."""

from __future__ import annotations

import asyncio
import errno
import logging
import os
import socket
import struct
from typing import TYPE_CHECKING

import pytest

from leafnode.bridge import port_bounds
from leafnode.bridge.hotplug import Hotplug, HotplugStatus, is_of_the_kernel, open_source
from tests.sim.clock import FakeClock
from tests.unit.bridge.test_uevent import ADD

if TYPE_CHECKING:
    from collections.abc import Iterator

KERNEL = [(socket.SOL_SOCKET, socket.SCM_CREDENTIALS, struct.pack("=iII", 0, 0, 0))]
Message = tuple[bytes, list[tuple[int, int, bytes]], int, object]


class FakeSource:
    """Implements Source; readable while a byte is in its pipe."""

    def __init__(self) -> None:
        self._read, self._write = os.pipe()
        self.waiting: list[Message | OSError] = []
        self.is_closed = False

    def tell(
        self,
        datagram: bytes,
        *,
        ancillary: list[tuple[int, int, bytes]] = KERNEL,
        flags: int = 0,
        sender: object = (0, 1),
    ) -> None:
        self.waiting.append((datagram, ancillary, flags, sender))
        os.write(self._write, b"x")

    def fail(self, number: int) -> None:
        self.waiting.append(OSError(number, os.strerror(number)))
        os.write(self._write, b"x")

    def fileno(self) -> int:
        return self._read

    def recvmsg(self, bufsize: int, ancbufsize: int, /) -> Message:
        if not self.waiting:
            raise BlockingIOError
        os.read(self._read, 1)
        found = self.waiting.pop(0)
        if isinstance(found, OSError):
            raise found
        return found

    def close(self) -> None:
        self.is_closed = True

    def free(self) -> None:
        os.close(self._read)
        os.close(self._write)


@pytest.fixture
def source() -> Iterator[FakeSource]:
    source = FakeSource()
    yield source
    source.free()


def told(source: FakeSource) -> int:
    """Run until all was heard and say how often ports were told."""
    return len(heard(source)[0])


def heard(source: FakeSource) -> tuple[list[int], HotplugStatus]:
    """Run until all was heard; return when ports were told, and what is shown of it."""
    calls: list[int] = []
    hotplug = Hotplug(lambda: calls.append(1), FakeClock(), lambda: source)

    async def story() -> None:
        hotplug.start()
        assert hotplug.told.listening
        async with asyncio.timeout(10):
            while source.waiting and hotplug.is_told:  # noqa: ASYNC110
                await asyncio.sleep(0)
        hotplug.stop()

    asyncio.run(story())
    return calls, hotplug.told


def test_what_the_kernel_told_is_shown(source: FakeSource) -> None:
    source.tell(ADD)
    source.tell(ADD)
    source.fail(errno.ENOBUFS)
    source.tell(ADD.replace(b"add", b"remove"))

    _, shown = heard(source)

    assert (shown.added, shown.removed, shown.overruns) == (2, 1, 1)
    assert shown.last == "remove ttyUSB0"
    assert shown.last_ns == FakeClock().wall_ns()
    assert not shown.listening


def test_a_tty_that_came_is_told_once_for_all_that_waits(source: FakeSource) -> None:
    for _ in range(5):
        source.tell(ADD)

    assert told(source) == 1
    assert source.is_closed


def test_a_flood_is_heard_in_pieces(source: FakeSource) -> None:
    for _ in range(2 * port_bounds.UEVENTS_MAX):
        source.tell(ADD)

    assert told(source) == 2


def test_other_devices_and_departures_tell_nobody(source: FakeSource) -> None:
    source.tell(ADD.replace(b"SUBSYSTEM=tty", b"SUBSYSTEM=usb"))
    source.tell(ADD.replace(b"add", b"remove"))
    source.tell(b"nonsense")

    assert told(source) == 0


def test_only_the_kernel_is_believed(source: FakeSource) -> None:
    credentials = (socket.SOL_SOCKET, socket.SCM_CREDENTIALS)
    source.tell(ADD, sender=(4711, 1))
    source.tell(ADD, ancillary=[])
    source.tell(ADD, ancillary=[(*credentials, struct.pack("=iII", 0, 1000, 1000))])
    source.tell(ADD, ancillary=[(*credentials, struct.pack("=iII", 4711, 0, 0))])
    source.tell(ADD, ancillary=[(*credentials, b"short")])
    source.tell(ADD, flags=socket.MSG_TRUNC)

    assert told(source) == 0
    assert not is_of_the_kernel(None, KERNEL)


def test_what_was_told_too_fast_to_be_heard_may_be_a_tty(source: FakeSource) -> None:
    source.fail(errno.ENOBUFS)

    assert told(source) == 1


def test_a_socket_that_breaks_is_given_up_and_said(
    source: FakeSource, caplog: pytest.LogCaptureFixture
) -> None:
    source.fail(errno.EIO)

    assert told(source) == 0
    assert source.is_closed
    assert "the kernel tells no more" in caplog.text


async def test_without_the_socket_ports_look_by_themselves(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO, "leafnode")

    def refused() -> FakeSource:
        raise PermissionError(errno.EPERM, "Operation not permitted")

    hotplug = Hotplug(lambda: None, FakeClock(), refused)
    hotplug.start()

    assert not hotplug.is_told
    assert "Serial ports are looked for, the kernel tells of none" in caplog.text
    hotplug.stop()


def test_the_real_socket_opens_and_closes() -> None:
    source = open_source()

    assert source.fileno() >= 0
    source.close()
