"""Which stored schedules of a stream are over because another message of their subject came.

That message may leave before the schedule does: by its time to live, or deleted. So each such
schedule has a record beside the consumers, staged with the message that ended it. A record goes
when its schedule is gone: that is looked for at a start, and at the bound, where the oldest goes
otherwise. nats-server keeps in a file which schedules are not over. Truth: docs/store.md, "Notes".
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from leafnode import limits
from leafnode.errors import StoreError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from leafnode.jetstream.stream import Stream

PREFIX: Final = ".ended."  # of records' names, a sequence behind it


class Ended:
    """The sequences of schedules that are stored and over."""

    __slots__ = ("_seqs", "_stream", "dropped")

    def __init__(self, stream: Stream) -> None:
        self._stream = stream
        self._seqs: dict[int, None] = {}
        self.dropped = 0  # at the bound: what ended those is known by that message alone

    def __contains__(self, seq: int) -> bool:
        return seq in self._seqs

    def read(self) -> None:
        """Know what is on disk."""
        stream = self._stream
        names = [one.name for one in stream.root.consumers(*self._key())]
        seqs = sorted(int(name[len(PREFIX) :]) for name in names if name.startswith(PREFIX))
        self._seqs = dict.fromkeys(seqs)

    def add(self, seq: int) -> None:
        """Stage that a schedule is over."""
        stream = self._stream
        if stream.config.max_msgs_per_subject == 1:
            return  # it leaves with the message that ends it
        if len(self._seqs) >= limits.SCHEDULES_ENDED_MAX:
            self.tidy()
        try:
            if len(self._seqs) >= limits.SCHEDULES_ENDED_MAX:
                self._drop([next(iter(self._seqs))])
                self.dropped += 1
            stream.root.put_consumer(*self._key(), f"{PREFIX}{seq}", stream.created_ns, b"{}", b"")
            self._seqs[seq] = None
        except StoreError as error:
            stream.trouble.note("End of a schedule not noted", error)

    def tidy(self) -> None:
        """Stage that records of schedules that are gone go, too."""
        store = self._stream.store
        try:
            self._drop([seq for seq in self._seqs if store.subject_of(seq) is None])
        except StoreError as error:
            self._stream.trouble.note("Ends of schedules not forgotten", error)

    def _drop(self, seqs: Iterable[int]) -> None:
        for seq in seqs:
            self._stream.root.delete_consumer(*self._key(), f"{PREFIX}{seq}")
            del self._seqs[seq]

    def _key(self) -> tuple[str, str]:
        return self._stream.context.account.name, self._stream.name
