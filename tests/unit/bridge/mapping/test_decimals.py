"""Numbers are reckoned with as people do it."""

from __future__ import annotations

import math
from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from leafnode.bridge.mapping.decimals import added, mean, moved, scaled, unscaled

DECIMALS = st.tuples(st.integers(-(2**64), 2**64), st.integers(0, 9))


@pytest.mark.parametrize(
    ("value", "scale", "offset", "result"),
    [
        (3, 0.1, 0, 0.3),
        (9_007_199_254_740_993, 0.1, 0, 900_719_925_474_099.3),
        (1_764_360_000_123_456, 1e-6, 0, 1_764_360_000.123456),
        (1_000_000.1, 1, -1_000_000, 0.1),
        (2**64 - 1, 1, 1, 2.0**64),
        (10**307, 1e300, 0, math.inf),
        (math.inf, 2, 0, math.inf),
    ],
)
def test_a_scaled_number_is_the_float_next_to_the_exact_one(
    value: float, scale: float, offset: float, result: float
) -> None:
    assert scaled(value, scale, offset) == result


def test_what_is_no_number_is_none_when_it_is_scaled() -> None:
    assert math.isnan(scaled(math.nan, 2, 1))
    assert math.isnan(scaled(math.inf, 0, 1))


@given(DECIMALS, st.integers(0, 9), st.integers(-1000, 1000))
def test_any_decimal_is_scaled_without_loss_and_scaled_back(
    value: tuple[int, int], places: int, offset: int
) -> None:
    given = value[0] if value[1] == 0 else float(f"{value[0]}e-{value[1]}")
    written = Fraction(given if isinstance(given, int) else repr(given))

    result = scaled(given, float(f"1e-{places}"), offset)

    assert result == float(written / 10**places + offset)
    back = unscaled(result, float(f"1e-{places}"), offset)
    assert back == (Decimal(repr(result)) - offset) * 10**places


def test_a_mean_has_no_noise_and_loses_no_counter() -> None:
    for values, result in (
        ([20.1] * 3600, 20.1),
        ([0.1, 0.2, 0.3], 0.2),
        ([123_456_789_012_345, 123_456_789_012_347], 123_456_789_012_346),
        ([10**307] * 30, 1e307),
    ):
        total = Decimal(0)
        for value in values:
            total = added(total, value)
        assert mean(total, len(values)) == result


def test_a_sum_is_exact_whatever_its_values() -> None:
    values = [1e30, 1e-20, 1.7976931348623157e308, 5e-324, -1.7976931348623157e308, -1e30]
    total = Decimal(0)
    for value in values:
        total = added(total, value)

    assert Fraction(total) == Fraction("1e-20") + Fraction("5e-324")


@pytest.mark.parametrize(
    ("before", "now", "distance", "is_moved"),
    [
        (21.5, 21.7, 0.2, True),
        (21.7, 21.5, 0.2, True),
        (21.5, 21.69, 0.2, False),
        (1e16, 1e16 + 2, 3, False),
        (1e16, 1e16 + 4, 3, True),
        (10**300, 10**300 + 1, 2, False),
        (10**300, 10**300 + 2, 2, True),
        (1, 1.0, 0, False),
        (1, math.inf, 5, True),
        (math.inf, math.inf, 0, False),
    ],
)
def test_a_value_has_moved_by_what_people_see(
    before: float, now: float, distance: float, *, is_moved: bool
) -> None:
    assert moved(before, now, distance) is is_moved
