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
