"""A stream's subjects are held against those of all others."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from leafnode import limits
from leafnode.errors import WalkError
from leafnode.jetstream.taken import TakenSubjects
from leafnode.protocol import patterns
from leafnode.protocol.subject import collides

SUBJECT = st.lists(st.sampled_from(["a", "b", "*"]), min_size=1, max_size=3).map(".".join)
SUBJECTS = st.lists(st.one_of(SUBJECT, SUBJECT.map(lambda head: head + ".>")), max_size=3)


def expected(name: str, subjects: list[str], streams: dict[str, list[str]]) -> bool:
    others = [one for other, taken in streams.items() if other != name for one in taken]
    return any(collides(one.encode(), own.encode()) for one in others for own in subjects)


@given(st.lists(st.tuples(st.sampled_from("XYZ"), st.none() | SUBJECTS), max_size=8), SUBJECTS)
def test_streams_that_come_change_and_go_are_followed(
    changes: list[tuple[str, list[str] | None]], subjects: list[str]
) -> None:
    taken, streams = TakenSubjects(), dict[str, list[str]]()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(limits, "TAKEN_OUT_PER_QUESTION", 1)
        follow(taken, streams, changes, subjects)


def follow(
    taken: TakenSubjects,
    streams: dict[str, list[str]],
    changes: list[tuple[str, list[str] | None]],
    subjects: list[str],
) -> None:
    for name, new in changes:
        streams.pop(name, None)
        if new is not None:
            streams[name] = new
        for asked in ("X", "W"):
            found = taken.overlap(asked, subjects, streams.items())
            assert found == expected(asked, subjects, streams)


def test_only_what_is_new_is_added(monkeypatch: pytest.MonkeyPatch) -> None:
    taken, added = TakenSubjects(), list[bytes]()
    add = patterns.PatternSet.add

    def counted(self: patterns.PatternSet, pattern: bytes) -> int:
        added.append(pattern)
        return add(self, pattern)

    monkeypatch.setattr(patterns.PatternSet, "add", counted)
    streams = {f"S{number}": [f"s.{number}"] for number in range(3)}
    assert not taken.overlap("N", ["n"], streams.items())
    streams["N"] = ["n"]
    assert taken.overlap("M", ["n"], streams.items())

    assert added == [b"s.0", b"s.1", b"s.2", b"n"]


def test_what_goes_is_taken_out_a_slice_for_each_question(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(limits, "TAKEN_OUT_PER_QUESTION", 2)
    touched = list[tuple[str, bytes]]()
    add, remove = patterns.PatternSet.add, patterns.PatternSet.remove

    def added(self: patterns.PatternSet, pattern: bytes) -> int:
        touched.append(("add", pattern))
        return add(self, pattern)

    def removed(self: patterns.PatternSet, pattern: bytes, number: int) -> None:
        touched.append(("remove", pattern))
        remove(self, pattern, number)

    taken, streams = TakenSubjects(), {"S": [f"s.{number}" for number in range(5)], "T": ["t"]}
    assert taken.overlap("N", ["s.4"], streams.items())
    monkeypatch.setattr(patterns.PatternSet, "add", added)
    monkeypatch.setattr(patterns.PatternSet, "remove", removed)
    del streams["S"]

    counts = []
    for _ in range(4):
        assert not taken.overlap("N", ["s.4"], streams.items())
        counts.append(len(touched))

    assert counts == [2, 4, 5, 5]
    assert {what for what, _ in touched} == {"remove"}
    assert taken.overlap("N", ["t"], streams.items())


def test_streams_too_many_to_be_walked_together_are_walked_one_by_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(patterns, "PATTERN_WALK_NODES", 8)
    monkeypatch.setattr(patterns, "PATTERN_WALK_NODES_EACH", 1)
    streams = {f"S{number}": [f"{number}.x"] for number in range(20)}
    taken = TakenSubjects()

    assert not taken.overlap("N", ["*.y"], streams.items())
    assert taken.overlap("N", ["*.x"], streams.items())
    streams["L"] = [f"{number}.z" for number in range(20)]
    with pytest.raises(WalkError):
        taken.overlap("N", ["*.y"], streams.items())
