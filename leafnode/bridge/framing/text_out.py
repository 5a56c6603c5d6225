"""What a text board is to hear: answers to what it said, and messages of what it subscribed to.

Knows lines without their ends; not what they answer. Truth: docs/serial/messages.md, "Bounds and
counters".
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Final

from leafnode.bridge.framing.text_lines import sealed
from leafnode.link import verbs

if TYPE_CHECKING:
    from collections.abc import Iterator

MESSAGE: Final = b"msg "
_WHO: Final = b"hello?"
_ANSWERS_MAX: Final = 64  # lines that wait for the board to read, besides messages


class Lines:
    """They wait in their order."""

    def __init__(self) -> None:
        self._lines: deque[bytes] = deque(maxlen=_ANSWERS_MAX + verbs.MESSAGES_MAX)
        self.dropped = 0  # messages that gave way to newer ones

    def __iter__(self) -> Iterator[bytes]:
        return iter(self._lines)

    def append(self, line: bytes) -> None:
        self._lines.append(line)

    def message(self, line: bytes) -> None:
        """Add a message of MESSAGES_BYTES_MAX at most; beyond that of all, or MESSAGES_MAX, the
        oldest ones give way.
        """
        waiting = deque([one for one in self._lines if one.startswith(MESSAGE)])
        size = sum(map(len, waiting)) + len(line)
        while waiting and (len(waiting) >= verbs.MESSAGES_MAX or size > verbs.MESSAGES_BYTES_MAX):
            oldest = waiting.popleft()
            self._lines.remove(oldest)
            size -= len(oldest)
            self.dropped += 1
        self._lines.append(line)

    def ask(self) -> None:
        """Add the question who it is."""
        if _WHO not in self._lines:
            self._lines.append(_WHO)

    def begin_anew(self) -> None:
        """What it subscribed to has ended, and who it is need not be asked."""
        kept = [line for line in self._lines if line != _WHO and not line.startswith(MESSAGE)]
        self._lines.clear()
        self._lines.extend(kept)

    def taken(self, first: list[bytes], *, seals: bool | None) -> bytes:
        """Return what is sent, behind the first lines; `seals` None: without checksums, and with
        them, since nobody knows what is understood.
        """
        lines = [*first, *self._lines]
        self._lines.clear()
        bare = [] if seals else lines
        checked = [] if seals is False else map(sealed, lines)
        return b"".join([line + b"\n" for line in (*bare, *checked)])

    def clear(self) -> None:
        self._lines.clear()
