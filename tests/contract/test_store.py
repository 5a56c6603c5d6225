"""What every store does, on disk and in memory. Truth: leafnode/store/api.py."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

import pytest

from leafnode import limits
from leafnode.errors import StoreError
from leafnode.slices import finish
from leafnode.store.api import SEQ_MAX, StoredMsg, SubjectState
from leafnode.store.bounds import StoreBounds
from leafnode.store.memory import MemoryStore
from tests.sim.committer import SMALL, open_store

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from leafnode.store.api import Store, StreamStore

TINY = StoreBounds(segment_rows_max=3, tail_cache_bytes=600, wal_pregrow_bytes=0, reserve_bytes=0)


class World(Protocol):
    """A store, and the means to let everything under way come to its end."""

    store: Store

    def settle(self) -> None: ...

    def close(self) -> None: ...


class MemoryWorld:
    """Nothing is ever under way in memory."""

    def __init__(self) -> None:
        self.store = MemoryStore()

    def settle(self) -> None:
        pass

    def close(self) -> None:
        self.store.close(lambda: None)


@pytest.fixture(params=["disk", "disk in tiny segments", "memory"])
def world(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[World]:
    made: dict[str, Any] = {
        "disk": lambda: open_store(tmp_path / "store", SMALL),
        "disk in tiny segments": lambda: open_store(tmp_path / "store", TINY),
        "memory": MemoryWorld,
    }
    one = made[request.param]()
    yield one
    one.close()


@pytest.fixture
def stream(world: World) -> StreamStore:
    return world.store.create_stream("A", "S", b"{}", 5, 1)


def filled(world: World, stream: StreamStore, *subjects: bytes) -> StreamStore:
    """Store one message for each subject: body b"1", b"2" ... at 1000, 1010 ... ns; commit."""
    for number, subject in enumerate(subjects, start=1):
        stream.append(subject, 0, b"%d" % number, 990 + 10 * number)
    world.settle()
    return stream


def read_seqs(
    world: World,
    stream: StreamStore,
    start: int,
    *patterns: bytes,
    max_msgs: int = 100,
    max_bytes: int = 1000,
) -> list[int]:
    found: list[list[StoredMsg]] = []
    stream.read(start, patterns, max_msgs, max_bytes, found.append)
    world.settle()
    (messages,) = found
    return [message.seq for message in messages]


def got(world: World, stream: StreamStore, seq: int) -> StoredMsg | None:
    found: list[StoredMsg | None] = []
    stream.get(seq, found.append)
    world.settle()
    (message,) = found
    return message


def newest(world: World, stream: StreamStore, pattern: bytes, **upto: int) -> int | None:
    found: list[StoredMsg | None] = []
    stream.last(pattern, found.append, **upto)
    world.settle()
    (message,) = found
    return message and message.seq


# --- sequences and state


def test_a_new_stream_is_empty_and_its_first_message_gets_sequence_one(
    world: World, stream: StreamStore
) -> None:
    state = stream.state()

    assert (state.msgs, state.first_seq, state.last_seq) == (0, 1, 0)
    assert stream.append(b"a", 0, b"x", 1000) == 1


def test_a_stream_may_start_at_a_later_sequence(world: World) -> None:
    stream = world.store.create_stream("A", "LATE", b"{}", 5, 100)

    assert (stream.state().first_seq, stream.state().last_seq) == (100, 99)
    assert stream.append(b"a", 0, b"x", 1000) == 100


def test_the_end_moves_behind_what_is_stored_and_never_back(
    world: World, stream: StreamStore
) -> None:
    filled(world, stream, b"a", b"b")

    stream.end_at(9, 5000)
    stream.end_at(4, 2000)
    world.settle()

    state = stream.state()
    assert (state.msgs, state.first_seq, state.last_seq, state.num_deleted) == (2, 1, 9, 7)
    assert stream.deleted(1, 100) == [3, 4, 5, 6, 7, 8, 9]
    assert read_seqs(world, stream, 1) == [1, 2]
    assert (stream.num_pending([], 3), stream.seq_at(1015)) == (0, 10)
    assert stream.append(b"a", 0, b"x", 3000) == 10
    world.settle()
    message = got(world, stream, 10)
    assert message is not None
    assert message.ts_ns == 5000


def test_an_empty_stream_may_end_anywhere(world: World, stream: StreamStore) -> None:
    stream.end_at(7, 0)
    world.settle()

    assert (stream.state().first_seq, stream.state().last_seq) == (8, 7)
    with pytest.raises(StoreError):
        stream.end_at(SEQ_MAX + 1, 0)


def test_state_counts_messages_subjects_and_times(world: World, stream: StreamStore) -> None:
    filled(world, stream, b"a", b"b", b"a")

    state = stream.state()

    assert (state.msgs, state.num_subjects, state.num_deleted) == (3, 2, 0)
    assert (state.first_seq, state.last_seq) == (1, 3)
    assert (state.first_ts_ns, state.last_ts_ns) == (1000, 1020)


def test_state_bytes_go_up_with_each_message_and_down_with_its_removal(
    world: World, stream: StreamStore
) -> None:
    filled(world, stream, b"a")
    one = stream.state().bytes
    filled(world, stream, b"a")
    assert stream.state().bytes == 2 * one

    stream.remove([1])

    assert stream.state().bytes == one


def test_a_run_is_stored_as_its_messages_would_be(world: World, stream: StreamStore) -> None:
    other = world.store.create_stream("A", "OTHER", b"{}", 5, 1)
    stream.append(b"a", 0, b"first", 1000)
    other.append(b"a", 0, b"first", 1000)

    bodies = [b"x", b"", b"yz"]
    while bodies:  # not all of them where segments are tiny
        del bodies[: stream.append_run(b"b", bodies, 900)]
    for body in (b"x", b"", b"yz"):
        other.append(b"b", 0, body, 900)
    world.settle()

    assert stream.state() == other.state()
    assert stream.subject_state(b"b") == other.subject_state(b"b") == (3, 2, 4)
    assert read_seqs(world, stream, 1) == [1, 2, 3, 4]
    assert [got(world, stream, seq) for seq in range(1, 5)] == [
        got(world, other, seq) for seq in range(1, 5)
    ]


def test_a_time_before_the_newest_message_is_raised_to_it(
    world: World, stream: StreamStore
) -> None:
    stream.append(b"a", 0, b"1", 1000)
    stream.append(b"a", 0, b"2", 900)
    world.settle()

    message = got(world, stream, 2)

    assert message is not None
    assert message.ts_ns == 1000


def test_a_time_does_not_go_back_after_the_stream_ran_empty(
    world: World, stream: StreamStore
) -> None:
    stream.append(b"a", 0, b"1", 1000)
    world.settle()
    stream.remove_below(2)
    world.settle()
    assert stream.state().last_ts_ns == 1000
    stream.append(b"a", 0, b"2", 900)
    world.settle()

    message = got(world, stream, 2)

    assert message is not None
    assert message.ts_ns == 1000


@pytest.mark.parametrize("seq", [SEQ_MAX + 1, 2**63, 2**64 - 1])
def test_a_purge_to_a_sequence_that_cannot_be_stored_is_refused_and_changes_nothing(
    world: World, stream: StreamStore, seq: int
) -> None:
    filled(world, stream, b"a")

    with pytest.raises(StoreError, match="beyond"):
        stream.remove_below(seq)

    assert stream.state().msgs == 1
    assert stream.append(b"a", 0, b"x", 2000) == 2
    world.settle()
    assert stream.remove_below(SEQ_MAX) == 2
    assert stream.append(b"a", 0, b"x", 2000) == SEQ_MAX
    world.settle()
    assert world.store.failed() is None


# --- reads


def test_get_gives_subject_time_header_and_payload_as_stored(
    world: World, stream: StreamStore
) -> None:
    stream.append(b"a.b", 12, b"NATS/1.0\r\n\r\nhello", 1234)
    world.settle()

    message = got(world, stream, 1)

    assert message == StoredMsg(1, b"a.b", 1234, 12, b"NATS/1.0\r\n\r\nhello")
    assert message.header == b"NATS/1.0\r\n\r\n"
    assert message.payload == b"hello"


@pytest.mark.parametrize("seq", [-1, 0, 4, 2**40])
def test_get_of_a_sequence_that_never_was_gives_none(
    world: World, stream: StreamStore, seq: int
) -> None:
    filled(world, stream, b"a", b"a", b"a")

    assert got(world, stream, seq) is None


def test_read_gives_messages_in_order_from_the_start_sequence(
    world: World, stream: StreamStore
) -> None:
    filled(world, stream, *[b"a"] * 10)

    assert read_seqs(world, stream, 4) == [4, 5, 6, 7, 8, 9, 10]


def test_read_before_the_first_sequence_starts_at_the_first(
    world: World, stream: StreamStore
) -> None:
    filled(world, stream, *[b"a"] * 3)

    assert read_seqs(world, stream, 0) == [1, 2, 3]


def test_read_stops_at_max_msgs(world: World, stream: StreamStore) -> None:
    filled(world, stream, *[b"a"] * 10)

    assert read_seqs(world, stream, 1, max_msgs=4) == [1, 2, 3, 4]


def test_read_gives_no_more_than_a_batch_however_much_is_asked_for(
    world: World, stream: StreamStore
) -> None:
    filled(world, stream, *[b"a"] * (limits.READ_BATCH_MSGS + 1))

    found = read_seqs(world, stream, 1, max_msgs=10**9, max_bytes=10**9)

    assert len(found) == limits.READ_BATCH_MSGS


def test_read_stops_once_max_bytes_are_reached_but_gives_at_least_one(
    world: World, stream: StreamStore
) -> None:
    for _ in range(5):
        stream.append(b"a", 0, bytes(10), 1000)
    world.settle()

    assert read_seqs(world, stream, 1, max_bytes=20) == [1, 2]
    assert read_seqs(world, stream, 1, max_bytes=21) == [1, 2, 3]
    assert read_seqs(world, stream, 1, max_bytes=1) == [1]


@pytest.mark.parametrize(
    ("patterns", "seqs"),
    [
        ([b"a.x"], [1, 4]),
        ([b"a.*"], [1, 2, 4]),
        ([b"*.x"], [1, 3, 4]),
        ([b"a.y", b"b.>"], [2, 3, 5]),
        ([b">"], [1, 2, 3, 4, 5]),
        ([b"c"], []),
    ],
)
def test_read_gives_only_what_matches_a_pattern(
    world: World, stream: StreamStore, patterns: list[bytes], seqs: list[int]
) -> None:
    filled(world, stream, b"a.x", b"a.y", b"b.x", b"a.x", b"b.z.q")

    assert read_seqs(world, stream, 1, *patterns) == seqs


def test_a_pattern_matches_a_subject_that_came_after_it_was_first_asked_for(
    world: World, stream: StreamStore
) -> None:
    filled(world, stream, b"a.x")
    assert read_seqs(world, stream, 1, b"*.x") == [1]

    filled(world, stream, b"b.x")

    assert read_seqs(world, stream, 1, b"*.x") == [1, 2]


def test_last_gives_the_newest_message_that_matches(world: World, stream: StreamStore) -> None:
    filled(world, stream, b"a.x", b"a.y", b"b.x", b"a.x", b"b.z")

    assert newest(world, stream, b"a.x") == 4
    assert newest(world, stream, b"a.*") == 4
    assert newest(world, stream, b"b.x") == 3
    assert newest(world, stream, b">") == 5
    assert newest(world, stream, b"none") is None


@pytest.mark.parametrize("newer", [0, 400])  # so many that the reader is asked
def test_last_up_to_a_sequence(world: World, stream: StreamStore, newer: int) -> None:
    filled(world, stream, b"a.x", b"a.y", b"a.x", b"b.x", *[b"z"] * newer)

    assert newest(world, stream, b"a.x", upto_seq=3) == 3
    assert newest(world, stream, b"a.x", upto_seq=2) == 1
    assert newest(world, stream, b"b.x", upto_seq=3) is None


def test_last_of_a_subject_whose_newest_message_was_removed_is_the_one_before(
    world: World, stream: StreamStore
) -> None:
    filled(world, stream, b"a", b"a", b"b", b"a")
    stream.remove([4])
    world.settle()

    assert newest(world, stream, b"a") == 2
    assert newest(world, stream, b">") == 3


# --- gaps


def test_a_message_may_get_a_later_sequence_and_what_lies_between_holds_nothing(
    world: World, stream: StreamStore
) -> None:
    filled(world, stream, b"a", b"b")

    assert stream.append(b"a", 0, b"3", 1020, seq=7) == 7
    assert stream.append(b"b", 0, b"4", 1030) == 8
    assert stream.append(b"a", 0, b"5", 1040, seq=5000) == 5000
    world.settle()

    state = stream.state()
    assert (state.msgs, state.first_seq, state.last_seq) == (5, 1, 5000)
    assert state.num_deleted == 4995
    assert read_seqs(world, stream, 1) == [1, 2, 7, 8, 5000]
    assert stream.deleted(1, 5) == [3, 4, 5, 6, 9]
    assert stream.subject_state(b"a") == SubjectState(3, 1, 5000)
    assert stream.num_pending([b"a"], 3) == 2
    assert stream.seq_at(1015) == 7
    assert stream.remove([2, 3, 7]) == 2
    assert stream.remove_below(8) == 1
    world.settle()
    assert (stream.state().first_seq, stream.state().num_deleted) == (8, 4991)
    assert read_seqs(world, stream, 1) == [8, 5000]


def test_the_first_message_may_get_a_later_sequence(world: World, stream: StreamStore) -> None:
    stream.append(b"a", 0, b"1", 1000, seq=9)
    world.settle()

    state = stream.state()
    assert (state.msgs, state.first_seq, state.last_seq, state.num_deleted) == (1, 9, 9, 0)
    assert read_seqs(world, stream, 1) == [9]


# --- removals


def test_remove_counts_what_was_there_and_leaves_gaps(world: World, stream: StreamStore) -> None:
    filled(world, stream, *[b"a"] * 6)

    assert stream.remove([2, 4, 4, 99, 0]) == 2

    world.settle()
    assert read_seqs(world, stream, 1) == [1, 3, 5, 6]
    assert got(world, stream, 2) is None
    assert stream.state().num_deleted == 2
    assert stream.deleted(1, 10) == [2, 4]


def test_removing_the_oldest_moves_first_seq_to_the_next_message(
    world: World, stream: StreamStore
) -> None:
    filled(world, stream, *[b"a"] * 5)
    stream.remove([2])

    stream.remove([1])

    state = stream.state()
    assert (state.first_seq, state.first_ts_ns, state.num_deleted) == (3, 1020, 0)


def test_removing_everything_leaves_first_seq_behind_last_seq(
    world: World, stream: StreamStore
) -> None:
    assert stream.state().last_ts_ns == 0
    filled(world, stream, b"a", b"b")
    last_ts_ns = stream.state().last_ts_ns

    stream.remove([1, 2])

    state = stream.state()
    assert (state.msgs, state.bytes, state.num_subjects) == (0, 0, 0)
    assert (state.first_seq, state.last_seq) == (3, 2)
    assert (state.first_ts_ns, state.last_ts_ns) == (0, last_ts_ns)
    assert last_ts_ns
    assert stream.append(b"a", 0, b"x", 2000) == 3


def test_remove_below_takes_everything_before_and_nothing_at_the_sequence(
    world: World, stream: StreamStore
) -> None:
    filled(world, stream, *[b"a", b"b"] * 5)

    assert stream.remove_below(8) == 7

    world.settle()
    assert read_seqs(world, stream, 1) == [8, 9, 10]
    assert stream.state().first_seq == 8
    assert stream.subject_state(b"a") == SubjectState(1, 9, 9)


def test_remove_below_counts_only_what_is_left(world: World, stream: StreamStore) -> None:
    filled(world, stream, *[b"a"] * 10)
    stream.remove([1, 5])

    assert stream.remove_below(6) == 3
    assert stream.remove_below(6) == 0


def test_remove_below_lands_on_the_next_message(world: World, stream: StreamStore) -> None:
    filled(world, stream, *[b"a"] * 10)
    stream.remove([5, 6])

    stream.remove_below(5)

    assert stream.state().first_seq == 7


def test_remove_below_beyond_the_end_moves_last_seq_too(world: World, stream: StreamStore) -> None:
    filled(world, stream, b"a", b"a")

    assert stream.remove_below(10) == 2

    assert (stream.state().first_seq, stream.state().last_seq) == (10, 9)
    assert stream.append(b"a", 0, b"x", 2000) == 10


def test_a_lazy_remove_below_answers_like_any_other(world: World, stream: StreamStore) -> None:
    filled(world, stream, *[b"a"] * 4)

    assert stream.remove_below(3, lazy=True) == 2

    world.settle()
    assert read_seqs(world, stream, 1) == [3, 4]


def test_what_was_removed_is_not_there_to_be_removed_again(
    world: World, stream: StreamStore
) -> None:
    filled(world, stream, *[b"a"] * 9)
    stream.remove([5, 6])
    world.settle()

    assert stream.remove([4, 5, 6]) == 1


def test_removing_from_the_middle_leaves_times_and_ends_right(
    world: World, stream: StreamStore
) -> None:
    filled(world, stream, *[b"a", b"b", b"c"] * 4)

    stream.remove([4, 5, 7, 9, 12])

    assert stream.seq_at(1030) == 6
    assert stream.subject_state(b"c") == SubjectState(2, 3, 6)
    assert stream.num_pending([b"a", b"b"], 5) == 3
    assert stream.num_pending([b"c"], 5) == 1
    assert stream.deleted(5, 9) == [5, 7, 9, 12]


# --- questions


def test_subject_state_follows_removals_at_both_ends(world: World, stream: StreamStore) -> None:
    filled(world, stream, b"a", b"b", b"a", b"a", b"a")
    assert stream.subject_state(b"a") == SubjectState(4, 1, 5)

    stream.remove([1])
    assert stream.subject_state(b"a") == SubjectState(3, 3, 5)

    stream.remove([5, 3])
    assert stream.subject_state(b"a") == SubjectState(1, 4, 4)

    stream.remove([4])
    assert stream.subject_state(b"a") is None


def test_subject_state_of_an_unknown_subject_is_none(world: World, stream: StreamStore) -> None:
    assert stream.subject_state(b"never") is None


@pytest.mark.parametrize("patterns", [(), (b">",), (b"a.*",), (b"b", b"a.>"), (b"zz",)])
def test_names_and_newest_sequences_are_those_of_the_subjects(
    world: World, stream: StreamStore, patterns: tuple[bytes, ...]
) -> None:
    for subject in (b"a.1", b"b", b"a.2", b"a.1", b"b", b"c", b"a.2.x"):
        stream.append(subject, 0, b"", 1)
    stream.remove([1, 5, 6])
    world.settle()

    listed = list(stream.subjects(*patterns))

    assert sorted(stream.names(*patterns)) == [name for name, _ in listed]
    assert sorted(stream.last_seqs(*patterns)) == sorted(state.last_seq for _, state in listed)
    for pattern in patterns:
        first = min((state.first_seq for _, state in stream.subjects(pattern)), default=8)
        assert stream.oldest(pattern, 1) == first
        assert (stream.oldest(pattern, 9) < 8) is (first < 8)


def test_a_store_knows_whose_streams_it_has(world: World, stream: StreamStore) -> None:
    del stream
    (record,) = world.store.streams()

    assert world.store.has_stream(record.account, record.name)
    assert not world.store.has_stream(record.account, record.name + "x")
    assert not world.store.has_stream("", record.name)


def test_a_store_says_what_the_streams_of_an_account_hold(
    world: World, stream: StreamStore
) -> None:
    stream.append(b"a", 0, b"xx", 1000)
    other = world.store.create_stream("B", "S", b"{}", 5, 1)
    other.append(b"a", 0, b"xx", 1000)
    other.append(b"b", 2, b"xxx", 1000)
    world.store.create_stream("A", "T", b"{}", 5, 1)
    (one, two) = stream.state().bytes, other.state().bytes
    assert 0 < one < two

    held = [world.store.held_bytes(account) for account in ("A", "B", "C", "")]
    assert held == [one, two, 0, one + two]

    stream.remove([1])
    assert world.store.held_bytes("A") == 0


def test_names_are_those_of_when_they_were_asked_for(world: World, stream: StreamStore) -> None:
    for subject in (b"a", b"b"):
        stream.append(subject, 0, b"", 1)
    world.settle()

    names = iter(stream.names())
    first = next(names)
    stream.append(b"c", 0, b"", 1)

    assert sorted([first, *names]) == [b"a", b"b"]


def test_subjects_are_listed_in_byte_order(world: World, stream: StreamStore) -> None:
    filled(world, stream, b"b", b"a.z", b"a.b", b"a.b")

    assert list(stream.subjects(b">")) == [
        (b"a.b", SubjectState(2, 3, 4)),
        (b"a.z", SubjectState(1, 2, 2)),
        (b"b", SubjectState(1, 1, 1)),
    ]
    assert [name for name, _ in stream.subjects(b"a.*")] == [b"a.b", b"a.z"]


@pytest.mark.parametrize(
    ("patterns", "start", "count"),
    [
        ([], 0, 9),
        ([], 5, 6),
        ([], 10, 1),
        ([], 11, 0),
        ([b"a"], 1, 5),
        ([b"a"], 2, 4),
        ([b"a"], 9, 1),
        ([b"*"], 4, 6),
        ([b"b"], 3, 3),
        ([b"none"], 1, 0),
    ],
)
def test_num_pending_is_exact_with_gaps(
    world: World, stream: StreamStore, patterns: list[bytes], start: int, count: int
) -> None:
    filled(world, stream, *[b"a", b"b"] * 5)
    stream.remove([4])

    assert stream.num_pending(patterns, start) == count


@pytest.mark.parametrize(
    ("patterns", "first", "last", "count"),
    [
        ([], 1, 10, 3),
        ([], 3, 3, 1),
        ([], 4, 4, 0),
        ([], 11, 20, 0),
        ([b"*"], 8, 9, 2),
        ([b"a", b"c"], 1, 9, 1),
        ([b"b"], 3, 5, 0),  # before it and behind it, not there
        ([b"b"], 3, 6, 1),
    ],
)
def test_subjects_with_messages_in_a_range_are_counted(
    world: World, stream: StreamStore, patterns: list[bytes], first: int, last: int, count: int
) -> None:
    filled(world, stream, *[b"a", b"b"] * 4, b"a", b"c")
    stream.remove([4])

    assert finish(stream.num_subjects(patterns, first, last)) == count


def test_a_removal_is_known_to_reads_when_it_is_on_disk(tmp_path: Path) -> None:
    world = open_store(tmp_path / "store", SMALL)
    stream = world.store.create_stream("A", "S", b"{}", 5, 1)
    for _ in range(3):
        stream.append(b"a", 0, b"x", 1000)
    world.settle()

    found = [stream.is_removing()]
    stream.remove([2])
    found.append(stream.is_removing(2))
    assert not stream.is_removing(3)
    world.settle()
    found.append(stream.is_removing())
    stream.remove_below(2)
    found.append(stream.is_removing(2))
    assert not stream.is_removing(3)
    world.settle()
    found.append(stream.is_removing())

    assert found == [False, True, False, True, False]
    world.close()


def test_questions_see_what_is_staged_and_reads_do_not(tmp_path: Path) -> None:
    world = open_store(tmp_path / "store", SMALL)
    stream = world.store.create_stream("A", "S", b"{}", 5, 1)
    stream.append(b"a", 0, b"x", 1000)

    found: list[object] = []
    stream.get(1, found.append)
    stream.read(1, [], 10, 10, found.append)
    stream.last(b"a", found.append)

    assert found == [None, [], None]
    assert (stream.last_seq(), stream.committed_seq()) == (1, 0)
    assert stream.num_pending([], 1) == 1
    assert stream.subject_state(b"a") == SubjectState(1, 1, 1)
    world.settle()
    assert stream.committed_seq() == 1
    world.close()


def test_seq_at_gives_the_first_message_at_or_after_a_time(
    world: World, stream: StreamStore
) -> None:
    filled(world, stream, *[b"a"] * 10)
    stream.remove([4])

    assert stream.seq_at(0) == 1
    assert stream.seq_at(1010) == 2
    assert stream.seq_at(1011) == 3
    assert stream.seq_at(1030) == 5
    assert stream.seq_at(1090) == 10
    assert stream.seq_at(1091) == 11


def test_time_at_is_of_the_first_message_from_there_on(world: World, stream: StreamStore) -> None:
    filled(world, stream, *[b"a"] * 10)
    stream.remove([4, 10])
    stream.remove_below(2)

    assert [stream.time_at(seq) for seq in (1, 3, 4, 9, 10, 11)] == [
        *(1010, 1020, 1040, 1080),
        *(None, None),
    ]


def test_deleted_pages_through_the_gaps(world: World, stream: StreamStore) -> None:
    filled(world, stream, *[b"a"] * 10)
    stream.remove([2, 3, 5, 9, 10])

    assert stream.deleted(1, 2) == [2, 3]
    assert stream.deleted(4, 10) == [5, 9, 10]
    assert stream.deleted(1, 0) == []


def test_live_pages_through_the_messages_however_far_apart(
    world: World, stream: StreamStore
) -> None:
    filled(world, stream, *[b"a"] * 10)
    stream.remove([2, 3, 5, 9, 10])
    for seq in (2**40, 2**60):
        stream.append(b"a", 0, b"x", 2000, seq=seq)

    assert stream.live(0, 3) == [1, 4, 6]
    assert stream.live(5, 100) == [6, 7, 8, 2**40, 2**60]
    assert stream.live(2**40 + 1, 1) == [2**60]
    assert stream.live(2**60 + 1, 1) == []
    assert stream.live(1, 0) == []


# --- streams and consumers


def test_streams_of_two_accounts_may_have_one_name(world: World) -> None:
    one = world.store.create_stream("A", "S", b"{1}", 5, 1)
    two = world.store.create_stream("B", "S", b"{2}", 6, 1)
    one.append(b"a", 0, b"x", 1000)

    assert two.last_seq() == 0
    assert [
        (record.account, record.name, record.created_ns, record.config)
        for record in world.store.streams()
    ] == [("A", "S", 5, b"{1}"), ("B", "S", 6, b"{2}")]


def test_update_stream_replaces_its_config(world: World, stream: StreamStore) -> None:
    world.store.update_stream("A", "S", b'{"max_msgs":1}')

    (record,) = world.store.streams()
    assert (record.config, record.created_ns) == (b'{"max_msgs":1}', 5)


def test_a_deleted_stream_is_gone_and_its_name_is_free(world: World, stream: StreamStore) -> None:
    filled(world, stream, b"a", b"b")
    world.store.put_consumer("A", "S", "C", 7, b"{}", b"")
    world.store.delete_stream("A", "S")
    assert world.store.streams() == []

    again = world.store.create_stream("A", "S", b"{}", 8, 1)
    world.settle()

    assert again.state().msgs == 0
    assert world.store.consumers("A", "S") == []


def test_a_renamed_stream_has_all_that_it_had(world: World, stream: StreamStore) -> None:
    filled(world, stream, b"a", b"b")
    world.store.put_consumer("A", "S", "C", 7, b"{c}", b"\x00")

    world.store.rename_stream("A", "S", "T")
    stream.append(b"c", 0, b"3", 2000)
    world.settle()

    assert [(one.name, one.store is stream) for one in world.store.streams()] == [("T", True)]
    assert [one.name for one in world.store.consumers("A", "T")] == ["C"]
    assert read_seqs(world, stream, 1) == [1, 2, 3]
    world.store.create_stream("A", "S", b"{}", 5, 1)


def test_consumers_are_kept_with_config_and_state(world: World, stream: StreamStore) -> None:
    world.store.put_consumer("A", "S", "C", 7, b"{c}", b"\x00\xff")
    world.store.put_consumer("A", "S", "D", 8, b"{d}", b"")
    world.store.put_consumer_state("A", "S", "C", b"\x01")

    assert [_fields(record) for record in world.store.consumers("A", "S")] == [
        ("C", 7, b"{c}", b"\x01"),
        ("D", 8, b"{d}", b""),
    ]


def test_a_deleted_consumer_is_gone(world: World, stream: StreamStore) -> None:
    world.store.put_consumer("A", "S", "C", 7, b"{}", b"")
    world.store.put_consumer_state("A", "S", "C", b"1")

    world.store.delete_consumer("A", "S", "C")
    world.settle()

    assert world.store.consumers("A", "S") == []
    assert world.store.consumer("A", "S", "C") is None


def test_one_consumer_is_as_it_was_put_last(world: World, stream: StreamStore) -> None:
    world.store.put_consumer("A", "S", "C", 7, b"{c}", b"1")
    world.store.put_consumer_state("A", "S", "C", b"2")

    found = world.store.consumer("A", "S", "C")

    assert found is not None
    assert _fields(found) == ("C", 7, b"{c}", b"2")
    assert world.store.consumer("A", "none", "C") is None


def test_after_commit_with_nothing_staged_is_called_at_once(world: World) -> None:
    world.settle()
    results: list[object] = []

    world.store.after_commit(results.append)

    assert results == [None]


def test_a_store_without_trouble_tells_its_watchers_nothing(
    world: World, stream: StreamStore
) -> None:
    seen: list[object] = []
    world.store.watch(lambda *key: seen.append(key))

    filled(world, stream, b"a")

    assert seen == []


def test_a_store_without_trouble_says_so(world: World, stream: StreamStore) -> None:
    filled(world, stream, b"a")

    assert world.store.failed() is None
    assert stream.damage() is None


def _fields(record: Any) -> tuple[Any, ...]:
    return (record.name, record.created_ns, record.config, record.state)


@pytest.mark.parametrize("newer", [0, 400])  # so many that the segment's columns are asked
def test_subject_of_a_sequence(world: World, stream: StreamStore, newer: int) -> None:
    filled(world, stream, b"a.x", b"a.y", b"b.x", *[b"z"] * newer)
    stream.remove([2])

    assert [stream.subject_of(seq) for seq in (1, 2, 3)] == [b"a.x", None, b"b.x"]
    assert stream.subject_of(newer + 9) is None


@pytest.mark.parametrize("newer", [0, 400])
def test_size_of_a_sequence(world: World, stream: StreamStore, newer: int) -> None:
    filled(world, stream, b"a.x", b"a.y", *[b"z"] * newer)
    before = stream.state().bytes
    size = stream.size_of(2)
    stream.remove([2])

    assert size == before - stream.state().bytes > 0
    assert (stream.size_of(2), stream.size_of(newer + 9)) == (0, 0)
