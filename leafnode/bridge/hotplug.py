"""Tells all ports at once that a tty was plugged in: one netlink socket on which the kernel speaks.

Knows the socket; not which port waits for which device. Without it (a container, a unit that does
not allow AF_NETLINK) ports look by themselves, see limits.PORT_POLL_NS. Truth: netlink(7).
"""

from __future__ import annotations

import asyncio
import errno
import logging
import socket
import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Protocol

from leafnode.bridge import port_bounds
from leafnode.bridge.uevent import parse

if TYPE_CHECKING:
    from collections.abc import Callable

    from leafnode.bridge.uevent import Uevent
    from leafnode.clock import Clock

log = logging.getLogger(__name__)

_KOBJECT_UEVENT: Final = 15  # a protocol of netlink
_KERNEL_GROUP: Final = 1  # udev speaks to group 2
_CREDENTIALS: Final = struct.Struct("=iII")  # pid, uid, gid


class Source(Protocol):
    """A socket of datagrams."""

    def fileno(self) -> int: ...

    def recvmsg(
        self, bufsize: int, ancbufsize: int, /
    ) -> tuple[bytes, list[tuple[int, int, bytes]], int, object]: ...

    def close(self) -> None: ...


def open_source() -> Source:
    """Return a socket on which the kernel tells of devices. Raises OSError."""
    kind = socket.SOCK_RAW | socket.SOCK_CLOEXEC
    sock = socket.socket(socket.AF_NETLINK, kind, _KOBJECT_UEVENT)
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)
        sock.bind((0, _KERNEL_GROUP))
        sock.setblocking(False)  # noqa: FBT003 -- socket's
    except OSError:
        sock.close()
        raise
    return sock


@dataclass(slots=True)
class HotplugStatus:
    """What the kernel told of ttys since start. `last` as `add ttyUSB0`, `last_ns` wall time.

    `listening`: whether it tells anything at all, see Hotplug.
    """

    listening: bool = False
    added: int = 0
    removed: int = 0
    overruns: int = 0  # times that it told more than we heard
    last: str = ""
    last_ns: int = 0


class Hotplug:
    """Calls `came` when a tty appeared, on the loop."""

    def __init__(
        self,
        came: Callable[[], None],
        clock: Clock,
        open_source: Callable[[], Source] = open_source,
    ) -> None:
        self._came = came
        self._clock = clock
        self.told = HotplugStatus()
        self._open_source = open_source
        self._source: Source | None = None

    def start(self) -> None:
        """Listen, if the kernel lets us."""
        try:
            self._source = self._open_source()
        except OSError as err:
            log.info("Serial ports are looked for, the kernel tells of none: reason=%s", err)
            return
        asyncio.get_running_loop().add_reader(self._source.fileno(), self._readable)
        self.told.listening = True

    def stop(self) -> None:
        source, self._source = self._source, None
        self.told.listening = False
        if source is not None:
            asyncio.get_running_loop().remove_reader(source.fileno())
            source.close()

    @property
    def is_told(self) -> bool:
        return self._source is not None

    def _readable(self) -> None:
        assert self._source is not None, "the reader is removed with it"
        has_come = False
        for _ in range(port_bounds.UEVENTS_MAX):
            try:
                datagram, ancillary, flags, sender = self._source.recvmsg(
                    port_bounds.UEVENT_BYTES_MAX, socket.CMSG_SPACE(_CREDENTIALS.size)
                )
            except BlockingIOError:
                break
            except OSError as err:
                if err.errno == errno.ENOBUFS:  # it told more than we heard: one may be ours
                    has_come = True
                    self.told.overruns += 1
                    continue
                self._give_up(err)
                break
            if flags & socket.MSG_TRUNC or not is_of_the_kernel(sender, ancillary):
                continue
            event = parse(datagram)
            if event is not None and event.subsystem == "tty":
                self._note(event)
                has_come = has_come or event.action == "add"
        if has_come:
            self._came()

    def _note(self, event: Uevent) -> None:
        told = self.told
        told.added += event.action == "add"
        told.removed += event.action == "remove"
        told.last, told.last_ns = f"{event.action} {event.name}", self._clock.wall_ns()

    def _give_up(self, err: OSError) -> None:
        log.warning("Serial ports are looked for, the kernel tells no more: reason=%s", err)
        self.stop()


def is_of_the_kernel(sender: object, ancillary: list[tuple[int, int, bytes]]) -> bool:
    """Say whether the kernel sent a datagram: any process may send to this group's sockets."""
    if not (isinstance(sender, tuple) and sender[:1] == (0,)):
        return False
    for level, kind, data in ancillary:
        is_credentials = (level, kind) == (socket.SOL_SOCKET, socket.SCM_CREDENTIALS)
        if is_credentials and len(data) == _CREDENTIALS.size:
            pid, uid, _ = _CREDENTIALS.unpack(data)
            return (pid, uid) == (0, 0)
    return False
