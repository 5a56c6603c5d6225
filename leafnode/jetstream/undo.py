"""Ways back from changes that are staged: memory undoes them where their COMMIT fails.

What a request changes is seen at once, and answered when it is on disk. When that fails the answer
is an error, and then nothing may be different: whoever changes streams, consumers or positions
leaves here what puts them back. A failed commit takes all with it that was staged behind it, so all
ways back are gone together, the newest first. One for each store of an account; no longer than what
waits for one COMMIT. Knows callbacks; not what they do. Truth: docs/store.md, rule 8 and "Read
anew".
"""

from __future__ import annotations

from collections import deque
from contextlib import ExitStack
from functools import partial
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from leafnode.errors import StoreError
    from leafnode.store.api import Store


class Undo:
    """The ways back of one store."""

    __slots__ = ("_back", "_root", "_round")

    def __init__(self, root: Store) -> None:
        self._root = root
        self._back: deque[Callable[[], None]] = deque()  # the oldest first
        self._round = 0  # of those that were staged since the last failure

    def stage(self, back: Callable[[], None], done: Callable[[], None] | None = None) -> None:
        """A change was staged just now. `back` puts memory back to where it was, and stages nothing
        itself; `done` is called when the change is on disk.
        """
        self._back.append(back)
        self._root.after_commit(partial(self._settled, self._round, done))

    def take(self) -> None:
        """Nothing of what was staged will ever be on disk: go back to before all of it."""
        self._round += 1
        undone, self._back = self._back, deque()
        with ExitStack() as stack:  # the last one first, and each, though one should raise
            for back in undone:
                stack.callback(back)

    def _settled(
        self, of_round: int, done: Callable[[], None] | None, error: StoreError | None
    ) -> None:
        if of_round != self._round:
            return  # it was undone when the store was read again
        if error is not None:
            self.take()
            return
        self._back.popleft()
        if done is not None:
            done()
