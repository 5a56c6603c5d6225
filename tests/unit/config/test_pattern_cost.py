"""The bound of a pattern's cost holds: no reading has more runs, counted one by one."""

from __future__ import annotations

from functools import cache

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from leafnode.config import serial_bounds
from leafnode.config.pattern import PatternError, parse
from leafnode.config.pattern_cost import Automaton, automaton, steps


def built(pattern: str) -> Automaton:
    return automaton(parse(pattern)[0])


def cost(pattern: str, size: int) -> int:
    return steps(built(pattern), size)


def runs_on(machine: Automaton, reading: str) -> int:
    """Return how many ways the automaton has through all beginnings of a reading."""

    @cache
    def behind(state: int, at: int) -> int:
        if at == len(reading):
            return 1
        bit = 1 << ord(reading[at])
        ways = machine.first if state < 0 else machine.follow[state]
        return 1 + sum(
            count * behind(after, at + 1)
            for after, count in ways.items()
            if machine.masks[after] & bit
        )

    return behind(-1, 0)


ATOMS = st.sampled_from(["a", "b", "[ab]", ".", "[^b]"])


def grown(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    return st.one_of(
        st.tuples(inner, inner).map("".join),
        st.tuples(inner, inner).map(lambda pair: f"(?:{pair[0]}|{pair[1]})"),
        st.tuples(inner, st.sampled_from(["*", "+", "?", "{2}", "{1,3}", "{2,}", "*?"])).map(
            lambda pair: f"(?:{pair[0]}){pair[1]}"
        ),
    )


@settings(max_examples=300)
@given(st.recursive(ATOMS, grown, max_leaves=8), st.text(alphabet="ab", max_size=10))
def test_no_reading_has_more_runs_than_the_bound_says(pattern: str, reading: str) -> None:
    try:
        machine = built(f"(?P<x>{pattern})")
    except PatternError:
        return
    assert (
        runs_on(machine, reading) <= steps(machine, len(reading))
        or steps(machine, len(reading)) > serial_bounds.PATTERN_STEPS_MAX
    )


@pytest.mark.parametrize(
    "pattern",
    [
        r"(?P<t>[+-]?\d+\.\d+) (?P<u>[CF])",
        r"ST,GS,(?P<kg>[+-]?\d+\.\d+)kg",
        r"(?P<a>[^,]*),(?P<b>[^,]*),(?P<c>[^,]*)",
        r"(?:(?P<k>\w+)=(?P<v>\d+);)*",
        r"(?P<x>\d{1,8})(?:\.\d{1,8})?",
        r".*x(?P<n>\d+)",
    ],
)
def test_a_pattern_whose_next_step_is_plain_costs_a_step_each(
    pattern: str,
) -> None:
    assert cost(pattern, 1000) <= 4 * 1000 + 4


def test_what_overlaps_costs_the_square_or_the_cube() -> None:
    assert 100**2 // 4 < cost(r".*(?P<n>\d+)", 100) < 2 * 100**2
    assert cost(r".*(?P<n>\d+).*", 100) > serial_bounds.PATTERN_STEPS_MAX


@pytest.mark.parametrize(
    "pattern",
    [
        r"(?P<x>(?:a+)+)b",
        r"(?P<x>(?:a|a)+)b",
        r"(?P<x>(?:[ab]|b)*)c",
        r"(?P<x>(?:.+)+)y",
        r"(?P<x>(?:a?a?)+b)",
        r"(?P<x>(\w+\s?)*)$",
        r"(?P<x>([a-zA-Z]+)*)1",
        r"(?P<x>a*)*b",
    ],
)
def test_the_patterns_that_hold_a_matcher_for_ever_are_found(pattern: str) -> None:
    """Among them those of OWASP's page on ReDoS: 30 characters take Python seconds."""
    try:
        machine = built(pattern)
    except PatternError:
        return
    assert steps(machine, 40) > serial_bounds.PATTERN_STEPS_MAX


@pytest.mark.parametrize(
    "pattern",
    [r"(?P<x>(?:a*)*)", r"(?P<x>(?:a?)+)", r"(?P<x>(?:|a)?)", "(?P<x>(?:a*|b*))", "(?P<x>(?:|))"],
)
def test_nothing_in_several_ways_is_refused(pattern: str) -> None:
    with pytest.raises(PatternError, match="empty"):
        built(pattern)


@pytest.mark.parametrize("pattern", ["(?P<x>a{513})", "(?P<x>(?:a{30}){30})", "(?P<x>a{9999})"])
def test_a_pattern_of_too_many_characters_is_refused(pattern: str) -> None:
    with pytest.raises(PatternError, match="more than 512 characters"):
        built(pattern)


def test_a_pattern_of_too_many_ways_is_refused() -> None:
    branches = "|".join(["[ab]" * 2] * 60)

    with pytest.raises(PatternError, match="too many ways"):
        cost(f"(?P<x>(?:{branches})*)", 10)
