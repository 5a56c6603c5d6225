"""leafnode.store.lookup: questions read no more segments than they need."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from leafnode.store import subject_counts
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


def test_seq_at_reads_one_segment(world: StoreWorld, stream: SqliteStream) -> None:
    assert stream.seq_at(1175) == 18
    assert world.store._cache.reads == 1


def test_the_oldest_of_a_subject_is_searched_for_from_where_it_was(
    world: StoreWorld, stream: SqliteStream
) -> None:
    stream.remove([1])
    world.store._cache.reads = 0

    assert stream.subject_state(b"odd") == SubjectState(20, 3, 41)
    assert world.store._cache.reads <= 1
    assert stream.subject_state(b"odd") == SubjectState(20, 3, 41)
    assert world.store._cache.reads <= 1


def test_the_newest_of_a_subject_is_searched_for_backward(
    world: StoreWorld, stream: SqliteStream
) -> None:
    stream.remove([40, 38])

    assert stream.subject_state(b"even") == SubjectState(18, 2, 36)


def test_gaps_in_segments_without_any_are_not_looked_for(
    world: StoreWorld, stream: SqliteStream
) -> None:
    stream.remove([22])
    world.store._cache.reads = 0

    assert stream.deleted(1, 10) == [22]
    assert world.store._cache.reads <= 1


def test_segments_without_the_subject_are_passed_over_in_both_directions(
    world: StoreWorld, stream: SqliteStream
) -> None:
    for _ in range(2):
        stream.append(b"rare", 0, b"", 3000)
    for _ in range(9):
        stream.append(b"odd", 0, b"", 3000)
    for _ in range(3):
        stream.append(b"rare", 0, b"", 3000)
    world.settle()
    assert stream.subject_state(b"rare") == SubjectState(5, 42, 55)

    stream.remove([42, 43])
    assert stream.subject_state(b"rare") == SubjectState(3, 53, 55)
    stream.append(b"rare", 0, b"", 3000)
    stream.remove([54, 53])

    assert stream.subject_state(b"rare") == SubjectState(2, 55, 56)


def test_the_newest_of_a_subject_may_lie_many_segments_back(
    world: StoreWorld, stream: SqliteStream
) -> None:
    for subject in [b"rare", b"rare"] + [b"odd"] * 9 + [b"rare"]:
        stream.append(subject, 0, b"", 3000)

    stream.remove([53])

    assert stream.subject_state(b"rare") == SubjectState(2, 42, 43)


def test_the_oldest_of_a_subject_is_approached_a_segment_at_a_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(subject_counts, "SUBJECTS_COUNTED_MAX", 2)
    monkeypatch.setattr(subject_counts, "SUBJECT_BITS", 8)  # so that all look as if they had it
    world = open_store(tmp_path, BOUNDS)
    stream = world.store.create_stream("A", "S", b"{}", 5, 1)
    for seq in range(1, 42):
        stream.append(b"rare" if seq in {1, 30, 35} else b"s.%d" % seq, 0, b"", 1000 + seq)
    world.settle()
    stream.remove([1])
    world.store._cache.reads = 0

    looks = 0
    while not stream.approach(b"rare"):
        looks += 1
        assert world.store._cache.reads <= looks
    assert looks > 1
    world.store._cache.reads = 0

    assert stream.subject_state(b"rare") == SubjectState(2, 30, 35)
    assert world.store._cache.reads == 0
    assert stream.approach(b"not there")
    world.close()


def test_seq_at_passes_over_what_is_dead(world: StoreWorld, stream: SqliteStream) -> None:
    stream.remove([18, 19, 41])

    assert stream.seq_at(1180) == 20
    assert stream.seq_at(1410) == 42


@pytest.fixture
def rare(tmp_path: Path) -> Iterator[StoreWorld]:
    """Messages 2, 30 and 41 of 60 have a subject of their own; everything was read from disk."""
    world = open_store(tmp_path / "rare", BOUNDS)
    stream = world.store.create_stream("A", "S", b"{}", 5, 1)
    for seq in range(1, 61):
        stream.append(b"rare" if seq in {2, 30, 41} else b"often", 0, b"", 1000 + seq)
    world.settle()
    world.close()
    again = open_store(tmp_path / "rare", BOUNDS)
    yield again
    again.close()


def test_a_rare_subject_is_looked_for_where_it_may_be(rare: StoreWorld) -> None:
    stream = rare.store._streams["A", "S"]

    stream.remove([2])
    rare.store._cache.reads = 0
    assert stream.subject_state(b"rare") == SubjectState(2, 30, 41)
    assert rare.store._cache.reads == 1  # segment 8; the first one is still in memory

    rare.store._cache.reads = 0
    assert stream.num_pending([b"rare"], 22) == 2
    assert rare.store._cache.reads == 1  # segment 6, of the start


@pytest.mark.parametrize("sealed_by", ["this process", "an earlier one"])
def test_a_read_of_a_rare_subject_reads_few_segments(
    world: StoreWorld, rare: StoreWorld, sealed_by: str
) -> None:
    one = rare if sealed_by == "an earlier one" else world
    stream = one.store._streams["A", "S"]
    subject, wanted = (b"rare", [2, 30, 41]) if one is rare else (b"new", [42])
    if one is world:
        stream.append(b"new", 0, b"", 2000)
        for _ in range(40):
            stream.append(b"odd", 0, b"", 3000)
        one.settle()
    one.disk.statements.clear()
    found: list[int] = []

    stream.read(1, [subject], 256, 10**6, lambda messages: found.extend(m.seq for m in messages))
    one.settle()

    assert found == wanted
    assert one.disk.count("SELECT columns") <= len(wanted)


def test_the_ends_of_a_subject_are_not_looked_for_where_all_of_it_is_gone(
    world: StoreWorld, stream: SqliteStream
) -> None:
    stream.remove(list(range(1, 33, 2)))
    stream.remove(list(range(40, 20, -2)))
    world.settle()
    world.store._cache.reads = 0

    assert stream.subject_state(b"odd") == SubjectState(5, 33, 41)
    assert world.store._cache.reads <= 1
    assert stream.subject_state(b"even") == SubjectState(10, 2, 20)
    assert world.store._cache.reads <= 2
