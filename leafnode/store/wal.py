"""The write-ahead log before SQLite uses it: is what it holds all that it was told to keep?

SQLite takes the log up to the first frame whose checksum does not hold and drops the rest: right
for a transaction that a power cut tore, but a flipped bit far from the end would take back what was
acknowledged since. A commit is synced before the next one is written, so a frame that continues a
commit says that all before it was on disk once. Knows the format of log and index (sqlite.org,
walformat.html); changes neither. Truth: docs/store.md, "When the disk says no".
"""

from __future__ import annotations

import contextlib
import struct
from typing import TYPE_CHECKING, BinaryIO, Final, NamedTuple

from leafnode.errors import StoreCorrupt
from leafnode.store.quoted import readable_errors

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterator
    from pathlib import Path

    from leafnode.store.schema import Connect

HEAD: Final = struct.Struct(">8I")  # magic, version, page size, checkpoints, 2 salts, 2 checksums
FRAME: Final = struct.Struct(">6I")  # page, pages of the database or 0, 2 salts, 2 checksums
MAGIC: Final = 0x377F0682  # its last bit says that checksums are over big-endian words
MAX_FRAME: Final = struct.Struct("=I")
MAX_FRAME_OFFSET: Final = 16  # in the index
_MASK: Final = 0xFFFFFFFF


class _Head(NamedTuple):
    magic: int
    version: int
    page_size: int
    checkpoints: int
    salt_1: int
    salt_2: int
    sum_1: int
    sum_2: int


class _Frame(NamedTuple):
    page: int
    pages: int  # not 0: the last one of a transaction
    salt_1: int
    salt_2: int
    sum_1: int
    sum_2: int


def log_path(path: Path) -> Path:
    """Return where the log of a database is."""
    return path.with_name(path.name + "-wal")


def has_log(path: Path) -> bool:
    """Say whether there may be changes of a database in its log, or of one that had its name."""
    log = log_path(path)
    return log.exists() and log.stat().st_size > 0


@contextlib.contextmanager
def checked(path: Path, connect: Connect) -> Iterator[None]:
    """Check the log, and keep it as it is while what is done within may fail.

    Raises StoreCorrupt if SQLite would leave out something that was committed. What is damaged in
    the last transaction looks like one that a power cut tore: that is not told. Raises
    sqlite3.Error if the database cannot be opened, OSError if the log cannot be read.
    """
    wal = log_path(path)
    if not wal.exists() or wal.stat().st_size <= HEAD.size:
        # No change is in it. The journal of the database's first change may still be there, after a
        # power cut: only who writes can take that back.
        yield
        return
    # Who writes and closes last brings the log over and removes it. This one closes last, and does
    # not write.
    conn = connect(f"{path.resolve().as_uri()}?mode=ro", uri=True, isolation_level=None)
    try:
        _check(wal, conn)
        yield
    finally:
        conn.close()


def _check(wal: Path, conn: sqlite3.Connection) -> None:
    with wal.open("rb") as file:
        raw = file.read(HEAD.size)
        if len(raw) < HEAD.size or not any(raw):  # nothing was ever synced here
            return
        head = _Head(*HEAD.unpack(raw))
        order = ">" if head.magic & 1 else "<"
        sums = _checksum(order, (0, 0), raw[: HEAD.size - 8])
        if head.magic & ~1 != MAGIC or sums != (head.sum_1, head.sum_2):
            raise StoreCorrupt(
                f"{wal}: its header is damaged, the last changes cannot be read; restore a backup, "
                "or move it away and run leafnode store verify"
            )
        taken = _frames_taken(wal, conn)
        lost = _first_lost(file, head, order, taken)
        file.seek(0)
        # A server that writes meanwhile has gone on from there: it looked at its start.
        stands_still = file.read(HEAD.size) == raw and _frames_taken(wal, conn) == taken
    if lost and stands_still:
        raise StoreCorrupt(
            f"{wal}: is damaged at frame {taken + 1}, and changes behind it were committed; "
            "restore a backup, or move it away and run leafnode store verify"
        )


def _frames_taken(wal: Path, conn: sqlite3.Connection) -> int:
    """Return how many frames SQLite finds valid: its index says so once something was read."""
    with readable_errors():
        conn.execute("SELECT count(*) FROM sqlite_schema").fetchone()
    with wal.with_name(wal.name.removesuffix("-wal") + "-shm").open("rb") as index:
        index.seek(MAX_FRAME_OFFSET)
        (taken,) = MAX_FRAME.unpack(index.read(MAX_FRAME.size))
    return int(taken)


def _first_lost(file: BinaryIO, head: _Head, order: str, taken: int) -> bool:
    """Say whether a frame beyond those taken continues a commit of this log."""
    salts = (head.salt_1, head.salt_2)
    size = FRAME.size + head.page_size
    file.seek(HEAD.size + taken * size)
    before = None
    while len(raw := file.read(size)) == size:
        frame = _Frame(*FRAME.unpack_from(raw))
        if (frame.salt_1, frame.salt_2) != salts:
            before = None
            continue
        if before is not None and before.pages:
            sums = _checksum(order, (before.sum_1, before.sum_2), raw[:8])
            if _checksum(order, sums, raw[FRAME.size :]) == (frame.sum_1, frame.sum_2):
                return True
        before = frame
    return False


def _checksum(order: str, sums: tuple[int, int], data: bytes) -> tuple[int, int]:
    """Return SQLite's checksum of the data, going on from another."""
    one, two = sums
    words = struct.unpack(f"{order}{len(data) // 4}I", data)
    for first, second in zip(words[::2], words[1::2], strict=True):
        one = (one + first + two) & _MASK
        two = (two + second + one) & _MASK
    return one, two
