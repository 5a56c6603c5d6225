"""CONSUMER.INFO, field by field, as nats-server 2.15.1 orders it."""

from __future__ import annotations

from leafnode.clock import NS_PER_S
from tests.unit.jetstream.world import World


def test_what_is_out_acknowledged_and_left_is_shown_in_the_servers_order() -> None:
    world = World()
    world.create_stream()
    world.create_consumer()
    for _ in range(5):
        world.publish("s.a")
    first, _ = world.fetch({"batch": 2, "expires": NS_PER_S})[:2]
    world.publish(first.reply.decode(), b"+ACK")
    world.settle()

    info = world.info()

    assert list(info) == [
        *("type", "stream_name", "name", "created", "config", "delivered", "ack_floor"),
        *("num_ack_pending", "num_redelivered", "num_waiting", "num_pending", "ts"),
    ]
    assert (info["num_ack_pending"], info["num_pending"]) == (1, 3)
    floor = info["ack_floor"]
    assert (floor["consumer_seq"], floor["stream_seq"]) == (1, 1)
    assert "last_active" in info["delivered"]


def test_only_info_adds_version_and_level() -> None:
    world = World()
    world.create_stream()
    world.create_consumer()

    (listed,) = world.api("CONSUMER.LIST.S")["consumers"]

    assert "_nats.ver" in world.info()["config"]["metadata"]
    assert "_nats.ver" not in listed["config"]["metadata"]
