"""When a message that the hub never answers is judged: no sending of it can be stored any more.

Truth: docs/uplink.md, "What the hub never answers".
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from leafnode import limits
from leafnode.clock import NS_PER_MS, NS_PER_S
from tests.sim.hub import hold
from tests.sim.silent_hub import LONG_NS, NEWEST_FIRST, feed, world_of
from tests.sim.uplink_world import OPTIONS, World, numbers

if TYPE_CHECKING:
    from leafnode.config.options import UplinkStream


def test_what_the_hub_s_leader_has_proposed_and_not_committed_is_no_dead_letter() -> None:
    """It refuses what is sent to ask whether it is done, and stores the message later, or not."""
    world = world_of()
    world.store(b"x", subject=b"ev.b")
    world.clock.advance(LONG_NS)
    assert world.status.counters.dead_letters == 1
    world.hub.swallows.clear()
    world.hub.loses = [b"1"]

    world.store(b"1", subject=b"ev.b")
    world.clock.advance(LONG_NS)

    assert world.hub.payloads() == numbers(0, 1)
    assert world.status.counters.dead_letters == 1


def test_a_link_that_breaks_again_and_again_makes_no_dead_letters() -> None:
    world = world_of()
    world.hub.swallows.clear()
    for number in range(1, 40):
        world.hub.loses_acks = True
        world.hub.loses = [b"%d" % number]
        world.store(b"%d" % number)
        world.clock.advance(OPTIONS.ack_timeout_ns + NS_PER_S // 10)
        world.hub.loses_acks = False
        world.link_down()
        world.clock.advance(NS_PER_S)
        world.link_up()
        world.clock.advance(NS_PER_S)

    assert world.status.counters.dead_letters == 0
    assert world.hub.payloads() == numbers(0, 39)


def test_what_a_dead_link_was_given_is_no_dead_letter_before_it_cannot_arrive() -> None:
    world = world_of()
    world.store(b"x", subject=b"ev.b")
    world.clock.advance(limits.UPLINK_SILENT_NS - NS_PER_S)
    assert world.status.counters.dead_letters == 0
    for _ in range(3):
        world.link_down()
        world.link_up()
        world.clock.advance(NS_PER_S)

    world.clock.advance(limits.UPLINK_ADRIFT_NS - 2 * NS_PER_S)
    assert world.status.counters.dead_letters == 0
    world.clock.advance(LONG_NS)

    assert world.status.counters.dead_letters == 1


@pytest.mark.parametrize("options", [OPTIONS, NEWEST_FIRST])
@pytest.mark.parametrize("queue_s", [0, 19])
@pytest.mark.parametrize("seconds", range(30, 130, 4))
def test_what_a_leader_without_followers_was_given_last_is_no_dead_letter_and_stored(
    seconds: int, queue_s: int, options: UplinkStream
) -> None:
    """The subject is taken again when all but the last sending has proved that it never is, and the
    stream's queue stands still for a while, too.
    """
    world = world_of(options)
    world.store(b"x", subject=b"ev.b")
    feed(world, 1, seconds)
    world.hub.queue_ns = queue_s * NS_PER_S
    world.hub.swallows.clear()
    world.hub.is_alone = True

    world.clock.advance(queue_s * NS_PER_S)
    world.hub.queue_ns = 0
    world.clock.advance(19 * NS_PER_S)
    world.hub.commit()
    world.clock.advance(LONG_NS)

    dead = world.status.counters.dead_letters
    assert world.hub.payloads().count(b"x") + dead == 1
    assert sorted(set(world.hub.payloads()) - {b"x"}, key=int) == numbers(0, seconds)
    assert world.status.lag_messages == 0


def wait_for_verdict(world: World) -> None:
    """Let time pass until one is not sent again before it is judged."""
    for _ in range(200):
        world.clock.advance(NS_PER_S)
        if any(entry.is_awaited for entry in world.uplink._flight.window):
            return
    raise AssertionError("nothing is proved")


@pytest.mark.parametrize("options", [OPTIONS, NEWEST_FIRST])
def test_one_is_tried_once_more_when_its_subject_is_taken_again_before_the_verdict(
    options: UplinkStream,
) -> None:
    world = world_of(options)
    world.store(b"x", subject=b"ev.b")
    wait_for_verdict(world)

    world.hub.swallows.clear()
    world.store(b"1", subject=b"ev.b")
    world.clock.advance(LONG_NS)

    assert sorted(world.hub.payloads()) == [b"0", b"1", b"x"]
    assert world.status.counters.dead_letters == 0


def test_an_answer_that_comes_before_the_verdict_is_one(caplog: pytest.LogCaptureFixture) -> None:
    world = world_of()
    world.hub.swallows.clear()
    held = hold(world.hub, b"x", sendings=100)
    world.store(b"x", subject=b"ev.b")
    world.clock.advance(limits.UPLINK_SILENT_NS // 2)
    world.uplink._flight.unanswered._answers[b"edge.ev.b"].missed = 9  # as far as is known
    wait_for_verdict(world)

    held[-1]()
    world.clock.advance(LONG_NS)

    assert world.hub.payloads() == [b"0", b"x"]
    assert (world.status.lag_messages, world.status.last_error) == (0, "")
    assert "gives up" not in caplog.text
    assert "problem=\n" not in caplog.text


@pytest.mark.parametrize("seconds", range(0, 150, 15))
def test_a_word_that_took_long_is_of_the_time_when_the_hub_was_asked(seconds: int) -> None:
    """The newest message of a stream that others have, too, may be large, and the link slow."""
    world = world_of()
    world.hub.publish(b"other.big", b"z" * 40_000)
    world.store(b"x", subject=b"ev.b")
    world.clock.advance(NS_PER_S)
    world.hub.answers_per_s = 5000
    world.clock.advance(seconds * NS_PER_S)
    world.hub.swallows.clear()
    world.hub.is_alone = True
    world.clock.advance(40 * NS_PER_S)

    world.hub.loses_acks = True
    world.hub.commit()
    world.hub.loses_acks = False
    world.clock.advance(2 * LONG_NS)

    dead = world.status.counters.dead_letters
    assert world.hub.payloads().count(b"x") + dead == 1


@pytest.mark.parametrize("seconds", [15, 25, 40])
def test_what_a_link_that_is_gone_was_given_first_may_arrive_too(seconds: int) -> None:
    world = world_of()
    world.store(b"x", subject=b"ev.b")
    feed(world, 1, 200)
    assert world.status.counters.dead_letters == 1
    world.hub.queue_ns = seconds * NS_PER_S
    world.store(b"y", subject=b"ev.b")
    world.clock.advance(NS_PER_S // 2)
    world.hub.queue_ns = 0
    world.link_down()
    world.link_up()

    feed(world, 201, 199 + seconds)
    world.hub.swallows.clear()
    world.clock.advance(LONG_NS)

    assert world.hub.payloads().count(b"y") == 1
    assert world.status.counters.dead_letters == 1


@pytest.mark.parametrize("rtt_ms", [450, 700, 2500])
def test_over_a_link_that_goes_by_a_satellite_it_is_proved_too(rtt_ms: int) -> None:
    """The hub is asked before what is sent to ask it is back."""
    world = world_of()
    world.hub.rtt_ns = rtt_ms * NS_PER_MS
    world.store(b"x", subject=b"ev.b")

    feed(world, 1, 300)

    assert world.status.counters.dead_letters == 1
    world.clock.advance(10 * NS_PER_S)
    assert world.hub.payloads() == numbers(0, 300)


def feed_by_breaking_links(world: World, gap: int) -> None:
    """Store one a second; the link breaks after each `gap`."""
    for number in range(1, 601):
        feed(world, number, number)
        if number % gap == 0:
            world.link_down()
            world.link_up()
    assert world.hub.payloads() == numbers(0, 600)


@pytest.mark.parametrize(
    ("gap", "count"), [(7, 1), (7, 255), (20, 1), (20, 300), (60, 1), (60, 255), (60, 300)]
)
def test_a_link_that_breaks_again_and_again_ends_it_all_the_same(gap: int, count: int) -> None:
    world = world_of()
    world.store(*[b"x"] * count, subject=b"ev.b")

    feed_by_breaking_links(world, gap)

    assert world.status.counters.dead_letters == count
    assert world.status.counters.resent < 8 * count + 40
    assert len(world.hub.questions) < 4000
