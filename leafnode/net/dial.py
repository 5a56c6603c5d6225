"""Connections outward: connect, TLS, WebSocket under one deadline; names and proxies before it.

Knows sockets; not who is called nor why. Implements `net.transport.Dial`.
"""

from __future__ import annotations

import asyncio
import os
import socket
from typing import TYPE_CHECKING, Any

from leafnode.clock import NS_PER_S
from leafnode.limits import DIAL_LOOKUP_TIMEOUT_NS, READ_CHUNK_BYTES
from leafnode.net.backlog import WriteRules
from leafnode.net.tcp import TcpConnection

if TYPE_CHECKING:
    from random import Random

    from leafnode.config.options import HttpProxy
    from leafnode.net.s2_layer import S2Layer
    from leafnode.net.transport import Session, Target, Transport
    from leafnode.net.turn import Turn
    from leafnode.net.websocket_stream import WebSocketTerms


class TcpDialer:
    """Dials over TCP; connections share the server's turn, and what holds for WebSockets."""

    __slots__ = ("_random", "_turn", "websocket_terms", "write_rules")

    def __init__(
        self,
        turn: Turn,
        *,
        random: Random | None = None,
        write_rules: WriteRules | None = None,
        websocket_terms: WebSocketTerms | None = None,
    ) -> None:
        """A link that takes something is kept, unless told otherwise: it cannot come back soon.

        `random` None: the first address of a name goes first each time. Without `websocket_terms`
        no WebSocket is dialed.
        """
        self._turn = turn
        self._random = random
        self.write_rules = write_rules or WriteRules(retries=True)
        self.websocket_terms = websocket_terms

    async def __call__(
        self, target: Target, session: Session, below: S2Layer | None = None
    ) -> None:
        """See `net.transport.Dial`."""
        asked: asyncio.Future[None] | None = None
        if target.websocket is not None:
            asked = asyncio.get_running_loop().create_future()
            session = self._websocket(target, session, asked)
        if below is not None:
            session = below.carry(session)
        if target.proxy is None:
            tunnel, found = None, await _look_up(target.host, target.port, self._random)
        else:
            tunnel, found = await _reach(target, target.proxy, self._random), []
        async with asyncio.timeout(target.timeout_ns / NS_PER_S):
            sock, early = tunnel or (await _connect(target.host, found), b"")
            if early and target.tls is not None:
                sock.close()
                raise OSError("the hub spoke before TLS, which this remote wants first")
            connection = TcpConnection(self._turn, session, sock, write_rules=self.write_rules)
            try:
                if target.tls is not None:
                    await connection.start_tls(target.tls, target.server_hostname)
                    check_pinned(connection, target.pinned_certs)
                connection.begin()
                if early:
                    connection.become(session, early)
                if asked is not None:
                    await asked
            except BaseException:
                connection.abort()
                raise

    def _websocket(self, target: Target, guest: Session, asked: asyncio.Future[None]) -> Session:
        from leafnode.net.websocket_dial import DialedWebSocket

        def on_done(err: OSError | None) -> None:
            if asked.done():
                return  # nobody waits any more
            if err is None:
                asked.set_result(None)
            else:
                asked.set_exception(err)

        assert target.websocket is not None, "asked by the caller"
        assert self.websocket_terms is not None, "somebody dials a WebSocket"
        return DialedWebSocket(self.websocket_terms, target.websocket, guest, on_done)


def check_pinned(connection: Transport, pins: frozenset[str]) -> None:
    """Raise OSError unless the certificate that was shown is one of those; without any, all are."""
    if not pins:
        return
    from leafnode.net.tls_context import is_pinned

    facts = connection.tls
    if facts is None or not is_pinned(facts.certificate(), pins):
        raise OSError("the certificate that was shown is not pinned")


async def _reach(
    target: Target, proxy: HttpProxy, random: Random | None
) -> tuple[socket.socket, bytes]:
    """Return a socket that leads through the proxy, and what it said already. Raises OSError.

    Both steps have the proxy's timeout, as on nats-server 2.15.1.
    """
    timeout_s = (proxy.timeout_ns or target.timeout_ns) / NS_PER_S
    try:
        found = await _look_up(proxy.host, proxy.port, random)
        async with asyncio.timeout(timeout_s):
            sock = await _connect(proxy.host, found)
        try:
            async with asyncio.timeout(timeout_s):
                return sock, await _tunnel(sock, target, proxy)
        except BaseException:
            sock.close()
            raise
    except TimeoutError as err:
        raise TimeoutError(f"the proxy {proxy} did not answer in time") from err
    except OSError as err:
        if err.errno is None:
            raise  # it names the proxy
        # asyncio's own text of a refusal has no cause.
        why = os.strerror(err.errno).lower() if isinstance(err, ConnectionError) else err.strerror
        raise OSError(f"the proxy {proxy} cannot be reached: {why}") from err


async def _tunnel(sock: socket.socket, target: Target, proxy: HttpProxy) -> bytes:
    from leafnode.net.tunnel import Tunnel

    loop = asyncio.get_running_loop()
    tunnel = Tunnel(proxy, target.host, target.port)
    await loop.sock_sendall(sock, tunnel.data())
    while True:
        early = tunnel.receive(await loop.sock_recv(sock, READ_CHUNK_BYTES))
        if early is not None:
            return early


async def _look_up(host: str, port: int, random: Random | None) -> list[Any]:
    """Return the addresses of a name, in what order they are tried. Raises OSError.

    It has time of its own, for over a satellite it takes as long as a connect. One address that
    drops what it is sent uses up all the time of that, so chance says which is the first: each
    gets its turn. Source: nats-server 2.15.1 server/server.go getRandomIP.
    """
    loop = asyncio.get_running_loop()
    try:
        async with asyncio.timeout(DIAL_LOOKUP_TIMEOUT_NS / NS_PER_S):
            found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except TimeoutError as err:
        raise TimeoutError(f"the name {host} is not answered in time") from err
    if random is not None:
        random.shuffle(found)
    return found


async def _connect(host: str, found: list[Any]) -> socket.socket:
    """Return a socket to the first of these addresses that answers. Raises the last OSError."""
    loop = asyncio.get_running_loop()
    failure: OSError | None = None
    for family, kind, proto, _, address in found:
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
