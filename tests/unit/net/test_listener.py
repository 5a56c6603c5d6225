"""Listener, TcpConnection and a real client library over real sockets."""

from __future__ import annotations

import asyncio
import errno
import socket
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import nats
import pytest

from leafnode.clock import SystemClock
from leafnode.limits import ACCEPTS_CHECKED_AFTER, ACCEPTS_PER_TURN
from leafnode.net.listener import ANY_PORT, Listener
from leafnode.net.tcp import TcpConnection
from leafnode.net.turn import Turn
from tests.sim.clients import ClientServer

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from leafnode.clients.handler import ClientHandler
    from leafnode.config.options import Options
    from leafnode.net.transport import Transport

TIMEOUT_S = 30  # the machine may be slow


@asynccontextmanager
async def listening(options: Options | None = None) -> AsyncIterator[tuple[ClientServer, int]]:
    """A server of client connections on a free port of loopback."""
    server = ClientServer(SystemClock(), options)
    listener = Listener(server.turn, server.new_session)
    port = await listener.bind("127.0.0.1", ANY_PORT)
    async with asyncio.TaskGroup() as tasks:
        accepting = tasks.create_task(listener.serve())
        try:
            yield server, port
        finally:
            accepting.cancel()
            await asyncio.wait([accepting])
            listener.close()
            for _ in server.registry.close_all("Server Shutdown"):
                pass


@asynccontextmanager
async def connected(port: int, name: str = "") -> AsyncIterator[nats.NATS]:
    """A client of nats-py."""
    connection = await nats.connect(f"nats://127.0.0.1:{port}", name=name, allow_reconnect=False)
    try:
        yield connection
    finally:
        await connection.close()


@pytest.mark.real_loop
async def test_who_comes_in_the_turn_of_the_end_is_not_taken_in_silence() -> None:
    problems: list[dict[str, object]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _loop, what: problems.append(what))
    listener = Listener(Turn(SystemClock()), lambda: pytest.fail("nobody is let in"))
    port = await listener.bind("127.0.0.1", ANY_PORT)
    serving = asyncio.create_task(listener.serve())
    await asyncio.sleep(0)
    with socket.create_connection(("127.0.0.1", port), timeout=TIMEOUT_S) as late:
        await asyncio.sleep(0)  # the loop knows of it, and has not told yet
        serving.cancel()
        await asyncio.wait([serving])
        listener.close()

        with pytest.raises(ConnectionResetError):
            late.recv(1)
    assert problems == []


@pytest.mark.real_loop
async def test_where_very_many_wait_who_gave_up_is_not_begun_with() -> None:
    server = ClientServer(SystemClock(), None)
    began = 0

    def session() -> ClientHandler:
        nonlocal began
        began += 1
        return server.new_session()

    listener = Listener(server.turn, session, on_gone=server.registry.count_gone)
    port = await listener.bind("127.0.0.1", ANY_PORT)
    for _ in range(2 * ACCEPTS_CHECKED_AFTER):
        socket.create_connection(("127.0.0.1", port), TIMEOUT_S).close()
    said = socket.create_connection(("127.0.0.1", port), TIMEOUT_S)
    said.sendall(b"PING\r\n")
    said.shutdown(socket.SHUT_WR)  # it has said all that it wants to say
    silent = socket.create_connection(("127.0.0.1", port), TIMEOUT_S)
    silent.setblocking(False)
    said.setblocking(False)
    loop = asyncio.get_running_loop()

    accepting = asyncio.ensure_future(listener.serve())
    async with asyncio.timeout(TIMEOUT_S):
        assert (await loop.sock_recv(silent, 5)) == b"INFO "
        assert (await loop.sock_recv(said, 5)) == b"INFO "

    assert began == ACCEPTS_CHECKED_AFTER + 2
    assert server.registry.total == 2 * ACCEPTS_CHECKED_AFTER + 2
    accepting.cancel()
    await asyncio.wait([accepting])
    listener.close()
    for _ in server.registry.close_all("Server Shutdown"):
        pass
    said.close()
    silent.close()


@pytest.mark.real_loop
async def test_a_client_library_connects_publishes_and_subscribes() -> None:
    async with listening() as (_, port), connected(port) as one, connected(port) as other:
        sub = await one.subscribe("greet.*")
        await one.flush()

        await other.publish("greet.joe", b"hello", headers={"X-A": "1"})
        message = await sub.next_msg()

        assert (message.subject, message.data) == ("greet.joe", b"hello")
        assert message.headers == {"X-A": "1"}


@pytest.mark.real_loop
async def test_a_request_is_answered_and_one_without_responder_fails_at_once() -> None:
    async with listening() as (_, port), connected(port) as one, connected(port) as other:

        async def answer(message: nats.aio.msg.Msg) -> None:
            await message.respond(message.data.upper())

        await one.subscribe("upper", cb=answer)
        await one.flush()

        reply = await other.request("upper", b"abc")
        with pytest.raises(nats.errors.NoRespondersError):
            await other.request("nobody", b"abc")

        assert reply.data == b"ABC"


@pytest.mark.real_loop
async def test_a_megabyte_in_both_directions_arrives_whole() -> None:
    payload = bytes(range(256)) * 4096

    async with listening() as (_, port), connected(port) as one:
        sub = await one.subscribe("big")
        await one.publish("big", payload)

        message = await sub.next_msg(timeout=10)

        assert message.data == payload


@pytest.mark.real_loop
async def test_monitoring_sees_a_connection_while_it_is_open() -> None:
    async with listening() as (server, port):
        async with connected(port, "joe") as one:
            await one.subscribe("a")
            await one.flush()

            (facts,) = server.registry.facts()
        while server.registry.open:  # noqa: ASYNC110 -- nobody tells when the server noticed
            await asyncio.sleep(0)

        assert (facts.name, facts.ip, facts.subscriptions) == ("joe", "127.0.0.1", 1)
        assert facts.lang == "python3"
        assert server.account().sublist.count == 0


@pytest.mark.real_loop
async def test_a_burst_of_connections_lets_others_have_their_turn() -> None:
    async with listening() as (server, port):
        burst = [
            socket.create_connection(("127.0.0.1", port), TIMEOUT_S)
            for _ in range(3 * ACCEPTS_PER_TURN)
        ]
        most = before = 0
        while server.registry.total < len(burst):
            await asyncio.sleep(0)
            most = max(most, server.registry.total - before)
            before = server.registry.total
        for sock in burst:
            sock.close()

    assert most <= ACCEPTS_PER_TURN


@pytest.mark.real_loop
async def test_accepting_pauses_and_goes_on_when_descriptors_run_out(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    accept = socket.socket.accept
    failures = [
        OSError(errno.ECONNABORTED, "gone"),
        OSError(errno.EMFILE, "Too many open files"),
        OSError(errno.EPERM, "a firewall's rule"),
        OSError(errno.ENETDOWN, "the network is down"),
    ]

    def failing_first(sock: socket.socket) -> tuple[socket.socket, object]:
        if failures:
            raise failures.pop(0)
        return accept(sock)

    monkeypatch.setattr(socket.socket, "accept", failing_first)
    monkeypatch.setattr("leafnode.net.listener.ACCEPT_PAUSE_NS", 1_000_000)

    async with listening() as (_, port), connected(port) as one:
        await one.flush()

    assert "Accepting paused: error=Too many open files pauses=1" in caplog.text
    assert "Accepting paused: error=the network is down pauses=3" in caplog.text


@pytest.mark.real_loop
async def test_a_connection_that_cannot_begin_does_not_end_the_others(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    begin = TcpConnection.begin
    failures = [RuntimeError("no")]

    def failing_first(connection: TcpConnection) -> None:
        if failures:
            raise failures.pop()
        begin(connection)

    monkeypatch.setattr(TcpConnection, "begin", failing_first)

    async with listening() as (_, port):
        with socket.create_connection(("127.0.0.1", port), timeout=10) as first:
            first.setblocking(False)
            assert await asyncio.get_running_loop().sock_recv(first, 1) == b""
        async with connected(port) as one:
            await one.flush()

    assert "Connection closed, it could not begin" in caplog.text


@pytest.mark.real_loop
async def test_nobody_is_begun_with_while_there_is_no_room() -> None:
    server = ClientServer(SystemClock(), None)
    room: list[bool] = []
    listener = Listener(server.turn, server.new_session, has_room=lambda: bool(room))
    port = await listener.bind("127.0.0.1", ANY_PORT)
    accepting = asyncio.create_task(listener.serve())
    try:
        with socket.create_connection(("127.0.0.1", port), TIMEOUT_S) as one:
            one.setblocking(False)
            for _ in range(10):
                await asyncio.sleep(0)
            assert (server.registry.total, listener.held) == (0, 1)
            room.append(True)
            async with asyncio.timeout(TIMEOUT_S):
                said = await asyncio.get_running_loop().sock_recv(one, 4)
    finally:
        accepting.cancel()
        await asyncio.wait([accepting])
        listener.close()
    assert (said, server.registry.total, listener.held) == (b"INFO", 1, 1)


@pytest.mark.real_loop
async def test_a_port_in_use_is_an_oserror() -> None:
    async with listening() as (server, port):
        second = Listener(server.turn, server.new_session)

        with pytest.raises(OSError, match="in use"):
            await second.bind("127.0.0.1", port)


async def peer_of(host: str, port: int, connected: list[str]) -> str:
    async with asyncio.timeout(TIMEOUT_S):
        reader, writer = await asyncio.open_connection(host, port)
        await reader.readexactly(1)
    writer.close()
    await writer.wait_closed()
    return connected.pop().rpartition(":")[0]


class Noting:
    """A session that notes who came."""

    def __init__(self, peers: list[str]) -> None:
        self._peers = peers

    def connected(self, transport: Transport) -> None:
        self._peers.append(transport.peer)
        transport.write([b"!"])

    def received(self, data: bytes) -> None:
        """Nothing is said."""

    def lost(self, reason: str) -> None:
        """Nothing is kept."""


@pytest.mark.skipif(not socket.has_dualstack_ipv6(), reason="this machine has no IPv6")
def test_everywhere_means_both_families_and_shows_who_came_as_they_came() -> None:
    async def run() -> tuple[str, list[str]]:
        peers: list[str] = []
        listener = Listener(Turn(SystemClock()), lambda: Noting(peers))
        port = await listener.bind("0.0.0.0", ANY_PORT)
        async with asyncio.TaskGroup() as tasks:
            accepting = tasks.create_task(listener.serve())
            came = [await peer_of(host, port, peers) for host in ("127.0.0.1", "::1")]
            accepting.cancel()
        listener.close()
        return listener.host, came

    assert asyncio.run(run()) == ("0.0.0.0", ["127.0.0.1", "::1"])
