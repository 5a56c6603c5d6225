"""Connections that are over and have bytes on their way: whoever ends the process waits for them.

Knows that they are there; not what waits, nor how long it may: each has its own write deadline.
"""

from __future__ import annotations

import asyncio


class Leaving:
    """Those whose end was asked for, until they are closed."""

    __slots__ = ("_all_gone", "_there")

    def __init__(self) -> None:
        self._there: set[object] = set()
        self._all_gone: asyncio.Future[None] | None = None  # somebody waits for that

    def __len__(self) -> int:
        return len(self._there)

    def enter(self, connection: object) -> None:
        """It ends once what it has is written."""
        self._there.add(connection)

    def leave(self, connection: object) -> None:
        """It is closed, however that came about."""
        self._there.discard(connection)
        if not self._there and self._all_gone is not None and not self._all_gone.done():
            self._all_gone.set_result(None)

    async def all_gone(self) -> None:
        """Wait until none is left."""
        if self._there:
            self._all_gone = asyncio.get_running_loop().create_future()
            await self._all_gone
