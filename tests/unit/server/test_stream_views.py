"""What monitoring sees of an account's JetStream."""

from __future__ import annotations

from leafnode.server.stream_views import jetstream_of
from tests.unit.jetstream.world import World


def test_streams_are_shown_by_name_when_they_are_looked_at() -> None:
    world = World()
    for name in ("B", "A"):
        world.create_stream(name, subjects=[f"{name}.>"])
    world.create_consumer("A", "C")

    shown = jetstream_of(world.js, world.js.usage())
    world.publish("A.x", b"12345")

    assert [stream.name for stream in shown.streams] == ["A", "B"]
    assert [stream.name for stream in shown.streams[1:]] == ["B"]
    first = shown.streams[0]
    assert first.state()["messages"] == 1
    assert [consumer["name"] for consumer in first.consumers()] == ["C"]
    assert (shown.api_total, shown.api_errors, first.damage) == (3, 0, "")


def test_metadata_that_only_answers_have_is_shown_of_none() -> None:
    world = World()
    world.create_stream("A", subjects=["A.>"])
    world.create_consumer("A", "C")

    [stream] = jetstream_of(world.js, world.js.usage()).streams
    [consumer] = stream.consumers()

    for config in (stream.config(), consumer["config"]):
        assert not config.get("metadata", {}).keys() & {"_nats.ver", "_nats.level"}
