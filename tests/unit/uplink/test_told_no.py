"""A hub that answers the question where to go on with an error is asked again."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from leafnode import limits
from leafnode.clock import NS_PER_S
from leafnode.uplink.status import Protection
from tests.sim.uplink_world import World, numbers

if TYPE_CHECKING:
    from collections.abc import Callable


@pytest.mark.parametrize("stores", [False, True])
def test_a_stream_that_is_made_after_the_start_is_asked_soon_or_when_it_acknowledges(
    monkeypatch: pytest.MonkeyPatch, *, stores: bool
) -> None:
    """The gateway was set up before its hub's stream: that is well as soon as it works."""
    world = World()
    question, missing = world.hub._question, [True]
    error = {"code": 404, "err_code": 10059, "description": "stream not found"}

    def answer(api: bytes, body: bytes) -> object:
        found = question(api, body)
        return {"error": error} if missing[0] else found

    monkeypatch.setattr(world.hub, "_question", answer)
    world.start()
    world.clock.advance(60 * NS_PER_S)
    assert "stream not found" in world.status.problem

    missing[0] = False
    if stores:
        world.store(b"1")
    world.clock.advance((5 if stores else 130) * NS_PER_S)

    assert world.hub.payloads() == ([b"1"] if stores else [])
    assert (world.status.problem, world.status.protection) == ("", Protection.ASKED)


def test_a_hub_that_says_no_to_every_question_is_asked_once_an_hour(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    world = World()
    error = {"code": 503, "err_code": 10039, "description": "not for you"}
    asked: list[bytes] = []

    def answer(api: bytes, body: bytes) -> object:
        asked.append(body)
        return {"error": error}

    monkeypatch.setattr(world.hub, "_question", answer)
    world.start()
    for number in range(1800):
        world.store(b"%d" % number)
        world.clock.advance(NS_PER_S)

    assert world.hub.payloads() == numbers(0, 1799)
    # After the first PubAck, 1, 2, 4, 8 and 16 minutes, and some questions each time.
    assert len(asked) <= 8 * limits.UPLINK_ASK_ATTEMPTS
    assert "not for you" in world.status.problem


NO_STREAM = {"error": {"code": 404, "err_code": 10059, "description": "stream not found"}}


def in_doubt() -> World:
    """One message is through; of two more the hub's PubAck was lost with the link."""
    world = World()
    world.start()
    world.store(b"1")
    world.clock.advance(5 * NS_PER_S)
    world.hub.loses_acks = True
    world.store(b"2", b"3")
    world.clock.advance(NS_PER_S)
    world.link_down()
    world.hub.loses_acks = False
    return world


def away(world: World, how: str) -> Callable[[], None]:
    """The hub's stream is away, while somebody there takes its subjects; return what ends that."""
    hub = world.hub
    send, question = hub.send, hub._question
    if how == "leaderless":
        hub.is_leaderless = True
    elif how == "not found":
        hub._question = lambda _api, _body: NO_STREAM  # type: ignore[method-assign]
    else:
        hub.send = (  # type: ignore[method-assign]
            lambda subject, body, **more: b".API." not in subject and send(subject, body, **more)
        )
    hub.swallows = {b"edge.ev.a"}

    def back() -> None:
        hub.is_leaderless, hub.swallows = False, set()
        hub._question, hub.send = question, send  # type: ignore[method-assign]

    return back


@pytest.mark.parametrize("restarts", [False, True])
@pytest.mark.parametrize("seconds", range(300, 330, 5))
@pytest.mark.parametrize("how", ["leaderless", "not found", "nobody"])
def test_a_hub_that_answered_before_is_asked_until_it_answers_again(
    how: str, seconds: int, *, restarts: bool
) -> None:
    """It has what it did not acknowledge, and remembers no id by then."""
    world = in_doubt()
    back = away(world, how)
    if restarts:
        world.uplink.stop()
        world.hub.up()
        world.restart()
    else:
        world.link_up()
    world.clock.advance(seconds * NS_PER_S)
    problem = world.status.problem
    back()
    world.clock.advance(120 * NS_PER_S)

    words = {
        "leaderless": "JetStream system temporarily unavailable (10008)",
        "not found": "stream not found (10059)",
        "nobody": "nobody upstream takes $JS.hub.API.STREAM.MSG.GET.AGG",
    }
    assert problem.endswith(f"where to go on: {words[how]}")
    assert world.hub.payloads() == numbers(1, 3)
    assert (world.status.problem, world.status.protection) == ("", Protection.ASKED)


def test_a_hub_without_a_leader_is_sent_nothing_for_as_long_as_it_takes() -> None:
    world = in_doubt()
    back = away(world, "leaderless")
    world.link_up()
    world.clock.advance(4 * 3600 * NS_PER_S)
    assert world.status.counters.resent == 0
    back()
    world.clock.advance(120 * NS_PER_S)

    assert world.hub.payloads() == numbers(1, 3)


@pytest.mark.parametrize("how", ["not found", "nobody"])
def test_a_hub_that_says_no_for_hours_is_found_out_to_store_all_the_same(how: str) -> None:
    """Somebody took the right away; the stream goes on, and after each loss of the link at once."""
    world = in_doubt()
    back = away(world, how)
    world.hub.swallows = set()
    world.link_up()
    world.store(b"4")
    world.clock.advance(3000 * NS_PER_S)
    assert world.hub.payloads() == numbers(1, 3)

    world.clock.advance(2 * 3600 * NS_PER_S)
    assert world.hub.payloads()[-1] == b"4"
    assert world.status.protection is Protection.WINDOW
    world.link_down()
    world.link_up()
    world.store(b"5")
    world.clock.advance(30 * NS_PER_S)
    assert world.hub.payloads()[-1] == b"5"

    back()
    world.clock.advance(3700 * NS_PER_S)
    assert (world.status.problem, world.status.protection) == ("", Protection.ASKED)


def test_a_gateway_that_is_on_for_less_than_an_hour_goes_on_too() -> None:
    world = in_doubt()
    away(world, "not found")
    world.hub.swallows = set()
    world.link_up()
    for number in range(4, 7):
        world.restart()
        world.store(b"%d" % number)
        world.clock.advance(50 * 60 * NS_PER_S)

    assert world.hub.payloads()[-3:] == numbers(4, 6)
