"""Blocks read by tables: which entry fills which field, and what errors name."""

from __future__ import annotations

import pytest

from leafnode import limits
from leafnode.config import convert
from leafnode.config.parser import parse
from leafnode.config.place import Block, Given, Place, Row, Taken, shown
from leafnode.errors import ConfigError

BLOCK = Block(
    (
        Row(("port",), "port", lambda place: place.node.value),
        Row(("max_file_store", "max_file"), "max_file", lambda place: place.node.value),
    ),
    {"tls": "not supported yet"},
    {"quiet": Taken(convert.boolean), "loud": Taken(convert.boolean, "there is none")},
)


def read(text: str) -> Given:
    return BLOCK.read(Place(parse(text, "x.conf").root, "outer"))


def test_keys_know_no_case_and_aliases_fill_the_same_field() -> None:
    assert read("PORT: 1, Max_File: 2").values == {"port": 1, "max_file": 2}


def test_a_key_that_is_taken_fills_nothing_and_says_why() -> None:
    given = read("port: 1\nQuiet: true\n loud: no")

    assert given.values == {"port": 1}
    assert given.place.notes.warnings == [
        "x.conf:3:2: outer.loud: taken without effect: there is none"
    ]
    with pytest.raises(ConfigError, match=r"outer\.quiet: expected true or false"):
        read("quiet: 1")


def test_notes_are_those_of_the_whole_file_and_have_a_bound() -> None:
    outer = Place(parse("a { b: [ 1 ] }", "x.conf").root, "")
    a = outer.child("a", outer.entries()["a"])
    (inner,) = a.child("b", a.entries()["b"]).items("numbers")
    for _ in range(limits.CONFIG_WARNINGS_MAX + 1):
        inner.warn("odd")
        inner.deprecate("old")

    assert outer.notes.warnings == ["x.conf:1:10: a.b[0]: odd"] * limits.CONFIG_WARNINGS_MAX
    assert outer.notes.deprecated[0] == 'x.conf:1:10: invalid use of field "b[0]": old'
    assert len(outer.notes.deprecated) == limits.CONFIG_WARNINGS_MAX


def test_the_last_mention_of_a_field_stands_and_decides_the_order() -> None:
    given = read("max_file: 1\nport: 2\nmax_file_store: 3")

    assert list(given.values.items()) == [("port", 2), ("max_file", 3)]
    assert given.places["max_file"].path == "outer.max_file_store"


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("foo: 1", 'x.conf:1:1: outer: unknown field "foo"'),
        ("\n prot: 1", 'x.conf:2:2: outer: unknown field "prot", did you mean "port"?'),
        ("TLS {}", "x.conf:1:1: outer.tls: not supported yet"),
    ],
)
def test_an_unknown_or_refused_key_is_an_error(text: str, error: str) -> None:
    with pytest.raises(ConfigError) as caught:
        read(text)

    assert str(caught.value) == error


def test_an_unknown_key_of_any_length_is_refused_in_one_short_line() -> None:
    with pytest.raises(ConfigError) as caught:
        read('"' + "port\n" * 50_000 + '": 1')

    assert len(str(caught.value)) < 500
    assert "\n" not in str(caught.value)


def test_an_unknown_key_that_a_variable_used_is_a_definition() -> None:
    assert read("X: 5\nport: $X").values == {"port": 5}


def test_a_refused_key_is_refused_even_if_a_variable_used_it() -> None:
    with pytest.raises(ConfigError, match="not supported yet"):
        read("tls: 5\nport: $tls")


def test_a_value_where_a_block_is_expected_is_not_repeated() -> None:
    with pytest.raises(ConfigError) as caught:
        Place(parse("x: s3cret", "x.conf").root.value["x"], "x").entries()  # type: ignore[index,call-overload]

    assert str(caught.value) == "x.conf:1:1: x: expected a block, got a string"


def test_need_names_the_block_and_exclude_the_later_of_two() -> None:
    given = read("max_file: 1\nport: 2")

    with pytest.raises(ConfigError, match=r"^x.conf:2:1: outer.port: one of them"):
        given.exclude("port", "max_file", "one of them")
    with pytest.raises(ConfigError, match=r"^x.conf:1:1: outer: expected a name$"):
        given.need("name", "a name")


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("soon", '"soon"'),
        ("5", "5"),
        ("5.5", "5.5"),
        ("off", "false"),
        ("{}", "a block"),
        ("[]", "an array"),
        ("2024-01-01T00:00:00Z", "a date"),
    ],
)
def test_a_value_is_shown_as_it_was_written_or_by_its_kind(text: str, what: str) -> None:
    root = parse(f"x: {text}", "x.conf").root
    assert isinstance(root.value, dict)

    assert shown(root.value["x"]) == what
