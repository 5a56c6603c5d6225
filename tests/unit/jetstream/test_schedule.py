"""What the header of a schedule says (ADR-51), measured on nats-server 2.15.1."""

from __future__ import annotations

from zoneinfo import ZoneInfo

import pytest

from leafnode import go_time
from leafnode.clock import NS_PER_MS, NS_PER_S
from leafnode.errors import JetStreamError
from leafnode.jetstream.api_types import StreamConfig
from leafnode.jetstream.schedule import check, check_end, fired_block, next_ns

NOW_NS = 1_800_000_000 * NS_PER_S  # 2027-01-15T08:00:00Z
CONFIG = StreamConfig(
    name="S", subjects=["s.*", "t.*"], allow_msg_schedules=True, allow_msg_ttl=True
)


def fields(pattern: str, **more: str) -> dict[bytes, bytes]:
    found = {"Schedule": pattern, "Schedule-Target": "t.1"}
    found |= {name.replace("_", "-"): value for name, value in more.items()}
    return {f"Nats-{name}".encode(): value.encode() for name, value in found.items()}


@pytest.mark.parametrize(
    ("pattern", "seconds", "repeats"),
    [
        ("@at 2027-01-15T08:00:05Z", 5, False),
        ("@at 2020-01-01T00:00:00Z", (1577836800 - 1800000000), False),
        ("@every 90s", 90, True),
        ("@every 1m30s", 90, True),
        ("@hourly", 3600, True),
        ("0 0 9 * * *", 3600, True),
    ],
)
def test_when_a_schedule_is_due(pattern: str, seconds: int, repeats: bool) -> None:
    due = next_ns(fields(pattern), NOW_NS, NOW_NS)

    assert due == (NOW_NS + seconds * NS_PER_S, repeats)


def test_what_was_missed_is_due_once() -> None:
    every = next_ns(fields("@every 10s"), NOW_NS, NOW_NS + 100 * NS_PER_S + NS_PER_MS)
    hourly = next_ns(fields("@hourly"), NOW_NS, NOW_NS + 5 * 3600 * NS_PER_S + NS_PER_S)

    assert every[0] == NOW_NS + 110 * NS_PER_S
    assert hourly[0] == NOW_NS + 6 * 3600 * NS_PER_S


@pytest.mark.parametrize("zone", ["Europe/Amsterdam", "Local"])
def test_a_time_zone(zone: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(go_time, "_local_zone", lambda: ZoneInfo("Europe/Amsterdam"))
    found = fields("0 0 10 * * *", Schedule_Time_Zone=zone)

    assert next_ns(found, NOW_NS, NOW_NS)[0] == NOW_NS + 3600 * NS_PER_S


@pytest.mark.parametrize(
    ("pattern", "more", "err_code"),
    [
        ("foo", {}, 10189),
        ("@foo", {}, 10189),
        ("@at junk", {}, 10189),
        ("@every 500ms", {}, 10189),
        ("@every junk", {}, 10189),
        ("0 5 * * *", {}, 10189),
        ("0 0 0 31 2 *", {}, 10189),
        ("@every 1s", {"Schedule_Time_Zone": "UTC"}, 10189),
        ("@every 1s", {"Schedule_Time_Zone": "Local"}, 10189),
        ("@hourly", {"Schedule_Time_Zone": ""}, 10223),
        ("@hourly", {"Schedule_Time_Zone": "Mars/Base"}, 10223),
        ("@hourly", {"Schedule_Time_Zone": "../etc/passwd"}, 10223),
        ("@hourly", {"Schedule_TTL": "zz"}, 10191),
        ("@hourly", {"Schedule_Rollup": "all"}, 10192),
        ("@hourly", {"Rollup": "all"}, 10192),
        ("@hourly", {"Schedule_Target": ""}, 10190),
        ("@hourly", {"Schedule_Target": "t.*"}, 10190),
        ("@hourly", {"Schedule_Target": "s.1"}, 10190),
        ("@hourly", {"Schedule_Target": "z.1"}, 10190),
        ("@hourly", {"Schedule_Source": "t.1"}, 10203),
        ("@hourly", {"Schedule_Source": "s.*"}, 10203),
        ("@hourly", {"Schedule_Source": "z.1"}, 10203),
    ],
)
def test_what_is_no_schedule(pattern: str, more: dict[str, str], err_code: int) -> None:
    with pytest.raises(JetStreamError) as caught:
        check(b"s.1", fields(pattern, **more), CONFIG, NOW_NS)

    assert caught.value.err_code == err_code


def test_a_stream_without_schedules_or_times_to_live() -> None:
    with pytest.raises(JetStreamError) as caught:
        check(b"s.1", fields("junk"), StreamConfig(subjects=["s.*"]), NOW_NS)
    assert caught.value.err_code == 10188

    config = StreamConfig(subjects=["t.*"], allow_msg_schedules=True)
    with pytest.raises(JetStreamError) as caught:
        check(b"s.1", fields("@hourly", Schedule_TTL="5m"), config, NOW_NS)
    assert caught.value.err_code == 10166


@pytest.mark.parametrize(
    ("lines", "ends"),
    [
        ({}, b""),
        ({b"Nats-Schedule-Next": b"purge", b"Nats-Scheduler": b"s.1"}, b"s.1"),
        ({b"Nats-Scheduler": b"s.1"}, None),
        ({b"Nats-Schedule-Next": b"zz", b"Nats-Scheduler": b"s.1"}, None),
        ({b"Nats-Schedule-Next": b"purge"}, None),
        ({b"Nats-Schedule-Next": b"purge", b"Nats-Scheduler": b"t.1"}, None),
        ({b"Nats-Schedule-Next": b"purge", b"Nats-Scheduler": b"s.*"}, None),
    ],
)
def test_who_may_end_a_schedule(lines: dict[bytes, bytes], ends: bytes | None) -> None:
    if ends is not None:
        assert check_end(b"t.1", lines, CONFIG) == ends
        return
    with pytest.raises(JetStreamError) as caught:
        check_end(b"t.1", lines, CONFIG)
    assert caught.value.err_code == 10212


def test_the_message_has_no_lines_of_the_schedule() -> None:
    block = (
        b"NATS/1.0\r\nNats-Schedule: @hourly\r\nNats-Schedule-TTL: 5m\r\nX: 1\r\nNats-Msg-Id: q\r\n"
        b"Nats-Expected-Stream: S\r\nNats-TTL: 9s\r\nNats-Rollup: sub\r\n\r\n"
    )
    schedule = {b"Nats-Schedule-TTL": b"5m", b"Nats-Schedule-Rollup": b"sub"}

    assert fired_block(block, b"s.1", schedule, b"purge") == (
        b"NATS/1.0\r\nX: 1\r\nNats-Scheduler: s.1\r\nNats-Schedule-Next: purge\r\n"
        b"Nats-TTL: 5m\r\nNats-Rollup: sub\r\n\r\n"
    )


def test_a_header_with_a_cr_or_an_lf_alone_is_passed_on_as_it_came() -> None:
    block = b"NATS/1.0\r\nX: a\nb\r\n\rY: c\rd\r\n\r\n"

    fired = fired_block(block, b"s.1", {}, b"purge")

    assert fired.startswith(b"NATS/1.0\r\nX: a\nb\r\n\rY: c\rd\r\nNats-Scheduler: s.1\r\n")
