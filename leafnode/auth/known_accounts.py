"""The accounts of operator mode that somebody uses: fetched, judged, kept, changed and ended.

An account is looked up when somebody first needs it, with all whom it imports from; what a JWT
changes is built and checked before any of it holds. Knows accounts by their claims; not users, not
routing: `on_accounts` and `on_change` tell the server. Time is the clock's.
Truth: nats-server 2.15.1 server/server.go fetchAccount, server/accounts.go UpdateAccountClaims.
"""

from __future__ import annotations

import logging
from asyncio import Lock, shield, sleep, to_thread, wait
from collections import ChainMap
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING

from leafnode.auth import jwt, nkey
from leafnode.auth.account_check import check_account
from leafnode.auth.account_claims import Exporter, account_options
from leafnode.auth.account_drafts import (
    Draft,
    Prepared,
    bare,
    changed_by,
    draft_of,
    with_exporters,
)
from leafnode.auth.claims import AccountClaims
from leafnode.clock import NS_PER_S
from leafnode.config.import_check import Importers
from leafnode.errors import AuthError
from leafnode.limits import (
    ACCOUNT_LOOKUPS_MAX,
    ACCOUNT_RENEWAL_NS,
    EXPIRY_RECHECK_NS,
    IMPORTS_PER_TURN,
    LARGE_JWT_CHARS,
)
from leafnode.protocol.errors import AccountAuthenticationExpired

if TYPE_CHECKING:
    from asyncio import Event, Task, TaskGroup
    from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence

    from leafnode.auth.resolver import Resolver
    from leafnode.auth.trust import Trust
    from leafnode.clock import Clock, Timer
    from leafnode.config.account_options import AccountOptions
    from leafnode.errors import ProtocolError

    TokenOf = Callable[[str], Awaitable[str]]

log = logging.getLogger(__name__)


@dataclass(slots=True, eq=False)
class LoadedAccount:
    """An account whose JWT held when it came. `removed`: its operator took it away, and `farewell`
    is what its clients are told.
    """

    claims: AccountClaims
    token: str = field(repr=False)
    exporter: Exporter = field(repr=False)  # the account as others see it
    base: AccountOptions = field(repr=False)  # what it is without its imports
    options: AccountOptions | None = None  # None: nobody uses it yet
    expired: bool = False
    removed: bool = False
    farewell: type[ProtocolError] = AccountAuthenticationExpired
    timer: Timer | None = None
    until_s: int = 0  # all its imports hold so long; 0: without end
    updated_ns: int = 0  # wall time
    renew_from_ns: int = 0  # once expired: asked for again from then on, by the monotonic clock

    @property
    def is_delegated(self) -> bool:
        """Whether a callout service decides on the account's logins."""
        return bool(self.claims.nats.authorization.auth_users)


async def _wait_for_nothing(_: object) -> None:
    """Nobody prepares anything."""


def _ignore(_: object) -> None:
    """Nobody listens yet."""


class KnownAccounts:
    """Keeps the accounts that somebody uses, each as its JWT says."""

    def __init__(self, trust: Trust, resolver: Resolver, clock: Clock) -> None:
        self.trust = trust
        self.resolver = resolver
        # These are new, or are this now: all of them or, where it raises, none.
        self.on_accounts: Callable[[Sequence[AccountOptions]], None] = _ignore
        # What `on_accounts` is about to be called with, for whoever can do some of it in turns.
        self.on_preparing: Callable[[Sequence[AccountOptions]], Awaitable[None]] = _wait_for_nothing
        # Look at this account's clients again; what is returned is set when that is done.
        self.on_change: Callable[[str], Event | None] = _ignore
        self.by_name: dict[str, LoadedAccount] = {}  # that can be used
        self._clock = clock
        self._tasks: TaskGroup | None = None
        self._importers = Importers()
        self._lookups: dict[str, Task[LoadedAccount | AuthError]] = {}
        self._fetches: dict[tuple[str, int], Task[LoadedAccount | AuthError]] = {}
        self._renewals: dict[str, Task[None]] = {}  # of accounts that expired
        self._version = 0  # of all this: what was prepared for another one is void
        self._prepared: Prepared | None = None
        self._generation = 0  # of the resolver: what it said before a reload counts no more
        self._updates = Lock()  # in the order in which they came
        self._building = Lock()  # what is prepared holds before the next is

    def start(self, tasks: TaskGroup) -> None:
        """Look accounts up in tasks of this group from now on."""
        self._tasks = tasks

    def bootstrap(self, name: str, issuer: str) -> None:
        """Let an account hold that has no JWT yet: whoever has its key brings one, and others."""
        claims = AccountClaims(sub=name, iss=issuer, nats=bare(name))
        self._use({name: _loaded(claims, "")})

    def close(self) -> None:
        for account in self.by_name.values():
            _cancel(account)
        self.resolver.close()

    @property
    def lookups_waiting(self) -> int:
        """Accounts that are being looked up."""
        return len(self._lookups) + len(self._renewals)

    async def lookup(self, name: str) -> LoadedAccount:
        """Return an account, fetched if it has to be. Raises AuthError.

        One that expired is fetched again; it comes back expired where nothing newer holds.
        """
        known = self.by_name.get(name)
        if known is not None:
            if known.expired and not known.removed:
                await self._renewed(known)
            return self.by_name[name]
        lookup = self._lookups.get(name)
        if lookup is None:
            lookup = self._group().create_task(self._guarded_load(name))
            self._lookups[name] = lookup
            lookup.add_done_callback(lambda _: self._lookups.pop(name, None))
        return await _outcome(lookup)

    def _group(self) -> TaskGroup:
        """Return where one more account may be looked up. Raises AuthError."""
        if self.lookups_waiting >= ACCOUNT_LOOKUPS_MAX:
            raise AuthError("too many accounts are being looked up")
        assert self._tasks is not None, "accounts are looked up once the server runs"
        return self._tasks

    async def _renewed(self, account: LoadedAccount) -> None:
        """Wait until an account that expired was fetched again; not more often than allowed."""
        name = account.claims.sub
        renewal = self._renewals.get(name)
        if renewal is None:
            now_ns = self._clock.monotonic_ns()
            if now_ns < account.renew_from_ns:
                return
            renewal = self._group().create_task(self._guarded_refetch(name))
            account.renew_from_ns = now_ns + ACCOUNT_RENEWAL_NS
            self._renewals[name] = renewal
            renewal.add_done_callback(lambda _: self._renewals.pop(name, None))
        await shield(renewal)

    async def _guarded_refetch(self, name: str) -> None:
        try:
            await self.refetch(name)
        except AuthError as err:
            log.debug("Account stays expired: account=%s reason=%s", name, err)
        except Exception:  # boundary: account
            log.exception("Account stays expired, it could not be loaded: account=%s", name)

    async def _guarded_load(self, name: str) -> LoadedAccount | AuthError:
        """Return the account, or what is wrong: a task that fails would end the group."""
        try:
            return await self._load(name)
        except AuthError as err:
            return err
        except Exception:  # boundary: account
            log.exception("Account refused, it could not be loaded: account=%s", name)
            return AuthError("the account could not be loaded")

    async def _load(self, name: str) -> LoadedAccount:
        while True:
            generation = self._generation
            try:
                first = {name: await self._fetched(name)}
                found = await with_exporters(first, self.by_name, self._fetched)
                # Somebody who imports from one of them may be faster.
                is_done = await self._bring(
                    partial(_missing, found, self.by_name), partial(self._is_of, generation)
                )
            except AuthError:
                if generation == self._generation:
                    raise
                continue
            if is_done:
                return self.by_name[name]

    async def _fetched(self, name: str) -> LoadedAccount:
        """Fetch an account, once for all who want it now. Raises AuthError."""
        key = name, self._generation
        fetch = self._fetches.get(key)
        if fetch is None:
            assert self._tasks is not None, "accounts are fetched once the server runs"
            fetch = self._tasks.create_task(self._guarded_fetch(name))
            self._fetches[key] = fetch
            fetch.add_done_callback(lambda _: self._fetches.pop(key, None))
        return await _outcome(fetch)

    async def _guarded_fetch(self, name: str) -> LoadedAccount | AuthError:
        try:
            return await self._fetch(name, self.resolver.fetch)
        except AuthError as err:
            return err
        except Exception:  # boundary: account
            log.exception("Account refused, it could not be fetched: account=%s", name)
            return AuthError("the account could not be fetched")

    async def _fetch(self, name: str, token_of: TokenOf) -> LoadedAccount:
        """Return an account as its JWT says. Raises AuthError."""
        if not nkey.is_public_key(name, "A"):
            raise AuthError("will only fetch valid account keys")
        return await self._verified(name, await token_of(name))

    async def _with_exporters(self, account: LoadedAccount) -> dict[str, LoadedAccount]:
        """Return it and whoever had to be fetched for its imports, as the resolver has them now."""
        while True:
            generation = self._generation
            found = await with_exporters({account.claims.sub: account}, self.by_name, self._fetched)
            if generation == self._generation:
                return found

    async def found(self, name: str, token_of: TokenOf) -> dict[str, LoadedAccount]:
        """Return an account that nobody uses yet, and whom it imports from, as their JWTs will be:
        all that `adopt` needs. Raises AuthError.
        """
        fetch = partial(self._fetch, token_of=token_of)
        return await with_exporters({name: await fetch(name)}, self.by_name, fetch)

    async def adopt(self, found: dict[str, LoadedAccount]) -> None:
        """Let accounts hold that were found; what is known by now stays as it is."""
        await self._bring(partial(_missing, found, self.by_name))

    async def change(self, resolver: Resolver) -> None:
        """Let the resolver be this one, once it has begun: until then the one of before is asked.
        Whatever is being fetched is fetched again.
        """
        await resolver.begin()
        self.resolver.close()
        self.resolver = resolver
        self._generation += 1
        self._version += 1

    async def refetch(self, name: str) -> None:
        """Let what the resolver has of an account hold, as `update` does. Raises AuthError."""
        while True:
            generation, known = self._generation, self.by_name.get(name)
            token = await self.resolver.fetch(name)
            if generation == self._generation:
                break
        async with self._updates:
            if not await self._update(name, token, lambda before: before is known):
                return
        await self.hold(name)

    async def update(self, name: str, token: str) -> None:
        """Let another JWT of an account hold, if it is one that somebody uses. Raises AuthError;
        then the one before holds. When it returns no client has rights of before.
        """
        async with self._updates:
            if not await self._update(name, token, lambda _: True):
                return
        await self.hold(name)

    async def hold(self, name: str) -> None:
        """Have the account's clients looked at, and wait until all of them were."""
        done = self.on_change(name)
        if done is not None:
            await done.wait()

    async def _update(
        self, name: str, token: str, is_next: Callable[[LoadedAccount], bool]
    ) -> bool:
        """Return whether it is another one. What is not the next to the one that it would replace
        must have been issued later.
        """
        await self._settled(name)
        before = self.by_name.get(name)
        if before is None or (before.token == token and not self._is_back(before)):
            return False
        account = await self._verified(name, token)
        if not is_next(before) and account.claims.iat <= before.claims.iat:
            return False
        found = await self._with_exporters(account)
        # Whoever was looked up meanwhile is newer.
        await self._bring(lambda: _missing(found, self.by_name) | {name: account})
        return True

    def _is_back(self, account: LoadedAccount) -> bool:
        """Say whether its JWT may hold again: removed before, or expired by a clock that erred."""
        return account.removed or (account.expired and account.claims.holds_at(self._now_s()))

    async def remove(
        self, name: str, *, farewell: type[ProtocolError] = AccountAuthenticationExpired
    ) -> None:
        """Let an account hold no more; its clients are cut, and it imports and stores nothing."""
        async with self._updates:
            await self._settled(name)
            account = self.by_name.get(name)
            if account is None or account.options is None:
                return
            self._version += 1
            account.removed, account.farewell = True, farewell
            _cancel(account)
            account.options = replace(
                account.options, stream_imports=(), service_imports=(), jetstream=None
            )
            self.on_accounts([account.options])
        await self.hold(name)

    async def _settled(self, name: str) -> None:
        """Wait for whoever may be about to use an older JWT of an account."""
        if name not in self.by_name and self._lookups:
            await wait(list(self._lookups.values()))

    async def _verified(self, name: str, token: str) -> LoadedAccount:
        """Return the account that a JWT describes. Raises AuthError."""
        if len(token) > LARGE_JWT_CHARS:
            return await to_thread(self._judged, name, token)
        return self._judged(name, token)

    def _judged(self, name: str, token: str) -> LoadedAccount:
        claims = jwt.decode(token, AccountClaims)
        if claims.sub != name or claims.iss not in self.trust.keys:
            raise AuthError("account validation failed")
        check_account(claims, self._now_s())
        return _loaded(claims, token)

    def _use(self, fresh: Mapping[str, LoadedAccount]) -> None:
        """Let these accounts hold from now on, with all who import from them: all at once.

        Where that fails nothing has changed.
        """
        now_ns = self._clock.wall_ns()
        prepared, self._prepared = self._prepared, None
        if prepared is not None and prepared[:2] == (self._version, fresh):
            drafts = prepared.drafts
        else:
            drafts = {}
            for _ in self._draft(drafts, fresh):
                pass
        changed = changed_by(drafts)
        self._version += 1
        if changed:
            self.on_accounts(changed)
        for name, account in fresh.items():
            before = self.by_name.get(name)
            if before is not None and before is not account:
                _cancel(before)
                account.options, account.updated_ns = before.options, before.updated_ns
            self._importers.follow(
                name,
                {wanted.account for wanted in before.claims.nats.imports} if before else set(),
                {wanted.account for wanted in account.claims.nats.imports},
            )
            self.by_name[name] = account
        for draft in drafts.values():
            self._adopt(draft, now_ns)

    async def _bring(
        self,
        choose: Callable[[], dict[str, LoadedAccount]],
        are_right: Callable[[], bool] = lambda: True,
    ) -> bool:
        """Let accounts hold once what that takes was found, in turns; one change after the other.

        False: they are not the right ones any more.
        """
        async with self._building:
            await self._prepare(choose())
            if not are_right():
                return False
            self._use(choose())
            return True

    async def _prepare(self, fresh: Mapping[str, LoadedAccount]) -> None:
        """Find out what `_use` will need, in turns; many may import from one, or one much."""
        while True:
            version, drafts = self._version, dict[str, Draft]()
            for number, _ in enumerate(self._draft(drafts, fresh), 1):
                if number % IMPORTS_PER_TURN == 0:
                    await sleep(0)
                    if version != self._version:
                        break  # another one was removed: once more
            else:
                break
        await self.on_preparing(changed_by(drafts))
        self._prepared = Prepared(version, fresh, drafts)

    def _draft(
        self, drafts: dict[str, Draft], fresh: Mapping[str, LoadedAccount]
    ) -> Iterator[None]:
        """Find what these accounts, and those that import from them, are to be, in steps."""
        now_ns = self._clock.wall_ns()
        known = ChainMap(dict(fresh), self.by_name)
        importers = {other for name in fresh for other in self._importers.of(name)}
        for name in (*fresh, *sorted(importers - fresh.keys())):
            if not known[name].removed:
                drafts[name] = yield from draft_of(known[name], known, self.trust, now_ns)

    def _adopt(self, draft: Draft, now_ns: int) -> None:
        """Go by the options that an account has now, and look again when they end."""
        account = draft.account
        if draft.options != account.options:
            account.options = draft.options
            account.updated_ns = now_ns
        _cancel(account)
        account.until_s = draft.until_s
        self._watch_end(account)

    def _watch_end(self, account: LoadedAccount) -> None:
        """Come back when the account ends, or one of its imports; meanwhile a clock may be set."""
        ends = [end for end in (account.claims.exp, account.until_s) if end]
        if ends:
            left_ns = max(0, min(ends) * NS_PER_S - self._clock.wall_ns())
            self._look_later(account, min(left_ns, EXPIRY_RECHECK_NS))

    def _on_time(self, account: LoadedAccount) -> None:
        account.timer = None
        now_s = self._now_s()
        if account.claims.holds_at(now_s):
            if 0 < account.until_s <= now_s:
                assert self._tasks is not None, "only an account that was looked up has an end"
                self._tasks.create_task(self._look_again(account))
            else:
                self._watch_end(account)
            return
        account.expired = True
        log.warning("Account expired: account=%s name=%s", account.claims.sub, account.claims.name)
        self.on_change(account.claims.sub)

    async def _look_again(self, account: LoadedAccount) -> None:
        """See which of its imports hold now; if that fails, once more later."""
        name = account.claims.sub

        def is_known() -> bool:
            return self.by_name.get(name) is account and not account.removed

        try:
            await self._bring(lambda: {name: account} if is_known() else {}, is_known)
        except Exception:  # boundary: account
            log.exception("Imports of an account were not looked at: account=%s", name)
            if is_known() and account.timer is None:
                self._look_later(account, EXPIRY_RECHECK_NS)

    def _look_later(self, account: LoadedAccount, delay_ns: int) -> None:
        account.timer = self._clock.call_later(delay_ns, lambda: self._on_time(account))

    def _is_of(self, generation: int) -> bool:
        return generation == self._generation

    def _now_s(self) -> int:
        return self._clock.wall_ns() // NS_PER_S


def _loaded(claims: AccountClaims, token: str) -> LoadedAccount:
    _ = claims.nats.default_rules  # made now, in a thread where there are many
    return LoadedAccount(claims, token, Exporter(claims), account_options(claims))


def _missing(
    found: Mapping[str, LoadedAccount], known: Mapping[str, LoadedAccount]
) -> dict[str, LoadedAccount]:
    return {name: one for name, one in found.items() if name not in known}


def _cancel(account: LoadedAccount) -> None:
    if account.timer is not None:
        account.timer.cancel()
        account.timer = None


async def _outcome(lookup: Task[LoadedAccount | AuthError]) -> LoadedAccount:
    """Wait for a lookup that others may wait for too. Raises AuthError."""
    found = await shield(lookup)
    if isinstance(found, AuthError):
        raise AuthError(str(found)) from found
    return found
