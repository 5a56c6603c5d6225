"""leafnode.net.dial: one deadline over lookup, connect and handshake."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import socket
import ssl
from random import Random
from typing import TYPE_CHECKING

import pytest

from leafnode.clock import NS_PER_MS, NS_PER_S, SystemClock
from leafnode.config.options import HttpProxy
from leafnode.net.dial import TcpDialer
from leafnode.net.transport import Target
from leafnode.net.turn import Turn
from leafnode.tls.x509 import first_certificate, key_digest
from tests.interop.http_proxy import running_proxy
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
    session = RecordingSession()
    await TcpDialer(Turn(SystemClock()))(Target(HOST, port, timeout_ns, tls, name), session)
    return session


@pytest.mark.real_loop
async def test_nobody_listening_is_an_oserror() -> None:
    with pytest.raises(ConnectionRefusedError):
        await dial(free_port())


@pytest.mark.real_loop
@pytest.mark.real_loop
async def test_a_name_that_does_not_exist_is_an_oserror() -> None:
    dialer = TcpDialer(Turn(SystemClock()))

    with pytest.raises(OSError, match=r"not known|resolution|No address"):
        await dialer(Target("nowhere.invalid", 1, 5 * NS_PER_S), RecordingSession())


@pytest.mark.real_loop
async def test_each_address_of_a_name_is_the_first_one_at_some_time(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """One that drops what it is sent uses up the time of a dial: it must not be all dials."""
    port = free_port()
    addresses = [("127.0.0.2", port), ("127.0.0.3", port), (HOST, port)]
    tried: list[str] = []

    async def look_up(*_: object, **__: object) -> list[tuple[object, ...]]:
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", one) for one in addresses]

    async def connect(_sock: object, address: tuple[str, int]) -> None:
        tried.append(address[0])
        if address[0] == HOST:
            raise OSError("refused")
        await asyncio.Event().wait()

    loop = asyncio.get_running_loop()
    monkeypatch.setattr(loop, "getaddrinfo", look_up)
    monkeypatch.setattr(loop, "sock_connect", connect)
    dialer = TcpDialer(Turn(SystemClock()), random=Random(1))
    first = set()
    for _ in range(20):
        tried.clear()
        with pytest.raises(TimeoutError):
            await dialer(Target("hub", port, NS_PER_MS), RecordingSession())
        first.add(tried[0])
        assert tried[-1] != HOST

    assert first == {"127.0.0.2", "127.0.0.3", HOST}


class Slow:
    """A loop's look-up and connect that take so many seconds each; who is connected is refused."""

    def __init__(self, patch: pytest.MonkeyPatch, look_up_s: float, connect_s: float) -> None:
        self._look_up_s, self._connect_s = look_up_s, connect_s
        loop = asyncio.get_running_loop()
        patch.setattr(loop, "getaddrinfo", self._look_up)
        patch.setattr(loop, "sock_connect", self._connect)

    async def _look_up(self, host: str, port: int, **_: object) -> list[tuple[object, ...]]:
        await asyncio.sleep(self._look_up_s)
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (HOST, port))]

    async def _connect(self, *_: object) -> None:
        await asyncio.sleep(self._connect_s)
        raise ConnectionRefusedError(errno.ECONNREFUSED, "refused")


async def test_a_slow_look_up_takes_nothing_of_the_time_to_connect(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Over a satellite each takes 0.6 s, and `dial_timeout` is 1 s."""
    Slow(monkeypatch, 3.9, 0.9)
    dialer = TcpDialer(Turn(SystemClock()))

    with pytest.raises(ConnectionRefusedError):
        await dialer(Target("hub", 7422, NS_PER_S), RecordingSession())


async def test_a_name_that_is_not_answered_is_told_so(monkeypatch: pytest.MonkeyPatch) -> None:
    Slow(monkeypatch, 100, 0)
    dialer = TcpDialer(Turn(SystemClock()))

    with pytest.raises(TimeoutError, match="the name hub is not answered in time"):
        await dialer(Target("hub", 7422, NS_PER_S), RecordingSession())
    way = HttpProxy("proxy", 3128, timeout_ns=NS_PER_S)
    with pytest.raises(TimeoutError, match="the proxy proxy:3128 did not answer in time"):
        await dialer(Target("hub", 7422, NS_PER_S, proxy=way), RecordingSession())


async def test_a_proxy_has_its_timeout_for_each_step(monkeypatch: pytest.MonkeyPatch) -> None:
    Slow(monkeypatch, 0.9, 0)
    loop, steps = asyncio.get_running_loop(), list[float]()

    async def step(*_: object) -> bytes:
        await asyncio.sleep(0.9)
        steps.append(loop.time())
        return b"HTTP/1.1 403 Forbidden\r\n\r\n"

    for name in ("sock_connect", "sock_recv"):
        monkeypatch.setattr(loop, name, step)
    monkeypatch.setattr(loop, "sock_sendall", lambda *_: asyncio.sleep(0))
    way = HttpProxy("proxy", 3128, timeout_ns=NS_PER_S)

    with pytest.raises(OSError, match="403"):
        await TcpDialer(Turn(SystemClock()))(
            Target("hub", 7422, NS_PER_S, proxy=way), RecordingSession()
        )

    assert len(steps) == 2


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


@pytest.mark.real_loop
async def test_what_a_hub_says_behind_a_proxys_answer_is_not_lost() -> None:
    async with running_proxy("joe:secret") as proxy:

        async def greet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.write(b"INFO {}\r\n")
            assert await reader.readexactly(2) == b"hi"
            writer.close()

        server = await asyncio.start_server(greet, HOST, 0)
        async with server:
            port = server.sockets[0].getsockname()[1]
            session = RecordingSession()
            way = HttpProxy(HOST, proxy.port, "joe", "secret", 20 * NS_PER_S)
            target = Target(HOST, port, 20 * NS_PER_S, proxy=way)
            await TcpDialer(Turn(SystemClock()))(target, session)

            assert await session.bytes(9) == b"INFO {}\r\n"
            session.wire.write([b"hi"])
            await session.end()


@pytest.mark.real_loop
async def test_a_proxy_that_says_nothing_is_named_in_the_error() -> None:
    with socket.create_server((HOST, 0)) as mute:
        port = mute.getsockname()[1]
        way = HttpProxy(HOST, port, timeout_ns=50 * NS_PER_MS)
        target = Target("hub.invalid", 7422, 20 * NS_PER_S, proxy=way)

        with pytest.raises(TimeoutError, match=f"the proxy {HOST}:{port} did not answer in time"):
            await TcpDialer(Turn(SystemClock()))(target, RecordingSession())


@pytest.mark.real_loop
async def test_who_speaks_before_tls_that_was_to_come_first_is_left() -> None:
    answer = b"HTTP/1.1 200 OK\r\n\r\nINFO {}\r\n"
    async with running_proxy(answer=answer) as proxy:
        target = Target(
            "hub.invalid",
            7422,
            20 * NS_PER_S,
            tls=ssl.create_default_context(),
            server_hostname="hub.invalid",
            proxy=HttpProxy(HOST, proxy.port),
        )

        with pytest.raises(OSError, match="spoke before TLS"):
            await TcpDialer(Turn(SystemClock()))(target, RecordingSession())


@pytest.mark.real_loop
async def test_a_certificate_that_is_not_pinned_is_refused(tmp_path: Path) -> None:
    server_side, client_side = tls_pair(tmp_path)
    pem = (tmp_path / "cert.pem").read_text()
    right = key_digest(first_certificate(pem))

    async def greet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            writer.write(b"INFO {}\r\n")
            await reader.read()
            writer.close()

    server = await asyncio.start_server(greet, HOST, 0, ssl=server_side)
    async with server:
        port = server.sockets[0].getsockname()[1]
        for pins in (frozenset({right, "0" * 64}), frozenset({"0" * 64})):
            session = RecordingSession()
            target = Target(HOST, port, 20 * NS_PER_S, client_side, "localhost", pinned_certs=pins)
            dialer = TcpDialer(Turn(SystemClock()))
            if right in pins:
                await dialer(target, session)
                assert await session.bytes(9) == b"INFO {}\r\n"
                session.wire.abort()
            else:
                with pytest.raises(OSError, match="is not pinned"):
                    await dialer(target, session)
                assert session.transport is None
