"""The numbers of one board's lines in the text dialect: which is new, and what the board is told.

Knows numbers; not lines, and not what becomes of them. Truth: docs/device-link.md, "The text
dialect", "Numbers".
"""

from __future__ import annotations

from enum import Enum, auto
from typing import Final

from leafnode.bridge.known import remember
from leafnode.bridge.port_bounds import TEXT_BOARDS_MAX

_REPEATED_MAX: Final = 8  # lines back that a board may repeat; further back it has started anew
_AHEAD_MAX: Final = 8  # numbers that a board may leave out and be believed at once


class Seq(Enum):
    """What a number is."""

    NEW = auto()
    AGAIN = auto()  # it was taken before; the board is told once more
    # So far ahead that the wire may have made it: the board says it, or a newer one, again.
    DOUBTED = auto()
    FAR = auto()  # so far behind that another life of the board must have said it


class Numbers:
    """Of the board that is there. `missing`: numbers that it left out, of all boards.

    With `gathers` a board that gives its boot a number is told `got` of what is taken and is stored
    later, so that it may go on meanwhile.
    """

    def __init__(self, *, gathers: bool) -> None:
        self.missing = 0
        self._gathers = gathers
        self._tells = False
        self._last = self._committed = 0
        self._doubted = 0  # the last one, 0: none; no line came between
        self._former = 0  # the last one of the same board's lives before, 0: none is known
        self._name = ""  # of who is there
        self._known: dict[str, tuple[int, int]] = {}  # by name: the last one, the last doubted one
        self._is_resumed = False  # it says again what it keeps, however far back that is
        self._ok_due = self._got_due = False

    def begin(self, *, has_boot: bool, name: str = "") -> None:
        """Another board is there, or another life of one that was: its numbers may go on, as one
        that sleeps says hello before each line, and others do between. "": it says no name.
        """
        if self._name:
            noted = self._last or self._former, self._doubted
            remember(self._known, self._name, noted, most=TEXT_BOARDS_MAX)
        self._name = name
        self._former, self._doubted = self._known.get(name, (0, 0))
        self._last = self._committed = 0
        self._is_resumed = self._ok_due = self._got_due = False
        self._tells = self._gathers and has_boot

    def forget(self, name: str) -> None:
        """Its numbers go on elsewhere."""
        self._known.pop(name, None)

    def resume(self) -> None:
        """The same life of the same board said hello again."""
        self._is_resumed = True

    def judge(self, seq: int) -> Seq:
        """Say what a number is. One that is new counts as taken from now on."""
        if self._is_far_ahead(seq) and not 0 < self._doubted <= seq:
            self._doubted = seq
            return Seq.DOUBTED
        self._doubted = 0
        if seq > self._last:
            self.missing += seq - self._last - 1 if self._last else 0
            self._last = seq
            self._is_resumed = False
            self._got_due = self._tells
            return Seq.NEW
        if seq + _REPEATED_MAX <= self._last and not self._is_resumed:
            return Seq.FAR
        self._ok_due |= self._committed >= seq
        self._got_due = self._tells
        return Seq.AGAIN

    def _is_far_ahead(self, seq: int) -> bool:
        """Say whether it may be damage that no sum shows: what follows would be taken as known."""
        if not self._last and -_REPEATED_MAX < seq - self._former <= _AHEAD_MAX:
            return False
        return self._last < seq - _AHEAD_MAX

    def taken(self, seq: int) -> None:
        """Up to this one all waits already, whatever of it the board says again."""
        self._last = max(self._last, seq)
        self._is_resumed = True

    def untaken(self, seq: int) -> None:
        """This one was lost on its way, and those behind it: they are expected again."""
        self._last = min(self._last, seq - 1)
        self._got_due = False

    def committed(self, seq: int) -> None:
        self._committed = max(self._committed, seq)
        self._last = max(self._last, seq)
        self._ok_due = True

    def owes_nothing(self) -> None:
        """Nobody is known to be there who said them."""
        self._ok_due = self._got_due = False

    def due(self) -> list[bytes]:
        """Return the lines that the board is told now."""
        lines = [b"ok %d" % self._committed] if self._ok_due else []
        if self._got_due and self._last > self._committed:
            lines.append(b"got %d" % self._last)
        self._ok_due = self._got_due = False
        return lines
