"""leafnode.server.latency: JSON as nats-server 2.15.1 publishes it (measured)."""

from __future__ import annotations

import json

from leafnode.protocol.client_info import ClientInfo
from leafnode.routing.latency import BAD_REQUEST, OK, Measurement
from leafnode.server.latency import METRIC_TYPE, encode

WALL_NS = 1_800_000_000_000_000_000


def test_an_answered_request_has_both_sides_and_spans_without_their_round_trips() -> None:
    measurement = Measurement(
        OK,
        ClientInfo(acc="I", rtt=10),
        WALL_NS,
        {"X-B3-Sampled": ["1"]},
        ClientInfo(acc="E", rtt=30),
        service_ns=100,
    )

    text = encode(measurement, event_id="ID", now_wall_ns=WALL_NS + 5)

    assert json.loads(text) == {
        "type": METRIC_TYPE,
        "id": "ID",
        "timestamp": "2027-01-15T08:00:00.000000005Z",
        "status": 200,
        "requestor": {"acc": "I", "rtt": 10},
        "responder": {"acc": "E", "rtt": 30},
        "header": {"X-B3-Sampled": ["1"]},
        "start": "2027-01-15T07:59:59.99999999Z",
        "service": 70,
        "system": 0,
        "total": 110,
    }
    assert list(json.loads(text))[:4] == ["type", "id", "timestamp", "status"]


def test_a_service_faster_than_a_round_trip_took_no_time() -> None:
    measurement = Measurement(OK, None, WALL_NS, {}, ClientInfo(rtt=30), service_ns=20)

    assert json.loads(encode(measurement, event_id="", now_wall_ns=0))["service"] == 0


def test_an_error_says_which_and_has_no_spans() -> None:
    measurement = Measurement(BAD_REQUEST, ClientInfo(acc="I", rtt=10), WALL_NS, {})

    answer = json.loads(encode(measurement, event_id="ID", now_wall_ns=WALL_NS))

    assert answer["status"] == 400
    assert answer["description"] == "Bad Request"
    assert answer.keys().isdisjoint({"responder", "header"})
    assert answer["service"] == answer["system"] == answer["total"] == 0
