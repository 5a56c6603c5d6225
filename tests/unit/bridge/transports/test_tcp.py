"""A port at the other end of a TCP connection, here on the loopback."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING

import pytest

from leafnode import limits
from leafnode.bridge.port import PortGone
from leafnode.bridge.transports.tcp import SocketPort, open_socket
from leafnode.config.device_name import parse

if TYPE_CHECKING:
    from collections.abc import Iterator


class Converter:
    """A serial converter that takes one connection."""

    def __init__(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.name = f"socket://127.0.0.1:{self._listener.getsockname()[1]}"
        self.line: socket.socket | None = None

    def connected(self) -> tuple[SocketPort, socket.socket]:
        port = open_socket(parse(self.name))
        self.line, _ = self._listener.accept()
        self.line.settimeout(10)
        return port, self.line

    def close(self) -> None:
        self._listener.close()
        if self.line is not None:
            self.line.close()


@pytest.fixture
def converter() -> Iterator[Converter]:
    converter = Converter()
    yield converter
    converter.close()


def arrived(port: SocketPort, count: int) -> bytes:
    got = b""
    for _ in range(100_000):
        got += port.read()
        if len(got) >= count:
            break
    return got


def test_bytes_come_and_go_unchanged(converter: Converter) -> None:
    port, line = converter.connected()
    every = bytes(range(256))

    assert port.read() == b""
    line.sendall(every)
    assert arrived(port, 256) == every
    assert port.write(every) == 256
    assert line.recv(1000) == every
    assert (port.path, port.describe(), port.write_pause_ns()) == (converter.name, "tcp=raw", 0)

    port.close()


def test_a_read_gives_at_most_its_bound(converter: Converter) -> None:
    port, line = converter.connected()
    line.sendall(bytes(3 * limits.SERIAL_READ_BYTES))

    assert 0 < len(arrived(port, 1)) <= limits.SERIAL_READ_BYTES

    port.close()


def test_an_end_that_closes_is_a_port_that_is_gone(converter: Converter) -> None:
    port, line = converter.connected()
    line.close()

    with pytest.raises(PortGone, match="closed the connection"):
        arrived(port, 1)

    port.close()


def test_an_end_that_does_not_read_takes_no_more_and_does_not_block(converter: Converter) -> None:
    port, _ = converter.connected()

    while port.write(bytes(1 << 20)) > 0:
        pass

    port.stop()
    port.close()


def test_who_does_not_listen_is_named(converter: Converter) -> None:
    converter.close()

    with pytest.raises(OSError, match=r"127\.0\.0\.1 port [0-9]+: Connection refused"):
        open_socket(parse(converter.name))


def test_a_dead_converter_is_asked_after(converter: Converter) -> None:
    port, _ = converter.connected()

    sock = port._socket
    assert sock.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE) == 1
    assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE) == 15
    port.close()
