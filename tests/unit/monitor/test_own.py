"""/uplinkz and /serialz."""

from __future__ import annotations

from typing import Any

from leafnode.monitor.own import serialz, uplinkz
from leafnode.monitor.text import pretty
from leafnode.uplink.status import Protection, State
from tests.sim.clock import FakeClock
from tests.sim.monitor import uplink, views


def test_an_uplink_shows_its_state_lag_counters_and_last_error() -> None:
    status = uplink(state=State.OFFLINE, protection=Protection.WINDOW, last_error="gone")

    got: dict[str, Any] = uplinkz(views(uplinks=lambda: [status]), FakeClock())

    row = got["streams"][0]
    assert row["state"] == "offline"
    assert row["protection"] == "only the hub's duplicate window protects"
    assert (row["lag_messages"], row["uplinked"], row["last_error"]) == (3, 7, "gone")


def test_a_port_shows_whether_it_is_open() -> None:
    got: dict[str, Any] = serialz(views(), FakeClock())

    assert got["ports"][0]["name"] == "scale"
    assert got["ports"][0]["open"] is True
    assert pretty(got)
