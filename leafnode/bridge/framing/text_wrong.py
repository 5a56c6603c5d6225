"""Why a line of the text dialect is not taken: one cause each, for people and for counters.

Knows words and numbers; not lines. What is no line of the dialect at all is noise, and no error.
Truth: docs/device-link.md, "The text dialect".
"""

from __future__ import annotations

from enum import Enum


class Wrong(Enum):
    """A cause; what it says is told of the line, and never repeats what stood in it."""

    NOISE = "is no line of the text dialect"
    CONTROL = "has a control character"
    CHECKSUM = "has a wrong checksum"
    UNCHECKED = "has no checksum, and the hello of the board had one"
    NUMBER = "has a number that is not 1 to 1073741823 before pt or pub"
    WORDS = "has too few words, or two blanks between them"
    HELLO = "says hello with a name or boot number that cannot be"
    NAME = "says hello by a name that is not for this port"
    SUBJECT = "has a subject that cannot be"
    VALUE = "has no number behind its subject"
    UNIT = "has a unit that is not 1 to 16 printable characters of ASCII, without blanks"
    REQUEST = "has a request or timeout that is no number, or a request that is open"
    TORN = "has another line in it, as one has behind a torn line"
    DOUBTED = "has a number far from the last one known of its board: the next time it is taken"
    LONG = "is longer than max_frame"


class WrongLines:
    """How many lines were not taken, by cause; noise is not counted in lines."""

    def __init__(self) -> None:
        self._count = dict.fromkeys(Wrong, 0)
        del self._count[Wrong.NOISE]

    def count(self, wrong: Wrong) -> None:
        self._count[wrong] += 1

    def counts(self) -> dict[str, int]:
        """Return the counters by lower-case name."""
        return {wrong.name.lower(): count for wrong, count in self._count.items()}

    @property
    def bad(self) -> int:
        """All but those that are too long, which have a counter of all framings, and those that
        are in doubt, which are lines as they should be.
        """
        return sum(self._count.values()) - self.overlong - self._count[Wrong.DOUBTED]

    @property
    def overlong(self) -> int:
        return self._count[Wrong.LONG]
