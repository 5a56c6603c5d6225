"""leafnode.config.mappings; errors beside nats-server's words are its own (measured)."""

from __future__ import annotations

import pytest

from leafnode.config.account_options import Destination, Mapping
from leafnode.config.bind import bind
from leafnode.config.parser import parse
from leafnode.errors import ConfigError


def refused(text: str) -> str:
    with pytest.raises(ConfigError) as caught:
        bind(parse(f"mappings {{ {text} }}", "x.conf"))
    return caught.value.problem


def test_a_mapping_has_one_destination_or_several_with_weights() -> None:
    bound = bind(
        parse(
            """mappings {
            a: b
            "c.*": { destination: "d.$1", weight: 50 }
            e: [ { dest: f, weight: "20%" }, { destination: g, weight: 80, cluster: x } ]
            }""",
            "x.conf",
        )
    )

    assert bound.mappings == (
        Mapping("a", (Destination("b"),)),
        Mapping("c.*", (Destination("d.$1", 50),)),
        Mapping("e", (Destination("f", 20), Destination("g", 80, "x"))),
    )


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ('"a..b": c', 'Subject "a..b" is not a valid subject'),
        (
            '"a.*": "b.$2"',
            'Error adding mapping for "a.*" to "b.$2" : invalid mapping destination: '
            "wildcard index out of range in $2: [2]",
        ),
        ('"a.*": "b.*"', 'Error adding mapping for "a.*" to "b.*" : invalid subject'),
        (
            '"a.*": "b.>.c"',
            'Error adding mapping for "a.*" to "b.>.c" : invalid mapping destination: '
            "invalid transform in c",
        ),
        (
            '"a.*": "b..c"',
            'Error adding mapping for "a.*" to "b..c" : invalid mapping destination: '
            "invalid transform",
        ),
        (
            '"a.*": "b.*.{{nope(1)}}"',
            'Error adding mapping for "a.*" to "b.*.{{nope(1)}}" : invalid mapping destination: '
            "unknown function in {{nope(1)}}",
        ),
        (
            '"a.$1": {dest: b, weight: 10}',
            'Error adding mapping for "a.$1" : invalid mapping destination: '
            "wildcard index out of range in $1",
        ),
        (
            "a: [{dest: b, weight: 60}, {dest: c, weight: 60}]",
            'Error adding mapping for "a" : total weight needs to be <= 100',
        ),
        (
            "a: [{dest: b, weight: 10}, {dest: b, weight: 10}]",
            'Error adding mapping for "a" : duplicate entry for "b"',
        ),
        (
            "a: {dest: b}",
            'expected weight: Missing weight for mapping destination "b"',
        ),
        ("a: {weight: 1}", "expected destination, the subject"),
        ("a: {dest: b, weight: 101}", "expected a percentage from 0 to 100, got 101"),
    ],
)
def test_a_mapping_that_makes_no_sense_is_refused(text: str, problem: str) -> None:
    assert refused(text) == problem


def test_weights_add_up_for_each_cluster_alone() -> None:
    text = "a: [{dest: b, weight: 100}, {dest: c, weight: 100, cluster: x}]"

    assert bind(parse(f"maps {{ {text} }}", "x.conf")).mappings[0].source == "a"
