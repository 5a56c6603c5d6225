"""A NATS client of a few lines: log in, ask, listen to the answers.

Blocks; a command has nothing else to do meanwhile. Everything that the server sends is bounded.
Knows the client protocol only. Truth: nats-server 2.15.1; docs/serial/tools.md.
"""

from __future__ import annotations

import json
import socket
import ssl
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from leafnode import __version__
from leafnode.auth.creds import read_creds_file
from leafnode.cli.ports.errors import PortError
from leafnode.nuid import nuid

if TYPE_CHECKING:
    from random import Random

    from leafnode.cli.ports.place import Place

_LINE_MAX: Final = 64 * 1024
_PAYLOAD_MAX: Final = 64 * 1024 * 1024
_TIMEOUT_S: Final = 5.0


class Answer(NamedTuple):
    """One message. `status` is 503 where nobody listens to the request."""

    body: bytes
    status: str = ""


class Client:
    """One connection that is logged in."""

    def __init__(self, place: Place, random: Random) -> None:
        """Connect. Raises LeafnodeError and OSError."""
        self._random = random
        self._buffer = b""
        self._sids = 0
        self.server = ""
        try:
            self._sock: socket.socket = socket.create_connection(
                (place.host, place.port), timeout=_TIMEOUT_S
            )
        except OSError as err:
            reason = err.strerror or err
            raise PortError(f"no server at {place.host}:{place.port}: {reason}") from err
        try:
            self._log_in(place)
        except BaseException:
            self._sock.close()
            raise

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *_: object) -> None:
        self._sock.close()

    def ask(self, subject: str, body: bytes = b"", *, timeout_s: float = _TIMEOUT_S) -> Answer:
        """Return the first answer. Raises PortError when none comes in time."""
        inbox = self.listen()
        self.publish(subject, body, reply=inbox)
        found = self.next(timeout_s)
        if found is None:
            raise PortError("the server does not answer")
        return found

    def ask_json(
        self, subject: str, request: object = None, *, timeout_s: float = _TIMEOUT_S
    ) -> dict[str, Any]:
        """Return the answer to a request in JSON. Raises PortError with the answer's error."""
        body = b"" if request is None else json.dumps(request).encode()
        return decoded(self.ask(subject, body, timeout_s=timeout_s))

    def listen(self) -> str:
        """Return an inbox whose messages `next` returns."""
        inbox = f"_INBOX.{nuid(self._random)}"
        self._sids += 1
        self._send(f"SUB {inbox} {self._sids}\r\n".encode())
        return inbox

    def publish(self, subject: str, body: bytes = b"", *, reply: str = "") -> None:
        words = f"PUB {subject} {reply + ' ' if reply else ''}{len(body)}\r\n"
        self._send(words.encode() + body + b"\r\n")

    def next(self, timeout_s: float) -> Answer | None:
        """Return the next message; None: the server said something else, or nothing in time."""
        self._sock.settimeout(max(timeout_s, 0.001))
        try:
            while True:
                found = self._step()
                if found is not None:
                    return found
        except TimeoutError:
            return None

    def _step(self) -> Answer | None:
        line = self._line()
        verb, _, rest = line.partition(" ")
        if verb == "PING":
            self._send(b"PONG\r\n")
        elif verb == "-ERR":
            raise PortError(f"the server says {rest}")
        elif verb == "MSG":
            return Answer(self._payload(rest.split()[-1]))
        elif verb == "HMSG":
            words = rest.split()
            body = self._payload(words[-1])
            head = body[: int(words[-2])]
            return Answer(body[len(head) :], head.split(b"\r\n")[0].partition(b" ")[2].decode())
        return None

    def _log_in(self, place: Place) -> None:
        line = self._line()
        if not line.startswith("INFO "):
            raise PortError(f"{place.host}:{place.port} is no NATS server")
        info = _object(line[5:])
        self.server = str(info.get("server_name", ""))
        if place.is_tls or info.get("tls_required"):
            context = ssl.create_default_context(cafile=place.ca_file or None)
            self._sock = context.wrap_socket(self._sock, server_hostname=place.host)
        connect: dict[str, object] = {
            "verbose": False,
            "pedantic": False,
            "name": "leafnode port",
            "lang": "python",
            "version": __version__,
            "protocol": 1,
            "headers": True,
            "no_responders": True,
        }
        connect |= _login(place, str(info.get("nonce", "")))
        self._send(f"CONNECT {json.dumps(connect)}\r\nPING\r\n".encode())
        while (line := self._line()) != "PONG":
            if line.startswith("-ERR"):
                raise PortError(f"the server says {line[5:]}")

    def _send(self, data: bytes) -> None:
        try:
            self._sock.sendall(data)
        except OSError as err:
            raise PortError(f"the connection to the server broke: {err}") from err

    def _line(self) -> str:
        while b"\r\n" not in self._buffer:
            if len(self._buffer) > _LINE_MAX:
                raise PortError("the server's line has no end")
            self._more()
        line, self._buffer = self._buffer.split(b"\r\n", 1)
        return line.decode("utf-8", "replace")

    def _payload(self, size: str) -> bytes:
        count = int(size)
        if not 0 <= count <= _PAYLOAD_MAX:
            raise PortError("the server sends a message without end")
        while len(self._buffer) < count + 2:
            self._more()
        body, self._buffer = self._buffer[:count], self._buffer[count + 2 :]
        return body

    def _more(self) -> None:
        data = self._sock.recv(65536)
        if not data:
            raise PortError("the server closed the connection")
        self._buffer += data


def decoded(answer: Answer) -> dict[str, Any]:
    """Return what an answer says. Raises PortError where it says an error."""
    if answer.status.startswith("503"):
        raise PortError(
            "nobody answers: no server with serial ports in this account, or `control: off`"
        )
    found = _object(answer.body.decode("utf-8", "replace"))
    if "error" in found:
        raise PortError(str(found["error"]))
    return found


def _object(text: str) -> dict[str, Any]:
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict):
        raise PortError("the server's answer is no JSON object")
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
