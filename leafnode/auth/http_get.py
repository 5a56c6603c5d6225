"""One GET over HTTP, as Go's client does it: redirects are followed, gzip is unpacked.

Bounded in redirects and size; its caller bounds the time. A user and password of a URL go with a
redirect that names no host, and with no other. Knows h11 and zlib; not what is asked for.
Truth: Go 1.25 net/http client.go redirectBehavior, defaultCheckRedirect, transport.go gzipReader.
"""

from __future__ import annotations

import asyncio
import base64
import zlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final
from urllib.parse import unquote, urljoin, urlsplit

import h11

from leafnode.errors import AuthError
from leafnode.limits import HTTP_GETS_MAX, JWT_CHARS_MAX, READ_CHUNK_BYTES

if TYPE_CHECKING:
    import ssl
    from collections.abc import Awaitable, Callable

_OK: Final = 200
_REDIRECTS: Final = frozenset({301, 302, 303, 307, 308})
_PORTS: Final = {"http": 80, "https": 443}
_GZIP: Final = 16 + zlib.MAX_WBITS
_REASON_CHARS_SHOWN: Final = 64


async def get(url: str, tls: Callable[[], Awaitable[ssl.SSLContext]]) -> bytes:
    """Return what is behind a URL. Raises AuthError, OSError, or ValueError (no name of a host)."""
    for _ in range(HTTP_GETS_MAX):
        place = Place.of(url)
        answer = await _asked(place, await tls() if place.is_https else None)
        if answer.status not in _REDIRECTS or not answer.location:
            break
        url = urljoin(url, answer.location)
    else:
        raise AuthError(f"stopped after {HTTP_GETS_MAX} redirects")
    if answer.status != _OK:
        raise AuthError(f"{answer.status} {answer.reason}")
    return answer.body.whole()


@dataclass(frozen=True, slots=True)
class Place:
    """Whom a URL asks for what."""

    host: str
    port: int
    target: str
    is_https: bool
    headers: tuple[tuple[str, str], ...] = field(repr=False)  # one may hold a password

    @classmethod
    def of(cls, url: str) -> Place:
        """Raise AuthError for a URL that is none, or of neither HTTP nor HTTPS."""
        try:
            parts = urlsplit(url)
            if parts.scheme not in _PORTS:
                raise AuthError(f"unsupported protocol scheme {parts.scheme!r}")
            port = parts.port or _PORTS[parts.scheme]
        except ValueError as err:
            raise AuthError("a URL that is malformed") from err
        if not parts.hostname:
            raise AuthError("a URL that names no host")
        headers = [
            ("Host", parts.netloc.rpartition("@")[2]),
            ("Accept-Encoding", "gzip"),
            ("Connection", "close"),
        ]
        if parts.username is not None:
            login = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
            proof = base64.b64encode(login.encode()).decode()
            headers.append(("Authorization", f"Basic {proof}"))
        target = f"{parts.path or '/'}?{parts.query}" if parts.query else parts.path or "/"
        return cls(parts.hostname, port, target, parts.scheme == "https", tuple(headers))


class _Body:
    """What comes of a body, unpacked."""

    def __init__(self, encoding: str) -> None:
        self._bytes = bytearray()
        self._received = 0
        self._unpacker = zlib.decompressobj(_GZIP) if encoding.lower() == "gzip" else None

    def take(self, data: bytes) -> None:
        """Raise AuthError for more than a JWT may have, packed or not, and for what is no gzip."""
        self._received += len(data)
        if self._unpacker is None:
            self._bytes += data
        else:
            self._unpack(data)
        if max(self._received, len(self._bytes)) > JWT_CHARS_MAX:
            raise AuthError("the answer is too long")

    def _unpack(self, data: bytes) -> None:
        """A file of gzip may be several behind each other."""
        while data and (left := JWT_CHARS_MAX + 1 - len(self._bytes)):
            if self._unpacker is None or self._unpacker.eof:
                self._unpacker = zlib.decompressobj(_GZIP)
            try:
                self._bytes += self._unpacker.decompress(data, left)
            except zlib.error as err:
                raise AuthError("the answer is not gzip") from err
            data = self._unpacker.unused_data

    def whole(self) -> bytes:
        if self._unpacker is not None and self._received and not self._unpacker.eof:
            raise AuthError("unexpected EOF")
        return bytes(self._bytes)


@dataclass(slots=True)
class _Answer:
    status: int
    reason: str
    location: str
    body: _Body


async def _asked(place: Place, tls: ssl.SSLContext | None) -> _Answer:
    reader, writer = await asyncio.open_connection(
        place.host, place.port, ssl=tls, limit=READ_CHUNK_BYTES
    )
    try:
        return await _exchange(reader, writer, place)
    except h11.LocalProtocolError as err:
        raise AuthError("not a URL") from err
    except h11.ProtocolError as err:
        raise AuthError("the answer is not HTTP") from err
    finally:
        # Without a farewell: TLS would wait for the other side's, for up to 30 s.
        writer.transport.abort()


async def _exchange(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, place: Place
) -> _Answer:
    connection = h11.Connection(h11.CLIENT)
    request = h11.Request(method="GET", target=place.target, headers=list(place.headers))
    writer.write(connection.send(request) or b"")
    writer.write(connection.send(h11.EndOfMessage()) or b"")
    answer = _Answer(0, "", "", _Body(""))
    while True:
        match connection.next_event():
            case h11.NEED_DATA:
                connection.receive_data(await reader.read(READ_CHUNK_BYTES))
            case h11.Response() as response:
                answer = _read(response)
                if answer.status != _OK:
                    return answer
            case h11.Data(data=data):
                answer.body.take(bytes(data))
            case h11.EndOfMessage() | h11.ConnectionClosed() | h11.PAUSED:
                return answer


def _read(response: h11.Response) -> _Answer:
    found: dict[bytes, str] = {}
    for name, value in response.headers:
        found.setdefault(name, value.decode("utf-8", "replace"))
    return _Answer(
        response.status_code,
        response.reason[:_REASON_CHARS_SHOWN].decode("ascii", "replace"),
        found.get(b"location", ""),
        _Body(found.get(b"content-encoding", "")),
    )
