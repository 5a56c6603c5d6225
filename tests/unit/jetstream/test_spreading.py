"""leafnode.jetstream.spreading: consumers that send to very many wait for it, in any account."""

from __future__ import annotations

import gc
import re
from typing import TYPE_CHECKING

import pytest

from leafnode import limits
from leafnode.routing import parked, sublist
from leafnode.routing.account import Account
from leafnode.routing.deliver import deliver
from leafnode.routing.peer import Kind, Peer
from leafnode.routing.subscription import Subscription
from tests.unit.jetstream.test_push import S, world_with

if TYPE_CHECKING:
    from collections.abc import Callable

    from leafnode.routing.route import Message
    from tests.unit.jetstream.world import World


def test_what_goes_to_very_many_is_sent_before_more_is_taken(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    world = world_with(12)
    client, later = very_many(world, monkeypatch)

    world.clock.advance(0)
    world.clock.advance(S)
    waiting = len(world.account.backlog)
    assert client.out == []
    take_all(world, later)

    assert waiting == 1, "four messages; the consumer waits for them"
    got = b"".join(client.out)
    assert got.count(b" 19 ") == 12
    assert sequences(got, "C") == list(range(1, 13))


def very_many(
    world: World, patch: pytest.MonkeyPatch, *subjects: str, account: Account | None = None
) -> tuple[Peer, list[Callable[[], None]]]:
    """A client that is more than one turn is for, with what waits for turns."""
    patch.setattr(sublist, "RECEIVERS_MAX", 1)
    patch.setattr(limits, "DELIVER_TURN_MSGS", 4)
    later: list[Callable[[], None]] = []
    patch.setattr(world.account.system.outbox, "end_later", later.append)
    client = Peer(77, Kind.CLIENT, world.account.system.outbox)
    client.account = account or world.account
    for subject in subjects or ("d",):
        for number in range(20):
            sub = Subscription(client, subject.encode(), sid=b"%d" % number)
            client.account.insert(sub)
    return client, later


def take_all(world: World, later: list[Callable[[], None]]) -> None:
    while later:
        later.pop(0)()
        world.clock.advance(0)


def sequences(got: bytes, consumer: str) -> list[int]:
    """Return what one of the subscriptions got of a consumer."""
    start = re.escape(f"MSG s.a 19 $JS.ACK.S.{consumer}.1.")
    found = re.findall(start + r"(\d+)\.", got.decode())
    return [int(one) for one in found]


def test_a_heartbeat_does_not_wait_behind_what_goes_to_very_many(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    world = world_with(3, idle_heartbeat=S)
    client, later = very_many(world, monkeypatch)
    world.clock.advance(0)

    world.clock.advance(20 * S)
    assert len(world.account.backlog) == 1
    take_all(world, later)
    got = b"".join(client.out)
    assert (sequences(got, "C"), got.count(b"Idle Heartbeat")) == ([1, 2, 3], 0)

    world.clock.advance(S)
    take_all(world, later)
    assert b"".join(client.out).count(b"Idle Heartbeat") == 20, "one for each subscription"


def test_while_enough_waits_consumers_that_send_to_very_many_wait_and_others_do_not(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    world = world_with(5)
    names = [f"C{number}" for number in range(6)]
    for name in names:
        world.create_consumer("S", name, deliver_subject=f"d.{name}")
    monkeypatch.setattr(parked, "BACKLOG_MAX", 4)
    client, later = very_many(world, monkeypatch, *[f"d.{name}" for name in names[:5]])
    few = world.listen("d.C5")

    world.clock.advance(0)
    assert len(world.account.backlog) == 2
    assert len(few) == 5
    most = 0
    while later:
        later.pop(0)()
        world.clock.advance(0)
        most = max(most, len(world.account.backlog))
        assert not parked.must_wait(client), "there is room for what connections bring"

    got = b"".join(client.out)
    assert [sequences(got, name) for name in names[:5]] == [[1, 2, 3, 4, 5]] * 5
    assert most == 2


def test_consumers_of_another_account_keep_its_connections_waiting_once_at_most(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    world = world_with(40)
    importer = Account("B", world.account.system.outbox)
    client, later = very_many(world, monkeypatch, "d.*", account=importer)
    monkeypatch.setattr(parked, "BACKLOG_MAX", 16)
    for number in range(10):
        relay = Subscription(world.account.system, b"d.%d" % number)
        relay.relay = Forward(importer)
        world.account.insert(relay)
        world.create_consumer("S", f"C{number}", deliver_subject=f"d.{number}")

    world.clock.advance(0)
    assert importer.backlog.is_full
    fills = [True]
    while later:
        later.pop(0)()
        world.clock.advance(0)
        fills.append(importer.backlog.is_full)

    got = b"".join(client.out)
    assert [sequences(got, f"C{number}") for number in range(10)] == [list(range(1, 41))] * 10
    assert fills.index(False) == fills.count(True), "full at the start, and never again"


def test_a_pull_that_very_many_hear_waits_for_room_and_ends_as_it_would(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    world = world_with(6)
    world.create_consumer("S", "P")
    monkeypatch.setattr(parked, "BACKLOG_MAX", 1)
    client, later = very_many(world, monkeypatch, "in", "other")
    world.account.publish(b"other", b"first")

    world.publish("$JS.API.CONSUMER.MSG.NEXT.S.P", b'{"batch":9,"no_wait":true}', reply="in")
    world.clock.advance(5 * S)
    assert len(world.account.backlog) == 1
    take_all(world, later)

    got = b"".join(client.out)
    assert got.index(b"first") < got.index(b"MSG s.a")
    assert sequences(got, "P") == [1, 2, 3, 4, 5, 6]
    assert got.count(b"404 No Messages") + got.count(b"408 ") == 20


@pytest.mark.parametrize("pulls", [False, True])
def test_a_consumer_waits_for_what_very_many_of_another_account_get_through_an_import(
    monkeypatch: pytest.MonkeyPatch, *, pulls: bool
) -> None:
    world = world_with(12)
    importer = Account("B", world.account.system.outbox)
    client, later = very_many(world, monkeypatch, "d", account=importer)
    relay = Subscription(world.account.system, b"d")
    relay.relay = Forward(importer)
    world.account.insert(relay)
    if pulls:
        world.create_consumer("S", "P")
        world.publish("$JS.API.CONSUMER.MSG.NEXT.S.P", b'{"batch":12}', reply="d")

    world.clock.advance(0)
    world.clock.advance(S)
    most = 0
    while later:
        most = max(most, len(importer.backlog))
        later.pop(0)()
        world.clock.advance(0)

    got = b"".join(client.out)
    assert most == 4 + 4 * pulls, "one pump of each consumer"
    assert sequences(got, "C") == list(range(1, 13))
    assert sequences(got, "P") == (list(range(1, 13)) if pulls else [])


class Forward:
    """An import, as far as routing goes: everything is sent on in another account."""

    def __init__(self, to: Account) -> None:
        self.to = to

    def forward(self, origin: Peer, message: Message) -> int:
        return deliver(self.to, origin, message)


def test_a_consumer_that_is_deleted_leaves_what_it_was_sending_to_very_many(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    world = world_with(2)
    client, later = very_many(world, monkeypatch)
    world.clock.advance(0)
    assert len(world.account.backlog) == 1

    world.api("CONSUMER.DELETE.S.C")
    world.clock.advance(0)
    gc.collect()
    take_all(world, later)

    assert sequences(b"".join(client.out), "C") == [1, 2]
