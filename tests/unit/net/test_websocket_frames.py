"""leafnode.net.websocket_frames: bits that mean nothing, and the status of a CLOSE."""

from __future__ import annotations

import struct

import pytest
from wsproto.connection import Connection, ConnectionType
from wsproto.events import CloseConnection, Ping

from leafnode.net.websocket_frames import FrameRules
from tests.sim.websocket import BINARY, CLOSE, CONTINUATION, PING, frame

BITS = "RSV2 and RSV3 must be clear"


@pytest.mark.parametrize(
    ("deflates", "data", "reason"),
    [
        (False, frame(BINARY, b"x", reserved=1), BITS),
        (False, frame(BINARY, b"x", reserved=6), BITS),
        (True, frame(BINARY, b"x", reserved=6), BITS),
        (
            False,
            frame(PING, b"x", reserved=4),
            "compressed frame received without negotiated permessage-deflate",
        ),
        (True, frame(PING, b"x", reserved=4), "control frame must not be compressed"),
        (True, frame(CONTINUATION, b"x", reserved=4), "invalid continuation frame"),
    ],
)
def test_bits_that_mean_nothing_are_told(deflates: bool, data: bytes, reason: str) -> None:
    connection = Connection(ConnectionType.SERVER, [FrameRules(deflates=deflates)])
    connection.receive_data(data)

    (event,) = connection.events()

    assert isinstance(event, CloseConnection)
    assert (event.code, event.reason) == (1002, reason)


def test_the_status_is_that_of_the_close_alone() -> None:
    rules = FrameRules(deflates=False)
    connection = Connection(ConnectionType.SERVER, [rules])
    connection.receive_data(frame(PING, b"xy"))
    assert isinstance(next(iter(connection.events())), Ping)
    assert rules.status == 0

    connection.receive_data(frame(CLOSE, struct.pack("!H", 3000) + b"bye"))
    (event,) = connection.events()

    assert rules.status == 3000
    assert isinstance(event, CloseConnection)
    assert event.reason == "bye"
