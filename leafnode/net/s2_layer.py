"""A connection that is packed by S2 from some moment on, because both sides agreed to it.

A Session below, a Transport above: directly on the socket, below a WebSocket where there is one,
as on nats-server. Until `begin` bytes pass as they are. Knows
when to pack and how much to unpack in a turn; not why, nor how blocks are made (s2_frames).
Truth: nats-server 2.15.1 server/leafnode.go negotiateLeafCompression.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Final

from leafnode.limits import S2_BLOCK_BYTES_MAX, S2_CODING, S2_GREETING_BYTES_MAX
from leafnode.net.backlog import in_pieces
from leafnode.net.layer import Layer
from leafnode.net.outbound import READ_ERROR
from leafnode.protocol.s2_block import S2Error
from leafnode.protocol.s2_frames import UNCOMPRESSED, S2Reader, S2Writer

if TYPE_CHECKING:
    import ssl
    from collections.abc import Iterator

    from leafnode.net.entry import Guest
    from leafnode.net.transport import Session, Transport

log = logging.getLogger(__name__)

NOT_PACKED: Final = "off"


class S2Layer(Layer):
    """Implements net.transport.Session below and net.transport.Transport above."""

    __slots__ = ("_is_over", "_reader", "_writer", "mode")

    def __init__(self, guest: Session | None = None) -> None:
        """Without a guest `carry` has to name it before the connection begins."""
        super().__init__(guest)
        self.mode = NOT_PACKED
        self._is_over = False
        self._reader: S2Reader | None = None  # None before `begin`
        self._writer: S2Writer | None = None

    def carry(self, guest: Session) -> Session:
        """Lie below `guest`; return what its connection is for."""
        self._guest = guest
        return self

    def begin(self, mode: str) -> None:
        """Pack from here on, in this mode."""
        self._reader = S2Reader(bytes_max=S2_GREETING_BYTES_MAX)
        self._writer = S2Writer(packs=mode != UNCOMPRESSED)
        self.mode = mode

    def change(self, mode: str) -> None:
        """Go on in another mode."""
        if self._writer is not None:
            self.mode = mode
            self._writer.packs = mode != UNCOMPRESSED

    def trust(self) -> None:
        """Take chunks as large as the format has them: the other side is known now."""
        if self._reader is not None:
            self._reader.bytes_max = S2_BLOCK_BYTES_MAX

    # net.transport.Session

    def connected(self, transport: Transport) -> None:
        self._wire = transport
        self.peer, self.credentials = transport.peer, transport.credentials
        if self._guest is not None:
            self._guest.connected(self)

    def received(self, data: bytes) -> None:
        if self._is_over:
            return
        if self._reader is not None:
            self._reader.feed(data)
            self._pump()
        elif self._guest is not None:
            self._starved = False
            self._guest.received(data)

    def lost(self, reason: str) -> None:
        guest, self._guest = self._guest, None
        self._is_over = True
        if guest is not None:
            guest.lost(reason)

    def _reads(self) -> bool:
        return not self._is_over

    def _units(self) -> Iterator[tuple[bytes, int]]:
        reader = self._reader
        while reader is not None and not self._is_over:
            try:
                found = reader.work()
            except S2Error as err:
                log.warning("Link ended, what it sent is no S2: peer=%s problem=%s", self.peer, err)
                self.abort(f"{READ_ERROR}: {err}")
                return
            if found is None:
                return
            yield found

    # net.transport.Transport

    @property
    def coding(self) -> int:
        return self._wire.coding + (S2_CODING if self._writer is not None else 0)

    def write(self, chunks: list[bytes]) -> None:
        writer = self._writer
        if writer is None:
            self._wire.write(chunks)
            return
        for piece in in_pieces(chunks):
            self._wire.write([writer.frames(piece)])

    def close(self, reason: str = "") -> None:
        self._is_over = True
        self._wire.close(reason)

    def abort(self, reason: str = "") -> None:
        self._is_over = True
        self._wire.abort(reason)

    async def start_tls(self, context: ssl.SSLContext, server_hostname: str) -> None:
        await self._wire.start_tls(context, server_hostname)


class AcceptedS2Layer(S2Layer):
    """The same behind a listener's way in. Implements net.entry.Guest."""

    __slots__ = ()

    _guest: Guest | None

    def entered(self) -> None:
        if self._guest is not None:
            self._guest.entered()
