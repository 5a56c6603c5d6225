"""Account JWTs from an HTTP server: `resolver: URL(https://…)`.

One short GET for each account, bounded in time and size; redirects are not followed. Knows h11, not
what is in a JWT. Errors leave the user and password of the URL out.
Truth: nats-server 2.15.1 server/accounts.go URLAccResolver.
"""

from __future__ import annotations

import asyncio
import ssl
from typing import TYPE_CHECKING, Final
from urllib.parse import unquote, urlsplit

from leafnode.clock import NS_PER_S
from leafnode.config.tls import openssl_suites
from leafnode.errors import AuthError
from leafnode.limits import ACCOUNT_FETCH_TIMEOUT_NS, JWT_CHARS_MAX, READ_CHUNK_BYTES

if TYPE_CHECKING:
    from leafnode.config.options import OperatorOptions

_OK: Final = 200
_PORTS: Final = {"http": 80, "https": 443}


class UrlResolver:
    """Asks one server for every account."""

    def __init__(self, url: str, options: OperatorOptions) -> None:
        """Raise AuthError for a URL that is none. Blocks: TLS files are read."""
        try:
            parts = urlsplit(url)
            self._port = parts.port or _PORTS[parts.scheme]
        except (ValueError, KeyError) as err:
            raise AuthError("the URL of the account resolver is malformed") from err
        if not parts.hostname:
            raise AuthError("the URL of the account resolver names no host")
        self._host = parts.hostname
        self._path = parts.path if parts.path.endswith("/") else f"{parts.path}/"
        self._headers = [("Host", parts.netloc.rpartition("@")[2]), ("Connection", "close")]
        if parts.username is not None:
            self._headers.append(("Authorization", _basic(parts.username, parts.password or "")))
        self._shown = f"{parts.scheme}://{self._host}:{self._port}{self._path}"
        self._tls = tls_context(options) if parts.scheme == "https" else None
        wanted = options.resolver
        self._timeout_ns = wanted.timeout_ns if wanted is not None else ACCOUNT_FETCH_TIMEOUT_NS

    async def fetch(self, account: str) -> str:
        try:
            async with asyncio.timeout(self._timeout_ns / NS_PER_S):
                status, body = await self._get(account)
        except TimeoutError as err:
            raise AuthError(f"could not fetch <{self._shown}{account}>: timeout") from err
        except (OSError, ValueError) as err:  # ValueError: a host that is no name
            reason = getattr(err, "strerror", None) or "no connection"
            raise AuthError(f"could not fetch <{self._shown}{account}>: {reason}") from err
        if status != _OK:
            raise AuthError(f"could not fetch <{self._shown}{account}>: status {status}")
        return body.decode("ascii", "replace").strip()

    async def change(self, options: OperatorOptions) -> None:
        if self._tls is not None:
            self._tls = await asyncio.to_thread(tls_context, options)

    def close(self) -> None:
        """Nothing is open between two calls."""

    async def _get(self, account: str) -> tuple[int, bytes]:
        reader, writer = await asyncio.open_connection(
            self._host, self._port, ssl=self._tls, limit=READ_CHUNK_BYTES
        )
        try:
            return await self._exchange(reader, writer, account)
        finally:
            # Without a farewell: TLS would wait for the other side's, for up to 30 s.
            writer.transport.abort()

    async def _exchange(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, account: str
    ) -> tuple[int, bytes]:
        import h11

        connection = h11.Connection(h11.CLIENT)
        target = f"{self._path}{account}"
        try:
            request = h11.Request(method="GET", target=target, headers=self._headers)
            writer.write(connection.send(request) or b"")
            writer.write(connection.send(h11.EndOfMessage()) or b"")
            status, body = 0, bytearray()
            while True:
                match connection.next_event():
                    case h11.NEED_DATA:
                        connection.receive_data(await reader.read(READ_CHUNK_BYTES))
                    case h11.Response(status_code=code):
                        status = code
                    case h11.Data(data=data):
                        body += data
                        if len(body) > JWT_CHARS_MAX:
                            raise AuthError(f"the answer of {self._shown} is too long")
                    case h11.EndOfMessage() | h11.ConnectionClosed() | h11.PAUSED:
                        return status, bytes(body)
        except h11.LocalProtocolError as err:
            raise AuthError(f"could not fetch <{self._shown}{account}>: not a URL") from err
        except h11.ProtocolError as err:
            raise AuthError(
                f"could not fetch <{self._shown}{account}>: the answer is not HTTP"
            ) from err


def _basic(user: str, password: str) -> str:
    import base64

    return "Basic " + base64.b64encode(f"{unquote(user)}:{unquote(password)}".encode()).decode()


def tls_context(options: OperatorOptions) -> ssl.SSLContext:
    """Return how to check the resolver, and our certificate if there is one. Raises AuthError."""
    tls = options.resolver_tls
    if tls is None:
        return _with_floor(ssl.create_default_context())
    files = tls.ca_file
    try:
        context = _with_floor(ssl.create_default_context(cafile=tls.ca_file or None))
        files = f"{tls.cert_file}, {tls.key_file}"
        if tls.min_version == "1.3":
            context.minimum_version = ssl.TLSVersion.TLSv1_3
        if suites := openssl_suites(tls.cipher_suites):
            context.set_ciphers(suites)
        if tls.cert_file:
            context.load_cert_chain(tls.cert_file, tls.key_file, password=lambda: "")
    except OSError as err:
        problem = err.strerror or type(err).__name__
        raise AuthError(f"resolver_tls: {files}: {problem}") from err
    return context


def _with_floor(context: ssl.SSLContext) -> ssl.SSLContext:
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context
