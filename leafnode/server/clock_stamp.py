"""The wall time that was last believed, in a file beside the store, so that a start can judge its
own clock.

Knows one file; not what is decided by it. Its methods wait for the disk.
Truth: docs/store.md, "The file".
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Final

from leafnode.durable import sync_directory

if TYPE_CHECKING:
    from pathlib import Path

FILE_NAME: Final = "leafnode.clock"
DIGITS_MAX: Final = 19  # of nanoseconds since 1970, in 63 bits


class ClockStamp:
    """One time in nanoseconds since 1970, as decimal digits."""

    def __init__(self, directory: Path) -> None:
        self._path = directory / FILE_NAME

    def read(self) -> int | None:
        """Return it; None where there is none, or no time: then nothing is known."""
        try:
            with self._path.open("rb") as file:
                text = file.read(DIGITS_MAX + 1)
        except OSError:
            return None
        return int(text) if text.isdigit() and len(text) <= DIGITS_MAX else None

    def write(self, wall_ns: int) -> None:
        """Replace it, on disk when this returns. Raises OSError."""
        new = self._path.with_name(FILE_NAME + ".new")
        flags = os.O_CREAT | os.O_TRUNC | os.O_WRONLY | os.O_NOFOLLOW | os.O_CLOEXEC
        with os.fdopen(os.open(new, flags, 0o600), "wb") as file:
            file.write(b"%d" % wall_ns)
            file.flush()
            os.fsync(file.fileno())
        new.replace(self._path)
        sync_directory(self._path.parent)
