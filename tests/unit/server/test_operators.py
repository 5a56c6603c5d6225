"""leafnode.server.operators: what follows from a JWT; the rest is run whole by tests/interop."""

from __future__ import annotations

import asyncio
import random
from typing import TYPE_CHECKING, Any

from leafnode.auth.identity import Identity
from leafnode.config.options import Options
from leafnode.limits import CLIENTS_HELD_PER_TURN
from leafnode.routing.peer import Kind, Peer
from leafnode.server import operators
from leafnode.server.server import Seams, Server
from tests.sim.clock import FakeClock

if TYPE_CHECKING:
    import pytest


class Client:
    """One that belongs to nobody, and may be gone."""

    def __init__(self, account: str) -> None:
        self.is_gone = False
        self.identity = Identity(account=account)

    def hold_to_bounds(self) -> None:
        """Its bounds are what they were."""


async def test_the_clients_of_an_account_are_held_to_its_jwt_so_many_in_a_turn(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    clock, chance = FakeClock(), random.Random(1)
    server = Server(Options(), Seams(clock, chance, chance.randbytes))
    account = server.account("$G")
    clients: dict[int, Any] = {}
    for cid in range(1, CLIENTS_HELD_PER_TURN + 4):
        account.join(Peer(cid, Kind.CLIENT, server.turn.outbox))
        clients[cid] = Client("$G")
    monkeypatch.setattr(server.registry, "open", clients)
    held: list[Any] = []

    def hold(_: Server, client: Any) -> Identity:
        held.append(client)
        return client.identity

    monkeypatch.setattr(operators, "_hold", hold)

    async with asyncio.TaskGroup() as tasks:
        monkeypatch.setattr(server, "_tasks", tasks)
        done = operators._account_changed(server, "$G")
        await asyncio.sleep(0)
        seen = len(held), done.is_set()
        clients[CLIENTS_HELD_PER_TURN + 1].is_gone = True
        clients[CLIENTS_HELD_PER_TURN + 2].identity = Identity(account="ELSEWHERE")
        await done.wait()

    assert seen == (CLIENTS_HELD_PER_TURN, False)
    assert len(held) == CLIENTS_HELD_PER_TURN + 1
