"""The store on disk against the store in memory, over any list of operations, faults and restarts.

Questions are compared as staged, reads as committed; a failed commit takes both back to the last
one.
"""

from __future__ import annotations

import copy
import shutil
import sqlite3
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from leafnode import limits
from leafnode.slices import finish
from leafnode.store.api import SEQ_MAX
from leafnode.store.bounds import StoreBounds
from leafnode.store.memory_stream import MemoryStream
from tests.sim.committer import HeldExecutor, StoreWorld, open_store

if TYPE_CHECKING:
    from leafnode.errors import StoreError
    from leafnode.store.worker import Executor

# So small that a few messages fill segments, caches and tails.
TINY = StoreBounds(
    segment_rows_max=4,
    segment_bytes_max=60,
    segment_span_max=9,
    segment_cache_bytes=100,
    tail_cache_bytes=900,
    hot_cache_bytes=5000,
    wal_pregrow_bytes=0,
    reserve_bytes=0,
)
SUBJECTS = [b"a", b"a.b", b"a.c", b"b.b", b"b.c.d"]
PATTERNS = [[], [b">"], [b"a"], [b"*.b"], [b"a.*", b"b.>"], [b"none"], [b"a.b", b"b.b"]]

subjects = st.sampled_from(SUBJECTS)
patterns = st.sampled_from(PATTERNS)
near = st.integers(0, 40)


def held(_: str) -> Executor:
    """Reads and commits are done when the machine says so."""
    return HeldExecutor()


class StoreMachine(RuleBasedStateMachine):
    """One stream in both stores."""

    def __init__(self) -> None:
        super().__init__()
        self.root = Path(tempfile.mkdtemp(prefix="leafnode-store-"))
        self.generation = 0
        self.world: StoreWorld = self.open()
        self.stream = self.world.store.create_stream("A", "S", b"{}", 1, 1)
        self.model = MemoryStream(1)
        self.world.settle()
        self.committed = copy.deepcopy(self.model)
        self.in_flight: MemoryStream | None = None
        self.now_ns = 1000

    def teardown(self) -> None:
        self.world.close()
        shutil.rmtree(self.root)

    def open(self) -> StoreWorld:
        return open_store(self.root / str(self.generation), TINY, held)

    @initialize(first=st.integers(1, 5))
    def start(self, first: int) -> None:
        self.remove_below(first)

    @rule(
        subject=subjects, size=st.integers(0, 30), header=st.booleans(), passed=st.integers(-2, 3)
    )
    def append(self, subject: bytes, size: int, header: bool, passed: int) -> None:
        self.now_ns += passed
        body = bytes(size)
        header_size = size // 2 if header else 0
        seq = self.stream.append(subject, header_size, body, self.now_ns)

        assert seq == self.model.append(subject, header_size, body, self.now_ns)

    @rule(count=st.integers(1, 6), subject=subjects)
    def append_many(self, count: int, subject: bytes) -> None:
        for _ in range(count):
            self.append(subject, 3, header=False, passed=1)

    @rule(sizes=st.lists(st.integers(0, 30), min_size=1, max_size=12), subject=subjects)
    def append_run(self, sizes: list[int], subject: bytes) -> None:
        self.now_ns += 1
        bodies = [bytes(size) for size in sizes]
        while bodies:
            count = self.stream.append_run(subject, bodies, self.now_ns)
            assert self.model.append_run(subject, bodies[:count], self.now_ns) == count
            del bodies[:count]

    @rule(seqs=st.lists(near, max_size=8))
    def remove(self, seqs: list[int]) -> None:
        assert self.stream.remove(seqs) == self.model.remove(seqs)

    @rule(first=near, count=st.integers(1, 12))
    def remove_run(self, first: int, count: int) -> None:
        self.remove(list(range(first, first + count)))

    @rule(subject=subjects)
    def remove_subject(self, subject: bytes) -> None:
        state = self.model.subject_state(subject)
        if state is not None:
            self.remove([state.last_seq])
            self.remove([state.first_seq])

    @rule(seq=near)
    def remove_below(self, seq: int) -> None:
        assert self.stream.remove_below(seq) == self.model.remove_below(seq)

    @rule(beyond=st.integers(0, 3))
    def purge(self, beyond: int) -> None:
        self.remove_below(self.model.last_seq() + 1 + beyond)

    @rule()
    def commit(self) -> None:
        self.world.settle()
        self.committed = copy.deepcopy(self.model)
        self.in_flight = None

    @rule()
    def turn_ends(self) -> None:
        """What is staged is on its way to disk; more may be staged behind it."""
        self.world.turns.run()
        if self.in_flight is None and not self.world.store.committer.is_idle():
            self.in_flight = copy.deepcopy(self.model)
            self.world.store.after_commit(self.landed)

    def landed(self, error: StoreError | None) -> None:
        if error is None and self.in_flight is not None:
            self.committed = self.in_flight
        self.in_flight = None

    @rule()
    def one_batch_is_done(self) -> None:
        if self.in_flight is None:
            return
        commits = self.world.executors["leafnode-commit"]
        assert isinstance(commits, HeldExecutor)
        commits.release()
        self.turn_ends()

    @rule(statement=st.sampled_from(["COMMIT", "INSERT", "BEGIN IMMEDIATE", "UPDATE", "DROP"]))
    def disk_is_full(self, statement: str) -> None:
        self.fail(statement, sqlite3.SQLITE_FULL)
        self.world.clock.advance(limits.STORE_RETRY_NS)
        self.world.settle()
        assert self.world.store.failed() is None

    @rule(statement=st.sampled_from(["COMMIT", "INSERT", "UPDATE"]))
    def disk_fails(self, statement: str) -> None:
        self.fail(statement, sqlite3.SQLITE_IOERR_FSYNC)
        self.world.clock.advance(limits.STORE_RETRY_MAX_NS)  # without a commit ever more rarely
        self.world.settle()
        assert self.world.store.failed() is None

    def fail(self, statement: str, code: int) -> None:
        results: list[object] = []
        self.stream.append(b"a", 0, b"", self.now_ns)
        self.world.store.after_commit(results.append)
        self.world.disk.fail(statement, code)
        self.world.settle()
        self.world.disk.heal()
        if results == [None]:  # the batch had no such statement
            self.model.append(b"a", 0, b"", self.now_ns)
            self.committed = copy.deepcopy(self.model)
        else:
            self.model = copy.deepcopy(self.committed)
        self.in_flight = None

    @rule()
    def reopen(self) -> None:
        self.world.close()
        self.committed = copy.deepcopy(self.model)
        self.take(self.open())

    @rule()
    def crash(self) -> None:
        """What a SIGKILL leaves: the files as they are, nothing of what is staged."""
        old, self.generation = self.root / str(self.generation), self.generation + 1
        shutil.copytree(old, self.root / str(self.generation))
        before = self.world
        committed = self.committed
        self.take(self.open())
        before.close()
        self.committed, self.model = committed, copy.deepcopy(committed)

    def take(self, world: StoreWorld) -> None:
        self.world = world
        self.in_flight = None
        (record,) = world.store.streams()
        self.stream = record.store

    @invariant()
    def states_are_equal(self) -> None:
        ours, model = self.stream.state(), self.model.state()
        # nats-server counts a message in a file 14 bytes dearer than in memory, 4 more with
        # headers.
        headers = sum(message.header_size > 0 for message in self.model._messages.values())
        model.bytes += 14 * model.msgs + 4 * headers

        assert ours == model

    @invariant()
    def subjects_are_equal(self) -> None:
        for pattern in [b">", b"a.*"]:
            assert list(self.stream.subjects(pattern)) == list(self.model.subjects(pattern))

    @rule(wanted=patterns, start=near)
    def num_pending_is_equal(self, wanted: list[bytes], start: int) -> None:
        assert self.stream.num_pending(wanted, start) == self.model.num_pending(wanted, start)

    @rule(wanted=patterns, first=near, span=st.integers(-1, 20))
    def num_subjects_is_equal(self, wanted: list[bytes], first: int, span: int) -> None:
        ours, model = (
            finish(one.num_subjects(wanted, first, first + span))
            for one in (self.stream, self.model)
        )
        assert ours == model

    @rule(wanted=patterns)
    def newest_is_equal(self, wanted: list[bytes]) -> None:
        for pattern in wanted:
            newest = self.stream.newest_of(pattern)
            assert newest == self.model.newest_of(pattern)
            assert newest == max(self.model.last_seqs(pattern), default=0)

    @rule(first=near, count=st.integers(0, 20))
    def deleted_is_equal(self, first: int, count: int) -> None:
        assert self.stream.deleted(first, count) == self.model.deleted(first, count)

    @rule(first=near, count=st.integers(1, 20), span=st.integers(-1, 20))
    def deleted_up_to_a_sequence_is_equal(self, first: int, count: int, span: int) -> None:
        ours, model = (
            one.deleted(first, count, upto_seq=first + span) for one in (self.stream, self.model)
        )
        assert ours == model

    @rule(subject=subjects)
    def counts_of_a_subject_are_equal(self, subject: bytes) -> None:
        assert self.stream.msgs_of(subject) == self.model.msgs_of(subject)
        assert self.stream.last_of(subject) == self.model.last_of(subject)

    @rule(wanted=patterns)
    def names_are_equal(self, wanted: list[bytes]) -> None:
        for _ in self.stream.prepare(*wanted):
            pass
        assert sorted(self.stream.names(*wanted)) == sorted(self.model.names(*wanted))

    @rule(first=near, count=st.integers(0, 20))
    def live_is_equal(self, first: int, count: int) -> None:
        assert self.stream.live(first, count) == self.model.live(first, count)

    @rule(before=st.integers(-1, 30))
    def seq_at_is_equal(self, before: int) -> None:
        ts_ns = self.now_ns - before

        assert self.stream.seq_at(ts_ns) == self.model.seq_at(ts_ns)

    @rule(first=near)
    def time_at_is_equal(self, first: int) -> None:
        assert self.stream.time_at(first) == self.model.time_at(first)

    @rule(start=near, wanted=patterns, count=st.integers(1, 9), size=st.integers(1, 60))
    def read_is_what_was_committed(
        self, start: int, wanted: list[bytes], count: int, size: int
    ) -> None:
        ours: list[object] = []
        model: list[object] = []
        self.stream.read(start, wanted, count, size, ours.append)
        self.drain_reads()
        self.committed.read(start, wanted, count, size, model.append)

        assert ours == model

    @rule(seq=near)
    def get_is_what_was_committed(self, seq: int) -> None:
        ours: list[object] = []
        model: list[object] = []
        self.stream.get(seq, ours.append)
        self.drain_reads()
        self.committed.get(seq, model.append)

        assert ours == model

    @rule(
        pattern=st.sampled_from([b">", b"a", b"a.b", b"*.b", b"b.>", b"none"]),
        upto=st.none() | near,
    )
    def last_is_what_was_committed(self, pattern: bytes, upto: int | None) -> None:
        ours: list[object] = []
        model: list[object] = []
        upto_seq = SEQ_MAX if upto is None else upto
        self.stream.last(pattern, ours.append, upto_seq=upto_seq)
        self.drain_reads()
        if not ours:  # what takes messages away is on its way to disk, and may be there
            assert self.stream.is_removing()
            self.commit()
            self.drain_reads()
        self.committed.last(pattern, model.append, upto_seq=upto_seq)

        assert ours == model

    @rule(seq=near)
    def somebody_asks(self, seq: int) -> None:
        """What is read now, and handed over later, must not be kept where it went meanwhile."""
        self.stream.get(seq, lambda _: None)

    @rule()
    def the_reader_reads(self) -> None:
        reads = self.world.executors["leafnode-read"]
        assert isinstance(reads, HeldExecutor)
        reads.release()

    @rule()
    def everything_is_what_was_committed(self) -> None:
        for seq in range(1, 41):
            self.get_is_what_was_committed(seq)

    @invariant()
    def memory_stays_within_its_bound(self) -> None:
        hot = self.world.store.hot
        held = sum(len(msg.body) + len(msg.subject) + 256 for msg in hot._held.values())
        assert hot.bytes == held <= TINY.hot_cache_bytes

    @rule()
    def committed_seq_is_the_last_of_the_last_commit(self) -> None:
        assert self.stream.committed_seq() == self.committed.last_seq()

    def drain_reads(self) -> None:
        """Hand over what the reader found, and leave what is staged alone."""
        reads = self.world.executors["leafnode-read"]
        assert isinstance(reads, HeldExecutor)
        while self.world.store._reads.waiting:
            reads.release()
            self.world.turns.run_results(self.world.store._read_worker)


TestStoreMachine = StoreMachine.TestCase
