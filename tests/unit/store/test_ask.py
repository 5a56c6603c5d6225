"""leafnode.store.ask: where a read starts, and that it leaves out segments without the subject."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from leafnode.store import ask
from leafnode.store.reader import NO_SEGMENT_LIMIT
from tests.sim.committer import SMALL, open_store

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from leafnode.store.index import StreamIndex


@pytest.fixture
def index(tmp_path: Path) -> Iterator[StreamIndex]:
    """Segments 1 to 3 with two messages each: `a` in the first and last, `b` in the second."""
    world = open_store(tmp_path, replace(SMALL, segment_rows_max=2))
    stream = world.store.create_stream("A", "S", b"{}", 5, 1)
    for subject in (b"a", b"a", b"b", b"b", b"a", b"a"):
        stream.append(subject, 0, b"", 1000)
    world.settle()
    yield stream.index
    world.close()


@pytest.mark.parametrize(("first", "no"), [(1, 1), (2, 1), (3, 2), (6, 3)])
def test_forward_it_starts_where_the_first_message_is(
    index: StreamIndex, first: int, no: int
) -> None:
    assert ask.request(7, index, (first, 6), None, (9, 99)).no == no


@pytest.mark.parametrize(("last", "no"), [(1, 2), (3, 3), (6, NO_SEGMENT_LIMIT)])
def test_backward_it_starts_behind_the_last(index: StreamIndex, last: int, no: int) -> None:
    assert ask.request(7, index, (1, last), None, (9, 99), backward=True).no == no


def test_a_sealed_segment_without_the_subject_is_left_out(index: StreamIndex) -> None:
    sids = index.subjects.sids([b"a"])

    asked = ask.request(7, index, (1, 6), sids, (9, 99))

    assert (asked.others, asked.max_msgs, asked.max_bytes) == (frozenset([2]), 9, 99)


def test_of_an_empty_stream_it_asks_for_nothing_in_particular(tmp_path: Path) -> None:
    world = open_store(tmp_path)
    stream = world.store.create_stream("A", "S", b"{}", 5, 1)

    assert ask.request(7, stream.index, (1, 1), None, (1, 1)).no == 0
    world.close()
