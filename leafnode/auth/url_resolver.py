"""Account JWTs from an HTTP server: `resolver: URL(https://…)`.

One GET for each account, bounded in time and size. Knows no HTTP and not what is in a JWT. Errors
leave the user and password of the URL out.
Truth: nats-server 2.15.1 server/accounts.go URLAccResolver.
"""

from __future__ import annotations

import asyncio
from functools import partial
from typing import TYPE_CHECKING

from leafnode.auth.http_get import Place, get
from leafnode.clock import NS_PER_S
from leafnode.errors import AuthError, HungError, TlsError
from leafnode.files import FileReader
from leafnode.limits import ACCOUNT_FETCH_TIMEOUT_NS
from leafnode.tls.dialer import dialer_context

if TYPE_CHECKING:
    import ssl

    from leafnode.config.options import OperatorOptions


class UrlResolver:
    """Asks one server for every account, or whom that one names."""

    def __init__(self, url: str, options: OperatorOptions) -> None:
        """Raise AuthError for a URL that is none. Blocks: TLS files are read."""
        self._url = url if url.endswith("/") else f"{url}/"
        try:
            place = Place.of(self._url)
        except AuthError as err:
            raise AuthError(f"account resolver: {err}") from err
        scheme = "https" if place.is_https else "http"
        self._shown = f"{scheme}://{place.host}:{place.port}{place.target}"
        self._options = options
        # Of the system's roots only once it is needed: they take 1 MB.
        wants_tls = place.is_https or options.resolver_tls is not None
        self._tls = tls_context(options) if wants_tls else None
        wanted = options.resolver
        self._files = FileReader()
        self._timeout_ns = wanted.timeout_ns if wanted is not None else ACCOUNT_FETCH_TIMEOUT_NS

    async def fetch(self, account: str) -> str:
        try:
            async with asyncio.timeout(self._timeout_ns / NS_PER_S):
                body = await get(f"{self._url}{account}", self._context)
        except (AuthError, OSError, ValueError) as err:  # ValueError: a host that is no name
            raise AuthError(f"could not fetch <{self._shown}{account}>: {_reason(err)}") from err
        return body.decode("ascii", "replace").strip()

    async def start(self) -> None:
        """Raise AuthError where nobody is home, as nats-server does."""
        await self.fetch("")

    async def begin(self) -> None:
        """Nothing is kept here."""

    async def has_newer(self, account: str, token: str) -> bool:
        del account, token
        return False

    def close(self) -> None:
        """Nothing is open between two calls."""

    async def _context(self) -> ssl.SSLContext:
        """Raise AuthError; while a file system does not answer nobody else begins to read there."""
        if self._tls is None:
            work = partial(tls_context, self._options)
            try:
                self._tls = await self._files.run(work, "resolver_tls", ACCOUNT_FETCH_TIMEOUT_NS)
            except HungError as err:
                raise AuthError(str(err)) from err
        return self._tls


def _reason(err: Exception) -> str:
    if isinstance(err, AuthError):
        return str(err)
    if isinstance(err, TimeoutError):
        return "timeout"
    return getattr(err, "strerror", None) or "no connection"


def tls_context(options: OperatorOptions) -> ssl.SSLContext:
    """Return how to check the resolver, and our certificate if there is one. Raises AuthError."""
    try:
        return dialer_context(options.resolver_tls)
    except TlsError as err:
        raise AuthError(f"resolver_tls: {err}") from err
