"""A tty of another machine. The other end is pyserial's own server, with a made-up line behind."""

from __future__ import annotations

import contextlib
import socket
import threading
from typing import TYPE_CHECKING, Any

import pytest
from serial.rfc2217 import PortManager

from leafnode.bridge import port_bounds
from leafnode.bridge.transports.rfc2217 import ComPort, open_com_port
from leafnode.bridge.transports.telnet import TelnetError
from leafnode.clock import SystemClock
from leafnode.config.device_name import parse
from leafnode.config.serial_options import SerialPort

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


class Line:
    """What pyserial's server sets: the attributes of a serial.Serial."""

    def __init__(self) -> None:
        self.baudrate, self.bytesize, self.parity, self.stopbits = 115_200, 8, "N", 1
        self.xonxoff = self.rtscts = self.break_condition = False
        self.dtr = self.rts = False
        self.cts = self.dsr = self.ri = self.cd = False


class Server:
    """One connection, served in a thread. What the client says arrives in `said`."""

    def __init__(self, serve: Callable[[Server, socket.socket], None] | None = None) -> None:
        self.line = Line()
        self.said = bytearray()
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.name = parse(f"rfc2217://127.0.0.1:{self.listener.getsockname()[1]}")
        self.manager: PortManager | None = None
        self.sock: socket.socket | None = None
        self._serve = serve or Server.serve_well
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        try:
            self.sock, _ = self.listener.accept()
            self._serve(self, self.sock)
        except OSError:
            return

    def serve_well(self, sock: socket.socket) -> None:
        self.manager = PortManager(self.line, self)
        while data := sock.recv(4096):
            self.said += b"".join(self.manager.filter(data))

    def write(self, data: bytes) -> None:
        assert self.sock is not None
        self.sock.sendall(data)

    def say(self, data: bytes) -> None:
        assert self.manager is not None
        self.write(b"".join(self.manager.escape(data)))

    def close(self) -> None:
        for sock in (self.listener, self.sock):
            with contextlib.suppress(OSError):  # nobody is at its other end any more
                if sock is not None:
                    sock.shutdown(socket.SHUT_RDWR)
        self._thread.join(10)
        self.listener.close()
        if self.sock is not None:
            self.sock.close()


@pytest.fixture
def server() -> Iterator[Server]:
    server = Server()
    yield server
    server.close()


def connected(server: Server, **options: Any) -> ComPort:
    given = SerialPort("", "p", "s.p", **options)
    return open_com_port(server.name, given, SystemClock())


def until(condition: Callable[[], object]) -> None:
    for _ in range(2_000_000):
        if condition():
            return
    pytest.fail("it did not come")


def test_the_line_of_the_other_machine_is_set_before_the_port_is_open(server: Server) -> None:
    port = connected(
        server, baud=9600, data_bits=7, parity="even", stop_bits=2, flow="xonxoff", dtr=False
    )

    line = server.line
    assert (line.baudrate, line.bytesize, line.parity, line.stopbits) == (9600, 7, "E", 2)
    until(lambda: line.xonxoff)
    until(lambda: line.rts)
    assert line.dtr is False
    assert port.describe() == "tcp=rfc2217"
    port.close()


def test_every_byte_comes_and_goes_unchanged(server: Server) -> None:
    port = connected(server)
    every = bytes(range(256)) * 20
    got = bytearray()
    sent = 0

    server.say(every)
    until(lambda: got.extend(port.read()) or len(got) >= len(every))
    while sent < len(every):
        sent += port.write(every[sent : sent + 700])
    until(lambda: len(server.said) >= len(every))

    assert bytes(got) == every
    assert bytes(server.said) == every
    port.close()


class Trickle:
    """A socket that takes a few bytes at a time."""

    def __init__(self, takes: list[int]) -> None:
        self.takes = takes
        self.wire = bytearray()

    def fileno(self) -> int:
        return 99

    def setblocking(self, _: bool) -> None:
        pass

    def send(self, data: bytes) -> int:
        count = min(len(data), self.takes.pop(0) if self.takes else len(data))
        if not count:
            raise BlockingIOError
        self.wire += data[:count]
        return count


@pytest.mark.parametrize("seed", range(40))
def test_an_escaped_byte_may_be_cut_in_two(seed: int) -> None:
    takes = [(seed * 7 + step * step) % 4 for step in range(60)]
    wire = Trickle(takes)
    server_asks = bytearray(b"\xff\xfe\x01")
    client = type("Owing", (), {"to_send": server_asks})()
    port = ComPort(wire, "x", client, b"")  # type: ignore[arg-type]
    data = b"\xff\xff1\xff2\xff\xff\xff3"
    sent = 0
    while sent < len(data):
        sent += port.write(data[sent:])

    assert bytes(wire.wire) == b"\xff\xfe\x01" + data.replace(b"\xff", b"\xff\xff")


def test_what_the_device_says_at_once_is_not_lost() -> None:
    port = ComPort(Trickle([]), "x", None, b"early")  # type: ignore[arg-type]

    assert port.read() == b"early"


def test_a_server_that_is_none_of_these_is_left_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(port_bounds, "COM_PORT_TIMEOUT_NS", 1)
    server = Server(lambda _, sock: sock.recv(1000) and None)

    with pytest.raises(TelnetError, match="did not set the line in time"):
        connected(server)

    server.close()


def test_a_server_that_refuses_is_named() -> None:
    server = Server(lambda self, sock: (sock.recv(1000), self.write(b"\xff\xfe\x2c"))[0] and None)

    with pytest.raises(TelnetError, match="does not do the com port option"):
        connected(server)

    server.close()


def test_a_server_that_hangs_up_is_named() -> None:
    server = Server(lambda _, sock: sock.close())

    with pytest.raises(OSError, match=r"closed the connection|reset by peer"):
        connected(server)

    server.close()
