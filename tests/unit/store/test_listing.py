"""What every store lists in steps, whatever happens between two of them."""

from __future__ import annotations

from random import Random
from typing import TYPE_CHECKING, Any

import pytest

from leafnode import limits
from leafnode.errors import StoreBusy
from leafnode.slices import finish
from tests.contract.test_store import TINY, MemoryWorld, World
from tests.sim.committer import SMALL, open_store

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from leafnode.store.api import StreamStore


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
def stream(world: World, monkeypatch: pytest.MonkeyPatch) -> StreamStore:
    monkeypatch.setattr(limits, "LISTED_PER_STEP", 3)
    return world.store.create_stream("$G", "S", b"{}", 1, 1)


def put(stream: StreamStore, *names: str) -> None:
    for name in names:
        stream.append(name.encode(), 0, b"x", 1)


PATTERNS = [(b"*.x",), (b">",), (b"a.*", b"b.x"), ()]


@pytest.mark.parametrize("patterns", PATTERNS)
def test_it_is_what_is_asked_at_once_ascending(
    stream: StreamStore, patterns: tuple[bytes, ...]
) -> None:
    put(stream, *(f"{one}.{two}" for one in "abcdefgh" for two in "xyx"), "a.x")
    stream.remove([7])  # of b.y, which has no other; b.x's end stays
    stream.remove([9])  # b.x's end has to be searched for

    assert finish(stream.list_last(*patterns)) == sorted(stream.last_seqs(*patterns))


@pytest.mark.parametrize("patterns", PATTERNS)
@pytest.mark.parametrize("seed", range(12))
def test_it_is_as_of_the_end_though_messages_come_between_its_steps(
    world: World, stream: StreamStore, patterns: tuple[bytes, ...], seed: int
) -> None:
    chance = Random(seed)
    names = [f"{one}.{two}" for one in "abcdefgh" for two in "xy"]
    put(stream, *chance.choices(names, k=60))
    listed: list[int] = []

    def steps() -> Iterator[None]:
        listed.extend((yield from stream.list_last(*patterns)))

    for _ in steps():
        if chance.random() < 0.4:
            put(stream, *chance.choices([*names, "new.x", "other.x"], k=chance.randint(1, 2)))
            world.settle()

    assert listed == sorted(stream.last_seqs(*patterns))


def test_what_is_removed_meanwhile_may_be_in_it_and_nothing_else(stream: StreamStore) -> None:
    put(stream, *"abcdefghij")
    steps = stream.list_last(b">")
    next(steps)
    put(stream, "a", "k")
    stream.remove_below(9)

    listed = finish(steps)

    assert {9, 10, 11, 12} <= set(listed) <= set(range(1, 13))
    assert stream.missing(listed) == [seq for seq in listed if seq < 9]


def test_it_ascends_though_what_came_meanwhile_is_removed_again(stream: StreamStore) -> None:
    put(stream, *"abcdefghij")
    steps = stream.list_last(b">")
    next(steps)
    put(stream, *"acacdd")
    stream.remove([11, 12, 13, 14])

    assert finish(steps) == [1, 2, 3, 5, 6, 7, 8, 9, 10, 16]


def test_a_subject_whose_new_message_was_seen_and_is_gone_again_has_its_old_one(
    stream: StreamStore,
) -> None:
    put(stream, *"abcdefghij")
    steps = stream.list_last(b">")
    next(steps)
    put(stream, "j")  # before the walk is there
    for _ in range(4):
        next(steps)
    stream.remove([11])

    assert finish(steps) == [*range(1, 11)]


def test_a_subject_whose_last_messages_are_removed_meanwhile_has_an_older_one(
    stream: StreamStore,
) -> None:
    put(stream, *"aabcdefghij")
    steps = stream.list_last(b">")
    next(steps)
    put(stream, "a")
    stream.remove([2, 12])

    assert finish(steps) == [1, *range(3, 12)]


def test_a_stream_that_is_purged_meanwhile(world: World, stream: StreamStore) -> None:
    put(stream, *"abcdefghij")
    world.settle()
    steps = stream.list_last(b">")
    next(steps)
    stream.remove_below(11)
    world.settle()
    put(stream, "z")

    listed = finish(steps)

    assert listed[-1] == 11
    assert stream.missing(listed) == listed[:-1]


def test_which_of_some_sequences_hold_nothing(stream: StreamStore) -> None:
    put(stream, *"abcdefghij")
    stream.append(b"k", 0, b"x", 1, seq=14)
    stream.remove([3, 4])
    stream.remove_below(2)

    assert stream.missing([]) == []
    assert stream.missing(list(range(20))) == [0, 1, 3, 4, 11, 12, 13, 15, 16, 17, 18, 19]
    assert stream.missing([2, 5, 14]) == []


@pytest.mark.parametrize("asked", ["list_last", "num_subjects"])
def test_a_stream_that_was_read_again_meanwhile_is_not_listed_or_counted(
    asked: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "LISTED_PER_STEP", 1)
    world = open_store(tmp_path / "store", SMALL)
    stream: Any = world.store.create_stream("$G", "S", b"{}", 1, 1)
    put(stream, "a", "b", "b")
    world.settle()
    steps = stream.list_last(b">") if asked == "list_last" else stream.num_subjects([b">"], 1, 2)
    next(steps)
    stream.adopt(stream.index.__class__(1, SMALL, stream.index.columns), {})

    with pytest.raises(StoreBusy):
        finish(steps)
    world.close()
