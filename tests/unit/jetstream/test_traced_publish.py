"""leafnode.jetstream.ingest: what a trace says of a stream.

The texts were measured on nats-server 2.15.1.
"""

from __future__ import annotations

from typing import Any

from leafnode.routing.message_args import Args
from leafnode.routing.publish import publish
from tests.sim.tracer import FakeTracer
from tests.unit.jetstream.world import World


class TracedWorld(World):
    """A stream S on s.>, in an account that traces."""

    def __init__(self, **config: Any) -> None:
        super().__init__()
        self.create_stream(**config)
        self.tracer = self.account.tracer = FakeTracer()

    def trace(self, *lines: bytes) -> None:
        block = b"\r\n".join([b"NATS/1.0", b"Nats-Trace-Dest: t", *lines]) + b"\r\n\r\n"
        publish(self.client, b"s.1", Args(b"", len(block), len(block) + 2), block + b"hi")

    def stored(self) -> int:
        return self.js.streams["S"].store.last_seq()


def test_a_stored_message_is_noted_when_it_is_on_disk() -> None:
    world = TracedWorld()
    world.store.hold()
    world.trace()
    before = len(world.tracer.sent)

    world.store.commit()

    assert before == 0
    assert world.tracer.steps()[1] == ("js", {"stream": "S", "subject": "s.1"})


def test_what_is_stored_makes_no_server_trace_it_again() -> None:
    world = TracedWorld()

    world.trace()

    [answer] = world.request("$JS.API.DIRECT.GET.S", b'{"seq":1}') or world.request(
        "$JS.API.STREAM.MSG.GET.S", b'{"seq":1}'
    )
    assert b"Nats-Trace-Dest: t\r\n" not in answer.payload
    assert world.stored() == 1


def test_trace_only_stores_nothing_and_acknowledges_nothing() -> None:
    world = TracedWorld()

    world.trace(b"Nats-Trace-Only: 1")

    assert world.stored() == 0
    assert world.tracer.steps()[1] == ("js", {"stream": "S", "subject": "s.1"})


def test_why_a_message_is_not_stored_is_noted() -> None:
    world = TracedWorld()

    world.trace(b"Nats-Expected-Last-Sequence: 77")

    fields = {"stream": "S", "error": "last sequence mismatch: 77 vs 0"}
    assert world.tracer.steps()[1] == ("js", fields)
    assert world.stored() == 0


def test_trace_only_checks_what_a_publish_would() -> None:
    world = TracedWorld()

    world.trace(b"Nats-Expected-Last-Subject-Sequence: 4", b"Nats-Trace-Only: 1")

    fields = {"stream": "S", "error": "last sequence by subject mismatch: 4 vs 0"}
    assert world.tracer.steps()[1] == ("js", fields)


def test_a_repeated_message_is_noted_as_such() -> None:
    world = TracedWorld()
    world.trace(b"Nats-Msg-Id: A")
    world.tracer.sent.clear()

    world.trace(b"Nats-Msg-Id: A")

    assert world.tracer.steps()[1] == ("js", {"stream": "S", "error": "msgid is duplicate"})
    assert world.stored() == 1


def test_a_full_stream_is_told_with_the_subject_and_only_to_who_publishes() -> None:
    world = TracedWorld(max_msgs=1, discard="new")
    world.trace()
    world.tracer.sent.clear()

    world.trace()

    fields = {"stream": "S", "subject": "s.1", "error": "maximum messages exceeded"}
    assert world.tracer.steps()[1] == ("js", fields)
    world.tracer.sent.clear()
    world.trace(b"Nats-Trace-Only: 1")
    assert world.tracer.steps()[1] == ("js", {"stream": "S", "subject": "s.1"})


def test_a_message_that_is_too_large_is_told_in_the_words_of_core_nats() -> None:
    world = TracedWorld(max_msg_size=10)

    world.trace()

    fields = {"stream": "S", "error": "maximum payload exceeded"}
    assert world.tracer.steps()[1] == ("js", fields)


def test_a_message_that_nobody_is_interested_in_is_told_so() -> None:
    world = TracedWorld(retention="interest")

    world.trace()

    fields = {"stream": "S", "subject": "s.1", "nointerest": True}
    assert world.tracer.steps()[1] == ("js", fields)


def ask(world: TracedWorld, subject: bytes, *lines: bytes) -> None:
    block = b"\r\n".join([b"NATS/1.0", b"Nats-Trace-Dest: t", *lines]) + b"\r\n\r\n"
    publish(world.client, subject, Args(b"r", len(block), len(block)), block)


def test_the_api_is_a_service_of_the_system_account() -> None:
    world = TracedWorld()

    ask(world, b"$JS.API.STREAM.DELETE.S")

    fields = {"acc": "$SYS", "from": "$JS.API.STREAM.DELETE.S", "to": "$JS.API.STREAM.DELETE.S"}
    assert world.tracer.steps()[1:] == [("si", fields)]
    assert "S" not in world.js.streams


def test_a_request_that_is_only_traced_does_nothing() -> None:
    world = TracedWorld()
    world.create_consumer()
    world.trace()
    (consumer,) = world.js.streams["S"].consumers.values()
    before = consumer.info()["num_waiting"]

    for subject in (b"$JS.API.STREAM.DELETE.S", b"$JS.API.CONSUMER.MSG.NEXT.S.C"):
        world.tracer.sent.clear()
        ask(world, subject, b"Nats-Trace-Only: true")
        assert [kind for kind, _ in world.tracer.steps()] == ["in", "si"]

    assert "S" in world.js.streams
    assert consumer.info()["num_waiting"] == before == 0
    assert consumer.info()["num_pending"] == 1
