from __future__ import annotations

import sqlite3
from itertools import islice
from typing import TYPE_CHECKING, Any

import pytest

from leafnode import limits
from leafnode.jetstream import sources
from leafnode.jetstream.origin_message import source_of
from tests.unit.jetstream.real_world import RealWorld
from tests.unit.jetstream.world import World

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

S = 1_000_000_000
RETRY_NS = limits.ORIGIN_RETRY_NS + 2 * limits.ORIGIN_JITTER_NS


def two_origins() -> World:
    world = World()
    world.create_stream("A", subjects=["a.*"])
    world.create_stream("B", subjects=["b.*"])
    return world


def create(world: World, *sources: dict[str, Any], name: str = "S", **config: Any) -> Any:
    body = {"name": name, "sources": list(sources), **config}
    answer = world.api(f"STREAM.CREATE.{name}", body)
    assert "error" not in answer, answer
    world.clock.advance(0)
    return answer


def stored(world: World, name: str = "S") -> list[tuple[bytes, bytes]]:
    messages = world.store.stores["$G", name].msgs
    return [(one.subject, one.payload) for _, one in sorted(messages.items())]


def test_messages_of_all_sources_are_stored_under_new_sequences() -> None:
    world = two_origins()
    for number in range(3):
        world.publish(f"a.{number}", b"a")
        world.publish(f"b.{number}", b"b")

    created = create(world, {"name": "A"}, {"name": "B"}, subjects=["own"])
    world.publish("own", b"mine")
    world.publish("a.9", b"later")
    world.clock.advance(0)

    assert [one["active"] for one in created["sources"]] == [-1, -1]
    assert len(stored(world)) == 8
    assert stored(world)[-1] == (b"a.9", b"later")
    shown = world.api("STREAM.INFO.S")["sources"]
    assert [(one["name"], one["seq"], one["lag"]) for one in shown] == [("A", 4, 0), ("B", 3, 0)]


def test_each_says_where_it_is_from() -> None:
    world = two_origins()
    world.publish("a.1", b"x", headers={"Nats-Expected-Stream": "A", "K": "v"})
    world.publish("a.2", b"y")

    create(world, {"name": "A", "subject_transforms": [{"src": "a.1", "dest": "one"}]})

    [message] = world.store.stores["$G", "S"].msgs.values()
    identity = world.js.streams["A"].identity
    assert message.subject == b"one"
    assert message.header == (
        b"NATS/1.0\r\nK: v\r\nNats-Stream-Source: A 1 a.1 one a.1 " + identity + b"\r\n\r\n"
    )


def test_one_stream_may_be_two_sources() -> None:
    world = two_origins()
    for number in range(4):
        world.publish(f"a.{number % 2}", b"%d" % number)

    create(
        world,
        {"name": "A", "filter_subject": "a.0"},
        {"name": "A", "subject_transforms": [{"src": "a.1", "dest": "odd"}]},
    )

    assert sorted(stored(world)) == [
        (b"a.0", b"0"),
        (b"a.0", b"2"),
        (b"odd", b"1"),
        (b"odd", b"3"),
    ]


def test_a_stream_of_sources_transforms_republishes_and_drops_repeats() -> None:
    world = two_origins()
    world.publish("a.1", b"x", headers={"Nats-Msg-Id": "same"})
    world.publish("b.1", b"x", headers={"Nats-Msg-Id": "same"})
    heard = world.listen("copy.>")

    create(
        world,
        {"name": "A"},
        {"name": "B"},
        duplicate_window=60 * 10**9,
        subject_transform={"src": "*.*", "dest": "all.$2"},
        republish={"src": ">", "dest": "copy.>"},
    )

    assert stored(world) == [(b"all.1", b"x")]
    assert [one.subject for one in heard] == [b"copy.all.1"]
    assert [one["seq"] for one in world.api("STREAM.INFO.S")["sources"]] == [1, 1]


def test_without_a_window_repeats_are_stored() -> None:
    world = two_origins()
    for _ in range(2):
        world.publish("a.1", b"x", headers={"Nats-Msg-Id": "same"})
        world.clock.advance(limits.DUPLICATE_WINDOW_NS)

    create(world, {"name": "A"})

    assert len(stored(world)) == 2


def test_after_a_restart_each_goes_on_where_it_was() -> None:
    world = two_origins()
    create(world, {"name": "A"}, {"name": "B"})
    world.publish("a.1", b"1")
    world.publish("b.1", b"2")
    world.clock.advance(0)
    world.restart()

    world.publish("a.2", b"3")
    world.clock.advance(0)

    assert [payload for _, payload in stored(world)] == [b"1", b"2", b"3"]


def test_after_a_purge_and_a_restart_too() -> None:
    world = two_origins()
    create(world, {"name": "A"})
    world.publish("a.1", b"1")
    world.clock.advance(0)
    world.api("STREAM.PURGE.S")
    world.restart()
    world.clock.advance(0)

    assert stored(world) == []
    assert world.api("CONSUMER.NAMES.S")["consumers"] == []


def test_what_was_stored_last_counts_where_its_position_was_not_written() -> None:
    world = two_origins()
    create(world, {"name": "A"})
    world.publish("a.1", b"1")
    world.clock.advance(0)
    record = world.store.kept["$G", "S"][".sources"]
    world.publish("a.2", b"2")
    world.clock.advance(0)
    world.store.kept["$G", "S"][".sources"] = record
    world.restart()
    world.clock.advance(0)

    assert [payload for _, payload in stored(world)] == [b"1", b"2"]


def test_an_origin_that_was_made_anew_is_read_from_its_beginning() -> None:
    world = two_origins()
    world.publish("a.1", b"old")
    world.publish("a.2", b"old")
    create(world, {"name": "A"})
    world.api("STREAM.DELETE.A")
    world.clock.advance(1)
    world.create_stream("A", subjects=["a.*"])
    world.publish("a.1", b"new")

    world.clock.advance(limits.ORIGIN_SILENCE_NS + limits.ORIGIN_BACKOFF_NS + 2 * RETRY_NS)

    assert [payload for _, payload in stored(world)] == [b"old", b"old", b"new"]


def test_options_say_where_to_begin() -> None:
    world = two_origins()
    for number in range(4):
        world.publish("a.1", b"%d" % number)

    create(world, {"name": "A", "opt_start_seq": 4})

    assert stored(world) == [(b"a.1", b"3")]


def test_sources_come_and_go_with_updates() -> None:
    world = two_origins()
    create(world, {"name": "A"})
    world.publish("a.1", b"1")
    world.clock.advance(0)

    world.api("STREAM.UPDATE.S", {"name": "S", "sources": [{"name": "B"}]})
    world.publish("a.2", b"unheard")
    world.publish("b.1", b"2")
    world.clock.advance(0)
    assert [payload for _, payload in stored(world)] == [b"1", b"2"]
    assert world.js.streams["A"].consumers == {}

    world.api("STREAM.UPDATE.S", {"name": "S", "sources": [{"name": "A"}, {"name": "B"}]})
    world.clock.advance(0)
    assert [payload for _, payload in stored(world)] == [b"1", b"2", b"unheard"]


def test_a_stream_that_is_full_goes_on_when_there_is_room() -> None:
    world = two_origins()
    create(world, {"name": "A"}, max_msgs=1, discard="new")
    world.publish("a.1", b"1")
    world.publish("a.2", b"2")
    world.clock.advance(RETRY_NS)
    assert stored(world) == [(b"a.1", b"1")]

    world.api("STREAM.PURGE.S")
    world.clock.advance(limits.ORIGIN_BACKOFF_NS + RETRY_NS)

    assert stored(world) == [(b"a.2", b"2")]


def test_a_commit_that_fails_is_made_up_for_without_repeats(tmp_path: Path) -> None:
    world = RealWorld(tmp_path)
    world.create_stream("O", subjects=["o.*"], storage="memory")
    world.api("STREAM.CREATE.S", {"name": "S", "sources": [{"name": "O"}]})
    world.settle()
    world.put("o.a", b"1")
    world.disk.fail("COMMIT", sqlite3.SQLITE_IOERR)
    world.put("o.b", b"2")
    world.settle()
    world.heal()

    world.clock.advance(RETRY_NS)
    world.settle()

    found = [world.api("STREAM.MSG.GET.S", {"seq": seq})["message"] for seq in (1, 2)]
    assert [one["subject"] for one in found] == ["o.a", "o.b"]
    assert world.state("S")["last_seq"] == 2


@pytest.mark.parametrize("retention", ["workqueue", "interest"])
def test_messages_leave_an_origin_once_they_are_here(retention: str) -> None:
    world = World()
    world.create_stream("W", retention=retention)
    create(world, {"name": "W"})
    world.clock.advance(0)
    for number in range(3):
        world.publish("w.a", b"%d" % number)
    world.clock.advance(0)
    assert [payload for _, payload in stored(world)] == [b"0", b"1", b"2"]

    world.clock.advance(2 * limits.ORIGIN_HEARTBEAT_NS)

    assert world.api("STREAM.INFO.W")["state"]["messages"] == 0
    [name] = world.api("CONSUMER.NAMES.W")["consumers"]
    assert name.startswith("JS_SRC_")
    world.api("STREAM.DELETE.S")
    assert world.api("CONSUMER.NAMES.W")["consumers"] == []


def test_counters_are_summed_over_sources_and_over_a_restart() -> None:
    world = World()
    for name in ("A", "B"):
        world.create_stream(name, subjects=[f"{name}.n"], allow_msg_counter=True)
    to = [
        {"name": name, "subject_transforms": [{"src": f"{name}.n", "dest": "n"}]} for name in "AB"
    ]
    create(world, *to, allow_msg_counter=True)
    for subject, increment in (("A.n", "5"), ("B.n", "7"), ("A.n", "-2")):
        world.publish(subject, headers={"Nats-Incr": increment})
        world.clock.advance(0)
    world.restart()
    world.clock.advance(RETRY_NS)
    world.publish("B.n", headers={"Nats-Incr": "100"})
    world.clock.advance(0)

    assert [payload for _, payload in stored(world)] == [
        b'{"val":"5"}',
        b'{"val":"12"}',
        b'{"val":"10"}',
        b'{"val":"110"}',
    ]


def test_the_line_of_a_daisy_chain_names_the_last_link() -> None:
    world = two_origins()
    create(world, {"name": "A"}, name="MID")
    create(world, {"name": "MID"}, name="END")
    world.publish("a.1", b"x")
    world.clock.advance(0)

    [message] = world.store.stores["$G", "END"].msgs.values()
    said = source_of(message.header)

    assert said is not None
    assert said.index_name == "MID > >"
    assert message.header.count(b"Nats-Stream-Source") == 1


def test_many_sources_are_begun_in_several_turns(monkeypatch: pytest.MonkeyPatch) -> None:
    begun: list[tuple[Iterator[None], int]] = []
    monkeypatch.setattr(
        sources, "in_slices", lambda _, steps, per_turn: begun.append((steps, per_turn))
    )
    world = World()
    world.create_stream("A", subjects=["a.*"])
    wanted = [{"name": "A", "filter_subject": f"a.{number}"} for number in range(20)]
    create(world, *wanted)
    [(steps, per_turn)] = begun

    sizes = []
    for _ in range(4):
        world.clock.advance(0)
        sizes.append(len(world.js.streams["A"].consumers))
        list(islice(steps, per_turn))

    assert sizes == [0, 8, 16, 20]
    world.publish("a.19", b"x")
    world.clock.advance(0)
    assert stored(world) == [(b"a.19", b"x")]


def test_a_source_of_many_transforms_has_a_turn_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    begun: list[Iterator[None]] = []
    monkeypatch.setattr(sources, "in_slices", lambda _later, steps, _: begun.append(steps))
    world = World()
    transforms = [{"src": f"a.{number}", "dest": f"b.{number}"} for number in range(250)]
    create(world, *({"name": f"A{one}", "subject_transforms": transforms} for one in range(2)))

    assert len(list(begun[0])) >= 2 * limits.ORIGINS_PER_TURN


def test_a_source_that_is_taken_back_before_its_turn_is_not_begun(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    begun: list[Iterator[None]] = []
    monkeypatch.setattr(sources, "in_slices", lambda _later, steps, _: begun.append(steps))
    world = two_origins()
    create(world, {"name": "A"}, {"name": "B"})

    world.api("STREAM.UPDATE.S", {"name": "S", "sources": [{"name": "B"}]})
    [steps] = begun
    list(steps)
    world.clock.advance(0)

    assert [len(world.js.streams[name].consumers) for name in "AB"] == [0, 1]


@pytest.mark.parametrize("kind", ["memory", "file"])
def test_what_was_full_takes_all_of_a_work_queue_once_there_is_room(
    tmp_path: Path, kind: str
) -> None:
    """It asks anew while it is full, and what the origin has read ahead for it is in the way."""
    world = RealWorld(tmp_path) if kind == "file" else World()

    def passes(seconds: int) -> None:
        for _ in range(4 * seconds):
            world.clock.advance(S // 4)
            if isinstance(world, RealWorld):
                world.settle()

    def left() -> tuple[int, int]:
        names = ("O", "X")
        origin, taken = (world.api(f"STREAM.INFO.{name}")["state"] for name in names)
        return origin["messages"], taken["last_seq"]

    world.create_stream("O", subjects=["o.*"], retention="workqueue")
    for number in range(1000):
        world.request("o.a", b"%04d" % number + b"x" * 500)
    body = {"name": "X", "sources": [{"name": "O"}], "max_msgs": 200, "discard": "new"}
    assert "error" not in world.api("STREAM.CREATE.X", body)
    passes(12)
    assert left()[1] == 200

    for taken in (400, 600):
        world.api("STREAM.PURGE.X")
        passes(20)
        origin, last_seq = left()
        assert last_seq == taken
        assert origin <= 1200 - taken  # flow control acknowledges, and not the last few
    world.api("STREAM.UPDATE.X", body | {"max_msgs": -1})
    passes(20)
    assert left() == (0, 1000)


def sourced_world(tmp_path: Path, count: int, storage: str = "file") -> RealWorld:
    world = RealWorld(tmp_path)
    world.create_stream("O", subjects=["o.*"], storage=storage)
    create(world, {"name": "O"}, name="X")
    for number in range(count):
        world.put("o.a", b"%d" % number)
    for _ in range(5):
        world.clock.advance(S)
        world.settle()
    return world


def test_what_is_on_disk_though_its_commit_failed_is_not_sourced_twice(tmp_path: Path) -> None:
    world = sourced_world(tmp_path, 5, "memory")
    world.disk.lies = True
    world.disk.fail("COMMIT", sqlite3.SQLITE_IOERR_FSYNC, "disk I/O error")
    for number in range(5, 10):
        world.publish("o.a", b"%d" % number)
    world.turns(8)
    world.heal()
    for _ in range(20):
        world.clock.advance(S)
        world.settle()

    assert (world.state("O")["messages"], world.state("X")["messages"]) == (10, 10)


def test_a_commit_that_fails_while_a_start_looks_for_the_places_doubles_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = sourced_world(tmp_path, 300)
    world.api("STREAM.PURGE.X")
    opened: list[sources.Sources] = []
    open_one = sources.Sources.open

    def failing(one: sources.Sources) -> None:
        open_one(one)
        if not opened:
            opened.append(one)
            one.rolled_back()  # a commit of anything failed

    monkeypatch.setattr(sources.Sources, "open", failing)
    world.restart()
    assert opened
    for _ in range(20):
        world.clock.advance(S)
        world.settle()

    assert world.state("X")["messages"] == 0
    assert world.api("STREAM.INFO.X")["sources"][0]["lag"] == 0
    world.put("o.a", b"new")
    world.settle()
    assert world.state("X")["messages"] == 1
