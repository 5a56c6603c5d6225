"""The duplicate window: which `Nats-Msg-Id` a stream stored lately, and under which sequence.

Pure: time is a parameter. Bounded in ids; at the bound the oldest id is forgotten and counted.
Truth: nats-server 2.15.1 server/stream.go (checkMsgId, purgeMsgIds).
"""

from __future__ import annotations

from collections import deque


class DedupeWindow:
    """Ids of one stream. They outlive the messages they came with."""

    __slots__ = ("_by_id", "_order", "evicted", "ids_max", "window_ns")

    def __init__(self, window_ns: int, ids_max: int) -> None:
        assert ids_max > 0, "a window holds at least one id"
        self.window_ns = window_ns
        self.ids_max = ids_max
        self.evicted = 0  # ids forgotten before their time, for monitoring
        self._by_id: dict[bytes, int] = {}
        self._order: deque[tuple[int, bytes, int]] = deque()  # (time, id, seq), oldest first

    def __len__(self) -> int:
        return len(self._by_id)

    def find(self, msg_id: bytes, now_ns: int) -> int | None:
        """Return the sequence that the id was stored under within the window, or None."""
        self.expire(now_ns)
        return self._by_id.get(msg_id)

    def add(self, msg_id: bytes, seq: int, now_ns: int) -> None:
        """Remember an id that was just stored. Times must not go backward."""
        if len(self._by_id) >= self.ids_max:
            self.evicted += 1
            self._forget_oldest()
        self._by_id[msg_id] = seq
        self._order.append((now_ns, msg_id, seq))

    def expire(self, now_ns: int) -> None:
        """Forget what is older than the window."""
        order = self._order
        while order and order[0][0] + self.window_ns <= now_ns:
            self._forget_oldest()

    def forget_above(self, seq: int) -> tuple[int, bytes] | None:
        """Forget the ids of messages that were never committed; return (sequence, id) of the
        newest that is left.
        """
        while self._order and self._order[-1][2] > seq:
            _, msg_id, last = self._order.pop()
            if self._by_id.get(msg_id) == last:
                del self._by_id[msg_id]
        return (self._order[-1][2], self._order[-1][1]) if self._order else None

    def _forget_oldest(self) -> None:
        while self._order:
            _, msg_id, seq = self._order.popleft()
            if self._by_id.get(msg_id) == seq:
                del self._by_id[msg_id]
                return
