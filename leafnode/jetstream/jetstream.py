"""JetStream of one account: its streams and consumers, created, changed, deleted and recovered.

The server makes one per account. Knows accounts, stores and rules; not sockets.
Monitoring reads `streams`, `stats` and `usage`. Truth: nats-server 2.15.1 server/jetstream.go.
"""

from __future__ import annotations

import contextlib
import logging
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Final

from leafnode import limits
from leafnode.config.account_options import AccountJetStream as Bounds
from leafnode.errors import JetStreamError, StoreCorrupt, StoreError
from leafnode.jetstream import (
    account_bounds,
    advisory,
    consumer_config,
    origin_config,
    stream_config,
    wire,
)
from leafnode.jetstream.api import Api
from leafnode.jetstream.api_types import StreamConfig
from leafnode.jetstream.consumers import Consumers
from leafnode.jetstream.deleted import Deleted
from leafnode.jetstream.domain import DomainMapping
from leafnode.jetstream.errors import js_error
from leafnode.jetstream.lineup import Lineup
from leafnode.jetstream.promises import Promises
from leafnode.jetstream.quota import Quota
from leafnode.jetstream.recovery import Recovery
from leafnode.jetstream.shared import Shared
from leafnode.jetstream.stream import Stream
from leafnode.jetstream.taken import TakenSubjects, have_common
from leafnode.jetstream.undo import Undo
from leafnode.limits import STREAMS_COUNTED_PER_TURN
from leafnode.slices import finish, in_slices

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator

    from leafnode.jetstream.api_types import StreamConfigRequest
    from leafnode.jetstream.consumer import Consumer
    from leafnode.jetstream.context import Context
    from leafnode.jetstream.restore import Restore
    from leafnode.jetstream.snapshot import Snapshot
    from leafnode.store.api import Store, StreamRecord, StreamStore

log = logging.getLogger(__name__)

UNBOUNDED = Bounds()
_STORAGES: Final = ("file", "memory")


@dataclass(slots=True)
class ApiStats:
    """Requests answered, and how many of them with an error."""

    total: int = 0
    errors: int = 0


@dataclass(frozen=True, slots=True)
class Usage:
    """What an account's streams hold now, by storage, and what finite max_bytes reserve."""

    memory_bytes: int
    file_bytes: int
    reserved_memory_bytes: int
    reserved_file_bytes: int
    messages: int
    consumers: int


class AccountJetStream:
    """The streams of one account."""

    def __init__(
        self, context: Context, bounds: Bounds = UNBOUNDED, shared: Shared | None = None
    ) -> None:
        """`bounds` are the account's, `shared` what holds for all accounts; without it there is
        just this one.
        """
        self.context = context
        self.bounds = bounds
        self.shared = shared if shared is not None else Shared.of(context)
        self.shared.members.append(self)
        self.streams: dict[str, Stream] = {}
        self.transfers: set[Snapshot | Restore] = set()
        self.unfinished: set[str] = set()  # streams in the store that restores are building
        self.stats = ApiStats()
        self._taken = TakenSubjects()
        self._promises = Promises()
        self._quotas = self._new_quotas()
        self._undo = {storage: Undo(context.store_of(storage)) for storage in _STORAGES}
        self._deleted = Deleted(context.clock, self._tell_deleted)
        self.consumers = Consumers(self)
        self.lineup = Lineup(context.clock)
        self._api = Api(self)
        self.is_shut_down = False
        self._recovery = Recovery(self)
        self._unwatch: list[Callable[[], None]] = []
        self._domain = DomainMapping(context.account, context.facts.domain)

    # --- life

    def recover(self, ready: Callable[[], None]) -> None:
        """Take over what the stores hold, then call `ready`; only then the account may be used.

        The duplicate windows are read back first, so that no repeat slips in between.
        """
        for storage, undo in self._undo.items():
            watch = self.context.store_of(storage).watch
            self._unwatch.append(watch(partial(self._recovery.adopted, storage, undo)))
        self._recovery.start(ready)

    def open_api(self) -> None:
        """Answer from now on, unless it was taken away again while streams were read back."""
        if not self.is_shut_down:
            self._api.open()
            self._domain.open()

    def limit(self, bounds: Bounds) -> None:
        """Go by these bounds of the account from now on; what there is already stays."""
        self.bounds = bounds
        self.limits_changed()

    def limits_changed(self) -> None:
        """The account's bounds or the server's are other ones."""
        self._quotas = self._new_quotas()
        for stream in self.streams.values():
            stream.quota = self._quotas[stream.config.storage]

    def _new_quotas(self) -> dict[str, Quota | None]:
        context, bounds = self.context, self.bounds
        quotas = dict(self.shared.quotas)
        most = {"memory": bounds.max_memory_bytes, "file": bounds.max_file_bytes}
        for storage, bound in most.items():
            if bound >= 0:
                quotas[storage] = Quota(
                    context.store_of(storage),
                    bound,
                    context.clock,
                    account=context.account.name,
                    outer=self.shared.quotas[storage],
                )
        return quotas

    def shut_down(self) -> None:
        """Stop answering and delivering, and write down where every consumer is."""
        self.is_shut_down = True
        self._recovery.abandon()
        for transfer in list(self.transfers):
            transfer.abort()
        for unwatch in self._unwatch:
            unwatch()
        self._unwatch.clear()
        self.shared.members.remove(self)
        self._deleted.close()
        self._domain.close()
        self._api.close()
        self.lineup.close()
        for _ in self.see_off():
            pass
        for stream in self.streams.values():
            stream.close()

    def see_off(self) -> Iterator[None]:
        """End deliveries; who waits for one is told, and every position is written down. In
        steps: one for each consumer.
        """
        for stream in list(self.streams.values()):
            for consumer in list(stream.consumers.values()):
                consumer.shut_down()
                yield

    def stream_in(self, record: StreamRecord) -> Stream:
        """Build what a store holds but for its consumers; it is neither known nor open yet."""
        return self.new_stream(config_in(record), record.created_ns, record.store)

    def take_over(self, name: str, stream: Stream) -> None:
        """Know a stream that was built with its consumers; it is not open yet."""
        for consumer in self._deleted.taken_back(name):
            self.consumers.bring_back_with(stream, consumer)
        self.add(name, stream)

    def set_aside(self, record: StreamRecord, problem: Exception) -> None:
        """Know a stream that cannot be taken over by its name; it can be deleted."""
        if not self.context.file_store.has_stream(record.account, record.name):
            return
        cause = StoreCorrupt(f"it cannot be taken over: {type(problem).__name__}: {problem}")
        self.context.file_store.set_aside(record.account, record.name, cause)
        config = config_in(replace(record, config=b""))
        self.add(record.name, self.new_stream(config, record.created_ns, record.store))

    def new_stream(self, config: StreamConfig, created_ns: int, store: StreamStore) -> Stream:
        """Build a stream on what the store holds of it; it is neither known nor open yet."""
        quota = self._quotas[config.storage]
        with contextlib.suppress(StoreCorrupt):  # found now; from here on it tells what it knows
            store.state()
        undo = self._undo[config.storage]
        return Stream(self.context, config, created_ns, store, quota=quota, undo=undo)

    # --- streams

    def stream(self, name: str) -> Stream:
        """Return a stream. Raises 10059."""
        stream = self.streams.get(name)
        if stream is None:
            raise js_error(10059)
        return stream

    def add(self, name: str, stream: Stream) -> None:
        """Know a stream by this name from now on."""
        self.streams[name] = stream
        self._promises.note(name, stream.config)

    def forget(self, name: str) -> None:
        """Know a stream no more."""
        del self.streams[name]
        self._promises.forget(name)

    def config_of(self, name: str) -> StreamConfig | None:
        stream = self.streams.get(name)
        return stream.config if stream is not None else None

    def create_stream(self, request: StreamConfigRequest) -> tuple[Stream, bool]:
        """Create a stream, or return the one that is there with just this configuration."""
        stream_config.check_request(request)
        present = self.streams.get(request.name)
        self._check_new(request)
        window_max_ns = self.context.bounds.duplicate_window_ns
        check_size = partial(account_bounds.check_size, self.bounds)
        config = stream_config.checked_create(request, window_max_ns, check_size=check_size)
        origin_config.check_among(config, self.config_of, pedantic=request.pedantic)
        if present is not None:
            if present.config != config:
                raise js_error(10058)
            return present, False
        outbox = self.context.account.system.outbox
        outbox.work_left -= limits.OTHER_STREAM_WORK * len(self.streams)
        self._check_bytes(config, 0)
        origin_config.check_filters(config)
        self._check_overlap(config)
        created_ns = self.context.time.now_ns()
        root = self.context.store_of(config.storage)
        self._check_gone(root, config.name)
        encoded = wire.encode(wire.to_dict(config))
        store = root.create_stream(
            self.context.account.name, config.name, encoded, created_ns, max(1, config.first_seq)
        )
        stream = self.new_stream(config, created_ns, store)
        self.add(config.name, stream)
        stream.open()
        stream.undo.stage(
            partial(self._uncreate, stream),
            partial(advisory.stream_action, self.context, config.name, "create"),
        )
        return stream, True

    def _check_gone(self, root: Store, name: str) -> None:
        """Refuse the name of a stream that is not known here and that the store has."""
        if root.has_stream(self.context.account.name, name):
            raise js_error(10077, "the store has a stream of this name that is not served")

    def is_stored(self, record: StreamRecord) -> bool:
        """Say whether a stream is still in the store that it was found in."""
        stores = map(self.context.store_of, _STORAGES)
        return any(store.has_stream(record.account, record.name) for store in stores)

    def _uncreate(self, stream: Stream) -> None:
        self._deleted.taken_back(stream.name)
        if self.streams.get(stream.name) is stream:
            log.error("Stream could not be stored: stream=%s", stream.name)
            stream.close(for_good=True)
            self.forget(stream.name)

    def update_stream(self, name: str, request: StreamConfigRequest) -> Stream:
        """Change a stream's configuration."""
        window_max_ns = self.context.bounds.duplicate_window_ns
        # Before the stream is looked for.
        config = stream_config.checked(request, window_max_ns, pedantic=request.pedantic)
        account_bounds.check_size(self.bounds, config)
        origin_config.check_among(config, self.config_of, pedantic=request.pedantic)
        if request.name != name:
            raise js_error(10056)
        stream = self.stream(name)
        old = stream.config
        config = stream_config.checked_update(old, config)
        self._check_overlap(config)
        self._check_bytes(config, max(0, old.max_bytes))
        _check_consumer_limits(stream, config)
        self._store_config(stream, config)
        stream.update(config)
        self._promises.note(name, config)
        stream.undo.stage(partial(self.configure, stream, old), partial(self._tell_updated, stream))
        return stream

    def _tell_updated(self, stream: Stream) -> None:
        stream.updated()
        advisory.stream_action(self.context, stream.name, "modify")

    def _store_config(self, stream: Stream, config: StreamConfig) -> None:
        damage = stream.store.damage()
        if damage is not None:
            raise StoreCorrupt(*damage.args)
        # What the limits of before have removed, lazily, is not there again when they are gone.
        stream.store.remove_below(stream.store.state().first_seq)
        encoded = wire.encode(wire.to_dict(config))
        stream.root.update_stream(self.context.account.name, config.name, encoded)

    def configure(self, stream: Stream, config: StreamConfig) -> None:
        """Let a stream be as the store has it."""
        if not stream.closed:
            stream.undo_update(config)
            self._promises.note(stream.name, config)

    def agreed(self, stream: Stream, record: StreamRecord) -> Iterator[None]:
        """Let a stream be what its store says, though the commit of that was called a failure. In
        steps.
        """
        config = config_in(record)
        if config != stream.config and stream.store.damage() is None:
            self.configure(stream, config)
        for consumer in self.consumers.revive(stream):
            if not consumer.closed:
                consumer.open()
            yield
            if stream.closed:
                return
        stream.committed()

    def delete_stream(self, name: str) -> None:
        """Delete a stream with its messages and consumers."""
        stream = self.stream(name)
        stream.root.delete_stream(self.context.account.name, name)
        consumers = list(stream.consumers.values())
        for consumer in consumers:
            consumer.close()
        stream.consumers.clear()
        stream.close(for_good=True)
        self.forget(name)
        if stream.quota is not None:
            stream.quota.spoil()
        stream.undo.stage(
            partial(self._deleted.keep, stream, consumers),
            partial(self._tell_deleted, stream, consumers),
        )

    def _tell_deleted(self, stream: Stream, consumers: list[Consumer]) -> None:
        name = stream.name
        call_later = self.context.clock.call_later
        in_slices(call_later, stream.let_go(), limits.LET_GO_MSGS)
        call_later(limits.TAKEN_APART_NS, stream.take_apart)
        for consumer in consumers:
            consumer.tell_deleted()
            if not consumer.config.direct:
                advisory.consumer_action(self.context, name, consumer.name, "delete")
        advisory.stream_action(self.context, name, "delete")

    def delete_everything(self) -> None:
        """End what goes on and delete every stream."""
        self._recovery.abandon()
        for transfer in list(self.transfers):
            transfer.abort()
        for name in list(self.streams):
            self.delete_stream(name)

    def _check_overlap(self, config: StreamConfig) -> None:
        others = ((name, one.config.subjects) for name, one in self.streams.items())
        with stream_config.walks_refused():
            if self._taken.overlap(config.name, config.subjects, others):
                raise js_error(10065)
            for name, one in self.streams.items():
                leaving = one.intake.leaving() if one.intake.is_changing else []
                if leaving and name != config.name and have_common(config.subjects, leaving):
                    raise js_error(10065)

    def _check_new(self, config: StreamConfig) -> None:
        """Refuse one stream too many, and what others than one of its name leave no room for."""
        present = self.config_of(config.name)
        others = len(self.streams) - (present is not None)
        promised = self.promised_bytes(config.storage) if config.storage else 0
        if present is not None and present.storage == config.storage:
            promised -= max(0, present.max_bytes)
        account_bounds.check_new(self.bounds, config, others, promised)
        if config.storage:
            self.shared.check_promise(config.storage, max(0, config.max_bytes))

    def _check_bytes(self, config: StreamConfig, promised_before: int) -> None:
        """Refuse what is beyond the account's bounds, or would promise more than the server may."""
        storage = config.storage
        others = self.promised_bytes(storage) - promised_before
        account_bounds.check_stream(self.bounds, config, others)
        self.shared.check_promise(storage, max(0, config.max_bytes) - promised_before)

    def promised_bytes(self, storage: str) -> int:
        """What the finite max_bytes of the account's streams add up to."""
        return self._promises.of(storage)

    # --- archives

    def check_transfers(self) -> None:
        """Refuse one snapshot or restore too many."""
        all_of_them = sum(len(member.transfers) for member in self.shared.members)
        most = limits.TRANSFERS_ACCOUNT_MAX
        if len(self.transfers) >= most or all_of_them >= limits.TRANSFERS_MAX:
            raise js_error(10167)

    def check_restore(self, config: StreamConfig) -> None:
        """Refuse a stream out of an archive that may not be here, or has no room."""
        self._check_new(config)
        account_bounds.check_size(self.bounds, config)
        self._check_bytes(config, 0)
        if config.name in self.streams:
            raise js_error(10130)
        self._check_overlap(config)
        self._check_gone(self.context.store_of(config.storage), config.name)

    def quota_of(self, storage: str) -> Quota | None:
        """What bounds all streams with this storage."""
        return self._quotas[storage]

    def open_restored(self, stream: Stream, then: Callable[[], None]) -> None:
        """Let a stream that has its name now, on disk, be used, with its consumers; then call
        `then`, unless JetStream ends.
        """
        self._recovery.open_restored(stream, then)

    def drop_unfinished(self, root: Store, name: str) -> None:
        """Delete what a restore has stored so far."""
        self.unfinished.discard(name)
        if not root.has_stream(self.context.account.name, name):
            return
        try:
            root.delete_stream(self.context.account.name, name)
        except StoreError as error:  # when the store is read again, or opened, it goes
            log.warning("What was restored so far is not deleted yet: stream=%s %s", name, error)

    # --- consumers

    def consumer(self, stream_name: str, name: str) -> Consumer:
        """Return a consumer. Raises 10059 or 10014."""
        consumer = self.stream(stream_name).consumers.get(name)
        if consumer is None:
            raise js_error(10014)
        return consumer

    # --- numbers

    def usage(self) -> Usage:
        """Add up what the streams hold."""
        return finish(self.counted())

    def counted(self) -> Generator[None, None, Usage]:
        """Add up what the streams hold; others may have their turn wherever it yields."""
        held = {"memory": 0, "file": 0}
        reserved = {"memory": 0, "file": 0}
        messages = consumers = 0
        for number, stream in enumerate(list(self.streams.values()), 1):
            if number % STREAMS_COUNTED_PER_TURN == 0:
                yield
            state = stream.store.state()
            held[stream.config.storage] += state.bytes
            reserved[stream.config.storage] += max(0, stream.config.max_bytes)
            messages += state.msgs
            consumers += len(stream.consumers)
        return Usage(
            held["memory"],
            held["file"],
            reserved["memory"],
            reserved["file"],
            messages,
            consumers,
        )


def config_in(record: StreamRecord) -> StreamConfig:
    """Return a stream's configuration as the store has it. One whose description is damaged has
    none; what it has left is its name.
    """
    encoded = record.config or wire.encode({"name": record.name, "storage": "file"})
    return wire.decode(StreamConfig, encoded, name="StreamConfig", strict=False)


def _check_consumer_limits(stream: Stream, config: StreamConfig) -> None:
    """Refuse limits that a present consumer is beyond."""
    beyond = []
    for consumer in stream.consumers.values():
        try:
            consumer_config.check_limits(consumer.config, config)
        except JetStreamError:
            beyond.append(consumer.name)
    if beyond:
        names = ", ".join(sorted(beyond))
        raise js_error(10069, f"change to limits violates consumers: {names}")
