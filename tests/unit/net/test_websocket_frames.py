"""leafnode.net.websocket_frames: bits that mean nothing, and the status of a CLOSE."""

from __future__ import annotations

import struct

import pytest
from wsproto.connection import Connection, ConnectionType
from wsproto.events import BytesMessage, CloseConnection, Ping

from leafnode.net.websocket_frames import FrameRules, Frames
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


@pytest.mark.parametrize("masks", [True, False])
def test_who_dials_masks_unless_both_agreed_not_to(*, masks: bool) -> None:
    dialer, acceptor = Frames([], dials=True, masks=masks), Frames([], dials=False, masks=masks)

    up = dialer.send(BytesMessage(data=b"up"))
    down = acceptor.send(BytesMessage(data=b"down"))
    acceptor.receive(up)
    dialer.receive(down)

    assert bool(up[1] & 0x80) is masks
    assert not down[1] & 0x80
    assert [event.data for event in acceptor.events()] == [b"up"]
    assert [event.data for event in dialer.events()] == [b"down"]
    dialer.receive(acceptor.send(CloseConnection(code=1000)))
    assert [type(event) for event in dialer.events()] == [CloseConnection]
    assert dialer.is_ended_by_peer


def test_a_mask_where_none_was_agreed_cannot_be() -> None:
    acceptor = Frames([], dials=False, masks=False)

    acceptor.receive(frame(BINARY, b"x"))

    assert [type(event) for event in acceptor.events()] == [CloseConnection]
