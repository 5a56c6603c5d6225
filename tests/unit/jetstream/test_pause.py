"""Pausing a consumer: answers and advisories as measured on nats-server 2.15.1."""

from __future__ import annotations

import json

import pytest

from leafnode import limits
from leafnode.clock import NS_PER_S
from leafnode.errors import StoreFailed
from leafnode.go_time import format_time
from tests.unit.jetstream.world import World


def world(**config: object) -> World:
    made = World()
    made.create_stream()
    made.create_consumer(**config)
    made.publish("s.a", b"1")
    return made


def later(world: World, seconds: int) -> str:
    return format_time(world.clock.wall_ns() + seconds * NS_PER_S)


def test_a_paused_consumer_says_so_and_delivers_when_the_time_has_come() -> None:
    paused = world()
    until = later(paused, 10)

    answer = paused.api("CONSUMER.PAUSE.S.C", {"pause_until": until})

    assert (answer["paused"], answer["pause_until"]) == (True, until)
    assert answer["pause_remaining"] == 10 * NS_PER_S
    assert (paused.info()["paused"], paused.info()["config"]["pause_until"]) == (True, until)
    messages = paused.fetch({"batch": 1, "expires": 60 * NS_PER_S})
    paused.clock.advance(9 * NS_PER_S)
    assert messages == []
    paused.clock.advance(NS_PER_S)
    assert [message.payload for message in messages] == [b"1"]
    assert "paused" not in paused.info()


@pytest.mark.parametrize("body", [None, {}, {"pause_until": "2020-01-01T00:00:00Z"}])
def test_without_a_time_or_with_one_that_has_passed_it_goes_on(body: object) -> None:
    paused = world()
    paused.api("CONSUMER.PAUSE.S.C", {"pause_until": later(paused, 60)})
    messages = paused.fetch({"batch": 1, "expires": 60 * NS_PER_S})

    answer = paused.api("CONSUMER.PAUSE.S.C", body)

    assert answer["paused"] is False
    assert [message.payload for message in messages] == [b"1"]


def test_a_question_that_does_not_wait_is_told_that_there_is_nothing() -> None:
    paused = world()
    paused.api("CONSUMER.PAUSE.S.C", {"pause_until": later(paused, 60)})

    (answer,) = paused.fetch({"batch": 1, "no_wait": True})

    assert answer.status == b"NATS/1.0 404 No Messages"


def test_a_consumer_may_be_paused_from_the_beginning_and_stays_so_over_a_restart() -> None:
    made = World()
    made.create_stream()
    answer = made.create_consumer(pause_until=later(made, 60))
    assert answer["paused"] is True
    assert answer["config"]["metadata"]["_nats.req.level"] == "1"

    made.restart()

    assert made.info()["paused"] is True


def test_an_update_does_not_change_the_pause() -> None:
    paused = world()
    body = {"durable_name": "C", "ack_policy": "explicit", "pause_until": later(paused, 60)}

    answer = paused.api("CONSUMER.CREATE.S.C", {"stream_name": "S", "config": body})

    assert "paused" not in answer
    assert "pause_until" not in answer["config"]


def test_beginning_and_end_are_told() -> None:
    paused = world()
    heard = paused.listen("$JS.EVENT.ADVISORY.CONSUMER.PAUSE.S.C")
    until = later(paused, 10)

    paused.api("CONSUMER.PAUSE.S.C", {"pause_until": until})
    paused.clock.advance(10 * NS_PER_S)

    told = [json.loads(one.payload) for one in heard]
    assert [one["paused"] for one in told] == [True, False]
    assert told[0]["pause_until"] == until


def test_a_pause_that_cannot_be_stored_is_none() -> None:
    paused = world()
    paused.store.error = StoreFailed("fsync failed")

    answer = paused.api("CONSUMER.PAUSE.S.C", {"pause_until": later(paused, 10)})

    paused.store.error = None
    assert answer["error"]["code"] == 503
    assert "paused" not in paused.info()


def test_a_pause_whose_end_the_clock_was_set_past_ends_without_another_message() -> None:
    paused = world()
    paused.api("CONSUMER.PAUSE.S.C", {"pause_until": later(paused, 30 * 365 * 86400)})
    heard = paused.listen("$JS.EVENT.ADVISORY.CONSUMER.PAUSE.S.C")
    got = paused.fetch({"batch": 1, "expires": 600 * NS_PER_S})
    paused.clock.advance(10 * NS_PER_S)

    paused.clock.jump_wall(30 * 365 * 86400 * NS_PER_S)
    paused.clock.advance(limits.PAUSE_LOOK_NS)

    assert [message.payload for message in got] == [b"1"]
    assert [json.loads(one.payload)["paused"] for one in heard] == [False]


def test_a_pause_whose_end_is_further_away_since_the_clock_was_set_back_goes_on() -> None:
    paused = world()
    paused.api("CONSUMER.PAUSE.S.C", {"pause_until": later(paused, 10)})
    messages = paused.fetch({"batch": 1, "expires": 7200 * NS_PER_S})

    paused.clock.jump_wall(-3600 * NS_PER_S)
    paused.clock.advance(3609 * NS_PER_S)
    assert messages == []
    paused.clock.advance(NS_PER_S)

    assert [message.payload for message in messages] == [b"1"]
