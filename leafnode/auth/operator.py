"""Operator mode: accounts and users are what their JWTs say, signed by whom the server trusts.

Accounts are looked up when somebody first needs them, and kept. Knows accounts by their claims; not
routing, not connections: `on_account` and `on_change` tell the server. Time is the clock's.
Truth: nats-server 2.15.1 server/server.go fetchAccount, server/accounts.go UpdateAccountClaims.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final

from leafnode.auth import jwt
from leafnode.auth.account_claims import account_options, approved_imports, check_account
from leafnode.auth.claims import AccountClaims, UserClaims
from leafnode.auth.directory import DirectoryResolver
from leafnode.auth.identity import PROXY_REQUIRED, LoginRefused
from leafnode.auth.later import answer_of
from leafnode.auth.resolver import check_preload, new_resolver
from leafnode.auth.trust import trust_of
from leafnode.auth.user_claims import (
    Moment,
    check_claims,
    check_signature,
    identity_again,
    identity_of,
)
from leafnode.clock import NS_PER_S
from leafnode.errors import AuthError
from leafnode.limits import ACCOUNT_LOOKUPS_MAX, EXPIRY_RECHECK_NS, SHOWN_JWT_CHARS_MAX
from leafnode.protocol.errors import AccountAuthenticationExpired

if TYPE_CHECKING:
    from asyncio import Future, Task, TaskGroup
    from collections.abc import Callable

    from leafnode.auth.callout import Callout
    from leafnode.auth.identity import Identity, PeerFacts
    from leafnode.auth.resolver import Resolver
    from leafnode.auth.trust import Trust
    from leafnode.clock import Clock, Timer
    from leafnode.config.account_options import AccountOptions
    from leafnode.config.options import Options
    from leafnode.protocol.info import Connect

log = logging.getLogger(__name__)

SYSTEM_ACCOUNT: Final = "$SYS"  # what it is called where nobody names it


@dataclass(slots=True)
class LoadedAccount:
    """An account whose JWT held when it came. `removed`: its operator took it away."""

    claims: AccountClaims
    token: str = field(repr=False)
    options: AccountOptions | None = None
    expired: bool = False
    removed: bool = False
    timer: Timer | None = None
    updated_ns: int = 0  # wall time

    @property
    def is_delegated(self) -> bool:
        """Whether a callout service decides on the account's logins."""
        return bool(self.claims.nats.authorization.auth_users)


def operator_mode(options: Options, clock: Clock) -> OperatorMode:
    """Return what a configuration with an operator says.

    Raises AuthError for what cannot be, with nats-server's text. Blocks: file access.
    """
    operator = options.operator
    assert operator is not None, "the caller looked"
    named = options.system_account if options.system_account != SYSTEM_ACCOUNT else ""
    trust = trust_of(operator, named)
    resolver = new_resolver(operator, clock, operator_url=trust.url)
    if operator.operators and not trust.system_account and isinstance(resolver, DirectoryResolver):
        raise AuthError(
            "using nats based account resolver - the system account needs to be specified in "
            "configuration or the operator jwt"
        )
    return OperatorMode(trust, resolver, clock, pinned=frozenset(operator.pinned_accounts))


def check_operator(options: Options) -> None:
    """Raise AuthError for an operator or account JWT of a configuration that does not hold."""
    if options.operator is not None:
        trust_of(options.operator)
        check_preload(options.operator)


def _ignore(_: object) -> None:
    """Nobody listens yet."""


class OperatorMode:
    """Judges user JWTs, and keeps the accounts that they belong to."""

    def __init__(
        self, trust: Trust, resolver: Resolver, clock: Clock, *, pinned: frozenset[str]
    ) -> None:
        self.trust = trust
        self.resolver = resolver
        self.on_account: Callable[[AccountOptions], None] = _ignore  # is new, or is this now
        self.on_change: Callable[[str], None] = _ignore  # look at this account's clients again
        self.accounts: dict[str, LoadedAccount] = {}
        self._clock = clock
        self._pinned = pinned and pinned | {trust.system_account}
        self.callout: Callout | None = None  # asks for accounts that let others decide
        self._tasks: TaskGroup | None = None
        self._lookups: dict[str, Task[LoadedAccount | AuthError]] = {}

    async def start(self, tasks: TaskGroup) -> None:
        """Look accounts up in tasks of this group from now on, the system account first.

        Raises AuthError where that cannot be had.
        """
        self._tasks = tasks
        if self.trust.system_account:
            try:
                await self.lookup(self.trust.system_account)
            except AuthError as err:
                raise AuthError(f"error resolving system account: {err}") from err

    def close(self) -> None:
        for account in self.accounts.values():
            _cancel(account)
        self.resolver.close()

    # --- users

    def check(self, connect: Connect, facts: PeerFacts) -> Identity | Future[Identity]:
        """Return who it is; by a future where the account must be looked up first.

        Raises LoginRefused, or sets it on the future.
        """
        moment = self._moment()
        user = self._user(connect)
        check_claims(user, moment)
        if user.nats.proxy_required and not facts.proxy:
            raise LoginRefused("proxy connection required", state=PROXY_REQUIRED)
        if self._pinned and user.account not in self._pinned:
            raise LoginRefused("account not listed as operator pinned account")
        account = self.accounts.get(user.account)
        if account is not None and not account.is_delegated:
            return self._identity(user, account, connect, facts)
        assert self._tasks is not None, "nobody logs in before the server runs"
        return answer_of(self._tasks, self._checked_later(user, connect, facts))

    def again(self, identity: Identity) -> Identity:
        """Return the identity of somebody connected as it is now. Raises ProtocolError."""
        account = self.accounts.get(identity.account)
        if account is None or account.removed or account.expired:
            raise AccountAuthenticationExpired
        return identity_again(identity, account.claims, self._moment())

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
        try:
            account = await self.lookup(user.account)
        except AuthError as err:
            raise LoginRefused(f"account JWT lookup error: {err}") from err
        if not account.is_delegated:
            return self._identity(user, account, connect, facts)
        return await self._ask(user, account, connect, facts)

    async def _ask(
        self, user: UserClaims, account: LoadedAccount, connect: Connect, facts: PeerFacts
    ) -> Identity:
        """Let the account's callout service decide, except about who is the service."""
        from leafnode.auth.callout import Delegation, guarded

        name, outside = account.claims.sub, account.claims.nats.authorization
        if user.sub in outside.auth_users:  # which it proves; `nkey` it only says
            try:
                return guarded(self._identity(user, account, connect, facts), name)
            except LoginRefused as refusal:
                refusal.asked = name
                raise
        if self.callout is None:
            raise LoginRefused("nobody can be asked yet")
        to = Delegation(name, name, outside.xkey, outside.allowed_accounts, self.trust)
        return await self.callout.decide(to, connect, facts)

    async def claims_of(self, name: str) -> AccountClaims:
        """Return an account that users may be placed in. Raises AuthError."""
        account = await self.lookup(name)
        if account.removed or account.expired:
            raise LoginRefused("account JWT has expired")
        return account.claims

    def _identity(
        self, user: UserClaims, account: LoadedAccount, connect: Connect, facts: PeerFacts
    ) -> Identity:
        if account.removed or account.expired:
            raise LoginRefused("account JWT has expired")
        identity = identity_of(user, account.claims, facts, self._moment())
        check_signature(identity, facts, connect.sig)
        if identity.is_bearer or len(connect.jwt) > SHOWN_JWT_CHARS_MAX:
            return identity
        return replace(identity, jwt=connect.jwt)

    def _moment(self) -> Moment:
        return Moment(self._clock.wall_ns(), self.trust)

    # --- accounts

    @property
    def lookups_waiting(self) -> int:
        """Accounts that are being looked up."""
        return len(self._lookups)

    async def lookup(self, name: str) -> LoadedAccount:
        """Return an account, fetched if it has to be. Raises AuthError."""
        known = self.accounts.get(name)
        if known is not None:
            return known
        lookup = self._lookups.get(name)
        if lookup is None:
            if len(self._lookups) >= ACCOUNT_LOOKUPS_MAX:
                raise AuthError("too many accounts are being looked up")
            assert self._tasks is not None, "accounts are looked up once the server runs"
            lookup = self._tasks.create_task(self._guarded_load(name))
            self._lookups[name] = lookup
            lookup.add_done_callback(lambda _: self._lookups.pop(name, None))
        return await _outcome(lookup)

    async def _guarded_load(self, name: str) -> LoadedAccount | AuthError:
        """Return the account, or what is wrong: a task that fails would end the group."""
        try:
            return await self._load(name)
        except AuthError as err:
            return err

    async def _load(self, name: str) -> LoadedAccount:
        token = await self.resolver.fetch(name)
        known = self.accounts.get(name)
        if known is not None:
            return known  # somebody who imports from it was faster
        account = LoadedAccount(self._verified(name, token), token)
        self.accounts[name] = account
        await self._load_exporters(account)
        self._apply(account)
        self._apply_importers(name)
        return account

    def is_complete(self, account: LoadedAccount) -> bool:
        """Say whether everybody whom the account imports from is known."""
        return all(wanted.account in self.accounts for wanted in account.claims.nats.imports)

    def update(self, name: str, token: str) -> None:
        """Let another JWT of an account hold, if it is one that somebody uses. Raises AuthError."""
        account = self.accounts.get(name)
        if account is None or (account.token == token and not account.removed):
            return
        account.claims = self._verified(name, token)
        account.token = token
        account.removed = account.expired = False
        assert self._tasks is not None, "accounts change while the server runs"
        self._tasks.create_task(self._updated(account))

    def remove(self, name: str) -> None:
        """Let an account hold no more; its clients are cut."""
        account = self.accounts.get(name)
        if account is not None:
            account.removed = True
            _cancel(account)
            self.on_change(name)

    async def _updated(self, account: LoadedAccount) -> None:
        await self._load_exporters(account)
        self._apply(account)
        self._apply_importers(account.claims.sub)
        self.on_change(account.claims.sub)

    def _apply_importers(self, name: str) -> None:
        for other in list(self.accounts.values()):
            if any(wanted.account == name for wanted in other.claims.nats.imports):
                self._apply(other)

    def _verified(self, name: str, token: str) -> AccountClaims:
        claims = jwt.decode(token, AccountClaims)
        if claims.sub != name or claims.iss not in self.trust.keys:
            raise AuthError("account validation failed")
        check_account(claims, self._moment().now_s)
        return claims

    async def _load_exporters(self, account: LoadedAccount) -> None:
        """Look up whom the account imports from; one that cannot be had leaves the import out."""
        for name in sorted({wanted.account for wanted in account.claims.nats.imports}):
            if name in self.accounts or name in self._lookups:
                continue  # known, or on its way: two accounts may import from each other
            try:
                await self._load(name)
            except AuthError as err:
                log.warning("Account to import from not found: account=%s reason=%s", name, err)

    def _apply(self, account: LoadedAccount) -> None:
        """Give the server the account's options as they are now, and look again when they end."""
        now_ns = self._clock.wall_ns()
        now_s = now_ns // NS_PER_S
        approved = approved_imports(
            account.claims, self._claims, signs_for=self.trust.signs_for, now_s=now_s
        )
        options = account_options(account.claims, approved.imports)
        if options != account.options:
            account.options = options
            account.updated_ns = now_ns
            self.on_account(options)
        _cancel(account)
        ends = [end for end in (account.claims.exp, approved.until_s) if end]
        if ends:
            left_ns = max(0, (min(ends) + 1) * NS_PER_S - now_ns)
            account.timer = self._clock.call_later(
                min(left_ns, EXPIRY_RECHECK_NS), lambda: self._on_time(account)
            )

    def _claims(self, name: str) -> AccountClaims | None:
        account = self.accounts.get(name)
        return account.claims if account is not None and not account.removed else None

    def _on_time(self, account: LoadedAccount) -> None:
        account.timer = None
        if account.claims.holds_at(self._moment().now_s):
            self._apply(account)
            return
        account.expired = True
        log.warning("Account expired: account=%s name=%s", account.claims.sub, account.claims.name)
        self.on_change(account.claims.sub)


def _cancel(account: LoadedAccount) -> None:
    if account.timer is not None:
        account.timer.cancel()
        account.timer = None


async def _outcome(lookup: Task[LoadedAccount | AuthError]) -> LoadedAccount:
    """Wait for a lookup that others may wait for too. Raises AuthError."""
    from asyncio import shield

    found = await shield(lookup)
    if isinstance(found, AuthError):
        raise AuthError(str(found)) from found
    return found
