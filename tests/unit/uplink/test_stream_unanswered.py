"""A hub that never answers some messages: its stream does not take them, and a subscriber does.

Truth: docs/uplink.md, "What the hub never answers"; the hub as nats-server 2.15.1, measured.
"""

from __future__ import annotations

from dataclasses import replace

import pytest

from leafnode import limits
from leafnode.clock import NS_PER_S
from leafnode.config.options import UplinkStream
from leafnode.protocol import header
from leafnode.uplink.status import State
from tests.sim.uplink_world import OPTIONS, World, numbers

SILENT = b"edge.ev.b"
LONG_NS = 4 * limits.UPLINK_SILENT_NS
NEWEST_FIRST = replace(OPTIONS, newest_first=True)
PROBLEM = (
    "the hub does not have sequence 2 and does not answer it, though it answers others: "
    "does stream AGG take edge.ev.b?"
)


def world_of(options: UplinkStream = OPTIONS, *, dead_letter: str = "DEAD") -> World:
    """One message is through before the hub's stream is edited."""
    world = World(options, dead_letter=dead_letter)
    world.start()
    world.store(b"0")
    world.clock.advance(5 * NS_PER_S)
    assert world.hub.payloads() == [b"0"]
    world.hub.swallows.add(SILENT)
    return world


def feed(world: World, first: int, last: int) -> None:
    """Store one a second."""
    for number in range(first, last + 1):
        world.store(b"%d" % number)
        world.clock.advance(NS_PER_S)


@pytest.mark.parametrize("options", [OPTIONS, NEWEST_FIRST])
def test_one_that_is_never_answered_is_a_dead_letter_and_the_rest_goes_on(
    options: UplinkStream, caplog: pytest.LogCaptureFixture
) -> None:
    world = world_of(options)

    world.store(b"x", subject=b"ev.b")
    feed(world, 1, 150)

    assert world.status.counters.dead_letters == 1
    assert sorted(world.hub.payloads(), key=int) == numbers(0, 150)
    assert (world.status.lag_messages, world.status.problem) == (0, "")
    assert caplog.text.count("never answered: stream=EV seq=2 subject=edge.ev.b") == 1
    assert PROBLEM in caplog.text
    assert len(caplog.records) < 10


def test_one_that_is_the_first_of_its_stream_is_a_dead_letter_too() -> None:
    world = World(dead_letter="DEAD")
    world.start()
    world.hub.swallows.add(SILENT)

    world.store(b"x", subject=b"ev.b")
    feed(world, 1, 150)

    assert world.status.counters.dead_letters == 1
    assert world.hub.payloads() == numbers(1, 150)
    assert (world.status.lag_messages, world.status.problem) == (0, "")


def test_a_first_one_and_a_window_full_of_them_block_nobody() -> None:
    world = World(dead_letter="DEAD")
    world.start()
    world.hub.swallows.add(SILENT)

    world.store(b"x", subject=b"ev.b")
    world.store(b"0")
    world.clock.advance(NS_PER_S)
    world.store(*[b"x"] * 300, subject=b"ev.b")
    feed(world, 1, 300)

    assert world.status.counters.dead_letters == 301
    assert world.hub.payloads() == numbers(0, 300)
    assert world.status.lag_messages == 0


def test_the_dead_letter_says_why_and_under_which_subject() -> None:
    world = world_of()

    world.store(b"x", subject=b"ev.b")
    world.clock.advance(LONG_NS)

    _, block, payload = world.local.side["DEAD"].messages[0]
    assert payload == b"x"
    reason = header.get(block, b"Leafnode-Refused")
    assert reason == b"the hub never answered, though it answers others"
    assert header.get(block, b"Leafnode-Upstream-Subject") == SILENT


def test_a_window_full_of_them_blocks_nobody() -> None:
    world = world_of()

    world.store(*[b"x"] * 600, subject=b"ev.b")
    feed(world, 1, 500)

    assert world.status.counters.dead_letters == 600
    assert world.hub.payloads() == numbers(0, 500)
    assert world.status.lag_messages == 0


def test_what_comes_of_such_a_subject_later_costs_the_others_little() -> None:
    world = world_of()
    for number in range(1, 601):
        world.store(b"x", subject=b"ev.b")
        feed(world, number, number)

    assert world.hub.payloads() == numbers(0, 600)
    assert world.status.counters.dead_letters > 550
    cuts = world.status.counters.cuts
    for number in range(601, 701):
        world.store(b"x", subject=b"ev.b")
        feed(world, number, number)
    assert world.status.counters.cuts - cuts < 10


@pytest.mark.parametrize("options", [OPTIONS, NEWEST_FIRST])
def test_without_dead_letters_it_is_held_and_so_is_what_comes_behind(options: UplinkStream) -> None:
    world = world_of(options, dead_letter="")
    world.store(b"x", subject=b"ev.b")
    feed(world, 1, 150)
    there = world.hub.payloads()
    assert 50 < len(there) < 140

    feed(world, 151, 400)

    assert world.hub.payloads() == there
    assert world.status.problem.endswith(PROBLEM)
    assert world.status.last_error == PROBLEM
    world.hub.swallows.clear()
    world.clock.advance(2 * limits.UPLINK_RETRY_MAX_NS)
    found = world.hub.payloads()
    assert found[: len(there) + 1] == [*there, b"x"]
    assert sorted(set(found) - {b"x"}, key=int) == numbers(0, 400)
    assert len(found) == 402
    assert (world.status.state, world.status.problem) == (State.RUNNING, "")
    assert world.status.former_error == PROBLEM


def test_while_it_is_held_nothing_wakes_what_is_behind_it() -> None:
    world = world_of(dead_letter="")
    world.store(b"x", subject=b"ev.b")
    feed(world, 1, 200)
    there = world.hub.payloads()
    assert len(there) < 200

    for _ in range(100):
        world.uplink._flight.wake()
        world.clock.advance(NS_PER_S)

    assert world.hub.payloads() == there


@pytest.mark.parametrize("dead_letter", ["", "DEAD"])
@pytest.mark.parametrize("seconds", [10, 200])
def test_one_that_is_deleted_here_is_not_sent_any_more(seconds: int, dead_letter: str) -> None:
    world = world_of(dead_letter=dead_letter)
    world.store(b"x", subject=b"ev.b")
    world.clock.advance(seconds * NS_PER_S)
    if dead_letter and seconds > 100:
        assert world.status.counters.dead_letters == 1
        return

    world.local.delete(2)
    world.clock.advance(LONG_NS)
    world.store(b"1")
    world.clock.advance(NS_PER_S)

    assert world.hub.payloads() == numbers(0, 1)
    status = world.status
    assert (status.counters.removed, status.counters.dead_letters) == (1, 0)
    assert (status.lag_messages, status.problem) == (0, "")


def test_a_stream_that_takes_nothing_any_more_is_waited_for_and_told() -> None:
    """Nothing is answered, so a dead letter would be a guess: it may be slow."""
    world = world_of()
    world.hub.swallows.add(b"edge.ev.a")

    feed(world, 1, 11)
    slow = "has not worked off what was sent to its stream, or AGG does not take edge.ev.a"
    assert slow in world.status.problem
    feed(world, 12, 900)

    told = (
        "the hub does not have sequence 2 and does not answer it: does stream AGG take edge.ev.a?"
    )
    assert world.status.problem.endswith(told)
    assert world.hub.payloads() == [b"0"]
    assert world.status.counters.dead_letters == 0
    world.hub.swallows.clear()
    world.clock.advance(2 * limits.UPLINK_RETRY_MAX_NS)
    assert world.hub.payloads() == numbers(0, 900)
    assert (world.status.lag_messages, world.status.problem) == (0, "")


def test_after_a_start_it_is_told_as_soon_as_the_hub_says_that_it_does_not_have_it() -> None:
    world = World()
    world.hub.swallows.add(b"edge.ev.a")
    world.store(b"1")
    world.start()

    world.clock.advance(OPTIONS.ack_timeout_ns + 5 * NS_PER_S)

    assert "does stream AGG take edge.ev.a?" in world.status.problem


def test_a_hub_that_takes_it_again_has_it_once_and_the_subject_is_as_all_others() -> None:
    world = world_of()
    world.store(b"x", subject=b"ev.b")
    world.clock.advance(LONG_NS)
    assert world.status.counters.dead_letters == 1
    world.hub.swallows.clear()
    world.store(b"1", subject=b"ev.b")
    world.clock.advance(NS_PER_S)
    assert world.hub.payloads() == numbers(0, 1)

    world.hub.swallows.add(SILENT)
    world.store(b"y", subject=b"ev.b")
    feed(world, 2, 40)

    assert world.status.counters.dead_letters == 1


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


def feed_by_breaking_links(world: World, gap: int) -> None:
    """Store one a second; the link breaks after each `gap`."""
    for number in range(1, 601):
        feed(world, number, number)
        if number % gap == 0:
            world.link_down()
            world.link_up()
    assert world.hub.payloads() == numbers(0, 600)


@pytest.mark.parametrize(("gap", "count"), [(7, 255), (20, 300), (60, 1), (60, 255), (60, 300)])
def test_a_link_that_breaks_again_and_again_ends_it_all_the_same(gap: int, count: int) -> None:
    world = world_of()
    world.store(*[b"x"] * count, subject=b"ev.b")

    feed_by_breaking_links(world, gap)

    assert world.status.counters.dead_letters == count
    assert world.status.counters.resent < 8 * count + 40


@pytest.mark.parametrize("gap", [7, 20])
def test_one_of_which_no_link_lives_to_hear_waits_and_holds_nobody_up(gap: int) -> None:
    world = world_of()
    world.store(b"x", subject=b"ev.b")

    feed_by_breaking_links(world, gap)

    assert world.status.lag_messages == 1
    assert world.status.counters.resent < 600 // gap + 10


def test_one_that_is_no_dead_letter_because_those_are_full_is_held() -> None:
    world = world_of()
    world.local.denies_streams = True
    world.store(b"x", subject=b"ev.b")
    feed(world, 1, 400)

    assert world.status.counters.dead_letters == 0
    assert world.status.lag_messages > 100
    world.local.denies_streams = False
    world.clock.advance(LONG_NS)

    assert world.status.counters.dead_letters == 1
    assert world.hub.payloads() == numbers(0, 400)
    assert (world.status.lag_messages, world.status.problem) == (0, "")


def test_where_the_hub_cannot_be_asked_nothing_is_given_up() -> None:
    world = world_of(UplinkStream("EV", "", "", subject_prefix="edge."))
    world.store(b"x", subject=b"ev.b")

    feed(world, 1, 300)

    assert world.status.counters.dead_letters == 0
    assert world.status.lag_messages > 0
