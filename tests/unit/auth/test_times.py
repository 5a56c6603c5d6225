"""leafnode.auth.times. Source: nats-server 2.15.1 server/auth_test.go (behaviour)."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from leafnode.auth.claims import TimeRange
from leafnode.auth.times import allowed_until_ns, comes_from, expiry_ns, is_network
from leafnode.errors import AuthError

NS = 1_000_000_000


def at(text: str) -> int:
    return round(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()) * NS


def until(start: str, end: str, now: str, location: str = "UTC") -> str | None:
    found = allowed_until_ns([TimeRange(start, end)], location, at(now))
    if found is None:
        return None
    return datetime.fromtimestamp(found / NS, UTC).isoformat()[:19]


@pytest.mark.parametrize(
    ("now", "end"),
    [
        ("2026-01-31T10:59:59", None),
        ("2026-01-31T11:00:01", "2026-01-31T22:00:00"),
        ("2026-01-31T21:59:59", "2026-01-31T22:00:00"),
        ("2026-01-31T22:00:00", None),
    ],
)
def test_a_range_of_the_day(now: str, end: str | None) -> None:
    assert until("11:00:00", "22:00:00", now) == end


@pytest.mark.parametrize(
    ("now", "end"),
    [
        ("2026-01-31T21:59:59", None),
        ("2026-01-31T23:30:00", "2026-02-01T06:00:00"),
        ("2026-02-01T05:00:00", "2026-02-01T06:00:00"),
        ("2026-02-01T07:00:00", None),
    ],
)
def test_a_range_over_midnight(now: str, end: str | None) -> None:
    assert until("22:00:00", "06:00:00", now) == end


def test_a_time_zone_moves_the_day() -> None:
    assert until("09:00:00", "17:00:00", "2026-07-01T15:00:00", "America/New_York") == (
        "2026-07-01T21:00:00"
    )
    assert until("09:00:00", "17:00:00", "2026-07-01T10:00:00", "America/New_York") is None


def test_the_end_is_right_on_the_day_that_clocks_change() -> None:
    assert until("00:00:01", "08:00:00", "2026-03-29T00:30:00", "Europe/Berlin") == (
        "2026-03-29T06:00:00"
    )


def test_the_latest_of_several_ranges_counts_and_none_is_without_end() -> None:
    ranges = [TimeRange("10:00:00", "12:00:00"), TimeRange("10:00:00", "14:00:00")]

    assert allowed_until_ns(ranges, "UTC", at("2026-01-31T11:00:00")) == at("2026-01-31T14:00:00")
    assert allowed_until_ns([], "UTC", 0) == 0


@pytest.mark.parametrize(("start", "zone"), [("25:00:00", "UTC"), ("10:00", "UTC"), ("", "UTC")])
def test_times_that_cannot_be_read_are_an_auth_error(start: str, zone: str) -> None:
    with pytest.raises(AuthError):
        until(start, "11:00:00", "2026-01-31T10:00:00", zone)


@pytest.mark.parametrize("zone", ["Nowhere/City", "../../etc/passwd", "/etc/passwd", "a\0b"])
def test_a_zone_that_is_none_is_an_auth_error(zone: str) -> None:
    with pytest.raises(AuthError):
        until("10:00:00", "11:00:00", "2026-01-31T10:30:00", zone)
    with pytest.raises(AuthError):
        allowed_until_ns((), zone, 0)


@pytest.mark.parametrize(
    ("networks", "ip", "holds"),
    [
        ([], "1.2.3.4", True),
        (["10.0.0.0/8"], "10.1.2.3", True),
        (["10.0.0.0/8"], "11.1.2.3", False),
        (["10.0.0.0/8", "127.0.0.1/32"], "127.0.0.1", True),
        (["10.1.2.3/8"], "10.9.9.9", True),
        (["2001:db8::/32"], "2001:db8::1", True),
        (["10.0.0.0/8"], "::ffff:10.0.0.1", True),
        (["10.0.0.0/8"], "", False),
        (["10.0.0.0/8"], "nonsense", False),
        (["nonsense"], "10.0.0.1", False),
    ],
)
def test_an_address_is_in_one_of_the_networks(networks: list[str], ip: str, holds: bool) -> None:
    assert comes_from(networks, ip) is holds


def test_a_network_has_a_length() -> None:
    assert is_network("10.0.0.0/8")
    assert not is_network("10.0.0.0")
    assert not is_network("10.0.0.0/33")


@pytest.mark.parametrize(
    ("network", "ip", "holds"),
    [
        ("::ffff:127.0.0.0/104", "127.0.0.1", True),
        ("::ffff:127.0.0.0/104", "126.0.0.1", False),
        ("::ffff:0.0.0.0/96", "10.1.2.3", True),
        ("::ffff:127.0.0.0/90", "127.0.0.1", False),
        ("::/0", "127.0.0.1", False),
    ],
)
def test_a_network_of_mapped_addresses_is_one_of_ipv4(network: str, ip: str, holds: bool) -> None:
    assert comes_from([network], ip) is holds


@pytest.mark.parametrize(
    ("expires_s", "end_ns"),
    [
        (0, 0),
        (-5, -5 * NS),
        (1_800_000_005, 1_800_000_005 * NS),
        (9_300_000_000, 9_300_000_000 * NS),
        (2**63 - 1, 1_800_000_000 * NS + 7),  # overflows to what is past: out at once
    ],
)
def test_an_expiry_beyond_gos_durations_is_what_they_overflow_to(
    expires_s: int, end_ns: int
) -> None:
    assert expiry_ns(expires_s, 1_800_000_000 * NS + 7) == end_ns
