"""Who has a port: by the kernel's list of locks, by its lock file, and by who has it open.

Knows /proc below a root, which a test may replace; opens no device. What other users have open is
seen by root only. Truth: proc(5); docs/serial/tools.md, "ports".
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Final

from leafnode.bridge import uucp_lock

if TYPE_CHECKING:
    from collections.abc import Iterator

_PROCESSES_MAX: Final = 32_768
_DESCRIPTORS_MAX: Final = 4096  # of one process that are looked at
_LOCKS_BYTES_MAX: Final = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Holder:
    """A process, its name, and how it holds the port: flock, lock file or open."""

    pid: int
    name: str
    how: tuple[str, ...]


class Holders:
    """Looks once at all processes; asked for one port after the other."""

    def __init__(
        self, proc: Path = Path("/proc"), lock_directory: Path = uucp_lock.DIRECTORY
    ) -> None:
        self._proc = proc
        self._lock_directory = lock_directory
        self._locks = _locked_inodes(proc / "locks")
        self._open: dict[str, set[int]] = {}
        for pid, target in self._targets():
            self._open.setdefault(target, set()).add(pid)

    def of(self, path: str) -> list[Holder]:
        """Return who has this device, in the order of their numbers."""
        real = os.path.realpath(path)
        found: dict[int, list[str]] = {}
        for pid in self._locks.get(_identity(real), ()):
            found.setdefault(pid, []).append("flock")
        pid = uucp_lock.holder(uucp_lock.path_of(real, self._lock_directory))
        if pid and (self._proc / str(pid)).exists():
            found.setdefault(pid, []).append("lock file")
        for opener in self._open.get(real, ()):
            found.setdefault(opener, []).append("open")
        return [Holder(pid, self._name(pid), tuple(how)) for pid, how in sorted(found.items())]

    def _targets(self) -> Iterator[tuple[int, str]]:
        with os.scandir(self._proc) as entries:
            numbers = [entry.name for entry in islice(entries, _PROCESSES_MAX)]
        for number in filter(str.isdigit, numbers):
            try:
                with os.scandir(self._proc / number / "fd") as entries:
                    paths = [entry.path for entry in islice(entries, _DESCRIPTORS_MAX)]
            except OSError:  # another user's, or it has ended
                continue
            for path in paths:
                try:
                    target = os.readlink(path)  # noqa: PTH115 -- thousands of them
                except OSError:  # closed just now
                    continue
                if target.startswith("/dev/"):
                    yield int(number), target

    def _name(self, pid: int) -> str:
        try:
            return (self._proc / str(pid) / "comm").read_text(errors="replace").strip()
        except OSError:
            return ""


def _identity(path: str) -> tuple[int, int, int] | None:
    """Return how /proc/locks names a file: device numbers and inode."""
    try:
        status = Path(path).stat()
    except OSError:
        return None
    return os.major(status.st_dev), os.minor(status.st_dev), status.st_ino


def _locked_inodes(path: Path) -> dict[tuple[int, int, int] | None, list[int]]:
    """Return the processes that hold flocks, by the file's identity."""
    found: dict[tuple[int, int, int] | None, list[int]] = {}
    try:
        with path.open("rb") as file:
            lines = file.read(_LOCKS_BYTES_MAX).decode("ascii", "replace").splitlines()
    except OSError:
        return found
    for line in lines:
        words = line.split()
        if len(words) < 8 or words[1] != "FLOCK":
            continue
        parts = words[5].split(":")
        try:
            pid = int(words[4])
            identity = (int(parts[0], 16), int(parts[1], 16), int(parts[2]))
        except (ValueError, IndexError):
            continue
        if pid > 0:
            found.setdefault(identity, []).append(pid)
    return found
