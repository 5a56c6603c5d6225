"""What the last try to store a reading brought: by that one queue waits for another, or does not.

Knows streams by name, and times; not readings. Truth: docs/serial/ports.md, "Losing a port".
"""

from __future__ import annotations


class LastTry:
    """Of one queue. Times are monotonic ns."""

    def __init__(self) -> None:
        self._is_heard = True  # a stream answered, if only with an error; or nothing was tried yet
        self._refused_by: str | None = None  # the stream that did
        self._refused_ns = 0

    def unheard(self) -> None:
        """No stream answered."""
        self._is_heard = False

    def heard(self) -> None:
        """A stream answered."""
        self._is_heard, self._refused_by = True, None

    def refused(self, stream: str, now_ns: int) -> None:
        """It answered with an error."""
        self._is_heard, self._refused_by, self._refused_ns = True, stream, now_ns

    def holds_up(self, newer: LastTry) -> bool:
        """Say whether what is newer waits: a stream is there, and takes what is older first.

        One that refuses what is older holds up only what it refuses, too: then order counts. It may
        do so no longer once it has refused what is older again.
        """
        if not self._is_heard:
            return False
        if self._refused_by is None:
            return True
        return self._refused_by == newer._refused_by and self._refused_ns <= newer._refused_ns
