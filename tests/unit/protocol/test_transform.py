"""leafnode.protocol.transform; the words of refusals and the results were read off nats-server."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from leafnode.errors import TransformError
from leafnode.limits import TRANSFORM_BYTES_MAX
from leafnode.protocol.subject import matches
from leafnode.protocol.transform import Transform, tokenize, untokenize


@pytest.mark.parametrize(
    ("source", "destination", "subject", "result"),
    [
        (b"a", b"b", b"a", b"b"),
        (b"a.*.*", b"b.$2.$1", b"a.x.y", b"b.y.x"),
        (b"a.*.*", b"b.{{wildcard(2)}}.{{ Wildcard( 1 ) }}", b"a.x.y", b"b.y.x"),
        (b"a.*", b"b.$JS.$1", b"a.x", b"b.$JS.x"),
        (b"a.>", b"b.c.>", b"a.x.y", b"b.c.x.y"),
        (b">", b"in.>", b"x.y", b"in.x.y"),
        (b"a.*.>", b"b.{{wildcard(1)}}.>", b"a.x.y.z", b"b.x.y.z"),
        (b"*", b"p.{{partition(10,1)}}", b"hello", b"p.3"),
        (b"a.*.*", b"p.{{partition(5,1,2)}}", b"a.x.y", b"p.2"),
        (b"x", b"p.{{partition(10)}}", b"x", b"p.5"),
        (b"*", b"{{split(1,-)}}", b"a-b--c-", b"a.b.c"),
        (b"*", b"{{splitFromLeft(1,2)}}", b"12345", b"12.345"),
        (b"*", b"{{SplitFromRight(1,2)}}", b"12345", b"123.45"),
        (b"*", b"{{splitfromleft(1,5)}}", b"12345", b"12345"),
        (b"*", b"{{SliceFromLeft(1,2)}}", b"12345", b"12.34.5"),
        (b"*", b"{{slicefromright(1,2)}}", b"12345", b"1.23.45"),
        (b"*", b"{{slicefromright(1,2)}}", b"1234", b"12.34"),
        (b"*", b"{{left(1,2)}}", b"12345", b"12"),
        (b"*", b"{{right(1,2)}}", b"12345", b"45"),
        (b"*", b"{{right(1,9)}}", b"12345", b"12345"),
    ],
)
def test_a_subject_becomes_another(
    source: bytes, destination: bytes, subject: bytes, result: bytes
) -> None:
    assert Transform(source, destination).apply(subject) == result


def test_random_draws_below_its_bound_and_says_that_it_is_not_fixed() -> None:
    transform = Transform(b"a", b"b.{{random(3)}}")
    drawn = {transform.apply(b"a", random.Random(seed)) for seed in range(50)}

    assert not transform.is_fixed
    assert drawn == {b"b.0", b"b.1", b"b.2"}


@pytest.mark.parametrize(
    ("source", "destination", "problem"),
    [
        (b"a.*", b"b.*", "invalid subject"),
        (b"a.>", b"b", "invalid subject"),
        (b"a..b", b"b", "invalid subject"),
        (
            b"a.*",
            b"b.$2",
            "invalid mapping destination: wildcard index out of range in $2: [2]",
        ),
        (
            b"a",
            b"b.$1",
            "invalid mapping destination: wildcard index out of range in $1",
        ),
        (
            b"a.*",
            b"{{unknown(1)}}",
            "invalid mapping destination: unknown function in {{unknown(1)}}",
        ),
        (
            b"a.*",
            b"{{wildcard()}}",
            "invalid mapping destination: not enough arguments passed to the function in "
            "{{wildcard()}}",
        ),
        (
            b"a.*",
            b"{{split(1)}}",
            "invalid mapping destination: not enough arguments passed to the function in "
            "{{split(1)}}",
        ),
        (
            b"a.*",
            b"{{left(1,2,3)}}",
            "invalid mapping destination: too many arguments passed to the function in "
            "{{left(1,2,3)}}",
        ),
        (
            b"a.*",
            b"{{partition(x,1)}}",
            "invalid mapping destination: function argument is invalid or in the wrong format in "
            "{{partition(x,1)}}",
        ),
    ],
)
def test_what_makes_no_sense_is_refused_in_the_words_of_nats_server(
    source: bytes, destination: bytes, problem: str
) -> None:
    with pytest.raises(TransformError) as caught:
        Transform(source, destination)

    assert str(caught.value) == problem


@pytest.mark.parametrize(
    ("destination", "problem"),
    [
        (
            b"b.{{partition(2,1)}}.$2",
            "invalid mapping destination: the only mapping function allowed for import transforms "
            "is {{Wildcard()}} in {{partition(2,1)}}",
        ),
        (
            b"b.$1.$1",
            "invalid mapping destination: not using all of the token wildcard(s) in b.$1.$1",
        ),
    ],
)
def test_an_import_takes_only_what_can_be_turned_round(destination: bytes, problem: str) -> None:
    with pytest.raises(TransformError) as caught:
        Transform(b"a.*.*", destination, strict=True)

    assert str(caught.value) == problem


@given(st.permutations([1, 2, 3, 4]), st.lists(st.sampled_from([b"x", b"y", b"z"]), min_size=5))
def test_the_way_back_leads_back(order: list[int], rest: list[bytes]) -> None:
    destination = b".".join([b"to"] + [b"$%d" % number for number in order] + [b">"])
    transform = Transform(b"a.*.*.*.*.>", destination, strict=True)
    subject = b".".join([b"a", *rest])

    there = transform.apply(subject)

    assert matches(untokenize(destination)[0], there)
    assert transform.reverse().apply(there) == subject


def test_wildcards_of_a_pattern_are_named_in_order_and_back() -> None:
    assert tokenize(b"a.*.b.*.>") == b"a.$1.b.$2.>"
    assert untokenize(b"a.$2.{{wildcard(1)}}.$JS.>") == (
        b"a.*.*.$JS.>",
        [b"$2", b"{{wildcard(1)}}"],
    )


def test_a_transform_that_is_too_long_is_refused_unread() -> None:
    longest = (b"a." * TRANSFORM_BYTES_MAX)[: TRANSFORM_BYTES_MAX - 1] + b"b"
    assert Transform(b"a", longest).apply(b"a") == longest

    for source, destination in ((b"a", longest + b"b"), (longest + b"b", b"a")):
        with pytest.raises(TransformError, match="longer than 8192 bytes"):
            Transform(source, destination)
