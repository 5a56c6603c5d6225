"""Go's texts of times and durations. Source: Go's time package, checked with nats-server 2.15.1."""

from __future__ import annotations

import struct
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from leafnode.clock import NS_PER_S
from leafnode.go_time import (
    _local_zone,
    format_duration,
    format_time,
    parse_duration,
    parse_time,
    read_time,
    zone_of,
)
from leafnode.limits import DURATION_CHARS_MAX

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize(
    ("ns", "text"),
    [
        (0, "0001-01-01T00:00:00Z"),
        (1_800_000_000_000_000_000, "2027-01-15T08:00:00Z"),
        (1_800_000_000_120_000_000, "2027-01-15T08:00:00.12Z"),
        (1_800_000_000_000_000_001, "2027-01-15T08:00:00.000000001Z"),
    ],
)
def test_times_have_up_to_nine_digits_and_no_trailing_zeros(ns: int, text: str) -> None:
    assert format_time(ns) == text


@given(st.integers(min_value=1, max_value=4_000_000_000_000_000_000))
def test_a_time_survives_its_text(ns: int) -> None:
    assert parse_time(format_time(ns)) == ns


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("1970-01-01T00:00:01Z", 1),
        ("1970-01-01T01:00:01+01:00", 1),
        ("1969-12-31T23:00:01-01:00", 1),
        ("2000-02-29T00:00:00Z", 951_782_400),
        ("0000-02-29T00:00:00Z", -62_162_121_600),
    ],
)
def test_zones_are_offsets_from_utc(text: str, seconds: int) -> None:
    assert parse_time(text) == seconds * 1_000_000_000


LAYOUT = '"2006-01-02T15:04:05Z07:00"'


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", f'"" as {LAYOUT}: cannot parse "" as "2006"'),
        ("2020", f'"2020" as {LAYOUT}: cannot parse "" as "-"'),
        ("2020-1-01", f'"2020-1-01" as {LAYOUT}: cannot parse "1-01" as "01"'),
        ("2020-13-01T00:00:00Z", '"2020-13-01T00:00:00Z": month out of range'),
        ("2020-12-01T25:00:00Z", '"2020-12-01T25:00:00Z": hour out of range'),
        ("2021-02-29T00:00:00Z", '"2021-02-29T00:00:00Z": day out of range'),
        ("2020-12-01T00:00:00Zx", '"2020-12-01T00:00:00Zx": extra text: "x"'),
        (
            "2020-12-01T00:00:00+99:00",
            '"2020-12-01T00:00:00+99:00": time zone offset hour out of range',
        ),
        (
            'x\t\u00e9"',
            f'"x\\x09\\xc3\\xa9\\"" as {LAYOUT}: cannot parse "x\\x09\\xc3\\xa9\\"" as "2006"',
        ),
    ],
)
def test_what_is_no_time_is_told_in_gos_words(text: str, problem: str) -> None:
    with pytest.raises(ValueError, match="parsing time") as caught:
        read_time(text)
    assert str(caught.value) == f"parsing time {problem}"


def test_an_hour_of_one_digit_and_a_comma_are_taken_as_go_does() -> None:
    assert read_time("1970-01-01T1:00:00,5+00:60") == NS_PER_S // 2


@pytest.mark.parametrize(
    "text",
    ["", "x", "2027-02-29T00:00:00Z", "2027-01-01", "2027-01-01T24:00:00Z", "2027-13-01T00:00:00Z"],
)
def test_what_is_no_time_is_refused(text: str) -> None:
    assert parse_time(text) is None


@pytest.mark.parametrize(
    ("ns", "text"),
    [
        (0, "0s"),
        (1, "1ns"),
        (1_500, "1.5µs"),
        (200_000_000, "200ms"),
        (1_000_000_000, "1s"),
        (1_500_000_000, "1.5s"),
        (600_000_000_000, "10m0s"),
        (5_400_000_000_000, "1h30m0s"),
        (-2_000_000_000, "-2s"),
    ],
)
def test_durations_read_as_go_writes_them(ns: int, text: str) -> None:
    assert format_duration(ns) == text
    assert parse_duration(text) == ns


@given(st.integers(min_value=-(2**62), max_value=2**62))
def test_a_duration_survives_its_text(ns: int) -> None:
    assert parse_duration(format_duration(ns)) == ns


@pytest.mark.parametrize("text", ["", "1", "s", "1x", "1h-2m", ".s", "9999999999999h"])
def test_what_is_no_duration_is_refused(text: str) -> None:
    assert parse_duration(text) is None


@pytest.mark.parametrize(
    ("text", "ns"),
    [
        ("9" * 5000 + "s", None),
        ("1s" + "9" * 5000 + "h", None),
        ("0" * 5000 + "5s", 5 * NS_PER_S),
        ("1." + "9" * 5000 + "s", 1_999_999_999),
        ("1." + "0" * 5000 + "s", NS_PER_S),
        ("9223372036854775807ns", 2**63 - 1),
        ("9223372036854775808ns", None),
        ("1s" * (DURATION_CHARS_MAX // 2), DURATION_CHARS_MAX // 2 * NS_PER_S),
        ("1s" * (DURATION_CHARS_MAX // 2) + "1s", None),
    ],
)
def test_thousands_of_digits_are_read_as_go_reads_them(text: str, ns: int | None) -> None:
    assert parse_duration(text) == ns


def test_a_time_zone_by_its_name_or_that_of_the_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    assert zone_of("UTC") is UTC
    assert zone_of("Europe/Berlin") == ZoneInfo("Europe/Berlin")
    monkeypatch.setenv("TZ", ":Asia/Tokyo")
    _local_zone.cache_clear()
    assert zone_of("Local") == ZoneInfo("Asia/Tokyo")
    monkeypatch.delenv("TZ")
    _local_zone.cache_clear()
    assert datetime(2026, 7, 1, tzinfo=zone_of("Local")).utcoffset() is not None


@pytest.mark.parametrize("before", ["", ":"])
def test_the_machines_zone_may_be_a_file(
    before: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "zone"
    counts, kind = struct.pack(">6l", 0, 0, 0, 0, 1, 4), struct.pack(">l2b", 9 * 3600, 0, 0)
    file.write_bytes(b"TZif" + bytes(16) + counts + kind + b"JST\0")
    monkeypatch.setenv("TZ", f"{before}{file}")
    _local_zone.cache_clear()

    assert datetime(2026, 7, 1, tzinfo=zone_of("Local")).utcoffset() == timedelta(hours=9)


@pytest.mark.parametrize("name", ["", ":", "EST5EDT4", "Nowhere/Land", "/nowhere", "/", "../up"])
def test_what_tz_names_and_is_no_zone_is_utc(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", name)
    _local_zone.cache_clear()

    assert zone_of("Local") is UTC


@pytest.mark.parametrize("data", [b"", b"no zone", b"TZif2", b"TZif2" + bytes(20)])
def test_a_file_that_is_no_zone_is_utc(
    data: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "zone"
    file.write_bytes(data)
    monkeypatch.setenv("TZ", str(file))
    _local_zone.cache_clear()

    assert zone_of("Local") is UTC


def test_a_file_that_was_cut_off_anywhere_is_read_to_its_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    counts, kind = struct.pack(">6l", 0, 0, 0, 0, 1, 4), struct.pack(">l2b", 9 * 3600, 0, 0)
    block = b"TZif2" + bytes(15) + counts + kind + b"JST\0"
    whole, file = block + block + b"\nJST-9\n", tmp_path / "zone"
    monkeypatch.setenv("TZ", str(file))
    for size in range(len(whole)):
        file.write_bytes(whole[:size])
        _local_zone.cache_clear()

        assert datetime(2026, 7, 1, tzinfo=zone_of("Local")).utcoffset() is not None
