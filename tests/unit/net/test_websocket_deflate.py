"""leafnode.net.websocket_deflate: messages unpack up to a bound, and not beyond."""

from __future__ import annotations

import tracemalloc
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st
from wsproto.connection import Connection, ConnectionType
from wsproto.events import BytesMessage, CloseConnection, Ping
from wsproto.frame_protocol import CloseReason

from leafnode.limits import WEBSOCKET_DEFLATE_FROM_BYTES, WEBSOCKET_PACKED_FACTOR
from leafnode.net.websocket_deflate import BoundedDeflate
from leafnode.net.websocket_frames import FrameRules
from tests.sim.websocket import BINARY, CONTINUATION, PING, frame, frames, packed

BOUND = 10_000


def server() -> Connection:
    return Connection(
        ConnectionType.SERVER, [FrameRules(deflates=True), BoundedDeflate(lambda: BOUND)]
    )


def message(connection: Connection, data: bytes) -> bytes:
    """What a connection makes of frames that are all of messages."""
    connection.receive_data(data)
    found = b""
    for event in connection.events():
        if not isinstance(event, Ping):
            assert isinstance(event, BytesMessage), event
            found += bytes(event.data)
    return found


def status(data: bytes) -> int:
    """The status that a connection ends with."""
    connection = server()
    connection.receive_data(data)
    (end,) = [event for event in connection.events() if isinstance(event, CloseConnection)]
    return int(end.code)


@given(st.lists(st.binary(max_size=500), min_size=1, max_size=5))
def test_messages_unpack_one_by_one_without_a_common_context(bodies: list[bytes]) -> None:
    data = b"".join(frame(BINARY, packed(body), reserved=4) for body in bodies)

    assert message(server(), data) == b"".join(bodies)


def test_a_packed_message_may_be_in_pieces_with_a_ping_between() -> None:
    body = packed(b"hello" * 100)
    data = (
        frame(BINARY, body[:5], is_last=False, reserved=4)
        + frame(PING, b"!")
        + frame(CONTINUATION, body[5:])
        + frame(BINARY, b"plain")
    )

    assert message(server(), data) == b"hello" * 100 + b"plain"


def test_a_message_up_to_the_bound_is_taken_and_one_byte_more_is_1009() -> None:
    assert message(server(), frame(BINARY, packed(b"x" * BOUND), reserved=4)) == b"x" * BOUND
    assert status(frame(BINARY, packed(b"x" * (BOUND + 1)), reserved=4)) == (
        CloseReason.MESSAGE_TOO_BIG
    )


def test_a_bomb_is_never_unpacked_whole() -> None:
    bomb = packed(b"\0" * 50_000_000)

    assert len(bomb) < 60_000
    assert status(frame(BINARY, bomb, reserved=4)) == CloseReason.MESSAGE_TOO_BIG


def ended(body: bytes) -> bytes:
    """A deflate stream whose last block says that it is the last."""
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    return packer.compress(body) + packer.flush(zlib.Z_FINISH)


def test_what_stands_behind_a_last_block_is_dropped() -> None:
    data = frame(BINARY, ended(b"PING") + b"junk", is_last=False, reserved=4)

    assert message(server(), data + frame(CONTINUATION, b"more junk")) == b"PING"


@pytest.mark.parametrize("start", [ended(b"PING"), b""])
def test_a_packed_message_that_unpacks_to_nothing_more_ends_at_its_bound(start: bytes) -> None:
    """As nats-server's csz: what unpacks to nothing is held back by no other bound."""
    empty_block = b"\0\0\0\xff\xff"
    first = frame(BINARY, start, is_last=False, reserved=4)
    most = BOUND * WEBSOCKET_PACKED_FACTOR - len(start)
    rest = (empty_block * most)[:most]

    connection = server()
    assert message(connection, first + frame(CONTINUATION, rest, is_last=False)) in (b"PING", b"")
    assert status(first + frame(CONTINUATION, rest + b"\0", is_last=False)) == (
        CloseReason.MESSAGE_TOO_BIG
    )


def test_nothing_behind_a_last_block_is_kept() -> None:
    connection = server()
    message(connection, frame(BINARY, ended(b"PING"), is_last=False, reserved=4))
    piece = frame(CONTINUATION, bytes(1000), is_last=False)

    tracemalloc.start()
    try:
        message(connection, piece)
        before, _ = tracemalloc.get_traced_memory()
        for _ in range(70):
            message(connection, piece)
        after, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert after - before < 35_000, "of 70,000 bytes that came"


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (frame(BINARY, b"\xff\xff\xff", reserved=4), CloseReason.GOING_AWAY),
        (frame(PING, b"", reserved=4), CloseReason.PROTOCOL_ERROR),
        (
            frame(BINARY, b"", is_last=False) + frame(CONTINUATION, b"", reserved=4),
            CloseReason.PROTOCOL_ERROR,
        ),
        (frame(BINARY, b"", reserved=2), CloseReason.PROTOCOL_ERROR),
    ],
)
def test_what_cannot_be_unpacked_ends_the_connection(data: bytes, code: int) -> None:
    assert status(data) == code


def test_small_messages_are_sent_as_they_are_and_larger_ones_packed() -> None:
    small = b"x" * (WEBSOCKET_DEFLATE_FROM_BYTES - 1)
    large = b"x" * WEBSOCKET_DEFLATE_FROM_BYTES

    (plain,) = frames(server().send(BytesMessage(data=small)))
    (shrunk,) = frames(server().send(BytesMessage(data=large)))

    assert (plain.data, plain.is_packed) == (small, False)
    assert (shrunk.data, shrunk.is_packed) == (large, True)
