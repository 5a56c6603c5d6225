"""Mirrors and sources over a real leaf link, in both directions, while either end is killed.

A nats-server hub and a gateway of ours read streams of each other through `external`: streams whose
messages stay and work queues, which let go of what has arrived. Numbered messages are published
between the kills; in the end each reader has every number once and in order.
"""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any, Final

import pytest

from tests.conformance.jetstream.client import Connection
from tests.hub.process import Hub, nats_server_path
from tests.interop.gateway import Gateway

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = [
    pytest.mark.interop,
    pytest.mark.skipif(nats_server_path() is None, reason="nats-server is not installed"),
]

PATIENCE_S: Final = 180.0  # an origin that did not answer is asked again after 40 s
POLL_S: Final = 0.1
ROUND: Final = 100
CONFIG: Final = """server_name: {name}
jetstream {{ store_dir: "{{dir}}/js", domain: {name} }}
accounts {{ A {{ jetstream: enabled, users: [{{ user: A, password: x }}] }} }}
"""
ACCOUNT: Final = "authorization { user: A, password: x, account: A }"
READERS: Final = {
    # name of the reader: (retention of the origin, how it is read)
    "MIRROR": ("limits", "mirror"),
    "SOURCE": ("limits", "sources"),
    "QUEUE": ("workqueue", "sources"),
    "INTEREST": ("interest", "sources"),
    "NAMED": ("workqueue", "sources"),
}


class Side:
    """One server, and what its clients do."""

    def __init__(self, name: str, server: Hub | Gateway) -> None:
        self.name = name
        self.server = server
        self._connection: Connection | None = None
        self._inboxes = 0

    def start(self) -> None:
        self.server.start()

    def kill(self) -> None:
        self.disconnect()
        self.server.kill()

    def stop(self) -> None:
        self.disconnect()
        self.server.stop()

    def _open(self) -> Connection:
        if self._connection is None:
            self._connection = Connection(self.server.client_port, "A")
        return self._connection

    def disconnect(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def ask(self, subject: str, body: Any = None) -> dict[str, Any]:
        """Return the JSON answer to a request."""
        connection = self._open()
        self._inboxes += 1
        inbox = f"_C.{self.name}.{self._inboxes}"
        sid = connection.subscribe(inbox)
        connection.publish(subject, b"", json.dumps(body or {}).encode(), inbox)
        got = connection.next(sid)
        connection.unsubscribe(sid)
        assert got is not None, f"{self.name} does not answer {subject}"
        answer: dict[str, Any] = json.loads(got.payload) if got.payload else {}
        return answer

    def publish(self, messages: list[tuple[str, bytes]]) -> None:
        """Return when the server has acknowledged all."""
        connection = self._open()
        self._inboxes += 1
        inbox = f"_C.{self.name}.{self._inboxes}"
        sid = connection.subscribe(inbox)
        for subject, payload in messages:
            connection.publish(subject, b"", payload, inbox)
        for _ in messages:
            got = connection.next(sid)
            assert got is not None, f"{self.name} does not acknowledge"
            assert b"error" not in got.payload, got.payload
        connection.unsubscribe(sid)

    def api(self, endpoint: str, body: Any = None) -> dict[str, Any]:
        answer = self.ask(f"$JS.API.{endpoint}", body)
        assert "error" not in answer, f"{endpoint} on {self.name}: {answer['error']}"
        return answer

    def numbers(self, stream: str) -> list[int]:
        """Return the payloads of a stream in order."""
        connection = self._open()
        config = {"name": "all", "ack_policy": "none", "inactive_threshold": 10**12}
        body = {"stream_name": stream, "config": config}
        total = self.api(f"CONSUMER.CREATE.{stream}.all", body)["num_pending"]
        sid = connection.subscribe("_C.all")
        request = json.dumps({"batch": total, "no_wait": True}).encode()
        connection.publish(f"$JS.API.CONSUMER.MSG.NEXT.{stream}.all", b"", request, "_C.all")
        got = [connection.next(sid) for _ in range(total)]
        connection.unsubscribe(sid)
        self.api(f"CONSUMER.DELETE.{stream}.all")
        return [int(one.payload) for one in got if one is not None]

    def messages(self, stream: str) -> int:
        count: int = self.api(f"STREAM.INFO.{stream}")["state"]["messages"]
        return count


@pytest.fixture
def sides(tmp_path: Path) -> Iterator[tuple[Side, Side]]:
    """The hub and the edge, linked."""
    hub = Hub(tmp_path / "hub", CONFIG.format(name="hub"), leafnodes=ACCOUNT)
    port = hub.leaf_port
    remote = f"remotes [ {{ url: 'nats-leaf://A:x@127.0.0.1:{port}', account: A }} ]"
    edge = Gateway(
        tmp_path / "edge", CONFIG.format(name="edge") + f"leafnodes {{ reconnect: 1s, {remote} }}\n"
    )
    both = Side("hub", hub), Side("edge", edge)
    try:
        for side in both:
            side.start()
        yield both
    finally:
        for side in both:
            side.stop()


def until(true: Any, why: str) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not true():
        assert time.monotonic() < deadline, why
        time.sleep(POLL_S)


def external(origin: Side) -> dict[str, str]:
    return {"api": f"$JS.{origin.name}.API", "deliver": f"from.{origin.name}"}


def make(origin: Side, reader: Side) -> None:
    """Create every origin and the stream that reads it."""
    for name, (retention, how) in READERS.items():
        stream = f"{name}O"
        origin.api(
            f"STREAM.CREATE.{stream}",
            {"name": stream, "subjects": [f"{origin.name}.{name}"], "retention": retention},
        )
        read: dict[str, Any] = {"name": stream, "external": external(origin)}
        if name == "NAMED":
            read["consumer"] = {"name": "held", "deliver_subject": f"from.{origin.name}.held"}
            config = {"durable_name": "held", "ack_policy": "flow_control", "description": how}
            config["deliver_subject"] = f"from.{origin.name}.held"
            body = {"stream_name": stream, "config": config}
            origin.api(f"CONSUMER.CREATE.{stream}.held", body)
        origins: Any = read if how == "mirror" else [read]
        reader.api(f"STREAM.CREATE.{name}R", {"name": f"{name}R", how: origins})
    # An interest stream keeps nothing before its reader's consumer is there.
    until(
        lambda: origin.api("CONSUMER.NAMES.INTERESTO")["consumers"],
        f"{reader.name} does not read the interest stream of {origin.name}",
    )


def publish(side: Side, numbers: range) -> None:
    """Publish to every origin of a side, and return when all of it is acknowledged."""
    subjects = [f"{side.name}.{name}" for name in READERS]
    side.publish([(one, str(number).encode()) for number in numbers for one in subjects])


def arrived(origin: Side, reader: Side, total: int) -> None:
    """Every reader has every number, once and in order, and queues are empty."""
    for name, (retention, _) in READERS.items():
        stream = f"{name}R"
        until(
            lambda stream=stream: reader.messages(stream) >= total,
            f"{stream} on {reader.name} does not get everything",
        )
        assert reader.numbers(stream) == list(range(total)), f"{stream} on {reader.name}"
        if retention != "limits":
            until(
                lambda name=name: origin.messages(f"{name}O") == 0,
                f"{name}O on {origin.name} keeps what has arrived",
            )


def test_nothing_is_lost_or_doubled_between_a_hub_and_an_edge_that_are_killed(
    sides: tuple[Side, Side],
) -> None:
    hub, edge = sides
    make(hub, edge)
    make(edge, hub)
    done = 0
    for killed in (None, hub, edge, edge):
        for side in sides:
            publish(side, range(done, done + ROUND))
        done += ROUND
        if killed is not None:  # whatever is under way
            killed.kill()
            killed.start()

    arrived(hub, edge, done)
    arrived(edge, hub, done)
