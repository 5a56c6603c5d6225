"""When the schedules of a stream that repeat are due next, once they have sent something.

What a schedule sent says so too, but that may leave before the next time: taken from a work queue,
by its time to live, purged. So the moment is in a record beside the consumers, staged with the
message that was sent; a record is of 256 sequences in a row, a page. It goes when the scheduler
forgets its schedule, and at a start where that is not there any more. nats-server keeps it in a
file. Truth: docs/store.md, "Notes".
"""

from __future__ import annotations

from struct import Struct
from typing import TYPE_CHECKING, Final

from leafnode.errors import StoreError
from leafnode.jetstream import notes

if TYPE_CHECKING:
    from collections.abc import Container

    from leafnode.jetstream.stream import Stream

PREFIX: Final = ".due."  # of records' names, the first of its sequences behind it
SPAN: Final = 256  # sequences of a record
_ENTRY: Final = Struct("<Hq")  # place in the record's sequences; wall time


class Repeats:
    """The sequences of stored schedules that were sent and will be again, with the next time."""

    __slots__ = ("_blocks", "_stream")

    def __init__(self, stream: Stream) -> None:
        self._stream = stream
        self._blocks: dict[int, dict[int, int]] = {}  # by first sequence, by sequence

    def read(self) -> None:
        """Know what is on disk."""
        self._blocks = {}
        for name, state in notes.kept(self._stream, PREFIX):
            base = int(name[len(PREFIX) :])
            entries = _ENTRY.iter_unpack(state)
            self._blocks[base] = {base + place: due_ns for place, due_ns in entries}

    def due_ns(self, seq: int) -> int:
        """Return when a schedule is due; 0 where it has sent nothing yet."""
        return self._blocks.get(seq - seq % SPAN, {}).get(seq, 0)

    def sent(self, seq: int, next_ns: int) -> None:
        """Stage, with the message that a schedule sent, when the next one is due."""
        block = self._blocks.setdefault(seq - seq % SPAN, {})
        block[seq] = next_ns
        self._put(seq - seq % SPAN, block)

    def over(self, seq: int) -> None:
        """Stage that a schedule, if it sent anything, sends no more."""
        block = self._blocks.get(seq - seq % SPAN, {})
        if block.pop(seq, None) is not None:
            self._put(seq - seq % SPAN, block)

    def tidy(self, there: Container[int]) -> None:
        """Everything was read: stage that those go whose schedules were not there."""
        for base, block in list(self._blocks.items()):
            left = {seq: due_ns for seq, due_ns in block.items() if seq in there}
            if left != block:
                self._blocks[base] = left
                self._put(base, left)

    def _put(self, base: int, block: dict[int, int]) -> None:
        """Stage a record, or that it goes."""
        name = f"{PREFIX}{base}"
        try:
            if block:
                entries = (_ENTRY.pack(seq - base, due_ns) for seq, due_ns in block.items())
                notes.put(self._stream, name, b"".join(entries))
            else:
                del self._blocks[base]
                notes.drop(self._stream, name)
        except StoreError as problem:  # that is read again before anything else is stored
            self._stream.trouble.note("Next time of a schedule not noted", problem)
