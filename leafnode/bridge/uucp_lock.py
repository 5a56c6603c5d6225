"""The lock files of minicom, gpsd and others: LCK..ttyUSB0 with the holder's pid.

Knows the files; not ports. Who ignores them is kept out by the kernel's locks. Truth: FHS 3.0
"/var/lock"; docs/serial/ports.md, "Locks".
"""

from __future__ import annotations

import os
import threading
from contextlib import suppress
from pathlib import Path
from typing import Final

from leafnode.bridge import port_bounds
from leafnode.errors import LeafnodeError

DIRECTORY: Final = Path("/var/lock")
_guard: Final = threading.Lock()
_ours: Final[dict[Path, LockFile]] = {}  # of this process: a number of our own may be an old one's
_COMM_CHARS: Final = 15  # of a program's name that the kernel keeps


class HeldError(LeafnodeError, OSError):
    """Another process says that the port is its own."""

    def __init__(self, path: Path, pid: int) -> None:
        super().__init__(f"{path} says that process {pid} has it")
        self.pid = pid


class LockFile:
    """One lock file, which is ours."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def release(self) -> None:
        """Remove it if it is still ours. A second time it does nothing."""
        with _guard:
            if _ours.get(self._path) is not self:
                return
            if holder(self._path) == os.getpid():
                self._path.unlink(missing_ok=True)
            del _ours[self._path]


def path_of(device: str, directory: Path) -> Path:
    """Return the name of a device's lock file: LCK..ttyUSB0, LCK..pts_3."""
    return directory / f"LCK..{device.removeprefix('/dev/').strip('/').replace('/', '_')}"


def take(device: str, directory: Path = DIRECTORY) -> LockFile | None:
    """Lay the lock file; None where the directory is not ours to write in.

    Raises HeldError while a process that lives holds it.
    """
    path = path_of(device, directory)
    with _guard:
        if path in _ours:
            raise HeldError(path, os.getpid())
        if _lay(path):
            lock = _ours[path] = LockFile(path)
            return lock
    return None


def _lay(path: Path) -> bool:
    """Write the file; False where the directory is not ours. Raises HeldError."""
    mine = os.getpid()
    pid = holder(path)
    if pid and pid != mine and is_alive(pid) and _may_be_its(path, pid):
        raise HeldError(path, pid)
    fresh = path.parent / f"LTMP.leafnode.{mine}.{path.name}"
    try:
        fresh.unlink(missing_ok=True)
        with fresh.open("xb") as file:
            file.write(b"%10d %b\n" % (mine, _name_of(mine)))
        fresh.chmod(0o644)
        # What stands there now is nobody's: a link, and not a rename, so that of two who find that
        # at once only one succeeds.
        if os.path.lexists(path):
            path.unlink()
        os.link(fresh, path)
    except FileExistsError:
        raise HeldError(path, holder(path)) from None
    except OSError:  # no such directory, read-only, not ours: the kernel's locks do it alone
        return False
    finally:
        with suppress(OSError):
            fresh.unlink(missing_ok=True)
    return True


def holder(path: Path) -> int:
    """Return the pid in a lock file; 0: there is none, or no number in it."""
    data = _read(path)
    if _is_binary(data):
        return int.from_bytes(data, "little")
    words = data.split(maxsplit=1)[:1]
    return int(words[0]) if words and words[0].isdigit() and len(words[0]) <= 10 else 0


def _is_binary(data: bytes) -> bool:
    """Say whether it is the old form: a number of four bytes, whose highest no pid needs."""
    return len(data) == 4 and b"\0" in data


def _may_be_its(path: Path, pid: int) -> bool:
    """Say whether a lock file may be of the process that has its pid now.

    Numbers come round, and a file of a process that was killed stays. Where the file has a name
    beside the number, as ours and minicom's have, another program is not its holder.
    """
    data = _read(path)
    words = [] if _is_binary(data) else data.split()
    name = _name_of(pid)
    return len(words) < 2 or not name or words[1][:_COMM_CHARS] == name


def _name_of(pid: int) -> bytes:
    """Return a process's name as one word; b"" where it is not to be had."""
    try:
        return b"_".join(Path(f"/proc/{pid}/comm").read_bytes().split())[:_COMM_CHARS]
    except OSError:
        return b""


def _read(path: Path) -> bytes:
    """Return what a lock file says, and nothing where it is none: a link is not followed."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return b""
    try:
        return os.read(fd, port_bounds.LOCK_FILE_BYTES_MAX)
    except OSError:
        return b""
    finally:
        os.close(fd)


def is_alive(pid: int) -> bool:
    """Say whether a process of this number lives, whoever it is of."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except (PermissionError, OverflowError):
        return True
    return True
