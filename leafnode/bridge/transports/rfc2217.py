"""A tty of another machine, by telnet's com port option: its line is set from here.

Knows sockets and `telnet`; not what the bytes mean. pyserial's own client reads in a thread and has
no descriptor, so it cannot be served by the loop. Truth: RFC 2217; docs/serial/ports.md.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from leafnode import limits
from leafnode.bridge import port_bounds
from leafnode.bridge.port import PortGone
from leafnode.bridge.transports.tcp import SocketPort, connect
from leafnode.bridge.transports.telnet import ComPortClient, TelnetError, escaped
from leafnode.clock import NS_PER_S

if TYPE_CHECKING:
    import socket

    from leafnode.clock import Clock
    from leafnode.config.device_name import DeviceName
    from leafnode.config.serial_options import SerialPort


class ComPort(SocketPort):
    """Implements OpenPort; `early` is what the device said before the line was ready."""

    def __init__(self, sock: socket.socket, path: str, client: ComPortClient, early: bytes) -> None:
        super().__init__(sock, path)
        self._client = client
        self._early = early
        self._half = False  # of an escaped byte, one half is on the wire

    def describe(self) -> str:
        return "tcp=rfc2217"

    def read(self) -> bytes:
        if self._early:
            data, self._early = self._early, b""
            return data
        data = self._client.receive(super().read())
        self._answer()
        return data

    def write(self, data: bytes) -> int:
        self._answer()
        if self._client.to_send and not self._half:
            return 0
        wire = escaped(data)
        sent = super().write(wire[1:] if self._half else wire) + self._half
        doubled = wire[:sent].count(0xFF)
        self._half = doubled % 2 == 1
        # Of the plain bytes those are sent whose last wire byte is.
        return sent - doubled + doubled // 2

    def _answer(self) -> None:
        """Send what telnet owes, but not within an escaped byte."""
        if self._client.to_send and not self._half:
            count = super().write(bytes(self._client.to_send))
            del self._client.to_send[:count]


def open_com_port(name: DeviceName, options: SerialPort, clock: Clock) -> ComPort:
    """Connect and set the line. Blocks. Raises OSError."""
    sock = connect(name)
    try:
        client = ComPortClient(options)
        early = _negotiate(sock, client, clock)
    except BaseException:
        sock.close()
        raise
    return ComPort(sock, f"rfc2217://{name.host}:{name.port}", client, early)


def _negotiate(sock: socket.socket, client: ComPortClient, clock: Clock) -> bytes:
    """Return what the device said until its line was set."""
    client.start()
    early = b""
    until_ns = clock.monotonic_ns() + port_bounds.COM_PORT_TIMEOUT_NS
    while not client.is_ready:
        left_ns = until_ns - clock.monotonic_ns()
        if left_ns <= 0:
            raise TelnetError("the server did not set the line in time")
        sock.settimeout(left_ns / NS_PER_S)
        try:
            if client.to_send:
                sock.sendall(bytes(client.to_send))
                client.to_send.clear()
            data = sock.recv(limits.SERIAL_READ_BYTES)
        except TimeoutError:
            continue
        if not data:
            raise PortGone("the other end closed the connection")
        # What a line says with a wrong speed is noise; the newest is enough to keep.
        early = (early + client.receive(data))[-limits.SERIAL_READ_BYTES :]
    return early
