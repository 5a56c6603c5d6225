"""The table of application identifiers."""

from __future__ import annotations

import pytest

from leafnode.bridge.codecs import gs1_identifiers
from leafnode.bridge.codecs.gs1_identifiers import find


@pytest.mark.parametrize(
    ("text", "code", "name"),
    [
        ("0195", "01", "gtin"),
        ("240x", "240", "additional_id"),
        ("3103001750", "3103", "net_weight_kg"),
        ("3922199", "3922", "price"),
        ("8008240101", "8008", "produced_time"),
        ("414950", "414", "location"),
        ("99x", "99", "internal_99"),
    ],
)
def test_an_identifier_is_found_by_what_a_text_begins_with(text: str, code: str, name: str) -> None:
    identifier = find(text)

    assert identifier is not None
    assert (identifier.code, identifier.name) == (code, name)


@pytest.mark.parametrize("text", ["", "0", "5", "88x", "310x", "31"])
def test_an_unknown_one_is_none(text: str) -> None:
    assert find(text) is None


def test_no_code_begins_with_another() -> None:
    codes = sorted(gs1_identifiers._BY_CODE)

    assert not any(other.startswith(code) for code in codes for other in codes if other != code)
