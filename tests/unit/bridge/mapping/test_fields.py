"""Fields renamed, scaled, rounded and chosen."""

from __future__ import annotations

import pytest

from leafnode.bridge.mapping.fields import FieldMap
from leafnode.bridge.reading import BadReading
from leafnode.config.serial_stage_options import FieldOptions, MappingOptions


def mapped(
    fields: dict[str, object], *options: FieldOptions, select: tuple[str, ...] = ()
) -> object:
    return FieldMap(MappingOptions(select=select, fields=options)).mapped(fields)


def test_without_options_fields_stay() -> None:
    assert mapped({"a": 1, "b": "x"}) == {"a": 1, "b": "x"}


def test_no_field_is_published_under_the_name_of_another() -> None:
    rename = FieldOptions("a", rename="b", unit="V")

    for both in ({"a": 1, "b": 2}, {"b": 2, "a": 1}):
        with pytest.raises(BadReading, match="has two fields that are named 'b'"):
            mapped(both, rename)

    assert mapped({"b": 2}, rename) == {"b": 2}
    assert mapped({"a": 1, "b": 2}, rename, select=("a", "a")) == {"b": 1}


def test_what_is_not_selected_says_nothing_of_a_field_whose_name_it_would_get() -> None:
    other = FieldOptions("b", rename="a", unit="V", deadband=2)
    fields = FieldMap(MappingOptions(select=("a",), fields=(other,)))

    assert (fields.mapped({"a": 1, "b": 2}), fields.units, fields.deadbands) == ({"a": 1}, {}, {})


def test_a_number_is_scaled_then_moved_then_rounded() -> None:
    option = FieldOptions("t", scale=0.1, offset=-40, digits=1)

    assert mapped({"t": 613}, option) == {"t": 21.3}
    assert mapped({"t": 613.44}, option) == {"t": 21.3}


@pytest.mark.parametrize("raw", range(0, 1000, 7))
def test_a_decimal_factor_leaves_no_noise(raw: int) -> None:
    assert mapped({"t": raw}, FieldOptions("t", scale=0.1)) == {
        "t": float(f"{raw // 10}.{raw % 10}")
    }


def test_what_is_no_number_is_not_scaled() -> None:
    option = FieldOptions("t", scale=2, digits=0)

    for value in ("x", None, True, [1]):
        assert mapped({"t": value}, option) == {"t": value}


def test_a_field_gets_its_new_name_and_the_others_keep_theirs() -> None:
    assert mapped({"a": 1, "b": 2}, FieldOptions("a", rename="c")) == {"c": 1, "b": 2}


def test_selected_fields_stand_in_the_order_of_the_selection() -> None:
    assert list(mapped({"a": 1, "b": 2, "c": 3}, select=("c", "a", "x"))) == ["c", "a"]  # type: ignore[call-overload]


def test_units_and_deadbands_are_by_the_published_name() -> None:
    options = (FieldOptions("a", rename="c", unit="kg", deadband=0), FieldOptions("b"))
    fields = FieldMap(MappingOptions(fields=options))

    assert fields.units == {"c": "kg"}
    assert fields.deadbands == {"c": 0}
