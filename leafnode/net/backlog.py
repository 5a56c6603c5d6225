"""What the kernel did not take of one connection's bytes, and since when it takes nothing.

Knows a socket only as something with `send` and `sendmsg`. Made when a write is not taken whole,
dropped by its owner once it was empty for a while: an idle connection holds none.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, NamedTuple

from leafnode.clock import NS_PER_S
from leafnode.go_time import format_duration
from leafnode.limits import (
    READ_CHUNK_BYTES,
    ROOM_WRITES_MAX,
    WRITE_CHUNKS_MAX,
    WRITE_DEADLINE_NS,
    WRITE_TURN_BYTES,
)

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
    """What was to be taken within the write deadline, and was not, or not all of it; or, of who was
    late before, that it was.
    """

    deadline_ns: int
    chunks: int
    size: int  # in bytes
    is_over: bool  # the connection is cut for it
    is_again: bool  # so it was at the deadline before
    took_ns: int = 0  # all was taken within that time: no longer late

    @property
    def is_recovered(self) -> bool:
        return self.took_ns > 0

    @property
    def text(self) -> str:
        """What the log says of it, in nats-server's words."""
        waited = f"with {self.chunks} chunks of {self.size} total bytes."
        if self.is_recovered:
            return f"Slow Consumer Recovered: Flush took {self.took_ns / NS_PER_S:.3f}s {waited}"
        state, deadline = (
            "State" if self.is_again else "Detected",
            format_duration(self.deadline_ns),
        )
        return f"Slow Consumer {state}: WriteDeadline of {deadline} exceeded {waited}"


class Backlog:
    """Bytes in order, written one after the other: what waits when one is over is the next.

    The owner asks `late` when a deadline comes, and `renew` once all of a write `is_taken`.
    """

    __slots__ = (
        "_chunks",
        "_clock",
        "_head_sent",
        "_mark_bytes",
        "_mark_chunks",
        "_marked_ns",
        "_on_deadline",
        "_rules",
        "_sent_bytes",
        "_sent_chunks",
        "_taken_before",
        "_taken_bytes",
        "_was_late",
        "deadline",
        "size",
    )

    def __init__(self, clock: Clock, rules: WriteRules, on_deadline: Callable[[], None]) -> None:
        self._clock = clock
        self._rules = rules
        self._on_deadline = on_deadline
        self.size = 0
        self.deadline: Timer | None = None
        self._chunks: deque[bytes | bytearray] = deque()
        self._head_sent = 0  # of the first chunk
        self._taken_bytes = 0  # by the kernel, since this object is there
        self._taken_before = 0  # the same, at the mark
        self._mark_bytes = 0  # what `_taken_bytes` must have reached when the deadline comes
        self._mark_chunks = 0  # of these bytes
        self._marked_ns = 0
        self._was_late = False
        # Of the write that began it, what the kernel took at once: it is part of what is written.
        self._sent_bytes = self._sent_chunks = 0

    def keep(self, chunks: list[bytes], sent: int) -> None:
        """Add chunks, but for the `sent` bytes at their start, which the kernel took at once."""
        kept = self._chunks
        begins = not self.size  # else the kernel was not asked
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
        if begins:
            self.mark()
        if self.deadline is None:
            self.watch()

    def fill(self, sock: socket.socket) -> None:
        """Let the kernel take what it has room for, which may be too little for it to say so: else
        a peer that takes nothing had a part taken by the next deadline, too, and the one after it.
        Raises OSError.
        """
        for _ in range(ROOM_WRITES_MAX):
            before = self.size
            self.send_to(sock)
            if self.size in {0, before}:
                return

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
        """From here on, all that waits now must be taken within the deadline: it is one write."""
        self._marked_ns = self._clock.monotonic_ns()
        self._taken_before = self._taken_bytes - self._sent_bytes
        self._mark_bytes = self._taken_bytes + self.size
        self._mark_chunks = len(self._chunks) + self._sent_chunks
        self._sent_bytes = self._sent_chunks = 0

    @property
    def is_taken(self) -> bool:
        """Whether all that waited at the mark was taken."""
        return self._taken_bytes >= self._mark_bytes

    def renew(self) -> Late | None:
        """Begin the next write: what waited at the mark was taken. Return that it was, of who was
        late before.
        """
        took_ns = max(1, self._clock.monotonic_ns() - self._marked_ns)
        size = self._mark_bytes - self._taken_before
        news = Late(0, self._mark_chunks, size, is_over=False, is_again=True, took_ns=took_ns)
        was_late, self._was_late = self._was_late, False
        self.mark()
        return news if was_late else None

    def watch(self) -> None:
        """Have the owner ask whether what waited at the mark was taken by the kernel in time."""
        left_ns = self._marked_ns + self._rules.deadline_ns - self._clock.monotonic_ns()
        self.deadline = self._clock.call_later(max(0, left_ns), self._on_deadline)

    def late(self) -> Late | None:
        """Return what waited at `mark` where its time is over and something of it still waits.

        What waits now has another deadline, unless that is the end.
        """
        rules = self._rules
        if self.is_taken or self._clock.monotonic_ns() - self._marked_ns < rules.deadline_ns:
            return None
        was_late, self._was_late = self._was_late, True
        size = self._mark_bytes - self._taken_before
        is_over = not rules.retries or self._taken_bytes == self._taken_before
        late = Late(rules.deadline_ns, self._mark_chunks, size, is_over, was_late)
        if not is_over:
            self.mark()
        return late
