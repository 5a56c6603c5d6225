"""Messages that were asked for one by one, in memory: keys that are read again and again.

Beside the tail, which has the newest. Only what was read from disk comes in, and what a commit
removes goes with it: nothing is in here that a reader of the disk would not get. One budget for the
whole store, the least recently used goes first. Knows messages; not SQL or what is staged.
Truth: docs/store.md, "Reads".
"""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING

from leafnode.store.tail import ROW_OVERHEAD_BYTES

if TYPE_CHECKING:
    from collections.abc import Iterable

    from leafnode.store.api import StoredMsg


class HotBudget:
    """The bound over what all streams keep, and how often it helped."""

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._held: OrderedDict[tuple[Hot, int], StoredMsg] = OrderedDict()
        self.bytes = 0
        self.hits = 0

    def use(self, key: tuple[Hot, int]) -> StoredMsg | None:
        message = self._held.get(key)
        if message is not None:
            self._held.move_to_end(key)
            self.hits += 1
        return message

    def add(self, key: tuple[Hot, int], message: StoredMsg) -> None:
        self.drop(key)
        self._held[key] = message
        self.bytes += _size(message)
        while self.bytes > self._max_bytes:
            self.drop(next(iter(self._held)))

    def drop(self, key: tuple[Hot, int]) -> None:
        message = self._held.pop(key, None)
        if message is not None:
            key[0].seqs.discard(key[1])
            self.bytes -= _size(message)


class Hot:
    """What one stream keeps. What is before its first sequence is not asked for, and goes last."""

    __slots__ = ("_awaited", "_budget", "seqs")

    def __init__(self, budget: HotBudget) -> None:
        self._budget = budget
        self.seqs: set[int] = set()
        self._awaited: set[int] = set()  # being read, and there as far as is known

    def get(self, seq: int) -> StoredMsg | None:
        return self._budget.use((self, seq)) if seq in self.seqs else None

    def await_one(self, seq: int) -> None:
        """Somebody reads this message: keep it, unless it is removed meanwhile."""
        self._awaited.add(seq)

    def arrived(self, seq: int, message: StoredMsg | None) -> None:
        """This is what the disk had when it was looked at."""
        if seq in self._awaited:
            self._awaited.discard(seq)
            if message is not None:
                self.seqs.add(seq)
                self._budget.add((self, seq), message)

    def discard(self, seqs: Iterable[int]) -> None:
        """These are removed for good."""
        if self._awaited:
            self._awaited.difference_update(seqs)
        for seq in self.seqs.intersection(seqs) if self.seqs else ():
            self._budget.drop((self, seq))

    def clear(self) -> None:
        """Nothing that is held or on its way is certain any more."""
        self._awaited.clear()
        for seq in list(self.seqs):
            self._budget.drop((self, seq))


def _size(message: StoredMsg) -> int:
    return len(message.body) + len(message.subject) + ROW_OVERHEAD_BYTES
