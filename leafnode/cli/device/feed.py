"""A subscription of a person who looks on: the client's side of the NATS protocol, as bytes.

Sans-IO: bytes in, events out. Knows MSG, HMSG, PING, -ERR and INFO; publishes nothing. Truth: NATS
client protocol; nats-server 2.15.1.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from leafnode.errors import LeafnodeError

if TYPE_CHECKING:
    from leafnode.auth.creds import Creds

LINE_BYTES_MAX: Final = 64 * 1024  # an INFO line with many addresses
MESSAGE_BYTES_MAX: Final = 64 * 1024 * 1024  # nats-server's highest max_payload
PONG: Final = b"PONG\r\n"


class FeedError(LeafnodeError):
    """The server refused, or what it sends is no NATS."""


@dataclass(frozen=True, slots=True)
class Message:
    """One message. `header` is the block from NATS/1.0 on, empty without headers."""

    subject: str
    header: bytes
    payload: bytes


@dataclass(frozen=True, slots=True)
class Ping:
    """The server wants a PONG."""


@dataclass(frozen=True, slots=True)
class Info:
    """What the server says first, and when it changed."""

    fields: dict[str, Any]


class FeedReader:
    """Turns bytes into events. One message is in memory at once, with what came behind it."""

    def __init__(self) -> None:
        self._buffer = bytearray()

    def receive(self, data: bytes) -> list[Message | Ping | Info]:
        """Return what is complete. Raises FeedError for -ERR and for what is no NATS."""
        self._buffer += data
        events = []
        while (event := self._next()) is not None:
            events.append(event)
        return [event for event in events if not isinstance(event, str)]

    def _next(self) -> Message | Ping | Info | str | None:
        end = self._buffer.find(b"\r\n", 0, LINE_BYTES_MAX + 2)
        if end < 0:
            if len(self._buffer) > LINE_BYTES_MAX:
                raise FeedError("the server sends no NATS: a line has no end")
            return None
        line = bytes(self._buffer[:end])
        verb, _, rest = line.partition(b" ")
        verb = verb.upper()
        if verb in {b"MSG", b"HMSG"}:
            return self._message(verb, rest.split(), end + 2)
        del self._buffer[: end + 2]
        if verb == b"PING":
            return Ping()
        if verb == b"INFO":
            return Info(_json(rest))
        if verb == b"-ERR":
            raise FeedError(rest.decode(errors="replace").strip("'"))
        if verb in {b"+OK", b"PONG"}:
            return verb.decode()
        raise FeedError("the server sends no NATS")

    def _message(self, verb: bytes, words: list[bytes], start: int) -> Message | None:
        counts = 2 if verb == b"HMSG" else 1
        sizes = words[-counts:]
        if len(words) < 2 + counts or not all(word.isdigit() for word in sizes):
            raise FeedError("the server sends no NATS: a MSG line is wrong")
        total = int(sizes[-1])
        headers = int(sizes[0]) if counts == 2 else 0
        if total > MESSAGE_BYTES_MAX or headers > total:
            raise FeedError(f"a message of {total} bytes")
        end = start + total
        if len(self._buffer) < end + 2:
            return None
        body = bytes(self._buffer[start:end])
        del self._buffer[: end + 2]
        subject = words[0].decode(errors="replace")
        return Message(subject, body[:headers], body[headers:])


@dataclass(frozen=True, slots=True)
class Login:
    """Who looks on. Nothing of it is shown."""

    user: str = ""
    password: str = ""
    token: str = ""
    creds: Creds | None = None

    def __repr__(self) -> str:
        return "Login()"


def greeting(info: dict[str, Any], login: Login, subjects: list[str]) -> bytes:
    """Return CONNECT and SUBs, as an answer to INFO."""
    fields: dict[str, Any] = {
        "verbose": False,
        "pedantic": False,
        "headers": True,
        "no_responders": False,
        "lang": "python",
        "name": "leafnode device monitor",
        "version": "1",
        "protocol": 1,
    }
    if login.user:
        fields |= {"user": login.user, "pass": login.password}
    if login.token:
        fields["auth_token"] = login.token
    if login.creds is not None:
        fields |= {"jwt": login.creds.jwt, "sig": login.creds.signer.sign(info.get("nonce", ""))}
    lines = [f"CONNECT {json.dumps(fields)}\r\n"]
    lines += [f"SUB {subject} {sid}\r\n" for sid, subject in enumerate(subjects, 1)]
    return "".join(lines).encode()


def _json(text: bytes) -> dict[str, Any]:
    try:
        found = json.loads(text)
    except ValueError as err:
        raise FeedError("the server sends no NATS: INFO is no JSON") from err
    if not isinstance(found, dict):
        raise FeedError("the server sends no NATS: INFO is no JSON object")
    return found
