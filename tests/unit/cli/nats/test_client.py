"""A NATS client of a few lines, against a server that says what a test wants."""

from __future__ import annotations

import contextlib
import json
import random
import socket
import threading
from typing import TYPE_CHECKING

import pytest

from leafnode.cli.nats.client import Client, decoded
from leafnode.cli.nats.errors import NatsError
from leafnode.cli.nats.place import Place
from leafnode.cli.nats.reader import Message

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

INFO = b'INFO {"server_name":"gw","nonce":"n"}\r\n'


class Server:
    """Takes one connection after the other, answers lines by a function, in a thread."""

    def __init__(self, answer: Callable[[str], bytes], greeting: bytes = INFO) -> None:
        self.lines: list[str] = []
        self._answer = answer
        self._greeting = greeting
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.place = Place("127.0.0.1", self._listener.getsockname()[1])
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def _serve(self) -> None:
        while True:
            try:
                sock, _ = self._listener.accept()
            except OSError:
                return
            self._talk(sock)

    def _talk(self, sock: socket.socket) -> None:
        with sock, sock.makefile("rb") as file:
            try:
                sock.sendall(self._greeting)
                for raw in file:
                    line = raw.decode().rstrip("\r\n")
                    self.lines.append(line)
                    sock.sendall(b"PONG\r\n" if line == "PING" else self._answer(line))
            except OSError:
                return

    def close(self) -> None:
        """Wait until all that came is in `lines`. Closing twice does nothing."""
        with contextlib.suppress(OSError):  # somebody came already
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join(10)


@pytest.fixture
def serve() -> Iterator[Callable[..., Server]]:
    servers: list[Server] = []

    def begin(answer: Callable[[str], bytes] = lambda _: b"", greeting: bytes = INFO) -> Server:
        servers.append(Server(answer, greeting))
        return servers[-1]

    yield begin
    for server in servers:
        server.close()


def connected(server: Server, **login: str) -> Client:
    place = Place(server.place.host, server.place.port, **login)
    return Client(place, random.Random(1))


def reply_of(line: str) -> str:
    return line.split()[2]


def test_it_logs_in_asks_and_hears_the_answer(serve: Callable[..., Server]) -> None:
    def answer(line: str) -> bytes:
        if line.startswith("PUB"):
            return b"PING\r\nMSG %b 1 12\r\n" % reply_of(line).encode() + b'{"x":"\\r\\n"}\r\n'
        return b""

    server = serve(answer)
    with connected(server, user="me", password="s3cret") as client:
        assert client.server == "gw"
        assert client.ask_json("a.b", {"seconds": 1}) == {"x": "\r\n"}

    server.close()
    connect = json.loads(server.lines[0].removeprefix("CONNECT "))
    assert (connect["user"], connect["pass"], connect["no_responders"]) == ("me", "s3cret", True)
    assert server.lines[2].startswith("SUB _INBOX.")
    assert server.lines[3] == "UNSUB 1 1"  # who asks for a day keeps one inbox
    assert server.lines[4].startswith("PUB a.b _INBOX.")
    assert server.lines[5] == '{"seconds": 1}'


def test_a_connection_that_broke_is_replaced_by_another(serve: Callable[..., Server]) -> None:
    def answer(line: str) -> bytes:
        return b"MSG %b 1 2\r\n{}\r\n" % reply_of(line).encode() if line[:3] == "PUB" else b""

    server = serve(answer)
    with connected(server, user="me", password="s3cret") as client:
        client._sock.shutdown(socket.SHUT_RDWR)
        with pytest.raises(NatsError, match="connection"):
            client.ask("a.b")
        client.reconnect()
        assert client.ask("a.b").payload == b"{}"

    server.close()
    assert sum("s3cret" in line for line in server.lines) == 2


def test_nobody_who_answers_is_an_error_with_advice(serve: Callable[..., Server]) -> None:
    def answer(line: str) -> bytes:
        if line.startswith("PUB"):
            head = b"NATS/1.0 503\r\n\r\n"
            return b"HMSG %b 1 16 16\r\n" % reply_of(line).encode() + head + b"\r\n"
        return b""

    with (
        connected(serve(answer)) as client,
        pytest.raises(NatsError, match="nobody answers: no server with serial ports"),
    ):
        client.ask_json("a.b")


def test_no_answer_in_time_is_an_error(serve: Callable[..., Server]) -> None:
    with (
        connected(serve()) as client,
        pytest.raises(NatsError, match="does not answer"),
    ):
        client.ask("a.b", timeout_s=0)


@pytest.mark.parametrize(
    ("greeting", "error"),
    [
        (b"HTTP/1.1 400 Bad Request\r\n", "the server sends no NATS"),
        (b"PING\r\n", "is no NATS server"),
        (b"INFO [1]\r\n", "no JSON object"),
        (b"x" * 100_000, "has no end"),
    ],
)
def test_what_is_no_server_is_named(
    serve: Callable[..., Server], greeting: bytes, error: str
) -> None:
    with pytest.raises(NatsError, match=error):
        connected(serve(greeting=greeting))


@pytest.mark.parametrize(
    ("said", "error"),
    [
        (b"-ERR 'Authorization Violation'\r\n", "the server says 'Authorization Violation'"),
        (b"MSG x 1 99999999999\r\n", "a message of 99999999999 bytes"),
        (b"MSG x 1 -5\r\n", "a MSG line is wrong"),
    ],
)
def test_what_a_server_says_is_bounded_and_its_errors_are_shown(
    serve: Callable[..., Server], said: bytes, error: str
) -> None:
    server = serve(lambda line: said if line.startswith("SUB") else b"")
    with connected(server) as client, pytest.raises(NatsError, match=error):
        client.ask("a.b")


def test_a_refused_login_is_shown(serve: Callable[..., Server]) -> None:
    server = serve(greeting=INFO + b"-ERR 'Authorization Violation'\r\n")

    with pytest.raises(NatsError, match="Authorization Violation"):
        connected(server, token="wrong")


def test_no_server_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    listener = socket.create_server(("127.0.0.1", 0))
    port = listener.getsockname()[1]
    listener.close()

    with pytest.raises(NatsError, match=rf"no server at 127\.0\.0\.1:{port}: Connection refused"):
        Client(Place("127.0.0.1", port), random.Random(1))


def test_an_answer_with_an_error_is_that_error() -> None:
    with pytest.raises(NatsError, match="there is no such port"):
        decoded(Message("x", b"", b'{"error": "there is no such port"}'))
    for body in (b"", b"[1]", b"\xff", b"[" * 100_000):
        with pytest.raises(NatsError, match="no JSON object"):
            decoded(Message("x", b"", body))


def test_messages_of_its_subjects_come_in_order_and_nothing_in_time_is_none(
    serve: Callable[..., Server],
) -> None:
    def answer(line: str) -> bytes:
        return b"MSG a 1 1\r\nx\r\nPING\r\nMSG b 1 1\r\ny\r\n" if line.startswith("SUB") else b""

    server = serve(answer)
    with connected(server) as client:
        client.subscribe("a")
        found = [client.next(10), client.next(10)]
        assert client.next(0) is None

    assert found == [Message("a", b"", b"x"), Message("b", b"", b"y")]
    server.close()
    assert "PONG" in server.lines
