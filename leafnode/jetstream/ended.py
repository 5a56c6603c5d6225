"""Which stored schedules of a stream are over because another message of their subject came.

That message may leave before the schedule does: by its time to live, or deleted. So of each such
schedule there is one bit in a record beside the consumers, staged with the message that ended it; a
record is of 1,024 sequences in a row. A bit goes when its schedule is gone: that is looked for at a
start, and of two records for each that begins. nats-server keeps in a file which schedules are not
over. Truth: docs/store.md, "Notes".
"""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING, Final

from leafnode.errors import StoreError
from leafnode.jetstream import notes

if TYPE_CHECKING:
    from collections.abc import Iterable

    from leafnode.jetstream.stream import Stream

PREFIX: Final = ".ended."  # of records' names, the first of its sequences behind it
SPAN: Final = 1024  # sequences of a record
_LOOKED_AT: Final = 2  # for each that begins: so there are not twice as many as hold schedules
# Once each had a record of its own, with its sequence behind the prefix and nothing in it.


class Ended:
    """The sequences of schedules that are stored and over."""

    __slots__ = ("_blocks", "_old", "_seen", "_stream")

    def __init__(self, stream: Stream) -> None:
        self._stream = stream
        self._blocks: dict[int, int] = {}  # bits by first sequence, longest not looked at first
        self._seen: dict[int, int] | None = None  # while the stream is read: those that are there
        self._old: list[int] = []  # that have records of their own

    def __contains__(self, seq: int) -> bool:
        return bool(self._blocks.get(seq - seq % SPAN, 0) >> seq % SPAN & 1)

    def read(self) -> None:
        """Know what is on disk."""
        self._blocks, self._seen, self._old = {}, {}, []
        for name, state in notes.kept(self._stream, PREFIX):
            seq = int(name[len(PREFIX) :])
            if state:
                _add(self._blocks, seq, int.from_bytes(state[: SPAN // 8], "little"))
            else:
                self._old.append(seq)
                _add(self._blocks, seq - seq % SPAN, 1 << seq % SPAN)

    def note(self, seq: int) -> None:
        """A message that is there was read."""
        if self._seen is not None and seq in self:
            _add(self._seen, seq - seq % SPAN, 1 << seq % SPAN)

    def add(self, seq: int) -> None:
        """Stage that a schedule is over."""
        stream = self._stream
        if stream.config.max_msgs_per_subject == 1:
            return  # it leaves with the message that ends it
        base, bit = seq - seq % SPAN, 1 << seq % SPAN
        try:
            if base not in self._blocks:
                for other in list(islice(self._blocks, _LOOKED_AT)):
                    self._look_at(other)
            self._put(base, self._blocks.get(base, 0) | bit)
            if self._seen is not None:
                _add(self._seen, base, bit)
        except StoreError as error:
            stream.trouble.note("End of a schedule not noted", error)

    def tidy(self) -> None:
        """Everything was read: stage that bits go whose schedules were not there."""
        seen, self._seen = self._seen or {}, None
        try:
            changed = {seq - seq % SPAN for seq in self._old}
            for seq in self._old:
                self._drop(seq)
            self._old = []
            for base, bits in list(self._blocks.items()):
                there = bits & seen.get(base, 0)
                if there != bits or base in changed:
                    self._put(base, there)
        except StoreError as error:
            self._stream.trouble.note("Ends of schedules not forgotten", error)

    def _look_at(self, base: int) -> None:
        """Let bits of one record go whose schedules are gone; it is the last to be looked at again.

        Raises StoreError.
        """
        bits = self._blocks[base]
        seqs = (base + place for place in range(SPAN) if bits >> place & 1)
        there = sum(1 << seq - base for seq in self._there(seqs))
        if there != bits:
            self._put(base, there)
        if there:
            self._blocks[base] = self._blocks.pop(base)

    def _there(self, seqs: Iterable[int]) -> Iterable[int]:
        store = self._stream.store
        return [seq for seq in seqs if store.subject_of(seq) is not None]

    def _put(self, base: int, bits: int) -> None:
        """Stage a record, or that it goes. Raises StoreError."""
        if not bits:
            self._drop(base)
            self._blocks.pop(base, None)
            return
        notes.put(self._stream, f"{PREFIX}{base}", bits.to_bytes(SPAN // 8, "little"))
        self._blocks[base] = bits

    def _drop(self, seq: int) -> None:
        stream, name = self._stream, f"{PREFIX}{seq}"
        if stream.root.consumer(stream.context.account.name, stream.name, name) is not None:
            notes.drop(stream, name)


def _add(blocks: dict[int, int], base: int, bits: int) -> None:
    blocks[base] = blocks.get(base, 0) | bits
