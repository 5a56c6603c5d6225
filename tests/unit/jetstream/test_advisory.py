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

    assert world.state("E")["messages"] == 4  # of each creation and its request


def test_a_request_is_told_with_its_answer_and_who_asked() -> None:
    world = World()
    world.create_stream()
    heard = world.listen("$JS.EVENT.ADVISORY.API")

    world.api("STREAM.DELETE.S")
    world.error("STREAM.MSG.GET.S", {"seq": 9})

    deleted, missing = (json.loads(one.payload) for one in heard)
    assert deleted["subject"] == "$JS.API.STREAM.DELETE.S"
    assert deleted["server"] == "edge"
    assert deleted["client"] == {"acc": "$G"}  # nothing is known of this client
    assert "request" not in deleted
    assert json.loads(deleted["response"])["success"] is True
    assert json.loads(missing["request"]) == {"seq": 9}
    assert json.loads(missing["response"])["error"]["err_code"] == 10059


def test_reading_and_resetting_are_not_told() -> None:
    world = World()
    world.create_stream()
    world.create_consumer()
    world.publish("s.a", b"x")
    heard = world.listen("$JS.EVENT.ADVISORY.API")

    world.api("STREAM.MSG.GET.S", {"seq": 1})
    world.api("CONSUMER.RESET.S.C", {})

    assert heard == []
