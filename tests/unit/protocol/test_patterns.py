"""leafnode.protocol.patterns: the same answers as asking one pattern after the other."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from leafnode.errors import WalkError
from leafnode.limits import PATTERN_WALK_NODES, PATTERN_WALK_NODES_EACH
from leafnode.protocol.patterns import PatternSet, Walk
from leafnode.protocol.subject import collides, is_subset, matches

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

TOKENS = st.lists(st.sampled_from([b"a", b"b", b"*"]), min_size=1, max_size=4)
PATTERNS = st.tuples(TOKENS, st.booleans()).map(
    lambda two: b".".join([*two[0], b">"] if two[1] else two[0])
)


@given(st.lists(PATTERNS, max_size=12), PATTERNS)
def test_it_answers_what_one_after_the_other_answers(patterns: list[bytes], subject: bytes) -> None:
    several = PatternSet(patterns)

    assert len(several) == len(patterns)
    assert several.including(subject, Walk()) == [
        number for number, one in enumerate(patterns) if is_subset(subject, one)
    ]
    assert sorted(several.colliding(subject, Walk())) == [
        number for number, one in enumerate(patterns) if collides(subject, one)
    ]


@given(st.lists(st.tuples(PATTERNS, st.booleans()), max_size=12), PATTERNS)
def test_what_is_taken_out_is_as_if_it_had_not_been_there(
    patterns: list[tuple[bytes, bool]], subject: bytes
) -> None:
    several = PatternSet(one for one, _ in patterns)

    for number, (one, leaves) in enumerate(patterns):
        if leaves:
            several.remove(one, number)

    left = [(number, one) for number, (one, leaves) in enumerate(patterns) if not leaves]
    assert sorted(several.colliding(subject, Walk())) == [
        number for number, one in left if collides(subject, one)
    ]
    assert bool(left) == bool(several._root.children)


def test_a_last_star_may_take_all() -> None:
    several = PatternSet([b"a.*"])
    assert several.including(b"a.>", Walk()) == []
    assert several.including(b"a.>", Walk(), stars_take_all=True) == [0]
    assert several.including(b"a.b.c", Walk(), stars_take_all=True) == []


class CountedTable(dict[bytes, object]):
    """A node's children that count how many of them are walked over."""

    walked = 0

    def items(self) -> Iterator[tuple[bytes, object]]:  # type: ignore[override]
        for item in super().items():
            CountedTable.walked += 1
            yield item

    def values(self) -> Iterator[object]:  # type: ignore[override]
        for value in super().values():
            CountedTable.walked += 1
            yield value


@pytest.mark.parametrize("subject", [b"*.y", b">", b"*.>"])
def test_one_of_thousands_that_cross_costs_no_walk_over_the_others(subject: bytes) -> None:
    several = PatternSet(b"x%d.*" % number for number in range(1000))
    root = several._root
    root.children = CountedTable(root.children)  # type: ignore[assignment]
    CountedTable.walked = 0

    assert next(several.colliding(subject, Walk())) == 0
    first = CountedTable.walked
    assert len(list(several.colliding(subject, Walk()))) == 1000

    assert first == 1
    assert CountedTable.walked == 1001


def test_questions_that_pass_a_few_nodes_each_are_answered_without_end() -> None:
    several, walk = PatternSet([b"a.*.c", b"a.b.>", b"*.b.c"]), Walk()

    for _ in range(PATTERN_WALK_NODES):
        assert several.including(b"a.b.c", walk) == [0, 1, 2]
        assert sorted(several.colliding(b"a.b.*", walk)) == [0, 1, 2]


DEEP = [
    b".".join([*(b"*" if number >> bit & 1 else b"a" for bit in range(10)), b"x"])
    for number in range(1 << 10)
]


def including(several: PatternSet, walk: Walk) -> list[int]:
    return several.including(b"a." * 10 + b"y", walk)


def colliding(several: PatternSet, walk: Walk) -> list[int]:
    return list(several.colliding(b"*." * 10 + b"y", walk))


@pytest.mark.parametrize("ask", [including, colliding])
def test_questions_that_each_pass_all_nodes_end_in_a_refusal(
    ask: Callable[[PatternSet, Walk], list[int]],
) -> None:
    """None of the patterns has the last token, which is seen only at the end of each way."""
    several, walk = PatternSet(DEEP), Walk()
    nodes_each = 2 * len(DEEP) - 1

    for _ in range(PATTERN_WALK_NODES // (nodes_each - PATTERN_WALK_NODES_EACH)):
        assert ask(several, walk) == []
    with pytest.raises(WalkError):
        ask(several, walk)


@given(st.lists(PATTERNS, max_size=12), st.lists(st.sampled_from([b"a", b"b", b"c"]), min_size=1))
def test_one_of_them_stands_for_a_literal_subject_or_none(
    patterns: list[bytes], tokens: list[bytes]
) -> None:
    subject = b".".join(tokens)
    number = PatternSet(patterns).which(subject)

    if number is None:
        assert not any(matches(one, subject) for one in patterns)
    else:
        assert matches(patterns[number], subject)


def test_what_is_let_go_is_freed_a_node_at_a_time() -> None:
    patterns = PatternSet([b"a.%d.*" % number for number in range(100)])

    assert sum(1 for _ in patterns.let_go()) >= 200
    assert patterns.which(b"a.7.x") is None


def test_a_full_wildcard_that_is_not_last_is_a_token_like_any_other() -> None:
    assert PatternSet([b"a.>.b"]).which(b"a.x.b") is None


@given(st.lists(PATTERNS, max_size=6), st.lists(PATTERNS, max_size=6))
def test_two_lists_meet_where_one_of_each_have_a_subject_in_common(
    patterns: list[bytes], others: list[bytes]
) -> None:
    meet = PatternSet(patterns).meet(others, Walk())

    assert meet == any(collides(one, other) for one in patterns for other in others)
