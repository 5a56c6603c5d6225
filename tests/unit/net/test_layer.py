"""leafnode.net.layer: what is read is turned and handed on, in turns, when it is wanted."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

import pytest

from leafnode.limits import LAYER_TURN_BYTES_MAX, READ_CHUNK_BYTES
from leafnode.net.layer import Layer
from tests.sim.sessions import RecordingSession

if TYPE_CHECKING:
    import ssl
    from collections.abc import Iterator


class Swelling(Layer):
    """Each byte read becomes a thousand."""

    def __init__(self, guest: RecordingSession, wire: Wire) -> None:
        super().__init__(guest)
        self._wire = wire
        self.unread = b""
        self.is_over = False

    def read(self, data: bytes) -> None:
        self.unread += data
        self._pump()

    def _units(self) -> Iterator[tuple[bytes, int]]:
        while self.unread:
            byte, self.unread = self.unread[:1], self.unread[1:]
            yield byte * 1000, 24

    def _reads(self) -> bool:
        return not self.is_over


class Wire:
    """A transport that notes what it was asked."""

    peer = "here:1"
    coding = 0
    stalls = 3
    tls = None
    credentials: ClassVar[dict[str, str]] = {}

    def __init__(self) -> None:
        self.turns = 0
        self.asked: list[str] = []

    def yield_turn(self) -> None:
        self.turns += 1

    def pause_reading(self) -> None:
        self.asked.append("pause")

    def resume_reading(self) -> None:
        self.asked.append("resume")

    def pending_bytes(self) -> int:
        return 7

    def silent_ns(self) -> int | None:
        return 9

    def has_unsent(self) -> bool:
        return True

    def has_unread(self) -> bool:
        return False

    def has_lost_peer(self) -> bool:
        return True

    def write(self, chunks: list[bytes]) -> None: ...

    def close(self, reason: str = "") -> None: ...

    def abort(self, reason: str = "") -> None: ...

    async def start_tls(self, context: ssl.SSLContext, server_hostname: str) -> None: ...


@pytest.fixture
def guest() -> RecordingSession:
    return RecordingSession()


@pytest.fixture
def wire() -> Wire:
    return Wire()


def test_one_turn_hands_on_so_much_and_the_next_goes_on(
    guest: RecordingSession, wire: Wire
) -> None:
    layer = Swelling(guest, wire)
    whole = b"".join(bytes([at % 251]) * 1000 for at in range(1000))

    layer.read(bytes(at % 251 for at in range(1000)))
    first = len(guest.received_bytes)
    while len(guest.received_bytes) < len(whole):
        assert wire.turns
        wire.turns = 0
        layer.read(b"")

    assert (
        LAYER_TURN_BYTES_MAX - 1024 <= first + 24 * (first // 1000) <= LAYER_TURN_BYTES_MAX + 1024
    )
    assert guest.received_bytes == whole
    assert wire.turns == 0, "there is nothing more"
    assert max(guest.read_sizes) <= READ_CHUNK_BYTES


def test_who_wants_nothing_gets_nothing_until_it_does(guest: RecordingSession, wire: Wire) -> None:
    layer = Swelling(guest, wire)
    layer.pause_reading()
    layer.pause_reading()

    layer.read(b"ab")
    assert guest.received_bytes == b""
    layer.resume_reading()
    layer.resume_reading()
    layer.read(b"")

    assert guest.received_bytes == b"a" * 1000 + b"b" * 1000
    assert wire.asked == ["pause", "resume"]
    assert wire.turns == 1


def test_who_waits_for_its_turn_goes_on_before_what_was_read(
    guest: RecordingSession, wire: Wire
) -> None:
    layer = Swelling(guest, wire)
    layer.yield_turn()

    layer.read(b"a")

    assert guest.read_sizes == [0, 1000]


def test_nothing_is_handed_on_after_the_end(guest: RecordingSession, wire: Wire) -> None:
    layer = Swelling(guest, wire)
    layer.is_over = True

    layer.read(b"a")

    assert guest.received_bytes == b""


def test_what_the_wire_says_is_said_above(guest: RecordingSession, wire: Wire) -> None:
    layer = Swelling(guest, wire)

    assert (layer.stalls, layer.pending_bytes(), layer.has_lost_peer()) == (3, 7, True)
    assert layer.has_unsent()
    assert layer.tls is None
