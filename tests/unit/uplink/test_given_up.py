"""What becomes of a message that holds all behind it when it is deleted from the local stream.

Truth: docs/uplink.md, "When something is in the way".
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from leafnode import limits
from leafnode.clock import NS_PER_MS, NS_PER_S
from leafnode.uplink.status import State
from tests.sim.uplink_world import OPTIONS, World

if TYPE_CHECKING:
    from leafnode.config.options import UplinkStream

NEWEST_FIRST = replace(OPTIONS, newest_first=True)


def refused(options: UplinkStream = OPTIONS) -> World:
    """Give a world in which the hub refuses sequence 2 of 4."""
    world = World(options)
    world.hub.refuses.add(b"bad")
    world.start()
    for payload in (b"1", b"bad", b"3", b"4"):
        world.store(payload)
        world.clock.advance(NS_PER_S)
    world.clock.advance(30 * NS_PER_S)
    assert world.status.state is State.REFUSED
    return world


@pytest.mark.parametrize("options", [OPTIONS, NEWEST_FIRST])
def test_a_refused_message_that_is_deleted_holds_nobody_any_more(options: UplinkStream) -> None:
    world = refused(options)

    world.local.delete(2)
    world.clock.advance(limits.UPLINK_LAG_REFRESH_NS + NS_PER_S)

    assert world.hub.payloads() == [b"1", b"3", b"4"]
    status = world.status
    assert (status.state, status.lag_messages, status.last_error) == (State.RUNNING, 0, "")
    assert status.counters.removed == 1
    world.store(b"5")
    world.clock.advance(NS_PER_S)
    assert world.hub.payloads() == [b"1", b"3", b"4", b"5"]


@pytest.mark.parametrize("options", [OPTIONS, NEWEST_FIRST])
def test_what_is_purged_with_a_refused_message_is_not_sent_either(options: UplinkStream) -> None:
    world = refused(options)

    world.local.delete(*world.local.messages)
    world.clock.advance(limits.UPLINK_LAG_REFRESH_NS + NS_PER_S)
    world.store(b"5")
    world.clock.advance(NS_PER_S)

    assert world.hub.payloads() == [b"1", b"5"]
    assert (world.status.lag_messages, world.status.counters.removed) == (0, 3)


def test_a_refused_message_that_is_there_is_tried_again_whatever_is_deleted_behind_it() -> None:
    world = refused()

    world.local.delete(3)
    world.clock.advance(10 * NS_PER_S)
    assert (world.status.state, world.status.counters.removed) == (State.REFUSED, 0)

    world.hub.refuses.clear()
    world.clock.advance(limits.UPLINK_REFUSED_MAX_NS)
    assert world.hub.payloads() == [b"1", b"bad", b"3", b"4"]


def test_the_next_refused_message_is_tried_when_the_one_before_is_deleted() -> None:
    world = World()
    world.hub.refuses |= {b"bad", b"worse"}
    world.store(b"bad", b"worse", b"3")
    world.start()
    world.clock.advance(30 * NS_PER_S)
    assert "sequence 1" in world.status.last_error

    world.hub.refuses.remove(b"worse")
    world.local.delete(1)
    world.clock.advance(limits.UPLINK_LAG_REFRESH_NS + NS_PER_S)

    assert world.hub.payloads() == [b"3", b"worse"]
    assert world.status.state is State.RUNNING


def test_a_message_that_nobody_upstream_takes_can_be_deleted_too() -> None:
    world = World(subjects=("ev.>", "odd"))
    world.hub.down()
    world.hub.subjects = (b"edge.ev.>",)
    world.hub.up()
    world.start()
    world.store(b"1", subject=b"odd")
    world.store(b"2")
    world.clock.advance(30 * NS_PER_S)
    assert world.hub.payloads() == []

    world.local.delete(1)
    world.clock.advance(limits.UPLINK_LAG_REFRESH_NS + limits.UPLINK_RETRY_MAX_NS)

    assert world.hub.payloads() == [b"2"]
    assert (world.status.state, world.status.last_error) == (State.RUNNING, "")


def test_a_local_stream_that_does_not_answer_gives_nothing_up() -> None:
    world = refused()

    world.local.silent = True
    world.local.delete(2)
    world.clock.advance(10 * NS_PER_S)
    assert world.status.counters.removed == 0

    world.local.silent = False
    world.clock.advance(10 * NS_PER_S)
    assert world.status.counters.removed == 1


def test_a_subject_that_is_taken_again_has_its_whole_minute_the_next_time() -> None:
    world = World(dead_letter="DEAD")
    world.start()
    world.hub.down()
    world.hub.subjects = ()
    world.hub.up()
    world.store(b"1")
    world.clock.advance(10 * NS_PER_S)
    world.hub.subjects = (b"edge.>",)
    world.hub.down()
    world.hub.up()
    world.clock.advance(limits.UPLINK_UNTAKEN_NS)
    assert world.hub.payloads() == [b"1"]

    world.hub.down()
    world.hub.subjects = ()
    world.hub.up()
    world.store(b"2")
    world.clock.advance(500 * NS_PER_MS)

    assert world.status.counters.dead_letters == 0


def test_what_was_removed_or_is_a_dead_letter_is_nothing_that_the_hub_lost() -> None:
    world = World(dead_letter="DEAD")
    world.hub.refuses.add(b"bad")
    world.hub.refusal = (10054, "message size exceeds maximum allowed")
    world.store(b"bad")
    world.start()
    world.clock.advance(5 * NS_PER_S)
    assert (world.status.counters.dead_letters, world.status.acked_seq) == (1, 1)
    world.hub.subjects = ()
    world.link_down()
    world.store(b"2")
    world.link_up()
    world.clock.advance(10 * NS_PER_S)
    assert world.status.last_error == "nobody upstream takes edge.ev.a"

    world.link_down()
    world.hub.subjects = (b"edge.>",)
    world.link_up()
    world.clock.advance(NS_PER_S)

    assert (world.hub.payloads(), world.status.last_error) == ([b"2"], "")


def test_after_a_start_it_is_said_what_a_hub_with_less_than_was_done_here_may_mean() -> None:
    world = refused()
    world.local.delete(*world.local.messages)
    world.clock.advance(10 * NS_PER_S)
    assert world.status.last_error == ""

    world.restart()
    world.clock.advance(NS_PER_S)
    assert world.status.former_error == (
        "the hub ends at 1, and 4 was done here before this start: "
        "it lost messages, or they were removed here or are dead letters"
    )
    assert (world.status.last_error, world.status.problem) == ("", "")

    world.store(b"5", b"6")
    world.clock.advance(NS_PER_S)
    world.hub.stored.popitem()
    world.hub.stored.popitem()
    world.hub.run = "NHUB2"
    world.link_down()
    world.link_up()
    world.clock.advance(NS_PER_S)
    assert world.status.former_error == "the hub lost messages: it ends at 1"
    assert (world.status.last_error, world.status.problem) == ("", "")
