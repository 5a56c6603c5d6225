"""leafnode.clients.interest; what the wire must look like in each case is in the transcripts."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

import pytest

from leafnode.clock import NS_PER_S
from leafnode.config.options import Options
from leafnode.limits import (
    BACKLOG_MAX,
    DROP_WORK,
    LEFT_BYTES,
    MAX_CONTROL_LINE_BYTES,
    MAX_SUBJECT_TOKENS,
    RECEIVERS_MAX,
    SHADOW_WORK,
    TOKEN_WORK,
    TURN_WORK,
)
from leafnode.routing import sublist
from leafnode.routing.account import Account
from leafnode.routing.imports import StreamImports
from tests.sim.clients import ClientWorld
from tests.sim.imports import stream_import

if TYPE_CHECKING:
    from leafnode.routing.subscription import Subscription

QUIET = b'{"verbose":false,"pedantic":false}'


def account(world: ClientWorld) -> Account:
    return world.server.account()


def test_a_subject_deeper_than_the_limit_is_refused_and_one_at_it_is_not() -> None:
    world = ClientWorld(Options(max_control_line_bytes=2 * MAX_CONTROL_LINE_BYTES))
    client = world.client(QUIET)
    deep = b".".join([b"a"] * MAX_SUBJECT_TOKENS)

    assert client.says(b"SUB %b 1\r\n" % deep) == b""
    assert client.says(b"SUB %b.a 2\r\n" % deep) == b"-ERR 'Invalid Subject'\r\n"


@pytest.mark.parametrize("subject", [b"a\0b", b"a\rb", b"a\fb"])
def test_a_subject_that_could_end_or_split_a_line_elsewhere_is_refused(subject: bytes) -> None:
    client = ClientWorld().client(QUIET)

    assert client.says(b"SUB " + subject + b" 1\r\n") in {b"-ERR 'Invalid Subject'\r\n", b""}
    assert not any(sub.subject == subject for sub in _subs(client))


def _subs(client: object) -> list[Subscription]:
    open_connections = client._world.server.registry.open  # type: ignore[attr-defined]
    return [sub for handler in open_connections.values() for sub in handler.peer.subs.values()]


def test_what_a_client_was_sending_to_very_many_outlives_it_and_is_counted() -> None:
    world = ClientWorld()
    reader, sender = world.client(QUIET), world.client(QUIET)
    many = RECEIVERS_MAX + 1
    reader.says(b"".join(b"SUB wide %d\r\n" % sid for sid in range(many)))
    left = world.server.turn.outbox.left

    world.server.turn.outbox.work_left = 1  # its turn is over once the message has begun
    sender.handler.received(b"PUB wide 4\r\nlast\r\n")
    sender.handler.close("Server Shutdown")
    assert (len(left), left.held_bytes) == (1, LEFT_BYTES + len(b"last"))
    world.settle()

    assert reader.hears().count(b"last") == many
    assert (len(left), left.held_bytes) == (0, 0)


def test_while_enough_goes_to_very_many_a_client_waits_and_then_goes_on(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sublist, "RECEIVERS_MAX", 1)
    world = ClientWorld()
    reader, other = world.client(QUIET), world.client(QUIET)
    reader.says(b"SUB few 3\r\n" + b"".join(b"SUB wide w%d\r\n" % sid for sid in range(20)))

    for _ in range(BACKLOG_MAX):
        account(world).publish(b"wide", b"x")
    other.handler.received(b"PUB few 1\r\nx\r\nPING\r\n")
    assert account(world).backlog.held == 1
    assert other.hears() == b"PONG\r\n"

    got = reader.hears()
    assert got.count(b"MSG wide") == 20 * BACKLOG_MAX
    assert got.index(b"MSG wide") < got.index(b"MSG few 3 1\r\nx\r\n")


def test_who_waits_for_what_goes_to_very_many_is_not_cut_for_its_silence() -> None:
    world = ClientWorld(Options(ping_interval_ns=NS_PER_S, ping_max=1))
    client = world.client(QUIET)
    peer = client.handler.peer

    peer.parked = deque([(iter(()), 0)])
    world.clock.advance(10 * NS_PER_S)
    assert not client.raw.ended
    peer.parked = None
    world.clock.advance(2 * NS_PER_S)

    assert client.hears().endswith(b"-ERR 'Stale Connection'\r\n")


def test_subscriptions_end_with_the_connection() -> None:
    world = ClientWorld()
    client = world.client(QUIET)
    client.says(b"SUB a 1\r\nSUB b.> q 2\r\n")
    assert account(world).local_interest == {(b"a", b""): 1, (b"b.>", b"q"): 1}

    client.end.close()
    world.settle()

    assert account(world).local_interest == {}
    assert account(world).sublist.count == 0
    assert world.server.registry.open == {}


def test_the_subscriptions_of_a_connection_that_ends_are_work_of_its_turn() -> None:
    world = ClientWorld()
    client = world.client(QUIET)
    client.says(b"SUB a 1\r\nSUB b.> q 2\r\n")
    before = world.server.turn.outbox.work_left

    client.handler.close("Server Shutdown")

    assert world.server.turn.outbox.work_left == before - 2 * DROP_WORK


def test_deep_patterns_are_more_work_and_end_in_more_slices() -> None:
    world = ClientWorld()
    client = world.client(QUIET)
    tokens = MAX_SUBJECT_TOKENS // 2
    deep = b".".join([b"*"] * tokens)
    fit = TURN_WORK // (TOKEN_WORK * tokens)
    outbox, peer = world.server.turn.outbox, client.handler.peer
    client.says(b"".join(b"SUB %b.%d %d\r\n" % (deep, n, n) for n in range(fit * 3)))
    assert (len(peer.subs), account(world).sublist.count) == (fit * 3, fit * 3)
    before = outbox.work_left

    client.handler.close("Server Shutdown")

    assert 0 < fit * 3 - len(peer.subs) <= fit + 1
    assert outbox.work_left <= before - TURN_WORK
    world.settle()
    assert account(world).sublist.count == 0


def test_each_shadow_in_an_account_imported_from_is_work_of_the_end_too() -> None:
    world = ClientWorld()
    exporter = Account("E", world.server.turn.outbox)
    imports = [stream_import(exporter, b"a.%d" % n, b"a.%d" % n) for n in range(50)]
    StreamImports(account(world), imports).start()
    client = world.client(QUIET)
    client.says(b"".join(b"SUB > %d\r\n" % n for n in range(50)))
    peer = client.handler.peer
    assert exporter.sublist.count == 50 * 50

    client.handler.close("Server Shutdown")

    assert 0 < (50 - len(peer.subs)) * 50 * SHADOW_WORK <= 2 * TURN_WORK
    world.settle()
    assert exporter.sublist.count == 0


def test_a_client_with_very_many_subscriptions_ends_in_slices_and_gets_nothing_meanwhile() -> None:
    world = ClientWorld()
    client, publisher = world.client(QUIET), world.client(QUIET)
    count = 3 * (TURN_WORK // DROP_WORK) + 1
    client.says(b"".join(b"SUB s.%d q %d\r\n" % (n, n) for n in range(count)))
    publisher.says(b"SUB s.%d q 1\r\n" % (count - 1))
    publisher.says(b"PUB s.%d 1\r\nx\r\n" % (count - 1) * 2)
    peer = client.handler.peer

    client.handler.close("Server Shutdown")
    assert 0 < len(peer.subs) < count
    publisher.end.write([b"PUB s.%d 1\r\ny\r\n" % (count - 1) * 10])

    assert publisher.hears().count(b"\r\ny\r\n") == 10
    assert account(world).local_interest == {(b"s.%d" % (count - 1), b"q"): 1}
    assert peer.subs == {}
