"""Reading windows back after a restart."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from leafnode import limits
from leafnode.errors import StoreBusy, StoreCorrupt, StoreFailed
from tests.unit.jetstream.real_world import RealWorld
from tests.unit.jetstream.world import World

if TYPE_CHECKING:
    from pathlib import Path

S = 1_000_000_000


def publish(world: World, msg_id: str) -> bytes:
    (answer,) = world.request("s.a", b"x", headers={"Nats-Msg-Id": msg_id})
    return answer.payload


def test_ids_older_than_the_window_are_not_taken_back() -> None:
    world = World()
    world.create_stream(duplicate_window=10 * S)
    publish(world, "old")
    world.clock.advance(8 * S)
    publish(world, "young")
    world.clock.advance(3 * S)

    world.restart()

    assert publish(world, "old") == b'{"stream":"S","seq":3}'
    assert publish(world, "young") == b'{"stream":"S","seq":2,"duplicate": true}'


def test_a_clock_that_is_behind_at_the_start_keeps_no_id_for_longer_than_the_window() -> None:
    world = World()
    world.create_stream(duplicate_window=10 * S)
    publish(world, "young")
    world.clock.advance(2 * S)

    world.restart(behind_ns=3600 * S)
    world.clock.advance(8 * S)
    assert publish(world, "young") == b'{"stream":"S","seq":1,"duplicate": true}'
    world.clock.advance(2 * S)

    assert publish(world, "young") == b'{"stream":"S","seq":2}'


def test_the_last_id_is_known_again() -> None:
    world = World()
    world.create_stream(duplicate_window=S)
    publish(world, "last")
    world.clock.advance(60 * S)

    world.restart()

    (answer,) = world.request("s.a", b"x", headers={"Nats-Expected-Last-Msg-Id": "last"})
    assert answer.payload == b'{"stream":"S","seq":2}'


def test_a_window_of_several_pages_is_read_to_its_end() -> None:
    world = World()
    world.create_stream()
    for number in range(limits.READ_BATCH_MSGS + 1):
        publish(world, f"id{number}")

    world.restart()

    assert b"duplicate" in publish(world, "id0")
    assert b"duplicate" in publish(world, f"id{limits.READ_BATCH_MSGS}")


def test_an_empty_stream_is_ready_at_once() -> None:
    world = World()
    world.create_stream()

    world.restart()

    assert world.ready


def test_more_streams_than_reads_may_wait_are_read_one_after_the_other() -> None:
    world = World()
    world.create_stream()
    world.publish("s.a", b"x", headers={"Nats-Msg-Id": "one"})
    world.store.read_error = StoreBusy("4096 reads wait for the disk")
    world.restart()
    assert not world.ready

    world.store.read_error = None
    world.clock.advance(limits.DELIVER_RETRY_NS)

    assert world.ready
    assert len(world.js.streams["S"].dedupe) == 1


@pytest.mark.parametrize(("shuts_down", "warnings"), [(False, 1), (True, 0)])
def test_a_store_that_refuses_reads_is_no_trouble_where_the_server_ends(
    caplog: pytest.LogCaptureFixture, *, shuts_down: bool, warnings: int
) -> None:
    world = World()
    world.create_stream()
    publish(world, "one")
    world.store.read_error = StoreBusy("4096 reads wait for the disk")
    world.restart()

    world.store.read_error = StoreFailed("leafnode.db: is closed")
    if shuts_down:
        world.js.shut_down()
    world.clock.advance(limits.DELIVER_RETRY_NS)

    assert caplog.text.count("Duplicate window not read") == warnings


def test_a_damaged_stream_does_not_keep_the_account_from_starting() -> None:
    world = World()
    world.create_stream()
    world.publish("s.a", b"x")
    world.create_consumer()
    world.store.stores["$G", "S"].damaged = StoreCorrupt("bad")

    world.restart()

    assert world.ready
    assert world.error("CONSUMER.INFO.S.C") == (503, 10077, "bad")
    assert world.api("STREAM.DELETE.S")["success"]


def test_a_position_that_cannot_be_read_starts_over_instead_of_stopping_the_server() -> None:
    world = World()
    world.create_stream()
    world.publish("s.a", b"x")
    world.create_consumer()
    kept = world.store.kept["$G", "S"]
    kept["C"] = replace(kept["C"], made=b"garbage")

    world.restart()

    assert world.ready
    assert world.info()["num_pending"] == 1


def test_the_ids_of_removed_messages_survive_a_restart_and_not_as_by_nats_server(
    tmp_path: Path,
) -> None:
    world = RealWorld(tmp_path)
    world.create_stream(duplicate_window=600 * S, retention="workqueue")
    for number in range(4):
        world.put("s.a", headers={"Nats-Msg-Id": f"id{number}"})
    world.create_consumer()
    [message] = world.fetch(1)
    world.publish(message.reply.decode(), b"+ACK")
    world.api("STREAM.MSG.DELETE.S", {"seq": 3})
    world.settle()

    def repeats() -> list[bool]:
        headers = [{"Nats-Msg-Id": f"id{number}"} for number in range(4)]
        return [world.put("s.a", headers=one).get("duplicate", False) for one in headers]

    assert repeats() == [True, True, True, True]
    world.restart()
    assert repeats() == [True, True, True, True]


def test_times_to_live_are_read_back_from_further_than_the_ids_are(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "DEDUPE_IDS_MAX", 10)
    world = RealWorld(tmp_path)
    world.create_stream(allow_msg_ttl=True, duplicate_window=S, max_age=60 * S)
    world.put("s.kept", b"x", headers={"Nats-TTL": "never"})
    world.put("s.short", b"x", headers={"Nats-TTL": "10s"})
    for _ in range(20):
        world.put("s.other", b"x")

    world.restart()
    world.clock.advance(20 * S)
    world.settle()
    assert subjects(world) == {"s.kept": 1, "s.other": 20}
    world.clock.advance(50 * S)
    world.settle()

    assert subjects(world) == {"s.kept": 1}


def subjects(world: RealWorld) -> object:
    info = world.api("STREAM.INFO.S", {"subjects_filter": ">"})
    return info["state"]["subjects"]
