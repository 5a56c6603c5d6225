"""The oldest messages of subjects, one by one, a slice per turn."""

from __future__ import annotations

from typing import TYPE_CHECKING

from leafnode import limits
from leafnode.jetstream.thinning import Thinning
from leafnode.store.memory_stream import MemoryStream

if TYPE_CHECKING:
    import pytest

    from leafnode.store.api import SubjectState


class Filled:
    """Three messages on each of some subjects, of which one may stay."""

    def __init__(self, *names: bytes) -> None:
        self.store = MemoryStream(1)
        for _ in range(3):
            for name in names:
                self.store.append(name, 0, b"", 1)
        self.thinning = Thinning()

    def take(self, budget: int) -> int:
        return self.thinning.take(self.store, _excess, budget)


def _excess(state: SubjectState) -> int:
    return state.msgs - 1


def test_what_the_budget_has_goes_and_the_rest_another_time() -> None:
    filled = Filled(b"a", b"b")
    filled.thinning.begin([b"a", b"b"])

    assert [filled.take(3) for _ in range(3)] == [0, 2, 3]
    assert (filled.thinning.removed, filled.store.state().msgs) == (4, 2)


def test_a_subject_is_asked_for_once_for_each_message_that_goes(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    filled = Filled(b"a", b"b")
    asked: list[bytes] = []
    ask = filled.store.subject_state

    def counted(subject: bytes) -> SubjectState | None:
        asked.append(subject)
        return ask(subject)

    monkeypatch.setattr(filled.store, "subject_state", counted)
    filled.thinning.also(b"a")

    assert filled.take(9) == 7
    assert (asked, filled.thinning.removed) == ([b"a", b"a"], 2)


def test_to_look_costs_too() -> None:
    filled = Filled(b"a")
    filled.thinning.begin([b"x", b"y", b"z"])

    assert [filled.take(2), filled.take(2)] == [0, 1]


def test_what_is_looked_through_between_two_messages_costs_too() -> None:
    filled = Filled(b"a")
    filled.store.append(b"a", 0, b"", 1, seq=40_000)
    filled.store.append(b"a", 0, b"", 1)
    filled.thinning.begin([b"a"])

    assert filled.take(12) == 0  # four went, and 9 units to find the last of them
    assert (filled.thinning.removed, filled.store.msgs_of(b"a")) == (4, 1)


def test_a_turn_reads_few_parts_of_the_stream(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "SEGMENT_ROWS_MAX", 1)
    names = [b"%d" % number for number in range(limits.PURGE_TURN_PLACES)]
    filled = Filled(*names)
    filled.thinning.begin(names)

    assert filled.take(100) == 0
    assert filled.thinning.removed == limits.PURGE_TURN_PLACES
    while not filled.take(100):
        pass
    assert filled.store.state().msgs == len(names)


def test_where_a_subject_is_looked_for_in_vain_costs_as_much(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    filled = Filled(b"a")
    filled.thinning.begin([b"a"])
    looks = iter([False] * (2 * limits.PURGE_TURN_PLACES + 2))
    monkeypatch.setattr(filled.store, "approach", lambda _: next(looks, True))

    assert [filled.take(100), filled.take(100)] == [0, 0]
    assert filled.thinning.removed == 0
    assert filled.take(100) > 0
    assert filled.thinning.removed == 2


def test_what_is_added_is_looked_at_last_and_once() -> None:
    filled = Filled(b"a", b"b")
    filled.thinning.begin([b"a"])
    for _ in range(3):
        filled.thinning.also(b"b")

    assert filled.take(10) == 6
    assert filled.thinning.removed == 4


def test_nothing_is_left_of_what_was_cleared() -> None:
    filled = Filled(b"a", b"b")
    filled.thinning.begin([b"a"])
    filled.thinning.also(b"b")
    filled.take(1)

    filled.thinning.clear()

    assert (filled.take(9), filled.thinning.removed) == (9, 1)
