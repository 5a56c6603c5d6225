"""When a board of the text dialect that nobody knows is asked who it is.

A gateway that begins anew is heard of by a numbered line at once; a board that says other lines,
or none and serves, would know nothing of it. Knows times; not lines. Truth: docs/device-link.md,
"The text dialect", "Hello".
"""

from __future__ import annotations

from typing import Final

_PAUSE_MS: Final = 5000  # behind a question; twice as long behind each further one
_PAUSE_MAX_MS: Final = 5 * 60_000  # who never says it, a person maybe, is not asked all the time
_UNHEARD: Final = 4  # questions to who says nothing: the wire may damage three


class Asking:
    """Of one port. Times are monotonic ms."""

    def __init__(self) -> None:
        self._due_ms = 0
        self._pause_ms = _PAUSE_MS
        self._unheard = 0  # questions that wait for no line

    def begin(self, now_ms: int) -> None:
        """Whoever is there now is to say it, also if it says nothing else."""
        self._due_ms, self._pause_ms, self._unheard = now_ms, _PAUSE_MS, _UNHEARD

    def end(self) -> None:
        """It is known. Should it be nobody again, it is asked behind its next line."""
        self._due_ms, self._pause_ms, self._unheard = 0, _PAUSE_MS, 0

    def asks(self, now_ms: int) -> bool:
        """Say whether to ask now, though no line came."""
        return self._unheard > 0 and self.asks_behind_line(now_ms)

    def asks_behind_line(self, now_ms: int) -> bool:
        """Say whether to ask now that who is unknown said a line."""
        if now_ms < self._due_ms:
            return False
        self._due_ms = now_ms + self._pause_ms
        self._pause_ms = min(2 * self._pause_ms, _PAUSE_MAX_MS)
        self._unheard = max(0, self._unheard - 1)
        return True

    def next_ms(self, now_ms: int) -> int | None:
        """Return in how long it asks though no line comes; None: it does not."""
        return max(0, self._due_ms - now_ms) if self._unheard else None
