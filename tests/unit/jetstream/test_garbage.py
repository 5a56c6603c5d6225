"""What messages leave on their way through JetStream: nothing that waits for a full collection."""

from __future__ import annotations

from typing import TYPE_CHECKING

from leafnode.clock import NS_PER_S
from tests.sim.garbage import left_by
from tests.unit.jetstream.real_world import RealWorld

if TYPE_CHECKING:
    from pathlib import Path


def test_publishing_fetching_and_acking_leave_no_cycles(tmp_path: Path) -> None:
    world = RealWorld(tmp_path / "store")
    world.create_stream("S", subjects=["s.>"])
    world.create_consumer("S", "C", ack_policy="explicit")
    number = iter(range(1000))

    def one() -> None:
        world.put("s.a", b"x", headers={"Nats-Msg-Id": str(next(number))})
        world.put("s.b", b"y")
        first, second = world.fetch({"batch": 2, "expires": NS_PER_S})
        world.publish(first.reply.decode(), b"+ACK")
        world.publish(second.reply.decode(), b"-NAK")
        world.settle()
        (again,) = world.fetch({"batch": 1, "expires": NS_PER_S})
        world.publish(again.reply.decode(), b"+ACK")
        world.settle()
        world.api("STREAM.INFO.S")
        world.api("CONSUMER.INFO.S.C")

    assert left_by(one) == []
