"""leafnode.net.websocket_stream: what nats-server calls the mistakes of frames.

Frames both ways are in test_websocket (accepted) and test_websocket_dial.
"""

from __future__ import annotations

import pytest
from wsproto.connection import Connection, ConnectionType
from wsproto.events import CloseConnection

from leafnode.net.websocket_stream import _mistake
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
