"""Notes: rows beside the consumers, which nobody takes for one."""

from __future__ import annotations

from leafnode.jetstream import notes
from tests.unit.jetstream.world import World

NAME = notes.PREFIX + "test"


def test_a_note_is_kept_over_a_restart_until_it_is_dropped() -> None:
    world = World()
    world.create_stream()
    notes.put(world.js.streams["S"], NAME, b"first")
    notes.put(world.js.streams["S"], NAME, b"second")

    world.restart()
    stream = world.js.streams["S"]
    assert list(notes.kept(stream)) == [(NAME, b"second")]
    assert notes.has(stream, NAME)
    notes.drop(stream, NAME)

    assert not notes.has(stream, NAME)


def test_a_note_is_no_consumer() -> None:
    world = World()
    world.create_stream()
    world.create_consumer()
    notes.put(world.js.streams["S"], NAME, b"")

    world.restart()

    assert world.api("CONSUMER.NAMES.S")["consumers"] == ["C"]
    assert world.state()["consumer_count"] == 1
