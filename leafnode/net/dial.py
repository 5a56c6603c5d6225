"""Connections outward: name lookup, connect, TLS, under one deadline.

Knows sockets; not who is called nor why. Implements `net.transport.Dial`.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from leafnode.clock import NS_PER_S
from leafnode.limits import WRITE_DEADLINE_NS
from leafnode.net.tcp import TcpConnection

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable

    from leafnode.net.transport import SessionT
    from leafnode.net.turn import Turn


class TcpDialer:
    """Dials over TCP; connections share the server's turn."""

    __slots__ = ("_turn", "_write_deadline_ns")

    def __init__(self, turn: Turn, *, write_deadline_ns: int = WRITE_DEADLINE_NS) -> None:
        self._turn = turn
        self._write_deadline_ns = write_deadline_ns

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
        connection = TcpConnection(
            self._turn, session, write_deadline_ns=self._write_deadline_ns, deferred=True
        )
        loop = asyncio.get_running_loop()
        # Both calls close the socket themselves when they fail or are cancelled.
        async with asyncio.timeout(timeout_ns / NS_PER_S):
            await loop.create_connection(lambda: connection, host, port)
            if tls is not None:
                await connection.start_tls(tls, server_hostname)
        connection.begin()
        return session
