"""A NATS connection of few words: publish, subscribe, wait. Blocking, for one thread."""

from __future__ import annotations

import json
import socket
import time
from collections import deque
from dataclasses import dataclass

NEVER_S = 60.0  # nothing here takes that long, not on a slow machine under load either


@dataclass(frozen=True)
class Received:
    """One message."""

    subject: str
    reply: str
    header: bytes
    payload: bytes


class Connection:
    """One connection, logged in as `user`. `at_once`: what is said in two goes is not held back."""

    def __init__(self, port: int, user: str, *, at_once: bool = False) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port), timeout=NEVER_S)
        if at_once:
            self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._buffer = b""
        self._pongs = 0
        self._sids = 0
        self._queues: dict[int, deque[Received]] = {}
        self._read_line()
        options = {"verbose": False, "headers": True, "no_responders": True, "lang": "test"}
        options |= {"user": user, "pass": "x", "version": "0"}
        self.send(b"CONNECT %b\r\n" % json.dumps(options).encode())
        self.flush()

    def close(self) -> None:
        self._socket.close()

    def send(self, data: bytes) -> None:
        self._socket.sendall(data)

    def publish(self, subject: str, header: bytes, payload: bytes, reply: str = "") -> None:
        where = f"{subject} {reply}".strip().encode()
        if header:
            sizes = b"%d %d" % (len(header), len(header) + len(payload))
            self.send(b"HPUB %b %b\r\n%b%b\r\n" % (where, sizes, header, payload))
        else:
            self.send(b"PUB %b %d\r\n%b\r\n" % (where, len(payload), payload))

    def subscribe(self, subject: str, group: str = "") -> int:
        self._sids += 1
        self._queues[self._sids] = deque()
        self.send(f"SUB {subject} {group} {self._sids}\r\n".replace("  ", " ").encode())
        return self._sids

    def unsubscribe(self, sid: int) -> None:
        self.send(b"UNSUB %d\r\n" % sid)
        self._queues.pop(sid)

    def ask(self, subject: str, payload: bytes = b"", header: bytes = b"") -> Received:
        """Publish with a reply subject that nothing else here has; return the first answer."""
        inbox = f"_C.ask{self._sids}"
        sid = self.subscribe(inbox)
        self.publish(subject, header, payload, inbox)
        got = self.next(sid)
        self.unsubscribe(sid)
        assert got is not None, f"{subject} {payload!r} is not answered"
        return got

    def flush(self) -> None:
        """Return when the server has read all of this and has sent what it had for us."""
        wanted = self._pongs + 1
        self.send(b"PING\r\n")
        deadline = time.monotonic() + NEVER_S
        while self._pongs < wanted:
            self._read_one(deadline)

    def next(self, sid: int, patience_s: float = NEVER_S) -> Received | None:
        """Return the next message of a subscription, or None when none comes."""
        deadline = time.monotonic() + patience_s
        queue = self._queues[sid]
        while not queue:
            try:
                self._read_one(deadline)
            except TimeoutError:
                return None
        return queue.popleft()

    def waiting(self, sid: int) -> int:
        """Return how many messages have come."""
        return len(self._queues[sid])

    def _read_one(self, deadline: float) -> None:
        line = self._read_line(deadline)
        verb, *args = line.decode().split(" ")
        if verb == "PONG":
            self._pongs += 1
        elif verb == "PING":
            self.send(b"PONG\r\n")
        elif verb == "MSG":
            self._take(args[:-1], 0, int(args[-1]), deadline)
        elif verb == "HMSG":
            self._take(args[:-2], int(args[-2]), int(args[-1]), deadline)

    def _take(self, where: list[str], header_size: int, size: int, deadline: float) -> None:
        while len(self._buffer) < size + 2:
            self._more(deadline)
        body, self._buffer = self._buffer[:size], self._buffer[size + 2 :]
        reply = where[2] if len(where) > 2 else ""
        queue = self._queues.get(int(where[1]))
        if queue is not None:
            queue.append(Received(where[0], reply, body[:header_size], body[header_size:]))

    def _read_line(self, deadline: float | None = None) -> bytes:
        deadline = time.monotonic() + NEVER_S if deadline is None else deadline
        while b"\r\n" not in self._buffer:
            self._more(deadline)
        line, _, self._buffer = self._buffer.partition(b"\r\n")
        return line

    def _more(self, deadline: float) -> None:
        left = deadline - time.monotonic()
        if left <= 0:
            raise TimeoutError
        self._socket.settimeout(left)
        data = self._socket.recv(1 << 16)
        if not data:
            raise ConnectionError("the server hung up")
        self._buffer += data
