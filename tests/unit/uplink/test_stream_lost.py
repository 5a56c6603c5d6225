"""A hub that loses a message and goes on, as one whose leader died or that was given replicas.

Truth: docs/uplink.md, "When the hub loses messages".
"""

from __future__ import annotations

from dataclasses import replace
from unittest.mock import ANY

import pytest

from leafnode import limits
from leafnode.clock import NS_PER_MS, NS_PER_S
from leafnode.config.options import UplinkStream
from leafnode.uplink.position import Latest
from leafnode.uplink.status import Protection, State
from tests.sim.hub import RTT_NS
from tests.sim.uplink_world import OPTIONS, OUTAGE_NS, World, numbers


def feed(world: World, first: int, last: int, *, every_ns: int = 5 * NS_PER_MS) -> None:
    for number in range(first, last + 1):
        world.store(b"%d" % number)
        world.clock.advance(every_ns)


def behind(payloads: list[bytes], lost: bytes) -> int:
    """Return how many later messages are stored before that one."""
    return sum(int(one) > int(lost) for one in payloads[: payloads.index(lost)])


def test_what_was_acknowledged_behind_what_came_last_is_not_lost() -> None:
    """One that was not taken for a while is acknowledged behind later ones."""
    world = World()
    world.start()
    for subject in (b"ev.b", b"ev.c", b"ev.a"):
        world.store(b"0", subject=subject)
        world.clock.advance(NS_PER_S)
    world.hub.swallows = {b"edge.ev.b", b"edge.ev.c"}
    world.store(b"b", subject=b"ev.b")
    world.store(b"c", subject=b"ev.c")
    world.store(*numbers(1, 20))
    world.clock.advance(2 * NS_PER_S)
    world.hub.swallows = {b"edge.ev.b"}
    for _ in range(400):
        world.clock.advance(NS_PER_S // 10)
        if b"c" in world.hub.payloads():
            break
    world.clock.advance(NS_PER_S // 10)
    assert world.uplink._flight.latest == Latest(5, 24, b"edge.ev.c", ANY)

    world.link_down()
    world.link_up()
    world.clock.advance(3 * NS_PER_S)

    assert "lost messages" not in world.status.problem + world.status.last_error


@pytest.mark.parametrize("every_ns", [NS_PER_MS, 5 * NS_PER_MS])
def test_what_the_hub_lost_is_sent_again_before_anything_new(every_ns: int) -> None:
    world = World()
    world.start()
    world.hub.loses = [b"50"]

    feed(world, 1, 400, every_ns=every_ns)
    world.clock.advance(3 * NS_PER_S)

    assert sorted(world.hub.payloads(), key=int) == numbers(1, 400)
    assert behind(world.hub.payloads(), b"50") <= RTT_NS // every_ns + 1
    assert (world.status.counters.cuts, world.status.counters.duplicates) == (1, 0)
    assert world.status.former_error == "the hub lost sequence 50: it acknowledged a later one"


def test_several_in_a_row_come_again_in_their_order() -> None:
    world = World()
    world.start()
    world.hub.loses = numbers(50, 61)

    feed(world, 1, 400)
    world.clock.advance(3 * NS_PER_S)

    payloads = world.hub.payloads()
    assert sorted(payloads, key=int) == numbers(1, 400)
    rest = payloads[payloads.index(b"50") :]
    assert rest == sorted(rest, key=int)
    assert behind(payloads, b"50") <= RTT_NS // (5 * NS_PER_MS) + 1


def test_an_answer_that_comes_a_little_late_cuts_nothing_and_holds_what_is_new() -> None:
    world = World()
    world.start()
    world.hub.queue_ns = 2 * RTT_NS + limits.UPLINK_LOST_NS // 2  # as by a former leader
    world.store(b"1")
    world.clock.advance(15 * NS_PER_MS)
    world.hub.queue_ns = 0
    world.store(b"2")
    world.clock.advance(RTT_NS + NS_PER_MS)

    world.store(b"3")
    world.clock.advance(RTT_NS)
    assert world.hub.payloads() == [b"2"]
    world.clock.advance(limits.UPLINK_LOST_NS)

    assert world.hub.payloads() == [b"2", b"1", b"3"]
    assert (world.status.counters.cuts, world.status.counters.resent) == (0, 0)


def test_a_duplicate_that_is_told_at_once_is_no_loss_of_those_before_it() -> None:
    world = World()
    world.start()
    world.hub.queue_ns = 100 * NS_PER_MS
    world.store(*numbers(1, 3))
    world.clock.advance(15 * NS_PER_MS)
    world.account.publish(
        world.uplink._mailbox.address(b"p", b"3"),
        b'{"stream":"AGG","domain":"hub","seq":9,"duplicate":true}',
        origin=world.hub.peer,
    )
    world.hub.queue_ns = 0
    world.store(b"4")
    world.clock.advance(RTT_NS // 2)

    assert world.hub.payloads() == [b"4"]


def test_with_a_window_of_one_message_nothing_passes_what_the_hub_lost() -> None:
    world = World(UplinkStream(stream="EV", hub_stream="AGG", domain="hub", window_msgs=1))
    world.start()
    world.hub.loses = [b"20"]

    feed(world, 1, 60, every_ns=2 * RTT_NS)
    world.clock.advance(60 * NS_PER_S)

    assert world.hub.payloads() == numbers(1, 60)


def test_what_is_lost_again_and_again_holds_nobody_for_ever() -> None:
    """As a subject that the hub's stream does not take, and a subscriber there does."""
    world = World()
    world.start()
    world.hub.loses = [b"5"] * 1000

    feed(world, 1, 200, every_ns=100 * NS_PER_MS)

    assert len(world.hub.payloads()) > 190
    assert world.status.counters.cuts == limits.UPLINK_LOST_TIMES


def test_a_link_that_was_cut_before_does_not_count_as_a_loss() -> None:
    world = World()
    world.start()
    world.store(b"0")
    for _ in range(limits.UPLINK_LOST_TIMES + 1):
        world.clock.advance(5 * NS_PER_MS)
        assert world.status.in_flight == 1
        world.link_down()
        world.clock.advance(100 * NS_PER_MS)
        world.link_up()
        while not world.status.in_flight:
            world.clock.advance(NS_PER_MS)
    world.hub.loses = [b"0"]

    feed(world, 1, 200)
    world.clock.advance(3 * NS_PER_S)

    assert behind(world.hub.payloads(), b"0") <= RTT_NS // (5 * NS_PER_MS) + 1


def test_newest_first_what_the_hub_lost_comes_again_soon() -> None:
    options = UplinkStream(stream="EV", hub_stream="AGG", domain="hub", newest_first=True)
    world = World(options)
    world.start()
    world.hub.loses = [b"50"]

    feed(world, 1, 400)
    world.clock.advance(3 * NS_PER_S)

    assert sorted(world.hub.payloads(), key=int) == numbers(1, 400)
    assert world.status.counters.duplicates == 0
    assert world.status.counters.cuts == 1


@pytest.mark.parametrize("newest_first", [False, True])
def test_what_is_acknowledged_while_the_hub_is_asked_is_neither_lost_nor_sent_again(
    newest_first: bool,
) -> None:
    world = World(UplinkStream("EV", "AGG", "hub", newest_first=newest_first))
    world.start()
    world.store(b"1")
    world.clock.advance(NS_PER_S)
    world.hub.queue_ns = 15 * NS_PER_S
    world.store(b"2")
    world.clock.advance(NS_PER_S)
    world.hub.queue_ns = 90 * NS_PER_S  # what is sent to see whether it is worked off
    world.clock.advance(12 * NS_PER_S)
    assert world.status.state is State.ASKING

    world.clock.advance(40 * NS_PER_S)

    assert (world.status.state, world.status.counters.uplinked) == (State.RUNNING, 2)
    assert "lost" not in world.status.last_error + world.status.former_error
    world.clock.advance(120 * NS_PER_S)
    assert len(world.hub.received) == 2


@pytest.mark.parametrize("newest_first", [False, True])
@pytest.mark.parametrize("in_doubt", [False, True])
def test_what_the_hub_let_go_of_does_not_go_up_again(newest_first: bool, in_doubt: bool) -> None:
    world = World(UplinkStream("EV", "AGG", "hub", newest_first=newest_first))
    world.start()
    world.store(*numbers(1, 100))
    world.clock.advance(5 * NS_PER_S)
    world.hub.loses_acks = in_doubt
    world.store(b"101")
    world.clock.advance(NS_PER_S // 4)
    world.link_down()
    world.clock.advance(OUTAGE_NS)
    world.hub.loses_acks = False

    world.hub.stored.clear()
    world.hub.run = "NHUB2"
    world.store(b"102")
    world.link_up()
    world.clock.advance(10 * NS_PER_S)

    assert world.hub.payloads() == numbers(101 if in_doubt else 102, 102)
    acked = 100 if in_doubt else 101
    said = f"the hub had messages up to {acked} and shows none of them"
    assert said in {world.status.last_error, world.status.former_error}


@pytest.mark.parametrize("restarts", [False, True])
@pytest.mark.parametrize("newest_first", [False, True])
@pytest.mark.parametrize("others", [0, 45])
@pytest.mark.parametrize("strangers", [0, 1])
@pytest.mark.parametrize("flight", [10, 51, 60])  # the stream before it had 50
def test_a_flight_into_a_stream_that_was_made_anew_is_not_stored_twice(
    flight: int, strangers: int, others: int, newest_first: bool, restarts: bool
) -> None:
    """Its messages name a sequence of the stream before."""
    world = World(replace(OPTIONS, newest_first=newest_first))
    world.start()
    world.store(*numbers(1, 50))
    world.clock.advance(10 * NS_PER_S)
    world.hub.make_anew()
    for _ in range(others):
        world.hub.publish(b"edge.other", b"other")
    world.hub.loses_acks = True
    world.store(*numbers(51, 50 + flight))
    world.clock.advance(NS_PER_S // 4)
    world.hub.loses_acks = False
    world.link_down()
    for _ in range(strangers):
        world.hub.publish(b"edge.ev.a", b"other")
    world.clock.advance(OUTAGE_NS)

    if restarts:
        world.restart()
        world.clock.advance(3 * NS_PER_S)
    world.link_up()
    world.clock.advance(30 * NS_PER_S)

    there = [one for one in world.hub.payloads() if one != b"other"]
    assert there == numbers(51, 50 + flight)
    assert world.status.protection is Protection.ASKED


@pytest.mark.parametrize("newest_first", [False, True])
@pytest.mark.parametrize("strangers", [0, 1])
@pytest.mark.parametrize("others", [0, 5])
def test_nor_is_one_under_another_subject(others: int, strangers: int, newest_first: bool) -> None:
    """Nothing of ours is seen under the subject of what was acknowledged."""
    world = World(replace(OPTIONS, newest_first=newest_first))
    world.start()
    world.store(*numbers(1, 40))
    world.clock.advance(10 * NS_PER_S)
    world.hub.make_anew()
    for _ in range(others):
        world.hub.publish(b"edge.other", b"other")
    world.hub.loses_acks = True
    world.store(*numbers(41, 100), subject=b"ev.b")
    world.clock.advance(NS_PER_S // 2)
    world.link_down()
    world.hub.loses_acks = False
    for _ in range(strangers):
        world.hub.publish(b"edge.ev.a", b"other")
    world.clock.advance(OUTAGE_NS)

    world.link_up()
    world.clock.advance(60 * NS_PER_S)

    assert [one for one in world.hub.payloads() if one != b"other"] == numbers(41, 100)


@pytest.mark.parametrize("newest_first", [False, True])
def test_nor_is_one_that_went_up_again_before_a_death(newest_first: bool) -> None:
    """What was kept is of the stream before; what went up again names no place of that."""
    world = World(replace(OPTIONS, newest_first=newest_first))
    world.start()
    world.store(*numbers(1, 20))
    world.clock.advance(5 * NS_PER_S)
    world.hub.loses_acks = True
    world.store(*numbers(21, 65))
    world.clock.advance(NS_PER_S // 2)
    world.link_down()
    world.hub.make_anew()
    world.clock.advance(5 * NS_PER_S)
    world.hub.loses_acks = False
    world.link_up()
    while len(world.hub.stored) < 45:
        world.clock.advance(NS_PER_MS)

    world.link_down()
    world.restart(dies=True)
    world.clock.advance(OUTAGE_NS)
    world.link_up()
    world.clock.advance(60 * NS_PER_S)

    assert world.hub.payloads() == numbers(21, 65)


def test_nor_is_one_that_lies_over_the_place_of_what_was_kept() -> None:
    """The hub's stream was made anew before this run, which died: it is longer than that by now."""
    world = World(OPTIONS)
    world.start()
    world.store(*numbers(1, 100))
    world.clock.advance(10 * NS_PER_S)
    world.link_down()
    world.hub.make_anew()
    world.clock.advance(OUTAGE_NS)
    world.restart()
    world.clock.advance(5 * NS_PER_S)
    world.link_up()
    world.store(*numbers(101, 160))
    world.clock.advance(10 * NS_PER_S)
    world.hub.loses_acks = True
    world.store(*numbers(161, 260))
    world.clock.advance(NS_PER_S // 2)
    world.link_down()
    world.hub.loses_acks = False
    world.restart(dies=True)
    world.clock.advance(OUTAGE_NS)
    world.link_up()
    world.clock.advance(120 * NS_PER_S)

    assert world.hub.payloads() == numbers(101, 260)


@pytest.mark.parametrize("newest_first", [False, True])
def test_nor_is_one_where_others_lie_at_the_place_of_what_was_kept(newest_first: bool) -> None:
    """What others stored behind it is as long as the hub's stream before was."""
    world = World(replace(OPTIONS, newest_first=newest_first))
    world.start()
    world.store(*numbers(1, 100))
    world.clock.advance(100 * NS_PER_S)
    world.hub.make_anew()
    world.hub.loses_acks = True
    world.store(*numbers(101, 160))
    world.clock.advance(NS_PER_S // 2)
    world.link_down()
    world.hub.loses_acks = False
    for _ in range(60):
        world.hub.publish(b"edge.ev.a", b"stranger")
    world.clock.advance(OUTAGE_NS)
    world.restart()
    world.clock.advance(5 * NS_PER_S)
    world.link_up()
    world.clock.advance(120 * NS_PER_S)

    ours = [one for one in world.hub.payloads() if one != b"stranger"]
    assert sorted(ours, key=int) == numbers(101, 160)


@pytest.mark.parametrize("newest_first", [False, True])
def test_the_record_of_a_server_that_gets_another_name_still_holds(newest_first: bool) -> None:
    """The ids of what was sent before are not those of now."""
    world = World(replace(OPTIONS, newest_first=newest_first, subject_prefix="edge."))
    world.start()
    world.store(*numbers(1, 100))
    world.clock.advance(100 * NS_PER_S)
    world.server_name, asked = "press9", len(world.hub.questions)
    world.restart()
    world.clock.advance(60 * NS_PER_S)
    world.store(*numbers(101, 120))
    world.clock.advance(60 * NS_PER_S)

    assert sorted(world.hub.payloads(), key=int) == numbers(1, 120)
    assert len(world.hub.questions) - asked < 10
    assert world.status.last_error == ""


@pytest.mark.parametrize("again", [False, True])
@pytest.mark.parametrize("newest_first", [False, True])
def test_what_is_in_flight_before_anything_is_acknowledged_by_a_stream_made_anew(
    newest_first: bool, again: bool
) -> None:
    """Others store behind it; it may be made anew once more before that."""
    world = World(replace(OPTIONS, newest_first=newest_first))
    world.start()
    world.store(*numbers(1, 100))
    world.clock.advance(100 * NS_PER_S)
    world.link_down()
    world.hub.make_anew()
    world.hub.run = "N2"  # so it is asked
    for _ in range(200):
        world.hub.publish(b"edge.ev.a", b"stranger")
    world.clock.advance(OUTAGE_NS)
    world.link_up()
    world.clock.advance(60 * NS_PER_S)
    if again:
        world.hub.make_anew()
    world.hub.loses_acks = True
    world.store(*numbers(101, 120))
    world.clock.advance(2 * NS_PER_S)
    world.link_down()
    world.hub.loses_acks = False
    for _ in range(200):
        world.hub.publish(b"edge.ev.a", b"stranger")
    world.clock.advance(OUTAGE_NS)
    world.link_up()
    world.clock.advance(120 * NS_PER_S)

    ours = [one for one in world.hub.payloads() if one != b"stranger"]
    assert sorted(ours, key=int) == numbers(101, 120)


@pytest.mark.parametrize("newest_first", [False, True])
def test_a_stream_made_anew_is_known_by_the_first_that_it_stores(newest_first: bool) -> None:
    """Nobody asked in between: the record of the run is of the new one alone."""
    world = World(replace(OPTIONS, newest_first=newest_first))
    world.start()
    world.store(*numbers(1, 200))
    world.clock.advance(100 * NS_PER_S)
    world.restart()
    world.clock.advance(10 * NS_PER_S)
    world.hub.make_anew()
    world.store(*numbers(201, 210))
    world.clock.advance(130 * NS_PER_S)
    world.hub.loses_acks = True
    world.store(*numbers(211, 270))
    world.clock.advance(2 * NS_PER_S)
    world.link_down()
    world.hub.loses_acks = False
    for _ in range(150):
        world.hub.publish(b"edge.ev.a", b"stranger")
    world.clock.advance(OUTAGE_NS)
    world.restart(dies=True)
    world.clock.advance(5 * NS_PER_S)
    world.link_up()
    world.clock.advance(120 * NS_PER_S)

    ours = [one for one in world.hub.payloads() if one != b"stranger"]
    assert sorted(ours, key=int) == numbers(201, 270)
