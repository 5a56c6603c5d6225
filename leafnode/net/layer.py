"""A layer between a socket and who speaks on it: it turns the bytes of one side into the other's.

A Session below, a Transport above. Knows turns and who holds reading back; not what the bytes are
turned into: that is a subclass's (WebSocket frames, S2 chunks). What is turned is bounded in each
turn of the loop, so that a little that unpacks to much starves nobody.
"""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from leafnode.limits import LAYER_TURN_BYTES_MAX, READ_CHUNK_BYTES

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from leafnode.net.backlog import Late
    from leafnode.net.transport import Session, TlsFacts, Transport

_NOTHING: Final = memoryview(b"")


class Layer:
    """Implements net.transport.Transport above, and what its subclasses read by."""

    __slots__ = ("_guest", "_held", "_is_more", "_rest", "_starved", "_wire", "credentials", "peer")

    def __init__(self, guest: Session | None) -> None:
        self._guest = guest
        self._wire: Transport
        self._held = False  # the session above wants nothing now
        self._is_more = False  # what is read waits for its turn
        self._starved = False  # the session above waits for its turn, before that
        self._rest = _NOTHING  # of one unit, which waits with it
        self.peer = ""
        self.credentials: Mapping[str, str] = MappingProxyType({})

    # what a subclass has

    def _units(self) -> Iterator[tuple[bytes, int]]:
        """Yield what was read, turned, with what each costs beside its bytes. Nothing: no more."""
        raise NotImplementedError

    def _reads(self) -> bool:
        """Say whether anything is still read for the session above."""
        raise NotImplementedError

    # reading

    def _pump(self) -> None:
        """Deliver what was read, as long as the session wants it and others need not wait."""
        left = LAYER_TURN_BYTES_MAX
        if self._starved and self._guest is not None:
            self._starved = False
            self._guest.received(b"")
        if self._must_wait(left):
            return
        if self._rest:
            left = self._deliver(self._rest, left)
            if self._must_wait(left):
                return
        for unit, cost in self._units():
            left = self._deliver(memoryview(unit), left - cost)
            if self._must_wait(left):
                return
        self._is_more = False

    def _must_wait(self, left: int) -> bool:
        """Let it wait where the turn is over, or the session wants nothing now or ever."""
        if not self._reads():
            return True
        if left > 0 and not self._held and not self._starved:
            return False
        self._is_more = True
        if not self._held:
            self._wire.yield_turn()
        return True

    def _deliver(self, data: memoryview, left: int) -> int:
        """Hand on what the session wants now; return what is left of the turn."""
        self._rest = _NOTHING
        at = 0
        while at < len(data) and self._guest is not None and self._reads():
            piece = bytes(data[at : at + READ_CHUNK_BYTES])
            at += len(piece)
            left -= len(piece)
            self._guest.received(piece)
            if self._held or self._starved or left <= 0:
                self._rest = data[at:]
                break
        return left

    # net.transport.Transport

    @property
    def stalls(self) -> int:
        return self._wire.stalls

    @property
    def tls(self) -> TlsFacts | None:
        return self._wire.tls

    @property
    def on_late(self) -> Callable[[Late], None] | None:
        return self._wire.on_late

    @on_late.setter
    def on_late(self, call: Callable[[Late], None] | None) -> None:
        self._wire.on_late = call

    def pending_bytes(self) -> int:
        return self._wire.pending_bytes()

    def silent_ns(self) -> int | None:
        return self._wire.silent_ns()

    def has_unsent(self) -> bool:
        return self._wire.has_unsent()

    def has_lost_peer(self) -> bool:
        return self._wire.has_lost_peer()

    def has_unread(self) -> bool:
        return self._wire.has_unread()

    def pause_reading(self) -> None:
        if not self._held:
            self._held = True
            self._wire.pause_reading()

    def resume_reading(self) -> None:
        if self._held:
            self._held = False
            self._wire.resume_reading()
            if self._is_more:
                self._wire.yield_turn()

    def yield_turn(self) -> None:
        self._starved = True
        self._wire.yield_turn()
