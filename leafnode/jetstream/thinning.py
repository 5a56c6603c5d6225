"""Takes the oldest messages of subjects away, one by one: a slice per turn of the loop.

A purge and the limits of subjects do the same with another question of what goes. Knows subjects
and a store; not streams, limits or clocks. Truth: nats-server 2.15.1 server/filestore.go (PurgeEx,
enforcePerSubjectLimit).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from leafnode import limits

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from leafnode.store.api import StreamStore, SubjectState


_SEQS_A_UNIT: Final = 4096  # between two messages of a subject: to look through them costs as much


class Thinning:
    """The subjects that are still to be looked at. `removed`: how many messages went, `newest`: the
    last one, its sequence and subject; `taken`: those that the last `take` took.
    """

    __slots__ = ("_at", "_late", "_names", "newest", "removed", "taken")

    def __init__(self) -> None:
        self._names: Iterator[bytes] = iter(())
        self._at: bytes | None = None  # the one that is being looked at
        self._late: dict[bytes, None] = {}  # each once: no more than the stream has
        self.removed = 0
        self.newest = (0, b"")
        self.taken: list[int] = []

    def begin(self, names: Iterable[bytes]) -> None:
        """Look at these, and no longer at those of before."""
        self._names = iter(names)
        self._at = None

    def also(self, name: bytes) -> None:
        """Look at this one, too, be it for the second time."""
        self._late[name] = None

    @property
    def late(self) -> Mapping[bytes, None]:
        """Those that are to be looked at and that `also` was told of."""
        return self._late

    def clear(self) -> None:
        """Look at nothing more."""
        self.begin(())
        self._late.clear()

    def take(self, store: StreamStore, excess: Callable[[SubjectState], int], budget: int) -> int:
        """Remove as many messages of each subject as `excess` says, at most, asked again after
        each but the last; and no more than the budget has.

        Returns what is left of it; nothing where there may be more to do. Raises StoreError.
        """
        self.taken = []
        places: set[int] = set()  # parts of the stream that were read in
        missed = 0  # and that had none
        while (subject := self._next()) is not None:
            before = budget
            left = was_first = 0
            while budget and left != 1:
                if not store.approach(subject):
                    missed += 1
                    if missed + len(places) > limits.PURGE_TURN_PLACES:
                        return 0
                    continue
                if (state := store.subject_state(subject)) is None:
                    break
                if was_first:  # what lies between was looked through
                    budget = max(1, budget - (state.first_seq - was_first) // _SEQS_A_UNIT)
                was_first = state.first_seq
                left = excess(state)
                if not left:
                    break
                places.add(state.first_seq // limits.SEGMENT_ROWS_MAX)
                if missed + len(places) > limits.PURGE_TURN_PLACES:
                    return 0
                self.removed += store.remove([state.first_seq])
                self.newest = state.first_seq, subject
                self.taken.append(state.first_seq)
                budget -= 1
            if not budget:
                return 0
            self._at = None
            budget = min(budget, before - 1)  # to look costs, too
            if not budget:
                return 0
        return budget

    def _next(self) -> bytes | None:
        if self._at is None:
            self._at = next(self._names, None)
            if self._at is None and self._late:
                self._at = self._late.popitem()[0]
        return self._at
