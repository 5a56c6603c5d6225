"""A stream that comes out of an archive tells when it was made first."""

from __future__ import annotations

from typing import TYPE_CHECKING

from leafnode.clock import NS_PER_S
from tests.unit.jetstream.archives import give, take
from tests.unit.jetstream.real_world import RealWorld

if TYPE_CHECKING:
    from pathlib import Path


def test_when_it_was_made_first_is_told_however_often_it_comes_back(tmp_path: Path) -> None:
    world = RealWorld(tmp_path / "store")
    world.create_stream()
    world.put("s.a", b"1")
    first = world.api("STREAM.INFO.S")
    assert "_leafnode.made" not in first["config"]["metadata"]
    for _ in range(2):
        data = take(world)
        world.api("STREAM.DELETE.S")
        world.clock.advance(NS_PER_S)
        give(world, data)
        info = world.api("STREAM.INFO.S")
        assert info["created"] != first["created"] == info["config"]["metadata"]["_leafnode.made"]

    world.restart()

    assert world.api("STREAM.INFO.S")["config"] == info["config"]
    assert world.api("STREAM.CREATE.S", info["config"])["config"] == info["config"]
    world.api("STREAM.DELETE.S")
    new = world.api("STREAM.CREATE.S", info["config"])
    assert "_leafnode.made" not in new["config"]["metadata"]
