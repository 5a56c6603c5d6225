"""What the hub refuses for good is kept here with the reason, and the rest goes on."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from leafnode import limits
from leafnode.clock import NS_PER_S
from leafnode.protocol import header
from leafnode.uplink.status import State
from tests.sim.peers import FakePeer
from tests.sim.uplink_world import OPTIONS, OUTAGE_NS, World, numbers

if TYPE_CHECKING:
    from leafnode.config.options import UplinkStream

TOO_LARGE = (10054, "message size exceeds maximum allowed")


def world_with_dead_letters(options: UplinkStream = OPTIONS) -> World:
    world = World(options, dead_letter="DEAD")
    world.hub.refusal = TOO_LARGE
    return world


def letters(world: World) -> list[bytes]:
    return world.local.side["DEAD"].payloads() if "DEAD" in world.local.side else []


def test_a_refused_message_becomes_a_dead_letter_and_blocks_nobody() -> None:
    world = world_with_dead_letters()
    world.hub.refuses.add(b"bad")
    world.start()
    world.local.store(b"1")
    world.local.store(b"bad", b"ev.x", b"NATS/1.0\r\nNats-Msg-Id: own\r\nUnit: C\r\n\r\n")
    world.local.store(b"3")
    world.clock.advance(NS_PER_S)

    assert world.hub.payloads() == [b"1", b"3"]
    assert world.pending == []
    assert world.status.state is State.RUNNING
    assert world.status.counters.dead_letters == 1
    assert "exceeds maximum allowed (10054)" in world.status.former_error
    ((subject, block, payload),) = world.local.side["DEAD"].messages
    assert (subject, payload) == (b"DEAD.EV.ev.x", b"bad")
    assert header.get(block, b"Leafnode-Refused") == b"message size exceeds maximum allowed (10054)"
    assert header.get(block, b"Leafnode-Refused-Code") == b"10054"
    assert header.get(block, b"Leafnode-Subject") == b"ev.x"
    assert header.get(block, b"Leafnode-Upstream-Subject") == b"edge.ev.x"
    assert header.get(block, b"Leafnode-Msg-Id") == b"own"
    assert header.get(block, b"Unit") == b"C"


def test_a_client_hears_a_dead_letter_and_not_where_its_pub_ack_goes() -> None:
    """Or it could have another stream's go there, and the message were gone."""
    world = world_with_dead_letters()
    client = FakePeer(world.account)
    client.flush = lambda: None  # what it would be sent is looked at
    client.subscribe(b"DEAD.>", b"1")
    world.hub.refuses.add(b"bad")
    world.start()
    world.store(b"1")
    world.clock.advance(NS_PER_S)
    world.local.commit_ns = NS_PER_S
    world.store(b"bad")
    world.clock.advance(NS_PER_S // 2)

    words = client.got().partition(b"\r\n")[0].split()
    assert words[:3] == [b"HMSG", b"DEAD.EV.ev.a", b"1"]
    assert len(words) == 5
    assert world.pending == [2]
    world.clock.advance(2 * NS_PER_S)
    assert world.pending == []


def test_what_is_larger_than_the_hub_takes_is_a_dead_letter_without_being_sent() -> None:
    world = world_with_dead_letters()
    world.hub.max_payload = 300
    world.start()

    world.store(b"x" * 300, b"2")
    world.clock.advance(NS_PER_S)

    assert letters(world) == [b"x" * 300]
    assert world.hub.payloads() == [b"2"]


def test_a_hub_that_is_full_is_waited_for() -> None:
    world = world_with_dead_letters()
    world.hub.refusal = (10077, "maximum bytes exceeded")
    world.hub.refuses.add(b"1")
    world.start()
    world.store(b"1")
    world.clock.advance(NS_PER_S)

    assert world.status.state is State.REFUSED
    assert letters(world) == []
    world.hub.refuses.clear()
    world.clock.advance(limits.UPLINK_REFUSED_MAX_NS)
    assert world.hub.payloads() == [b"1"]


def test_a_dead_letter_that_cannot_be_kept_stays_in_the_stream() -> None:
    world = world_with_dead_letters()
    world.hub.refuses.add(b"bad")
    world.local.denies_streams = True
    world.start()
    world.store(b"bad")
    world.clock.advance(30 * NS_PER_S)

    assert world.status.state is State.REFUSED
    assert "no dead letter: stream DEAD cannot be made: maximum number" in world.status.last_error
    assert world.pending == [1]

    world.local.denies_streams = False
    world.clock.advance(limits.UPLINK_REFUSED_MAX_NS + 30 * NS_PER_S)
    assert letters(world) == [b"bad"]
    assert world.pending == []
    assert world.status.state is State.RUNNING


def test_another_stream_that_takes_the_dead_letters_is_named() -> None:
    world = world_with_dead_letters()
    world.hub.refuses.add(b"bad")
    world.local._create_stream({"name": "OTHER", "subjects": ["DEAD.>"]})
    world.start()

    world.store(b"bad")
    world.clock.advance(NS_PER_S)

    assert "stream OTHER stores DEAD.>, not stream DEAD" in world.status.last_error
    assert world.pending == [1]


def test_headers_that_have_no_room_for_the_reason_go_into_the_payload() -> None:
    world = world_with_dead_letters()
    world.hub.refuses.add(b"bad")
    world.hub.refusal = (10097, "header size exceeds maximum allowed of 64k")
    block = b"NATS/1.0\r\nBig: " + b"x" * (limits.MAX_HEADER_BYTES - 30) + b"\r\n\r\n"
    world.start()

    world.local.store(b"bad", b"ev.x", block)
    world.clock.advance(NS_PER_S)

    ((_, kept, payload),) = world.local.side["DEAD"].messages
    assert header.get(kept, b"Leafnode-Headers-In-Payload") == b"%d" % len(block)
    assert payload == block + b"bad"


def test_a_subject_that_nobody_at_the_hub_takes_is_a_dead_letter_after_a_minute() -> None:
    world = World(
        dead_letter="DEAD", subjects=("ev.>",), hub_subjects=(b"edge.ev.good", b"edge.ev.a")
    )
    world.start()
    world.local.store(b"bad 1", b"ev.bad")
    world.local.store(b"1", b"ev.good")
    world.local.store(b"bad 2", b"ev.bad")
    world.local.store(b"2", b"ev.good")
    world.clock.advance(30 * NS_PER_S)
    assert world.status.last_error == "nobody upstream takes edge.ev.bad"
    assert letters(world) == []

    world.clock.advance(90 * NS_PER_S)

    assert letters(world) == [b"bad 1", b"bad 2"]
    assert world.hub.payloads() == [b"1", b"2"]


def test_a_hub_that_cannot_be_asked_gets_no_dead_letter_for_its_subjects() -> None:
    world = World(dead_letter="DEAD", hub_subjects=(b"other.>",))
    world.hub.denies_questions = True
    world.start()
    world.store(b"1")

    world.clock.advance(1200 * NS_PER_S)

    assert letters(world) == []
    assert world.pending == [1]


@pytest.mark.parametrize("newest_first", [False, True])
def test_a_stream_without_a_leader_gets_no_dead_letter_for_its_subjects(
    *, newest_first: bool
) -> None:
    """It takes its subjects back, and nothing was in doubt that the hub was asked about."""
    options = replace(OPTIONS, newest_first=newest_first)
    world = World(options, dead_letter="DEAD")
    world.start()
    world.store(b"1")
    world.clock.advance(100 * NS_PER_S)
    subjects, world.hub.subjects = world.hub.subjects, ()
    world.hub.is_leaderless = True
    world.hub.down()
    world.hub.up()

    world.store(b"2")
    world.clock.advance(300 * NS_PER_S)
    assert letters(world) == []
    world.hub.is_leaderless, world.hub.subjects = False, subjects
    world.hub.down()
    world.hub.up()
    world.clock.advance(120 * NS_PER_S)

    assert world.hub.payloads() == [b"1", b"2"]
    assert letters(world) == []


@pytest.mark.parametrize(("dead_letter", "questions"), [("", 0), ("DEAD", 1)])
def test_a_hub_is_asked_for_what_nobody_takes_once_and_for_a_dead_letter_alone(
    dead_letter: str, questions: int
) -> None:
    """Each answer brings the newest message, however large."""
    world = World(dead_letter=dead_letter, hub_subjects=(b"edge.ev.a",))
    world.start()
    world.store(b"1")
    world.clock.advance(100 * NS_PER_S)
    before = len(world.hub.questions)

    for number in range(5):
        world.local.store(b"bad %d" % number, b"ev.bad")
        world.clock.advance(300 * NS_PER_S)

    assert len(world.hub.questions) - before == questions
    assert len(letters(world)) == (5 if dead_letter else 0)


@pytest.mark.parametrize("restarts", [False, True])
def test_a_cut_before_the_answer_loses_and_doubles_no_dead_letter(restarts: bool) -> None:
    world = world_with_dead_letters()
    world.hub.refuses.add(b"3")
    world.start()
    world.store(*numbers(1, 5))
    world.clock.advance(15_000_000)  # at the hub, no answer is back yet
    world.link_down()
    world.clock.advance(OUTAGE_NS)

    if restarts:
        world.hub.up()
        world.restart()
    else:
        world.link_up()
    world.clock.advance(10 * NS_PER_S)

    assert world.hub.payloads() == [b"1", b"2", b"4", b"5"]
    assert letters(world) == [b"3"]
    assert world.pending == []


def test_a_dead_letter_raises_the_floor_like_a_stored_message() -> None:
    world = world_with_dead_letters()
    world.hub.refuses.add(b"2")
    world.start()

    world.store(*numbers(1, 4))
    world.clock.advance(NS_PER_S)

    assert world.status.acked_seq == 4
