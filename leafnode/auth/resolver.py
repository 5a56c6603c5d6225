"""Where account JWTs come from: the seam, the one in memory, and how one is chosen.

A resolver hands out text; whether it holds is judged by `auth.operator`. Truth: nats-server 2.15.1
server/accounts.go AccountResolver, MemAccResolver.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from leafnode.auth import jwt, nkey
from leafnode.auth.claims import AccountClaims
from leafnode.errors import AuthError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from leafnode.clock import Clock
    from leafnode.config.options import OperatorOptions


class Resolver(Protocol):
    """Account JWTs by the account's public key, which callers have validated."""

    async def start(self) -> None:
        """Raise AuthError where nobody could be asked."""
        ...

    async def begin(self) -> None:
        """Do what outlives this one: it is asked next, and no configuration is refused any more."""
        ...

    async def fetch(self, account: str) -> str:
        """Return the JWT. Raises AuthError where there is none, or none came in time."""
        ...

    async def has_newer(self, account: str, token: str) -> bool:
        """Say whether it will keep what it has, whatever a configuration has. Raises AuthError."""
        ...

    def close(self) -> None: ...


class MemoryResolver:
    """What the configuration has: `resolver: MEMORY` and `resolver_preload`."""

    def __init__(self, preload: Mapping[str, str]) -> None:
        self.tokens = dict(preload)

    async def start(self) -> None:
        """What there is has been read."""

    async def begin(self) -> None:
        """Nothing of it is kept."""

    async def fetch(self, account: str) -> str:
        token = self.tokens.get(account)
        if token is None:
            raise AuthError("account missing")
        return token

    async def has_newer(self, account: str, token: str) -> bool:
        del account, token
        return False

    def close(self) -> None:
        """Nothing is open."""


async def foretold(account: str, options: OperatorOptions, behind: Resolver) -> str:
    """Return a JWT as it will be after a reload: from its preload, or else from this resolver.

    Raises AuthError where there will be none.
    """
    token = dict(options.preload).get(account)
    if token is None or await behind.has_newer(account, token):
        return await behind.fetch(account)
    return token


def check_preload(options: OperatorOptions) -> None:
    """Raise AuthError for a key that is no account's, or a JWT that is none of an account."""
    for account, token in options.preload:
        if not nkey.is_public_key(account, "A"):
            raise AuthError("a key of resolver_preload is not an account's")
        try:
            jwt.decode(token, AccountClaims)
        except AuthError as err:
            raise AuthError(f"invalid account JWT for {account}: {err}") from err


def new_resolver(
    options: OperatorOptions,
    clock: Clock,
    *,
    operator_url: str = "",
    before: Resolver | None = None,
) -> Resolver:
    """Return the resolver that a configuration asks for. Raises AuthError. Blocks: file access.

    `operator_url` is the operator's own, used where the configuration names none. With the
    resolver of before a reload it may have the same directory.
    """
    check_preload(options)
    preload = dict(options.preload)
    wanted = options.resolver
    if wanted is None and not operator_url:
        raise AuthError("operators require an account resolver to be configured")
    if wanted is not None and wanted.kind == "memory":
        return MemoryResolver(preload)
    if wanted is not None and wanted.kind in {"full", "cache"}:
        from leafnode.auth.directory import DirectoryResolver, JwtDirectory

        now = before.directory if isinstance(before, DirectoryResolver) else None
        return DirectoryResolver(JwtDirectory.open(wanted, clock, now), preload, wanted)
    if preload:
        raise AuthError(
            "resolver preloads only available for writeable resolver types MEM/DIR/CACHE_DIR"
        )
    from leafnode.auth.url_resolver import UrlResolver

    url = wanted.url if wanted is not None else f"{operator_url.rstrip('/')}/accounts"
    return UrlResolver(url, options)
