"""A tty served to pyserial's own client, to ours, and to what is neither."""

from __future__ import annotations

import contextlib
import os
import select
import socket
import termios
import threading
import tty
from typing import TYPE_CHECKING, Any

import pytest
import serial

from leafnode.bridge.transports.rfc2217 import open_com_port
from leafnode.bridge.transports.telnet import escaped
from leafnode.bridge.transports.tty import TtyPort
from leafnode.cli.ports import serving
from leafnode.cli.ports.errors import PortError
from leafnode.cli.ports.serving import PortServer, TtyLine
from leafnode.clock import SystemClock
from leafnode.config.device_name import parse
from leafnode.config.serial_options import SerialPort
from tests.sim.clock import FakeClock

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


class Served:
    """A pseudo-terminal behind a server, which runs in a thread."""

    def __init__(self) -> None:
        self.device, slave = os.openpty()
        tty.setraw(slave)
        self.path = os.ttyname(slave)
        self.port = TtyPort(SerialPort(self.path, "p", "x", low_latency=False), self.path)
        os.close(slave)
        self.listener = serving.listening("127.0.0.1:0")
        self.url = serving.bound_to(self.listener)
        self.told: list[str] = []
        self.error: Exception | None = None
        self.server = PortServer(self.port, self.listener, SystemClock(), self.told.append)
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _run(self) -> None:
        try:
            while not self._over.is_set():
                self.server.step(10)
        except OSError as err:
            self.error = err

    def connect(self) -> socket.socket:
        return socket.create_connection(self.listener.getsockname()[:2], timeout=20)

    def close(self) -> None:
        self._over.set()
        self._thread.join(20)
        self.server._drop("")
        self.port.close()
        self.listener.close()
        if self.device >= 0:
            os.close(self.device)

    def until(self, condition: Callable[[], object]) -> None:
        for _ in range(2000):
            if condition():
                return
            self._over.wait(0.01)
        pytest.fail("it did not come")


@pytest.fixture
def served() -> Iterator[Served]:
    one = Served()
    yield one
    one.close()


def read_all(read: Callable[[], bytes], size: int) -> bytes:
    got = b""
    for _ in range(20_000):
        got += read()
        if len(got) >= size:
            break
    return got


@pytest.mark.filterwarnings("ignore:set(Daemon|Name):DeprecationWarning")  # pyserial's own
def test_pyserials_client_sets_the_line_and_bytes_go_both_ways(served: Served) -> None:
    every = bytes(range(256)) * 4

    with serial.serial_for_url(served.url, baudrate=19200, stopbits=2, timeout=1) as client:
        line = TtyLine(served.port.line)
        assert (line.baud, line.data_bits, line.parity, line.stop_bits) == (19200, 8, "none", 2.0)
        client.write(every)
        assert read_all(lambda: os.read(served.device, 4096), len(every)) == every
        os.write(served.device, every)
        assert read_all(lambda: client.read(len(every)), len(every)) == every
        client.baudrate = 300
        assert line.baud == 300
        assert (client.cts, client.dsr) == (False, False)
        with pytest.raises(ValueError, match="rejected value for option 'datasize'"):
            client.bytesize = 7  # a pseudo-terminal has eight
        assert line.data_bits == 8

    served.until(lambda: line.baud == 115_200)  # the next client finds it as it was


def test_our_client_opens_what_our_server_serves(served: Served) -> None:
    options = SerialPort(served.url, "p", "x", baud=9600)
    port = open_com_port(parse(served.url), options, SystemClock())
    every = bytes(range(256))

    sent = 0
    while sent < len(every):
        sent += port.write(every[sent:])
    assert read_all(lambda: os.read(served.device, 4096), 256) == every
    os.write(served.device, every)
    assert read_all(port.read, 256) == every
    assert TtyLine(served.port.line).baud == 9600
    port.close()
    served.until(lambda: any("is gone" in line for line in served.told))


def command(number: int, *value: int) -> bytes:
    return bytes([255, 250, 44, number, *value, 255, 240])


def by_hand() -> Served:
    """A server that nobody runs, with a clock that a test moves: it is stepped."""
    one = Served()
    one._over.set()
    one._thread.join()
    one.server._clock = FakeClock()
    return one


def test_a_purge_throws_away_what_the_device_said_before_it(served: Served) -> None:
    with served.connect() as client:
        client.sendall(command(8))
        served.until(lambda: served.server._telnet.is_suspended)
        os.write(served.device, b"stale")
        client.sendall(command(12, 1) + command(9))
        served.until(lambda: not served.server._telnet.is_suspended)
        os.write(served.device, b"fresh")
        got = b""
        while not got.endswith(b"fresh"):
            got += client.recv(4096)

    assert command(112, 1) in got
    assert b"stale" not in got


def test_a_purge_throws_away_what_waits_for_the_client_but_not_half_a_byte() -> None:
    one = by_hand()
    with one.connect() as client:
        one.server.step(1000)
        one.server.step(0)
        one.server._to_client += b"\xffstale"
        one.server._half = True

        one.server._purged(received=True, unsent=False)

        one.server.step(0)
        assert client.recv(4096).endswith(b"\xff")
        assert not one.server._half
    one.close()


class Narrow:
    """A client's socket that takes three bytes at a time."""

    def __init__(self, client: socket.socket) -> None:
        self._client = client

    def send(self, data: bytes) -> int:
        return self._client.send(data[:3])

    def __getattr__(self, name: str) -> object:
        return getattr(self._client, name)


def test_an_escaped_byte_that_is_sent_half_is_neither_sent_twice_nor_cut_by_telnet() -> None:
    one = by_hand()
    with one.connect() as client:
        one.server.step(1000)
        one.server.step(0)
        assert one.server._client is not None
        narrow = Narrow(one.server._client)
        one.server._to_client += b"ab\xff\xffc"
        client.setblocking(False)
        with contextlib.suppress(BlockingIOError):
            while client.recv(4096):  # what it says first
                pass

        one.server._write_client(narrow)  # type: ignore[arg-type]
        assert one.server._half
        one.server._owed += b"\xff\xfb\x03"
        for _ in range(4):
            one.server._write_client(narrow)  # type: ignore[arg-type]

        assert client.recv(100) == b"ab\xff\xff\xff\xff\xff\xfb\x03c"
    one.close()


def test_a_purge_throws_away_what_was_written_before_it_and_not_what_comes_behind() -> None:
    one = by_hand()
    with one.connect() as client:
        one.server.step(1000)
        client.sendall(b"old" + command(12, 2) + b"new\xff\xff")

        one.server.step(1000)

        assert os.read(one.device, 100) == b"new\xff"
    one.close()


def test_what_a_client_wrote_before_it_went_in_order_is_written(served: Served) -> None:
    every = bytes(range(255)) * 240

    with served.connect() as client:

        def write() -> None:
            client.sendall(every)
            client.shutdown(socket.SHUT_WR)

        writing = threading.Thread(target=write)
        writing.start()
        assert read_all(lambda: os.read(served.device, 500), len(every)) == every
        writing.join(20)

    served.until(lambda: served.told[-1].endswith("is gone: it went"))


def test_a_client_that_goes_is_noticed_though_the_tty_takes_nothing() -> None:
    one = by_hand()
    server, clock = one.server, one.server._clock
    assert isinstance(clock, FakeClock)
    with one.connect() as client:
        server.step(1000)
        client.setblocking(False)
        with contextlib.suppress(BlockingIOError):
            while client.send(bytes(4096)):  # until nobody between takes any more
                server.step(0)
    server.step(1000)
    assert server._is_going
    clock.advance(serving._DRAIN_NS - 1)
    server.step(0)
    assert server._client is not None

    clock.advance(1)
    server.step(0)

    assert server._client is None
    assert one.told[-1].endswith("the tty takes nothing of what it wrote")
    with one.connect() as client:
        server.step(1000)
        assert client.recv(3) == b"\xff\xfb\x00"
    one.close()


def test_a_client_that_takes_no_answers_is_read_no_longer() -> None:
    one = by_hand()
    with one.connect() as client:
        one.server.step(1000)
        one.server._owed += bytes(serving._OWED_MAX)
        assert not one.server._client_events() & select.POLLIN
        client.close()
        one.server.step(1000)  # but that it has gone is seen
        assert one.server._is_going
    one.close()


def test_the_end_of_a_client_that_is_not_read_is_noticed() -> None:
    """It ends in order, with all read that it was sent: no reset of the connection says so."""
    one = by_hand()
    with one.connect() as client:
        one.server.step(1000)
        one.server.step(0)
        client.recv(4096)
        one.server._to_port = bytes(serving._UNSENT_MAX)  # its client is not read
        one.port.write = lambda data: 0  # type: ignore[method-assign,assignment,misc]
        one.server.step(0)
        assert not one.server._is_going

        client.shutdown(socket.SHUT_WR)
        one.server.step(1000)

        assert one.server._is_going
    one.close()


def test_the_line_is_as_it_was_for_the_next_client_also_where_a_part_of_it_fails() -> None:
    port = OldPort()
    line = TtyLine(port)  # type: ignore[arg-type]
    line.baud, line.dtr, line.rts = 300, False, False

    line.reset()

    assert (line.baud, line.dtr, line.rts, line.sends_break) == (9600, True, True, False)


def test_a_second_client_is_told_that_the_port_is_in_use(served: Served) -> None:
    with served.connect() as first:
        first.recv(100)
        with served.connect() as second:
            assert second.recv(100) == b"the port is in use\r\n"
            assert second.recv(100) == b""

    served.until(lambda: any("is gone" in line for line in served.told))
    assert any("is refused" in line for line in served.told)
    with served.connect() as third:
        assert third.recv(100).startswith(b"\xff\xfb")


def test_a_client_that_does_not_read_costs_bounded_memory(served: Served) -> None:
    with served.connect() as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        os.set_blocking(served.device, False)
        written = 0
        for _ in range(4000):
            try:
                written += os.write(served.device, bytes(4096))
            except BlockingIOError:
                served._over.wait(0.001)
        assert len(served.server._to_client) <= 64 * 1024 + 2 * 4096


@pytest.mark.parametrize("wire", [b"\xff\xfa\x2c\x02\x00\xff\xf0" * 900, b"\xff\xfa" + bytes(100)])
def test_a_client_that_is_none_is_ended_and_the_next_is_served(served: Served, wire: bytes) -> None:
    with served.connect() as client:
        client.sendall(wire)
        while True:
            try:
                if not client.recv(4096):
                    break
            except ConnectionResetError:
                break

    with served.connect() as client:
        assert client.recv(3) != b""


@pytest.mark.parametrize("speed", [2**31, 2**32 - 1])
def test_a_speed_that_no_driver_has_is_answered_with_the_one_that_there_is(
    served: Served, speed: int
) -> None:
    command = bytes([255, 250, 44, 1]) + escaped(speed.to_bytes(4, "big")) + bytes([255, 240])
    answer = bytes([255, 250, 44, 101]) + (115_200).to_bytes(4, "big") + bytes([255, 240])
    got = b""

    with served.connect() as client:
        client.sendall(command)
        while answer not in got:
            data = client.recv(4096)
            assert data, "it ended"
            got += data

    assert served.error is None


def test_a_purge_of_a_tty_that_is_gone_is_no_end_of_the_converter(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    def gone(*_: object) -> None:
        raise termios.error(5, "Input/output error")

    monkeypatch.setattr(termios, "tcflush", gone)

    TtyLine(served.port.line).purge(received=True, unsent=True)


def test_a_device_that_is_unplugged_ends_it(served: Served) -> None:
    os.close(served.device)
    served.device = -1

    served.until(lambda: served.error is not None)


def test_its_time_ends_it() -> None:
    one = Served()
    one._over.set()
    one._thread.join()
    clock = SystemClock()

    one.server.run(clock.monotonic_ns() + 1)

    one.close()


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("4444", ("127.0.0.1", 4444)),
        (":4444", ("127.0.0.1", 4444)),
        ("0.0.0.0:4444", ("0.0.0.0", 4444)),
        ("[::1]:4444", ("::1", 4444)),
    ],
)
def test_an_address_is_loopback_unless_a_host_is_said(text: str, found: tuple[str, int]) -> None:
    assert serving.address(text) == found


@pytest.mark.parametrize("text", ["", "x", "h:", "h:70000", "1:2:x"])
def test_what_is_no_address_is_refused(text: str) -> None:
    with pytest.raises(PortError, match="expected a port of TCP"):
        serving.address(text)


def test_loopback_is_told_from_the_rest() -> None:
    assert all(map(serving.is_loopback, ("127.0.0.1", "127.0.0.9", "::1", "localhost")))
    assert not any(map(serving.is_loopback, ("0.0.0.0", "10.0.0.1", "::")))


def test_an_address_that_is_taken_is_refused(served: Served) -> None:
    _, port = served.listener.getsockname()[:2]

    with pytest.raises(PortError, match=f"127.0.0.1:{port}: Address already in use"):
        serving.listening(f"127.0.0.1:{port}")


class OldPort:
    """A pyserial port whose driver refuses a speed."""

    baudrate: Any = 9600
    dtr: Any = True
    rts: Any = True
    break_condition: Any = False

    def __setattr__(self, name: str, value: object) -> None:
        super().__setattr__(name, value)  # as pyserial: remembered, then refused
        if value == 77:
            raise OSError(22, "Invalid argument")
        if name == "break_condition":
            raise termios.error(5, "Input/output error")

    def get_settings(self) -> dict[str, Any]:
        return {"baudrate": self.baudrate}


def test_a_speed_that_the_driver_refuses_leaves_the_one_before() -> None:
    port = OldPort()
    line = TtyLine(port)  # type: ignore[arg-type]

    with pytest.raises(OSError, match="Invalid argument"):
        line.baud = 77

    assert line.baud == 9600
