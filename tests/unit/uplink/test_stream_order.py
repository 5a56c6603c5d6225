"""The order of a stream is changed, and changed back, while its durable still has something.

Newest first nothing is acknowledged to the durable: with the other order it gives that again.
Truth: docs/uplink.md, "Newest first".
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from leafnode import limits
from leafnode.clock import NS_PER_S
from leafnode.go_time import format_time
from leafnode.uplink.status import Protection
from tests.sim.local_jetstream import LocalJetStream
from tests.sim.uplink_world import OPTIONS, OUTAGE_NS, World, numbers
from tests.unit.uplink.test_stream_restored import (
    missing_or_doubled,
    new_ones_and_a_death,
    restore,
)

NEWEST = replace(OPTIONS, newest_first=True)


def changed_to_newest() -> World:
    """4 are in flight when the order changes; the hub has them, and the durable waits for them."""
    world = World()
    world.start()
    world.store(*numbers(1, 10))
    world.clock.advance(5 * NS_PER_S)
    world.hub.loses_acks = True
    world.store(*numbers(11, 14))
    world.clock.advance(NS_PER_S // 2)
    world.link_down()
    world.hub.loses_acks = False
    world.clock.advance(OUTAGE_NS)
    world.options = NEWEST
    world.restart()
    world.link_up()
    world.clock.advance(10 * NS_PER_S)
    world.store(*numbers(15, 100))
    world.clock.advance(10 * NS_PER_S)
    assert world.hub.payloads() == numbers(1, 100)
    assert world.pending == [11, 12, 13, 14]
    return world


@pytest.mark.parametrize("is_newest_gone", [False, True])
@pytest.mark.parametrize("is_silent", [False, True])
def test_what_the_durable_gives_again_refutes_nothing(
    is_silent: bool, is_newest_gone: bool
) -> None:
    world = changed_to_newest()
    world.clock.advance(OUTAGE_NS)
    world.options = OPTIONS
    if is_newest_gone:
        world.local.delete(100)
    world.hub.loses_answers = is_silent
    world.restart()
    world.store(b"101")
    world.clock.advance(60 * NS_PER_S)
    if is_silent:
        assert world.hub.payloads() == numbers(1, 100)
        world.hub.loses_answers = False
        world.clock.advance(60 * NS_PER_S)

    assert world.hub.payloads() == numbers(1, 101)
    assert world.pending == []
    assert world.status.protection is Protection.ASKED
    assert world.status.last_error == ""


@pytest.mark.parametrize("is_archive", [False, True])
def test_what_was_kept_newest_first_of_another_history_stays_refuted(is_archive: bool) -> None:
    """Its highest message is gone by the next start, which therefore cannot tell."""
    world = World(NEWEST)
    world.start()
    world.store(*numbers(1, 10))
    world.clock.advance(5 * NS_PER_S)
    archive = world.local.archive()
    world.store(*numbers(11, 51))
    world.clock.advance(OUTAGE_NS)
    world.options = OPTIONS
    world.uplink.stop()
    world.local.restore(archive, format_time(world.clock.wall_ns()) if is_archive else "")
    world.restart()
    world.clock.advance(5 * NS_PER_S)
    assert missing_or_doubled(world, *new_ones_and_a_death(world)) == []


@pytest.mark.parametrize("is_pending", [False, True])
@pytest.mark.parametrize("gone", [1, 2])
def test_what_was_kept_of_before_an_archive_came_back_says_nothing_of_what_came_since(
    gone: int, is_pending: bool
) -> None:
    """It has given the sequence of the highest of that again, and that message is deleted here."""
    world = World(replace(OPTIONS, window_msgs=64))
    world.start()
    world.store(*numbers(1, 10))
    world.clock.advance(5 * NS_PER_S)
    if is_pending:
        world.hub.loses_acks = True
        world.store(*numbers(11, 14))
        world.clock.advance(NS_PER_S // 4)
    archive = world.local.archive(has_consumers=is_pending)
    world.hub.loses_acks = False
    world.clock.advance(20 * NS_PER_S)
    world.options = replace(world.options, newest_first=True)
    world.restart()
    world.clock.advance(5 * NS_PER_S)
    for number in range(15, 115):
        world.store(b"%d" % number)
        world.clock.advance(NS_PER_S)
    world.clock.advance(100 * NS_PER_S)
    last = world.local.last_seq
    world.link_down()
    world.clock.advance(OUTAGE_NS)
    world.uplink.stop()

    restore(world, archive)
    new = [b"new %d" % number for number in range(last)]
    world.store(*new)
    world.clock.advance(NS_PER_S)
    world.local.delete(*range(last - gone + 1, last + 1))
    world.options = replace(world.options, newest_first=False)
    world.restart()
    world.link_up()
    world.clock.advance(300 * NS_PER_S)

    there = set(world.hub.payloads())
    assert [one for one in new if one not in there and one not in world.local.removed] == []
    assert world.status.lag_messages == 0


@pytest.mark.parametrize("dies", [False, True])
def test_a_hub_that_answered_another_history_is_asked_until_it_answers_again(dies: bool) -> None:
    world = World()
    world.start()
    world.store(*numbers(1, 10))
    world.clock.advance(5 * NS_PER_S)
    world.link_down()
    world.store(*numbers(11, 20))
    archive = world.local.archive()
    world.link_up()
    world.clock.advance(5 * NS_PER_S)
    world.store(*numbers(21, 30))
    world.clock.advance(OUTAGE_NS)
    world.uplink.stop()
    restore(world, archive)
    world.hub.loses_answers = True
    world.restart()
    world.clock.advance(10 * NS_PER_S)
    if dies:
        world.restart()
    world.clock.advance(60 * NS_PER_S)
    assert world.hub.payloads() == numbers(1, 30)

    world.hub.loses_answers = False
    world.store(b"new")
    world.clock.advance(60 * NS_PER_S)

    assert world.hub.payloads() == [*numbers(1, 30), b"new"]


def test_what_was_kept_is_not_forgotten_where_the_local_stream_does_not_answer(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    world = World(replace(OPTIONS, newest_first=True))
    world.start()
    world.store(b"1")
    world.clock.advance(OUTAGE_NS)
    world.uplink.stop()
    for _ in range(limits.UPLINK_PROBES_MAX):
        world.hub.publish(b"edge.ev.a", b"other")
    answer = LocalJetStream._get

    def fails(local: LocalJetStream, stream: str, request: dict[str, Any]) -> dict[str, Any]:
        if stream == local.name:
            return {"error": {"code": 503, "err_code": 10008, "description": "no disk"}}
        return answer(local, stream, request)

    with monkeypatch.context() as patch:
        patch.setattr(LocalJetStream, "_get", fails)
        world.restart()
        world.clock.advance(5 * NS_PER_S)
    assert world.status.last_error == "the local stream does not say what it has: no disk (10008)"
    world.store(b"2")
    world.clock.advance(60 * NS_PER_S)

    assert [one for one in world.hub.payloads() if one != b"other"] == [b"1", b"2"]
    assert world.status.protection is Protection.ASKED
