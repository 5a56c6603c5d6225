"""The simulated year of tests/sim/uplink_year.py, cut short; `make uplink-year` runs whole ones."""

from __future__ import annotations

import pytest

from leafnode import limits
from tests.sim import uplink_year
from tests.sim.uplink_year import DAY_NS, Gateway, live


@pytest.mark.parametrize("seed", range(6))
def test_weeks_of_outages_lose_nothing_and_double_nothing(seed: int) -> None:
    year = live(seed, 20 * DAY_NS)

    assert year.faults == []
    assert year.messages > 50
    assert year.outages + year.changes


def test_the_same_seed_is_the_same_year() -> None:
    assert live(7, 5 * DAY_NS) == live(7, 5 * DAY_NS)


def test_the_audit_sees_what_is_lost_doubled_and_given_up_without_a_reason() -> None:
    gateway = Gateway(1)
    gateway.site.start()
    gateway.sent["EV"] += [b"EV 1", b"EV 2"]
    gateway.site.hub.publish(b"edge.ev.a", b"EV 1")
    gateway.site.hub.publish(b"edge.ev.a", b"EV 1")
    gateway.site.account.publish(
        b"$JS.API.STREAM.CREATE.DEAD", b'{"name":"DEAD","subjects":["DEAD.>"]}'
    )
    gateway.site.account.publish(b"DEAD.EV.ev.a", b"AL 9")

    gateway.audit()

    assert gateway.year.faults == [
        "1 of EV are doubled, first EV 1",
        "1 of EV are lost, first EV 2",
        "AL 9 is a dead letter without a reason",
    ]


def test_bounds_are_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    gateway = Gateway(1)
    gateway.site.start()
    gateway.site.link_down()
    gateway.site.store("AL", b"x" * 100, b"y" * 100)
    monkeypatch.setattr(uplink_year, "TIMERS_MAX", 0)

    gateway.check_bounds()

    assert any("timers wait" in fault for fault in gateway.year.faults)


def test_what_sleeps_wakes_again() -> None:
    before = limits.UPLINK_LAG_REFRESH_NS

    with uplink_year.stay_asleep():
        assert before < limits.UPLINK_LAG_REFRESH_NS

    assert before == limits.UPLINK_LAG_REFRESH_NS
