"""Which subjects match is remembered, and follows those that come and go."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

import pytest

from leafnode import limits
from leafnode.protocol.subject import matches
from leafnode.store.matched import Matched, Seqs

if TYPE_CHECKING:
    from collections.abc import Sequence

EASY: list[list[bytes]] = [[], [b">"], [b"a.1", b"none"]]
LISTS = [*EASY, [b"a.*"], [b"*.2", b"b.>"], [b"a.1", b"b.*"]]


def wanted(subjects: dict[bytes, Seqs], patterns: Sequence[bytes]) -> list[bytes]:
    if not patterns:
        return sorted(subjects)
    return sorted(name for name in subjects if any(matches(one, name) for one in patterns))


@pytest.mark.parametrize("seed", range(20))
def test_whatever_comes_and_goes_the_answer_is_that_of_a_search(
    monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    monkeypatch.setattr(limits, "MATCHED_PER_STEP", 3)
    monkeypatch.setattr(limits, "SUBJECT_FILTERS_MAX", 2)
    rng = random.Random(seed)
    subjects: dict[bytes, Seqs] = {}
    matched = Matched(subjects)
    steps = iter(())
    for _ in range(200):
        name = b"%s.%d" % (rng.choice([b"a", b"b"]), rng.randint(1, 9))
        match rng.choice(["add", "add", "drop", "ask", "prepare", "step", "step"]):
            case "add" if name not in subjects:
                matched.add(name)
            case "drop" if name in subjects:
                matched.drop(name)
            case "prepare":
                steps = matched.prepare(rng.choice(LISTS))
            case "step":
                next(steps, None)
            case _:
                patterns = rng.choice(LISTS)
                assert sorted(matched.of(patterns)) == wanted(subjects, patterns)


def test_once_prepared_only_what_is_new_is_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "MATCHED_PER_STEP", 4)
    subjects: dict[bytes, Seqs] = {}
    matched = Matched(subjects)
    for number in range(10):
        matched.add(b"a.%d" % number)

    steps = matched.prepare([b"a.*"])
    turns = 0
    for _ in steps:
        turns += 1
        matched.drop(b"a.%d" % turns)
        matched.add(b"a.9%d" % turns)
    known = matched._known[b"a.*",]
    looked: list[bytes] = []
    include = known.patterns.include
    monkeypatch.setattr(
        type(known.patterns), "include", lambda _, name: looked.append(name) or include(name)
    )

    assert sorted(matched.of([b"a.*"])) == wanted(subjects, [b"a.*"])
    assert (turns, sorted(looked)) == (3, [b"a.91", b"a.92", b"a.93"])
    looked.clear()
    matched.of([b"a.*"])
    assert looked == []


def test_what_can_be_looked_up_needs_no_steps() -> None:
    matched = Matched({})

    assert [list(matched.prepare(one)) for one in EASY] == [[], [], []]


def test_nothing_is_looked_at_for_a_pattern_of_more_tokens_than_any_subject_has() -> None:
    matched = Matched({})
    matched.add(b"a.b")

    assert list(matched.of([b"*.*.>"])) == []
    assert matched._known == {}
    assert list(matched.of([b"*.>"])) == [b"a.b"]
