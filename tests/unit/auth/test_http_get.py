"""leafnode.auth.http_get: redirects and gzip, as nats-server's client takes them, within bounds."""

from __future__ import annotations

import asyncio
import contextlib
import gzip
from typing import TYPE_CHECKING

import pytest

from leafnode.auth.http_get import Place, get
from leafnode.errors import AuthError
from leafnode.limits import HTTP_GETS_MAX, JWT_CHARS_MAX

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable


def response(body: bytes, *headers: str, status: str = "200 OK") -> bytes:
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", *headers]
    return "\r\n".join([*lines, "", ""]).encode() + body


def redirect(location: str, status: str = "302 Found") -> bytes:
    return response(b"", f"Location: {location}", status=status)


def gzipped(body: bytes, encoding: str = "gzip") -> bytes:
    return response(body, f"Content-Encoding: {encoding}")


async def no_tls() -> ssl.SSLContext:
    raise AssertionError("nobody speaks TLS here")


def got(
    answer: Callable[[int, str], bytes], path: str = "/a", user: str = ""
) -> tuple[str, list[tuple[str, str]]]:
    """What one GET brings ("error: …"), and each request as its path and proof of identity."""
    asked: list[tuple[str, str]] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        lines = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
        proofs = [line.partition(": ")[2] for line in lines if line.startswith("Authorization")]
        assert "Accept-Encoding: gzip" in lines
        asked.append((lines[0].split(" ")[1], "".join(proofs)))
        writer.write(answer(writer.get_extra_info("sockname")[1], asked[-1][0]))
        with contextlib.suppress(ConnectionError):
            await reader.read()  # until the client has what it wants
        writer.close()

    async def run() -> str:
        async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
            port = server.sockets[0].getsockname()[1]
            try:
                return (await get(f"http://{user}127.0.0.1:{port}{path}", no_tls)).decode()
            except AuthError as err:
                return f"error: {err}"
            finally:
                await asyncio.sleep(0.01)  # its side of the connection ends too

    return asyncio.run(run()), asked


@pytest.mark.parametrize(
    "status", ["301 Moved", "302 Found", "303 See", "307 Temporary", "308 Permanent"]
)
def test_a_redirect_is_followed(status: str) -> None:
    text, asked = got(lambda _, path: redirect("/b", status) if path == "/a" else response(b"eyJ"))

    assert text == "eyJ"
    assert [path for path, _ in asked] == ["/a", "/b"]


@pytest.mark.parametrize(
    ("location", "path"),
    [
        ("b", "/x/b"),
        ("../b?c=d#e", "/b?c=d"),
        ("//127.0.0.1:{port}/b", "/b"),
        ("HTTP://127.0.0.1:{port}", "/"),
    ],
)
def test_a_location_is_read_from_where_it_was_said(location: str, path: str) -> None:
    def answer(port: int, asked: str) -> bytes:
        return redirect(location.format(port=port)) if asked == "/x/a" else response(b"eyJ")

    text, asked = got(answer, path="/x/a")

    assert text == "eyJ"
    assert asked[1][0] == path


def test_user_and_password_go_with_a_redirect_that_names_no_host_and_no_other() -> None:
    def answer(port: int, path: str) -> bytes:
        there = {
            "/a": "/b",
            "/b": f"http://127.0.0.1:{port}/c",
            "/c": f"http://x:y@127.0.0.1:{port}/d",
        }
        return redirect(there[path]) if path in there else response(b"eyJ")

    text, asked = got(answer, user="u:pw@")

    assert text == "eyJ"
    assert asked == [
        ("/a", "Basic dTpwdw=="),
        ("/b", "Basic dTpwdw=="),
        ("/c", ""),
        ("/d", "Basic eDp5"),
    ]


def test_redirects_end() -> None:
    text, asked = got(lambda *_: redirect("/a"))

    assert text == f"error: stopped after {HTTP_GETS_MAX} redirects"
    assert len(asked) == HTTP_GETS_MAX

    text, _ = got(lambda _, path: redirect(f"{path}a") if len(path) < 11 else response(b"eyJ"))
    assert text == "eyJ"


@pytest.mark.parametrize(
    ("location", "problem"),
    [
        ("file:///etc/passwd", "unsupported protocol scheme 'file'"),
        ("ftp://127.0.0.1/x", "unsupported protocol scheme 'ftp'"),
        ("http://:80/", "a URL that names no host"),
        ("http://h:99999/", "a URL that is malformed"),
        ("/a b", "not a URL"),
    ],
)
def test_a_redirect_to_what_is_no_place_is_refused(location: str, problem: str) -> None:
    def answer(_: int, path: str) -> bytes:
        return redirect(location) if path == "/a" else response(b"eyJ")

    text, asked = got(answer)
    assert text == f"error: {problem}"
    assert len(asked) == 1


def test_other_answers_are_errors_with_their_reason() -> None:
    assert got(lambda *_: response(b"", status="302 Found"))[0] == "error: 302 Found"
    assert got(lambda *_: redirect("/b", "300 Multiple Choices"))[0] == (
        "error: 300 Multiple Choices"
    )
    assert got(lambda *_: response(b"no", status="404 Not Found"))[0] == "error: 404 Not Found"


def test_gzip_is_unpacked() -> None:
    two = gzip.compress(b"eyJ.") + gzip.compress(b"x")

    assert got(lambda *_: gzipped(gzip.compress(b"eyJ")))[0] == "eyJ"
    assert got(lambda *_: gzipped(two, "GZIP"))[0] == "eyJ.x"
    assert got(lambda *_: gzipped(b""))[0] == ""
    assert got(lambda *_: gzipped(b"eyJ", "identity"))[0] == "eyJ"


def test_what_is_no_gzip_is_refused() -> None:
    whole = gzip.compress(b"eyJ")

    assert got(lambda *_: gzipped(whole[:-4]))[0] == "error: unexpected EOF"
    assert got(lambda *_: gzipped(whole + b"junk"))[0] == "error: the answer is not gzip"
    assert got(lambda *_: gzipped(b"eyJ"))[0] == "error: the answer is not gzip"


def test_what_unpacks_to_too_much_is_refused_and_what_just_fits_is_not() -> None:
    bomb = gzip.compress(bytes(64 * JWT_CHARS_MAX))
    empty = gzip.compress(b"") * (JWT_CHARS_MAX // 20 + 1)

    assert len(got(lambda *_: gzipped(gzip.compress(b"a" * JWT_CHARS_MAX)))[0]) == JWT_CHARS_MAX
    for body in (bomb, gzip.compress(b"a" * (JWT_CHARS_MAX + 1)), empty):
        assert got(lambda *_, body=body: gzipped(body))[0] == "error: the answer is too long"


def test_a_place_is_a_host_a_port_and_what_is_asked_for() -> None:
    place = Place.of("https://u@[::1]/a?b=c")

    assert (place.host, place.port, place.target, place.is_https) == ("::1", 443, "/a?b=c", True)
    assert ("Host", "[::1]") in place.headers


def test_a_place_shows_no_password() -> None:
    place = Place.of("https://user:secret@host/")

    assert dict(place.headers)["Authorization"] == "Basic dXNlcjpzZWNyZXQ="
    assert "Authorization" not in repr(place)
