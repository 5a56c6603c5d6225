"""leafnode.net.dial: one deadline over lookup, connect and handshake."""

from __future__ import annotations

import asyncio
import socket
import ssl
from typing import TYPE_CHECKING

import pytest

from leafnode.clock import NS_PER_MS, NS_PER_S, SystemClock
from leafnode.net.dial import TcpDialer
from leafnode.net.turn import Turn
from tests.sim.certificates import tls_pair
from tests.sim.sessions import RecordingSession

if TYPE_CHECKING:
    from pathlib import Path

HOST = "127.0.0.1"


def free_port() -> int:
    with socket.create_server((HOST, 0)) as probe:
        return int(probe.getsockname()[1])


async def dial(
    port: int, *, tls: ssl.SSLContext | None = None, name: str = "", timeout_ns: int = NS_PER_S
) -> RecordingSession:
    dialer = TcpDialer(Turn(SystemClock()))
    return await dialer(
        HOST, port, RecordingSession, timeout_ns=timeout_ns, tls=tls, server_hostname=name
    )


@pytest.mark.real_loop
async def test_nobody_listening_is_an_oserror() -> None:
    with pytest.raises(ConnectionRefusedError):
        await dial(free_port())


@pytest.mark.real_loop
async def test_a_name_that_does_not_exist_is_an_oserror() -> None:
    dialer = TcpDialer(Turn(SystemClock()))

    with pytest.raises(OSError, match=r"not known|resolution|No address"):
        await dialer(
            "nowhere.invalid",
            1,
            RecordingSession,
            timeout_ns=5 * NS_PER_S,
            tls=None,
            server_hostname="",
        )


@pytest.mark.real_loop
async def test_bytes_that_come_with_the_connection_are_not_lost() -> None:
    async def greet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"INFO {}\r\n")
        writer.close()

    server = await asyncio.start_server(greet, HOST, 0)
    async with server:
        session = await dial(server.sockets[0].getsockname()[1])

        assert await session.bytes(9) == b"INFO {}\r\n"
        await session.end()


@pytest.mark.real_loop
async def test_with_tls_first_the_session_starts_after_the_handshake(tmp_path: Path) -> None:
    server_side, client_side = tls_pair(tmp_path)

    async def greet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"INFO {}\r\n")
        assert await reader.readexactly(2) == b"hi"
        writer.close()

    server = await asyncio.start_server(greet, HOST, 0, ssl=server_side)
    async with server:
        port = server.sockets[0].getsockname()[1]
        session = await dial(port, tls=client_side, name="localhost")
        session.wire.write([b"hi"])

        assert await session.bytes(9) == b"INFO {}\r\n"
        await session.end()


@pytest.mark.real_loop
async def test_a_certificate_for_another_name_is_refused(tmp_path: Path) -> None:
    server_side, client_side = tls_pair(tmp_path)

    async def never(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        raise AssertionError("no session without a handshake")

    server = await asyncio.start_server(never, HOST, 0, ssl=server_side)
    async with server:
        port = server.sockets[0].getsockname()[1]

        with pytest.raises(ssl.SSLCertVerificationError):
            await dial(port, tls=client_side, name="example.org")


@pytest.mark.real_loop
async def test_a_peer_that_never_shakes_hands_times_out_and_no_socket_is_left() -> None:
    loop = asyncio.get_running_loop()
    with socket.create_server((HOST, 0)) as mute:
        port = mute.getsockname()[1]
        tls = ssl.create_default_context()
        with pytest.raises(TimeoutError):
            await dial(port, tls=tls, name="localhost", timeout_ns=50 * NS_PER_MS)

        mute.setblocking(False)
        # On a slow machine the time was over before it connected: then ours is the only one.
        with socket.create_connection((HOST, port)) as ours:
            while True:
                accepted, address = await loop.sock_accept(mute)
                with accepted:
                    if address == ours.getsockname():
                        break
                    while await loop.sock_recv(accepted, 65536):
                        pass  # the client's hello, and then its end
