"""The ledger in its bucket: read before it is written, added up over restarts."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from leafnode import limits
from leafnode.clock import NS_PER_S
from leafnode.config.options import UplinkBudget, UplinkStream
from leafnode.uplink.ledger import Line
from leafnode.uplink.ledger_store import decode, encode
from tests.sim.uplink_world import Site

if TYPE_CHECKING:
    from leafnode.uplink.status import LedgerLine

STREAM = UplinkStream(stream="EV", hub_stream="AGG", domain="hub")
BUCKET = "KV_LEAFNODE_UPLINK"
CAP = 1000  # two messages, and what the hub is asked at a start and after the first PubAck
WRITE_NS = limits.UPLINK_LEDGER_WRITE_NS


def pages(site: Site) -> dict[str, dict[str, dict[str, int]]]:
    return {
        name.decode(): json.loads(body)
        for name, _, body in site.side[BUCKET].messages
        if b".ways." not in name
    }


def line(site: Site, subject: str = "ev") -> LedgerLine | None:
    """What a subject has cost today."""
    return next((one for one in site.uplink.budget().today if one.subject == subject), None)


def test_a_day_is_written_under_the_name_of_the_uplink_and_once_for_many_messages() -> None:
    site = Site(STREAM)
    site.start()
    site.store("EV", b"1", b"2", b"3")
    site.clock.advance(WRITE_NS)
    site.clock.advance(10 * WRITE_NS)

    day = site.uplink.gate.today
    ((name, page),) = pages(site).items()
    assert name == f"$KV.LEAFNODE_UPLINK.main.{day}"
    assert page["ev"]["messages"] == 3
    assert page["ev"]["sent"] > 3 * len("edge.ev.a")
    assert len([name for name, _, _ in site.side[BUCKET].messages if b".ways." not in name]) == 1


def test_a_restart_goes_on_where_the_ledger_was() -> None:
    site = Site(STREAM)
    site.start()
    site.store("EV", b"1")
    site.clock.advance(NS_PER_S)
    before = line(site)
    assert before is not None

    site.restart()
    assert line(site) == before
    site.store("EV", b"2")
    site.clock.advance(NS_PER_S)

    after = line(site)
    assert after is not None
    assert after.messages == 2
    assert site.uplink.budget().bytes_month == site.uplink.budget().bytes_today


def test_a_cap_holds_over_a_restart() -> None:
    site = Site(STREAM, budget=UplinkBudget(monthly_cap_bytes=CAP))
    site.start()
    site.store("EV", b"1", b"2")
    site.clock.advance(NS_PER_S)
    assert site.status("EV").held == ""
    site.store("EV", b"3")
    site.clock.advance(NS_PER_S)
    assert site.status("EV").held == "monthly_cap is used up"

    site.restart()
    site.clock.advance(10 * NS_PER_S)

    assert site.status("EV").held == "monthly_cap is used up"
    assert site.hub.payloads() == [b"1", b"2"]
    site.clock.jump_wall(31 * 86_400 * NS_PER_S)
    site.clock.advance(limits.UPLINK_GATE_CHECK_NS + NS_PER_S)
    assert site.hub.payloads() == [b"1", b"2", b"3"]


@pytest.mark.parametrize("lives_ns", [NS_PER_S // 20, NS_PER_S, 20 * NS_PER_S])
def test_a_cap_holds_over_lives_that_end_without_a_last_word(lives_ns: int) -> None:
    cap, lives = 100_000, 8
    site = Site(STREAM, budget=UplinkBudget(monthly_cap_bytes=cap))
    site.hub.bytes_per_s = 50_000
    site.store("EV", *[b"%d " % number + b"x" * 500 for number in range(1000)])
    site.start()
    for _ in range(lives):
        site.clock.advance(lives_ns)
        site.restart(dies=True)
    site.clock.advance(120 * NS_PER_S)

    sent = site.uplink.budget().bytes_month
    assert sent >= cap * 9 // 10
    assert site.status("EV").held == "monthly_cap is used up"
    assert len(site.hub.received) * 600 <= cap + lives * limits.UPLINK_LEDGER_UNKEPT_BYTES * 2


@pytest.mark.parametrize("is_urgent", [False, True])
@pytest.mark.parametrize("size", [500, 100_000])
def test_what_was_sent_last_is_written_down_where_there_is_a_cap(
    size: int, is_urgent: bool
) -> None:
    options = replace(STREAM, urgent=is_urgent)
    site = Site(options, budget=UplinkBudget(monthly_cap_bytes=1_000_000))
    site.start()
    for number in range(20):
        site.store("EV", b"%d " % number + b"x" * size)
        site.clock.advance(NS_PER_S // 10)
    spent = site.uplink.budget().bytes_month
    site.uplink = site._new()  # without a last word
    site.start()

    left = site.uplink.budget().bytes_month
    assert left >= spent - 2 * limits.UPLINK_LEDGER_UNKEPT_BYTES


def test_a_cap_goes_on_in_memory_where_nothing_can_be_written() -> None:
    site = Site(STREAM, budget=UplinkBudget(monthly_cap_bytes=100_000))
    site.side_denied()
    site.store("EV", *[b"%d " % number + b"x" * 500 for number in range(1000)])
    site.start()
    site.clock.advance(60 * NS_PER_S)

    assert 90_000 <= site.uplink.budget().bytes_month <= 100_000
    assert site.status("EV").held == "monthly_cap is used up"


def test_a_clock_that_was_wrong_at_the_start_costs_no_count() -> None:
    site = Site(STREAM)
    site.start()
    site.store("EV", b"1")
    site.clock.advance(NS_PER_S)
    before = line(site)
    month = site.uplink.budget().day[:7]
    site.uplink.stop()
    back_ns = 400 * 86_400 * NS_PER_S
    site.clock.jump_wall(-back_ns)
    site.uplink = site._new()
    site.start()
    assert line(site) is None

    site.clock.jump_wall(back_ns)
    site.clock.advance(2 * WRITE_NS)

    assert site.uplink.budget().day[:7] == month
    assert line(site) == before is not None


def test_a_cap_holds_when_the_clock_is_set_after_the_start() -> None:
    site = Site(STREAM, budget=UplinkBudget(monthly_cap_bytes=CAP))
    site.start()
    site.store("EV", b"1", b"2", b"3")
    site.clock.advance(WRITE_NS)
    assert site.hub.payloads() == [b"1", b"2"]
    site.uplink.stop()
    back_ns = 300 * 86_400 * NS_PER_S
    site.clock.jump_wall(-back_ns)  # a board without a battery
    site.local["EV"].forget_pulls()
    site.uplink = site._new()
    site.hub.down()
    site.start()
    site.clock.advance(WRITE_NS // 3)

    site.clock.jump_wall(back_ns)
    site.link_up()
    site.clock.advance(NS_PER_S)

    assert site.hub.payloads() == [b"1", b"2"]
    assert site.status("EV").held == "monthly_cap is used up"


def test_a_month_that_begins_is_read_at_once_where_messages_wait_for_it() -> None:
    site = Site(STREAM, budget=UplinkBudget(monthly_cap_bytes=CAP))
    site.start()
    site.store("EV", b"1")
    site.clock.advance(NS_PER_S)

    site.clock.jump_wall(31 * 86_400 * NS_PER_S)
    site.store("EV", b"2")
    site.clock.advance(NS_PER_S)

    assert site.hub.payloads() == [b"1", b"2"]


def test_a_clock_that_is_set_while_a_month_is_read_has_the_other_one_read() -> None:
    site = Site(STREAM, budget=UplinkBudget(monthly_cap_bytes=CAP))
    site.uplink.start()
    month = site.uplink.budget().day[:7]
    site.clock.jump_wall(31 * 86_400 * NS_PER_S)
    site.store("EV", b"1")
    site.clock.advance(NS_PER_S)

    assert site.uplink.budget().day[:7] > month
    assert site.hub.payloads() == [b"1"]


def test_a_stop_writes_what_was_counted_while_the_day_was_being_written() -> None:
    site = Site(STREAM)
    site.start()
    next(iter(site.local.values())).commit_ns = 2 * WRITE_NS
    site.store("EV", b"1")
    site.clock.advance(WRITE_NS)  # its put is under way
    site.store("EV", b"2")
    site.clock.advance(NS_PER_S)
    before = line(site)
    assert before is not None
    assert before.messages == 2

    site.uplink.stop()

    day = site.uplink.budget().day
    assert pages(site)[f"$KV.LEAFNODE_UPLINK.main.{day}"]["ev"]["messages"] == 2


def test_without_a_bucket_the_ledger_is_in_memory_and_says_so() -> None:
    site = Site(STREAM, budget=UplinkBudget(monthly_cap_bytes=10_000))
    site.side_denied()
    site.start()
    site.store("EV", b"1")
    site.clock.advance(NS_PER_S)

    assert site.hub.payloads() == [b"1"]
    assert site.uplink.budget().bytes_today > 0
    assert "bucket LEAFNODE_UPLINK cannot be made" in site.uplink.budget().ledger_problem

    site.side_denied(denied=False)
    site.clock.advance(2 * WRITE_NS)
    assert site.uplink.budget().ledger_problem == ""
    assert len(pages(site)) == 1


def test_what_is_no_page_counts_nothing() -> None:
    assert decode(b"not json") == {}
    assert decode(b'{"ev": 5}') == {}
    assert decode(b'{"\xff\xfe": {"sent": 1}}') == {}
    assert decode(b'{"ev": {"sent": 7}, "al": {"sent": -5}}') == {}
    assert decode(b'{"ev": {"sent": 99999999999999999999999999}}') == {}
    assert decode(encode({"ev": Line(1, 2, 3)})) == {"ev": Line(1, 2, 3)}
