"""A log file that is opened anew on request and set aside when it has grown too large.

What is set aside is called `<file>.YYYY.MM.DD.hh.mm.ss.nnnnnnnnn`; the oldest are removed where a
maximum was given. Knows no levels and no forms. Truth: nats-server 2.15.1 logger/log.go.
"""

from __future__ import annotations

import contextlib
import logging
import os
import re
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable

_NS_PER_S: Final = 1_000_000_000
_STAMP: Final = re.compile(r"\d{4}(\.\d\d){5}\.\d{9}", re.ASCII)


class LogFile(logging.Handler):
    """Writes lines to one file. Raises OSError when it cannot be opened at first."""

    def __init__(
        self, path: str, *, size_limit_bytes: int, max_files: int, wall_ns: Callable[[], int]
    ) -> None:
        super().__init__()
        self._path = Path(path)
        self._size_limit_bytes = size_limit_bytes
        self._limit_bytes = size_limit_bytes  # doubled while setting the file aside fails
        self._max_files = max_files
        self._wall_ns = wall_ns
        self._lost = 0  # lines, since one was written last
        self._open()

    def _open(self) -> None:
        self._file = open(self._path, "ab", buffering=0, opener=_private)  # noqa: SIM115
        self._size_bytes = os.fstat(self._file.fileno()).st_size

    def emit(self, record: logging.LogRecord) -> None:
        """Write one line, and set the file aside behind it when it is full.

        While lines cannot be written the first of them goes to standard error, the others are
        counted, and how many they were stands before the next that is written.
        """
        try:
            if self._lost:
                self._say(record, f"Lines that could not be written here: {self._lost}")
                self._lost = 0
            self._write(record)
        except Exception:  # noqa: BLE001 -- boundary: a log that cannot be written ends nothing
            self._lost += 1
            if self._lost == 1:
                self.handleError(record)
            return
        try:
            if 0 < self._limit_bytes < self._size_bytes:
                self._rotate(record)
        except Exception:  # noqa: BLE001 -- boundary: as above
            self.handleError(record)

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 -- logging's name
        """Say on standard error, in one line, what went wrong, and with which line."""
        problem = sys.exc_info()[1]
        with contextlib.suppress(OSError, ValueError):
            sys.stderr.write(f"{self._path}: {problem}: {record.getMessage()}\n")

    def reopen(self) -> None:
        """Go on in a new file of the same name: somebody else moved the old one away."""
        with self.lock or contextlib.nullcontext():
            old = self._file
            self._open()
            old.close()

    def close(self) -> None:
        self._file.close()
        super().close()

    def _write(self, record: logging.LogRecord) -> None:
        line = self.format(record).encode("utf-8", "replace") + b"\n"
        self._file.write(line)
        self._size_bytes += len(line)

    def _rotate(self, record: logging.LogRecord) -> None:
        aside = self._path.with_name(f"{self._path.name}.{_stamp(self._wall_ns())}")
        try:
            is_aside = self._begin_anew(aside)
        except OSError:
            self._limit_bytes *= 2  # the next attempt comes later, not with every line
            raise
        self._limit_bytes = self._size_limit_bytes
        if is_aside:
            self._say(record, f'Rotated log, backup saved as "{aside}"')
        for path in self._too_many():
            path.unlink(missing_ok=True)
            self._say(record, f'Purged log file "{path.name}"')

    def _begin_anew(self, aside: Path) -> bool:
        """Go on in a new file; say whether the old one is at `aside`, or has no name to give up.

        Raises OSError; then the old one is written on under the name that it had.
        """
        try:
            self._path.rename(aside)
        except FileNotFoundError:
            self.reopen()
            return False
        try:
            self.reopen()
        except OSError:
            aside.rename(self._path)
            raise
        return True

    def _too_many(self) -> list[Path]:
        if not self._max_files:
            return []
        head = self._path.name + "."
        kept = sorted(
            path
            for path in self._path.parent.iterdir()
            if path.name.startswith(head) and _STAMP.fullmatch(path.name[len(head) :])
        )
        return kept[: max(0, len(kept) - (self._max_files - 1))]

    def _say(self, like: logging.LogRecord, text: str) -> None:
        """Write a line of our own, past the check that called us."""
        values = (like.name, logging.INFO, like.pathname, like.lineno, text, (), None)
        self._write(logging.LogRecord(*values))


def _private(path: str, flags: int) -> int:
    """Open a file that not everybody may read: with `trace` it holds payloads."""
    return os.open(path, flags, 0o640)


def _stamp(wall_ns: int) -> str:
    seconds, fraction_ns = divmod(wall_ns, _NS_PER_S)
    return f"{time.strftime('%Y.%m.%d.%H.%M.%S', time.localtime(seconds))}.{fraction_ns:09d}"
