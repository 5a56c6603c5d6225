"""What a work queue holds after any operations: a message goes when its consumer is done with it.

Knows the rules in words, nothing of the implementation.
"""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass
class WorkQueue:
    """A stream whose consumers want different subjects; each begins with what is there."""

    messages: dict[int, tuple[str, bytes]] = field(default_factory=dict)
    last_seq: int = 0
    filters: dict[str, str] = field(default_factory=dict)  # consumer: its subject
    delivered: dict[str, int] = field(default_factory=dict)
    pending: dict[str, list[int]] = field(default_factory=dict)

    def put(self, subject: str, payload: bytes) -> int:
        self.last_seq += 1
        self.messages[self.last_seq] = subject, payload
        return self.last_seq

    def create(self, name: str, subject: str) -> None:
        self.filters[name] = subject
        self.delivered[name] = 0
        self.pending[name] = []

    def next(self, name: str) -> int | None:
        """Deliver the next message to a consumer; return its sequence."""
        for seq in self._left(name):
            self.delivered[name] = seq
            self.pending[name].append(seq)
            return seq
        return None

    def left(self, name: str) -> int:
        """How many messages were not delivered to a consumer yet."""
        return len(self._left(name))

    def _left(self, name: str) -> list[int]:
        wanted = self.filters[name]
        found = [seq for seq, (subject, _) in sorted(self.messages.items()) if subject == wanted]
        return [seq for seq in found if seq > self.delivered[name]]

    def done(self, name: str, seq: int) -> None:
        """It is acknowledged, or given up."""
        self.pending[name].remove(seq)
        del self.messages[seq]

    def remove(self, seq: int) -> bool:
        for pending in self.pending.values():
            if seq in pending:
                pending.remove(seq)
        return self.messages.pop(seq, None) is not None

    def purge(self) -> int:
        gone = list(self.messages)
        for seq in gone:
            self.remove(seq)
        return len(gone)

    def delete(self, name: str) -> None:
        """What it had not acknowledged stays, for whoever comes after it."""
        del self.filters[name], self.delivered[name], self.pending[name]
