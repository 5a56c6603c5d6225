"""Every advisory and metric that JetStream here can send, in its forms, against its schema.

What nats-server says in the same place is played in the chapters beside this.
"""

from __future__ import annotations

import inspect
import json
import re
from typing import TYPE_CHECKING

import pytest

from leafnode import limits
from leafnode.clock import NS_PER_S
from leafnode.jetstream import advisory
from tests.conformance.jetstream import schemas
from tests.unit.jetstream.archives import give, take
from tests.unit.jetstream.world import World

if TYPE_CHECKING:
    from tests.unit.jetstream.world import Msg

KINDS = set(re.findall(r'_send\([^"]+(?:"[^"]*", )"(\w+)"', inspect.getsource(advisory)))
KINDS |= set(re.findall(r'_send\(context, "API", "(\w+)"', inspect.getsource(advisory)))


def streams(world: World) -> None:
    """What the account hears of its streams."""
    world.create_stream()
    world.api("STREAM.UPDATE.S", {"name": "S", "subjects": ["s.>"], "description": "d"})
    world.error("STREAM.MSG.GET.S", {"seq": 9})
    world.publish("s.a", b"x")
    data = take(world)
    world.api("STREAM.DELETE.S")
    assert "error" not in give(world, data)
    assert "error" in give(world, data[: len(data) // 2] + b"cut", name="T")
    assert "error" not in world.api("STREAM.INFO.S")


def snapshots_that_fail(world: World) -> None:
    world.create_stream("B")
    world.publish("b.a", b"x" * 5000)
    world.listen("chunks")
    asked = {"deliver_subject": "chunks", "chunk_size": 1024, "window_size": 1024}
    world.api("STREAM.SNAPSHOT.B", asked)
    world.clock.advance(3 * limits.SNAPSHOT_ACK_NS)


def consumers(world: World) -> None:
    """What it hears of consumers and of single messages."""
    world.create_stream("W")
    for number in range(4):
        world.publish(f"w.{number}", b"x")
    asked = {"ack_wait": NS_PER_S, "max_deliver": 2, "sample_freq": "100%"}
    world.create_consumer("W", **asked)
    replies = [one.reply.decode() for one in world.fetch(4, "W", "C")]
    world.clock.advance(1)  # it took some time
    for reply, word in zip(replies, (b"+ACK", b"-NAK", b"+TERM", b"+TERM why"), strict=True):
        world.publish(reply, word)
    world.fetch(1, "W", "C")
    world.clock.advance(5 * NS_PER_S)
    world.fetch(1, "W", "C")
    world.clock.advance(5 * NS_PER_S)
    until = {"pause_until": "2090-01-01T00:00:00Z"}
    assert world.api("CONSUMER.PAUSE.W.C", until)["paused"]
    world.api("CONSUMER.PAUSE.W.C")
    world.api("CONSUMER.DELETE.W.C")


def groups(world: World) -> None:
    """A client of a priority group gets a pin, loses it by a request, and by silence."""
    world.create_stream("G")
    for number in range(3):
        world.publish(f"g.{number}", b"x")
    pinned = {"priority_groups": ["A"], "priority_policy": "pinned_client"}
    world.create_consumer("G", priority_timeout=2 * NS_PER_S, **pinned)
    asked = {"batch": 1, "group": "A", "expires": 30 * NS_PER_S}
    world.fetch(asked, "G", "C")
    assert "error" not in world.api("CONSUMER.UNPIN.G.C", {"group": "A"})
    world.fetch(asked, "G", "C")
    world.fetch(asked, "G", "C")
    world.clock.advance(5 * NS_PER_S)


def batches(world: World) -> None:
    """Atomic batches end in each of the ways that are told."""
    world.create_stream("A", allow_atomic=True)
    first = {"Nats-Batch-Id": "gap", "Nats-Batch-Sequence": "1"}
    world.request("a.a", b"x", headers=first)
    world.request("a.a", b"x", headers={**first, "Nats-Batch-Sequence": "3"})
    level = {"Nats-Batch-Id": "level", "Nats-Batch-Sequence": "1", "Nats-Required-Api-Level": "99"}
    world.request("a.a", b"x", headers=level)
    world.request("a.a", b"x", headers={**first, "Nats-Batch-Id": "late"})
    world.clock.advance(60 * NS_PER_S)


ALL = (streams, snapshots_that_fail, consumers, groups, batches)


def said(domain: str) -> list[Msg]:
    world = World(domain=domain)
    heard = world.listen("$JS.EVENT.>")
    for play in ALL:
        play(world)
        world.clock.advance(NS_PER_S)
    return heard


@pytest.mark.parametrize("domain", ["", "D"])
def test_every_advisory_fits_its_schema(domain: str) -> None:
    heard = [json.loads(one.payload) for one in said(domain)]

    # Each structure of nats-server has a domain, of the schemas only some.
    assert all(one.pop("domain", "") == domain for one in heard)
    wrong = {problem for one in heard for problem in schemas.unexplained(one)}
    kinds = {one["type"].rpartition(".")[2] for one in heard}

    assert wrong == set()
    assert kinds == KINDS | {"consumer_ack"}
    assert len(KINDS) > 10


def test_what_an_audit_tells_was_said_is_an_answer() -> None:
    audits = [json.loads(one.payload) for one in said("") if one.subject.endswith(b".API")]

    answers = [json.loads(one["response"]) for one in audits]

    assert {problem for one in answers for problem in schemas.unexplained(one)} == set()
    assert len({one["type"] for one in answers}) > 10
