"""A hub that never answers some messages: its stream does not take them, and a subscriber does.

Truth: docs/uplink.md, "What the hub never answers"; the hub as nats-server 2.15.1, measured.
"""

from __future__ import annotations

from dataclasses import replace

import pytest

from leafnode import limits
from leafnode.clock import NS_PER_S
from leafnode.config.options import UplinkBudget, UplinkStream
from leafnode.protocol import header
from leafnode.uplink.status import State
from tests.sim.silent_hub import LONG_NS, NEWEST_FIRST, SILENT, feed, world_of
from tests.sim.uplink_world import OPTIONS, Site, World, numbers

PROBLEM = (
    "the hub does not have sequence 2 and does not answer it, though it answers others: "
    "does stream AGG take edge.ev.b?"
)


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


def test_while_those_are_full_a_hub_that_takes_it_again_gets_it() -> None:
    world = world_of()
    world.local.denies_streams = True
    world.store(b"x", subject=b"ev.b")
    feed(world, 1, 300)

    world.hub.swallows.clear()
    world.clock.advance(LONG_NS)

    assert world.hub.payloads().count(b"x") == 1
    assert (world.status.lag_messages, world.status.problem) == (0, "")
    assert world.status.counters.dead_letters == 0


@pytest.mark.parametrize("last", [b"ev.b", b"ev.c"])
def test_what_asks_whether_the_stream_answers_is_of_a_subject_that_it_takes(last: bytes) -> None:
    """The last that it stored were of subjects that were taken out of it."""
    world = world_of()
    world.hub.swallows.clear()
    world.store(b"b", subject=b"ev.b")
    world.store(b"c", subject=last)
    world.clock.advance(NS_PER_S)
    world.hub.swallows |= {SILENT, b"edge.ev.c"}

    world.store(*[b"x"] * 300, subject=b"ev.b")
    world.store(*numbers(1, 9))
    world.clock.advance(3 * LONG_NS)

    assert world.status.counters.dead_letters == 300
    assert world.hub.payloads() == [b"0", b"b", b"c", *numbers(1, 9)]


def test_where_all_that_was_stored_is_long_one_that_is_never_answered_ends_too() -> None:
    world = world_of()
    world.store(b"x", subject=b"ev.b")
    for _ in range(240):
        world.store(b"z" * 20_000)
        world.clock.advance(NS_PER_S)

    assert world.status.counters.dead_letters == 1
    assert (len(world.hub.stored), world.status.lag_messages) == (241, 0)


def test_many_silent_subjects_over_a_slow_link_end_too() -> None:
    """What is sent to ask is of one that was sent just now, until it had no answer."""
    site = Site(OPTIONS, budget=UplinkBudget(max_rate_bytes=1000), dead_letter="DEAD")
    site.start()
    site.store("EV", b"0")
    site.clock.advance(5 * NS_PER_S)
    subjects = [b"ev.s%d" % number for number in range(100)]
    site.hub.swallows |= {b"edge." + subject for subject in subjects}
    for subject in subjects:
        site.store("EV", b"x", subject=subject)

    site.store("EV", b"1")
    site.clock.advance(6000 * NS_PER_S)

    assert site.status("EV").counters.dead_letters == 100
    assert site.hub.payloads() == numbers(0, 1)


def test_one_that_is_no_dead_letter_because_those_are_full_is_tried_again_and_told(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """In between the others go on."""
    world = world_of()
    world.local.denies_streams = True
    world.store(b"x", subject=b"ev.b")
    feed(world, 1, 400)

    assert world.status.counters.dead_letters == 0
    assert "sequence 2 is no dead letter: stream DEAD cannot be made" in caplog.text
    assert world.status.problem
    assert 0 < world.status.lag_messages < 100
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


@pytest.mark.parametrize("subject", [b"ev.b", b"ev.a"])
def test_what_was_acknowledged_behind_it_is_not_read_back_at_each_round(subject: bytes) -> None:
    """Each look is a message with its payload, over a link that may be metered."""
    world = world_of()
    if subject == b"ev.a":
        world.hub.swallows, world.hub.loses = set(), [b"x"] * 100
    world.hub.questions.clear()

    world.store(b"x", subject=subject)
    for number in range(1, 1501):
        world.store(b"%d" % number)
        world.clock.advance(NS_PER_S // 10)

    assert world.status.counters.cuts > 2
    assert len(world.hub.questions) < 200


@pytest.mark.parametrize("options", [OPTIONS, NEWEST_FIRST])
def test_a_hub_that_stores_all_and_acknowledges_nothing_is_named(options: UplinkStream) -> None:
    """Its stream has `no_ack`: what the hub says to have is progress all the same."""
    world = World(options)
    world.start()
    world.hub.loses_acks = True

    feed(world, 1, 600)

    no_ack = "acknowledges none of it: does stream AGG have no_ack?"
    assert no_ack in world.status.last_error
    assert no_ack in world.status.problem
    payloads = world.hub.payloads()
    assert len(payloads) > 500
    assert sorted(payloads, key=int) == numbers(1, len(payloads))

    world.hub.loses_acks = False
    feed(world, 601, 700)

    assert sorted(world.hub.payloads(), key=int) == numbers(1, 700)
    assert (world.status.lag_messages, world.status.problem) == (0, "")


def test_a_hub_whose_pub_acks_were_lost_once_is_not() -> None:
    world = World()
    world.start()
    feed(world, 1, 2)
    world.hub.loses_acks = True
    feed(world, 3, 20)
    world.hub.loses_acks = False
    feed(world, 21, 60)

    assert "no_ack" not in world.status.former_error
    assert (world.status.lag_messages, world.status.problem) == (0, "")


def test_a_window_full_of_what_is_awaited_does_not_hold_a_less_urgent_stream() -> None:
    first = UplinkStream("AA", "AGG", "hub", priority=0, window_msgs=8)
    site = Site(first, UplinkStream("BB", "AGG", "hub", priority=5), dead_letter="DEAD")
    site.start()
    site.store("AA", b"first")
    site.clock.advance(5 * NS_PER_S)
    site.hub.swallows = {b"edge.aa.bad"}
    site.store("AA", *numbers(1, 20), subject=b"aa.bad")
    site.store("AA", *numbers(21, 40))
    waits = []
    for second in range(300):
        payload = b"BB %d" % second
        site.store("BB", payload)
        site.clock.advance(NS_PER_S)
        waits.append(payload)
        there = set(site.hub.payloads())
        waits = [one for one in waits if one not in there]
        assert len(waits) <= 6

    assert site.status("AA").lag_messages == 0
    assert site.status("AA").counters.dead_letters == 20


@pytest.mark.parametrize("options", [OPTIONS, NEWEST_FIRST])
@pytest.mark.parametrize("size", [2000, 20_000])
def test_a_window_full_of_long_ones_that_are_never_answered_ends(
    options: UplinkStream, size: int
) -> None:
    """What the hub acknowledged is shorter: that is what it is asked with."""
    world = world_of(replace(options, window_msgs=16))
    for _ in range(30):
        world.store(b"x" * size, subject=b"ev.b")
    world.store(b"1")
    world.clock.advance(3600 * NS_PER_S)

    assert world.status.counters.dead_letters == 30
    assert world.hub.payloads() == numbers(0, 1)


@pytest.mark.parametrize("options", [OPTIONS, NEWEST_FIRST])
def test_more_of_them_than_are_remembered_each_under_a_subject_of_its_own_end(
    options: UplinkStream,
) -> None:
    """They fill the window again and again; one in five is under a subject that is taken."""
    world = world_of(options)
    count = limits.UPLINK_SILENT_MAX + 44
    for number in range(1, count + 1):
        world.hub.swallows.add(b"%b.%d" % (SILENT, number))
        world.store(b"x", subject=b"ev.b.%d" % number)
        if number % 5 == 0:
            world.store(b"%d" % (number // 5))
    world.clock.advance(3600 * NS_PER_S)

    assert world.status.counters.dead_letters == count
    assert sorted(world.hub.payloads(), key=int) == numbers(0, count // 5)
    assert (world.status.lag_messages, world.status.problem) == (0, "")


@pytest.mark.parametrize("answer", [b"ok", b"", b'{"seq":17}', b'{"status":"ok","seq":17}'])
def test_a_service_at_the_hub_that_answers_whatever_it_hears_is_not_the_stream(
    answer: bytes,
) -> None:
    world = world_of()
    world.hub.beside = [answer]
    world.store(b"x", subject=b"ev.b")
    world.store(*numbers(1, 20))
    world.clock.advance(3600 * NS_PER_S)

    assert world.status.counters.dead_letters == 1
    assert world.hub.payloads() == numbers(0, 20)


@pytest.mark.parametrize("options", [OPTIONS, NEWEST_FIRST])
def test_a_window_full_ends_though_nobody_wants_any_more_what_was_stored_last(
    options: UplinkStream,
) -> None:
    options = replace(options, window_msgs=16)
    asked = (b"edge.ev.a", b"edge.ev.c", b"edge.ev.b.>")
    world = World(options, hub_subjects=asked, dead_letter="DEAD")
    world.start()
    for subject in (b"ev.c", b"ev.a"):
        world.store(b"0", subject=subject)
        world.clock.advance(5 * NS_PER_S)
    world.hub.ask_no_more(b"edge.ev.a")
    for number in range(20):
        world.hub.swallows.add(b"%b.%d" % (SILENT, number))
        world.store(b"x", subject=b"ev.b.%d" % number)
    for payload in numbers(1, 20):
        world.store(payload, subject=b"ev.c")
    world.clock.advance(3600 * NS_PER_S)

    assert world.status.counters.dead_letters == 20
    assert sorted(world.hub.payloads(), key=int) == [b"0", *numbers(0, 20)]


@pytest.mark.parametrize("options", [OPTIONS, NEWEST_FIRST])
@pytest.mark.parametrize("status", [b"ev.status.line", b"ev.line.1.press.2.status.now"])
@pytest.mark.parametrize("subject", [b"ev.orders.%d", b"ev.orders.c%d.%d.new"])
def test_a_window_full_ends_though_most_that_was_stored_last_was_of_their_kind(
    subject: bytes, status: bytes, options: UplinkStream
) -> None:
    """Each order has a subject of its own; the hub's stream takes them no more, but a status."""
    options = replace(options, window_msgs=16)
    orders = [subject % ((number,) * subject.count(b"%d")) for number in range(60)]
    world = world_of(options)
    world.store(b"status 0", subject=status)
    for order in orders[:20]:
        world.store(b"order", subject=order)
        world.clock.advance(NS_PER_S)
    world.hub.swallows |= {b"edge.%b" % order for order in orders}
    for order in orders[20:]:
        world.store(b"silent", subject=order)
    world.store(b"status 1", subject=status)
    world.clock.advance(2 * 3600 * NS_PER_S)

    assert world.status.counters.dead_letters == 40
    assert world.hub.payloads().count(b"status 1") == 1
    assert (world.status.lag_messages, world.status.problem) == (0, "")
