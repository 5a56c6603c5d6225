"""leafnode.store.scrub: everything is read, slowly, and damage that nobody asked for is found."""

from __future__ import annotations

import sqlite3
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from leafnode import limits
from leafnode.clock import NS_PER_S
from leafnode.store.scrub import Scrub
from tests.sim.committer import SMALL, HeldExecutor, StoreWorld, open_store

if TYPE_CHECKING:
    from pathlib import Path

    from leafnode.store.worker import Executor

BOUNDS = replace(SMALL, segment_rows_max=8)
RATE = 100_000
BODY = 5_000
DAY_S = limits.STORE_SCRUB_ROUND_NS // NS_PER_S


def reads_held(name: str) -> Executor:
    held = HeldExecutor()
    held.inline = name != "leafnode-read"
    return held


def filled(directory: Path) -> StoreWorld:
    """Two streams of 20 messages: two sealed segments and an open one."""
    world = open_store(directory, BOUNDS, reads_held)
    for name in ("S", "T"):
        stream = world.store.create_stream("A", name, b"{}", 5, 1)
        for _ in range(20):
            stream.append(b"a", 0, bytes(BODY), 1)
        world.settle()
    world.store.scrub = Scrub(world.store, world.clock, world.store._stats, RATE)
    world.store.scrub.start()
    return world


def pass_time(world: StoreWorld, seconds: int) -> None:
    for _ in range(seconds * 10):
        world.clock.advance(NS_PER_S // 10)
        world.settle()


def change(directory: Path, statement: str) -> None:
    conn = sqlite3.connect(directory / "leafnode.db", isolation_level=None)
    conn.execute(statement)
    conn.close()


def test_everything_is_read_once_a_day_and_no_faster_than_asked(tmp_path: Path) -> None:
    world = filled(tmp_path)
    stats = world.store.stats()
    total = 2 * 20 * BODY
    pass_time(world, limits.STORE_SCRUB_START_NS // NS_PER_S - 1)
    assert stats.scrubbed_bytes == 0

    pass_time(world, 2)
    assert 0 < stats.scrubbed_bytes <= RATE + limits.STORE_SCRUB_BYTES + BODY
    pass_time(world, 10)
    assert stats.scrubs == 1
    assert total <= stats.scrubbed_bytes <= 2 * total
    read = stats.scrubbed_bytes
    pass_time(world, 100)
    assert (stats.scrubs, stats.scrubbed_bytes) == (1, read)

    world.clock.advance((DAY_S - 112) * NS_PER_S)
    pass_time(world, 20)
    assert stats.scrubs == 2
    assert world.damage == []
    world.close()
    assert world.clock.pending() == 0


@pytest.mark.parametrize(
    ("statement", "said"),
    [
        ("UPDATE m1_1 SET body=x'00' WHERE seq=3", "the checksum of message 3"),
        ("UPDATE m1_3 SET body=x'00' WHERE seq=18", "the checksum of message 18"),
        ("DELETE FROM m1_2 WHERE seq=10", "messages of segment 2 are missing"),
        ("UPDATE segment SET rows=7 WHERE stream=1 AND no=1", "the description of segment 1"),
        ("UPDATE segment_index SET columns=x'00' WHERE stream=1 AND no=2", "cannot be read"),
        ("UPDATE segment_index SET spans=x'00000000' WHERE stream=1 AND no=2", "segment 2 has 8"),
    ],
)
def test_damage_sets_its_stream_aside_and_the_others_are_still_looked_at(
    tmp_path: Path, statement: str, said: str
) -> None:
    world = filled(tmp_path)
    change(tmp_path, statement)

    pass_time(world, 90)

    ((account, name, problem),) = world.damage
    assert (account, name) == ("A", "S")
    assert said in str(problem)
    assert (world.store.stats().scrubs, world.store.stats().damaged) == (1, 1)
    world.close()


def test_an_open_segment_whose_pages_are_wrong_is_found(tmp_path: Path) -> None:
    world = filled(tmp_path)
    world.disk.statements.clear()

    pass_time(world, 90)

    assert world.disk.count("PRAGMA integrity_check(m1_3)") == 1
    assert world.disk.count("PRAGMA integrity_check(m1_1)") == 0
    world.close()


def test_it_waits_while_others_read(tmp_path: Path) -> None:
    world = filled(tmp_path)
    stats = world.store.stats()
    world.store._read_worker.submit(lambda: None, lambda _: None)

    for _ in range(100):
        world.clock.advance(NS_PER_S)
        world.turns.run()
    assert stats.scrubbed_bytes == 0

    pass_time(world, 20)
    assert stats.scrubs == 1
    world.close()


def test_what_cannot_be_read_just_now_is_read_later(tmp_path: Path) -> None:
    world = filled(tmp_path)
    world.disk.fail("SELECT seq", sqlite3.SQLITE_IOERR_READ)
    pass_time(world, 90)
    assert world.store.stats().scrubs == 0

    world.disk.heal()
    pass_time(world, 60)

    assert (world.store.stats().scrubs, world.damage) == (1, [])
    world.close()


def test_a_stream_that_goes_or_grows_meanwhile_does_no_harm(tmp_path: Path) -> None:
    world = filled(tmp_path)
    pass_time(world, 61)
    world.store.delete_stream("A", "T")
    stream = world.store.streams()[0].store
    stream.remove_below(9)
    for _ in range(20):
        stream.append(b"b", 0, b"x", 2)
    world.settle()

    pass_time(world, 30)

    assert (world.store.stats().scrubs, world.damage) == (1, [])
    world.close()


def test_a_rate_of_zero_reads_nothing(tmp_path: Path) -> None:
    world = open_store(tmp_path)

    world.store.scrub.start()

    assert world.clock.pending() == 0
    world.close()
