"""leafnode.server.in_turns: others have their turn in between, and who is gone is left alone."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from leafnode.limits import CLIENTS_HELD_PER_TURN, TURN_WORK
from leafnode.routing.peer import Outbox
from leafnode.server.in_turns import in_turns, walk

if TYPE_CHECKING:
    from collections.abc import Iterator


class Client:
    """One that may be gone."""

    def __init__(self) -> None:
        self.is_gone = False


async def test_others_have_a_turn_after_so_many_and_who_goes_meanwhile_is_left_alone() -> None:
    clients = [Client() for _ in range(2 * CLIENTS_HELD_PER_TURN + 1)]
    done: list[Client] = []
    seen: list[int] = []

    def look() -> None:
        seen.append(len(done))
        clients[-1].is_gone = True

    asyncio.get_running_loop().call_soon(look)
    await in_turns(Outbox(lambda: None), clients, done.append)

    assert seen == [CLIENTS_HELD_PER_TURN]
    assert done == clients[:-1]


async def test_a_step_that_took_a_turns_work_ends_the_turn() -> None:
    outbox = Outbox(lambda: None)
    taken: list[int] = []
    seen: list[int] = []

    def look() -> None:
        seen.append(len(taken))
        if len(taken) < 3:
            asyncio.get_running_loop().call_soon(look)

    def steps() -> Iterator[None]:
        for number in range(3):
            taken.append(number)
            outbox.work_left -= TURN_WORK
            yield

    asyncio.get_running_loop().call_soon(look)
    await walk(outbox, steps())

    assert seen == [1, 2, 3]


async def test_nobody_is_nothing_to_do() -> None:
    done: list[Client] = []

    await in_turns(Outbox(lambda: None), [], done.append)

    assert done == []
