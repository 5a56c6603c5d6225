from __future__ import annotations

from leafnode.jetstream.origins import answers_direct
from tests.unit.jetstream.world import World


def test_a_stream_without_origins_says_nothing_of_them() -> None:
    world = World()
    info = world.create_stream("S")

    assert "mirror" not in info
    assert "sources" not in info
    assert not answers_direct(world.js.streams, "S")


def test_a_deleted_stream_reads_no_more() -> None:
    world = World()
    world.create_stream("O", subjects=["o"])
    for name, origins in (("M", {"mirror": {"name": "O"}}), ("S", {"sources": [{"name": "O"}]})):
        world.api(f"STREAM.CREATE.{name}", {"name": name, **origins})
        world.clock.advance(0)
        assert len(world.js.streams["O"].consumers) == 1

        world.api(f"STREAM.DELETE.{name}")

        assert world.js.streams["O"].consumers == {}


def test_a_stream_that_is_deleted_before_it_began_never_begins() -> None:
    world = World()
    world.create_stream("O", subjects=["o"])

    world.api("STREAM.CREATE.M", {"name": "M", "mirror": {"name": "O"}})
    world.api("STREAM.CREATE.S", {"name": "S", "sources": [{"name": "O"}]})
    world.api("STREAM.DELETE.M")
    world.api("STREAM.DELETE.S")
    world.clock.advance(0)

    assert world.js.streams["O"].consumers == {}
