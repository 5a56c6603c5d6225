"""JetStream of every account that has it, on one store.

Knows which account wants it and how one is built; not how any of it works. An account whose
JetStream is taken away keeps what it stored: it is there again when the account has it again.
Truth: nats-server 2.15.1 server/jetstream.go enableJetStreamAccounts, configJetStream.
"""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from leafnode import limits
from leafnode.clock import NS_PER_S
from leafnode.jetstream.context import Context, ServerFacts
from leafnode.jetstream.disabled import NotEnabled
from leafnode.jetstream.domain import DefaultDomain
from leafnode.jetstream.jetstream import UNBOUNDED, AccountJetStream
from leafnode.jetstream.open_batches import Tally
from leafnode.jetstream.server_bounds import ServerBounds
from leafnode.jetstream.shared import Shared
from leafnode.jetstream.trusted_time import Noted, TrustedTime
from leafnode.routing.account import GLOBAL_ACCOUNT
from leafnode.server import room
from leafnode.server.clock_stamp import ClockStamp
from leafnode.store.memory import MemoryStore
from leafnode.store.sqlite import SqliteStore, StoreSeams

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping

    from leafnode.clock import Timer
    from leafnode.config.account_options import AccountJetStream as Bounds
    from leafnode.config.account_options import AccountOptions, ServiceImport
    from leafnode.config.options import JetStreamOptions
    from leafnode.errors import StoreCorrupt
    from leafnode.routing.account import Account
    from leafnode.server.server import Server
    from leafnode.store.worker import Schedule

log = logging.getLogger(__name__)


def wanted_by(
    accounts: Mapping[str, AccountOptions], system: str, *, by_jwt: bool = False
) -> dict[str, Bounds]:
    """Return the accounts that have JetStream, with their bounds.

    Where there is none but the global one and the system's it is the global one; else, and where
    accounts have JWTs, those that ask for it. The system account has none.
    """
    asking = {
        name: one.jetstream
        for name, one in accounts.items()
        if one.jetstream is not None and name != system
    }
    if by_jwt or any(name not in {GLOBAL_ACCOUNT, system} for name in accounts):
        return asking
    return {GLOBAL_ACCOUNT: asking.get(GLOBAL_ACCOUNT, UNBOUNDED)}


class JetStreams:
    """All JetStreams of a server."""

    def __init__(
        self,
        server: Server,
        options: JetStreamOptions,
        store: SqliteStore,
        stamped: Noted | None,
    ) -> None:
        self._server = server
        self.store = store
        self.options = options = self._bounded(options)
        self._memory = MemoryStore(server.clock.call_later)
        self._time = TrustedTime(server.clock, stamped or _last_stored(store))
        self._stamp = ClockStamp(Path(options.store_dir))
        self._stamp_timer: Timer | None = None
        self._stamp_due_ns = server.clock.monotonic_ns()
        self._noted_doubt = False
        self._stamping: asyncio.Future[None] | None = None
        self._open_atomic, self._open_fast, self._answers = Tally(), Tally(), Tally()
        self._bounds = ServerBounds(options.limits, strict=options.strict)
        self.shared = Shared(
            {"file": store, "memory": self._memory},
            server.clock,
            max_memory_bytes=options.max_memory_bytes,
            max_file_bytes=options.max_file_bytes,
        )
        self.by_account: dict[str, AccountJetStream] = {}
        self._refusing: dict[str, NotEnabled | DefaultDomain] = {}
        self._recovering: dict[str, asyncio.Event] = {}  # set once the account answers
        self._closed = asyncio.Event()

    @property
    def clock_jumps(self) -> int:
        return self._time.jumps

    @property
    def doubted_for_ns(self) -> int:
        return self._time.doubted_for_ns()

    @staticmethod
    def _bounded(options: JetStreamOptions) -> JetStreamOptions:
        return room.with_room(
            options,
            memory_bytes=room.memory_bytes(),
            disk_bytes=room.disk_bytes(Path(options.store_dir)),
        )

    async def start(self) -> None:
        """Take over what the store holds for the accounts there are, and follow them."""
        self.shared.drop_unfinished()
        self._server.account_set.on_update.append(self.follow_accounts)
        self.follow_accounts()
        await self.recovered()
        self._stamp_time()

    def _stamp_time(self) -> None:
        """Note the time for the next start, each hour; each minute while it is in doubt, so that
        the hour it waits need not be one run's alone.
        """
        clock = self._server.clock
        self._stamp_timer = clock.call_later(limits.CLOCK_DOUBT_STAMP_NS, self._stamp_time)
        noted = self._time.noted()
        is_in_doubt = noted.doubt is not None
        if is_in_doubt or self._noted_doubt or clock.monotonic_ns() >= self._stamp_due_ns:
            self._note_time(noted)

    def _note_time(self, noted: Noted) -> None:
        if self._stamping is None or self._stamping.done():  # else the disk takes that long
            self._noted_doubt = noted.doubt is not None
            self._stamp_due_ns = self._server.clock.monotonic_ns() + limits.CLOCK_STAMP_NS
            loop = asyncio.get_running_loop()
            self._stamping = loop.run_in_executor(None, self._stamp.write, noted)
            self._stamping.add_done_callback(_on_stamped)

    async def recovered(self) -> None:
        """Wait until every account answers that has JetStream now."""
        for event in list(self._recovering.values()):
            await event.wait()

    def readiness(self, name: str) -> asyncio.Event | None:
        """Return what is set once an account answers; None: it does, or has no JetStream."""
        return self._recovering.get(name)

    def change(self, options: JetStreamOptions) -> None:
        """Go by these bounds of the server; what its accounts have now: see `following`."""
        self.options = options = self._bounded(options)
        self._bounds.configured = options.limits
        self._bounds.strict = options.strict
        self.shared.limit(
            max_memory_bytes=options.max_memory_bytes, max_file_bytes=options.max_file_bytes
        )

    def follow_accounts(self, names: Collection[str] | None = None) -> None:
        """Do what `following` does at once."""
        for _ in self.following(names):
            pass

    def following(self, names: Collection[str] | None = None) -> Iterator[None]:
        """Begin and end where accounts came, changed or are gone, in steps: these, or whichever.

        An account that changes meanwhile has been followed by then.
        """
        wanted, known = self._wanted(), dict(self._server.account_set.options)
        asked = known.keys() | self._refusing if names is None else names
        over = [name for name in self.by_account if name not in wanted]
        for name in dict.fromkeys([*over, *asked]):
            if self._server.account_set.options.get(name) is known.get(name):
                self._follow(name, wanted.get(name))
            yield

    def _follow(self, name: str, bounds: Bounds | None) -> None:
        if bounds is not None:
            self.enable(name, bounds)
        else:
            self.disable(name)
        self._refuse(name)

    def _wanted(self) -> dict[str, Bounds]:
        accounts = self._server.account_set
        by_jwt = self._server.operator is not None
        return wanted_by(accounts.options, accounts.system_name, by_jwt=by_jwt)

    def enable(self, name: str, bounds: Bounds) -> None:
        """Give an account JetStream, or other bounds."""
        present = self.by_account.get(name)
        if present is not None and present.context.account is not self._server.account(name):
            self.disable(name)  # an account of this name came back
            present = None
        if present is None:
            self._begin(name, bounds)
        elif present.bounds != bounds:
            present.limit(bounds)

    def disable(self, name: str) -> None:
        """Serve an account's JetStream no more; what it stored stays."""
        jetstream = self.by_account.pop(name, None)
        if jetstream is not None:
            jetstream.shut_down()
            if (recovering := self._recovering.pop(name, None)) is not None:
                recovering.set()
            log.info("JetStream is off for an account: account=%s", name)

    def see_off(self) -> Iterator[None]:
        """The server stops: pull requests that wait hear it while they are still connected."""
        for jetstream in list(self.by_account.values()):
            yield from jetstream.see_off()

    def close(self) -> None:
        """Stop answering and delivering, write down where every consumer is, close the store.

        It is closed once `closed` returns: that takes as long as the disk wants.
        """
        if self.follow_accounts in self._server.account_set.on_update:
            self._server.account_set.on_update.remove(self.follow_accounts)
        for refusing in self._refusing.values():
            refusing.close()
        self._refusing.clear()
        for jetstream in self.by_account.values():
            jetstream.shut_down()
        self.by_account.clear()
        for recovering in self._recovering.values():
            recovering.set()
        self._recovering.clear()
        if self._stamp_timer is not None:
            self._stamp_timer.cancel()
        self.store.close(self._closed.set)

    async def closed(self) -> None:
        await self._closed.wait()
        if self._stamping is not None:
            await asyncio.wait([self._stamping])
            noted = self._time.noted()
            if noted.doubt is not None or self._noted_doubt:
                self._note_time(noted)
                await asyncio.wait([self._stamping])

    def _begin(self, name: str, bounds: Bounds) -> None:
        """Build one account's JetStream; it is recovering until it answers."""
        refusing = self._refusing.pop(name, None)
        if refusing is not None:
            refusing.close()
        jetstream = AccountJetStream(self._context(self._server.account(name)), bounds, self.shared)
        self.by_account[name] = jetstream
        ready = self._recovering[name] = asyncio.Event()

        def recovered() -> None:
            ready.set()
            if self._recovering.get(name) is ready:
                del self._recovering[name]

        jetstream.recover(recovered)

    def _context(self, account: Account) -> Context:
        server, options = self._server, self.options
        return Context(
            account=account,
            file_store=self.store,
            memory_store=self._memory,
            clock=server.clock,
            random=server.random,
            facts=ServerFacts(
                name=server.name,
                id=server.id,
                domain=options.domain,
                max_memory_bytes=options.max_memory_bytes,
                max_file_bytes=options.max_file_bytes,
                max_payload=lambda: server.options.max_payload_bytes,
            ),
            time=self._time,
            open_atomic=self._open_atomic,
            open_fast=self._open_fast,
            answers=self._answers,
            bounds=self._bounds,
            client_info=partial(server.account_set.world.client_info, detailed=True),
        )

    def _refuse(self, name: str) -> None:
        """Answer an account without JetStream that it has none, unless another one's is its."""
        options = self._server.account_set.options.get(name)
        present = self._refusing.get(name)
        is_refused = (
            options is not None
            and name not in self.by_account
            and not any(map(_is_of_api, options.service_imports))
        )
        if not is_refused:
            if present is not None:
                self._refusing.pop(name).close()
            return
        account = self._server.account(name)
        if present is None or present.account is not account:
            elsewhere = dict(self._server.options.default_js_domains or ()).get(name)
            refusing = self._refusing[name] = (
                DefaultDomain(account, elsewhere)
                if elsewhere
                else NotEnabled(
                    account,
                    self.options.domain,
                    purge=self.shared.purge
                    if name == self._server.account_set.system_name
                    else None,
                )
            )
            refusing.open()

    def keepers(self) -> list[str]:
        """Return the accounts that the store has streams of."""
        return sorted({record.account for record in self.store.streams()})

    def tell_of_orphans(self) -> None:
        """Say whose streams are kept and not served."""
        kept = Counter(record.account for record in self.store.streams())
        for name, count in sorted(kept.items()):
            if name not in self.by_account:
                log.warning(
                    "Streams are kept and not served, their account has no JetStream: account=%s "
                    "streams=%d",
                    *(name, count),
                )


async def open_jetstreams(server: Server, options: JetStreamOptions) -> JetStreams:
    """Open the store and take over what it holds; `close` ends it. Raises StoreError."""
    loop = asyncio.get_running_loop()
    seams = StoreSeams(
        clock=server.clock,
        schedule=loop.call_soon,
        call_soon_threadsafe=lambda job: loop.call_soon_threadsafe(server.turn.run, job),
        on_damage=_on_damage,
        scrub_bytes_per_s=server.options.store.scrub_rate,
        gather=_gathering(server),
    )
    directory = Path(options.store_dir)
    store = await asyncio.to_thread(SqliteStore.open, directory, seams)
    stamped = await asyncio.to_thread(ClockStamp(directory).read)
    jetstreams = JetStreams(server, options, store, stamped)
    if jetstreams.doubted_for_ns:
        log.warning(
            "The clock is more than a day off the last start's: expiry waits until it ran for an "
            "hour: left_s=%d",
            jetstreams.doubted_for_ns // NS_PER_S,
        )
    store.scrub.start()
    try:
        await jetstreams.start()
    except BaseException:
        jetstreams.close()
        await jetstreams.closed()
        raise
    log.info(
        "JetStream is on: store=%s domain=%s streams=%d",
        directory,
        options.domain or "(none)",
        len(list(store.streams())),
    )
    return jetstreams


def _last_stored(store: SqliteStore) -> Noted | None:
    """Return the time of what was stored last: without a stamp, that is what was believed."""
    times = [max(one.created_ns, one.store.state().last_ts_ns) for one in store.streams()]
    return Noted(max(times)) if times else None


def _on_stamped(stamping: asyncio.Future[None]) -> None:
    if not stamping.cancelled() and (error := stamping.exception()) is not None:
        log.warning("The time was not noted for the next start: %s", error)


def _is_of_api(one: ServiceImport) -> bool:
    return (one.to or one.subject).startswith("$JS.API.")


def _gathering(server: Server) -> Schedule | None:
    interval_ns = server.options.store.commit_interval_ns
    return partial(server.clock.call_later, interval_ns) if interval_ns else None


def _on_damage(account: str, stream: str, damage: StoreCorrupt) -> None:
    log.error(
        "Stream set aside, its data is damaged: account=%s stream=%s damage=%s",
        *(account, stream, damage),
    )
