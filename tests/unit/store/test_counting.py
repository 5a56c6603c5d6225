"""leafnode.store.counting: counts read no more segments than they need, and each once."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from leafnode import limits
from leafnode.store import counting, subject_counts
from leafnode.store.api import SubjectState
from tests.sim.committer import SMALL, StoreWorld, open_store

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from leafnode.store.stream import SqliteStream

# Ten sealed segments of four, of which one is remembered.
BOUNDS = replace(SMALL, segment_rows_max=4, segment_cache_bytes=1, tail_cache_bytes=0)


@pytest.fixture
def world(tmp_path: Path) -> Iterator[StoreWorld]:
    world = open_store(tmp_path, BOUNDS)
    stream = world.store.create_stream("A", "S", b"{}", 5, 1)
    for seq in range(1, 42):
        stream.append(b"odd" if seq % 2 else b"even", 0, b"", 1000 + 10 * seq)
    world.settle()
    world.store._cache.reads = 0
    yield world
    world.close()


@pytest.fixture
def stream(world: StoreWorld) -> SqliteStream:
    return world.store._streams["A", "S"]


def test_pending_from_the_first_sequence_on_reads_nothing(
    world: StoreWorld, stream: SqliteStream
) -> None:
    assert stream.num_pending([b"odd"], 1) == 21
    assert stream.num_pending([], 0) == 41
    assert world.store._cache.reads == 0


def test_pending_reads_the_shorter_side_of_the_start(
    world: StoreWorld, stream: SqliteStream
) -> None:
    assert stream.num_pending([b"odd"], 6) == 18
    assert world.store._cache.reads == 1  # segment 2; how many the first one has is known

    assert stream.num_pending([b"odd"], 38) == 2
    assert world.store._cache.reads == 2  # segment 10; the open one is in memory


@pytest.mark.parametrize("restarted", [False, True])
def test_what_was_removed_is_not_pending(tmp_path: Path, *, restarted: bool) -> None:
    world = open_store(tmp_path, BOUNDS)
    stream = world.store.create_stream("A", "S", b"{}", 5, 1)
    for seq in range(1, 42):
        stream.append(b"odd" if seq % 2 else b"even", 0, b"", 1000)
    stream.remove([2, 7, 9])
    world.settle()
    if restarted:
        world.close()
        world = open_store(tmp_path, BOUNDS)
        stream = world.store._streams["A", "S"]
    world.store._cache.reads = 0

    assert stream.num_pending([b"odd"], 11) == 16
    assert stream.num_pending([b"even"], 11) == 15
    assert stream.num_pending([b"even"], 1) == 19
    assert world.store._cache.reads == 1  # segment 3, of the start
    assert stream.remove_below(13) == 9
    assert stream.subject_state(b"odd") == SubjectState(15, 13, 41)
    assert stream.subject_state(b"even") == SubjectState(14, 14, 40)
    world.close()


def test_what_a_purge_takes_from_whole_segments_is_known(
    world: StoreWorld, stream: SqliteStream
) -> None:
    assert stream.remove_below(22) == 21
    assert world.store._cache.reads == 1  # the sixth segment goes in part
    assert stream.subject_state(b"odd") == SubjectState(10, 23, 41)
    assert stream.subject_state(b"even") == SubjectState(10, 22, 40)


def test_pending_without_patterns_reads_one_segment(
    world: StoreWorld, stream: SqliteStream
) -> None:
    assert stream.num_pending([], 18) == 24
    assert world.store._cache.reads <= 1


def test_many_subjects_are_not_looked_for_one_by_one() -> None:
    assert counting.wanted_bits(None) == counting.wanted_bits(frozenset(range(300))) == -1
    assert counting.wanted_bits(frozenset({1, 4098})) == 0b110


def test_a_count_from_the_middle_on_is_prepared_a_segment_in_each_step(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(subject_counts, "SUBJECTS_COUNTED_MAX", 2)
    world = open_store(tmp_path, BOUNDS)
    stream = world.store.create_stream("A", "S", b"{}", 5, 1)
    for seq in range(1, 42):
        stream.append(b"rare" if seq % 4 == 1 else b"s.%d" % seq, 0, b"", 1000 + seq)
    world.settle()
    world.store._cache.reads = 0

    monkeypatch.setattr(subject_counts, "SUBJECTS_COUNTED_MAX", 100)
    steps = 0
    for _ in stream.prepare(b"rare", start_seq=22):
        steps += 1
        assert world.store._cache.reads <= steps
    assert steps == 5  # segments behind the middle one; the open one is in memory
    world.store._cache.reads = 0

    assert stream.num_pending([b"rare"], 22) == 5
    assert world.store._cache.reads <= 1  # of the middle, where it begins
    stream.remove([29])
    assert stream.num_pending([b"rare"], 22) == 4
    world.close()


def test_many_subjects_are_counted_once_in_each_segment_and_removals_kept_up_with(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(subject_counts, "SUBJECTS_COUNTED_MAX", 2)
    world = open_store(tmp_path, BOUNDS)
    stream = world.store.create_stream("A", "S", b"{}", 5, 1)
    for seq in range(1, 42):
        stream.append(b"%d.s.%d" % (seq % 2, seq), 0, b"", 1000 + seq)
    world.settle()
    wanted = [b"1.s.*"]
    world.store._cache.reads = 0

    for steps, _ in enumerate(stream.prepare(*wanted, start_seq=22), 1):
        assert world.store._cache.reads <= steps
    stream.append(b"1.s.new", 0, b"", 2000)  # it stands for one more
    stream.remove([29, 30])
    world.store._cache.reads = 0

    assert stream.num_pending(wanted, 22) == 10
    assert world.store._cache.reads <= 1  # of the middle, where it begins
    world.close()


@pytest.mark.parametrize("wanted", [[b"1.>"], [b"1.s.*", b"1.new.*"]])
def test_subjects_of_a_segment_that_is_sealed_while_a_count_is_prepared_are_in_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, wanted: list[bytes]
) -> None:
    monkeypatch.setattr(subject_counts, "SUBJECTS_COUNTED_MAX", 2)
    world = open_store(tmp_path, BOUNDS)
    stream = world.store.create_stream("A", "S", b"{}", 5, 1)
    for seq in range(1, 42):
        stream.append(b"%d.s.%d" % (seq % 2, seq), 0, b"", 1000 + seq)
    world.settle()

    steps = stream.prepare(*wanted, start_seq=26)
    next(steps)
    for number in range(7):  # they fill the open segment, and another one
        stream.append(b"1.new.%d" % number, 0, b"", 2000)
    world.settle()
    for _ in steps:
        pass

    assert stream.num_pending(wanted, 26) == 8 + 7
    world.close()


@pytest.mark.parametrize("rows", [1, 3, 100])
def test_what_subjects_have_too_many_of_is_found_in_the_order_of_sequences(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, rows: int
) -> None:
    monkeypatch.setattr(limits, "SURPLUS_TURN_ROWS", rows)
    world = open_store(tmp_path, BOUNDS)
    stream = world.store.create_stream("A", "S", b"{}", 5, 1)
    for seq in range(1, 42):
        stream.append(b"%d" % (seq % 3), 0, b"", 1000)
    stream.remove([3, 4])
    world.settle()

    seq = 1
    while seq <= stream.last_seq():
        before = world.store._cache.reads
        found, seq = stream.surplus(seq, 2, {b"2"})
        assert world.store._cache.reads <= before + 1
        stream.remove(found)

    left = dict(stream.subjects())
    assert left == {
        b"0": SubjectState(2, 36, 39),
        b"1": SubjectState(2, 37, 40),
        b"2": SubjectState(14, 2, 41),
    }
    world.close()


def test_no_more_are_found_than_one_turn_removes(
    stream: SqliteStream, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "PURGE_TURN_MSGS", 2)

    assert stream.surplus(1, 5, ()) == ([1, 2], 3)
    assert stream.surplus(42, 5, ()) == ([], 42)
