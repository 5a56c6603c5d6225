"""leafnode.auth.url_resolver: one bounded GET for each account, against a server in the loop."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from leafnode.auth.url_resolver import UrlResolver
from leafnode.config.listener_options import CertificatePair
from leafnode.config.options import OperatorOptions, ResolverOptions, TlsOptions
from leafnode.errors import AuthError
from leafnode.files import FileReader
from leafnode.limits import JWT_CHARS_MAX
from tests.sim.certificates import tls_pair

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from pathlib import Path


def fetched(answer: bytes, *, path: str = "/jwt/v1/accounts", user: str = "") -> tuple[str, bytes]:
    """What a resolver gets of a server with this answer ("" for an error), and what it asked."""
    asked = bytearray()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.extend(await reader.readuntil(b"\r\n\r\n"))
        writer.write(answer)
        await writer.drain()
        writer.close()

    async def run(work: Callable[[int], Awaitable[str]]) -> str:
        async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
            found = await work(server.sockets[0].getsockname()[1])
            await asyncio.sleep(0.01)  # its side of the connection ends too
            return found

    async def work(port: int) -> str:
        try:
            return await resolver(f"http://{user}127.0.0.1:{port}{path}").fetch("AKEY")
        except AuthError as err:
            return f"error: {err}".replace(str(port), "PORT")

    return asyncio.run(run(work)), bytes(asked)


def resolver(url: str, *, timeout_ns: int = 2_000_000_000) -> UrlResolver:
    return UrlResolver(
        url, OperatorOptions(resolver=ResolverOptions("url", url=url, timeout_ns=timeout_ns))
    )


def test_the_account_is_put_behind_the_path_with_or_without_a_slash() -> None:
    answer = b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\neyJ.x\n"

    for path in ("/jwt/v1/accounts", "/jwt/v1/accounts/"):
        token, asked = fetched(answer, path=path)
        assert token == "eyJ.x"
        assert asked.startswith(b"GET /jwt/v1/accounts/AKEY HTTP/1.1\r\n")
    assert fetched(answer, path="")[1].startswith(b"GET /AKEY ")


def test_a_body_without_a_length_ends_with_the_connection() -> None:
    assert fetched(b"HTTP/1.1 200 OK\r\n\r\neyJ")[0] == "eyJ"
    chunked = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\neyJ\r\n0\r\n\r\n"
    assert fetched(chunked)[0] == "eyJ"


def test_user_and_password_are_sent_and_not_shown() -> None:
    answer, asked = fetched(b"HTTP/1.1 404 Not Found\r\n\r\n", user="ann:can%40ary@")

    assert b"Authorization: Basic YW5uOmNhbkBhcnk=" in asked
    assert (
        answer
        == "error: could not fetch <http://127.0.0.1:PORT/jwt/v1/accounts/AKEY>: 404 Not Found"
    )


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"nonsense\r\n\r\n",
        b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1/\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 9999999\r\n\r\n" + b"x" * (JWT_CHARS_MAX + 1),
        b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nshort",
        b"HTTP/1.1 200 OK\r\n" + b"a: b\r\n" * 100_000 + b"\r\n",
    ],
)
def test_any_other_answer_is_an_auth_error(answer: bytes) -> None:
    assert fetched(answer)[0].startswith("error: ")


def test_a_server_that_says_nothing_is_left_in_time() -> None:
    async def hold(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()
        await writer.wait_closed()

    async def run() -> None:
        async with await asyncio.start_server(hold, "127.0.0.1", 0) as server:
            port = server.sockets[0].getsockname()[1]
            with pytest.raises(AuthError, match="timeout"):
                await resolver(f"http://127.0.0.1:{port}", timeout_ns=50_000_000).fetch("A")
            await asyncio.sleep(0.01)

    asyncio.run(run())


@pytest.mark.parametrize("ends", ["by its time-out", "with the server"])
def test_an_https_server_that_stalls_is_left_without_a_farewell(tmp_path: Path, ends: str) -> None:
    """Its part of the end of TLS never comes; asyncio waits 30 s for it."""
    context, _ = tls_pair(tmp_path)
    known = OperatorOptions(
        resolver_tls=TlsOptions(ca_file=str(tmp_path / "cert.pem")),
        resolver=ResolverOptions("url", timeout_ns=500_000_000 if "time-out" in ends else 10**15),
    )

    async def run() -> None:
        asked, is_over = asyncio.Event(), asyncio.Event()

        async def stall(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.transport.pause_reading()  # type: ignore[attr-defined]
            asked.set()
            await is_over.wait()
            writer.transport.abort()

        async with await asyncio.start_server(stall, "127.0.0.1", 0, ssl=context) as server:
            url = f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}/"
            fetch = asyncio.ensure_future(UrlResolver(url, known).fetch("A"))
            if ends == "with the server":
                await asked.wait()
                fetch.cancel()
            done, _ = await asyncio.wait([fetch], timeout=20)
            is_over.set()
            fetch.cancel()
            await asyncio.wait([fetch])
            assert done == {fetch}
            if ends == "with the server":
                assert fetch.cancelled()
            else:
                assert "timeout" in str(fetch.exception())

    asyncio.run(run())


def test_nobody_there_is_an_auth_error() -> None:
    async def run() -> None:
        with pytest.raises(AuthError, match="could not fetch"):
            await resolver("http://127.0.0.1:1").fetch("A")

    asyncio.run(run())


@pytest.mark.parametrize("url", ["ftp://h", "http://", "http://h:99999", "nonsense"])
def test_a_url_that_is_none_is_refused(url: str) -> None:
    with pytest.raises(AuthError):
        resolver(url)


@pytest.mark.parametrize(
    "url", ["http://127.0.0.1:{}/\u00e9", "http://" + "a" * 70 + ".example/", "http://a..b/"]
)
def test_a_url_that_cannot_be_asked_for_is_an_auth_error(url: str) -> None:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()
        await writer.wait_closed()

    async def run() -> None:
        async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
            port = server.sockets[0].getsockname()[1]
            with pytest.raises(AuthError, match="could not fetch"):
                await resolver(url.format(port)).fetch("A")
            await asyncio.sleep(0.01)  # its side of the connection ends too

    asyncio.run(run())


def test_tls_files_that_cannot_be_read_are_an_auth_error(tmp_path: Path) -> None:
    missing = str(tmp_path / "no.pem")
    for tls in (
        TlsOptions(ca_file=missing),
        TlsOptions(pairs=(CertificatePair(missing, missing),)),
    ):
        with pytest.raises(AuthError, match=r"resolver_tls: .*No such file"):
            UrlResolver("https://h/", OperatorOptions(resolver_tls=tls))


def test_an_https_server_is_verified_by_resolver_tls(tmp_path: Path) -> None:
    context, _ = tls_pair(tmp_path)

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\neyJ")
        await writer.drain()
        writer.close()

    async def run() -> None:
        async with await asyncio.start_server(serve, "127.0.0.1", 0, ssl=context) as server:
            url = f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}/"
            known = OperatorOptions(resolver_tls=TlsOptions(ca_file=str(tmp_path / "cert.pem")))
            assert await UrlResolver(url, known).fetch("A") == "eyJ"
            with pytest.raises(AuthError, match="could not fetch"):
                await UrlResolver(url, OperatorOptions()).fetch("A")
            await asyncio.sleep(0.01)  # its side of the connection ends too

    asyncio.run(run())


def test_a_redirect_to_https_is_verified_by_resolver_tls_too(tmp_path: Path) -> None:
    context, _ = tls_pair(tmp_path)
    ports: list[int] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        where = f"Location: https://127.0.0.1:{ports[0]}/\r\n" if len(ports) == 1 else ""
        ports.append(0)
        status = "307 Temporary Redirect" if where else "200 OK"
        writer.write(f"HTTP/1.1 {status}\r\n{where}Content-Length: 3\r\n\r\neyJ".encode())
        await writer.drain()
        writer.close()

    async def run(options: OperatorOptions) -> str:
        async with (
            await asyncio.start_server(serve, "127.0.0.1", 0) as plain,
            await asyncio.start_server(serve, "127.0.0.1", 0, ssl=context) as sealed,
        ):
            ports[:] = [sealed.sockets[0].getsockname()[1]]
            url = f"http://127.0.0.1:{plain.sockets[0].getsockname()[1]}"
            try:
                return await UrlResolver(url, options).fetch("A")
            finally:
                await asyncio.sleep(0.01)  # its side of the connection ends too

    known = OperatorOptions(resolver_tls=TlsOptions(ca_file=str(tmp_path / "cert.pem")))
    assert asyncio.run(run(known)) == "eyJ"
    with pytest.raises(AuthError, match="could not fetch"):
        asyncio.run(run(OperatorOptions()))


def test_at_the_start_somebody_must_be_home() -> None:
    with pytest.raises(AuthError, match=r"could not fetch <http://127.0.0.1:1/>: "):
        asyncio.run(resolver("http://127.0.0.1:1").start())


async def test_tls_files_that_hang_refuse_who_asks_and_are_read_by_one_thread_alone() -> None:
    jobs: list[asyncio.Future[Any]] = []

    def begin(work: Callable[[], Any]) -> asyncio.Future[Any]:
        jobs.append(asyncio.get_running_loop().create_future())
        if len(jobs) > 1:
            jobs[-1].set_result(work())
        return jobs[-1]

    one = resolver("http://127.0.0.1:1/jwt")  # which may lead to an https one
    one._files = FileReader(begin)
    for _ in range(2):
        with pytest.raises(AuthError, match="resolver_tls: the file system does not answer"):
            await one._context()
    assert len(jobs) == 1

    jobs[0].set_result(None)

    assert await one._context() is await one._context()
    assert len(jobs) == 2
