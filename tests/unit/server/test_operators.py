"""leafnode.server.operators: what follows from a JWT; the rest is run whole by tests/interop."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Any

from leafnode.config.options import Options
from leafnode.limits import CLIENTS_HELD_PER_TURN
from leafnode.routing.peer import Kind, Peer
from leafnode.server import operators
from leafnode.server.server import Seams, Server
from tests.sim.clock import FakeClock

if TYPE_CHECKING:
    import pytest


async def test_the_clients_of_an_account_are_held_to_its_jwt_so_many_in_a_turn(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    clock, chance = FakeClock(), random.Random(1)
    server = Server(Options(), Seams(clock, chance, chance.randbytes))
    account = server.account("$G")
    clients: dict[int, Any] = {}
    for cid in range(1, 2 * CLIENTS_HELD_PER_TURN + 4):
        account.join(Peer(cid, Kind.CLIENT, server.turn.outbox))
        clients[cid] = cid
    monkeypatch.setattr(server.registry, "open", clients)
    held: list[Any] = []
    monkeypatch.setattr(operators, "hold", lambda client, *_: held.append(client))
    seen: list[int] = []

    def look() -> None:
        seen.append(len(held))
        if len(seen) < 3:
            clock.call_later(0, look)

    done = operators._account_changed(server, "$G")
    seen.append(len(held))
    assert not done.is_set()
    del clients[CLIENTS_HELD_PER_TURN + 1]  # it went meanwhile
    clock.call_later(0, look)
    clock.advance(0)

    a_turn = CLIENTS_HELD_PER_TURN
    assert seen == [a_turn, 2 * a_turn - 1, 2 * a_turn + 2]
    assert clock.pending() == 0
    assert done.is_set()
