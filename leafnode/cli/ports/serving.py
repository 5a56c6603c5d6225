"""A serial port for others over the network, by telnet's com port option: one client at a time.

Knows sockets and a tty; what telnet says is `bridge.transports.com_port`'s. There is no login and
no encryption: see where it listens. Truth: RFC 2217; docs/serial/tools.md, "Over the network".
"""

from __future__ import annotations

import contextlib
import re
import select
import socket
import termios
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
_OWED_MAX: Final = 4 * 1024  # telnet's answers; beyond it the client is not read
_UNREAD_BYTES: Final = 16 * 1024  # of a client, that the kernel keeps
_LOOK_NS: Final = NS_PER_S // 5  # how often modem lines are looked at
_DRAIN_NS: Final = 5 * NS_PER_S  # a client that went is ended when the tty took nothing for so long
_DRAIN_POLL_MS: Final = 20
_GONE: Final = select.POLLRDHUP | select.POLLHUP | select.POLLERR
_READABLE: Final = select.POLLIN | select.POLLHUP | select.POLLERR
_PIECES: Final = re.compile(rb"(?=\xff)")
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

    def __init__(
        self,
        port: serial.Serial,
        purged: Callable[..., None] = lambda *, received, unsent: None,  # noqa: ARG005
    ) -> None:
        """`purged` is told what to throw away that is not the driver's any more, or not yet."""
        self._port = port
        self._tell_purged = purged
        self._at_first = port.get_settings() | {"dtr": port.dtr, "rts": port.rts}

    def reset(self) -> None:
        """As it was when it was opened: the next client sets what it needs."""
        for attribute, value in {**self._at_first, "break_condition": False}.items():
            if getattr(self._port, attribute) != value:
                with contextlib.suppress(OSError):  # one that fails leaves the others
                    self._change(attribute, value)

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
        self._tell_purged(received=received, unsent=unsent)
        for wanted, queue in ((received, termios.TCIFLUSH), (unsent, termios.TCOFLUSH)):
            if wanted:
                # Not pyserial's reset_input_buffer: TtyPort has it keep what is there.
                with contextlib.suppress(OSError), port_errors():
                    termios.tcflush(self._port.fileno(), queue)

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
        self._line = TtyLine(port.line, self._purged)
        self._listener = listener
        self._clock = clock
        self._tell = tell
        self._client: socket.socket | None = None
        self._whose = ""
        self._telnet = ComPortServer(self._line)
        self._owed = bytearray()  # telnet's, which goes before what the device said
        self._to_client = bytearray()  # as the device said it
        self._half = False  # of an escaped byte, one half is on the wire
        self._is_deaf = False  # the client takes nothing any more
        self._to_port = b""
        self._is_going = False  # the client is, and what it wrote may still be there
        self._reason = ""  # why all that it wrote has come; it ends once that is sent
        self._unsent = 0  # bytes that the driver had when it was asked last
        self._drained_ns = 0  # when the tty took some of it last
        self._next_look_ns = 0
        listener.setblocking(False)  # noqa: FBT003 -- socket's
        # What a client that goes leaves in the kernel is written yet: let it not be megabytes.
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _UNREAD_BYTES)

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
        if self._client is not None and not self._is_going:
            client = self._client.fileno()
            poll.register(client, self._client_events())
        events = dict(poll.poll(min(timeout_ms, _DRAIN_POLL_MS) if self._is_going else timeout_ms))
        if events.get(tty, 0) & _READABLE:
            self._from_port()
        if events.get(client, 0) & _GONE and not self._is_going:
            self._begin_to_go()
        if events.get(client, 0) & _READABLE or self._is_going:
            self._from_client()
        if events.get(listener):
            self._accept()
        self._look()
        self._write()
        if self._is_going:
            self._drain()

    def _look(self) -> None:
        """Tell the client of modem lines, unless it does not even take what it was told."""
        now_ns = self._clock.monotonic_ns()
        if self._client is not None and now_ns >= self._next_look_ns and not self._owed:
            self._next_look_ns = now_ns + _LOOK_NS
            self._telnet.look()

    def _tty_events(self) -> int:
        # Without a client it is read, too: the next one wants what comes from then on.
        has_room = len(self._to_client) < _WAITING_MAX and not self._telnet.is_suspended
        return (select.POLLIN if has_room else 0) | (select.POLLOUT if self._to_port else 0)

    @property
    def _has_room(self) -> bool:
        """Whether more may be read of the client: for the tty, and for what telnet answers."""
        return len(self._to_port) < _UNSENT_MAX and len(self._owed) < _OWED_MAX

    def _client_events(self) -> int:
        waits = self._owed or (self._to_client and not self._telnet.is_suspended)
        return (
            (select.POLLIN if self._has_room else 0)
            | (select.POLLOUT if waits and not self._is_deaf else 0)
            | select.POLLRDHUP  # its end is noticed also while it is not read
        )

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
        try:
            as_a_line(sock)
        except OSError:  # likewise
            sock.close()
            return
        self._forget()
        self._client, self._whose = sock, f"{peer[0]}:{peer[1]}"
        self._telnet.start()
        self._tell(f"{self._whose} has it")

    def _from_port(self) -> None:
        data = self._port.read()  # raises where it is lost
        if self._client is not None and not self._is_deaf:
            self._to_client += data

    def _from_client(self) -> None:
        assert self._client is not None, "it is there"
        if self._reason or not self._has_room:
            return
        try:
            data = self._client.recv(_READ_BYTES)
            # Piece by piece: a purge throws away what was written before it, not what comes behind.
            for piece in _PIECES.split(data):
                said = self._telnet.receive(piece)
                self._to_port += said
        except BlockingIOError:
            return
        except TelnetError as err:
            self._drop(str(err))
        except ConnectionError as err:
            self._ended(err.strerror or str(err))
        except OSError as err:
            self._drop(err.strerror or str(err))
        else:
            if not data:
                self._ended("it went")

    def _ended(self, reason: str) -> None:
        """All that the client wrote is here."""
        if not self._is_going:
            self._begin_to_go()
        self._reason = reason

    def _begin_to_go(self) -> None:
        self._is_going = True
        self._drained_ns = self._clock.monotonic_ns()

    def _drain(self) -> None:
        """End a client that is going once the tty has sent what it wrote, or sends no more."""
        now_ns = self._clock.monotonic_ns()
        unsent = self._port.unsent_bytes()
        if unsent < self._unsent:
            self._drained_ns = now_ns
        self._unsent = unsent
        if self._reason and not self._to_port and not unsent:
            self._drop(self._reason)
        elif now_ns - self._drained_ns >= _DRAIN_NS:
            self._line.purge(received=False, unsent=True)
            self._drop("it went, and the tty takes nothing of what it wrote")

    def _write(self) -> None:
        self._owed += self._telnet.to_send
        self._telnet.to_send.clear()
        if self._client is not None and not self._is_deaf:
            try:
                self._write_client(self._client)
            except BlockingIOError:
                pass
            except ConnectionError:  # what it wrote is read yet, up to its end
                self._is_deaf = True
            except OSError as err:
                self._drop(err.strerror or str(err))
        if self._is_deaf or self._client is None:
            self._owed.clear()
            self._to_client.clear()
        if self._to_port:
            count = self._port.write(self._to_port)
            self._to_port = self._to_port[count:]
            if count:
                self._drained_ns = self._clock.monotonic_ns()

    def _write_client(self, client: socket.socket) -> None:
        """Send what telnet owes, but not within an escaped byte, and then what the device said."""
        if self._owed and not self._half:
            del self._owed[: client.send(self._owed)]
            if self._owed:
                return
        if self._to_client and not self._telnet.is_suspended:
            wire = escaped(bytes(self._to_client[:_READ_BYTES]))
            sent = client.send(wire[1:] if self._half else wire) + self._half
            doubled = wire[:sent].count(0xFF)
            self._half = doubled % 2 == 1
            # Of the plain bytes those are sent whose last wire byte is.
            del self._to_client[: sent - doubled + doubled // 2]

    def _purged(self, *, received: bool, unsent: bool) -> None:
        """The client wants nothing of what waits here either."""
        if received:
            del self._to_client[self._half :]
        if unsent:
            self._to_port = b""

    def _drop(self, reason: str) -> None:
        """End the client; the line is as it was for the next one."""
        client, self._client = self._client, None
        if client is None:
            return
        client.close()
        self._forget()
        self._line.reset()
        if reason:
            self._tell(f"{self._whose} is gone: {reason}")

    def _forget(self) -> None:
        """Nothing of one client is another's."""
        self._telnet = ComPortServer(self._line)
        self._owed.clear()
        self._to_client.clear()
        self._to_port = b""
        self._reason = ""
        self._half = self._is_deaf = self._is_going = False
        self._unsent = 0


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
