"""Metrics of sampled acknowledgements, as nats-server 2.15.1 sends them."""

from __future__ import annotations

import json

import pytest

from leafnode.clock import NS_PER_MS
from leafnode.jetstream.sampling import percent
from tests.unit.jetstream.world import World


def acked(sample_freq: str, count: int) -> list[dict[str, object]]:
    world = World()
    world.create_stream()
    world.create_consumer(sample_freq=sample_freq)
    heard = world.listen("$JS.EVENT.METRIC.CONSUMER.ACK.S.C")
    for _ in range(count):
        world.publish("s.a", b"x")
    messages = world.fetch(count)
    world.clock.advance(5 * NS_PER_MS)
    for message in messages:
        world.publish(message.reply.decode(), b"+ACK")
    return [json.loads(one.payload) for one in heard]


def test_an_acknowledgement_is_measured() -> None:
    (metric,) = acked("100%", 1)

    del metric["id"], metric["timestamp"]
    assert metric == {
        "type": "io.nats.jetstream.metric.v1.consumer_ack",
        "stream": "S",
        "consumer": "C",
        "consumer_seq": 1,
        "stream_seq": 1,
        "ack_time": 5 * NS_PER_MS,
        "deliveries": 1,
    }


def test_some_of_them_are() -> None:
    assert 20 < len(acked("50", 100)) < 80


@pytest.mark.parametrize(("text", "share"), [("", 0), ("7", 7), ("50%", 50)])
def test_the_share(text: str, share: int) -> None:
    assert percent(text) == share
