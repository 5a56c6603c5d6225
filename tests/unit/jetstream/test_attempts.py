"""Out of attempts: when a message is given up. Measured on nats-server 2.15.1."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from leafnode import limits
from tests.unit.jetstream.world import World

if TYPE_CHECKING:
    import pytest

WAIT = 200_000_000


def world(max_deliver: int, messages: int = 1) -> World:
    made = World()
    made.create_stream()
    made.create_consumer(max_deliver=max_deliver, ack_wait=WAIT)
    for _ in range(messages):
        made.publish("s.a", b"x")
    return made


def test_one_attempt_is_over_when_its_wait_is_though_nobody_asks() -> None:
    once = world(1)
    told = once.listen("$JS.EVENT.ADVISORY.CONSUMER.MAX_DELIVERIES.S.C")
    once.fetch({"batch": 1, "no_wait": True})

    once.clock.advance(WAIT)

    assert once.info()["num_ack_pending"] == 0
    assert json.loads(told[0].payload)["deliveries"] == 1
    assert once.state()["messages"] == 1


def test_the_last_of_several_is_over_when_somebody_asks() -> None:
    twice = world(2)
    told = twice.listen("$JS.EVENT.ADVISORY.CONSUMER.MAX_DELIVERIES.S.C")
    for _ in range(2):
        twice.fetch({"batch": 1, "no_wait": True})
        twice.clock.advance(WAIT)
    assert (twice.info()["num_ack_pending"], told) == (1, [])

    twice.fetch({"batch": 1, "no_wait": True})

    assert twice.info()["num_ack_pending"] == 0
    assert json.loads(told[0].payload)["deliveries"] == 2


def test_many_are_given_up_in_several_turns(monkeypatch: pytest.MonkeyPatch) -> None:
    once = world(1, messages=10)
    once.fetch({"batch": 10, "no_wait": True})
    monkeypatch.setattr(limits, "DELIVER_TURN_MSGS", 4)
    told = once.listen("$JS.EVENT.ADVISORY.CONSUMER.MAX_DELIVERIES.S.C")
    seen: list[int] = []
    call_later = once.clock.call_later
    monkeypatch.setattr(
        once.clock,
        "call_later",
        lambda delay_ns, callback: (seen.append(len(told)), call_later(delay_ns, callback))[1],
    )

    once.clock.advance(WAIT)

    assert {4, 8} <= set(seen)
    assert len(told) == 10
