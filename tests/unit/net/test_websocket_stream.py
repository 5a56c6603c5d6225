"""leafnode.net.websocket_stream: what nats-server calls the mistakes of frames.

Frames both ways are in test_websocket (accepted) and test_websocket_dial.
"""

from __future__ import annotations

import pytest
from wsproto.connection import Connection, ConnectionType
from wsproto.events import CloseConnection

from leafnode.limits import READ_CHUNK_BYTES
from leafnode.net.turn import Turn
from leafnode.net.websocket_stream import WebSocketStream, WebSocketTerms, _mistake
from tests.sim.clock import FakeClock
from tests.sim.websocket import BINARY, CLOSE, CONTINUATION, PING, frame


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (frame(BINARY, b"x", is_masked=False), "mask bit missing"),
        (frame(PING, b"x", is_last=False), "control frame does not have final bit set"),
        (frame(CONTINUATION, b"x"), "invalid continuation frame"),
        (frame(CLOSE, b"x"), "close frame payload cannot be 1 byte"),
        (frame(11, b""), "unknown opcode 11"),
    ],
)
def test_mistakes_have_nats_servers_words(data: bytes, words: str) -> None:
    connection = Connection(ConnectionType.SERVER)
    connection.receive_data(data)

    (event,) = connection.events()

    assert isinstance(event, CloseConnection)
    assert _mistake(event.reason or "") == words


class Wire:
    """What a stream has below it: counts the turns that are asked for."""

    def __init__(self) -> None:
        self.turns = 0
        self.is_closed = False

    def write(self, chunks: list[bytes]) -> None:
        del chunks

    def resume_reading(self) -> None:
        pass

    def pending_bytes(self) -> int:
        return 0

    def yield_turn(self) -> None:
        self.turns += 1

    def close(self, reason: str = "") -> None:
        del reason
        self.is_closed = True


@pytest.mark.parametrize(
    "tail", [frame(CLOSE, b"\x03\xe8"), frame(BINARY, b"x" * READ_CHUNK_BYTES)]
)
@pytest.mark.parametrize("opcode", [BINARY, PING])
def test_what_a_peer_sends_behind_our_end_is_looked_at_in_turns(opcode: int, tail: bytes) -> None:
    """A read of 6-byte frames was one turn of 150 ms, for whoever reached the port."""
    terms = WebSocketTerms(Turn(FakeClock()), message_bytes_max=1024, close_code=lambda _: 1000)
    stream = WebSocketStream(terms, None)
    stream._wire = wire = Wire()
    stream._open(deflates=False, dials=False, is_leaf=False)
    stream.close("the end")

    stream._take(frame(opcode, b"") * 1000 + tail)

    for turn in range(1, 1 + 1000 // 128):
        assert (wire.turns, wire.is_closed) == (turn, False)
        stream._take(b"")
    assert wire.is_closed
