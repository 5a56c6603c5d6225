"""A hub that answers the question where to go on with an error is asked again."""

from __future__ import annotations

import pytest

from leafnode import limits
from leafnode.clock import NS_PER_S
from leafnode.uplink.status import Protection
from tests.sim.uplink_world import World, numbers


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
