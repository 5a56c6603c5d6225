"""leafnode.jetstream.recovery: streams come back in slices, and none is used half."""

from __future__ import annotations

import itertools
import json
import sqlite3
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from leafnode.clock import NS_PER_S
from leafnode.jetstream import consumers, keeper, pending
from leafnode.jetstream.consumer import Consumer
from leafnode.jetstream.keeper import Keeper
from leafnode.jetstream.trusted_time import TrustedTime
from leafnode.limits import RECOVERED_PER_TURN
from leafnode.routing.account import Account
from leafnode.routing.peer import Outbox
from tests.sim.clock import FakeClock
from tests.sim.committer import SMALL
from tests.unit.jetstream.real_world import RealWorld
from tests.unit.jetstream.world import World

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

COUNT = 2 * RECOVERED_PER_TURN


class Steps(FakeClock):
    """A clock that runs one timer at a time."""

    def step(self) -> bool:
        """Run the next timer that is due now; False: there is none."""
        if self.due_in_ns() != 0:
            return False
        later, self._timers = self._timers, []
        later.sort()
        first = next(one for one in later if one[2].callback is not None)
        later.remove(first)
        self._timers = later
        _, _, timer = first
        assert timer.callback is not None
        timer.callback()
        return True


def filled() -> World:
    """A world with streams that have a message and a consumer each; it is about to restart."""
    world = World()
    for number in range(COUNT):
        world.create_stream(f"S{number}")
        world.create_consumer(f"S{number}")
        world.publish(f"s{number}.a", b"x")
    world.clock = Steps()
    return world


def test_streams_come_back_so_many_in_a_turn_and_the_api_when_all_are_there() -> None:
    world = filled()
    world.account = Account("$G", Outbox(lambda: None))
    js = world.enable(world.account)
    ready: list[bool] = []

    js.recover(lambda: ready.append(True))
    built = [len(js.streams)]
    opened = [0]
    assert isinstance(world.clock, Steps)
    while not ready:
        assert not world.account.has_interest(b"$JS.API.INFO")
        assert world.clock.step()
        built.append(len(js.streams))
        opened.append(sum(world.account.sublist.has(b"s%d.>" % n) for n in range(COUNT)))

    assert world.account.has_interest(b"$JS.API.INFO")
    assert (built[-1], opened[-1]) == (COUNT, COUNT)
    for counts in (built, opened):
        slices = [after - before for before, after in itertools.pairwise(counts)]
        assert max(slices) <= RECOVERED_PER_TURN // 2 + 1  # each has a consumer
    assert [stream.store.state().msgs for stream in js.streams.values()] == [1] * COUNT


def test_streams_that_are_deleted_meanwhile_do_not_come_back() -> None:
    world = filled()
    js = world.enable(Account("$G", Outbox(lambda: None)))
    ready: list[bool] = []

    js.recover(lambda: ready.append(True))
    assert len(js.streams) < COUNT
    js.shared.purge("$G", lambda _: None)
    world.settle()

    assert (ready, js.streams, world.store.streams()) == ([True], {}, [])


def test_jetstream_that_is_taken_away_meanwhile_opens_nothing() -> None:
    world = filled()
    account = Account("$G", Outbox(lambda: None))
    js = world.enable(account)
    ready: list[bool] = []

    js.recover(lambda: ready.append(True))
    js.shut_down()
    world.settle()

    assert ready == [True]
    assert account.sublist.count == 0


def test_a_stream_that_the_store_reads_again_meanwhile_comes_back_once() -> None:
    world = filled()
    account = Account("$G", Outbox(lambda: None))
    js = world.enable(account)

    js.recover(lambda: None)
    last = f"S{COUNT - 1}"
    assert last not in js.streams
    for adopted in world.store.watchers:
        adopted("$G", last)
    world.settle()

    assert len(js.streams) == COUNT
    assert len(account.sublist.match(f"s{COUNT - 1}.a".encode()).plain) == 1


def test_a_stream_that_cannot_be_taken_over_keeps_no_other_from_it() -> None:
    world = World()
    for name in "ABC":
        world.create_stream(name)
    created_ns, _ = world.store.configs["$G", "B"]
    world.store.configs["$G", "B"] = created_ns, b'{"name":'

    world.restart()

    assert world.ready
    assert world.request("a.x")[0].payload == b'{"stream":"A","seq":1}'
    assert world.request("b.x") == []
    damage = world.js.streams["B"].store.damage()
    assert str(damage).startswith("it cannot be taken over: ")
    assert world.api("STREAM.DELETE.B")["success"]
    assert sorted(world.js.streams) == ["A", "C"]


def test_a_consumer_that_cannot_be_taken_over_keeps_its_stream_from_losing_for_it() -> None:
    world = World()
    for name in "ABC":
        world.create_stream(name, retention="interest")
        world.create_consumer(name)
    world.publish("b.x")
    kept = world.store.kept["$G", "B"]
    kept["C"] = replace(kept["C"], config=b'{"ack_policy":5}')

    world.restart()

    assert world.ready
    assert world.js.streams["B"].store.damage() is not None
    assert len(world.store.stores["$G", "B"].msgs) == 1


def many_consumers() -> World:
    """A world with one stream that many consumers have a message of, each; about to restart."""
    world = World()
    world.create_stream()
    world.publish("s.a", b"x")
    for number in range(COUNT):
        world.create_consumer("S", f"C{number}")
        world.fetch({"batch": 1, "no_wait": True}, "S", f"C{number}")
    world.clock.advance(NS_PER_S)  # positions are written
    steps = Steps()
    steps.advance(world.clock.wall_ns() - steps.wall_ns())
    world.clock = steps
    return world


@pytest.mark.parametrize("per_step", [256, 1])
def test_consumers_of_one_stream_come_back_so_many_in_a_turn(
    monkeypatch: pytest.MonkeyPatch, per_step: int
) -> None:
    monkeypatch.setattr(consumers, "PENDING_PER_STEP", per_step)
    world = many_consumers()
    account = Account("$G", Outbox(lambda: None))
    js = world.enable(account)
    restored: list[Keeper] = []
    restore = Keeper.restore

    def counted(keeper: Keeper, data: bytes) -> Iterator[None]:
        restored.append(keeper)
        return restore(keeper, data)

    monkeypatch.setattr(Keeper, "restore", counted)
    ready: list[bool] = []

    js.recover(lambda: ready.append(True))
    built, opened = [len(restored)], [0]
    assert isinstance(world.clock, Steps)
    while not ready:
        assert world.clock.step()
        built.append(len(restored))
        opened.append(
            sum(
                account.sublist.has(b"$JS.API.CONSUMER.MSG.NEXT.S.C%d" % number)
                for number in range(COUNT)
            )
        )

        assert opened[-1] == COUNT or not account.sublist.match(b"s.a").plain, (
            "who is not there misses it"
        )

    assert (built[-1], opened[-1]) == (COUNT, COUNT)
    most = RECOVERED_PER_TURN // (1 + (per_step == 1))
    assert max(after - before for before, after in itertools.pairwise(built)) <= most + 1
    assert max(after - before for before, after in itertools.pairwise(opened)) <= RECOVERED_PER_TURN
    assert {len(one.pending) for one in js.streams["S"].consumers.values()} == {1}


@pytest.mark.parametrize("out", [1, 3, 4, 5, 40])
def test_a_long_position_is_read_some_in_a_turn(monkeypatch: pytest.MonkeyPatch, out: int) -> None:
    """65,536 messages that were out were a turn of 95 ms."""
    for module in (keeper, pending):
        monkeypatch.setattr(module, "RESTORED_PER_STEP", 4)
    world = World()
    world.create_stream()
    for _ in range(out):
        world.publish("s.a", b"x")
    world.create_consumer()
    world.fetch(out)
    world.clock.advance(NS_PER_S)  # the position is written
    before = world.js.streams["S"].consumers["C"].pending.kept()
    steps = Steps()
    steps.advance(world.clock.wall_ns() - steps.wall_ns())
    world.clock = steps
    js = world.enable(Account("$G", Outbox(lambda: None)))
    ready: list[bool] = []

    js.recover(lambda: ready.append(True))
    turns = 1
    while "S" not in js.streams:
        assert steps.step()
        turns += 1
    while not ready:
        assert steps.step()

    assert turns > 2 * (out // 4)
    after = js.streams["S"].consumers["C"]
    assert list(after.pending.seqs()) == list(range(1, out + 1))
    assert after.pending.kept() == before


def test_a_stream_that_is_read_again_while_it_is_built_comes_back_once_and_whole() -> None:
    world = many_consumers()
    account = Account("$G", Outbox(lambda: None))
    js = world.enable(account)

    js.recover(lambda: None)
    assert js.streams == {}
    for adopted in world.store.watchers:
        adopted("$G", "S")
    world.settle()

    assert len(js.streams["S"].consumers) == COUNT
    assert len(account.sublist.match(b"s.a").plain) == 1
    next_subject = b"$JS.API.CONSUMER.MSG.NEXT.S.C1"
    heard_by = [sub.subject for sub in account.sublist.match(next_subject).plain]
    assert heard_by.count(next_subject) == 1


def comes_back(world: RealWorld) -> None:
    """Let the deletion of a stream fail, and go on to where it is known again and not read yet."""
    world.settle()
    world.disk.fail("COMMIT", sqlite3.SQLITE_IOERR_FSYNC)
    world.request("$JS.API.STREAM.DELETE.S")
    for _ in range(50):
        if "S" in world.js.streams:
            world.clock.turn()
    world.disk_world.turns.run()
    world.disk.heal()
    for _ in range(1000):
        if "S" in world.js.streams:
            break
        world.clock.advance(NS_PER_S // 100)
        world.disk_world.turns.run()


def test_a_stream_is_not_used_before_its_window_is_read_whatever_is_asked(tmp_path: Path) -> None:
    world = RealWorld(tmp_path)
    world.create_stream()
    for number in range(2000):
        world.publish("s.a", b"x", headers={"Nats-Msg-Id": f"id{number}"})
    comes_back(world)
    assert not world.account.sublist.match(b"s.a").plain, "its window is still read"

    world.api("STREAM.UPDATE.S", {"name": "S", "subjects": ["s.>"], "description": "two"})
    assert world.request("s.a", b"again", headers={"Nats-Msg-Id": "id1990"}) == []
    world.settle()
    world.clock.advance(3 * NS_PER_S)
    world.settle()

    assert world.put("s.a", b"again", headers={"Nats-Msg-Id": "id1990"})["duplicate"]
    assert world.state()["messages"] == 2000


def test_nothing_ages_before_it_is_known_what_never_does(tmp_path: Path) -> None:
    world = RealWorld(tmp_path)
    world.create_stream(allow_msg_ttl=True, duplicate_window=NS_PER_S)
    never = {"Nats-TTL": "never"}
    for _ in range(2000):
        world.publish("s.a", b"x", headers=never)
    world.clock.advance(5 * NS_PER_S)
    comes_back(world)

    config = {"name": "S", "subjects": ["s.>"], "allow_msg_ttl": True}
    aged = {"max_age": 2 * NS_PER_S, "duplicate_window": NS_PER_S}
    world.api("STREAM.UPDATE.S", {**config, **aged})
    world.clock.advance(3 * NS_PER_S)
    world.settle()

    assert world.state()["messages"] == 2000


def test_a_commit_that_fails_while_a_start_reads_lets_nothing_age(tmp_path: Path) -> None:
    world = RealWorld(tmp_path, replace(SMALL, tail_cache_bytes=0))
    world.create_stream(allow_msg_ttl=True, duplicate_window=NS_PER_S, max_age=2 * NS_PER_S)
    world.put("s.a", b"x", headers={"Nats-TTL": "never"})
    world.clock.advance(5 * NS_PER_S)
    world.settle()
    account = Account("$G", Outbox(lambda: None))
    js = world.enable(account)
    js.recover(lambda: None)
    world.clock.turn()
    stream = js.streams["S"]
    assert not account.sublist.match(b"s.a").plain, "it is still read"

    stream.rolled_back()  # as the store says it
    world.clock.advance(NS_PER_S)
    world.settle()

    assert stream.store.state().msgs == 1


def test_who_listens_gets_nothing_that_had_gone_before_the_start() -> None:
    world = World()
    world.create_stream(max_age=60 * NS_PER_S)
    world.create_consumer(deliver_subject="d")
    world.publish("s.a", b"old")
    world.clock.advance(50 * NS_PER_S)
    world.publish("s.a", b"new")
    steps = Steps()
    steps.advance(world.clock.wall_ns() + 20 * NS_PER_S - steps.wall_ns())
    world.clock = steps
    world.time = TrustedTime(steps)
    world.account = Account("$G", Outbox(lambda: None))
    heard = world.listen("d")
    js = world.enable(world.account)

    js.recover(lambda: None)
    while steps.step():
        pass

    assert [msg.payload for msg in heard] == [b"new"]


def counted(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Return the list that the name of each consumer will be put into that opens."""
    opened: list[str] = []
    really = Consumer.open

    def opens(consumer: Consumer) -> None:
        opened.append(consumer.name)
        really(consumer)

    monkeypatch.setattr(Consumer, "open", opens)
    return opened


def test_consumers_that_are_on_disk_though_their_commit_failed_come_in_slices(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = RealWorld(tmp_path)
    world.create_stream()
    world.disk.lies = True
    world.disk.fail("COMMIT", sqlite3.SQLITE_IOERR_FSYNC)
    for number in range(COUNT):
        body = {"stream_name": "S", "config": {"durable_name": f"C{number}"}}
        name = f"$JS.API.CONSUMER.CREATE.S.C{number}"
        world.request(name, json.dumps(body).encode())
    world.disk_world.settle()
    world.clock.turn()
    assert not world.js.streams["S"].consumers
    opened = counted(monkeypatch)
    world.disk.heal()
    world.clock.advance(NS_PER_S)
    sizes = [len(opened)]
    for _ in range(10):
        world.disk_world.settle()
        world.clock.turn()
        sizes.append(len(opened))

    assert (sizes[-1], len(world.js.streams["S"].consumers)) == (COUNT, COUNT)
    assert max(after - before for before, after in itertools.pairwise(sizes)) <= RECOVERED_PER_TURN


def test_a_consumer_that_is_deleted_while_others_come_back_stays_away(tmp_path: Path) -> None:
    world = RealWorld(tmp_path)
    world.create_stream(retention="interest")
    world.create_consumer(name="gone")
    world.settle()
    world.disk.lies = True
    world.disk.fail("COMMIT", sqlite3.SQLITE_IOERR_FSYNC)
    for number in range(COUNT):
        body = {"stream_name": "S", "config": {"durable_name": f"C{number}"}}
        name = f"$JS.API.CONSUMER.CREATE.S.C{number}"
        world.request(name, json.dumps(body).encode())
    world.settle()
    consumers_now = world.js.streams["S"].consumers
    assert list(consumers_now) == ["gone"]
    world.disk.heal()
    world.clock.advance(NS_PER_S)
    while len(consumers_now) == 1:
        world.disk_world.settle()
        world.clock.turn()
    assert len(consumers_now) < COUNT

    answers = world.request("$JS.API.CONSUMER.DELETE.S.gone")
    world.settle()

    assert b'"success":true' in answers[0].payload
    assert (len(consumers_now), "gone" in consumers_now) == (COUNT, False)
    world.restart()
    assert "gone" not in world.js.streams["S"].consumers
