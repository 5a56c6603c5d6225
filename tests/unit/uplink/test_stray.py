"""Another stream, or another domain, than the one that was named stores what is sent."""

from __future__ import annotations

from typing import Any

import pytest

from leafnode.clock import NS_PER_S
from leafnode.config.options import UplinkStream
from leafnode.uplink.status import State
from tests.sim.hub import DUPLICATE_WINDOW_NS
from tests.sim.uplink_world import World, numbers

LATER_NS = 5 * DUPLICATE_WINDOW_NS
OTHER = b'{"stream":"LOG","domain":"lab","seq":7}'


def world_of(stream: str, domain: str) -> World:
    world = World(UplinkStream("EV", stream, domain, subject_prefix="edge."))
    world.store(*numbers(1, 20))
    world.start()
    return world


def healthy_samples(world: World, lasts_ns: int) -> int:
    """Return how often health had nothing to say, after what it may take to be noticed."""
    world.clock.advance(30 * NS_PER_S)
    found = 0
    for _ in range(lasts_ns // NS_PER_S):
        world.clock.advance(NS_PER_S)
        found += not world.status.problem
    return found


@pytest.mark.parametrize(
    ("stream", "domain", "copies"),
    [("AGG", "hubb", 1), ("AG", "hub", 1), ("AG", "", 1), ("", "hubb", 3)],
)
def test_what_another_stream_stores_is_stored_once_and_health_says_so_all_the_time(
    stream: str, domain: str, copies: int
) -> None:
    """Where nobody can be asked it is tried again, and less and less often."""
    world = world_of(stream, domain)

    assert healthy_samples(world, LATER_NS // 4) == 0
    world.clock.advance(LATER_NS)

    assert world.hub.payloads() == numbers(1, 20) * copies
    assert world.local.acks == []
    named = stream or "any stream"
    assert f"stored by stream AGG of domain 'hub', not {named}" in world.status.problem


@pytest.mark.parametrize(("stream", "domain"), [("AG", "hub"), ("AG", "")])
def test_once_the_named_stream_stores_it_all_of_it_goes_there(stream: str, domain: str) -> None:
    world = world_of(stream, domain)
    world.clock.advance(LATER_NS)
    assert world.local.acks == []

    world.hub.stream = stream
    world.clock.advance(600 * NS_PER_S)

    # Without a domain the stream cannot be asked whether it is what the other one was.
    assert world.hub.payloads() == numbers(1, 20) * (1 if domain else 2)
    assert world.pending == []
    assert (world.status.state, world.status.problem) == (State.RUNNING, "")


def test_a_stream_that_listens_in_keeps_nothing_from_the_right_one() -> None:
    world = World()
    world.hub.beside.append(OTHER)
    world.start()
    world.store(*numbers(1, 20))
    world.clock.advance(LATER_NS)

    assert world.hub.payloads() == numbers(1, 20)
    assert world.pending == []
    assert world.status.problem == ""


def test_the_right_one_that_is_silent_for_a_while_is_not_taken_for_another() -> None:
    world = World()
    world.hub.beside.append(OTHER)
    world.hub.loses_acks = True
    world.start()
    world.store(*numbers(1, 20))
    world.clock.advance(60 * NS_PER_S)
    world.hub.loses_acks = False
    world.clock.advance(180 * NS_PER_S)

    assert world.hub.payloads() == numbers(1, 20)
    assert world.pending == []
    assert world.status.problem == ""


@pytest.mark.parametrize("is_denied", [False, True])
def test_where_the_hub_cannot_be_asked_a_slip_of_it_is_over_by_itself(is_denied: bool) -> None:
    world = World(UplinkStream("EV", "AGG" if is_denied else "", "hub", subject_prefix="edge."))
    world.hub.denies_api = is_denied
    world.hub.down()
    world.hub.up()
    world.start()
    world.hub.domain = "other"
    world.store(b"1")
    world.clock.advance(60 * NS_PER_S)
    world.hub.domain = "hub"
    world.clock.advance(180 * NS_PER_S)
    world.store(b"2")
    world.clock.advance(NS_PER_S)

    assert world.hub.payloads()[-1] == b"2"
    assert world.pending == []
    assert "stored by stream" not in world.status.problem
    assert bool(world.status.problem) is is_denied


def test_a_link_that_breaks_before_a_pub_ack_is_overdue_has_it_stored_once() -> None:
    """The named stream is there, and another one takes the subjects."""
    world = World()
    question = world.hub._question

    def answered(api: bytes, body: bytes) -> dict[str, Any] | None:
        if api.endswith(b".AGG"):
            return {"error": {"code": 404, "err_code": 10037, "description": "no message found"}}
        return question(api, body)

    world.hub.stream, world.hub._question = "OTHER", answered  # type: ignore[method-assign]
    world.start()
    world.store(*numbers(1, 3))
    for _ in range(10):
        world.clock.advance(4 * NS_PER_S)
        world.link_down()
        world.clock.advance(DUPLICATE_WINDOW_NS + NS_PER_S)
        world.link_up()
    world.clock.advance(NS_PER_S)

    assert world.hub.payloads() == numbers(1, 3)
    assert "stored by stream OTHER" in world.status.problem


def test_another_stream_does_not_say_that_the_named_one_has_worked_off_its_queue() -> None:
    world = World()
    hub = world.hub
    hub.window_ns = NS_PER_S // 3
    world.start()
    world.store(b"0")
    world.clock.advance(5 * NS_PER_S)
    arrive = hub._arrive

    def heard(chunk: bytes, epoch: int) -> None:
        if b"Nats-Expected-Stream: AGG." in chunk:
            error = {"code": 400, "err_code": 10060, "description": "expected stream"}
            refusal = {"error": error, "stream": "TAP", "seq": 0}
            hub._answer_later(chunk.split()[2], refusal, epoch)
        arrive(chunk, epoch)

    hub._arrive = heard  # type: ignore[method-assign]
    hub.queue_ns = 9 * NS_PER_S
    world.store(*numbers(1, 50))
    world.clock.advance(37 * NS_PER_S)
    hub.queue_ns = 0
    world.clock.advance(60 * NS_PER_S)

    assert world.hub.payloads() == numbers(0, 50)
