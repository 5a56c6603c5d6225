"""leafnode.store.subjects: ids, ends and what patterns stand for."""

from __future__ import annotations

import re
from itertools import product
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from leafnode import limits
from leafnode.protocol.subject import matches
from leafnode.store.subjects import Patterns, Subject, Subjects


def subjects(*names: bytes) -> Subjects:
    made = Subjects()
    for name in names:
        made.put(made.next_sid, name).add(made.next_sid)
        made.count += 1
    return made


def test_ids_count_up_from_one() -> None:
    assert {name: one.sid for name, one in subjects(b"a", b"b").by_name.items()} == {
        b"a": 1,
        b"b": 2,
    }


def test_no_pattern_and_the_full_wildcard_stand_for_all() -> None:
    made = subjects(b"a", b"b")

    assert made.sids([]) is None
    assert made.sids([b"a", b">"]) is None


def test_a_literal_stands_for_its_own_id() -> None:
    made = subjects(b"a", b"b")

    assert made.sids([b"b"]) == {2}
    assert made.sids([b"c"]) == set()


def test_wildcards_stand_for_those_that_match_and_for_later_ones() -> None:
    made = subjects(b"a.x", b"b.x", b"a.y")
    assert made.sids([b"*.x"]) == {1, 2}

    made.put(4, b"c.x").add(9)

    assert made.sids([b"*.x"]) == {1, 2, 4}


def test_a_set_that_was_given_out_does_not_change() -> None:
    made = subjects(b"a.x", b"other")
    before = made.sids([b"*.x"])

    made.put(3, b"b.x").add(9)

    assert made.sids([b"*.x"]) == {1, 3}
    assert before == {1}


def test_a_wildcard_that_all_match_stands_for_all_until_another_comes() -> None:
    made = subjects(b"a.x", b"b.x")
    assert made.sids([b"*.x"]) is None

    made.put(3, b"other").add(9)

    assert made.sids([b"*.x"]) == {1, 2}


def test_filters_beyond_the_bound_are_let_go_and_asked_for_anew() -> None:
    made = subjects(b"a.x")
    for number in range(limits.SUBJECT_FILTERS_MAX + 1):
        made.sids([b"*.%d" % number])

    assert len(made._filters) == limits.SUBJECT_FILTERS_MAX
    assert (b"*.0",) not in made._filters
    assert made.sids([b"*.0"]) == set()


def test_forget_empty_drops_names_and_takes_them_out_of_filters() -> None:
    made = subjects(b"a.x", b"b.x", b"other")
    made.sids([b"*.x"])
    made.by_name[b"a.x"].msgs = 0
    made.count = 2

    assert made.forget_empty() == [1]

    assert made.sids([b"*.x"]) == {2}
    assert made.by_name.keys() == {b"b.x", b"other"}
    assert [one.name for one in made.matching([])] == [b"b.x", b"other"]
    assert made.forget_empty() == []


def test_a_name_that_comes_back_gets_a_new_id() -> None:
    made = subjects(b"a")
    made.by_name[b"a"].msgs = 0
    made.count = 0
    made.forget_empty()

    assert made.put(made.next_sid, b"a").sid == 2


def test_ends_are_bounds_after_their_message_is_dropped() -> None:
    subject = Subject(1, b"a")
    for seq in (3, 5, 9):
        subject.add(seq)

    subject.drop(3)
    subject.drop(9)

    assert (subject.msgs, subject.first_stale, subject.last_stale) == (1, True, True)
    assert (subject.first_seq, subject.last_seq) == (4, 8)


def test_the_only_message_left_is_the_oldest_as_well() -> None:
    subject = Subject(1, b"a")
    subject.add(3)
    subject.add(5000)

    subject.drop(3)

    assert (subject.first_seq, subject.first_stale) == (5000, False)


def test_a_new_message_makes_the_end_exact_again() -> None:
    subject = Subject(1, b"a")
    subject.add(3)
    subject.drop(3)

    subject.add(7)

    assert (subject.first_seq, subject.first_stale) == (7, False)
    assert (subject.last_seq, subject.last_stale) == (7, False)


class Name(bytes):
    """A subject that counts how often it was looked at token by token."""

    looks = 0

    def split(self, *args: Any) -> list[bytes]:
        Name.looks += 1
        return super().split(*args)


def named(count: int) -> Subjects:
    Name.looks = 0
    return subjects(*(Name(b"s.%d.temp" % number) for number in range(count)))


def test_literal_patterns_are_looked_up_and_no_subject_is_compared_with_them() -> None:
    made = named(100)

    assert made.sids([b"s.%d.temp" % number for number in range(50, 150)]) == set(range(51, 101))
    assert Name.looks == 0


@pytest.mark.parametrize("pattern", [b"s.%d.>", b"s.%d.*", b"*.%d.temp"])
def test_many_patterns_look_at_each_subject_once(pattern: bytes) -> None:
    made = named(100)

    assert made.sids([pattern % number for number in range(50, 150)]) == set(range(51, 101))
    assert Name.looks <= 100


@pytest.mark.parametrize("patterns", [[b"s.1.*"], [b"s.1.>"], [b"s.1.*", b"s.1.*.x"]])
def test_subjects_that_begin_otherwise_than_all_patterns_are_not_looked_at(
    patterns: list[bytes],
) -> None:
    made = named(100)

    assert made.sids(patterns) == {2}
    assert Name.looks <= 1


TOKEN = st.sampled_from([b"a", b"ab", b"b", b"*"])
PATTERN = st.tuples(st.lists(TOKEN, min_size=1, max_size=3), st.booleans()).map(
    lambda two: b".".join([*two[0], b">"] if two[1] else two[0])
)
NAMES = [b".".join(two) for count in (1, 2, 3) for two in product((b"a", b"ab"), repeat=count)]


@given(st.lists(PATTERN, min_size=1, max_size=5), st.integers(min_value=0, max_value=len(NAMES)))
def test_patterns_stand_for_what_matching_one_after_the_other_says(
    patterns: list[bytes], known: int
) -> None:
    made = subjects(*NAMES[:known])
    made.sids(patterns)
    for name in NAMES[known:]:
        made.put(made.next_sid, name)

    wanted = {name for name in NAMES if any(matches(one, name) for one in patterns)}
    sids = made.sids(patterns)
    assert {made.by_sid[sid].name for sid in (made.by_sid if sids is None else sids)} == wanted


class Unwalked(dict[bytes, object]):
    """Names that may be asked for one by one, and not be gone through."""

    def __iter__(self) -> Any:
        raise AssertionError("a literal pattern is looked up")


def test_of_literal_patterns_no_other_name_is_looked_at() -> None:
    names = Unwalked({b"a": 1, b"b": 2})

    assert list(Patterns([b"a", b"c"]).among(names)) == [b"a"]


@pytest.mark.parametrize("patterns", [[b"*.x"], [b"*.x", b"n3.y"], [b"n3.y", b"n4.y"]])
def test_a_list_that_is_prepared_in_steps_stands_for_the_same(
    monkeypatch: pytest.MonkeyPatch, patterns: list[bytes]
) -> None:
    monkeypatch.setattr(limits, "MATCHED_PER_STEP", 3)
    made = subjects(*[b"n%d.%b" % (number, b"xy"[number % 2 :][:1]) for number in range(10)])
    steps = made.prepare(patterns)

    assert next(steps) is None
    made.by_name[b"n2.x"].msgs = made.by_name[b"n8.x"].msgs = 0
    made.count -= 2
    made.forget_empty()
    made.put(made.next_sid, b"late.x").add(99)
    made.count += 1
    assert sum(1 for _ in steps) == 2

    assert made.sids(patterns) == {
        one.sid for one in made.by_sid.values() if any(matches(p, one.name) for p in patterns)
    }


def test_a_question_in_the_middle_of_its_preparation_is_answered(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(limits, "MATCHED_PER_STEP", 3)
    made = subjects(*[b"n%d.x" % number for number in range(10)], b"other")
    steps = made.prepare([b"*.x"])
    next(steps)

    assert made.sids([b"*.x"]) == set(range(1, 11))
    assert list(steps) == []
    assert made.sids([b"*.x"]) == set(range(1, 11))


def test_what_needs_no_look_at_names_is_prepared() -> None:
    made = subjects(b"a.x")

    assert [list(made.prepare(one)) for one in ([], [b">"], [b"a.x"])] == [[], [], []]
    assert made._filters == {}


@pytest.mark.parametrize("pattern", [b">", b"*.x"])
def test_names_may_come_and_go_while_they_are_listed(pattern: bytes) -> None:
    made = subjects(*[b"n%d.x" % number for number in range(10)])
    names = made.names_of([pattern])

    assert next(names) in made.by_name
    for number in range(5, 10):
        made.by_name[b"n%d.x" % number].msgs = 0
    made.count = 5
    made.forget_empty()
    made.put(made.next_sid, b"late.x").add(99)

    assert {b"n1.x", b"n2.x", b"n3.x", b"n4.x"} <= {*names, b"n1.x"} <= {*made.by_name}
    assert set(made.names_of([pattern])) == {*made.by_name}


def test_names_of_few_subjects_with_far_ids_are_listed() -> None:
    made = subjects(b"a.x")
    made.put(1_000_000_000_000, b"b.x").add(9)

    assert sorted(made.names_of([])) == [b"a.x", b"b.x"]


@pytest.mark.parametrize(("count", "steps"), [(16, 5), (17, 20)])
def test_of_patterns_that_are_a_tree_a_step_holds_fewer_subjects_against_them(
    count: int, steps: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "MATCHED_PER_STEP", 8)
    made = subjects(*[b"n%d.x" % number for number in range(41)])

    assert len(list(made.prepare([b"n%d.*" % number for number in range(count)]))) == steps


DEEP = b".".join([b"a", *[b"b"] * 40])


@pytest.mark.parametrize(
    ("pattern", "found"),
    [
        (b"a.*" + b".b" * 39, {2}),
        (b"a.*" + b".b" * 38 + b".c", set()),
        (b"a.*" + b".b" * 38, set()),
        (b"a.*" + b".b" * 38 + b".>", {2}),
        (b"a" + b".*" * 40, {2}),
        (b"a" + b".*" * 40 + b".>", set()),
        (b"a" + b".*" * 2000, set()),
    ],
)
def test_a_pattern_of_very_many_tokens_stands_for_what_it_says(
    pattern: bytes, found: set[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    compiled: list[int] = []
    real = re.compile

    def compile_it(text: bytes, *flags: int) -> re.Pattern[bytes]:
        compiled.append(len(text))
        return real(text, *flags)

    monkeypatch.setattr(re, "compile", compile_it)
    made = subjects(b"a.b", DEEP, b"c.d")

    assert made.sids([pattern]) == found
    assert set(Patterns([pattern]).among(made.by_name)) == {made.names[sid] for sid in found}
    assert max(compiled) < 400


def test_nothing_is_looked_at_for_a_pattern_of_more_tokens_than_any_subject_has() -> None:
    made = subjects(b"a.b.c", b"d")

    assert made.sids([b"*.*.*.*"]) == made.sids([b"*.*.*.>"]) == frozenset()
    assert list(made.prepare([b"*.*.*.*"])) == []
    assert made._filters == {}
    assert made.sids([b"*.*.>"]) == {1}
