"""A blocking NATS client of a few lines: log in, ask, listen to the answers.

A command has nothing else to do meanwhile. What the server says is read by `reader`, so all of it
is bounded. Truth: nats-server 2.15.1; docs/serial/tools.md.
"""

from __future__ import annotations

import json
import socket
import ssl
from collections import deque
from typing import TYPE_CHECKING, Any, Final

from leafnode import __version__
from leafnode.auth.creds import read_creds_file
from leafnode.cli.nats.errors import NatsError
from leafnode.cli.nats.reader import Info, Message, Ping, Pong, Reader
from leafnode.nuid import nuid

if TYPE_CHECKING:
    from random import Random

    from leafnode.cli.nats.place import Place
    from leafnode.cli.nats.reader import Event

_READ_BYTES: Final = 64 * 1024
_TIMEOUT_S: Final = 5.0


class Client:
    """One connection that is logged in. `name` is what the server's lists show."""

    def __init__(self, place: Place, random: Random, *, name: str = "leafnode port") -> None:
        """Connect. Raises LeafnodeError and OSError."""
        self._place = place
        self._random = random
        self._name = name
        self._messages: deque[Message] = deque()  # of one read at most
        self._sids = 0
        self.server = ""
        self._connect()

    def reconnect(self) -> None:
        """Be another connection; subscriptions were the former's. Raises as connecting does."""
        self._sock.close()
        self._messages.clear()
        self._connect()

    def _connect(self) -> None:
        place = self._place
        self._reader = Reader()
        try:
            self._sock: socket.socket = socket.create_connection(
                (place.host, place.port), timeout=_TIMEOUT_S
            )
        except OSError as err:
            reason = err.strerror or err
            raise NatsError(f"no server at {place.host}:{place.port}: {reason}") from err
        try:
            self._log_in(place)
        except BaseException:
            self._sock.close()
            raise

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *_: object) -> None:
        self._sock.close()

    def ask(self, subject: str, body: bytes = b"", *, timeout_s: float = _TIMEOUT_S) -> Message:
        """Return the first answer. Raises NatsError when none comes in time."""
        inbox = self.listen()
        self._send(f"UNSUB {self._sids} 1\r\n".encode())  # who asks often keeps no inboxes
        self.publish(subject, body, reply=inbox)
        found = self.next(timeout_s)
        if found is None:
            raise NatsError("the server does not answer")
        return found

    def ask_json(
        self, subject: str, request: object = None, *, timeout_s: float = _TIMEOUT_S
    ) -> dict[str, Any]:
        """Return the answer to a request in JSON. Raises NatsError with the answer's error."""
        body = b"" if request is None else json.dumps(request).encode()
        return decoded(self.ask(subject, body, timeout_s=timeout_s))

    def listen(self) -> str:
        """Return an inbox whose messages `next` returns."""
        inbox = f"_INBOX.{nuid(self._random)}"
        self.subscribe(inbox)
        return inbox

    def subscribe(self, subject: str) -> None:
        """Let `next` return messages of this subject, too."""
        self._sids += 1
        self._send(f"SUB {subject} {self._sids}\r\n".encode())

    def publish(self, subject: str, body: bytes = b"", *, reply: str = "") -> None:
        words = f"PUB {subject} {reply + ' ' if reply else ''}{len(body)}\r\n"
        self._send(words.encode() + body + b"\r\n")

    def next(self, timeout_s: float) -> Message | None:
        """Return the next message; None: the server said nothing for so long."""
        self._sock.settimeout(max(timeout_s, 0.001))
        try:
            while not self._messages:
                for event in self._events():
                    self._take(event)
        except TimeoutError:
            return None
        return self._messages.popleft()

    def _take(self, event: Event) -> None:
        if isinstance(event, Message):
            self._messages.append(event)
        elif isinstance(event, Ping):
            self._send(b"PONG\r\n")

    def _log_in(self, place: Place) -> None:
        events = deque(self._some_events())
        info = events.popleft()
        if not isinstance(info, Info):
            raise NatsError(f"{place.host}:{place.port} is no NATS server")
        self.server = str(info.fields.get("server_name", ""))
        if place.is_tls or info.fields.get("tls_required"):
            context = ssl.create_default_context(cafile=place.ca_file or None)
            context.minimum_version = ssl.TLSVersion.TLSv1_2
            self._sock = context.wrap_socket(self._sock, server_hostname=place.host)
            self._reader = Reader()  # what came in the clear is nobody's
            events.clear()
        connect: dict[str, object] = {
            "verbose": False,
            "pedantic": False,
            "name": self._name,
            "lang": "python",
            "version": __version__,
            "protocol": 1,
            "headers": True,
            "no_responders": True,
        }
        connect |= _login(place, str(info.fields.get("nonce", "")))
        self._send(f"CONNECT {json.dumps(connect)}\r\nPING\r\n".encode())
        is_in = False
        while not is_in:
            for event in events or self._events():
                self._take(event)
                is_in = is_in or isinstance(event, Pong)
            events.clear()

    def _some_events(self) -> list[Event]:
        """Return what the server says next, once it has said something."""
        while not (events := self._events()):
            pass
        return events

    def _events(self) -> list[Event]:
        """Return what is complete of the next read. Raises NatsError and OSError."""
        data = self._sock.recv(_READ_BYTES)
        if not data:
            raise NatsError("the server closed the connection")
        return self._reader.receive(data)

    def _send(self, data: bytes) -> None:
        try:
            self._sock.sendall(data)
        except OSError as err:
            raise NatsError(f"the connection to the server broke: {err}") from err


def decoded(answer: Message) -> dict[str, Any]:
    """Return what an answer says. Raises NatsError where it says an error."""
    if answer.status.startswith("503"):
        raise NatsError(
            "nobody answers: no server with serial ports in this account, or `control: off`"
        )
    try:
        found = json.loads(answer.payload)
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict):
        raise NatsError("the server's answer is no JSON object")
    if "error" in found:
        raise NatsError(str(found["error"]))
    return found


def _login(place: Place, nonce: str) -> dict[str, object]:
    if place.credentials:
        creds = read_creds_file(place.credentials)
        return {"jwt": creds.jwt, "sig": creds.signer.sign(nonce)}
    if place.token:
        return {"auth_token": place.token}
    if place.user:
        return {"user": place.user, "pass": place.password}
    return {}
