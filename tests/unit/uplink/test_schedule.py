"""Times of day at which a metered link may be used."""

from __future__ import annotations

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from leafnode.clock import NS_PER_S
from leafnode.uplink.schedule import Schedule, Span, until_next_month_ns

BERLIN = ZoneInfo("Europe/Berlin")
NIGHT = Span(2 * 60, 4 * 60)
LATE = Span(22 * 60, 60)  # over midnight


def ns(text: str) -> int:
    return int(datetime.fromisoformat(text).timestamp()) * NS_PER_S


@pytest.mark.parametrize(
    ("now", "hours"),
    [
        ("2026-11-27T02:00:00+00:00", 0),
        ("2026-11-27T03:59:59+00:00", 0),
        ("2026-11-27T04:00:00+00:00", 22),
        ("2026-11-27T01:30:00+00:00", 0.5),
        ("2026-11-30T23:00:00+00:00", 3),
    ],
)
def test_outside_of_its_hours_it_says_how_long_it_is_until_they_begin(
    now: str, hours: float
) -> None:
    assert Schedule((NIGHT,)).wait_ns(ns(now)) == hours * 3600 * NS_PER_S


def test_seconds_count_too() -> None:
    assert Schedule((NIGHT,)).wait_ns(ns("2026-11-27T01:59:59+00:00")) == NS_PER_S


def test_hours_may_go_over_midnight_and_there_may_be_several() -> None:
    schedule = Schedule((LATE, Span(12 * 60, 13 * 60)))

    assert schedule.wait_ns(ns("2026-11-27T23:30:00+00:00")) == 0
    assert schedule.wait_ns(ns("2026-11-27T00:59:00+00:00")) == 0
    assert schedule.wait_ns(ns("2026-11-27T01:00:00+00:00")) == 11 * 3600 * NS_PER_S


def test_without_hours_it_is_always_open() -> None:
    assert Schedule(()).wait_ns(ns("2026-11-27T12:00:00+00:00")) == 0


def test_the_hours_are_those_of_the_time_zone_in_summer_too() -> None:
    schedule = Schedule((NIGHT,), BERLIN)

    assert schedule.wait_ns(ns("2026-11-27T02:30:00+01:00")) == 0
    assert schedule.wait_ns(ns("2026-07-27T02:30:00+02:00")) == 0
    assert schedule.wait_ns(ns("2026-07-27T04:00:00+02:00")) == 22 * 3600 * NS_PER_S


def test_days_of_23_and_25_hours() -> None:
    night = Schedule((Span(4 * 60, 5 * 60),), BERLIN)
    left_out = Schedule((Span(2 * 60 + 15, 2 * 60 + 45),), BERLIN)

    # Summer time begins on 2026-03-29 at 02:00 and ends on 2026-10-25 at 03:00.
    assert night.wait_ns(ns("2026-03-28T23:00:00+01:00")) == 4 * 3600 * NS_PER_S
    assert night.wait_ns(ns("2026-10-24T23:00:00+02:00")) == 6 * 3600 * NS_PER_S
    missing = left_out.wait_ns(ns("2026-03-29T01:30:00+01:00"))
    assert missing == ns("2026-03-30T02:15:00+02:00") - ns("2026-03-29T01:30:00+01:00")


@given(st.integers(0, 4_000_000_000), st.sampled_from([UTC, BERLIN]))
def test_when_the_wait_is_over_it_is_open_and_a_second_before_it_is_not(
    second: int, zone: ZoneInfo
) -> None:
    schedule = Schedule((NIGHT, LATE), zone)
    wait_ns = schedule.wait_ns(second * NS_PER_S)

    assert schedule.wait_ns(second * NS_PER_S + wait_ns) == 0
    if wait_ns:
        assert schedule.wait_ns(second * NS_PER_S + wait_ns - NS_PER_S) == NS_PER_S


def test_a_month_ends_at_its_first_midnight_of_the_zone() -> None:
    assert until_next_month_ns(ns("2026-11-30T23:59:00+00:00"), UTC) == 60 * NS_PER_S
    assert until_next_month_ns(ns("2026-12-31T23:59:00+01:00"), BERLIN) == 60 * NS_PER_S
    assert until_next_month_ns(ns("2026-02-01T00:00:00+00:00"), UTC) == 28 * 86_400 * NS_PER_S
