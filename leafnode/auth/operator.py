"""Operator mode: accounts and users are what their JWTs say, signed by whom the server trusts.

Judges user JWTs; which accounts there are is `auth.known_accounts`'. Knows no routing and no
connections. Time is the clock's. Truth: nats-server 2.15.1 server/auth.go
processClientOrLeafAuthentication.
"""

from __future__ import annotations

import contextlib
import logging
from asyncio import Semaphore, sleep, timeout, to_thread
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from leafnode.auth import jwt
from leafnode.auth.claims import UserClaims
from leafnode.auth.directory import DirectoryResolver
from leafnode.auth.identity import PROXY_REQUIRED, Identity, LoginRefused
from leafnode.auth.known_accounts import KnownAccounts
from leafnode.auth.later import answer_of
from leafnode.auth.resolver import MemoryResolver, check_preload, new_resolver
from leafnode.auth.trust import trust_of
from leafnode.auth.user_claims import (
    Moment,
    check_claims,
    check_signature,
    identity_again,
    identity_of,
    takes_long,
)
from leafnode.clock import NS_PER_S
from leafnode.config.options import SYSTEM_ACCOUNT
from leafnode.errors import AuthError, quoted
from leafnode.limits import (
    JETSTREAM_LOGIN_WAIT_NS,
    LARGE_JWT_CHARS,
    SHOWN_JWT_CHARS_MAX,
    SYSTEM_ACCOUNT_FETCH_NS,
)
from leafnode.protocol.errors import AccountAuthenticationExpired, AuthorizationViolation
from leafnode.routing.account import GLOBAL_ACCOUNT

if TYPE_CHECKING:
    from asyncio import Event, Future, TaskGroup
    from collections.abc import Callable, Coroutine

    from leafnode.auth.callout import Callout, Delegation
    from leafnode.auth.claims import AccountClaims
    from leafnode.auth.identity import PeerFacts
    from leafnode.auth.known_accounts import LoadedAccount
    from leafnode.auth.resolver import Resolver
    from leafnode.auth.trust import Trust
    from leafnode.clock import Clock
    from leafnode.config.options import OperatorOptions, Options
    from leafnode.protocol.info import Connect

log = logging.getLogger(__name__)


def operator_mode(options: Options, clock: Clock) -> OperatorMode:
    """Return what a configuration with an operator says.

    Raises AuthError for what cannot be, with nats-server's text. Blocks: file access.
    """
    operator = options.operator
    assert operator is not None, "the caller looked"
    named = options.system_account if options.system_account != SYSTEM_ACCOUNT else ""
    trust = trust_of(operator, named)
    resolver = resolver_for(operator, trust, clock)
    return OperatorMode(trust, resolver, clock, pinned=frozenset(operator.pinned_accounts))


def resolver_for(
    operator: OperatorOptions, trust: Trust, clock: Clock, before: Resolver | None = None
) -> Resolver:
    """Return where account JWTs come from, or will after a reload, by the resolver of before.

    Raises AuthError. Blocks: file access.
    """
    resolver = new_resolver(operator, clock, operator_url=trust.url, before=before)
    if operator.operators and not trust.system_account and isinstance(resolver, DirectoryResolver):
        raise AuthError(
            "using nats based account resolver - the system account needs to be specified in "
            "configuration or the operator jwt"
        )
    return resolver


def check_operator(options: Options) -> None:
    """Raise AuthError for an operator or account JWT of a configuration that does not hold."""
    if options.operator is not None:
        trust_of(options.operator)
        check_preload(options.operator)


def _at_once(_: str) -> None:
    """Nothing takes time in an account."""


class OperatorMode:
    """Judges user JWTs, and keeps the accounts that they belong to."""

    def __init__(
        self, trust: Trust, resolver: Resolver, clock: Clock, *, pinned: frozenset[str]
    ) -> None:
        self.trust = trust
        self.known = KnownAccounts(trust, resolver, clock)
        # What is set once an account can be used, which logins to it wait for; None: it can.
        self.readiness: Callable[[str], Event | None] = _at_once
        self._clock = clock
        self._pinned = pinned
        self.callout: Callout | None = None  # asks for accounts that let others decide
        self._tasks: TaskGroup | None = None
        self._one_a_turn = Semaphore(1)  # of those whose account was looked up

    async def start(self, tasks: TaskGroup) -> None:
        """Look accounts up in tasks of this group from now on, the system account first.

        Raises AuthError where a resolver cannot be asked, or has no system account. One that may
        still come, into a directory or behind a URL, begins with its key alone, so that somebody
        can bring it; `fetch_system_account` waits for it.
        """
        self._tasks = tasks
        self.known.start(tasks)
        await self.known.resolver.start()
        name = self.trust.system_account
        if not name:
            return
        try:
            await self.known.lookup(name)
        except AuthError as err:
            is_all = isinstance(self.known.resolver, MemoryResolver)
            if is_all or len(self.trust.operators) != 1:
                raise AuthError(f"error resolving system account: {err}") from err
            self.known.bootstrap(name, self.trust.operator)

    @property
    def is_bootstrapping(self) -> bool:
        """Whether the system account has no JWT yet."""
        account = self.known.by_name.get(self.trust.system_account)
        return account is not None and not account.token

    async def fetch_system_account(self) -> None:
        """Look for the JWT of a system account that has none until it is there."""
        while self.is_bootstrapping:
            await sleep(SYSTEM_ACCOUNT_FETCH_NS / NS_PER_S)
            with contextlib.suppress(AuthError):
                await self.known.refetch(self.trust.system_account)
        log.info("System account fetched and updated")

    def close(self) -> None:
        self.known.close()

    # --- users

    def check(self, connect: Connect, facts: PeerFacts) -> Identity | Future[Identity]:
        """Return who it is; by a future where the account must be looked up first.

        Raises LoginRefused, or sets it on the future.
        """
        if len(connect.jwt) > LARGE_JWT_CHARS:
            return self._later(self._read_later(connect, facts))
        return self._checked(self._read(connect), connect, facts)

    def _later(self, login: Coroutine[Any, Any, Identity]) -> Future[Identity]:
        assert self._tasks is not None, "nobody logs in before the server runs"
        return answer_of(self._tasks, login)

    async def _read_later(self, connect: Connect, facts: PeerFacts) -> Identity:
        user = await to_thread(self._read, connect)
        answer = self._checked(user, connect, facts)
        return answer if isinstance(answer, Identity) else await answer

    def _read(self, connect: Connect) -> UserClaims:
        """Return the user that a JWT, or the sentinel, says. Raises LoginRefused."""
        user = self._user(connect)
        check_claims(user, self._moment())
        return user

    def _checked(
        self, user: UserClaims, connect: Connect, facts: PeerFacts
    ) -> Identity | Future[Identity]:
        if user.nats.proxy_required and not facts.proxy:
            raise LoginRefused("proxy connection required", state=PROXY_REQUIRED)
        if not self._is_pinned(user.account):
            raise LoginRefused("account not listed as operator pinned account")
        account = self.known.by_name.get(user.account)
        if (
            account is not None
            and not account.is_delegated
            and not account.expired
            and self.readiness(user.account) is None
            and not self._takes_long(user, account, connect)
        ):
            return self._identity(user, account, connect, facts)
        return self._later(self._checked_later(user, connect, facts))

    def _takes_long(self, user: UserClaims, account: LoadedAccount, connect: Connect) -> bool:
        return len(connect.jwt) > LARGE_JWT_CHARS or takes_long(user, account.claims)

    async def _identity_of(
        self, user: UserClaims, account: LoadedAccount, connect: Connect, facts: PeerFacts
    ) -> Identity:
        """Return who it is, worked out in a thread where that takes long. Raises LoginRefused.

        Whoever waited for the same account has a turn of the loop: 900 at once took 0.3 s.
        """
        if self._takes_long(user, account, connect):
            return await to_thread(self._identity, user, account, connect, facts)
        async with self._one_a_turn:
            await sleep(0)
            return self._identity(user, account, connect, facts)

    def again(self, identity: Identity) -> Identity:
        """Return the identity of somebody connected as it is now. Raises ProtocolError."""
        account = self.known.by_name.get(identity.account)
        if account is None or account.expired:
            raise AccountAuthenticationExpired
        if account.removed:
            raise account.farewell
        if not self._is_pinned(identity.account):
            raise AuthorizationViolation
        now = identity_again(identity, account.claims, self._moment())
        if account.is_delegated:  # since now, perhaps, or the account's rules were read once more
            from leafnode.auth.callout import guarded

            return guarded(now, identity.account)
        return now

    def _user(self, connect: Connect) -> UserClaims:
        try:
            return jwt.decode(connect.jwt, UserClaims)
        except AuthError as err:
            if self.trust.sentinel:
                return jwt.decode(self.trust.sentinel, UserClaims)
            reason = str(err) if connect.jwt else "authentication requires a user JWT"
            raise LoginRefused(reason) from err

    async def _checked_later(
        self, user: UserClaims, connect: Connect, facts: PeerFacts
    ) -> Identity:
        account = await self._found(user.account)
        if not account.is_delegated:
            return await self._identity_of(user, account, connect, facts)
        return await self._ask(user, account, connect, facts)

    async def _found(self, name: str) -> LoadedAccount:
        """Return an account for a login, once it can be used. Raises LoginRefused."""
        try:
            account = await self.known.lookup(name)
        except AuthError as err:
            refusal = LoginRefused(f"account JWT lookup error: {err}")
            refusal.warning = f"Account fetch failed: {err}"
            raise refusal from err
        await self.ready(name)
        return account

    def placed(self, answer: Identity | Future[Identity]) -> Identity | Future[Identity]:
        """Return somebody who proved himself without a JWT, once his account can be used.

        Raises LoginRefused, or sets it on the future.
        """
        if isinstance(answer, Identity):
            account = self.known.by_name.get(answer.account)
            is_there = account is not None and not (account.removed or account.expired)
            if is_there or answer.account == GLOBAL_ACCOUNT:
                return answer
        return self._later(self._placed_later(answer))

    async def _placed_later(self, answer: Identity | Future[Identity]) -> Identity:
        identity = answer if isinstance(answer, Identity) else await answer
        if identity.account == GLOBAL_ACCOUNT:
            return identity
        account = await self._found(identity.account)
        if account.removed or account.expired:
            raise LoginRefused("account JWT has expired")
        return identity

    async def _ask(
        self, user: UserClaims, account: LoadedAccount, connect: Connect, facts: PeerFacts
    ) -> Identity:
        """Let the account's callout service decide, except about who is the service."""
        from leafnode.auth.callout import guarded

        name, outside = account.claims.sub, account.claims.nats.authorization
        if user.sub in outside.auth_users:  # which it proves; `nkey` it only says
            try:
                mine = await self._identity_of(user, account, connect, facts)
                return guarded(mine, name)
            except LoginRefused as refusal:
                refusal.asked = name
                raise
        if self.callout is None:
            raise LoginRefused("nobody can be asked yet")
        to = self._delegation(account)

        def still() -> Delegation | None:
            now = self.known.by_name.get(name)
            if now is None or now.removed or now.expired or not now.is_delegated:
                return None
            return self._delegation(now)

        return await self.callout.decide(to, connect, facts, still=still)

    def _delegation(self, account: LoadedAccount) -> Delegation:
        from leafnode.auth.callout import Delegation

        name, outside = account.claims.sub, account.claims.nats.authorization
        return Delegation(name, name, outside.xkey, outside.allowed_accounts, self.trust)

    async def claims_of(self, name: str) -> AccountClaims:
        """Return an account that users may be placed in. Raises AuthError."""
        account = await self.known.lookup(name)
        await self.ready(name)
        if account.removed or account.expired:
            raise LoginRefused("account JWT has expired")
        return account.claims

    def _identity(
        self,
        user: UserClaims,
        account: LoadedAccount,
        connect: Connect,
        facts: PeerFacts,
    ) -> Identity:
        if account.removed or account.expired:
            raise LoginRefused("account JWT has expired")
        identity = identity_of(user, account.claims, facts, self._moment())
        check_signature(identity, facts, connect.sig)
        if identity.is_bearer or len(connect.jwt) > SHOWN_JWT_CHARS_MAX:
            return identity
        return replace(identity, jwt=connect.jwt)

    async def ready(self, name: str) -> None:
        """Wait until an account can be used, but not for ever."""
        ready = self.readiness(name)
        if ready is not None:
            with contextlib.suppress(TimeoutError):
                async with timeout(JETSTREAM_LOGIN_WAIT_NS / NS_PER_S):
                    await ready.wait()

    def _moment(self) -> Moment:
        return Moment(self._clock.wall_ns(), self.trust)

    # --- reload

    async def change(self, options: OperatorOptions, resolver: Resolver) -> None:
        """Go by these accounts in the configuration, by these that are pinned, and by what this
        resolver has, from now on.
        """
        self._pinned = frozenset(options.pinned_accounts)
        self.trust = replace(self.trust, sentinel=options.default_sentinel)
        await self.known.change(resolver)
        await self._preload(dict(options.preload))
        for name in list(self.known.by_name):
            await self.known.hold(name)

    async def _preload(self, preload: dict[str, str]) -> None:
        """Let the accounts that are in use be what the configuration has of them now.

        A resolver in memory has no other ones: what is not there, or does not hold, is removed.
        """
        is_all = isinstance(self.known.resolver, MemoryResolver)
        for name in list(self.known.by_name) if is_all else preload:
            try:
                await self.known.refetch(name)
            except AuthError as err:
                if is_all and name != self.trust.system_account:
                    log.info("Reloaded: deleting account [removed]: %s, %s", quoted(name), err)
                    await self.known.remove(name, farewell=AuthorizationViolation)
                else:
                    log.warning("Account not updated: account=%s reason=%s", name, err)

    def _is_pinned(self, name: str) -> bool:
        """Say whether users of this account may be let in; the system account's always."""
        return not self._pinned or name in self._pinned or name == self.trust.system_account
