"""leafnode.routing.crossings against the slow form of protocol.subject."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from leafnode.protocol import subject as subjects
from leafnode.routing.crossings import Crossings, numbers
from tests.sim.making import counted

TOKENS = st.sampled_from([b"a", b"b", b"*", b">", b""])
PATTERN = st.lists(TOKENS, min_size=1, max_size=5).map(b".".join)


def crossings(patterns: list[bytes]) -> Crossings:
    found = Crossings()
    for _ in found.fill(tuple(patterns)):
        pass
    return found


@given(st.lists(PATTERN, max_size=200), PATTERN)
def test_a_pattern_crosses_where_one_of_the_patterns_does(
    patterns: list[bytes], pattern: bytes
) -> None:
    wanted = any(
        subjects.collides(pattern, other)
        for other in patterns
        if not subjects.has_empty_token(pattern) and not subjects.has_empty_token(other)
    )

    assert crossings(patterns).cross(pattern)[0] is wanted


@given(st.lists(PATTERN, max_size=200), PATTERN)
def test_which_patterns_cross_one_is_told_in_order(patterns: list[bytes], pattern: bytes) -> None:
    index = crossings(patterns)

    bits, steps = index.which(pattern)
    found = list(numbers(bits))

    assert found == [
        number for number, other in enumerate(patterns) if crossings([other]).cross(pattern)[0]
    ]
    assert index.cross(pattern) == (bool(found), steps)


def test_of_many_patterns_all_that_cross_are_found_and_some_are_had_before_the_others() -> None:
    many = crossings([b"imp.%d.>" % number for number in range(20_000)])

    bits, _ = many.which(b">")
    assert next(numbers(bits)) == 0
    assert list(numbers(bits)) == list(range(20_000))
    assert list(numbers(many.which(b"imp.19999.x")[0])) == [19_999]


def test_what_has_an_empty_token_crosses_nothing() -> None:
    found = crossings([b"", b"a..b", b".>"])

    assert not any(found.cross(one)[0] for one in (b"*", b">", b"a.*.b", b"*.>", b"", b".a"))


@pytest.mark.parametrize("form", [b"pub.%d.v", b"pub.x.%d", b"%d.>", b"pub.*.%d", b"pub.%d.*.v"])
@pytest.mark.parametrize("pattern", [b"pub.*.w", b"*.x.*", b"*.*.*", b"pub.>", b"*.*.w.>", b">"])
def test_of_a_long_list_few_steps_are_taken(form: bytes, pattern: bytes) -> None:
    patterns = [form % number for number in range(4000)]

    found, steps = crossings(patterns).cross(pattern)

    assert found is any(subjects.collides(pattern, other) for other in patterns)
    assert steps <= 3


def test_a_very_long_list_costs_more_steps() -> None:
    patterns = [b"pub.%d.v" % number for number in range(20_000)]

    assert crossings(patterns).cross(b"pub.*.w") == (False, 3 * (1 + 20_000 // 4096))


def test_each_pattern_is_a_step_of_the_making() -> None:
    assert counted(Crossings().fill((b"a.b", b"a.*", b"")))[1] >= 3


def test_very_many_that_share_a_token_are_packed_in_steps() -> None:
    many = tuple(b"%d.*.a" % number for number in range(1000))

    _, steps = counted(Crossings().fill(many))

    # Each; the `*`, the `a` and the end that all have; the keys of the first place.
    assert steps >= 1000 + 3 * (1000 // 64) + 1000 // 64
