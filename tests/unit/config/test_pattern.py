"""A pattern is understood as Python's `re` understands it, or refused."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from leafnode.config import serial_bounds
from leafnode.config.pattern import PatternError, parse, text


def rewritten(pattern: str) -> str:
    return text(parse(pattern)[0])


PATTERNS = [
    r"(?P<t>[+-]?\d+\.\d+) (?P<u>[CF])",
    r"^T=(?P<t>\d{1,3}),H=(?P<h>\d+)%$",
    r"(?P<a>[^,\]]*),(?:x|yy|)(?P<b>[a-f\d_-]+?)",
    r"(?P<a>.*?)\.(?P<b>\w{2,})\s\x41\t",
    r"(a|b)+(?P<x>[]x])(?P<y>[\]\\^-])",
    r"(?P<v>µ[à-ü€]{,3}|\S)\D\W",
    r"(?P<n>(?:ab?c)*)$",
]
# What the patterns above are about, and what nearly is.
WORDS = st.text(alphabet="01a b,.T=H%-+]\\^xyA\tµàé€CF_\n", max_size=8)


@pytest.mark.parametrize("pattern", PATTERNS)
def test_the_rewritten_pattern_has_the_same_groups(pattern: str) -> None:
    assert list(re.compile(rewritten(pattern)).groupindex) == list(parse(pattern)[1])


@given(st.sampled_from(PATTERNS), st.lists(WORDS, max_size=3).map("".join))
def test_the_rewritten_pattern_matches_the_same_readings(pattern: str, reading: str) -> None:
    theirs = re.compile(pattern, re.ASCII).fullmatch(reading)
    ours = re.compile(rewritten(pattern), re.ASCII).fullmatch(reading)

    assert (ours is None) == (theirs is None)
    if ours is not None and theirs is not None:
        assert ours.groupdict() == theirs.groupdict()


PIECES = st.sampled_from(
    [
        "a",
        "b",
        ".",
        r"\d",
        "[ab]",
        "[^a]",
        "(?:",
        "(?P<x>",
        ")",
        "|",
        "*",
        "+",
        "?",
        "{2}",
        "{1,}",
        "\\.",
    ]
)


@given(st.lists(PIECES, max_size=10).map("".join), st.text(alphabet="ab1.", max_size=6))
def test_whatever_is_taken_python_takes_too_and_means_the_same(pattern: str, reading: str) -> None:
    try:
        tree, _ = parse(pattern)
    except PatternError:
        return
    theirs = re.compile(pattern, re.ASCII).fullmatch(reading)
    ours = re.compile(text(tree), re.ASCII).fullmatch(reading)
    assert (ours and ours.groupdict()) == (theirs and theirs.groupdict())


@pytest.mark.parametrize(
    ("pattern", "problem", "at"),
    [
        ("abc", "no (?P<name>…)", 0),
        ("(?P<a>x)(?P<a>y)", "the name a stands twice", 8),
        ("(?P<a>x", "a ( without its )", 0),
        ("(?P<a>x))", "a ) that nothing opened", 8),
        ("(?P<a>[x", "a [ without its ]", 6),
        ("(?P<a>x)++", "a repetition of a repetition", 9),
        ("(?P<a>x)*?*", "a repetition of a repetition", 10),
        ("*(?P<a>x)", "* here", 0),
        ("(?P<a>x){", "a { that begins no", 8),
        ("(?P<a>x){,}", "a { that begins no", 8),
        ("(?P<a>x){3,2}", "a repetition that allows nothing", 8),
        ("(?P<a>x){0}", "a repetition that allows nothing", 8),
        (r"(?P<a>x)\1", r"\1 may not be used", 8),
        (r"\b(?P<a>x)", r"\b may not be used", 0),
        ("(?P<a>x)\\", "\\ may not be used", 8),
        ("(?i)(?P<a>x)", "of the (?…) only", 0),
        ("(?=x)(?P<a>x)", "of the (?…) only", 0),
        ("(?P=a)(?P<a>x)", "of the (?…) only", 0),
        ("(?P<1>x)", "of the (?…) only", 0),
        ("(?P<a>[z-a])", "a range that runs backwards", 7),
        ("(?P<a>x)^", "^ here", 8),
        ("a$(?P<a>x)", "$ here", 1),
        (
            "(" * 30 + "(?P<a>x)" + ")" * 30,
            "too many brackets",
            serial_bounds.PATTERN_DEPTH_MAX + 1,
        ),
    ],
)
def test_what_is_not_known_is_refused_with_its_place(pattern: str, problem: str, at: int) -> None:
    with pytest.raises(PatternError) as caught:
        parse(pattern)

    assert caught.value.problem.startswith(problem)
    assert caught.value.at == at
