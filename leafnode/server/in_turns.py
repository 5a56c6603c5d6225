"""Something done to many connections, so many in a turn of the loop as the others can wait for.

Knows connections that may be gone meanwhile; not what is done to them. A reload that changes users
took 0.4 s of one turn with 5,000 clients.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Protocol, TypeVar

from leafnode.limits import CLIENTS_HELD_PER_TURN

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence


class Goer(Protocol):
    """A connection that may end at any time."""

    @property
    def is_gone(self) -> bool: ...


GoerT = TypeVar("GoerT", bound=Goer)


async def in_turns(clients: Sequence[GoerT], act: Callable[[GoerT], object]) -> None:
    """Do it to each that is still there, in their order."""
    for start in range(0, len(clients), CLIENTS_HELD_PER_TURN):
        if start:
            await asyncio.sleep(0)
        for client in clients[start : start + CLIENTS_HELD_PER_TURN]:
            if not client.is_gone:
                act(client)
