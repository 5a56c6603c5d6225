"""One process for each store: a file beside the database that is locked while the store is open.

Knows a directory; not what is in it. Truth: flock(2).
"""

from __future__ import annotations

import fcntl
import os
from typing import TYPE_CHECKING, Final

from leafnode.errors import StoreError

if TYPE_CHECKING:
    from pathlib import Path

# Not the database itself: SQLite's own locks are on that.
LOCK_NAME: Final = "leafnode.lock"


def lock(directory: Path) -> int:
    """Lock the directory for this process, or say who has it. Raises StoreError."""
    path = directory / LOCK_NAME
    try:
        fd = os.open(path, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
    except OSError as err:
        raise StoreError(f"{path}: {err.strerror}") from err
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as err:
        os.close(fd)
        raise StoreError(f"{directory}: another process uses this store") from err
    return fd
