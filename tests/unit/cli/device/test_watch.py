"""leafnode.cli.device.watch: one device's readings and log lines, of all that a server has.

The server is a socket that says what nats-server would; tests/interop/test_device_command.py has
the real one.
"""

import socket
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from random import Random

import pytest

from leafnode.cli.device.watch import LogTail, Seen, Whose, watch
from leafnode.cli.nats.errors import NatsError
from leafnode.cli.nats.place import Place
from leafnode.cli.nats.reader import Message
from leafnode.config.serial_options import SerialPort
from leafnode.config.serial_stage_options import FramingOptions


def message(msg_id: str, payload: bytes = b"1") -> Message:
    return Message("s.t", f"NATS/1.0\r\nNats-Msg-Id: {msg_id}\r\n\r\n".encode(), payload)


def test_a_reading_is_the_devices_by_its_id() -> None:
    assert Whose("a").seen(message("a.7.12")) == Seen("1", "s.t", 7, 12)
    assert Whose("a").seen(message("b.7.12")) is None
    assert Whose("a").seen(message("a.b.7.12")) is None
    assert Whose("a").seen(message("a.x.12")) is None
    assert Whose("a").seen(Message("s.t", b"", b"1")) is None
    assert Whose("a").seen(Message("s.t", b"NATS/1.0\r\nOther: 1\r\n\r\n", b"1")) is None


def test_a_part_of_a_reading_is_the_devices_too() -> None:
    """As the bridge writes it with `{field}`, and of subjects that are gathered together."""
    assert Whose("a").seen(message("a.7.12.temp")) == Seen("1", "s.t", 7, 12)
    assert Whose("a").seen(message("a.7.12.x.y")) == Seen("1", "s.t", 7, 12)
    assert Whose("a").seen(message("a.7.12.gathered")) == Seen("1", "s.t", 7, 12)
    assert Whose("a").seen(message("a.7.x.12")) is None


def test_a_payload_that_is_no_text_is_shown_as_bytes() -> None:
    assert Whose("a").seen(message("a.7.12", b"\xff1")) == Seen("\\xff1", "s.t", 7, 12)


def port(subject: str, framing: str = "link") -> SerialPort:
    return SerialPort(device="/d", name="p1", subject=subject, framing=FramingOptions(type=framing))


def test_subjects_come_from_the_ports_with_the_link() -> None:
    ports = [
        port("f.{device}.{name}"),
        port("f.{port}.{device}"),
        port("x.{port}", "line"),
        port("y.{name}.raw"),
    ]

    assert Whose("n1", ports).subjects == ["f.n1.>", "f.p1.n1", "y.*.raw"]


def test_a_text_boards_reading_without_a_number_is_known_by_its_subject() -> None:
    def plain(subject: str, msg_id: str = "p1.x7.3") -> Message:
        return replace(message(msg_id), subject=subject)

    whose = Whose("uno", [port("f.{port}.{device}.{name}", "text_link")])

    assert whose.seen(plain("f.p1.uno.temp")) == Seen("1", "f.p1.uno.temp")
    assert whose.seen(plain("f.p1.uno.temp", "p1.x7.h2.3")) == Seen("1", "f.p1.uno.temp")
    assert whose.seen(plain("f.p1.due.temp")) is None
    assert whose.seen(plain("f.p1.uno.temp", "p2.x7.3")) is None  # another port's
    assert Whose("uno", [port("f.{port}.{device}")]).seen(plain("f.p1.uno")) is None  # no text
    assert Whose("uno", [port("f.{port}", "text_link")]).seen(plain("f.p1")) is None
    assert Whose("p1", [port("f.{port}", "text_link")]).seen(plain("f.p1")) == Seen("1", "f.p1")


def test_log_lines_of_the_device_are_followed_from_now_on(tmp_path: Path) -> None:
    path = tmp_path / "server.log"
    path.write_text("Device says: port=p device=a text=before\n")
    tail = LogTail(path, "a")

    with path.open("a") as file:
        file.write(
            "Device says: port=p device=a text=one two\nDevice says: port=p device=b text=x\n"
        )
        file.write("Device says: port=p dev")
    assert tail.read() == [Seen("one two")]
    assert tail.read() == []
    with path.open("a") as file:
        file.write("ice=a text=three\n")
    assert tail.read() == [Seen("three")]


def test_a_log_file_that_is_replaced_or_comes_later_is_read_from_its_start(tmp_path: Path) -> None:
    path = tmp_path / "server.log"
    tail = LogTail(path, "a")
    assert tail.read() == []
    path.write_text("port=p device=a text=one\n")
    assert tail.read() == [Seen("one")]
    path.rename(tmp_path / "server.log.1")
    path.write_text("port=p device=a text=two\n")

    assert tail.read() == [Seen("two")]


class Server:
    """Says `script` to whoever connects, and keeps what it hears."""

    def __init__(self, script: bytes) -> None:
        self.heard = b""
        self._script = script
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.place = Place("127.0.0.1", self._socket.getsockname()[1], "me", "pw")
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()

    def _serve(self) -> None:
        connection, _ = self._socket.accept()
        with connection:
            connection.settimeout(10)
            connection.sendall(b'INFO {"nonce":"x"}\r\n')
            while b"PING" not in self.heard:
                self.heard += connection.recv(4096)
            connection.sendall(b"PONG\r\n")
            while b"SUB" not in self.heard:
                self.heard += connection.recv(4096)
            connection.sendall(self._script)
            connection.shutdown(socket.SHUT_WR)
            while data := connection.recv(4096):
                self.heard += data

    def end(self) -> None:
        self._thread.join()
        self._socket.close()


@pytest.fixture
def serve() -> Iterator[object]:
    servers = []

    def start(script: bytes) -> Server:
        servers.append(Server(script))
        return servers[-1]

    yield start
    for server in servers:
        server.end()


def test_what_a_device_says_is_told_until_the_server_closes(serve, tmp_path: Path) -> None:
    header = b"NATS/1.0\r\nNats-Msg-Id: a.7.12\r\n\r\n"
    server = serve(
        b"PING\r\nMSG s.t 1 1\r\nx\r\n"
        + b"HMSG s.t 1 %d %d\r\n%s21.5\r\n" % (len(header), len(header) + 4, header)
    )
    path = tmp_path / "server.log"
    tail = LogTail(path, "a")
    path.write_text("port=p device=a text=hello\n")

    seen = watch(server.place, Random(1), ["s.>"], Whose("a"), tail)

    assert [next(seen), next(seen)] == [Seen("hello"), Seen("21.5", "s.t", 7, 12)]
    with pytest.raises(NatsError, match="closed the connection"):
        next(seen)
    server.end()
    assert b'"user": "me"' in server.heard
    assert server.heard.endswith(b"SUB s.> 1\r\nPONG\r\n")


def test_a_refusal_is_told_in_the_servers_words(serve) -> None:
    server = serve(b"-ERR 'Authorization Violation'\r\n")

    with pytest.raises(NatsError, match=r"^the server says 'Authorization Violation'$"):
        list(watch(server.place, Random(1), [">"], "a", None))
