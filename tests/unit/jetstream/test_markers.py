"""Markers of subjects whose last message has aged (ADR-43), measured on nats-server 2.15.1."""

from __future__ import annotations

import base64
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from leafnode import limits
from leafnode.clock import NS_PER_S
from leafnode.errors import StoreBusy
from leafnode.jetstream.markers import raised
from leafnode.store.columns_reader import ColumnsReader
from tests.contract.worlds import TINY
from tests.sim.committer import SMALL
from tests.unit.jetstream.real_world import RealWorld
from tests.unit.jetstream.world import World

if TYPE_CHECKING:
    from pathlib import Path

S = NS_PER_S

MARKER = b"NATS/1.0\r\nNats-Marker-Reason: MaxAge\r\nNats-TTL: 10s\r\nNats-Rollup: sub\r\n\r\n"


def world(**config: Any) -> World:
    made = World()
    wanted = {"subject_delete_marker_ttl": 10 * NS_PER_S, "max_age": 60 * NS_PER_S, **config}
    made.create_stream(duplicate_window=NS_PER_S, **wanted)
    return made


def last(world: World, subject: str = "s.a") -> tuple[int, bytes]:
    """Return sequence and header of the newest message of a subject; 0 for none."""
    answer = world.api("STREAM.MSG.GET.S", {"last_by_subj": subject})
    message = answer.get("message", {"seq": 0})
    return message["seq"], base64.b64decode(message.get("hdrs", ""))


def test_the_last_message_of_a_subject_leaves_a_marker_which_leaves_none() -> None:
    aging = world()
    aging.publish("s.a", b"1")
    aging.publish("s.a", b"2")

    aging.clock.advance(61 * NS_PER_S)
    assert last(aging) == (3, MARKER)
    aging.clock.advance(11 * NS_PER_S)

    assert last(aging) == (0, b"")
    assert aging.state()["last_seq"] == 3


def test_a_message_with_a_time_to_live_of_its_own_leaves_one_too() -> None:
    aging = world()
    aging.publish("s.a", b"1", headers={"Nats-TTL": "20s"})

    aging.clock.advance(21 * NS_PER_S)

    assert last(aging) == (2, MARKER)


def test_none_while_another_message_is_there() -> None:
    aging = world()
    aging.publish("s.a", b"1", headers={"Nats-TTL": "20s"})
    aging.clock.advance(5 * NS_PER_S)
    aging.publish("s.a", b"2")

    aging.clock.advance(17 * NS_PER_S)

    assert last(aging) == (2, b"")


def test_a_key_that_was_purged_leaves_none() -> None:
    aging = world()
    aging.publish("s.a", b"", headers={"KV-Operation": "PURGE", "Nats-Rollup": "sub"})

    aging.clock.advance(61 * NS_PER_S)

    assert aging.state()["last_seq"] == 1


def test_neither_does_one_that_was_purged_before_a_restart() -> None:
    aging = world()
    aging.publish("s.a", b"", headers={"KV-Operation": "PURGE", "Nats-Rollup": "sub"})
    aging.publish("s.b", b"x")
    aging.restart()

    aging.clock.advance(61 * NS_PER_S)

    assert (last(aging)[0], last(aging, "s.b")[0]) == (0, 3)


def test_a_purge_and_a_deletion_leave_none() -> None:
    aging = world()
    aging.publish("s.a", b"1")
    aging.api("STREAM.PURGE.S")
    aging.publish("s.a", b"2")
    aging.api("STREAM.MSG.DELETE.S", {"seq": 2})

    aging.clock.advance(61 * NS_PER_S)

    assert aging.state()["last_seq"] == 2


def test_many_that_age_at_once_are_looked_at_in_slices(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "MARKED_TURN_MSGS", 2)
    aging = world()
    for number in range(5):
        aging.publish(f"s.{number}", b"x")
    store = aging.js.streams["S"].store
    seen: list[int] = []
    call_later = aging.clock.call_later
    monkeypatch.setattr(
        aging.clock,
        "call_later",
        lambda delay_ns, then: (seen.append(store.last_seq()), call_later(delay_ns, then))[1],
    )

    aging.clock.advance(62 * NS_PER_S)

    assert {7, 9} <= set(seen)
    assert aging.state()["num_subjects"] == 5
    assert aging.state()["first_seq"] == 6


def test_a_consumer_is_given_the_marker() -> None:
    aging = world()
    aging.create_consumer(deliver_policy="new")
    heard = aging.fetch({"batch": 1, "expires": 90 * NS_PER_S})
    aging.publish("s.a", b"1", headers={"Nats-TTL": "20s"})
    (first,) = heard
    aging.publish(first.reply.decode(), b"+ACK")
    heard = aging.fetch({"batch": 1, "expires": 90 * NS_PER_S})

    aging.clock.advance(21 * NS_PER_S)

    assert [one.block for one in heard] == [MARKER]


@pytest.mark.parametrize(
    ("max_per_subject", "lines"),
    [(-1, b"X: 1\r\nNats-TTL: 10"), (1, b"Nats-TTL: 2s\r\nX: 1")],
)
def test_a_shorter_time_to_live_is_raised_to_the_markers(
    max_per_subject: int, lines: bytes
) -> None:
    aging = world(max_msgs_per_subject=max_per_subject)

    aging.publish("s.a", b"1", headers={"Nats-TTL": "2s", "X": "1"})

    assert last(aging)[1] == b"NATS/1.0\r\n%b\r\n\r\n" % lines


def test_the_raised_line_is_the_last_one() -> None:
    body = b"NATS/1.0\r\nA: 1\r\nNats-TTL: 1\r\nB: 2\r\n\r\npayload"

    size, other = raised(len(body) - 7, body, 1_500_000_000)

    assert other == b"NATS/1.0\r\nA: 1\r\nB: 2\r\nNats-TTL: 2\r\n\r\npayload"
    assert other[size:] == b"payload"


def test_a_segment_that_cannot_be_read_just_now_costs_no_marker(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    load, readable = ColumnsReader.load, [True]

    def fails(self: ColumnsReader, stream_id: int, segment: Any) -> Any:
        if segment.no > 1 and not readable[0]:
            raise StoreBusy("no descriptor is free")
        return load(self, stream_id, segment)

    monkeypatch.setattr(ColumnsReader, "load", fails)
    world = RealWorld(tmp_path, TINY)
    world.create_stream(
        max_age=60 * S, subject_delete_marker_ttl=50 * S, allow_msg_ttl=True, duplicate_window=S
    )
    for subject in ("s.live", "s.a", "s.b", "s.c"):
        world.put(subject, b"old")
    world.clock.advance(30 * S)
    world.settle()
    for _ in range(12):
        world.put("s.fill", b"f")
    world.put("s.live", b"new")
    for _ in range(12):
        world.put("s.fill", b"f")
    readable[0] = False
    world.clock.advance(31 * S)
    world.settle()
    readable[0] = True
    world.clock.advance(10 * S)
    world.settle()

    for subject in ("s.a", "s.b", "s.c"):
        marker = world.api("STREAM.MSG.GET.S", {"last_by_subj": subject})["message"]
        assert b"Nats-Marker-Reason: MaxAge" in base64.b64decode(marker["hdrs"])


def test_room_kept_for_markers_that_are_not_needed_is_given_back(tmp_path: Path) -> None:
    world = RealWorld(tmp_path, replace(SMALL, commit_rows_max=4))
    world.create_stream(max_age=60 * S, subject_delete_marker_ttl=50 * S, duplicate_window=S)
    for _ in range(2):
        for number in range(6):
            world.put(f"s.{number}", b"x")
        world.clock.advance(40 * S)
        world.settle()
    assert world.state()["messages"] == 6
    rows: list[int] = []
    committed = world.store.committed

    def counted(batch: Any, outcome: Any) -> None:
        rows.append(batch.rows)
        committed(batch, outcome)

    world.store.committed = counted
    for _ in range(12):
        world.publish("s.a", b"x")
    world.settle()

    assert rows == [4, 4, 4]
