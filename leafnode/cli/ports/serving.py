"""A serial port for others over the network, by telnet's com port option: one client at a time.

Knows sockets and a tty; what telnet says is `bridge.transports.com_port`'s. There is no login and
no encryption: see where it listens. Truth: RFC 2217; docs/serial/tools.md, "Over the network".
"""

from __future__ import annotations

import contextlib
import select
import socket
from typing import TYPE_CHECKING, Final, cast

import serial

from leafnode.bridge.transports.com_port import ComPortServer
from leafnode.bridge.transports.driver import port_errors
from leafnode.bridge.transports.tcp import as_a_line
from leafnode.bridge.transports.telnet import TelnetError, escaped
from leafnode.cli.ports.errors import PortError
from leafnode.clock import NS_PER_MS, NS_PER_S

if TYPE_CHECKING:
    from collections.abc import Callable

    from leafnode.bridge.transports.tty import TtyPort
    from leafnode.clock import Clock

_WAITING_MAX: Final = 64 * 1024  # for the client; beyond it the tty is not read
_UNSENT_MAX: Final = 4 * 1024  # for the tty; beyond it the client is not read
_READ_BYTES: Final = 4 * 1024
_LOOK_NS: Final = NS_PER_S // 5  # how often modem lines are looked at
_READABLE: Final = select.POLLIN | select.POLLHUP | select.POLLERR
_PARITIES: Final = {
    serial.PARITY_NONE: "none",
    serial.PARITY_EVEN: "even",
    serial.PARITY_ODD: "odd",
    serial.PARITY_MARK: "mark",
    serial.PARITY_SPACE: "space",
}
_WORDS: Final = {name: letter for letter, name in _PARITIES.items()}
_IN_USE: Final = b"the port is in use\r\n"


def address(text: str) -> tuple[str, int]:
    """Return host and port of `4444`, `:4444` or `host:4444`: loopback unless a host is said.

    Raises PortError.
    """
    host, _, port = text.rpartition(":")
    if not (port.isascii() and port.isdecimal() and 0 <= int(port) <= 65_535):
        raise PortError(f"{text}: expected a port of TCP, or host:port")
    return host.removeprefix("[").removesuffix("]") or "127.0.0.1", int(port)


def is_loopback(host: str) -> bool:
    return host in {"localhost", "::1"} or host.startswith("127.")


class TtyLine:
    """Implements Line by pyserial's port."""

    def __init__(self, port: serial.Serial) -> None:
        self._port = port
        self._at_first = port.get_settings()

    def reset(self) -> None:
        """As it was when it was opened: the next client sets what it needs."""
        with contextlib.suppress(OSError), port_errors():
            self._port.apply_settings(self._at_first)
            self.sends_break = False

    @property
    def baud(self) -> int:
        return int(self._port.baudrate)

    @baud.setter
    def baud(self, value: int) -> None:
        self._change("baudrate", value)

    @property
    def data_bits(self) -> int:
        return int(self._port.bytesize)

    @data_bits.setter
    def data_bits(self, value: int) -> None:
        self._change("bytesize", value)

    @property
    def parity(self) -> str:
        return _PARITIES[self._port.parity]

    @parity.setter
    def parity(self, value: str) -> None:
        self._change("parity", _WORDS[value])

    @property
    def stop_bits(self) -> float:
        return float(self._port.stopbits)

    @stop_bits.setter
    def stop_bits(self, value: float) -> None:
        self._change("stopbits", value)

    @property
    def flow(self) -> str:
        if self._port.rtscts:
            return "rtscts"
        return "xonxoff" if self._port.xonxoff else "none"

    @flow.setter
    def flow(self, value: str) -> None:
        self._change("rtscts", value == "rtscts")
        self._change("xonxoff", value == "xonxoff")

    @property
    def dtr(self) -> bool:
        return bool(self._port.dtr)

    @dtr.setter
    def dtr(self, value: bool) -> None:
        self._change("dtr", value)

    @property
    def rts(self) -> bool:
        return bool(self._port.rts)

    @rts.setter
    def rts(self, value: bool) -> None:
        self._change("rts", value)

    @property
    def sends_break(self) -> bool:
        return bool(self._port.break_condition)

    @sends_break.setter
    def sends_break(self, value: bool) -> None:
        self._change("break_condition", value)

    def _change(self, attribute: str, value: object) -> None:
        """Set it; a device that refuses has it as before. Raises OSError."""
        before = getattr(self._port, attribute)
        try:
            with port_errors():
                setattr(self._port, attribute, value)
        except OSError:
            with contextlib.suppress(OSError), port_errors():
                setattr(self._port, attribute, before)
            raise

    def purge(self, *, received: bool, unsent: bool) -> None:
        with contextlib.suppress(OSError), port_errors():
            if received:
                self._port.reset_input_buffer()
            if unsent:
                self._port.reset_output_buffer()

    def modem_state(self) -> int:
        state = 0
        for bit, name in ((0x80, "cd"), (0x40, "ri"), (0x20, "dsr"), (0x10, "cts")):
            try:
                state |= bit if getattr(self._port, name) else 0
            except OSError:  # a pseudo-terminal has none
                return 0
        return state


class PortServer:
    """Serves one tty on one listening socket. `tell` gets lines for people."""

    def __init__(
        self, port: TtyPort, listener: socket.socket, clock: Clock, tell: Callable[[str], None]
    ) -> None:
        self._port = port
        self._line = TtyLine(port.line)
        self._listener = listener
        self._clock = clock
        self._tell = tell
        self._client: socket.socket | None = None
        self._whose = ""
        self._telnet = ComPortServer(self._line)
        self._to_client = bytearray()
        self._to_port = b""
        self._next_look_ns = 0
        listener.setblocking(False)  # noqa: FBT003 -- socket's

    def run(self, until_ns: int | None) -> None:
        """Serve until then, or for ever. Raises OSError when the tty is lost."""
        try:
            while True:
                now_ns = self._clock.monotonic_ns()
                if until_ns is not None and now_ns >= until_ns:
                    return
                left_ns = _LOOK_NS if until_ns is None else min(_LOOK_NS, until_ns - now_ns)
                self.step(-(-left_ns // NS_PER_MS))
        finally:
            self._drop("")

    def step(self, timeout_ms: int) -> None:
        """Move what can be moved, after waiting for it so long at most."""
        poll = select.poll()
        tty, listener = self._port.fileno(), self._listener.fileno()
        poll.register(listener, select.POLLIN)
        poll.register(tty, self._tty_events())
        client = -1
        if self._client is not None:
            client = self._client.fileno()
            poll.register(client, self._client_events())
        events = dict(poll.poll(timeout_ms))
        if events.get(tty, 0) & _READABLE:
            self._from_port()
        if events.get(client, 0) & _READABLE:
            self._from_client()
        if events.get(listener):
            self._accept()
        now_ns = self._clock.monotonic_ns()
        if self._client is not None and now_ns >= self._next_look_ns:
            self._next_look_ns = now_ns + _LOOK_NS
            self._telnet.look()
        self._write()

    def _tty_events(self) -> int:
        # Without a client it is read, too: the next one wants what comes from then on.
        has_room = len(self._to_client) < _WAITING_MAX and not self._telnet.is_suspended
        return (select.POLLIN if has_room else 0) | (select.POLLOUT if self._to_port else 0)

    def _client_events(self) -> int:
        has_room = len(self._to_port) < _UNSENT_MAX and len(self._to_client) < _WAITING_MAX
        return (select.POLLIN if has_room else 0) | (select.POLLOUT if self._to_client else 0)

    def _accept(self) -> None:
        try:
            sock, peer = self._listener.accept()
        except OSError:  # it went before it was here
            return
        sock.setblocking(False)  # noqa: FBT003 -- socket's
        if self._client is not None:
            with sock, contextlib.suppress(OSError):
                sock.send(_IN_USE)
            self._tell(f"{peer[0]} is refused: {self._whose} has it")
            return
        as_a_line(sock)
        self._client, self._whose = sock, f"{peer[0]}:{peer[1]}"
        self._telnet = ComPortServer(self._line)
        self._telnet.start()
        self._to_client.clear()
        self._to_port = b""
        self._tell(f"{self._whose} has it")

    def _from_port(self) -> None:
        data = self._port.read()  # raises where it is lost
        if self._client is not None:
            self._to_client += escaped(data)

    def _from_client(self) -> None:
        assert self._client is not None, "it is readable"
        try:
            data = self._client.recv(_READ_BYTES)
            if not data:
                self._drop("it went")
                return
            self._to_port += self._telnet.receive(data)
        except BlockingIOError:
            return
        except TelnetError as err:
            self._drop(str(err))
        except OSError as err:
            self._drop(err.strerror or str(err))

    def _write(self) -> None:
        if self._client is not None:
            self._to_client += self._telnet.to_send
            self._telnet.to_send.clear()
        if self._client is not None and self._to_client:
            try:
                del self._to_client[: self._client.send(self._to_client)]
            except BlockingIOError:
                pass
            except OSError as err:
                self._drop(err.strerror or str(err))
        if self._to_port:
            self._to_port = self._to_port[self._port.write(self._to_port) :]

    def _drop(self, reason: str) -> None:
        """End the client; the line is as it was for the next one."""
        client, self._client = self._client, None
        if client is None:
            return
        client.close()
        self._to_client.clear()
        self._to_port = b""
        self._telnet = ComPortServer(self._line)
        self._line.reset()
        if reason:
            self._tell(f"{self._whose} is gone: {reason}")


def listening(text: str) -> socket.socket:
    """Return a socket that listens there. Raises PortError."""
    host, port = address(text)
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        return socket.create_server((host, port), family=family, backlog=4)
    except OSError as err:
        raise PortError(f"{text}: {err.strerror or err}") from err


def bound_to(listener: socket.socket) -> str:
    """Return the device's name for whoever opens it: rfc2217://host:port."""
    host, port = cast("tuple[str, int]", listener.getsockname()[:2])
    return f"rfc2217://{f'[{host}]' if ':' in host else host}:{port}"
