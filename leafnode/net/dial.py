"""Connections outward: name lookup, connect, TLS, under one deadline.

Knows sockets; not who is called nor why. Implements `net.transport.Dial`.
"""

from __future__ import annotations

import asyncio
import socket
from typing import TYPE_CHECKING

from leafnode.clock import NS_PER_S
from leafnode.net.backlog import WriteRules
from leafnode.net.tcp import TcpConnection

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable

    from leafnode.net.transport import SessionT
    from leafnode.net.turn import Turn


class TcpDialer:
    """Dials over TCP; connections share the server's turn."""

    __slots__ = ("_turn", "write_rules")

    def __init__(self, turn: Turn, *, write_rules: WriteRules | None = None) -> None:
        """A link that takes something is kept, unless told otherwise: it cannot come back soon."""
        self._turn = turn
        self.write_rules = write_rules or WriteRules(retries=True)

    async def __call__(
        self,
        host: str,
        port: int,
        session_factory: Callable[[], SessionT],
        *,
        timeout_ns: int,
        tls: ssl.SSLContext | None,
        server_hostname: str,
    ) -> SessionT:
        """See `net.transport.Dial`."""
        session = session_factory()
        async with asyncio.timeout(timeout_ns / NS_PER_S):
            sock = await _connect(host, port)
            connection = TcpConnection(self._turn, session, sock, write_rules=self.write_rules)
            if tls is not None:
                try:
                    await connection.start_tls(tls, server_hostname)
                except BaseException:
                    connection.abort()
                    raise
        connection.begin()
        return session


async def _connect(host: str, port: int) -> socket.socket:
    """Return a socket to the first address of the host that answers. Raises the last OSError."""
    loop = asyncio.get_running_loop()
    failure: OSError | None = None
    for family, kind, proto, _, address in await loop.getaddrinfo(
        host, port, type=socket.SOCK_STREAM
    ):
        sock = socket.socket(family, kind, proto)
        try:
            sock.setblocking(False)  # noqa: FBT003 -- the standard library's signature
            await loop.sock_connect(sock, address)
        except OSError as err:
            sock.close()
            failure = err
        except BaseException:
            sock.close()
            raise
        else:
            return sock
    raise failure or OSError(f"{host} has no address")
