"""One stream's way to the hub: order, acknowledgement, lag, what status says of errors.

Truth: docs/uplink.md. The hub behaves as measured on nats-server 2.15.1.
"""

from __future__ import annotations

from dataclasses import replace

import pytest

from leafnode import limits
from leafnode.clock import NS_PER_MS, NS_PER_S
from leafnode.config.options import UplinkStream
from leafnode.uplink.status import Protection, State
from tests.sim.uplink_world import OPTIONS, World, numbers


def test_stored_messages_reach_the_hub_in_order_under_the_prefix_and_are_acknowledged() -> None:
    world = World()
    world.store(b"1", b"2")
    world.start()

    world.local.store(b"3", b"ev.b")
    world.clock.advance(NS_PER_S)

    assert world.hub.payloads() == [b"1", b"2", b"3"]
    assert world.hub.stored[3].subject == b"edge.ev.b"
    assert world.local.acks == [1, 2, 3]
    assert world.status.state is State.RUNNING
    assert world.status.protection is Protection.ASKED
    assert world.status.lag_messages == 0
    assert world.status.counters.uplinked == 3


def test_nothing_is_acknowledged_here_before_the_hub_acknowledged_it() -> None:
    world = World()
    world.hub.loses_acks = True
    world.store(b"1")
    world.uplink.start()

    world.clock.advance(4 * NS_PER_S)

    assert world.hub.payloads() == [b"1"]
    assert world.local.acks == []


def test_what_the_hub_has_shows_at_once_and_stays_while_the_link_is_down() -> None:
    world = World()
    world.start()
    world.clock.advance(limits.UPLINK_LAG_REFRESH_NS // 2)

    world.store(b"1", b"2", b"3")
    world.clock.advance(100 * NS_PER_MS)
    assert world.status.acked_seq == 3

    world.link_down()
    world.store(b"4")
    world.clock.advance(100 * NS_PER_MS)
    assert world.status.acked_seq == 3


def test_an_error_that_is_over_is_a_former_one_with_the_time_of_its_end() -> None:
    world = World()
    world.start()
    assert (world.status.last_error, world.status.former_error_ns) == ("", 0)

    world.link_down()
    assert world.status.last_error == "the link to the hub was lost"
    world.clock.advance(60 * NS_PER_S)
    assert world.status.former_error == ""

    world.link_up()
    world.clock.advance(NS_PER_S)
    assert world.status.last_error == ""
    assert world.status.former_error == "the link to the hub was lost"
    assert world.clock.wall_ns() - world.status.former_error_ns <= NS_PER_S


def test_an_error_stays_while_nothing_shows_that_it_is_over(
    caplog: pytest.LogCaptureFixture,
) -> None:
    world = World(UplinkStream(stream="EV"))
    world.start()
    world.hub.loses_acks = True
    world.store(b"1")

    world.clock.advance(OPTIONS.ack_timeout_ns + NS_PER_S)
    for _ in range(60):
        world.clock.advance(NS_PER_S)
        assert world.status.last_error == "the hub did not acknowledge in time"

    assert caplog.text.count("did not acknowledge in time") == 1


@pytest.mark.parametrize("waits_ns", [10 * NS_PER_S, 100 * NS_PER_S])
def test_a_local_stream_that_is_made_has_its_consumer_at_once(waits_ns: int) -> None:
    world = World()
    name, world.local.name = world.local.name, "NONE"
    world.start()
    world.clock.advance(waits_ns)
    assert world.status.state is State.OPENING

    world.local.name = name
    world.account.publish(b"$JS.EVENT.ADVISORY.STREAM.CREATED.EV", b"{}")
    world.clock.advance(NS_PER_S // 1000)

    assert list(world.local.consumers) == ["leafnode-uplink-EV"]


def test_a_stream_that_is_made_anew_while_offline_has_its_consumer_at_once() -> None:
    world = World()
    world.start()
    world.store(b"1")
    world.clock.advance(5 * NS_PER_S)
    world.link_down()
    world.clock.advance(120 * NS_PER_S)
    world.local.make_anew("2026-11-28T12:00:00Z")
    world.account.publish(b"$JS.EVENT.ADVISORY.STREAM.CREATED.EV", b"{}")
    world.clock.advance(NS_PER_S // 100)

    assert list(world.local.consumers) == ["leafnode-uplink-EV"]


def test_a_missing_local_stream_is_waited_for() -> None:
    world = World()
    world.local.name = "LATER"
    world.start()
    assert world.status.state is State.OPENING
    assert world.status.last_error == "stream EV: stream not found (10059)"

    world.hub.loses_answers = True
    world.local.name = "EV"
    world.store(b"1")
    while world.status.state is State.OPENING:
        world.clock.advance(NS_PER_S)
    assert world.status.former_error == "stream EV: stream not found (10059)"
    assert (world.status.last_error, world.status.problem) == ("", "")

    world.hub.loses_answers = False
    world.clock.advance(limits.UPLINK_RETRY_MAX_NS)
    assert world.hub.payloads() == [b"1"]


def test_a_consumer_that_was_deleted_is_made_anew() -> None:
    world = World()
    world.start()
    consumer = world.local.consumers.pop("leafnode-uplink-EV")
    inbox = consumer.pulls[0].inbox
    block = b"NATS/1.0 409 Consumer Deleted\r\n\r\n"

    world.account.publish(inbox, block, header_size=len(block))
    world.store(b"1")
    world.clock.advance(2 * NS_PER_S)

    assert world.hub.payloads() == [b"1"]


def test_offline_the_lag_counts_what_waits() -> None:
    world = World()
    world.start()
    world.link_down()

    world.store(*numbers(1, 300))
    world.clock.advance(limits.UPLINK_LAG_REFRESH_NS)

    assert world.status.state is State.OFFLINE
    assert world.status.lag_messages == 300
    assert world.hub.received == []


def test_a_stopped_uplink_leaves_no_timer_and_no_interest() -> None:
    world = World()
    world.start()
    world.store(b"1")

    world.uplink.stop()
    world.local.forget_pulls()
    world.clock.advance(60 * NS_PER_S)

    assert world.clock.pending() == 0
    assert not any(subject.startswith(b"_INBOX.") for subject, _ in world.account.local_interest)


def test_a_consumer_that_somebody_paused_is_named() -> None:
    world = World()
    world.start()
    consumer = world.local.consumers["leafnode-uplink-EV"]
    consumer.is_paused = True
    world.store(b"1")
    world.clock.advance(2 * limits.UPLINK_LAG_REFRESH_NS)

    assert (world.status.held, world.status.lag_messages) == ("its consumer here is paused", 1)
    assert world.status.problem == "is running: its consumer here is paused"
    consumer.is_paused = False
    world.store(b"2")
    world.clock.advance(2 * limits.UPLINK_LAG_REFRESH_NS)
    assert world.hub.payloads() == [b"1", b"2"]
    assert (world.status.held, world.status.problem) == ("", "")


def test_what_waits_of_a_stream_that_was_made_anew_is_not_sent_for_the_new_one() -> None:
    world = World(replace(OPTIONS, window_msgs=4))
    world.start()
    world.store(b"1")
    world.clock.advance(NS_PER_S)
    world.hub.refuses |= {b"2"}
    world.store(*numbers(2, 10))
    world.clock.advance(NS_PER_S)
    assert world.status.state is State.REFUSED

    world.local.make_anew("2026-02-02T00:00:00Z")
    world.store(*numbers(101, 120))
    world.clock.advance(limits.UPLINK_LAG_REFRESH_NS + 10 * NS_PER_S)

    assert set(world.hub.payloads()) >= set(numbers(101, 120))
    assert b"2" not in world.hub.payloads()
    assert (world.status.state, world.status.lag_messages) == (State.RUNNING, 0)
