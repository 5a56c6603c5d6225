"""What a stream's timers remove. Measured on nats-server 2.15.1."""

from __future__ import annotations

import sqlite3
from typing import TYPE_CHECKING, Any

import pytest

from leafnode import limits
from leafnode.errors import StoreBusy, StoreCorrupt, StoreFailed
from tests.unit.jetstream.real_world import RealWorld
from tests.unit.jetstream.world import World

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from leafnode.clock import Timer

S = 1_000_000_000


def publish(world: World, ttl: str = "") -> bytes:
    headers = {"Nats-TTL": ttl} if ttl else None
    (answer,) = world.request("s.a", b"x", headers=headers)
    return answer.payload


def test_a_message_goes_at_its_own_time() -> None:
    world = World()
    world.create_stream(allow_msg_ttl=True)
    publish(world)
    publish(world, "1")

    world.clock.advance(S + S // 2)

    assert (world.state()["messages"], world.state()["last_seq"]) == (1, 2)


def test_many_that_are_due_at_once_go_in_slices(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "PURGE_TURN_MSGS", 2)
    world = World()
    world.create_stream(allow_msg_ttl=True)
    for _ in range(5):
        publish(world, "1")
    store: Any = world.js.streams["S"].store
    sizes: list[int] = []
    remove = store.remove

    def counted(seqs: Sequence[int]) -> int:
        sizes.append(len(seqs))
        removed: int = remove(seqs)
        return removed

    monkeypatch.setattr(store, "remove", counted)

    world.clock.advance(S + S // 2)

    assert (sizes, world.state()["messages"]) == ([2, 2, 1], 0)


def test_a_shorter_time_behind_a_longer_one_is_kept() -> None:
    world = World()
    world.create_stream(allow_msg_ttl=True)
    publish(world, "60")
    publish(world, "1s")

    world.clock.advance(S + S // 2)

    assert (world.state()["messages"], world.state()["first_seq"]) == (1, 1)


def test_never_survives_max_age() -> None:
    world = World()
    world.create_stream(allow_msg_ttl=True, max_age=S)
    publish(world)
    publish(world, "never")
    publish(world)

    world.clock.advance(2 * S)
    publish(world)
    world.clock.advance(2 * S)

    state = world.state()
    assert (state["messages"], state["first_seq"], state["num_deleted"]) == (1, 2, 2)


def test_what_never_ages_makes_nobody_write_a_position_again_and_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    world = World()
    world.create_stream(allow_msg_ttl=True, max_age=S)
    publish(world, "never")
    world.create_consumer()
    world.clock.advance(10 * S)
    written: list[Any] = []
    monkeypatch.setattr(world.store, "put_consumer", lambda *record: written.append(record))

    world.clock.advance(10 * S)

    assert written == []


def test_times_to_live_survive_a_restart() -> None:
    world = World()
    world.create_stream(allow_msg_ttl=True, duplicate_window=S)
    publish(world, "60")
    world.clock.advance(30 * S)

    world.restart()
    assert world.state()["messages"] == 1
    world.clock.advance(31 * S)

    assert world.state()["messages"] == 0


def test_an_invalid_time_is_refused() -> None:
    world = World()
    world.create_stream(allow_msg_ttl=True)

    assert b'"err_code":10165' in publish(world, "500ms")


def test_the_stream_shows_the_level_it_needs() -> None:
    config = World().create_stream(allow_msg_ttl=True)["config"]

    assert config["metadata"]["_nats.req.level"] == "1"


def test_consumers_count_without_what_expired() -> None:
    world = World()
    world.create_stream(allow_msg_ttl=True)
    publish(world, "1")
    publish(world)
    world.create_consumer()

    world.clock.advance(2 * S)

    assert world.info()["num_pending"] == 1


def test_an_empty_stream_needs_no_timer() -> None:
    world = World()
    before = world.clock.pending()
    world.create_stream(max_age=S)
    world.publish("s.a", b"x")

    world.clock.advance(2 * S)

    assert world.clock.pending() == before


def test_a_failed_removal_is_tried_again_and_said_once(caplog: pytest.LogCaptureFixture) -> None:
    world = World()
    world.create_stream(allow_msg_ttl=True, max_age=2 * S)
    publish(world, "1")
    world.store.error = StoreFailed("fsync failed")
    world.clock.advance(5 * S)

    world.store.error = None
    world.clock.advance(S)

    assert world.state()["messages"] == 0
    assert len([line for line in caplog.messages if line.startswith("Expiry failed")]) == 1


def test_the_timer_of_a_damaged_stream_stops() -> None:
    world = World()
    world.create_stream(max_age=S)
    publish(world)
    world.store.stores["$G", "S"].damaged = StoreCorrupt("bad")

    world.clock.advance(5 * S)

    assert world.clock.pending() == 0


def test_what_never_ages_is_gone_around_a_slice_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "PURGE_TURN_MSGS", 2)
    world = World()
    world.create_stream(allow_msg_ttl=True, max_age=S)
    for ttl in ("never", "", "", "", "", ""):
        publish(world, ttl)
    stream = world.js.streams["S"]
    slices: list[int] = []
    remove = stream.store.remove

    def counted(seqs: Sequence[int]) -> int:
        slices.append(len(seqs))
        return remove(seqs)

    monkeypatch.setattr(stream.store, "remove", counted)
    world.clock.advance(2 * S)

    assert (world.state()["messages"], max(slices)) == (1, 2)


def test_far_sequences_are_not_walked_to(monkeypatch: pytest.MonkeyPatch) -> None:
    world = World()
    world.create_stream(allow_msg_ttl=True, max_age=S, subject_delete_marker_ttl=10 * S)
    publish(world, "never")
    stream = world.js.streams["S"]
    for seq in (2**40, 2**50):
        stream.store.append(b"s.b", 0, b"x", world.clock.wall_ns(), seq=seq)
    looked: list[int] = []
    subject_of = stream.store.subject_of

    def counted(seq: int) -> bytes | None:
        looked.append(seq)
        return subject_of(seq)

    monkeypatch.setattr(stream.store, "subject_of", counted)
    world.clock.advance(2 * S)

    assert looked == [2**40, 2**50]
    assert stream.store.live(1, 10)[1:] == [2**50 + 1]  # the marker


def test_what_is_too_old_at_the_front_goes_in_slices(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "PURGE_TURN_ROWS", 2)
    world = World()
    world.create_stream(max_age=S)
    for _ in range(7):
        publish(world)
    world.clock.advance(S)
    publish(world)
    store = world.js.streams["S"].store
    left: list[int] = []
    remove_below = store.remove_below

    def counted(seq: int, *, lazy: bool = False) -> int:
        removed: int = remove_below(seq, lazy=lazy)
        left.append(store.state().msgs)
        return removed

    monkeypatch.setattr(store, "remove_below", counted)
    world.clock.advance(S // 2)

    assert left == [6, 4, 2, 1]


def test_what_never_ages_at_the_front_wakes_nobody() -> None:
    world = World()
    world.create_stream(allow_msg_ttl=True, max_age=S)
    for _ in range(3):
        publish(world, "never")

    world.clock.advance(2 * S)
    assert world.clock.due_in_ns() is None

    publish(world)
    world.clock.advance(S // 2)
    assert world.state()["messages"] == 4
    world.clock.advance(S)
    assert (world.state()["messages"], world.clock.due_in_ns()) == (3, None)


def test_a_segment_that_cannot_be_read_when_the_timer_is_set_is_looked_at_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    world = World()
    world.create_stream(allow_msg_ttl=True, max_age=S)
    publish(world, "never")
    world.clock.advance(2 * S)
    store = world.js.streams["S"].store

    def busy(seq: int) -> int | None:
        raise StoreBusy("no descriptor is free")

    with monkeypatch.context() as patch:
        patch.setattr(store, "time_at", busy)
        publish(world)
    world.clock.advance(2 * S)

    assert world.state()["messages"] == 1


@pytest.mark.parametrize("first", [["1h"], ["never", "1h"]])
def test_max_age_holds_while_a_later_time_to_live_is_waited_for(first: list[str]) -> None:
    world = World()
    world.create_stream(allow_msg_ttl=True, max_age=10 * S)
    for ttl in first:
        publish(world, ttl)
    world.clock.advance(20 * S)
    left = world.state()["messages"]

    publish(world)
    world.clock.advance(11 * S)

    assert (left, world.state()["messages"]) == (len(first) - 1, len(first) - 1)


def test_the_timer_is_set_once_for_the_messages_that_follow_the_oldest(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    world = World()
    world.create_stream(allow_msg_ttl=True, max_age=10 * S)
    publish(world, "1h")
    set_for: list[int] = []
    call_later = world.clock.call_later

    def counted(delay_ns: int, callback: Callable[[], None]) -> Timer:
        set_for.append(delay_ns)
        return call_later(delay_ns, callback)

    monkeypatch.setattr(world.clock, "call_later", counted)
    for _ in range(5):
        publish(world)

    assert [one for one in set_for if one >= S] == []


def test_a_damaged_segment_that_is_met_when_the_timer_is_set_stops_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    world = World()
    world.create_stream(allow_msg_ttl=True, max_age=S)
    publish(world, "never")
    world.clock.advance(2 * S)
    stream = world.js.streams["S"]

    def damaged(seq: int) -> int | None:
        raise StoreCorrupt(f"segment of {seq}")

    monkeypatch.setattr(stream.store, "time_at", damaged)
    answer = publish(world)

    assert b'"seq":2' in answer.replace(b" ", b"")
    assert stream.trouble.count == 1
    assert world.clock.due_in_ns() is None


@pytest.mark.parametrize("ttl", ["1h", "never"])
def test_times_of_values_that_were_replaced_are_forgotten(
    monkeypatch: pytest.MonkeyPatch, ttl: str
) -> None:
    monkeypatch.setattr(limits, "TTLS_STALE_MAX", 16)
    monkeypatch.setattr(limits, "TTLS_BEFORE_LOOK", 8)
    world = World()
    world.create_stream(allow_msg_ttl=True, max_msgs_per_subject=1, max_age=2 * 3600 * S)
    ttls = world.js.streams["S"].ages._ttls
    most = 0
    world.publish("s.first", b"x", headers={"Nats-TTL": ttl})  # the front of the stream stays
    for _ in range(200):
        publish(world, ttl)
        world.settle()
        most = max(most, len(ttls._due) + len(ttls._doubtful) + len(ttls.never))

    assert most < 2 * 2 + 16 + 2 * 8
    world.clock.advance(3600 * S + S)
    assert world.state()["messages"] == (0 if ttl == "1h" else 2)
    world.clock.advance(2 * 3600 * S)
    assert world.state()["messages"] == (0 if ttl == "1h" else 2)


def test_a_time_of_a_message_whose_removal_was_undone_counts_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "TTLS_STALE_MAX", 2)
    monkeypatch.setattr(limits, "TTLS_BEFORE_LOOK", 1)
    world = RealWorld(tmp_path / "store")
    world.create_stream(allow_msg_ttl=True, max_msgs_per_subject=1)
    for _ in range(5):
        world.put("s.a", b"old", headers={"Nats-TTL": "1h"})
    world.disk.fail("COMMIT", sqlite3.SQLITE_FULL)
    for _ in range(9):
        world.publish("s.a", b"new", headers={"Nats-TTL": "1h"})
    world.clock.turn()  # looks at them, before the commit fails
    world.settle()
    world.heal()
    assert world.state()["messages"] == 1
    assert world.api("STREAM.MSG.GET.S", {"last_by_subj": "s.a"})["message"]["seq"] == 5

    world.clock.advance(3601 * S)
    world.settle()

    assert world.state()["messages"] == 0
