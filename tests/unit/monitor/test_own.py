"""/uplinkz and /serialz."""

from __future__ import annotations

from typing import Any

import pytest

from leafnode.clock import NS_PER_S
from leafnode.go_time import format_time
from leafnode.monitor.own import leafnode, serialz, uplinkz
from leafnode.monitor.text import pretty
from leafnode.monitor.views import HttpFaults, OwnCounters
from leafnode.slices import finish
from leafnode.uplink.status import Protection, State
from tests.sim.clock import WALL_START_NS, FakeClock
from tests.sim.monitor import budget, device, port, uplink, views


def test_every_counter_of_a_bound_is_there_in_its_group() -> None:
    got: dict[str, Any] = finish(
        leafnode(views(), HttpFaults(refused=18, overdue=19, bad=20, faults=21))
    )

    assert got == {
        "version": "0.1.0",
        "warnings": [],
        "clients": {
            "refused": 1,
            "auth_failures": 2,
            "logins_refused": 3,
            "logins_overflowed": 4,
            "callouts_refused": 0,
            "closed_forgotten": 0,
            "logins_evicted": 23,
        },
        "net": {
            "faults": 5,
            "accept_pauses": 6,
            "accepts_held": 56,
            "turns_yielded": 59,
            "reads_deferred": 60,
            "entries_refused": 40,
            "entries_failed": 41,
            "entries_overdue": 42,
            "entries_throttled": 43,
            "websocket_refused": 44,
            "websocket_overdue": 45,
            "websocket_mistakes": 46,
            "websocket_evicted": 47,
        },
        "http": {"refused": 18, "overdue": 19, "bad": 20, "faults": 21},
        "caches": {
            "routes_bytes": 50,
            "routes_evicted": 51,
            "matches_bytes": 52,
            "matches_evicted": 53,
        },
        "accounts": {
            "answers_dropped": 24,
            "answers_pending": 25,
            "wide_held": 54,
            "wide_dropped": 58,
            "wide_pending": 55,
            "wide_left": 57,
        },
        "leafs": {
            "interest_ignored": 7,
            "reconnects": 8,
            "slow_consumers": 9,
            "stale_connections": 10,
            "refused": 48,
            "logins_evicted": 49,
        },
        "jetstream": {
            "refused": 11,
            "dedupe_evicted": 12,
            "stream_troubles": 22,
            "consumer_troubles": 13,
            "clock_jumps": 14,
        },
        "store": {
            "commits": 15,
            "rows": 0,
            "bytes": 0,
            "failures": 0,
            "commit_ns_total": 0,
            "commit_ns_max": 0,
            "file_bytes": 0,
            "refused": 16,
            "reads_refused": 17,
            "hot_hits": 0,
            "hot_bytes": 0,
            "scrubs": 0,
            "scrubbed_bytes": 0,
            "damaged": 0,
            "failed": "disk is full",
        },
        "system": {"events_dropped": 24, "requests_refused": 25},
    }


def test_without_jetstream_its_groups_are_empty_objects() -> None:
    got = finish(leafnode(views(own=OwnCounters), HttpFaults()))

    assert (got["jetstream"], got["store"], got["system"]) == ({}, {}, {})


def test_warnings_stay_in_the_status() -> None:
    got = finish(leafnode(views(warnings=lambda: ["everybody may connect"]), HttpFaults()))

    assert got["warnings"] == ["everybody may connect"]


def test_an_error_that_is_over_is_shown_with_its_end() -> None:
    status = uplink(former_error="gone", former_error_ns=WALL_START_NS)

    got: dict[str, Any] = uplinkz(views(uplinks=lambda: [status]), FakeClock())

    row = got["streams"][0]
    assert (row["last_error"], row["former_error"]) == ("", "gone")
    assert row["former_error_end"] == format_time(WALL_START_NS)


def test_an_uplink_shows_its_state_lag_counters_and_last_error() -> None:
    status = uplink(state=State.OFFLINE, protection=Protection.WINDOW, last_error="gone")

    got: dict[str, Any] = uplinkz(views(uplinks=lambda: [status]), FakeClock())

    row = got["streams"][0]
    assert row["state"] == "offline"
    assert row["protection"] == "only the hub's duplicate window protects"
    assert (row["lag_messages"], row["uplinked"], row["last_error"]) == (3, 7, "gone")


@pytest.mark.parametrize("order", ["oldest_first", "newest_first"])
def test_an_uplink_shows_in_which_order_it_sends(order: str) -> None:
    status = uplink(order=order)

    got: dict[str, Any] = uplinkz(views(uplinks=lambda: [status]), FakeClock())

    assert got["streams"][0]["order"] == order


def test_an_uplink_shows_what_it_spent_today_by_subject() -> None:
    got: dict[str, Any] = uplinkz(views(), FakeClock())

    (row,) = got["uplinks"]
    assert (row["bytes_today"], row["monthly_cap"]) == (120, 5000)
    assert row["today"] == [{"subject": "ev", "messages": 2, "sent": 100, "received": 20}]


def test_a_port_shows_whether_it_is_open() -> None:
    got: dict[str, Any] = serialz(views(), FakeClock())

    assert got["ports"][0]["name"] == "scale"
    assert got["ports"][0]["open"] is True
    assert pretty(got)


def test_a_bus_shows_its_counts_and_its_slaves() -> None:
    got: dict[str, Any] = serialz(
        views(ports=lambda: [port(), port(modbus={}, slaves=[])]), FakeClock()
    )

    bus, other = got["ports"]
    assert bus["modbus_polls"] == 9
    assert bus["slaves"][0]["timeouts"] == 3
    assert "slaves" not in other


def test_what_all_ports_have_in_common_is_counted() -> None:
    facts = views(
        ports_refused=lambda: 3,
        uplinks_refused=lambda: 4,
        ports_deferred=lambda: 5,
        ports_lost=lambda: 6,
    )

    page = serialz(facts, FakeClock())
    assert (page["replies_refused"], page["turns_deferred"], page["lost"]) == (3, 5, 6)
    assert uplinkz(facts, FakeClock())["replies_refused"] == 4


def test_a_board_shows_who_it_is_and_when_it_was_heard() -> None:
    clock = FakeClock()
    seen_ns, wall_ns = clock.monotonic_ns(), clock.wall_ns()
    clock.advance(3 * NS_PER_S)

    got: dict[str, Any] = serialz(views(devices=lambda: [device(seen_ns=seen_ns)]), clock)

    (row,) = got["devices"]
    assert (row["name"], row["port"], row["boot"], row["up"]) == ("press-4", "scale", 77, True)
    assert row["capabilities"] == ("log", "channel")
    assert row["silent_ns"] == 3 * NS_PER_S
    assert row["last_seen"] == format_time(wall_ns)


def test_what_the_kernel_told_of_plugging_is_shown() -> None:
    got: dict[str, Any] = serialz(views(), FakeClock())

    assert got["hotplug"]["listening"] is True
    assert (got["hotplug"]["added"], got["hotplug"]["last"]) == (2, "add ttyUSB0")
    assert got["hotplug"]["last_at"] == ""


def test_a_server_without_ports_shows_none() -> None:
    none: dict[str, Any] = serialz(
        views(ports=list, devices=list, hotplug=lambda: None), FakeClock()
    )

    assert (none["ports"], none["devices"], none["hotplug"]) == ([], [], None)


def test_an_account_is_shown_its_own_uplinks() -> None:
    facts = views(
        uplinks=lambda: [uplink(account="A", stream="ONE"), uplink(account="B", stream="TWO")],
        budgets=lambda: [budget(account="A", name="one"), budget(account="B", name="two")],
    )

    got: dict[str, Any] = uplinkz(facts, FakeClock(), "A")

    assert [row["stream"] for row in got["streams"]] == ["ONE"]
    assert [row["name"] for row in got["uplinks"]] == ["one"]
