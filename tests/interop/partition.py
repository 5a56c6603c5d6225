"""A way between two servers that can lose everything that is on it, as a radio link does.

It runs in the test's own loop. A connection that lost something is never healed: TCP would have
closed it. Who dials while nothing gets through is let in and hears nothing.
"""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

_CHUNK: Final = 65536
_SLOW_CHUNK: Final = 2048


class Way:
    """Carries connections from a port of its own to another port."""

    def __init__(self, to_port: int, bytes_per_s: int = 0) -> None:
        """Without `bytes_per_s` it is as fast as it can be."""
        self.port = 0
        self.lost_bytes = 0
        self._to_port = to_port
        self._bytes_per_s = bytes_per_s
        self._open = True
        self._writers: set[asyncio.StreamWriter] = set()

    def lose(self) -> None:
        """From now on nothing arrives, in either direction; nobody is told."""
        self._open = False

    def heal(self) -> None:
        """New connections get through again. Those that lost something end."""
        self.cut()
        self._open = True

    def cut(self) -> None:
        """End every connection at once."""
        for writer in self._writers:
            writer.transport.abort()

    async def accepted(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.add(writer)
        onward = None
        with contextlib.suppress(OSError):
            if self._open:
                back, onward = await asyncio.open_connection("127.0.0.1", self._to_port)
                self._writers.add(onward)
                async with asyncio.TaskGroup() as group:
                    group.create_task(self._carry(reader, onward))
                    group.create_task(self._carry(back, writer))
            else:
                await self._carry(reader, None)
        for one in (writer, onward):
            if one is not None:
                one.transport.abort()
                self._writers.discard(one)

    async def _carry(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter | None
    ) -> None:
        """Move bytes until one end is over; then end the other."""
        with contextlib.suppress(OSError):
            while data := await reader.read(_SLOW_CHUNK if self._bytes_per_s else _CHUNK):
                if writer is None or not self._open:
                    self.lost_bytes += len(data)
                    writer = None  # what comes behind lost bytes would be nonsense
                    continue
                if self._bytes_per_s:
                    await asyncio.sleep(len(data) / self._bytes_per_s)
                writer.write(data)
                await writer.drain()
        if writer is not None and self._open:
            writer.transport.abort()


@contextlib.asynccontextmanager
async def way_to(port: int, *, bytes_per_s: int = 0) -> AsyncIterator[Way]:
    """A way for the length of the block; `bytes_per_s` in each direction."""
    way = Way(port, bytes_per_s)
    server = await asyncio.start_server(way.accepted, "127.0.0.1", 0)
    way.port = server.sockets[0].getsockname()[1]
    try:
        yield way
    finally:
        server.close()
        way.cut()
        await asyncio.sleep(0)
