"""A word, or a block of that type with keys of its own."""

from __future__ import annotations

import pytest

from leafnode.config import convert
from leafnode.config.parser import parse
from leafnode.config.place import Given, Place, Row
from leafnode.config.variant import variant
from leafnode.errors import ConfigError

TABLES = {"a": (Row(("x",), "x", convert.boolean),), "b": ()}


def read(text: str) -> Given:
    return variant(Place(parse(f"o {text}", "x.conf").root.value["o"], "o"), TABLES)  # type: ignore[index]


def test_a_word_is_its_type() -> None:
    assert read(": b").values == {"type": "b"}


def test_a_block_has_the_keys_of_its_type() -> None:
    assert read("{ x: true, TYPE: A }").values == {"type": "a", "x": True}


@pytest.mark.parametrize(
    ("text", "error"),
    [
        (": c", '1:1: o: expected a or b, got "c"'),
        (": 7", "1:1: o: expected a or b, got 7"),
        ("{ x: true }", "1:1: o: expected a type: a or b"),
        ("{ type: c }", '1:5: o.type: expected a or b, got "c"'),
        ("{ type: b, x: true }", '1:14: o: unknown field "x"'),
        ("{ type: a, x: 1 }", "1:14: o.x: expected true or false"),
    ],
)
def test_anything_else_is_refused_with_its_place(text: str, error: str) -> None:
    with pytest.raises(ConfigError) as caught:
        read(text)

    assert error in str(caught.value)


def test_of_many_types_a_similar_one_is_named() -> None:
    place = Place(parse("o: crc17", "x.conf").root.value["o"], "o")  # type: ignore[index]
    tables: dict[str, tuple[Row, ...]] = {f"crc{bits}": () for bits in (8, 16, 32)}

    with pytest.raises(ConfigError, match='o: expected "crc16", or another word'):
        variant(place, tables)
