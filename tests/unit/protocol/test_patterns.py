"""leafnode.protocol.patterns: the same answers as asking one pattern after the other."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from leafnode.protocol.patterns import PatternSet
from leafnode.protocol.subject import collides, is_subset

TOKENS = st.lists(st.sampled_from([b"a", b"b", b"*"]), min_size=1, max_size=4)
PATTERNS = st.tuples(TOKENS, st.booleans()).map(
    lambda two: b".".join([*two[0], b">"] if two[1] else two[0])
)


@given(st.lists(PATTERNS, max_size=12), PATTERNS)
def test_it_answers_what_one_after_the_other_answers(patterns: list[bytes], subject: bytes) -> None:
    several = PatternSet(patterns)

    assert len(several) == len(patterns)
    assert several.including(subject) == [
        number for number, one in enumerate(patterns) if is_subset(subject, one)
    ]
    assert several.colliding(subject) == [
        number for number, one in enumerate(patterns) if collides(subject, one)
    ]


def test_a_last_star_may_take_all() -> None:
    several = PatternSet([b"a.*"])
    assert several.including(b"a.>") == []
    assert several.including(b"a.>", stars_take_all=True) == [0]
    assert several.including(b"a.b.c", stars_take_all=True) == []
