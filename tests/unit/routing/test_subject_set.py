"""leafnode.routing.subject_set against the slow forms of protocol.subject."""

from __future__ import annotations

from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from leafnode.protocol import subject as subjects
from leafnode.routing import subject_set
from leafnode.routing.subject_set import FirstMatch, SubjectSet
from tests.oracle import matcher
from tests.sim.making import counted

SOURCES = st.lists(
    st.lists(st.sampled_from([b"a", b"*", b"*b", b">"]), min_size=1, max_size=4)
    .map(b".".join)
    .filter(matcher.is_subject),
    max_size=40,
)
PUBLISHED = st.lists(st.sampled_from([b"a", b"b", b"*", b"*b", b">", b""]), min_size=1, max_size=4)
TOKENS = st.sampled_from([b"a", b"b", b"*", b">", b""])
SUBJECTS = st.lists(TOKENS, min_size=1, max_size=4).map(b".".join)
PATTERNS = st.lists(SUBJECTS, max_size=40)


@given(PATTERNS, SUBJECTS)
def test_a_subject_matches_what_one_of_the_patterns_does(
    patterns: list[bytes], subject: bytes
) -> None:
    wanted = any(subjects.matches(pattern, subject) for pattern in patterns)
    wanted = wanted and (not subjects.has_empty_token(subject) or subject in patterns)

    assert SubjectSet(patterns).matches(subject) is wanted


@given(PATTERNS, SUBJECTS)
def test_a_pattern_is_covered_where_one_of_the_patterns_covers_it(
    patterns: list[bytes], pattern: bytes
) -> None:
    wanted = any(subjects.is_subset(pattern, of) for of in patterns)

    assert SubjectSet(patterns).covers(pattern) is (
        wanted and not subjects.has_empty_token(pattern)
    )


@given(st.lists(SUBJECTS.filter(lambda one: b">." not in one), max_size=40), SUBJECTS)
def test_a_pattern_collides_where_one_of_the_patterns_does(
    patterns: list[bytes], pattern: bytes
) -> None:
    if subjects.has_empty_token(pattern):
        return
    wanted = any(
        subjects.collides(pattern, other)
        for other in patterns
        if not subjects.has_empty_token(other)
    )

    assert SubjectSet(patterns).collides(pattern)[0] is wanted


def test_an_empty_entry_collides_with_nothing() -> None:
    assert not SubjectSet([b""]).collides(b"*")[0]
    assert not SubjectSet([b"a..b"]).collides(b"a.*.b")[0]


@given(PATTERNS, SUBJECTS)
def test_what_is_made_in_steps_is_the_same(patterns: list[bytes], subject: bytes) -> None:
    stepped, steps = counted(SubjectSet.made(patterns))
    whole = SubjectSet(patterns)

    assert (stepped.matches(subject), stepped.covers(subject), stepped.visits) == (
        whole.matches(subject),
        whole.covers(subject),
        whole.visits,
    )
    assert steps >= sum(not subjects.is_literal(pattern) for pattern in patterns)


@pytest.mark.parametrize("pattern", [b"t.*.d%d", b"d%d.>", b"t.d%d"])
def test_of_a_long_list_few_patterns_are_looked_at(
    pattern: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = SubjectSet([pattern % number for number in range(1000)])
    compared: list[bytes] = []
    monkeypatch.setattr(subject_set.subjects, "matches", lambda one, _: compared.append(one))
    monkeypatch.setattr(subject_set.subjects, "is_subset", lambda one, _: compared.append(one))

    assert found.matches(b"t.x.d999") is (pattern == b"t.*.d%d")
    assert found.covers(b"d999.x.>") is (pattern == b"d%d.>")
    assert found.visits <= 4
    assert compared == []


@given(SOURCES, PUBLISHED.map(b".".join))
def test_the_first_of_the_sources_that_match_is_found(sources: list[bytes], subject: bytes) -> None:
    wanted = [n for n, source in enumerate(sources) if matcher.is_mapped(source, subject)]

    assert FirstMatch(sources).of(subject) == (wanted[0] if wanted else None)


def test_how_many_nodes_a_walk_may_visit_is_known() -> None:
    deep = [b".".join(tokens) + b".z" for tokens in product([b"*", b"a"], repeat=6)]

    assert SubjectSet([b"a", b"a.>", b"b.c"]).visits == 0
    assert SubjectSet([b"a.*"]).visits == 3
    assert SubjectSet(deep).visits == 2**7 - 2 + 2**6 - 1  # one of them is literal
