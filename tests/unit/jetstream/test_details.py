"""leafnode.jetstream.details: what STREAM.INFO lists, in steps and in order."""

from __future__ import annotations

from random import Random
from typing import TYPE_CHECKING

import pytest

from leafnode import limits
from leafnode.jetstream.api_types import StreamInfoRequest
from leafnode.jetstream.details import Details
from leafnode.store.memory import MemoryStore

if TYPE_CHECKING:
    from leafnode.store.memory_stream import MemoryStream

COUNT = 200


@pytest.fixture
def filled(monkeypatch: pytest.MonkeyPatch) -> MemoryStream:
    """A stream with many subjects in no order, two messages on some of them."""
    monkeypatch.setattr(limits, "SUBJECTS_PER_STEP", 16)
    monkeypatch.setattr(limits, "DELETED_PER_STEP", 16)
    stream = MemoryStore().create_stream("A", "S", b"{}", 5, 1)
    names = [b"s.%03d" % number for number in range(COUNT)]
    Random(7).shuffle(names)
    for name in names:
        stream.append(name, 0, b"x", 1000)
    for number in range(0, COUNT, 2):
        stream.append(b"s.%03d" % number, 0, b"x", 1000)
    return stream


def test_subjects_come_in_order_and_in_steps(filled: MemoryStream) -> None:
    details = Details(filled, StreamInfoRequest(subjects_filter="s.*"))

    assert details.is_long()
    steps = sum(1 for _ in details.steps())

    assert steps > 2 * COUNT // 16
    assert list(details.subjects.items()) == [
        (f"s.{number:03d}", 1 + (number % 2 == 0)) for number in range(COUNT)
    ]
    assert details.paging == {"total": COUNT, "offset": 0, "limit": limits.SUBJECTS_PAGE}


@pytest.mark.parametrize("offset", [0, 1, 60, 190, 200, 300])
def test_a_page_begins_anywhere(
    filled: MemoryStream, monkeypatch: pytest.MonkeyPatch, offset: int
) -> None:
    monkeypatch.setattr(limits, "SUBJECTS_PAGE", 70)
    details = Details(filled, StreamInfoRequest(subjects_filter=">", offset=offset))

    for _ in details.steps():
        pass

    assert list(details.subjects) == [f"s.{number:03d}" for number in range(COUNT)][offset:][:70]


def test_subjects_that_go_meanwhile_are_left_out(filled: MemoryStream) -> None:
    details = Details(filled, StreamInfoRequest(subjects_filter=">"))
    steps = details.steps()
    next(steps)

    filled.remove_below(COUNT + 1)  # those with one message are gone
    for _ in steps:
        pass

    assert set(details.subjects.values()) == {1}
    assert len(details.subjects) == COUNT // 2


def test_gaps_are_gathered_in_steps_up_to_a_page(
    filled: MemoryStream, monkeypatch: pytest.MonkeyPatch
) -> None:
    gone = list(range(2, 250, 3))
    filled.remove(gone)
    details = Details(filled, StreamInfoRequest(deleted_details=True))

    assert details.is_long()
    assert sum(1 for _ in details.steps()) == -(-300 // 16)
    assert details.deleted == gone
    monkeypatch.setattr(limits, "DELETED_PAGE", 20)
    short = Details(filled, StreamInfoRequest(deleted_details=True))
    for _ in short.steps():
        pass
    assert short.deleted == gone[:20]


def test_what_is_not_asked_for_is_not_long(filled: MemoryStream) -> None:
    details = Details(filled, StreamInfoRequest())

    assert not details.is_long()
    assert list(details.steps()) == []
    assert (details.subjects, details.deleted) == ({}, [])
