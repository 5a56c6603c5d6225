"""A port at the other end of a TCP connection: a converter in raw mode, ser2net, another program.

Knows sockets; not what the bytes mean, and nothing of the line behind. Truth: tcp(7),
docs/serial/ports.md, "Ports on the network".
"""

from __future__ import annotations

import errno
import socket
from typing import TYPE_CHECKING, Final

from leafnode import limits
from leafnode.bridge import port_bounds
from leafnode.bridge.port import LineErrors, PortGone
from leafnode.clock import NS_PER_S

if TYPE_CHECKING:
    from leafnode.config.device_name import DeviceName

# A converter that lost its power says nothing: it is asked after 15 s of silence, four times.
_KEEPALIVE: Final = (
    (socket.TCP_KEEPIDLE, 15),
    (socket.TCP_KEEPINTVL, 5),
    (socket.TCP_KEEPCNT, 4),
    (socket.TCP_USER_TIMEOUT, 30_000),  # of bytes that nobody acknowledges, in milliseconds
)


def connect(name: DeviceName) -> socket.socket:
    """Return a connection. Blocks, name look-up included. Raises OSError with a reason."""
    timeout = port_bounds.PORT_CONNECT_NS / NS_PER_S
    try:
        sock = socket.create_connection((name.host, name.port), timeout=timeout)
    except OSError as err:
        number = err.errno if err.errno is not None else errno.ETIMEDOUT
        reason = err.strerror or str(err)
        raise OSError(number, f"{name.host} port {name.port}: {reason}") from err
    try:
        as_a_line(sock)
    except BaseException:
        sock.close()
        raise
    return sock


def as_a_line(sock: socket.socket) -> None:
    """Let every byte go at once, and find out when nobody is at the other end any more."""
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for option, value in _KEEPALIVE:
        sock.setsockopt(socket.IPPROTO_TCP, option, value)


class SocketPort:
    """Implements OpenPort on a connection, which it owns."""

    is_low_latency = False

    def __init__(self, sock: socket.socket, path: str) -> None:
        self._socket = sock
        self._fd = sock.fileno()
        sock.setblocking(False)  # noqa: FBT003 -- socket's
        self.path = path

    def describe(self) -> str:
        return "tcp=raw"

    def fileno(self) -> int:
        return self._fd

    def read(self) -> bytes:
        try:
            data = self._socket.recv(limits.SERIAL_READ_BYTES)
        except BlockingIOError:
            return b""
        if not data:
            raise PortGone("the other end closed the connection")
        return data

    def write(self, data: bytes) -> int:
        try:
            return self._socket.send(data)
        except BlockingIOError:
            return 0

    def write_pause_ns(self) -> int:
        return 0

    def line_errors(self) -> LineErrors:
        return LineErrors()  # the other end's are not told

    def stop(self) -> None:
        """It does nothing by itself."""

    def close(self) -> None:
        self._socket.close()


def open_socket(name: DeviceName) -> SocketPort:
    """Connect. Blocks. Raises OSError."""
    return SocketPort(connect(name), f"socket://{name.host}:{name.port}")
