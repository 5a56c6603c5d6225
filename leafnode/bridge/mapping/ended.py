"""Windows that ended together, on their way to messages: made one by one, handed over together.

Knows what was gathered, messages and a receipt; not turns, the queue, and how a message is built.
Truth: docs/serial/mapping.md, "Gathering".
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

from leafnode.bridge.publication import nothing

if TYPE_CHECKING:
    from leafnode.bridge.mapping.windows import Gathered
    from leafnode.bridge.publication import Publication
    from leafnode.bridge.reading import Life, Reading


class Ended:
    """The windows of one end. What a board keeps comes last, so the last message speaks for all.

    `through`: the reading that is in the queue before them. `kept`: the last one of them, or of
    what came behind them, that its board keeps.
    """

    def __init__(self, gathered: list[Gathered], through: bytes, kept: Reading | None) -> None:
        self.through = through
        self.kept = kept
        self._left = deque(gathered)
        self._made: list[Publication] = []

    @property
    def is_made(self) -> bool:
        return not self._left

    def take(self) -> tuple[Gathered, bool]:
        """Return the next one, and whether its message is the one that speaks for all."""
        one = self._left.popleft()
        return one, one.is_kept and not self._left

    def add(self, message: Publication) -> None:
        """Have its message, unless it could not be made."""
        self._made.append(message)

    def drop(self, life: Life) -> None:
        """Forget what this life of a board says again."""
        self.through = b""
        self._left = deque(one for one in self._left if one.reading.life != life)
        self._made = [
            message._replace(through=b"") for message in self._made if message.life != life
        ]
        if self.kept is not None and self.kept.life == life:
            self.kept = None

    def messages(self) -> list[Publication]:
        """Return all, in order; the last that the same board keeps has the receipt. Where there is
        none, an empty one behind them has it.
        """
        if self.kept is None or self.kept.receipt is None:
            return self._made
        if self._made and self._made[-1].life == self.kept.life:
            self._made[-1] = self._made[-1]._replace(receipt=self.kept.receipt)
        else:
            self._made.append(nothing(self.kept.receipt, self.kept.life))
        return self._made
