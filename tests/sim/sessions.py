"""Sessions that understand nothing: they keep what they are told, for tests of transports."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from leafnode.net.transport import Transport


class RecordingSession:
    """Implements Session; `bytes` and `end` wait for what is to come."""

    def __init__(self) -> None:
        self.transport: Transport | None = None
        self.received_bytes = b""
        self.read_sizes: list[int] = []
        self.lost_reasons: list[str] = []
        self.fails_on = b""
        self._changed = asyncio.Event()

    @property
    def wire(self) -> Transport:
        """The transport, of a session that was connected."""
        assert self.transport is not None, "not connected yet"
        return self.transport

    def connected(self, transport: Transport) -> None:
        self.transport = transport
        self._changed.set()

    def received(self, data: bytes) -> None:
        if self.fails_on and self.fails_on in data:
            raise RuntimeError("as the test wants it")
        self.received_bytes += data
        self.read_sizes.append(len(data))
        self._changed.set()

    def lost(self, reason: str) -> None:
        self.lost_reasons.append(reason)
        self._changed.set()

    async def attached(self) -> None:
        """Wait until there is a connection."""
        while self.transport is None:
            await self._change()

    async def bytes(self, size: int) -> bytes:
        """Wait until at least `size` bytes came; return all of them."""
        while len(self.received_bytes) < size:
            await self._change()
        return self.received_bytes

    async def end(self) -> None:
        """Wait until the connection is gone."""
        while not self.lost_reasons:
            await self._change()

    async def _change(self) -> None:
        self._changed.clear()
        await self._changed.wait()
