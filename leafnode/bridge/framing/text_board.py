"""Who is believed on a line of the text dialect: a board that checks, and one that says it again.

Knows lines and how often they came; not numbers' meaning, nor what becomes of a line. Truth:
docs/device-link.md, "The text dialect".
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from leafnode.bridge.framing.text_lines import KNOWN_BY_BYTES
from leafnode.bridge.known import remember
from leafnode.bridge.port_bounds import TEXT_BOARDS_MAX

if TYPE_CHECKING:
    from leafnode.bridge.framing.text_lines import Line, Passed

_BARE_HELLOS: Final = 3  # in a row, of a board without checksums where one with them was
_SURE_LINES: Final = 2  # with a right checksum, which what is lost of a line may leave as it was
_BARE_LINES: Final = 3  # in a row, of one that says no hello where one with checksums was
_SAME_LINES: Final = 3  # that can be no reading: it is not the wire, the board means them so


class Checks:
    """Whether the board that is there checks its lines.

    One that once said its lines are checked says none that is not. Its hello with a damaged `*`
    would end that. Another board, without checksums, says the same hello until it is answered, and
    no line with one. One that says no hello is there when the port was opened anew, and nobody said
    one since.
    """

    def __init__(self) -> None:
        self.is_on = False  # its hello had a checksum, so all lines have
        self._doubted: tuple[bytes, int] = (b"", 0)  # a hello without one, and how often it came
        self._bare = 0  # lines without one since the port was opened, before any name

    def opened(self) -> None:
        """Whoever is there now has said nothing yet."""
        self._bare = 0

    def believes(self, line: Line, raw: bytes, *, says_name: bool) -> bool:
        """Say whether a line is one of who is there; it `is_on` no longer where another board is.

        `says_name`: a hello came since the port was opened.
        """
        if line.is_checked or not self.is_on:
            self._doubted, self._bare = (b"", 0), 0
            return True
        if line.verb == b"hello":
            hello, times = self._doubted
            self._doubted = (raw, times + 1 if hello == raw else 1)
            return self._doubted[1] >= _BARE_HELLOS
        self._bare += not says_name
        if self._bare < _BARE_LINES:
            return False
        self.is_on = False
        return True


class Meant:
    """The last line of each board that can be no reading: one that means it so says it again."""

    def __init__(self) -> None:
        self._name = ""  # of who said hello last
        self._known: dict[str, tuple[bytes, int]] = {}  # how it begins, and how often it came

    def begin(self, name: str) -> None:
        """This board said hello."""
        self._name = name

    def has(self, raw: bytes) -> bool:
        """Say whether it was this one."""
        return raw[:KNOWN_BY_BYTES] == self._said[0]

    def is_sure(self, passed: Passed) -> bool:
        """Count one; say whether it came so often that it is as the board says it."""
        begins, times = self._said
        times = times + 1 if begins == passed.begins else 1
        remember(self._known, self._name, (passed.begins, times), most=TEXT_BOARDS_MAX)
        return times >= (_SURE_LINES if passed.is_sure() else _SAME_LINES)

    @property
    def _said(self) -> tuple[bytes, int]:
        return self._known.get(self._name, (b"", 0))
