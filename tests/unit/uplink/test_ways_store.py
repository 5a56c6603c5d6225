"""Under which subjects a stream was sent, in the bucket."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from leafnode import limits
from leafnode.clock import NS_PER_S
from leafnode.config.options import UplinkBudget, UplinkStream
from tests.sim.uplink_world import OPTIONS, OUTAGE_NS, Site, World, numbers

KEY = b"$KV.LEAFNODE_UPLINK.main.ways.EV"


def kept(world: World | Site) -> list[dict[str, Any]]:
    side = world.side if isinstance(world, Site) else world.local.side
    bucket = side["KV_LEAFNODE_UPLINK"].messages
    assert isinstance(world, Site) or {name for name, _, _ in bucket} == {KEY}  # no ledger
    return [json.loads(body) for name, _, body in bucket if name == KEY]


def test_it_is_written_before_anything_is_sent_and_only_when_it_is_new() -> None:
    world = World()
    world.store(b"1")
    world.uplink.start()
    while not world.local.side or not world.local.side["KV_LEAFNODE_UPLINK"].messages:
        world.clock.advance(1_000_000)
    assert world.hub.received == []
    world.clock.advance(NS_PER_S)
    assert world.hub.payloads() == [b"1"]
    for prefix in ("edge.", "edge.", "edge.x."):
        world.options = UplinkStream("EV", "AGG", "hub", subject_prefix=prefix)
        world.restart()
        world.clock.advance(5 * NS_PER_S)
        world.store(b"2")
        world.clock.advance(NS_PER_S)

    ways = [one["ways"] for one in kept(world)]
    edge, other = {"prefix": "edge.", "transforms": []}, {"prefix": "edge.x.", "transforms": []}
    # At its end a run says how far it was.
    assert ways == [[edge], [edge], [edge], [edge], [edge, other]]
    assert [one["reached"] and one["reached"]["floor"] for one in kept(world)] == [None, 1, 2, 3, 3]


def test_what_could_not_be_kept_is_kept_after_the_next_that_opens_the_stream() -> None:
    world = World(OPTIONS)
    world.local.denies_streams = True
    world.start()
    world.store(b"1")
    world.clock.advance(NS_PER_S)
    assert world.hub.payloads() == [b"1"]
    assert "bucket LEAFNODE_UPLINK cannot be made" in world.status.last_error
    world.local.denies_streams = False
    world.local.consumers.clear()
    world.local.forget_pulls()
    world.clock.advance(60 * NS_PER_S)
    world.store(b"2")
    world.clock.advance(NS_PER_S)

    assert [one["reached"]["floor"] for one in kept(world)] == [1]
    assert world.status.last_error == ""


def test_what_the_bucket_might_let_go_of_is_written_anew_before_the_next_message() -> None:
    world = World()
    world.start()
    world.store(b"1")
    world.clock.advance(NS_PER_S)
    for age_ns, writes in (
        (limits.UPLINK_LEDGER_AGE_NS // 4 - 20 * NS_PER_S, 1),
        (limits.UPLINK_LEDGER_AGE_NS // 4 + 20 * NS_PER_S, 2),
    ):
        world.uplink.stop()
        world.local.forget_pulls()
        before = len(kept(world))
        world.local.side["KV_LEAFNODE_UPLINK"].stored_ns -= age_ns
        world.uplink = world._new()
        world.uplink.start()
        world.clock.advance(5 * NS_PER_S)
        world.store(b"2")
        world.clock.advance(NS_PER_S)
        assert len(kept(world)) - before == writes - 1


def test_what_changes_while_it_is_stored_is_stored_before_a_message_goes() -> None:
    world = World()
    world.local.commit_ns = NS_PER_S
    world.uplink.start()
    world.clock.advance(NS_PER_S // 100)
    store = world.uplink._store
    store.keep()
    world.local.make_anew("2026-11-28T12:00:00Z")
    world.account.publish(b"$JS.EVENT.ADVISORY.STREAM.CREATED.EV", b"{}")
    world.store(b"1")
    while not world.hub.received:
        world.clock.advance(NS_PER_S // 100)

    identities = [one["identity"] for one in kept(world)]
    assert [one["created"] for one in identities][-1] == "2026-11-28T12:00:00Z"


def test_what_could_not_be_read_is_not_written_over() -> None:
    """The hub's stream is another one, which is kept: former prefixes would be forgotten."""
    world = World()
    world.start()
    world.store(b"1")
    world.clock.advance(NS_PER_S)
    world.options = UplinkStream("EV", "AGG", "hub", subject_prefix="edge.x.")
    world.local.unreadable_sides = True
    world.restart()
    world.clock.advance(5 * NS_PER_S)
    before = kept(world)
    assert "cannot be read" in world.status.last_error
    world.store(b"2")
    world.clock.advance(100 * NS_PER_S)
    world.hub.loses_acks = True
    world.store(b"3")
    world.clock.advance(NS_PER_S // 2)
    world.link_down()
    world.hub.make_anew()
    world.hub.loses_acks = False
    world.clock.advance(OUTAGE_NS)
    world.link_up()
    world.clock.advance(60 * NS_PER_S)

    assert kept(world) == before
    assert world.hub.payloads() == [b"3"]


def test_a_prefix_under_which_nothing_went_takes_the_place_of_none() -> None:
    until, again = 8 * 60 + 2, 10 * 60  # minutes of the day
    site = Site(OPTIONS, budget=UplinkBudget(send_windows=((0, until), (again, 24 * 60))))
    site.start()
    site.store("EV", b"1")
    site.clock.advance(200 * NS_PER_S)
    site.store("EV", b"2")
    for prefix in ("a.", "b.", "c.", "d.", "e."):
        streams = (replace(OPTIONS, subject_prefix=f"edge.{prefix}"),)
        site.options = replace(site.options, streams=streams)
        site.restart()
        site.clock.advance(60 * NS_PER_S)
    assert site.status("EV").held == "the send window opens at 10:00"
    assert {way["prefix"] for one in kept(site) for way in one["ways"]} == {"edge."}

    site.clock.advance(2 * 3600 * NS_PER_S)
    assert site.hub.payloads() == numbers(1, 2)
    assert [way["prefix"] for way in kept(site)[-1]["ways"]] == ["edge.", "edge.e."]


@pytest.mark.parametrize("newest_first", [False, True])
def test_a_record_that_could_not_be_written_is_tried_again_and_no_error_any_more(
    newest_first: bool,
) -> None:
    world = World(replace(OPTIONS, newest_first=newest_first))
    world.local.denies_streams = True
    world.start()
    world.store(b"1")
    world.clock.advance(20 * NS_PER_S)
    assert "bucket LEAFNODE_UPLINK cannot be made" in world.status.last_error

    world.local.denies_streams = False
    for payload in numbers(2, 9):
        world.store(payload)
        world.clock.advance(30 * NS_PER_S)

    assert [way["prefix"] for way in kept(world)[-1]["ways"]] == ["edge."]
    assert kept(world)[-1]["reached"]["floor"] > 1
    assert world.status.last_error == ""


def test_a_record_that_was_written_and_cannot_be_any_more_is_told_and_tried_again() -> None:
    world = World(replace(OPTIONS, newest_first=True))
    world.start()
    for denies in (False, True, False):
        world.local.denies_streams = denies
        for number in range(8):
            world.store(b"%d" % number)
            world.clock.advance(30 * NS_PER_S)
        assert ("bucket LEAFNODE_UPLINK cannot be" in world.status.last_error) == denies

    assert kept(world)[-1]["reached"]["floor"] > 20
    assert world.status.last_error == ""


def test_a_prefix_that_nobody_at_the_hub_takes_is_not_one_under_which_anything_went() -> None:
    world = World()
    world.start()
    world.store(b"1")
    world.clock.advance(NS_PER_S)
    for prefix in ("slip.", "edge.right."):
        world.options = UplinkStream("EV", "AGG", "hub", subject_prefix=prefix)
        world.restart()
        world.clock.advance(5 * NS_PER_S)
        world.store(b"2")
        world.clock.advance(5 * NS_PER_S)

    assert [way["prefix"] for way in kept(world)[-1]["ways"]] == ["edge.", "edge.right."]


def test_after_one_write_that_failed_a_run_says_at_its_end_how_far_it_was() -> None:
    world = World(replace(OPTIONS, newest_first=True))
    world.local.commit_ns = NS_PER_S // 100
    world.start()
    world.store(b"1")
    world.clock.advance(40 * NS_PER_S)
    world.local.denies_streams = True
    for _ in range(100):
        if "bucket LEAFNODE_UPLINK cannot be written" in world.status.last_error:
            break
        world.store(b"x")
        world.clock.advance(NS_PER_S)
    world.local.denies_streams = False
    world.store(*numbers(2, 9))
    world.clock.advance(5 * NS_PER_S)
    before = len(kept(world))

    world.uplink.stop()
    world.clock.advance(NS_PER_S)

    assert len(kept(world)) == before + 1
    assert kept(world)[-1]["reached"]["floor"] == world.local.last_seq


@pytest.mark.parametrize("options", [OPTIONS, replace(OPTIONS, newest_first=True)])
def test_what_was_refused_at_first_goes_when_its_prefix_is_kept(options: UplinkStream) -> None:
    world = World(options)
    world.start()
    world.store(b"1")
    world.clock.advance(5 * NS_PER_S)
    world.options = replace(options, subject_prefix="new.")
    world.hub.denied.add(b"new.ev.a")
    world.restart()
    world.hub.ask_for(b"new.>")
    world.local.commit_ns = NS_PER_S
    world.store(b"2")
    world.clock.advance(20 * NS_PER_S)
    assert {way["prefix"] for one in kept(world) for way in one["ways"]} == {"edge."}

    world.hub.denied.clear()
    for _ in range(10_000):
        if any(stored.subject == b"new.ev.a" for stored in world.hub.stored.values()):
            break
        world.clock.advance(NS_PER_S // 100)

    assert kept(world)[-1]["ways"][-1]["prefix"] == "new."


def test_a_bucket_that_somebody_deletes_is_made_again() -> None:
    world = World(replace(OPTIONS, newest_first=True))
    world.start()
    for number in range(20):
        if number == 8:
            world.local.delete_side("KV_LEAFNODE_UPLINK")
        world.store(b"%d" % number)
        world.clock.advance(30 * NS_PER_S)

    assert kept(world)[-1]["reached"]["floor"] > 15
    assert world.status.last_error == ""
