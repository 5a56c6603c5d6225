"""What an account maps is interest: leaf links are to bring it. Counted, and freed, in turns.

Knows sources and who counts them; not where they lead. Thousands took 11 ms of one turn, to find
out which are new alone, and as long to free.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from leafnode.limits import MAPPED_WORK, TURN_WORK

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from leafnode.routing.mapping import Mappings
    from leafnode.routing.peer import Outbox


class MappedInterest:
    """The sources that count; of several mappings in between those of the last one."""

    __slots__ = ("_change", "_counted", "_freed", "_is_due", "_outbox", "_steps")

    def __init__(self, outbox: Outbox, change: Callable[[bytes, int], None]) -> None:
        """`change` counts one more, or one less, who wants a subject."""
        self._outbox = outbox
        self._change = change
        self._counted: set[bytes] = set()
        self._steps: Iterator[None] = iter(())
        self._freed: list[Iterator[None]] = []  # mappings that nobody goes by any more
        self._is_due = False

    def follow(self, mappings: Mappings | None, before: Mappings | None) -> None:
        """Count what these map from one of the next turns on, and free those before."""
        if before is not None:
            self._freed.append(before.let_go())
        self._steps = self._counting(mappings)
        if not self._is_due:
            self._is_due = True
            self._outbox.end_later(self._go_on)

    def _counting(self, mappings: Mappings | None) -> Iterator[None]:
        wanted = set[bytes]()
        for source in mappings.sources() if mappings is not None else ():
            wanted.add(source)
            if source not in self._counted:
                self._counted.add(source)
                self._change(source, 1)
            yield
        for source in list(self._counted):
            if source not in wanted:
                self._counted.remove(source)
                self._change(source, -1)
            yield

    def _go_on(self) -> None:
        outbox = self._outbox
        until = outbox.work_left - TURN_WORK
        self._is_due = False
        for _ in self._all():
            outbox.work_left -= MAPPED_WORK
            if outbox.work_left <= until:
                self._is_due = True
                outbox.end_later(self._go_on)
                return

    def _all(self) -> Iterator[None]:
        # No `yield from`: whoever stops in between would end these, too.
        for _ in self._steps:
            yield
        while self._freed:
            for _ in self._freed[-1]:
                yield
            self._freed.pop()
