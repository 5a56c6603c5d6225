"""The wall time that was last believed, and what is doubted since, in a file beside the store, so
that a start can judge its own clock.

Knows one file; not what is decided by it. Its methods wait for the disk.
Truth: docs/store.md, "The file".
"""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING, Final

from leafnode.durable import sync_directory
from leafnode.jetstream.trusted_time import Doubt, Noted

if TYPE_CHECKING:
    from pathlib import Path

FILE_NAME: Final = "leafnode.clock"
DIGITS_MAX: Final = 19  # of nanoseconds since 1970, in 63 bits
NUMBERS_MAX: Final = 3


class ClockStamp:
    """Times in nanoseconds, as decimal digits: since 1970 what was believed; and while another is
    in doubt, that one and for how long it was waited.
    """

    def __init__(self, directory: Path) -> None:
        self._path = directory / FILE_NAME

    def read(self) -> Noted | None:
        """Return them; None where there is no file of them: then nothing is known."""
        try:
            text = self._text()
        except OSError:
            return None
        match [int(one) for one in text.split(b" ") if one.isdigit() and len(one) <= DIGITS_MAX]:
            case [believed_ns] if b" " not in text:
                return Noted(believed_ns)
            case [believed_ns, wall_ns, waited_ns] if text.count(b" ") == NUMBERS_MAX - 1:
                return Noted(believed_ns, Doubt(wall_ns, waited_ns))
        return None

    def write(self, noted: Noted) -> None:
        """Replace them, on disk when this returns. Raises OSError."""
        new = self._path.with_name(FILE_NAME + ".new")
        new.unlink(missing_ok=True)  # whatever it is: a pipe would be waited for
        flags = os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_NOFOLLOW | os.O_CLOEXEC
        numbers = [noted.believed_ns]
        if noted.doubt is not None:
            numbers += [noted.doubt.wall_ns, noted.doubt.waited_ns]
        with os.fdopen(os.open(new, flags, 0o600), "wb") as file:
            file.write(b" ".join(b"%d" % one for one in numbers))
            file.flush()
            os.fsync(file.fileno())
        new.replace(self._path)
        sync_directory(self._path.parent)

    def _text(self) -> bytes:
        """Return what is in the file. Raises OSError; a pipe has nothing, and is not waited for."""
        flags = os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY
        with os.fdopen(os.open(self._path, flags), "rb") as file:
            if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                return b""
            return file.read(NUMBERS_MAX * (DIGITS_MAX + 1))
