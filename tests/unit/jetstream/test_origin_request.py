"""What an origin is asked for, form by form. Measured on nats-server 2.15.1."""

from __future__ import annotations

import json
from typing import Any

from leafnode.jetstream.api_types import ExternalStream, StreamConsumerSource, StreamSource
from leafnode.jetstream.origin_request import OriginRequest
from leafnode.protocol import header
from tests.unit.jetstream.world import World


def request(kind: str = "SRC", **origin: Any) -> OriginRequest:
    world = World()
    world.create_stream("M")
    source = StreamSource(name="O", **origin)
    return OriginRequest.newest(world.js.streams["M"], source, kind)


def said(one: OriginRequest, seq: int = 0) -> tuple[bytes, dict[bytes, bytes], dict[str, Any]]:
    subject, block, body = one.message(seq, "tok", b"ident")
    config = json.loads(body)["config"] if body else {}
    return subject, dict(header.parse(block)), config


def test_the_newest_form_says_which_stream_it_read_before() -> None:
    subject, fields, config = said(request(), 4)

    assert subject == b"$JS.API.CONSUMER.CREATE.O"
    assert fields == {b"Nats-Required-Api-Level": b"5", b"Nats-Stream-Identity": b"ident"}
    assert (config["direct"], config["sourcing"], config["opt_start_seq"]) == (True, True, 5)
    assert config["deliver_subject"] == "$JS.S.tok"
    assert config["name"] == request().name


def test_a_mirror_asks_for_less() -> None:
    _, fields, config = said(request("MIRROR"))

    assert fields == {b"Nats-Required-Api-Level": b"4"}
    assert config["deliver_subject"] == "$JS.M.tok"


def test_older_forms_leave_out_what_older_servers_do_not_know() -> None:
    fourth = request().older
    assert fourth is not None
    plain = fourth.older
    assert plain is not None

    assert said(fourth)[1] == {b"Nats-Required-Api-Level": b"4"}
    assert said(plain)[1] == {}
    assert "sourcing" not in said(plain)[2]
    assert said(plain)[2]["name"] == f"{plain.name}_tok"
    assert plain.older is None


def test_the_name_stays_and_tells_sources_of_one_stream_apart() -> None:
    assert request().name == request().name
    assert request().name != request(filter_subject="a").name
    assert request().name.startswith("JS_SRC_")
    assert request("MIRROR").name.startswith("JS_MIRROR_")


def test_one_filter_stands_in_the_subject_and_an_external_origin_is_asked_at_its_own() -> None:
    external = ExternalStream("$JS.hub.API", "from.hub")
    subject, _, config = said(request(filter_subject="a.>", external=external))

    assert subject == f"$JS.hub.API.CONSUMER.CREATE.O.{config['name']}.a.>".encode()
    assert config["deliver_subject"] == "from.hub.S.tok"
    assert request(external=external).deletion("x") == b"$JS.hub.API.CONSUMER.DELETE.O.x"


def test_a_consumer_that_is_there_is_set_back_and_never_made() -> None:
    one = request(consumer=StreamConsumerSource("held", "to.me"))

    assert said(one) == (
        b"$JS.API.CONSUMER.RESET.O.held",
        {b"Nats-Required-Api-Level": b"5", b"Nats-Stream-Identity": b"ident"},
        {},
    )
    assert one.deliver_subject("tok") == "to.me"
    assert one.older is None
    mirror = request("MIRROR", consumer=StreamConsumerSource("held", "to.me"))
    assert mirror.message(0, "tok", b"") == (b"$JS.API.CONSUMER.RESET.O.held", b"", b"")
