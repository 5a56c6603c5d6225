"""The simulated year of tests/sim/uplink_year.py, cut short; `make uplink-year` runs whole ones."""

from __future__ import annotations

import pytest

from leafnode import limits
from tests.sim import uplink_gateway, uplink_year
from tests.sim.held import held_bytes
from tests.sim.pauses import DAY_NS
from tests.sim.uplink_gateway import Gateway, Year, live


@pytest.mark.parametrize("seed", range(6))
def test_weeks_of_outages_lose_nothing_and_double_nothing(seed: int) -> None:
    year = live(seed, 20 * DAY_NS)

    assert year.faults == []
    assert year.messages > 50
    assert year.met["outages"] + year.met["subjects changed"]


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

    assert (gateway.year.lost, gateway.year.doubled) == (1, 1)
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
    monkeypatch.setattr(uplink_gateway, "TIMERS_MAX", 0)
    monkeypatch.setattr(uplink_gateway, "HELD_MAX", 1000)

    for _ in range(uplink_gateway.HELD_EVERY):
        gateway.check_bounds()

    timers, *_, held = gateway.year.faults
    assert timers.endswith("timers wait")
    assert held.endswith("bytes of memory")


def test_what_an_uplink_holds_is_neither_the_hub_nor_the_store() -> None:
    gateway = Gateway(1)
    gateway.site.start()
    gateway.check_bounds()
    before = gateway.year.held_most
    for _ in range(100):
        gateway.site.hub.publish(b"edge.other", b"x" * 10_000)
        gateway.site.local["EV"].removed.append(b"x" * 10_000)

    gateway.check_bounds()

    assert gateway.year.held_most < before + 1000


def test_memory_is_counted_once_and_wherever_it_is() -> None:
    large, other = b"x" * 100_000, b"y" * 100_000

    def of_a_function() -> bytes:
        return large

    assert 100_000 < held_bytes([large, {1: large}, of_a_function], []) < 102_000
    assert held_bytes([large, other], [other]) < 102_000


def test_a_summary_counts_what_was_met_and_a_fault_says_how_to_repeat_it(
    capsys: pytest.CaptureFixture[str],
) -> None:
    fine, bad = Year(1, messages=10), Year(7, messages=5, lost=2, faults=["2 of EV are lost"])
    fine.met["outages"] = 3

    years = uplink_year.told([(fine, 1.5), (bad, 0.5)], "again --seed {seed}", 2)
    text, failed = uplink_year.summary(years)

    assert failed == 1
    assert "2 gateways: 15 messages, 0 removed, 0 dead letters, 2 lost, 0 doubled" in text
    assert "met: 3 outages" in text
    assert "2 s of CPU, 1.0 s each; 1 with faults" in text
    said = capsys.readouterr().out
    assert said == "seed 7: 2 of EV are lost\n  again: again --seed 7\n"


def test_what_sleeps_wakes_again() -> None:
    before = limits.UPLINK_LAG_REFRESH_NS

    with uplink_gateway.stay_asleep():
        assert before < limits.UPLINK_LAG_REFRESH_NS

    assert before == limits.UPLINK_LAG_REFRESH_NS
