"""leafnode.store.memory: what is its own; the rest is in tests/contract/test_store.py."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from leafnode import limits
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


def test_closing_lets_everything_go() -> None:
    store = MemoryStore()
    store.create_stream("A", "S", b"{}", 5, 1)

    closed: list[bool] = []

    store.close(lambda: closed.append(True))

    assert closed == [True]
    assert store.streams() == []
    assert store.stats().commits == 0


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
