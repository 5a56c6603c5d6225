"""Where an uplink goes on when subjects change on the way, and what it says where it cannot know.

Each outage is longer than the hub's duplicate window, and what was in flight before it is at the
hub without a PubAck. Truth: docs/uplink.md, "After every connect, and after every start".
"""

from __future__ import annotations

from dataclasses import replace

import pytest

from leafnode import limits
from leafnode.clock import NS_PER_MS, NS_PER_S
from leafnode.protocol.transform import Transform
from leafnode.uplink.status import Protection, State
from tests.sim.uplink_world import OPTIONS, OUTAGE_NS, World, numbers


def begin(world: World) -> None:
    """One message is through."""
    world.start()
    world.store(b"1")
    world.clock.advance(NS_PER_S)
    assert world.hub.payloads() == [b"1"]


def in_flight(world: World, *payloads: bytes, subject: bytes = b"ev.a") -> None:
    """The hub stores them, and nobody hears of it."""
    world.hub.loses_acks = True
    world.store(*payloads, subject=subject)
    world.clock.advance(NS_PER_S)
    world.link_down()


def heal(world: World, *, restarts: bool = False) -> None:
    world.clock.advance(OUTAGE_NS)
    world.hub.loses_acks = False
    if restarts:
        world.hub.up()
        world.restart()
    else:
        world.link_up()
    world.clock.advance(limits.UPLINK_ACK_WAIT_NS + 60 * NS_PER_S)


@pytest.mark.parametrize("restarts", [False, True])
def test_subjects_that_were_added_while_it_ran_are_asked_for(restarts: bool) -> None:
    world = World()
    begin(world)
    world.local.subjects = ("ev.>", "more.>")
    world.store(b"2", subject=b"more.a")
    world.clock.advance(NS_PER_S)
    world.link_down()
    world.link_up()
    world.clock.advance(NS_PER_S)
    assert world.status.last_error == ""  # it is not that the hub had lost something
    in_flight(world, b"3", b"4", subject=b"more.a")

    heal(world, restarts=restarts)

    assert world.hub.payloads() == numbers(1, 4)
    assert world.status.protection is Protection.ASKED


@pytest.mark.parametrize("restarts", [False, True])
def test_what_the_local_stream_makes_of_subjects_is_asked_for(restarts: bool) -> None:
    world = World()
    world.local.transform = ("ev.b", "out.b")
    begin(world)
    in_flight(world, b"2", b"3", subject=b"out.b")

    heal(world, restarts=restarts)

    assert world.hub.payloads() == numbers(1, 3)
    assert world.status.protection is Protection.ASKED


def test_what_was_sent_under_a_former_prefix_is_asked_for_under_that() -> None:
    world = World()
    begin(world)
    for count, prefix in enumerate(["edge.b.", "edge.c.", "edge.d."]):
        in_flight(world, b"%d" % (2 + 2 * count), b"%d" % (3 + 2 * count))
        world.options = replace(OPTIONS, subject_prefix=prefix)
        heal(world, restarts=True)

    assert world.hub.payloads() == numbers(1, 7)
    assert world.status.protection is Protection.ASKED
    assert world.status.prefix == "edge.d."


def test_a_prefix_under_which_nothing_was_sent_takes_no_place() -> None:
    world = World()
    begin(world)
    in_flight(world, b"2")
    for count in range(3 * limits.UPLINK_WAYS_MAX):
        world.options = replace(OPTIONS, subject_prefix=f"edge.{count}.")
        world.restart()
        world.clock.advance(10 * NS_PER_S)

    heal(world, restarts=True)

    assert world.hub.payloads() == [b"1", b"2"]


def test_newest_first_another_prefix_does_not_send_all_of_it_anew() -> None:
    world = World(replace(OPTIONS, newest_first=True))
    begin(world)
    in_flight(world, b"2", b"3")
    world.options = replace(OPTIONS, newest_first=True, subject_prefix="edge.b.")

    heal(world, restarts=True)

    assert sorted(world.hub.payloads()) == numbers(1, 3)


def test_where_the_prefixes_cannot_be_kept_it_says_so_and_goes_on() -> None:
    world = World()
    world.local.denies_streams = True
    world.start()
    world.store(b"1")
    world.clock.advance(20 * NS_PER_S)

    assert world.hub.payloads() == [b"1"]
    assert "bucket LEAFNODE_UPLINK cannot be made" in world.status.last_error
    assert world.status.problem == ""


RENAMED = Transform(b"edge.>", b"plant.edge.>")
TURNED = Transform(b"edge.ev.*", b"{{wildcard(1)}}.of.edge")


@pytest.mark.parametrize("others", [0, 2 * limits.UPLINK_PROBES_MAX])
@pytest.mark.parametrize("restarts", [False, True])
def test_a_hub_that_renames_what_it_stores_is_asked_for_what_it_makes(
    restarts: bool, others: int
) -> None:
    world = World()
    world.hub.transform = RENAMED
    begin(world)
    world.hub.loses_acks = True
    world.store(b"2")
    world.clock.advance(NS_PER_S)
    for _ in range(others):
        world.hub.publish(b"edge.zz", b"other")
    in_flight(world, b"3", b"4")

    heal(world, restarts=restarts)

    assert [one for one in world.hub.payloads() if one != b"other"] == numbers(1, 4)
    assert world.status.protection is Protection.ASKED
    assert (world.status.last_error, world.status.problem) == ("", "")


def test_a_renaming_that_began_while_it_ran_is_seen_at_the_next_question() -> None:
    world = World()
    begin(world)
    world.hub.transform = RENAMED
    world.store(b"2")
    world.clock.advance(NS_PER_S)
    for _ in range(2 * limits.UPLINK_PROBES_MAX):
        world.hub.publish(b"edge.zz", b"other")
    in_flight(world, b"3", b"4")

    heal(world)

    assert [one for one in world.hub.payloads() if one != b"other"] == numbers(1, 4)
    assert world.status.protection is Protection.ASKED


def test_a_hub_that_turns_subjects_round_is_named_from_its_first_pub_ack_on() -> None:
    world = World()
    world.hub.transform = TURNED
    begin(world)

    words = "the hub stores edge.ev.a as a.of.edge: what is there is not found"
    assert world.status.protection is Protection.WINDOW
    assert world.status.last_error == words
    assert world.status.problem == f"is running: {words}"

    in_flight(world, b"2", b"3")
    heal(world)
    assert world.hub.payloads() == numbers(1, 3)  # it was little: all of it was looked at
    assert world.status.protection is Protection.WINDOW
    in_flight(world, b"4")
    for _ in range(2 * limits.UPLINK_PROBES_MAX):
        world.hub.publish(b"edge.zz", b"other")
    heal(world)
    assert world.status.state is State.RUNNING
    assert world.status.problem == f"is running: {words}"


def test_a_hub_that_does_not_keep_what_it_acknowledges_is_named() -> None:
    world = World()
    world.start()
    world.store(b"1")
    world.clock.advance(15_000_000)
    world.hub.stored.clear()
    world.clock.advance(NS_PER_S)

    assert world.status.protection is Protection.WINDOW
    assert "does not keep what it acknowledged" in world.status.problem


def test_a_hub_without_headers_is_named_before_anything_is_sent() -> None:
    world = World()
    world.hub.drops_headers = True
    world.start()
    assert world.status.protection is Protection.NONE
    assert world.status.problem == "is running: the hub takes no headers, so no id"
    world.store(b"1")
    world.clock.advance(NS_PER_S)

    assert world.hub.payloads() == [b"1"]
    assert world.status.last_error == "the hub takes no headers, so no id"


def test_others_who_publish_under_its_prefix_are_a_problem() -> None:
    world = World()
    for _ in range(limits.UPLINK_PROBES_MAX + 1):
        world.hub.publish(b"edge.ev.x", b"stranger")
    world.start()
    world.clock.advance(60 * NS_PER_S)

    assert world.status.protection is Protection.WINDOW
    assert "others publish under edge." in world.status.problem


def test_others_who_hide_nothing_are_none() -> None:
    world = World()
    world.hub.publish(b"edge.ev.x", b"stranger")
    world.start()

    assert world.status.protection is Protection.ASKED
    assert world.status.problem == ""


def test_a_hub_that_shows_nothing_of_what_it_acknowledged_is_a_problem() -> None:
    world = World()
    begin(world)
    in_flight(world, b"2")
    world.hub.stored.clear()

    heal(world, restarts=True)

    assert world.hub.payloads() == [b"2"]
    assert world.status.protection is Protection.WINDOW
    assert "shows none of them" in world.status.problem


def test_a_stream_made_anew_does_not_take_its_former_messages_for_those_of_others() -> None:
    world = World()
    begin(world)
    world.uplink.stop()
    world.local.make_anew("2026-02-02T00:00:00Z")
    world.store(b"new 1")
    world.restart()
    world.clock.advance(5 * NS_PER_S)

    assert world.hub.payloads() == [b"1", b"new 1"]
    assert world.status.protection is Protection.ASKED
    assert world.status.last_error == ""


@pytest.mark.parametrize("subjects", [1, limits.UPLINK_QUESTIONS_MAX + 10])
def test_after_a_start_a_mirror_is_asked_for_by_the_subjects_that_it_holds(subjects: int) -> None:
    """All that it can hold is also what the other streams of this server hold."""
    world = World()
    world.local.is_mirror = True
    begin(world)
    world.link_down()
    for number in range(subjects):
        world.store(b"old", subject=b"ev.%d" % number)
    world.clock.advance(NS_PER_S)
    world.link_up()
    world.clock.advance(60 * NS_PER_S)
    in_flight(world, b"2", b"3")
    for _ in range(2 * limits.UPLINK_PROBES_MAX):
        world.hub.publish(b"edge.other", b"other")

    heal(world, restarts=True)

    assert [one for one in world.hub.payloads() if one.isdigit()] == numbers(1, 3)
    asked = subjects <= limits.UPLINK_QUESTIONS_MAX
    assert world.status.protection is (Protection.ASKED if asked else Protection.PARTLY)


def test_another_stream_of_this_server_under_the_same_subjects_hides_nothing() -> None:
    """As a mirror and its origin, both uplinked, of which the other one had the link meanwhile."""
    world = World()
    world.local.is_mirror = True
    begin(world)
    in_flight(world, b"2", b"3")
    for _ in range(limits.UPLINK_PROBES_MAX // 2):
        world.hub.publish(b"edge.ev.a", b"other")

    heal(world)

    assert [one for one in world.hub.payloads() if one != b"other"] == numbers(1, 3)
    assert world.status.protection is Protection.ASKED


def test_a_reconnect_to_the_same_hub_with_nothing_in_flight_costs_nothing() -> None:
    world = World()
    begin(world)
    before = world.status
    world.hub.questions.clear()

    for number in range(3):
        world.link_down()
        world.link_up()
        world.clock.advance(NS_PER_S)
        assert world.status.state is State.RUNNING
        assert world.status.protection is before.protection
        world.store(b"more %d" % number)
        world.clock.advance(NS_PER_S)

    assert world.hub.questions == []
    assert world.hub.payloads()[-3:] == [b"more 0", b"more 1", b"more 2"]
    world.hub.loses_acks = True
    world.store(b"in doubt")
    world.clock.advance(100 * NS_PER_MS)
    world.link_down()
    world.hub.loses_acks = False
    world.link_up()
    world.clock.advance(NS_PER_S)
    assert world.hub.questions != []
    assert world.hub.payloads().count(b"in doubt") == 1


def test_a_hub_that_was_restarted_is_asked_though_nothing_is_in_flight() -> None:
    """Its store may be of a backup: what it has less is said."""
    world = World()
    begin(world)
    world.store(*numbers(1, 5))
    world.clock.advance(NS_PER_S)
    world.link_down()
    world.hub.run = "NHUB2"
    for seq in list(world.hub.stored)[-2:]:
        del world.hub.stored[seq]

    world.link_up()
    world.clock.advance(NS_PER_S)

    assert "the hub lost messages" in world.status.former_error
    assert (world.status.last_error, world.status.problem) == ("", "")


@pytest.mark.parametrize("newest_first", [False, True])
def test_what_the_hub_let_go_of_is_told_once_by_each_of_its_processes(newest_first: bool) -> None:
    world = World(replace(OPTIONS, newest_first=newest_first))
    begin(world)
    world.store(*numbers(1, 5))
    world.clock.advance(NS_PER_S)
    world.hub.stored.clear()
    world.hub.publish(b"edge.other", b"x")

    for run, told in (("NHUB2", True), ("NHUB2", False), ("NHUB3", True)):
        asked, former_ns = len(world.hub.questions), world.status.former_error_ns
        world.link_down()
        world.hub.run = run
        world.clock.advance(60 * NS_PER_S)
        world.link_up()
        world.clock.advance(5 * NS_PER_S)
        assert ("shows none of them" in world.status.former_error) is told
        assert (len(world.hub.questions) > asked) is told
        assert world.status.former_error_ns > former_ns


def test_what_the_hub_lost_is_told_and_over_though_more_waits() -> None:
    world = World()
    begin(world)
    world.store(*numbers(1, 5))
    world.clock.advance(NS_PER_S)
    world.link_down()
    world.hub.run = "NHUB2"
    for seq in list(world.hub.stored)[-2:]:
        del world.hub.stored[seq]
    world.store(b"more")

    world.link_up()
    world.clock.advance(NS_PER_S)

    assert world.hub.payloads()[-1] == b"more"
    assert "the hub lost messages" in world.status.former_error
    assert (world.status.last_error, world.status.problem) == ("", "")


def test_a_reconnect_with_nothing_in_flight_costs_one_question() -> None:
    world = World(subjects=("ev.>", "a.>", "b.>"))
    begin(world)
    world.hub.questions.clear()
    world.link_down()
    world.hub.run = "NHUB2"
    for _ in range(10):
        world.hub.publish(b"edge.zz", b"other")
    world.link_up()
    world.clock.advance(NS_PER_S)

    assert world.hub.questions == [{"last_by_subj": "edge.ev.a"}]


@pytest.mark.parametrize("newest_first", [False, True])
@pytest.mark.parametrize("dies", [False, True])
def test_another_stream_under_the_same_subjects_hides_nothing_after_a_start(
    dies: bool, newest_first: bool
) -> None:
    """Where this run was is kept at its end, and every minute where others were seen."""
    world = World(replace(OPTIONS, newest_first=newest_first))
    begin(world)
    world.hub.publish(b"edge.ev.a", b"other")
    world.link_down()
    world.link_up()
    world.clock.advance(2 * limits.UPLINK_LEDGER_WRITE_NS)
    in_flight(world, b"2", b"3")
    for _ in range(limits.UPLINK_PROBES_MAX // 2):
        world.hub.publish(b"edge.ev.a", b"other")

    world.local.denies_streams = dies  # it has no last word
    world.uplink.stop()
    world.local.denies_streams = False
    heal(world, restarts=True)

    assert [one for one in world.hub.payloads() if one != b"other"] == numbers(1, 3)
    assert world.status.protection is Protection.ASKED
    assert world.status.last_error == ""


def test_what_a_start_was_told_holds_although_others_are_newer_before_the_first_pub_ack() -> None:
    """Newest first nothing would ever go on, for the hub shows nothing of it any more."""
    world = World(replace(OPTIONS, newest_first=True))
    begin(world)
    world.local.denies_streams = True  # it dies, and has kept nothing
    world.local.side["KV_LEAFNODE_UPLINK"].messages.clear()
    world.restart()
    world.clock.advance(5 * NS_PER_S)
    world.hub.publish(b"edge.ev.a", b"other")
    world.link_down()
    world.link_up()
    world.clock.advance(5 * NS_PER_S)
    world.store(b"2")
    world.clock.advance(5 * NS_PER_S)

    assert world.hub.payloads() == [b"1", b"other", b"2"]
    assert world.status.protection is Protection.ASKED


def test_a_hub_that_answered_an_earlier_run_is_asked_until_it_answers_again() -> None:
    """A slow link may take longer than a hub that says nothing is waited for."""
    world = World()
    begin(world)
    in_flight(world, b"2")
    world.clock.advance(OUTAGE_NS)
    world.hub.loses_answers = True
    world.hub.up()
    world.restart()
    world.clock.advance(10 * 60 * NS_PER_S)
    assert world.hub.payloads() == [b"1", b"2"]
    assert world.status.problem.endswith("where to go on: the hub does not answer")

    world.hub.loses_acks = world.hub.loses_answers = False
    world.clock.advance(60 * NS_PER_S)

    assert world.hub.payloads() == [b"1", b"2"]
    assert world.status.protection is Protection.ASKED


def test_a_record_whose_message_cannot_be_read_is_left_out() -> None:
    """What the consumer has says where to go on."""
    world = World()
    world.start()
    world.store(*numbers(1, 40))
    world.clock.advance(100 * NS_PER_S)  # how far it is is kept
    world.store(*numbers(41, 60))
    world.clock.advance(5 * NS_PER_S)
    world.local.unreadable = {40}
    world.restart(dies=True)
    world.clock.advance(5 * NS_PER_S)
    world.store(*numbers(61, 62))
    world.clock.advance(5 * NS_PER_S)

    assert world.hub.payloads() == numbers(1, 62)
