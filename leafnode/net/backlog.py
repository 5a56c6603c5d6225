"""What the kernel did not take of one connection's bytes, and since when it takes nothing.

Knows a socket only as something with `send` and `sendmsg`. Made when a write is not taken whole,
dropped by its owner once it was empty for a while: an idle connection holds none.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, NamedTuple

from leafnode.go_time import format_duration
from leafnode.limits import READ_CHUNK_BYTES, WRITE_CHUNKS_MAX, WRITE_DEADLINE_NS, WRITE_TURN_BYTES

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable, Iterator

    from leafnode.clock import Clock, Timer

# Below this mean size one copy is cheaper than a vector of chunks (hot path measurements).
JOIN_BELOW_BYTES: Final = 1024
LATER: Final = (BlockingIOError, InterruptedError)


def send(sock: socket.socket, chunks: list[bytes]) -> int:
    """Give the chunks to the kernel; return how many bytes it took. Raises OSError."""
    try:
        if len(chunks) == 1:
            return sock.send(chunks[0])
        return sock.sendmsg(chunks[:WRITE_CHUNKS_MAX])
    except LATER:
        return 0


def in_pieces(chunks: list[bytes]) -> Iterator[bytes]:
    """Yield the bytes of the chunks in as few pieces as READ_CHUNK_BYTES allow."""
    gathered: list[bytes] = []
    size = 0
    for chunk in chunks:
        if size + len(chunk) > READ_CHUNK_BYTES:
            if gathered:
                yield b"".join(gathered)
            start = 0
            while len(chunk) - start > READ_CHUNK_BYTES:
                yield chunk[start : start + READ_CHUNK_BYTES]
                start += READ_CHUNK_BYTES
            gathered, size = [chunk[start:]], len(chunk) - start
        else:
            gathered.append(chunk)
            size += len(chunk)
    if gathered:
        yield b"".join(gathered) if len(gathered) > 1 else gathered[0]


@dataclass(slots=True)
class WriteRules:
    """What is asked of a peer that bytes wait for. Changed in place: open connections follow.

    `retries`: a peer that took a part of what waited keeps its connection at the deadline, as
    `write_timeout: retry` of nats-server has it.
    """

    deadline_ns: int = WRITE_DEADLINE_NS
    retries: bool = False


class Late(NamedTuple):
    """What was to be taken within the write deadline, and was not, or not all of it."""

    deadline_ns: int
    chunks: int
    size: int  # in bytes
    is_over: bool  # the connection is cut for it
    is_again: bool  # so it was at the deadline before

    @property
    def text(self) -> str:
        """What the log says of it, in nats-server's words."""
        return (
            f"Slow Consumer {'State' if self.is_again else 'Detected'}: WriteDeadline of "
            f"{format_duration(self.deadline_ns)} exceeded with {self.chunks} chunks of "
            f"{self.size} total bytes."
        )


class Backlog:
    """Bytes in order. The owner asks `late` when its deadline comes."""

    __slots__ = (
        "_chunks",
        "_head_sent",
        "_mark_bytes",
        "_mark_chunks",
        "_sent_bytes",
        "_sent_chunks",
        "_taken_before",
        "_taken_bytes",
        "_was_late",
        "deadline",
        "size",
    )

    def __init__(self) -> None:
        self.size = 0
        self.deadline: Timer | None = None
        self._chunks: deque[bytes | bytearray] = deque()
        self._head_sent = 0  # of the first chunk
        self._taken_bytes = 0  # by the kernel, since this object is there
        self._taken_before = 0  # the same, at the mark
        self._mark_bytes = 0  # what `_taken_bytes` must have reached when the deadline comes
        self._mark_chunks = 0  # of these bytes
        self._was_late = False
        # Of the write that began it, what the kernel took at once: it is part of what is written.
        self._sent_bytes = self._sent_chunks = 0

    def keep(self, chunks: list[bytes], sent: int) -> None:
        """Add chunks, but for the `sent` bytes at their start."""
        kept = self._chunks
        begins = (
            self.deadline is None
        )  # else what the kernel took at once is of no write that waits
        if begins:
            self._sent_bytes, self._sent_chunks = sent, 0
        for chunk in chunks:
            if sent >= len(chunk):
                sent -= len(chunk)
                self._sent_chunks += begins
                continue
            rest = chunk[sent:] if sent else chunk
            sent = 0
            self.size += len(rest)
            tail = kept[-1] if kept else None
            # Small ones share a buffer: an object for each would cost more than its bytes.
            if isinstance(tail, bytearray) and len(tail) + len(rest) <= READ_CHUNK_BYTES:
                tail += rest
            else:
                kept.append(rest if len(rest) >= JOIN_BELOW_BYTES else bytearray(rest))

    def send_to(self, sock: socket.socket) -> None:
        """Let the kernel take what it can of a turn's share. Raises OSError."""
        chunks = self._chunks
        views: list[memoryview] = []
        start, left = self._head_sent, WRITE_TURN_BYTES
        for chunk in chunks:  # few: small ones share a buffer
            views.append(memoryview(chunk)[start : start + left])
            left -= len(views[-1])
            if not left:
                break
            start = 0
        try:
            sent = sock.sendmsg(views)
        except LATER:
            return
        self.size -= sent
        self._taken_bytes += sent
        sent += self._head_sent
        while chunks and sent >= len(chunks[0]):
            sent -= len(chunks.popleft())
        self._head_sent = sent

    def mark(self) -> None:
        """From here on, all that waits now must be taken before `late` is asked."""
        self._taken_before = self._taken_bytes - self._sent_bytes
        self._mark_bytes = self._taken_bytes + self.size
        self._mark_chunks = len(self._chunks) + self._sent_chunks
        self._sent_bytes = self._sent_chunks = 0

    def watch(self, clock: Clock, rules: WriteRules, on_deadline: Callable[[], None]) -> None:
        """Have `on_deadline` ask whether what waits now was taken by the kernel in time."""
        self.mark()
        self.deadline = clock.call_later(rules.deadline_ns, on_deadline)

    def late(self, rules: WriteRules) -> Late | None:
        """Return what waited at `mark` where something of it still waits, and what that means."""
        was_late, self._was_late = self._was_late, self._taken_bytes < self._mark_bytes
        if not self._was_late:
            return None
        size = self._mark_bytes - self._taken_before
        is_over = not rules.retries or self._taken_bytes == self._taken_before
        return Late(rules.deadline_ns, self._mark_chunks, size, is_over, was_late)
