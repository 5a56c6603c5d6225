"""leafnode.routing.services: what a message trace says of a service import."""

from __future__ import annotations

from leafnode.routing.service_export import Answers, ServiceExport
from tests.sim.peers import FakePeer
from tests.sim.tracer import FakeTracer
from tests.unit.routing.test_services import SECOND_NS, World
from tests.unit.routing.test_tracing import hpub


class Traced:
    """A requester in I and a responder in E, who share the service q, called r in I."""

    def __init__(self, *, allow_trace: bool) -> None:
        world = World()
        exporter, importer = world.account("E"), world.account("I")
        export = ServiceExport(
            exporter,
            b"q",
            answers=Answers.ONE,
            threshold_ns=SECOND_NS,
            latency=None,
            allow_trace=allow_trace,
        )
        world.import_("I", export, b"r")
        self.tracer = importer.tracer = FakeTracer()
        self.requester = FakePeer(importer, 1)
        self.responder = FakePeer(exporter, 2)
        self.responder.subscribe(b"q", b"1")


def test_a_request_to_another_account_is_noted_and_followed_no_further() -> None:
    world = Traced(allow_trace=False)

    world.requester.says(hpub(b"r", b"Nats-Trace-Dest: t"))

    assert world.tracer.steps()[1:] == [("si", {"acc": "E", "from": "r", "to": "q"})]
    _, about_the_requester = world.responder.got().split(b"Nats-Request-Info: ")
    assert b"\r\nNats-Trace-Dest: trace disabled\r\n" in about_the_requester  # behind it, as there


def test_an_export_may_allow_to_follow_it() -> None:
    world = Traced(allow_trace=True)

    world.requester.says(hpub(b"r", b"Nats-Trace-Dest: t"))

    assert world.tracer.steps()[1:] == [
        ("si", {"acc": "E", "from": "r", "to": "q"}),
        ("eg", {"kind": 0, "cid": 2, "acc": "E", "sub": "q"}),
    ]


def test_trace_only_does_not_reach_the_responder_either_way() -> None:
    for allow_trace in (False, True):
        world = Traced(allow_trace=allow_trace)

        world.requester.says(hpub(b"r", b"Nats-Trace-Dest: t", b"Nats-Trace-Only: 1"))

        assert world.responder.got() == b""
        assert [kind for kind, _ in world.tracer.steps()][:2] == ["in", "si"]
