"""Cron patterns of six fields, as nats-server 2.15.1 reads them."""

from __future__ import annotations

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest

from leafnode.jetstream.cron import CronError, parse
from leafnode.limits import CRON_CHARS_MAX

NOON = datetime(2027, 1, 15, 12, 0, 0, tzinfo=UTC)  # a Friday


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ("* * * * * *", "2027-01-15T12:00:01"),
        ("0 * * * * *", "2027-01-15T12:01:00"),
        ("*/20 * * * * *", "2027-01-15T12:00:20"),
        ("5/20 * * * * *", "2027-01-15T12:00:05"),
        ("0 0 5 * * *", "2027-01-16T05:00:00"),
        ("0 30 9-17/4 * * *", "2027-01-15T13:30:00"),
        ("0 0 0 1 * *", "2027-02-01T00:00:00"),
        ("0 0 0 1 1 *", "2028-01-01T00:00:00"),
        ("0 0 0 ? FEB,mar Mon", "2027-02-01T00:00:00"),
        ("0 0 0 * * 0", "2027-01-17T00:00:00"),
        ("0 0 0 29 2 *", "2028-02-29T00:00:00"),
        ("0 0 0 20 * SUN", "2027-01-17T00:00:00"),  # the 20th, or a Sunday
        ("0 0 0 31 * *", "2027-01-31T00:00:00"),
        ("0 0 12 15 1 *", "2028-01-15T12:00:00"),  # now is not after now
        ("0 0 0 */40 * FRI", "2027-01-22T00:00:00"),  # a step names days: the 1st, or a Friday
        ("0 0 0 1,* * FRI", "2027-01-22T00:00:00"),  # a star within a list: any day that is one
        ("0 0 0 1,? * MON", "2027-01-18T00:00:00"),
        ("0,, 1, * * * *", "2027-01-15T12:01:00"),
        ("000010 * * * * *", "2027-01-15T12:00:10"),
    ],
)
def test_when_a_pattern_is_due_next(pattern: str, expected: str) -> None:
    found = parse(pattern).next_after(NOON)

    assert found is not None
    assert found.isoformat() == f"{expected}+00:00"


def test_hours_are_those_of_the_time_zone() -> None:
    zone = ZoneInfo("Europe/Amsterdam")

    found = parse("0 0 5 * * *").next_after(NOON.astimezone(zone))

    assert found is not None
    assert found.astimezone(UTC).isoformat() == "2027-01-16T04:00:00+00:00"


def test_an_hour_that_is_skipped_does_not_come() -> None:
    zone = ZoneInfo("Europe/Amsterdam")
    saturday = datetime(2027, 3, 27, 12, tzinfo=zone)  # the clocks go from 2:00 to 3:00 at night

    found = parse("0 30 2 * * *").next_after(saturday)

    assert found is not None
    assert found.isoformat() == "2027-03-29T02:30:00+02:00"


def test_an_hour_that_comes_twice_comes_twice() -> None:
    zone = ZoneInfo("Europe/Amsterdam")
    pattern = parse("0 30 2 * * *")
    saturday = datetime(2027, 10, 30, 12, tzinfo=zone)  # the clocks go from 3:00 to 2:00 at night

    first = pattern.next_after(saturday)
    assert first is not None
    second = pattern.next_after(first)

    assert second is not None
    assert first.isoformat() == "2027-10-31T02:30:00+02:00"
    assert second.isoformat() == "2027-10-31T02:30:00+01:00"


def test_a_day_that_never_comes() -> None:
    assert parse("0 0 0 31 2 *").next_after(NOON) is None


@pytest.mark.parametrize(
    "pattern",
    [
        "",
        "0 5 * * *",
        "0 0 5 * * * *",
        "60 * * * * *",
        "* * 24 * * *",
        "* * * 0 * *",
        "* * * * 13 *",
        "* * * * * 7",
        "5-1 * * * * *",
        "*/0 * * * * *",
        "x * * * * *",
        "-1 * * * * *",
        ", * * * * *",
        "* * * ,, * *",
        "\u0661 * * * * *",
    ],
)
def test_what_is_no_pattern(pattern: str) -> None:
    with pytest.raises(CronError):
        parse(pattern)


def test_a_pattern_of_thousands_of_entries_is_none() -> None:
    rest = " * * * * *"
    fits = "0," * ((CRON_CHARS_MAX - len(rest)) // 2)

    assert parse(fits + rest) == parse("0" + rest)
    with pytest.raises(CronError):
        parse(fits + "0," + rest)
