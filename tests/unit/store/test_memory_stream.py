"""leafnode.store.memory_stream: what is its own; the rest is in tests/contract/test_store.py."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from leafnode import limits
from leafnode.protocol.subject import matches
from leafnode.store.api import StoredMsg
from leafnode.store.memory import MemoryStore

if TYPE_CHECKING:
    from collections.abc import Callable


def test_what_is_appended_is_committed_at_once() -> None:
    store = MemoryStore()
    stream = store.create_stream("A", "S", b"{}", 5, 1)
    results: list[object] = []

    stream.append(b"a", 0, b"x", 1000)
    store.after_commit(results.append)
    stream.get(1, results.append)

    assert stream.committed_seq() == 1
    assert results == [None, StoredMsg(1, b"a", 1000, 0, b"x")]


def test_a_purge_far_beyond_the_end_takes_no_longer_than_its_messages() -> None:
    stream = MemoryStore().create_stream("A", "S", b"{}", 5, 1)
    stream.append(b"a", 0, b"x", 1000)

    assert stream.remove_below(2**62) == 1

    assert stream.append(b"a", 0, b"x", 1000) == 2**62


def test_a_gap_takes_no_longer_than_its_messages() -> None:
    stream = MemoryStore().create_stream("A", "S", b"{}", 5, 1)
    stream.append(b"a", 0, b"x", 1000)
    stream.end_at(2**52, 1000)
    stream.append(b"a", 0, b"x", 1000)

    assert stream.remove([1]) == 1

    assert stream.state().first_seq == 2**52 + 1


def test_what_is_gone_is_not_remembered_for_ever() -> None:
    stream = MemoryStore().create_stream("A", "S", b"{}", 5, 1)
    for _ in range(1000):
        stream.append(b"a", 0, b"x", 1000)
        stream.remove([stream.last_seq()])

    assert len(stream._seqs) < 100
    assert stream.live(1, 1) == []


@pytest.mark.parametrize("beyond", [0, 5])
def test_a_purge_of_everything_is_there_at_once_and_goes_in_slices(beyond: int) -> None:
    later: list[Callable[[], None]] = []
    store = MemoryStore(lambda _, callback: later.append(callback))
    stream = store.create_stream("A", "S", b"{}", 5, 1)
    count = limits.LET_GO_MSGS + 1
    for number in range(count):
        stream.append(b"s.%d" % (number % 3), 0, b"x", 1000)
    held = stream._messages

    assert stream.remove_below(count + 1 + beyond) == count

    assert len(held) == 1
    state = stream.state()
    assert (state.msgs, state.bytes, state.num_subjects, state.num_deleted) == (0, 0, 0, 0)
    assert stream.append(b"s.1", 0, b"new", 1000) == count + 1 + beyond
    later.pop()()
    assert (len(held), later) == (0, [])
    assert list(stream.names(b"s.*")) == [b"s.1"]


def test_a_deleted_stream_is_empty_at_once_and_goes_in_slices() -> None:
    later: list[Callable[[], None]] = []
    store = MemoryStore(lambda _, callback: later.append(callback))
    stream = store.create_stream("A", "S", b"{}", 5, 1)
    count = 2 * limits.LET_GO_MSGS + 1
    for number in range(count):
        stream.append(b"s.%d" % (number % 3), 0, b"x", 1000)
    held = stream._messages

    store.delete_stream("A", "S")
    left = [len(held)]
    while later:
        later.pop(0)()
        left.append(len(held))

    state = stream.state()
    assert (state.msgs, state.bytes, state.num_subjects) == (0, 0, 0)
    assert (state.first_seq, state.last_seq) == (count + 1, count)
    assert stream.live(1, 1) == []
    assert left == [count - limits.LET_GO_MSGS, 1, 0]


@pytest.fixture
def scanned(monkeypatch: pytest.MonkeyPatch) -> int:
    monkeypatch.setattr(limits, "SCANNED_PER_TURN", 10)
    return 10


def test_a_read_that_finds_nothing_for_long_takes_turns(scanned: int) -> None:
    later: list[Callable[[], None]] = []
    store = MemoryStore(lambda _, callback: later.append(callback))
    stream = store.create_stream("A", "S", b"{}", 5, 1)
    for number in range(3 * scanned):
        stream.append(b"s.%d" % number, 0, b"x", 1000)
    stream.append(b"t.z", 0, b"found", 1000)
    pages: list[list[StoredMsg]] = []

    stream.read(1, [b"t.*"], 5, 1000, pages.append)
    turns = 0
    while later:
        assert pages == []
        later.pop()()
        turns += 1

    assert turns == 3
    assert [[message.body for message in page] for page in pages] == [[b"found"]]


def test_a_read_that_takes_turns_ends_where_all_has_gone(scanned: int) -> None:
    later: list[Callable[[], None]] = []
    store = MemoryStore(lambda _, callback: later.append(callback))
    stream = store.create_stream("A", "S", b"{}", 5, 1)
    for number in range(3 * scanned):
        stream.append(b"s.%d" % number, 0, b"x", 1000)
    pages: list[list[StoredMsg]] = []

    stream.read(1, [b"t.*"], 5, 1000, pages.append)
    go_on = later.pop()
    stream.remove_below(10**6)
    go_on()

    assert pages == [[]]


def test_what_subjects_have_too_many_of_is_found_in_the_order_of_sequences() -> None:
    stream = MemoryStore(lambda *_: None).create_stream("A", "S", b"{}", 5, 1)
    for number in range(9):
        stream.append(b"%d" % (number % 3), 0, b"x", 1000)

    assert stream.surplus(1, 2, {b"2"}) == ([1, 2], 10)
    assert stream.surplus(2, 1, {b"2"}) == ([2, 4, 5, 7], 10)


def test_all_of_it_goes_at_once_and_less_in_slices(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "LET_GO_MSGS", 3)
    stream = MemoryStore(lambda *_: None).create_stream("A", "S", b"{}", 5, 1)
    for _ in range(9):
        stream.append(b"s", 0, b"x", 1000)

    assert [stream.front_end(seq) for seq in (2, 9, 10, 2**40)] == [2, 4, 10, 2**40]


def test_a_read_answers_with_what_it_found_among_so_many(scanned: int) -> None:
    stream = MemoryStore(lambda *_: None).create_stream("A", "S", b"{}", 5, 1)
    for number in range(3 * scanned):
        stream.append(b"t.z" if number % scanned == 0 else b"s.%d" % number, 0, b"x", 1000)
    pages: list[list[StoredMsg]] = []

    stream.read(1, [b"t.*"], 5, 1000, pages.append)
    stream.read(2, [b"t.*"], 5, 1000, pages.append)

    assert [[message.seq for message in page] for page in pages] == [[1], [11]]


def test_without_a_loop_a_read_goes_to_the_end(scanned: int) -> None:
    stream = MemoryStore().create_stream("A", "S", b"{}", 5, 1)
    for number in range(3 * scanned):
        stream.append(b"s.%d" % number, 0, b"x", 1000)
    stream.append(b"t.z", 0, b"x", 1000)
    pages: list[list[StoredMsg]] = []

    stream.read(1, [b"t.*"], 5, 1000, pages.append)

    assert [message.seq for message in pages[0]] == [31]


@pytest.mark.parametrize(
    ("start", "expected"), [(1, [1, 6, 11]), (6, [6, 11]), (7, [11]), (12, [])]
)
def test_of_literal_subjects_their_messages_alone_are_looked_at(
    monkeypatch: pytest.MonkeyPatch, start: int, expected: list[int]
) -> None:
    stream = MemoryStore().create_stream("A", "S", b"{}", 5, 1)
    for number in range(20):
        stream.append(b"s.%d" % (number % 5 if number < 11 else 9), 0, b"x", 1000)

    def walked(first_seq: int, end_seq: int = 0) -> object:
        raise AssertionError(f"all from {first_seq} to {end_seq} are looked at")

    monkeypatch.setattr(stream, "held", walked)
    pages: list[list[StoredMsg]] = []

    stream.read(start, [b"s.0", b"s.7", b"s.0"], 5, 1000, pages.append)

    assert [message.seq for message in pages[0]] == expected


@pytest.mark.parametrize("upto", [40, 31, 30, 15, 1])
@pytest.mark.parametrize("pattern", [b"t.*", b">", b"s.1", b"none.*"])
def test_the_newest_is_found_near_the_end_and_far_from_it(
    scanned: int, pattern: bytes, upto: int
) -> None:
    stream = MemoryStore().create_stream("A", "S", b"{}", 5, 1)
    for number in range(3 * scanned):
        stream.append(b"t.z" if number in {0, 14} else b"s.%d" % number, 0, b"x", 1000)
    stream.remove([20, 21, 30])
    found: list[StoredMsg | None] = []

    stream.last(pattern, found.append, upto_seq=upto)

    there = [
        seq
        for seq in stream.live(1, 99)
        if seq <= upto and matches(pattern, stream.subject_of(seq) or b"")
    ]
    assert (found[0].seq if found[0] is not None else 0) == max(there, default=0)


@pytest.mark.parametrize("patterns", [[], [b"s.*"], [b"s.1", b"t.z"]])
def test_those_that_wait_are_counted_from_either_end(patterns: list[bytes]) -> None:
    stream = MemoryStore().create_stream("A", "S", b"{}", 5, 1)
    for number in range(40):
        stream.append(b"t.z" if number % 7 == 0 else b"s.%d" % (number % 3), 0, b"x", 1000)
    stream.remove([3, 4, 20, 39])
    stream.remove_below(3)

    for start in range(45):
        there = [
            seq
            for seq in stream.live(max(1, start), 99)
            if not patterns or any(matches(p, stream.subject_of(seq) or b"") for p in patterns)
        ]
        assert stream.num_pending(patterns, start) == len(there)
