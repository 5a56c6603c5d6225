"""Accepts connections and gives each a session.

Knows sockets; not how many connections are allowed nor what they say: the session decides. Survives
running out of file descriptors: it pauses, says so, and goes on.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import logging
import socket
from typing import TYPE_CHECKING, Final

from leafnode.clock import NS_PER_S
from leafnode.limits import (
    ACCEPT_BACKLOG,
    ACCEPT_PAUSE_NS,
    ACCEPTS_CHECKED_AFTER,
    ACCEPTS_PER_TURN,
)
from leafnode.net.backlog import WriteRules
from leafnode.net.tcp import TcpConnection

if TYPE_CHECKING:
    from collections.abc import Callable

    from leafnode.net.transport import Session
    from leafnode.net.turn import Turn

log = logging.getLogger(__name__)

# Our own descriptor is not one that listens: nothing will change that. Whatever else `accept` says
# is about one connection or about now, and Linux hands on what the network said (accept(2)).
_OURS: Final = frozenset({errno.EBADF, errno.EINVAL, errno.ENOTSOCK, errno.EFAULT})
# The peer went away between its connect and our accept.
_GONE: Final = frozenset({errno.ECONNABORTED, errno.EPROTO, errno.EINTR, errno.ENOTCONN})
ANY_PORT: Final = -1
_EVERYWHERE: Final = "0.0.0.0"  # noqa: S104 -- compared with, not bound


def _ignore() -> None:
    """Nobody counts."""


def _always() -> bool:
    return True


class Listener:
    """One listening socket."""

    __slots__ = (
        "_has_room",
        "_in_a_row",
        "_on_gone",
        "_session_factory",
        "_socket",
        "_turn",
        "held",
        "host",
        "pauses",
        "port",
        "write_rules",
    )

    def __init__(
        self,
        turn: Turn,
        session_factory: Callable[[], Session],
        *,
        write_rules: WriteRules | None = None,
        on_gone: Callable[[], None] | None = None,
        has_room: Callable[[], bool] = _always,
    ) -> None:
        """`on_gone` is told of who had given up before anything was begun with it. While `has_room`
        says no, whoever comes waits in the kernel.
        """
        self._turn = turn
        self._on_gone = on_gone or _ignore
        self._has_room = has_room
        self._session_factory = session_factory
        self.write_rules = write_rules or WriteRules()
        self._socket: socket.socket | None = None
        self._in_a_row = 0  # connections that had come before they were asked for
        self.host = ""  # both are the real ones once bound
        self.port = 0
        self.pauses = 0  # how often accepting had to wait for resources
        self.held = 0  # how often for room

    async def bind(self, host: str, port: int) -> int:
        """Listen on the first address of `host`; port -1 takes a free one. Returns the port.

        `0.0.0.0` takes IPv6, too, where the machine has it, as Go does. Clients that connect from
        now on wait for `serve`. Raises OSError.
        """
        wanted = 0 if port == ANY_PORT else port
        sock = _everywhere(wanted) if host == _EVERYWHERE else None
        if sock is None:
            family, address = await _resolved(host, wanted)
            sock = _listening(family, address)
        self._socket = sock
        name = sock.getsockname()
        self.host = host if host == _EVERYWHERE else str(name[0])
        self.port = int(name[1])
        return self.port

    async def serve(self) -> None:
        """Accept until cancelled. Waits forever by design."""
        assert self._socket is not None, "bind comes first"
        accepted, is_held = 0, False
        while True:
            if not self._has_room():
                self.held += not is_held
                is_held = True
                await asyncio.sleep(0)  # turns of the loop are what makes room
                continue
            is_held = False
            try:
                sock = await self._accept()
            except OSError as err:
                if err.errno in _GONE:
                    continue
                if err.errno in _OURS:
                    raise
                self.pauses += 1
                log.warning("Accepting paused: error=%s pauses=%d", err.strerror, self.pauses)
                await asyncio.sleep(ACCEPT_PAUSE_NS / NS_PER_S)
                continue
            try:
                if self._in_a_row > ACCEPTS_CHECKED_AFTER and _has_gone(sock):
                    sock.close()
                    self._on_gone()
                else:
                    self._begin(sock)
            except Exception:  # boundary: connection
                log.exception("Connection closed, it could not begin")
                sock.close()
            accepted += 1
            if accepted % ACCEPTS_PER_TURN == 0:
                # While some wait `sock_accept` returns at once, and nobody else would have a turn.
                await asyncio.sleep(0)

    def close(self) -> None:
        """Stop listening, after `serve` was cancelled; open connections live on."""
        sock, self._socket = self._socket, None
        if sock is not None:
            sock.close()

    async def _accept(self) -> socket.socket:
        """Return the next connection, and note how many were there already. Raises OSError."""
        assert self._socket is not None
        while True:
            try:
                sock, _ = self._socket.accept()
            except BlockingIOError:
                self._in_a_row = -1  # the next one is waited for
                await _readable(self._socket)
            else:
                self._in_a_row += 1
                return sock

    def _begin(self, sock: socket.socket) -> None:
        sock.setblocking(False)  # noqa: FBT003 -- the standard library's signature
        TcpConnection(
            self._turn, self._session_factory(), sock, write_rules=self.write_rules
        ).begin()


async def _readable(sock: socket.socket) -> None:
    """Wait for somebody to come. Who comes in the turn in which this is cancelled is not accepted;
    the loop's own `sock_accept` takes him then, and forgets him (CPython 3.13).
    """
    loop = asyncio.get_running_loop()
    came = asyncio.Event()
    loop.add_reader(sock, came.set)
    try:
        await came.wait()
    finally:
        loop.remove_reader(sock)


def _has_gone(sock: socket.socket) -> bool:
    """Say whether somebody gave up while he waited, without a word.

    Where very many wait a server that begins with each of them would never reach one that is there.
    """
    try:
        return not sock.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT)
    except BlockingIOError:
        return False
    except OSError:
        return True


async def _resolved(host: str, port: int) -> tuple[int, tuple[str | int | bytes, ...]]:
    """Return family and address to listen on. Raises OSError.

    A number needs no resolver: that takes a thread and the tables of IDNA, 1 MiB and 20 ms.
    """
    with contextlib.suppress(OSError):
        socket.inet_pton(socket.AF_INET, host)
        return socket.AF_INET, (host, port)
    found = await asyncio.get_running_loop().getaddrinfo(
        host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
    )
    # Like Go: IPv4 first where a name has both.
    family, _, _, _, address = min(found, key=lambda info: info[0] != socket.AF_INET)
    return family, address


def _everywhere(port: int) -> socket.socket | None:
    """Listen on every address of both families; None where the machine has no IPv6."""
    if not socket.has_dualstack_ipv6():
        return None
    try:
        return _listening(socket.AF_INET6, ("::", port))
    except OSError as err:
        if err.errno == errno.EADDRNOTAVAIL:  # switched off by the kernel's settings
            return None
        raise


def _listening(family: int, address: tuple[str | int | bytes, ...]) -> socket.socket:
    sock = socket.socket(family, socket.SOCK_STREAM)
    try:
        sock.setblocking(False)  # noqa: FBT003 -- the standard library's signature
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if address[0] == "::":
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        sock.bind(address)
        sock.listen(ACCEPT_BACKLOG)
    except OSError:
        sock.close()
        raise
    return sock
