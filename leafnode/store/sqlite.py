"""The store on SQLite: one file for all streams, one writer thread, one reader thread.

Builds the parts and keeps streams and consumers; what a stream does is in stream.py, what a commit
does in commit.py and writer.py. Knows nothing of JetStream's rules. Truth: docs/store.md.
"""

from __future__ import annotations

import logging
import os
import sqlite3
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from leafnode import limits
from leafnode.errors import StoreCorrupt, StoreError, StoreFull
from leafnode.slices import in_slices
from leafnode.store import leftovers, schema, wal, writes
from leafnode.store.api import SEQ_MAX, ConsumerRecord, StoreStats, StreamRecord, is_deleted
from leafnode.store.bounds import StoreBounds
from leafnode.store.cache import ColumnsCache
from leafnode.store.closing import Closing
from leafnode.store.columns_reader import ColumnsReader
from leafnode.store.commit import Committer
from leafnode.store.deletion import Deletions
from leafnode.store.hot import HotBudget
from leafnode.store.index import StreamIndex
from leafnode.store.lock import lock
from leafnode.store.reader import Reader
from leafnode.store.reads import Reads
from leafnode.store.retry import Retry
from leafnode.store.rows import row_checksum
from leafnode.store.scrub import Scrub
from leafnode.store.stream import SqliteStream
from leafnode.store.tail import TailBudget
from leafnode.store.worker import ThreadExecutor, Worker
from leafnode.store.writer import Writer

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from leafnode.clock import Clock, Timer
    from leafnode.store.api import State
    from leafnode.store.batch import Batch
    from leafnode.store.commit import Outcome
    from leafnode.store.reader import ReadRequest, ReadResult
    from leafnode.store.recover import Recovered
    from leafnode.store.segments import Columns, Segment
    from leafnode.store.worker import Executor, Schedule

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class StoreSeams:
    """What the store gets from outside, so that a test decides when things happen.

    `executor` is called twice, with the names of the writer's and of the reader's thread.
    """

    clock: Clock
    schedule: Schedule  # loop.call_soon
    call_soon_threadsafe: Schedule
    on_damage: Callable[[str, str, StoreCorrupt], None]
    scrub_bytes_per_s: int = 0  # 0: no scrub
    gather: Schedule | None = None  # calls back when an open batch may leave; None: `schedule`
    executor: Callable[[str], Executor] = ThreadExecutor
    connect: schema.Connect = sqlite3.connect


class SqliteStore:
    """Implements leafnode.store.api.Store. Made by `open`."""

    def __init__(
        self, directory: Path, seams: StoreSeams, bounds: StoreBounds, lock_fd: int
    ) -> None:
        self._path = directory / schema.FILE_NAME
        self._seams = seams
        self._bounds = bounds
        self._lock_fd = lock_fd
        self._cache = ColumnsCache(bounds.segment_cache_bytes)
        self._columns = ColumnsReader(
            self._path, seams.connect, damaged=self._blame, suspected=self._suspect
        )
        self._writer = Writer(self._path, bounds, seams.clock, self._columns_of, seams.connect)
        self._reader = Reader(self._path, seams.connect)
        self._write_worker = Worker(seams.executor("leafnode-commit"), seams.call_soon_threadsafe)
        self._read_worker = Worker(seams.executor("leafnode-read"), seams.call_soon_threadsafe)
        self.committer = Committer(
            bounds,
            self._write_worker,
            seams.schedule,
            self._writer.commit,
            self,
            seams.gather,
            seams.clock.call_later,
        )
        self._deletions = Deletions(seams.clock, seams.call_soon_threadsafe, self.committer)
        self.call_later: Callable[[int, Callable[[], None]], object] = seams.clock.call_later
        self.tails = TailBudget(bounds.tail_cache_bytes)
        self.hot = HotBudget(bounds.hot_cache_bytes)
        self._streams: dict[tuple[str, str], SqliteStream] = {}
        self._records: dict[int, tuple[int, bytes]] = {}  # created, config
        self._by_id: dict[int, SqliteStream] = {}  # those whose deletion is not committed, too
        self._next_id = 1
        self._suspects: set[int] = set()  # streams for which the file is being read
        self._lazy_states: dict[tuple[int, str], State] = {}
        self._flush_timer: Timer | None = None
        self._watchers: list[Callable[[str, str], None]] = []
        self._closing = False
        self._stats = StoreStats()
        reader = self._read_worker, self._reader
        self._reads = Reads(seams.clock, *reader, self._stats, bounds.reads_waiting_max)
        self._retry = Retry(
            seams.clock,
            self.committer,
            reads=reader,
            writes=(self._write_worker, self._writer),
            close_columns=self._columns.close,
            adopt=self._adopt,
            tell=self._tell_adopted,
        )
        self.is_crowded: Callable[[], bool] = self._reads.is_crowded
        self.scrub = Scrub(self, seams.clock, self._stats, seams.scrub_bytes_per_s)

    @classmethod
    def open(
        cls, directory: Path, seams: StoreSeams, bounds: StoreBounds | None = None
    ) -> SqliteStore:
        """Open the store in this directory, or make a new one there. Blocks. Raises StoreError for
        what cannot be used, in one line that names the file; it stays as it was.
        """
        bounds = bounds or StoreBounds()
        schema.prepare_directory(directory)
        lock_fd = lock(directory)
        leftovers.drop(directory / schema.FILE_NAME)
        try:
            schema.ensure_file(directory / schema.FILE_NAME, seams.connect)
            store = cls(directory, seams, bounds, lock_fd)
            try:
                outcome = store._writer.open()
                store._adopt(outcome.recovered or [])
                store._open_readers()
                store._retry.opened(outcome, seams.call_soon_threadsafe)
            except StoreError:
                for worker in (store._write_worker, store._read_worker):
                    worker.close()
                store._reader.close()
                store._columns.close()
                store._writer.close()
                raise
        except StoreError:
            os.close(lock_fd)
            raise
        return store

    # --- streams

    def streams(self) -> list[StreamRecord]:
        return [
            StreamRecord(account, name, *self._records[stream.id], stream)
            for (account, name), stream in self._streams.items()
        ]

    def held_bytes(self, account: str = "") -> int:
        found = self._streams.items()
        return sum([one.index.bytes for (owner, _), one in found if owner == (account or owner)])

    def has_stream(self, account: str, name: str) -> bool:
        return (account, name) in self._streams

    def create_stream(
        self, account: str, name: str, config: bytes, created_ns: int, first_seq: int
    ) -> SqliteStream:
        if first_seq > SEQ_MAX:
            raise StoreError(f"sequence {first_seq} is beyond {SEQ_MAX}")
        assert (account, name) not in self._streams, f"stream {name} of {account} exists"
        batch = self.committer.batch()
        stream_id, self._next_id = self._next_id, self._next_id + 1
        index = StreamIndex(first_seq, self._bounds, self._columns_of(stream_id))
        stream = SqliteStream(self, stream_id, account, name, index)
        self._streams[account, name] = self._by_id[stream_id] = stream
        self._records[stream_id] = (created_ns, config)
        row = (stream_id, account, name, created_ns, config, first_seq, first_seq - 1)
        batch.add(stream_id, partial(writes.create_stream, row=row))
        return stream

    def update_stream(self, account: str, name: str, config: bytes) -> None:
        batch = self.committer.batch()
        stream = self._streams[account, name]
        self._records[stream.id] = record = (self._records[stream.id][0], config)
        crc = row_checksum(stream.id, account, name, *record)
        batch.execute(stream.id, writes.UPDATE_CONFIG, (config, crc, stream.id))

    def rename_stream(self, account: str, name: str, new_name: str) -> None:
        assert (account, new_name) not in self._streams, f"stream {new_name} of {account} exists"
        batch = self.committer.batch()
        self._streams[account, new_name] = stream = self._streams.pop((account, name))
        stream.name = new_name
        batch.rename(stream, *self._records[stream.id])

    def delete_stream(self, account: str, name: str) -> None:
        stream = self._streams[account, name]
        self._deletions.begin(stream, *self._records[stream.id])
        del self._streams[account, name]
        stream.detach()
        for key in [key for key in self._lazy_states if key[0] == stream.id]:
            del self._lazy_states[key]
        for segment in stream.index.segments:
            self._cache.forget(segment)

    # --- consumers

    def consumers(self, account: str, stream: str) -> list[ConsumerRecord]:
        return list(self._streams[account, stream].consumers.values())

    def consumer(self, account: str, stream: str, name: str) -> ConsumerRecord | None:
        owner = self._streams.get((account, stream))
        return None if owner is None else owner.consumers.get(name)

    def put_consumer(
        self, account: str, stream: str, name: str, created_ns: int, config: bytes, state: State
    ) -> None:
        batch = self.committer.batch()
        owner = self._streams[account, stream]
        self._lazy_states.pop((owner.id, name), None)
        record = owner.consumers[name] = ConsumerRecord(name, created_ns, config, state)
        batch.put_consumer(owner.id, record)

    def put_consumer_state(self, account: str, stream: str, name: str, state: State) -> None:
        owner = self._streams[account, stream]
        known = owner.consumers[name]
        owner.consumers[name] = ConsumerRecord(name, known.created_ns, known.config, state)
        self._lazy_states[owner.id, name] = state
        self._flush_later()

    def delete_consumer(self, account: str, stream: str, name: str) -> None:
        batch = self.committer.batch()
        owner = self._streams[account, stream]
        del owner.consumers[name]
        self._lazy_states.pop((owner.id, name), None)
        batch.delete_consumer(owner.id, name)

    # --- the store as a whole

    def reserve(self, rows: int, size: int) -> None:
        self.committer.reserve(rows, size)

    def release(self) -> None:
        self.committer.release()

    def after_commit(self, done: Callable[[StoreError | None], None]) -> None:
        self.committer.after_commit(done)

    def is_last(self, done: Callable[[StoreError | None], None]) -> bool:
        return self.committer.is_last(done)

    def watch(self, adopted: Callable[[str, str], None]) -> Callable[[], None]:
        self._watchers.append(adopted)
        return partial(self._watchers.remove, adopted)

    def set_aside(self, account: str, stream: str, problem: StoreCorrupt) -> None:
        self.damaged(self._streams[account, stream], problem)

    def failed(self) -> StoreError | None:
        return self.committer.failed or self.committer.no_room

    def stats(self) -> StoreStats:
        self._stats.refused = self.committer.refused
        self._stats.hot_hits, self._stats.hot_bytes = self.hot.hits, self.hot.bytes
        paths = (self._path, wal.log_path(self._path))
        self._stats.file_bytes = sum(path.stat().st_size for path in paths if path.exists())
        return self._stats

    def close(self, done: Callable[[], None]) -> None:
        if self._flush_timer is not None:
            self._flush_timer.cancel()
        self._retry.close()
        if self.committer.failed is None:
            for stream in self.scrubbed_streams():
                stream.keep_floor()
        self._flush()
        self._closing = True
        self._deletions.close()
        self._reads.close()
        self.scrub.close()
        Closing(
            self._seams.clock,
            self.committer,
            reads=(self._read_worker, self._reader),
            writes=(self._write_worker, self._writer),
            close_columns=self._columns.close,
            lock_fd=self._lock_fd,
        ).begin(done)

    # --- what streams ask for

    def ask(self, request: ReadRequest, done: Callable[[ReadResult], None]) -> None:
        self._reads.ask(request, done)

    def ask_further(self, request: ReadRequest, done: Callable[[ReadResult], None]) -> None:
        self._reads.ask_further(request, done)

    def damaged(self, stream: SqliteStream, problem: StoreCorrupt) -> None:
        if stream.quarantine(problem):
            self._stats.damaged += 1
            self._seams.on_damage(stream.account, stream.name, problem)

    def forget(self, segment: Segment) -> None:
        self._cache.forget(segment)

    # --- what the scrub asks for

    def scrubbed_streams(self) -> list[SqliteStream]:
        return [stream for stream in self._by_id.values() if stream.is_readable()]

    def is_busy(self) -> bool:
        return self._reads.waiting > 0 or self.committer.failed is not None

    def look(self, job: Callable[[Reader], ReadResult], done: Callable[[ReadResult], None]) -> None:
        self._reads.look(job, done)

    # --- what the committer tells

    def closing(self, batch: Batch) -> None:
        states, self._lazy_states = self._lazy_states, {}
        batch.consumer_states = states
        for stream_id, name in states:
            batch.put_consumer(stream_id, self._by_id[stream_id].consumers[name])

    def committed(self, batch: Batch, outcome: Outcome) -> None:
        self._retry.committed()
        stats = self._stats
        stats.commits += 1
        stats.rows += batch.rows
        stats.bytes += batch.body_bytes
        stats.commit_ns_total += outcome.commit_ns
        stats.commit_ns_max = max(stats.commit_ns_max, outcome.commit_ns)
        for stream in batch.deleted:
            self._by_id.pop(stream.id, None)
            self._records.pop(stream.id, None)
            in_slices(self._seams.clock.call_later, stream.index.let_go(), limits.LET_GO_MSGS)
        for change in batch.changes.values():
            if change.stream.id not in self._by_id:
                continue
            for segment, columns in change.stored:
                if segment.columns is columns:
                    segment.stored = True
                    self._cache.keep(segment)
            change.stream.committed(change)

    def rolled_back(self, batches: list[Batch], outcome: Outcome) -> None:
        error = outcome.error
        assert error is not None
        self._stats.failures += 1
        if self._retry.is_news(error):
            log.error("Commit failed, %d batches undone: %s", len(batches), error)
        for batch in batches:
            # What is newer than the batch stays; states are absolute, so an older one may be lost.
            self._lazy_states = {**batch.consumer_states, **self._lazy_states}
        if outcome.recovered is None:
            self._retry.failed(error)
            return
        self._adopt(outcome.recovered)
        if isinstance(error, StoreFull):
            self._retry.full(error)
        elif isinstance(error, StoreCorrupt) and outcome.damaged_stream in self._by_id:
            self.damaged(self._by_id[outcome.damaged_stream], error)
        self._tell_adopted()

    # --- private

    def _adopt(self, recovered: list[Recovered]) -> None:
        """Take the state on disk for the truth; streams that are known keep their identity."""
        known, self._by_id = self._by_id, {}
        self._streams.clear()
        self._records.clear()
        self._cache.clear()
        deleted: list[SqliteStream] = []
        for found in recovered:
            stream = known.pop(found.id, None)
            if stream is None:
                stream = SqliteStream(self, found.id, found.account, found.name, found.index)
            stream.name = found.name
            stream.adopt(found.index, found.consumers)
            self._by_id[found.id] = stream
            self._records[found.id] = (found.created_ns, found.config)
            self._next_id = max(self._next_id, found.id + 1)
            if found.damage is not None:
                self.damaged(stream, found.damage)
            if is_deleted(found.name):
                stream.detach()
                deleted.append(stream)
            else:
                self._streams[found.account, found.name] = stream
        others = [stream for stream in self._streams.values() if stream.index.going]
        self._deletions.resume(deleted, others)
        for stream in known.values():
            stream.detach()
        self._lazy_states = {
            (stream_id, name): state
            for (stream_id, name), state in self._lazy_states.items()
            if stream_id in self._by_id and name in self._by_id[stream_id].consumers
        }
        for (stream_id, name), state in self._lazy_states.items():
            consumers = self._by_id[stream_id].consumers
            old = consumers[name]
            consumers[name] = ConsumerRecord(name, old.created_ns, old.config, state)
        if self._lazy_states:
            self._flush_later()

    def _tell_adopted(self) -> None:
        """Tell every watcher of every stream; one that raises does not keep others from it."""
        if self._closing:
            return
        with ExitStack() as stack:
            for key in reversed(tuple(self._streams)):
                for adopted in reversed(self._watchers):
                    stack.callback(adopted, *key)

    def _flush_later(self) -> None:
        if self._flush_timer is None and not self._closing:
            self._flush_timer = self._seams.clock.call_later(limits.CONSUMER_FLUSH_NS, self._flush)

    def _flush(self) -> None:
        self._flush_timer = None
        if self._lazy_states and self.committer.failed is None:
            self.committer.batch()

    def _columns_of(self, stream_id: int) -> Callable[[Segment], Columns]:
        load = partial(self._columns.load, stream_id)

        def columns(segment: Segment) -> Columns:
            if segment.columns is not None and not segment.sealed:
                return segment.columns
            return self._cache.columns(segment, load)

        return columns

    def _blame(self, stream_id: int, problem: StoreCorrupt) -> None:
        if stream_id in self._by_id:
            self.damaged(self._by_id[stream_id], problem)

    def _suspect(self, stream_id: int, problem: StoreCorrupt) -> None:
        """Set a stream aside for what SQLite says, unless the file cannot even be read."""
        if stream_id in self._suspects:
            return
        self._suspects.add(stream_id)

        def judged(readable: bool) -> None:  # noqa: FBT001
            self._suspects.discard(stream_id)
            if readable:
                self._blame(stream_id, problem)

        self._read_worker.submit(partial(schema.can_be_read, self._path), judged)

    def _open_readers(self) -> None:
        """Open what reads now: descriptors that run out later do no harm then."""
        try:
            self._columns.open()
            self._reader.open()
        except sqlite3.Error as err:
            raise schema.store_error(err, self._path) from err
