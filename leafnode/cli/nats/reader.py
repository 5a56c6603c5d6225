"""The client's side of the NATS protocol: what a server says, as events.

Sans-IO: bytes in, events out. Whatever comes, one message is in memory at once, with what came
behind it. Knows no login and no subject of anybody. Truth: NATS client protocol; nats-server
2.15.1.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, Final

from leafnode.cli.nats.errors import NatsError

LINE_BYTES_MAX: Final = 64 * 1024  # an INFO line with many addresses
MESSAGE_BYTES_MAX: Final = 64 * 1024 * 1024  # nats-server's highest max_payload


@dataclass(frozen=True, slots=True)
class Message:
    """One message. `header` is the block from NATS/1.0 on, empty without headers."""

    subject: str
    header: bytes
    payload: bytes

    @property
    def status(self) -> str:
        """Return `503`, or what else the header's first line says; "" where it says nothing."""
        return self.header.split(b"\r\n", 1)[0].partition(b" ")[2].decode("utf-8", "replace")


@dataclass(frozen=True, slots=True)
class Ping:
    """The server wants a PONG."""


@dataclass(frozen=True, slots=True)
class Pong:
    """The server has read up to our PING."""


@dataclass(frozen=True, slots=True)
class Info:
    """What the server says first, and when it changed."""

    fields: dict[str, Any]


Event = Message | Ping | Pong | Info


class Reader:
    """Turns bytes into events."""

    def __init__(self) -> None:
        self._buffer = bytearray()

    def receive(self, data: bytes) -> list[Event]:
        """Return what is complete. Raises NatsError for -ERR and for what is no NATS."""
        self._buffer += data
        events: list[Event] = []
        while (event := self._next()) is not None:
            if event is not _OK:
                events.append(event)
        return events

    def _next(self) -> Event | None:
        end = self._buffer.find(b"\r\n", 0, LINE_BYTES_MAX + 2)
        if end < 0:
            if len(self._buffer) > LINE_BYTES_MAX:
                raise NatsError("the server sends no NATS: a line has no end")
            return None
        line = bytes(self._buffer[:end])
        verb, _, rest = line.partition(b" ")
        verb = verb.upper()
        if verb in {b"MSG", b"HMSG"}:
            return self._message(verb, rest.split(), end + 2)
        del self._buffer[: end + 2]
        match verb:
            case b"PING":
                return Ping()
            case b"PONG":
                return Pong()
            case b"INFO":
                return Info(_json(rest))
            case b"+OK":
                return _OK
            case b"-ERR":
                raise NatsError(f"the server says {rest.decode(errors='replace')}")
        raise NatsError("the server sends no NATS")

    def _message(self, verb: bytes, words: list[bytes], start: int) -> Message | None:
        counts = 2 if verb == b"HMSG" else 1
        sizes = words[-counts:]
        if len(words) < 2 + counts or not all(_is_size(word) for word in sizes):
            raise NatsError("the server sends no NATS: a MSG line is wrong")
        total = int(sizes[-1])
        headers = int(sizes[0]) if counts == 2 else 0
        if total > MESSAGE_BYTES_MAX or headers > total:
            raise NatsError(f"the server sends a message of {total} bytes")
        end = start + total
        if len(self._buffer) < end + 2:
            return None
        body = bytes(self._buffer[start:end])
        del self._buffer[: end + 2]
        subject = words[0].decode(errors="replace")
        return Message(subject, body[:headers], body[headers:])


_OK: Final = Pong()  # +OK, which nobody waits for


def _is_size(word: bytes) -> bool:
    return word.isdigit() and len(word) <= 20


def _json(text: bytes) -> dict[str, Any]:
    try:
        found = json.loads(text)
    except (ValueError, RecursionError) as err:
        raise NatsError("the server sends no NATS: INFO is no JSON") from err
    if not isinstance(found, dict):
        raise NatsError("the server sends no NATS: INFO is no JSON object")
    return found
