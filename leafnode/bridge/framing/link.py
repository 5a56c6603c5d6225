"""The device link: frames with CRC, sequence and ack, from a board that keeps what is not stored
yet.

Knows the session of leafnode.link and what the bridge calls its events; no port, no subject. One
session serves the port for as long as the gateway runs, however often the port or the board comes
back. Truth: docs/device-link.md; docs/serial.md, "The device link".
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Final

from leafnode.bridge.reading import (
    MORE,
    DeviceHello,
    DeviceLog,
    FrameCounts,
    Presence,
    Reading,
    Receipt,
    is_of,
)
from leafnode.link import const, events
from leafnode.link.gateway import GatewaySession

if TYPE_CHECKING:
    from collections.abc import Callable

    from leafnode.bridge.reading import Event, Life, More
    from leafnode.link.gateway import Event as LinkEvent
    from leafnode.link.gateway_channel import GatewayChannel

PIECE_BYTES: Final = 512  # of a read that are taken at once: 0.2 ms of frames on a PC
_CAPABILITIES: Final = {
    const.CAPABILITY_TIME: "time",
    const.CAPABILITY_LOG: "log",
    const.CAPABILITY_CHANNEL: "channel",
    const.CAPABILITY_CLOCK: "clock",
}


class LinkFraming:
    """Implements Framing. `wall_ms` is what a board without a clock is told; None: nothing.

    With `gathers` readings are stored together, some time after the first.
    """

    def __init__(self, *, wall_ms: Callable[[], int] | None = None, gathers: bool = False) -> None:
        self.admits: Callable[[str], bool] | None = None
        self._session = GatewaySession(wall_ms=wall_ms, admits=self._admitted, gathers=gathers)
        self._bytes_in = 0
        # Both of one read at most: the bridge stops reading while something is left here.
        self._bytes = bytearray()
        self._events: deque[Event] = deque()
        self._read_ms = 0
        self._has_news = False  # that did not come with bytes, and nobody was told of

    def opened(self, now_ms: int) -> None:
        """The session goes on: every frame starts anew, so half of one harms nothing."""

    def receive(self, data: bytes, now_ms: int) -> None:
        self._has_news = False
        self._bytes_in += len(data)
        self._bytes += data
        if data:  # else what waits here was read before
            self._read_ms = now_ms

    def next_event(self) -> Event | More | None:
        """Take a read in pieces: the port's share of a turn is looked at between two events."""
        if not self._events:
            self._take(self._session.take_events())
        if not self._events and self._bytes:
            piece = bytes(self._bytes[:PIECE_BYTES])
            del self._bytes[:PIECE_BYTES]
            self._take(self._session.receive(piece, self._read_ms))
        if self._events:
            return self._events.popleft()
        return MORE if self._bytes else None

    def committed(self, receipt: Receipt) -> None:
        if self._is_peer(receipt.life):
            self._session.committed(receipt.seq, receipt.life[1])

    def untaken(self, receipt: Receipt) -> None:
        """It and those behind it are sent again, what of them is here already is not taken."""
        self._events = deque(event for event in self._events if not isinstance(event, Reading))
        if self._is_peer(receipt.life):
            self._session.rewind(receipt.seq, receipt.life[1])

    def taken(self, receipt: Receipt) -> None:
        if self._is_peer(receipt.life):
            self._session.taken(receipt.seq, receipt.life[1])

    def said_elsewhere(self, life: Life) -> None:
        """Forget what is here of a life that says it again on another port."""
        if not self._is_peer(life):  # else it said hello here, and these behind that
            self._events = deque(event for event in self._events if not is_of(event, life))

    def _is_peer(self, life: Life) -> bool:
        peer = self._session.peer
        return peer is not None and (peer.device.encode(), peer.boot_id) == life

    def data_to_send(self, now_ms: int) -> bytes:
        data = self._session.data_to_send(now_ms)
        news = self._session.take_events()
        self._has_news = self._has_news or bool(news)
        self._take(news)
        return data

    def next_timeout_ms(self, now_ms: int) -> int | None:
        # A board that is found silent while there is nothing to read: somebody has to hear of it.
        return 0 if self._has_news else self._session.next_timeout_ms(now_ms)

    @property
    def channel(self) -> GatewayChannel:
        """The way for messages to the board."""
        return self._session.channel

    def closed(self) -> None:
        """The port is closed: what the board subscribed to has ended."""
        self._session.line_lost()

    def board(self, _: int) -> Presence | None:
        """Return the board that said hello last."""
        peer = self._session.peer
        if peer is None:
            return None
        return Presence(peer.device, self._session.heard_at_ms, peer.alive)

    def is_nameless(self, _: int) -> bool:
        """Whoever says something on the link has said a name."""
        return False

    def forget(self, name: str) -> None:
        self._session.forget(name)

    def _take(self, happened: list[LinkEvent]) -> None:
        self._events.extend(map(self._translated, happened))

    def _admitted(self, name: str) -> bool:
        return self.admits is None or self.admits(name)

    def _translated(self, event: LinkEvent) -> Event:
        peer = self._session.peer
        if isinstance(event, events.Hello) and peer is not None and peer.device == event.device:
            hello = _translated(event)
            assert isinstance(hello, DeviceHello)
            words = tuple(word for bit, word in _CAPABILITIES.items() if peer.capabilities & bit)
            return hello._replace(
                window=peer.window,
                frame_bytes=peer.frame_bytes_max,
                capabilities=words,
                about=peer.about,
            )
        return _translated(event)

    def counts(self) -> FrameCounts:
        counters = self._session.counters
        return FrameCounts(
            bytes_in=self._bytes_in,
            frames=counters.frames,
            bad=counters.bad_frames,
            noise_bytes=counters.noise_bytes,
            missing=counters.missing,
        )


def _translated(event: LinkEvent) -> Event:
    if isinstance(event, events.Reading):
        device = event.device.encode()
        receipt = Receipt((device, event.boot_id), event.seq)
        return Reading(
            msg_id=msg_id(receipt),
            payload=event.payload,
            device=device,
            name=event.subject.encode(),
            receipt=receipt,
            time_ms=event.stamp_ms,
        )
    if isinstance(event, events.Hello):
        return DeviceHello(event.device, event.boot_id, resumed=event.resumed)
    if isinstance(event, events.Log):
        return DeviceLog(event.device, event.level, event.text)
    return event


def msg_id(receipt: Receipt) -> bytes:
    """Return the name of a reading: the same on every attempt, and never given again."""
    (device, boot_id), seq = receipt
    return b"%b.%d.%d" % (device, boot_id, seq)
