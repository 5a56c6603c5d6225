"""leafnode.net.websocket_deflate: messages unpack up to a bound, and not beyond."""

from __future__ import annotations

import tracemalloc
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st
from wsproto.connection import Connection, ConnectionType
from wsproto.events import BytesMessage, CloseConnection, Ping
from wsproto.frame_protocol import CloseReason, ParseFailed

from leafnode.limits import (
    READ_CHUNK_BYTES,
    WEBSOCKET_DEFLATE_FROM_BYTES,
    WEBSOCKET_PACKED_FACTOR,
)
from leafnode.net import websocket_deflate
from leafnode.net.websocket_deflate import BoundedDeflate, StreamDeflate
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


# --- of a leaf link: however much, a slice at a time


def sliced(connection: Connection, slices: StreamDeflate, data: bytes) -> list[bytes]:
    """The slices that come of some bytes, with the rest of a message before the next event."""
    connection.receive_data(data)
    found = []
    for event in connection.events():
        if isinstance(event, Ping):
            continue
        assert isinstance(event, BytesMessage), event
        found.append(bytes(event.data))
        while slices.has_more:
            found.append(slices.more())
    return found


def dialing() -> tuple[Connection, StreamDeflate]:
    slices = StreamDeflate()
    return Connection(ConnectionType.SERVER, [FrameRules(deflates=True), slices]), slices


@given(
    st.lists(
        st.one_of(st.binary(max_size=200), st.integers(0, 3).map(lambda n: b"ab" * 32 * 16 * n)),
        min_size=1,
        max_size=4,
    ),
    st.integers(1, 60),
    st.integers(1, 200),
)
def test_a_message_of_any_size_comes_in_slices_however_it_is_cut(
    bodies: list[bytes], part: int, read: int
) -> None:
    data = b""
    for number, body in enumerate(bodies):
        whole = packed(body) if number % 3 else ended(body)
        parts = [whole[at : at + part] for at in range(0, len(whole), part)] or [b""]
        for at, piece in enumerate(parts):
            code, reserved = (CONTINUATION, 0) if at else (BINARY, 4)
            is_last = at == len(parts) - 1
            data += frame(code, piece, is_last=is_last, reserved=reserved) + frame(PING, b"")
        data += frame(BINARY, b"plain")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(websocket_deflate, "READ_CHUNK_BYTES", 64)
        connection, slices = dialing()
        found = []
        for at in range(0, len(data), read):
            found += sliced(connection, slices, data[at : at + read])

    assert b"".join(found) == b"".join(body + b"plain" for body in bodies)
    assert max(map(len, found)) <= 2 * 64


def test_much_that_little_unpacks_to_is_never_there_at_once() -> None:
    connection, slices = dialing()
    bomb = frame(BINARY, packed(b"\0" * 50_000_000), reserved=4)

    tracemalloc.start()
    try:
        connection.receive_data(bomb)
        size = 0
        for event in connection.events():
            assert isinstance(event, BytesMessage)
            size += len(event.data)
            while slices.has_more:
                size += len(slices.more())
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert size == 50_000_000
    assert peak < 1_000_000


def test_what_cannot_be_unpacked_in_a_later_slice_raises() -> None:
    connection, slices = dialing()
    body = packed(bytes(READ_CHUNK_BYTES + 1)) + b"\xff" * 20

    connection.receive_data(frame(BINARY, body, reserved=4))
    first = next(iter(connection.events()))

    assert isinstance(first, BytesMessage)
    assert slices.has_more
    with pytest.raises(ParseFailed):
        slices.more()
