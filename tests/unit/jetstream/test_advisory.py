"""Advisories, as nats-server 2.15.1 words them."""

from __future__ import annotations

import json

from tests.unit.jetstream.world import World

S = 1_000_000_000


def test_each_advisory_has_type_id_time_and_domain() -> None:
    world = World(domain="D")
    heard = world.listen("$JS.EVENT.ADVISORY.STREAM.CREATED.S")

    world.create_stream()

    event = json.loads(heard[0].payload)
    assert len(event.pop("id")) == 22
    assert event == {
        "type": "io.nats.jetstream.advisory.v1.stream_action",
        "timestamp": "2027-01-15T08:00:00Z",
        "stream": "S",
        "action": "create",
        "domain": "D",
    }


def test_naks_and_terms_name_the_message() -> None:
    world = World()
    world.create_stream()
    world.publish("s.a", b"x")
    world.create_consumer()
    naks = world.listen("$JS.EVENT.ADVISORY.CONSUMER.MSG_NAKED.S.C")
    terms = world.listen("$JS.EVENT.ADVISORY.CONSUMER.MSG_TERMINATED.S.C")
    first = world.fetch(1)[0]

    world.publish(first.reply.decode(), b"-NAK")
    second = world.fetch(1)[0]
    world.publish(second.reply.decode(), b"+TERM because")

    nak, term = json.loads(naks[0].payload), json.loads(terms[0].payload)
    assert (nak["consumer_seq"], nak["stream_seq"], nak["deliveries"]) == (1, 1, 1)
    assert (term["consumer_seq"], term["stream_seq"], term["deliveries"]) == (2, 1, 2)
    assert term["reason"] == "because"
    assert "reason" not in nak


def test_a_stream_may_store_advisories() -> None:
    world = World()
    world.create_stream("E", subjects=["$JS.EVENT.>"])

    world.create_stream("T")

    assert world.state("E")["messages"] == 2  # its own creation is the first
