"""The streams of one uplink together: whose turn it is, what the link may carry, several hubs."""

from __future__ import annotations

import random
from dataclasses import replace
from datetime import UTC

from leafnode import limits
from leafnode.clock import NS_PER_S
from leafnode.config.options import UplinkBudget, UplinkOptions, UplinkStream
from leafnode.uplink.status import State
from leafnode.uplink.uplink import Edge, Uplink
from leafnode.uplink.window import Entry
from tests.sim.hub import FakeHub
from tests.sim.uplink_world import Site, World, numbers

BULK = UplinkStream(stream="EV", hub_stream="AGG", domain="hub")
ALARMS = UplinkStream(stream="AL", hub_stream="AGG", domain="hub", priority=0)


def test_alarms_go_before_a_backlog_on_a_slow_link() -> None:
    site = Site(BULK, ALARMS)
    site.start()
    site.link_down()
    site.store("EV", *[b"x" * 1000] * 300)
    site.store("AL", *numbers(1, 20))
    site.hub.bytes_per_s = 5000
    site.clock.advance(60 * NS_PER_S)

    site.link_up()
    site.clock.advance(20 * NS_PER_S)

    assert site.hub.payloads()[:20] == numbers(1, 20)
    site.store("AL", b"21")
    site.clock.advance(4 * NS_PER_S)
    assert b"21" in site.hub.payloads()
    assert len(site.hub.payloads()) < 200
    site.clock.advance(200 * NS_PER_S)
    assert len(site.hub.payloads()) == 321
    assert site.status("EV").counters.resent == 0


def test_an_alarm_stream_that_is_refused_does_not_hold_the_others() -> None:
    site = Site(BULK, ALARMS)
    site.start()
    site.hub.refuses.add(b"alarm")

    site.store("AL", b"alarm")
    site.store("EV", b"1")
    site.clock.advance(NS_PER_S)

    assert site.status("AL").state is State.REFUSED
    assert site.hub.payloads() == [b"1"]


def test_a_stream_whose_question_nobody_answers_holds_the_others_for_a_moment_alone() -> None:
    """As when the hub's stream is without a leader; the others' may have one."""
    site = Site(BULK, replace(ALARMS, hub_stream="LEADERLESS"))
    site.hub.silent_streams.add("LEADERLESS")
    site.start()
    site.store("AL", b"alarm")
    site.link_down()
    site.link_up()

    site.store("EV", b"1")
    site.clock.advance(NS_PER_S)
    assert site.hub.payloads() == []
    site.clock.advance(NS_PER_S)

    assert site.hub.payloads() == [b"1"]
    assert site.status("AL").state is State.ASKING
    for number in range(2, 60):
        site.store("EV", b"%d" % number)
        site.clock.advance(NS_PER_S)
        assert b"%d" % number in site.hub.payloads()


def test_a_stream_whose_hub_stood_still_holds_the_others_no_longer_than_for_a_moment() -> None:
    site = Site(BULK, ALARMS)
    site.start()
    site.store("AL", b"0")
    site.clock.advance(NS_PER_S)
    site.hub.queue_ns = 15 * NS_PER_S
    site.store("AL", b"1", b"2")
    site.clock.advance(NS_PER_S)
    site.link_down()
    site.link_up()
    site.store("EV", b"reading")
    site.clock.advance(2 * NS_PER_S)

    assert site.status("AL").state is State.ASKING
    assert site.status("EV").in_flight == 1


def test_equal_streams_share_the_link() -> None:
    other = UplinkStream(stream="XY", hub_stream="AGG", domain="hub")
    site = Site(BULK, other)
    site.start()
    site.link_down()
    site.store("EV", *[b"e" * 500] * 200)
    site.store("XY", *[b"x" * 500] * 200)
    site.hub.bytes_per_s = 20_000
    site.clock.advance(10 * NS_PER_S)

    site.link_up()
    site.clock.advance(6 * NS_PER_S)

    arrived = [payload[:1] for payload in site.hub.payloads()]
    assert 50 < len(arrived) < 390
    assert abs(arrived.count(b"e") - arrived.count(b"x")) <= 40


def test_an_urgent_stream_whose_messages_the_hub_has_holds_nobody_after_a_restart() -> None:
    """Newest first it does not know what waits before the hub's word."""
    urgent = UplinkStream(
        stream="EV", hub_stream="AGG", domain="hub", priority=0, newest_first=True
    )
    other = UplinkStream(stream="XY", hub_stream="AGG", domain="hub", priority=5)
    site = Site(urgent, other)
    site.start()
    site.store("EV", *[b"e"] * 20)
    site.clock.advance(5 * NS_PER_S)
    assert site.status("EV").lag_messages == 0

    site.uplink.stop()
    site.store("XY", b"x")
    site.restart()
    site.clock.advance(4 * NS_PER_S)

    assert site.hub.payloads()[-1] == b"x"
    assert site.status("XY").held == ""


def test_what_went_out_of_an_urgent_stream_unsent_holds_nobody_any_more() -> None:
    urgent, other = (
        UplinkStream(stream="EV", hub_stream="AGG", domain="hub", priority=0, window_msgs=4),
        UplinkStream(stream="XY", hub_stream="AGG", domain="hub", priority=5),
    )
    site = Site(urgent, other)
    site.start()
    # A message says that ten more wait behind it, and they age.
    site.uplink._streams[0]._flight.take(Entry(1, b"ev.a", 0, b"e", b"", 0), 10)
    site.store("XY", b"x")
    site.clock.advance(limits.UPLINK_LAG_REFRESH_NS // 2)
    assert site.status("XY").held == "a more urgent stream goes first"

    site.clock.advance(limits.UPLINK_LAG_REFRESH_NS)

    assert site.status("XY").held == ""
    assert site.hub.payloads()[-1] == b"x"


def test_the_rate_is_kept_over_all_streams() -> None:
    site = Site(BULK, ALARMS, budget=UplinkBudget(max_rate_bytes=1000))
    site.start()
    site.store("EV", *[b"x" * 100] * 100)
    site.store("AL", *[b"x" * 100] * 100)

    site.clock.advance(10 * NS_PER_S)

    asked, *sent = site.uplink.budget().today
    assert asked.subject == "(questions)"
    assert sum(line.sent for line in sent) <= 1000 * 11
    assert 30 < len(site.hub.payloads()) < 70
    assert site.status("EV").held


def test_send_windows_and_coalescing_hold_and_no_message_is_pulled_again_meanwhile() -> None:
    site = Site(BULK, budget=UplinkBudget(coalesce_ns=3600 * NS_PER_S))
    site.start()
    for number in numbers(1, 10):
        site.store("EV", number)
        site.clock.advance(60 * NS_PER_S)
    assert site.status("EV").held == "coalescing"
    assert site.hub.payloads() == []
    assert site.local["EV"].consumers["leafnode-uplink-EV"].count < 60

    site.clock.advance(3600 * NS_PER_S)

    assert site.hub.payloads() == numbers(1, 10)


def test_enough_bytes_end_the_coalescing() -> None:
    budget = UplinkBudget(coalesce_ns=3600 * NS_PER_S, coalesce_bytes=10_000)
    site = Site(BULK, budget=budget)
    site.start()

    site.store("EV", *[b"x" * 1000] * 9)
    site.clock.advance(60 * NS_PER_S)
    assert site.hub.payloads() == []
    site.store("EV", *[b"x" * 1000] * 3)
    site.clock.advance(60 * NS_PER_S)

    assert len(site.hub.payloads()) == 12


def test_the_lag_is_in_messages_bytes_and_seconds() -> None:
    site = Site(BULK)
    site.start()
    site.link_down()
    site.restart()

    site.store("EV", *[b"x" * 96] * 1000)
    site.clock.advance(60 * NS_PER_S)

    status = site.status("EV")
    assert status.state is State.OFFLINE
    assert status.lag_messages == 1000
    assert status.lag_bytes == 100_000
    assert status.lag_seconds == 60


def test_a_transform_changes_the_subject_on_the_way_and_a_resume_finds_it() -> None:
    transforms = (("ev.*", "reading.{{wildcard(1)}}"),)
    world = World(
        UplinkStream(stream="EV", hub_stream="AGG", domain="hub", subject_transforms=transforms)
    )
    world.start()
    world.hub.loses_acks = True
    world.store(b"1")
    world.clock.advance(NS_PER_S)
    assert world.hub.stored[1].subject == b"edge.reading.a"
    world.link_down()
    world.clock.advance(3600 * NS_PER_S)
    world.hub.loses_acks = False

    world.link_up()
    world.clock.advance(NS_PER_S)

    assert world.hub.payloads() == [b"1"]
    assert {"last_by_subj": "edge.reading.*"} in world.hub.questions
    assert world.pending == []


def test_a_stream_goes_to_two_hubs_by_two_uplinks_with_names() -> None:
    site = Site(BULK)
    copy = UplinkStream(stream="EV", hub_stream="COPY", domain="two", subject_prefix="copy.")
    other = FakeHub(site.account, site.clock, domain="two", stream="COPY", subjects=(b"copy.>",))
    second = Uplink(
        UplinkOptions(streams=(copy,), name="second"),
        edge=Edge(site.account, "edge", lambda _stream: {"", "second"}),
        zone=UTC,
        clock=site.clock,
        random=random.Random(2),
        link=other,
    )
    site.others.add("second")
    site.start()
    second.start()
    site.clock.advance(NS_PER_S)
    assert list(site.local["EV"].consumers) == ["leafnode-uplink-EV", "leafnode-uplink-second-EV"]

    other.down()
    second.link_changed()
    site.store("EV", b"1")
    site.clock.advance(NS_PER_S)
    assert (site.hub.payloads(), other.payloads()) == ([b"1"], [])
    other.up()
    second.link_changed()
    site.clock.advance(NS_PER_S)

    assert other.payloads() == [b"1"]
    assert other.stored[1].subject == b"copy.ev.a"
    second.stop()
    site.uplink.stop()
    assert [status.state for status in site.uplink.status()] == [State.STOPPED]


def test_a_stopped_uplink_leaves_no_timer() -> None:
    site = Site(BULK, ALARMS, budget=UplinkBudget(max_rate_bytes=10))
    site.start()
    site.store("EV", *numbers(1, 10))
    site.clock.advance(NS_PER_S)

    site.uplink.stop()
    for local in site.local.values():
        local.forget_pulls()
    site.clock.advance(60 * NS_PER_S)

    assert site.clock.pending() == 0


def test_a_stream_whose_consumer_is_paused_lets_the_others_go() -> None:
    """It has the better priority, and nothing of it comes."""
    site = Site(
        UplinkStream("EV", "AGG", "hub", priority=0),
        UplinkStream("AL", "AGG", "hub", priority=5, urgent=True),
        UplinkStream("MI", "AGG", "hub", priority=5),
    )
    site.start()
    site.local["EV"].consumers["leafnode-uplink-EV"].is_paused = True
    site.store("EV", b"reading")
    site.clock.advance(2 * limits.UPLINK_LAG_REFRESH_NS)
    site.store("AL", b"alarm")
    site.store("MI", b"copy")
    site.clock.advance(2 * limits.UPLINK_LAG_REFRESH_NS)

    assert set(site.hub.payloads()) == {b"alarm", b"copy"}
