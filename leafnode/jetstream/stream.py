"""A stream: its configuration, its subjects, its consumers, and what leaves it when.

Decides with `retention` (pure), stores through one StreamStore, and hands what arrives to `ingest`.
Knows no JSON of the API and no connection. Truth: nats-server 2.15.1 server/stream.go;
docs/adr/0003.
"""

from __future__ import annotations

from functools import partial
from itertools import chain
from typing import TYPE_CHECKING, Any, Final

from leafnode import limits
from leafnode.errors import StoreBusy, StoreError, StoreFailed
from leafnode.go_time import format_time
from leafnode.jetstream import erased_ids, interest, provenance, wire
from leafnode.jetstream.ages import Ages
from leafnode.jetstream.counters import Counters
from leafnode.jetstream.dedupe import DedupeWindow
from leafnode.jetstream.direct_get import DirectGet
from leafnode.jetstream.enforcement import Enforcement
from leafnode.jetstream.errands import Errands
from leafnode.jetstream.errors import js_error
from leafnode.jetstream.eviction import Eviction
from leafnode.jetstream.following import Following
from leafnode.jetstream.ingest import Ingest
from leafnode.jetstream.markers import Markers
from leafnode.jetstream.origins import Origins
from leafnode.jetstream.purge import ALL, Purge
from leafnode.jetstream.scheduler import Scheduler
from leafnode.jetstream.trouble import Trouble
from leafnode.jetstream.undo import Undo
from leafnode.nuid import hash8
from leafnode.protocol.info import COMPATIBLE_VERSION
from leafnode.protocol.subject import is_subset
from leafnode.routing.intake import Intake

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from leafnode.jetstream.api_types import StreamConfig
    from leafnode.jetstream.consumer import Consumer
    from leafnode.jetstream.context import Context
    from leafnode.jetstream.quota import Quota
    from leafnode.routing.parked import Backlog
    from leafnode.store.api import Store, StoredMsg, StreamStore

_PARTS: Final = (  # they hold their stream
    *("_direct", "_ingest", "ages", "counters", "enforcement", "errands", "eviction"),
    *("following", "intake", "markers", "origins", "scheduler"),
)


class Stream:
    """One stream. `open` begins to take messages; until then it is being built or recovered."""

    def __init__(
        self,
        context: Context,
        config: StreamConfig,
        created_ns: int,
        store: StreamStore,
        *,
        quota: Quota | None = None,
        undo: Undo | None = None,
    ) -> None:
        """`undo` is that of its store and account; without one it has its own."""
        self.context = context
        self.config = config
        self.created_ns = created_ns
        self._is_told_first = config.first_seq == 1  # what an update says holds from a start on
        self.store = store
        self.quota = quota  # of all streams with this storage; None: no bound
        self.trouble = Trouble(context.clock, f"stream={config.name}")
        self.root: Store = context.store_of(config.storage)
        self.undo = undo or Undo(self.root)
        self.consumers: dict[str, Consumer] = {}
        self.dedupe = DedupeWindow(config.duplicate_window, limits.DEDUPE_IDS_MAX)
        self.last_msg_id = b""  # of the newest message; empty when it had none
        self.kept_msg_id = b""  # of the newest message that is on disk
        self.closed = False
        self._last_ts_ns = store.state().last_ts_ns
        self._ids_ahead_ns = self.next_time_ns() - context.clock.monotonic_ns()
        self.is_served = False
        self._ingest = Ingest(self)
        self.intake = Intake(context.account, config.name, self._ingest.receive)
        self.copies_to: Backlog | None = None  # where the last that went to very many wait
        self._direct = DirectGet(self)
        self.counters = Counters(self)
        self.markers = Markers(self)
        self.scheduler = Scheduler(self)
        self.origins = Origins(self, self._ingest)
        self.ages = Ages(self)
        self.enforcement = Enforcement(self)
        self.eviction = Eviction(self)
        self.errands = Errands(self)
        self.following = Following(self)
        self._woken_seq = store.committed_seq()
        store.when_erased(partial(erased_ids.keep, self))

    @property
    def name(self) -> str:
        return self.config.name

    @property
    def identity(self) -> bytes:
        """What tells it from one that had its name before."""
        return hash8(format_time(self.created_ns)).encode()

    @property
    def refused(self) -> int:
        """Publishes turned away because too much waited for the committer."""
        return self._ingest.refused

    # --- life

    def open(self) -> None:
        """Serve, and read what its origins have."""
        self.clear_out()
        self.serve()
        self.origins.open()

    def clear_out(self) -> None:
        """Hold to its limits, and begin to expire: what they removed shortly before a crash may be
        there again. Times to live are known by now.
        """
        self.enforcement.resume()
        self.ages.open()

    def serve(self) -> None:
        """Take messages from now on; `clear_out` came first."""
        self.is_served = True
        self._subscribe()
        self.scheduler.open()
        self.resume()

    def resume(self) -> None:
        """Go on with what was cut off: by the last stop, or when the store went back."""
        self.errands.resume()
        self.remove_done()

    def close(self, *, for_good: bool = False) -> None:
        """Stop taking and delivering messages; nothing stored changes. `for_good`: it is deleted,
        and its origins need keep nothing for it.
        """
        self.closed = True
        self.intake.close()
        self._direct.close()
        self._ingest.close()
        self.origins.close(for_good=for_good)
        self.ages.close()
        self.scheduler.close()
        self.enforcement.close()
        self.errands.close(StoreFailed("the stream is deleted") if for_good else None)
        self.following.close()
        self.store.when_erased(None)

    def let_go(self) -> Iterator[None]:
        """It was deleted, also on disk: forget, in steps, what may be large."""
        return chain(self.dedupe.let_go(), self.ages.let_go())

    def take_apart(self) -> None:
        """It was let go so long ago that none of its parts has anything left to do: the stream and
        they hold each other, and what does waits for a full collection.
        """
        self._ingest.take_apart()
        for name in _PARTS:
            delattr(self, name)

    def update(self, config: StreamConfig) -> None:
        """Take over a checked configuration. `enforcement.after` tells when its limits hold."""
        retention = self.config.retention
        self._configure(config)
        self.enforcement.start(subjects=True)
        self.ages.look()
        if config.retention != retention:
            if self.consumers:
                self.remove_done()
            else:
                self.interest_changed()
        if self.is_served:
            self.origins.open()

    def updated(self) -> None:
        """An update is on disk."""
        self._ingest.settled()

    def undo_update(self, config: StreamConfig) -> None:
        """Go by the configuration of before an update. Stages nothing, not now."""
        self._configure(config)
        self._ingest.settled()
        self.ages.rearm()
        self.context.clock.call_later(0, self._go_on)

    def _configure(self, config: StreamConfig) -> None:
        self.config = config
        self.dedupe.window_ns = config.duplicate_window
        self._ingest.configure()
        self._subscribe()

    def _subscribe(self) -> None:
        if not self.is_served:
            return  # its duplicate window is still read: an id that it holds would be taken twice
        self.intake.change([subject.encode() for subject in self.config.subjects])
        if self.config.allow_direct:
            self._direct.open()
        else:
            self._direct.close()

    # --- messages in

    def next_time_ns(self) -> int:
        """Return the timestamp for messages that arrive now: it never goes backward in a stream."""
        self._last_ts_ns = max(self._last_ts_ns, self.context.time.now_ns())
        return self._last_ts_ns

    def ids_time_ns(self) -> int:
        """Return the time that ids are older than: wall time at the start, and on from there
        whatever is done to the wall clock.
        """
        return self.context.clock.monotonic_ns() + self._ids_ahead_ns

    def committed(self) -> None:
        """A transaction with messages of this stream is on disk: consumers may have them."""
        seq = self.store.committed_seq()
        if seq == self._woken_seq:
            return
        self._woken_seq = seq
        self.ages.arm()
        for consumer in tuple(self.consumers.values()):
            consumer.pump()

    def rolled_back(self) -> None:
        """The store went back to what is on disk: forget what was remembered beyond it.

        Stages nothing, as the store demands of its watchers.
        """
        newest = self.dedupe.forget_above(self.store.committed_seq())
        self.last_msg_id = self.kept_msg_id
        if newest is not None and newest[0] > self._woken_seq:  # it was kept, whatever was reported
            self.last_msg_id = self.kept_msg_id = newest[1]
        self._ingest.rolled_back()
        self.markers.rolled_back()
        self.ages.rolled_back()
        self.scheduler.rolled_back()
        self.origins.rolled_back()
        self.errands.rolled_back()
        self.following.rolled_back()
        self.enforcement.rolled_back()
        self.freed()
        for consumer in tuple(self.consumers.values()):
            consumer.rolled_back()
        self.context.clock.call_later(0, self._go_on)

    def _go_on(self) -> None:
        """The store went back: remove what limits had removed, lazily, and go on with the rest."""
        if self.closed or isinstance(self.root.failed(), StoreFailed):  # it will be read again
            return
        self.enforcement.resume()
        if self.is_served:
            self.origins.open()
        self.resume()

    def roll_up(self, subject: bytes, seq: int, *, everything: bool) -> None:
        """Remove what a roll-up message replaces: all before it, or of its subject only.

        A subject with wildcards, as a key-value client purges several keys, replaces what matches.
        """
        self.context.account.system.outbox.work_left -= limits.ROLLUP_WORK
        self.errands.start(Purge(self, ALL if everything else subject, seq, 0))

    def end_schedule(self, subject: bytes) -> None:
        """Remove the schedule that a subject has."""
        self.errands.start(Purge(self, subject, 0, 0, follow=False))
        self.scheduler.forget(subject)

    def store_scheduled(self, subject: bytes, block: bytes, payload: bytes, *, ends: bytes) -> None:
        """Store the message of a schedule; `ends` is the schedule's subject when it is over."""
        self._ingest.store_own(subject, block, payload, ends=ends)

    def acknowledged(self, consumer: Consumer, seqs: list[int]) -> None:
        """A consumer is done with messages: a work queue lets them go, in the ack's transaction,
        and so does interest retention when no other consumer needs them.

        Raises StoreError with nothing changed.
        """
        if self.config.retention == "limits" or not seqs:
            return
        if self.config.retention == "interest":
            seqs = interest.unneeded(self, consumer, seqs)
            if not seqs:
                return
        self.store.remove(seqs)
        self.freed()
        if consumer.config.ack_policy != "none":
            consumer.acks.undoable(seqs)

    def interest_changed(self, from_seq: int = 0) -> None:
        """A consumer is gone, or wants something else: what nobody needs any more goes. Before its
        position `from_seq` that was there for others, and stays unless there are none.
        """
        self._sweep(from_seq if self.consumers else 0, only_done=False)

    def remove_done(self) -> None:
        """What consumers have done with goes, if it is there yet; what none has had stays."""
        self._sweep(0, only_done=True)

    def _sweep(self, from_seq: int, *, only_done: bool) -> None:
        if self.config.retention != "interest" or self.closed:
            return
        sweep = interest.Sweep(self, from_seq, only_done=only_done)
        try:
            if not self.errands.adds(sweep.name, from_seq):
                self.errands.start(sweep)
        except StoreError as error:
            sweep.end(error)

    def removed_some(self) -> None:
        """Messages left from the middle: consumers count anew."""
        self.freed()
        for consumer in self.consumers.values():
            consumer.cursor.removed_some()

    def removed_one(self, seq: int, subject: bytes) -> None:
        """This one did. Raises StoreCorrupt."""
        self.freed()
        for consumer in self.consumers.values():
            delivered_seq = consumer.pending.delivered.stream_seq
            if seq > delivered_seq:
                consumer.cursor.removed(seq, subject, delivered_seq + 1)

    # --- messages out

    def delete_msg(self, seq: int) -> None:
        """Remove one message. Raises JetStreamError."""
        if self.config.sealed:
            raise js_error(10109)
        if self.config.deny_delete:
            raise js_error(10057, "message delete not permitted")
        if seq == 0:
            raise js_error(10057, "no message found")
        if seq > self.store.last_seq() and self.config.storage == "file":
            raise js_error(10057, "stream store EOF")
        state = self.store.state()
        if self.config.storage == "file" and (not state.msgs or seq < state.first_seq):
            raise js_error(10057, "no message found")
        subject = self.store.subject_of(seq)
        if subject is None or not self.store.remove([seq]):
            raise js_error(10043, seq)
        self.removed_one(seq, subject)
        self.root.after_commit(partial(self.message_removed, seq, b""))

    def message_removed(
        self, seq: int, told: bytes, error: StoreError | None, *, follows: bool = False
    ) -> None:
        """One message was removed: tell consumers, those that want `told` where that is given."""
        if error is None:
            for consumer in tuple(self.consumers.values()):
                is_told = not told or consumer.cursor.wants(told)
                if is_told and consumer.message_removed(seq, follows=follows):
                    consumer.pump()

    def purge(
        self, *, pattern: bytes, below_seq: int, keep: int, done: Callable[[int | StoreError], None]
    ) -> None:
        """Remove messages and tell `done` how many. Raises JetStreamError when it is not allowed.

        `pattern` empty: all subjects. `below_seq` 0: all sequences. `keep` spares the newest.
        """
        if self.config.sealed:
            raise js_error(10109)
        if self.config.deny_purge:
            raise js_error(10110, "stream purge not permitted")
        self.errands.check_room()
        self.errands.start(Purge(self, pattern or ALL, below_seq, keep, done))

    def purged(
        self, pattern: bytes, below_seq: int, ends: tuple[int, int], done: Callable[[], None]
    ) -> None:
        """What matches before `below_seq` is gone, also on disk; consumers follow, then `done`.

        `ends`: the stream began there then and ended before there, with what was on disk too.
        """
        self.freed()
        follow, (first_seq, end_seq) = self.following.start, ends
        if pattern == ALL:
            follow(self.consumers.values(), first_seq, done=done)
            return
        narrow, wide = [], []  # of the narrow ones nothing is left before the first that matches
        for consumer in self.consumers.values():
            filters = consumer.config.filters
            if filters and all(is_subset(one, pattern) for one in filters):
                narrow.append((consumer, filters))
            elif not filters or any(is_subset(pattern, one) for one in filters):
                wide.append(consumer)
        if narrow and self.store.damage() is None:
            follow([consumer for consumer, _ in narrow], min(below_seq, end_seq))
            if below_seq < end_seq:
                self._find_left(pattern, below_seq, end_seq, narrow)
        follow(wide, first_seq, look=True, done=done)

    def _find_left(
        self,
        pattern: bytes,
        from_seq: int,
        end_seq: int,
        consumers: list[tuple[Consumer, list[bytes]]],
    ) -> None:
        """Look for the first message that matches, and let these consumers go there, but not over
        what came after the purge: each may want that once its filters are others.
        """

        def found(page: list[StoredMsg]) -> None:
            if self.closed:
                return
            if page or self.store.damage() is None:
                first_seq = min(page[0].seq, end_seq) if page else end_seq
                same = [one for one, filters in consumers if one.config.filters == filters]
                self.following.start(same, first_seq)

        if self.closed:
            return
        try:
            self.store.read(from_seq, [pattern], 1, 1, found)
        except StoreBusy:
            again = partial(self._find_left, pattern, from_seq, end_seq, consumers)
            self.context.clock.call_later(limits.DELIVER_RETRY_NS, again)
        except StoreError as error:  # they look at what is left one by one
            self.trouble.note("Not found where consumers go on", error)

    def freed(self) -> None:
        """Space that was used is free: the bounds on bytes are looked at anew."""
        if self.quota is not None:
            self.quota.spoil()

    def purged_front(self, first_seq: int) -> None:
        """The stream begins at `first_seq` now; consumers follow when the COMMIT has returned: it
        may yet be undone.
        """
        self.freed()
        consumers = tuple(self.consumers.values())

        def follow(error: StoreError | None) -> None:
            if error is None:
                self.following.start(consumers, first_seq, moves=False)

        self.root.after_commit(follow)

    # --- what it is

    def visible_consumers(self) -> list[Consumer]:
        """The consumers that clients count and list: not those of mirrors and sources."""
        return [one for one in self.consumers.values() if not one.config.direct]

    def state(self) -> dict[str, Any]:
        """Return the `state` object of stream info, without details."""
        state = self.store.state()
        fresh = state.last_seq == 0 and state.first_seq <= 1 and not self._is_told_first
        out: dict[str, Any] = {
            "messages": state.msgs,
            "bytes": state.bytes,
            "first_seq": 0 if fresh else state.first_seq,
            "first_ts": format_time(state.first_ts_ns if state.msgs else 0),
            "last_seq": state.last_seq,
            "last_ts": format_time(state.last_ts_ns),
        }
        if state.num_subjects:
            out["num_subjects"] = state.num_subjects
        if state.num_deleted:
            out["num_deleted"] = state.num_deleted
        out["consumer_count"] = len(self.visible_consumers())
        return out

    def shown_config(self, *, dynamic: bool = True) -> dict[str, Any]:
        """Return the configuration as responses show it; `dynamic` adds what the server says."""
        config = wire.to_dict(self.config)
        if dynamic:
            config["metadata"] = with_dynamic(self.config.metadata | provenance.shown(self))
        return config


def with_dynamic(metadata: dict[str, str]) -> dict[str, str]:
    """Return metadata with what the server says about itself, in key order."""
    shown = metadata | {"_nats.level": str(limits.API_LEVEL), "_nats.ver": COMPATIBLE_VERSION}
    return dict(sorted(shown.items()))
