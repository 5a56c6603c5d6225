"""The drive that a CircuitPython board shows: where it is mounted, and copying onto it.

A board of that kind cannot write its own file system while a computer has it. Knows files and
/proc/mounts. Truth: docs.circuitpython.org, "CIRCUITPY drive"; proc(5).
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Final

from leafnode.cli.device.plan import stale
from leafnode.durable import sync_directory
from leafnode.errors import LeafnodeError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from leafnode.cli.device.plan import Copy

LABEL: Final = "CIRCUITPY"
_MARK: Final = "boot_out.txt"  # CircuitPython writes it at each start
_MARK_BYTES_MAX: Final = 4096


class NoDrive(LeafnodeError):  # noqa: N818 -- a condition of the machine, not of the program
    """There is no CircuitPython drive, or several, or what is there is none."""


def find_drive(given: str | None, mounts: Path = Path("/proc/mounts")) -> Path:
    """Return the drive: the given one, else the only one that is mounted. Raises NoDrive."""
    if given is not None:
        drive = Path(given)
        if not (drive / _MARK).is_file():
            raise NoDrive(f"{drive}: no CircuitPython drive: it has no {_MARK}")
        return drive
    found = [
        place
        for line in mounts.read_text().splitlines()
        if (place := _place(line)).name.startswith(LABEL) and (place / _MARK).is_file()
    ]
    if not found:
        raise NoDrive(f"no {LABEL} drive is mounted: mount it, or name it with --drive")
    if len(found) > 1:
        raise NoDrive(f"several drives: choose with --drive: {', '.join(map(str, found))}")
    return found[0]


def about(drive: Path) -> str:
    """Return what the board says of itself: its CircuitPython, and what it is."""
    with (drive / _MARK).open("rb") as file:
        text = file.read(_MARK_BYTES_MAX).decode(errors="replace")
    return text.splitlines()[0] if text else ""


def copy_to_drive(drive: Path, copies: Sequence[Copy], step: Callable[[str], None]) -> None:
    """Copy files, each whole or not at all; call `step` before each. Raises OSError and NoDrive."""
    _check_room(drive, copies)
    for target in stale(list(copies)):
        (drive / target).unlink(missing_ok=True)
    for copy in copies:
        step(copy.target)
        path = drive / copy.target
        if path.is_file() and path.read_bytes() == copy.data:
            continue  # flash wears, and each write makes the board start again
        path.parent.mkdir(parents=True, exist_ok=True)
        partial = path.with_name("leafnode.tmp")  # one name: FAT has short ones
        with partial.open("wb") as file:
            file.write(copy.data)
            file.flush()
            os.fsync(file.fileno())
        partial.replace(path)
        sync_directory(path.parent)


def _check_room(drive: Path, copies: Sequence[Copy]) -> None:
    stat = os.statvfs(drive)
    block = stat.f_frsize or 512
    needed = 0
    for copy in copies:
        path = drive / copy.target
        held = path.stat().st_size if path.is_file() else 0
        needed += _blocks(len(copy.data), block) - _blocks(held, block)
    # One file is there twice while it is replaced.
    needed += max((_blocks(len(copy.data), block) for copy in copies), default=0)
    if needed > stat.f_bavail:
        short = (needed - stat.f_bavail) * block
        raise NoDrive(f"{drive}: {short} bytes too little room: delete what is not needed")


def _blocks(size: int, block: int) -> int:
    return -(-size // block)


def _place(line: str) -> Path:
    """Return where a line of /proc/mounts says that something is; blanks are octal there."""
    words = line.split(" ")
    place = words[1] if len(words) > 1 else "/"
    return Path(place.encode().decode("unicode_escape"))
