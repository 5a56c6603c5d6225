"""leafnode.net.far_end: Linux's struct tcp_info, and where there is none."""

from __future__ import annotations

import socket
import struct
from typing import cast

import pytest

from leafnode.clock import NS_PER_MS
from leafnode.net.far_end import has_unacked, last_ack_ns


class Socket:
    """Says what a kernel says."""

    family = socket.AF_INET

    def __init__(self, info: bytes) -> None:
        self._info = info

    def getsockopt(self, level: int, option: int, size: int) -> bytes:
        assert (level, option) == (socket.IPPROTO_TCP, socket.TCP_INFO)
        return self._info[:size]


def kernel(info: bytes) -> socket.socket:
    return cast("socket.socket", Socket(info))


def test_it_is_the_13th_number_behind_eight_bytes() -> None:
    numbers = [1000 + index for index in range(20)]
    info = bytes(8) + struct.pack("=20I", *numbers)

    assert last_ack_ns(kernel(info)) == 1012 * NS_PER_MS


@pytest.mark.parametrize("segments", [0, 1, 70])
def test_what_is_on_its_way_is_the_5th(segments: int) -> None:
    info = bytes(8) + struct.pack("=20I", *[7] * 4, segments, *[7] * 15)

    assert has_unacked(kernel(info)) == (segments > 0)


def test_a_kernel_that_says_less_says_nothing() -> None:
    assert last_ack_ns(kernel(bytes(56))) is None
    assert not has_unacked(kernel(b"\1" * 56))


def test_a_connection_has_one() -> None:
    with (
        socket.create_server(("127.0.0.1", 0)) as server,
        socket.create_connection(server.getsockname()) as sock,
    ):
        sock.sendall(b"x")
        found = last_ack_ns(sock)

    assert found is not None
    assert found >= 0
    assert last_ack_ns(sock) is None  # it is closed


@pytest.mark.parametrize("kind", [socket.SOCK_STREAM, socket.SOCK_DGRAM])
def test_what_is_no_tcp_has_none(kind: socket.SocketKind) -> None:
    with socket.socket(socket.AF_UNIX, kind) as sock:
        assert last_ack_ns(sock) is None
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        assert last_ack_ns(sock) is None
