"""Creating, changing and deleting the consumers of an account."""

from __future__ import annotations

import pytest

from leafnode import limits
from leafnode.errors import StoreFailed
from tests.unit.jetstream.world import World


def test_ids_of_consumers_do_not_repeat() -> None:
    world = World()
    world.create_stream()
    body = {"stream_name": "S", "config": {"ack_policy": "none"}}

    names = {world.api("CONSUMER.CREATE.S", body)["name"] for _ in range(20)}

    assert len(names) == 20


@pytest.mark.parametrize("most", [2, 0])
def test_a_stream_has_no_more_consumers_than_allowed(most: int) -> None:
    world = World()
    world.create_stream(max_consumers=most)
    bound = most or limits.CONSUMERS_PER_STREAM_MAX
    for number in range(bound):
        world.create_consumer(name=f"C{number}", max_waiting=1)

    body = {"stream_name": "S", "config": {"durable_name": "X"}}

    refused = world.error("CONSUMER.CREATE.S.X", body)
    assert refused == (400, 10026, "maximum consumers limit reached")


def test_a_consumer_that_the_store_does_not_let_go_stays() -> None:
    world = World()
    world.create_stream()
    world.create_consumer()
    world.store.error = StoreFailed("fsync failed")

    assert world.error("CONSUMER.DELETE.S.C")[1] == 10077
    world.store.error = None

    assert world.info()["name"] == "C"
