"""What a `leafnode store restore` or `compact` that was killed leaves beside the store: it goes.

As large as the store, such a file is named by nobody, and holds nothing that the store, or what it
was copied from, does not. Knows the names that these commands write to, and touches no other.
Truth: docs/store.md, "The command".
"""

from __future__ import annotations

import logging
import stat
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from pathlib import Path

log = logging.getLogger(__name__)

RESTORED: Final = ".restored"
COMPACTED: Final = ".compacted"
_OF_SQLITE: Final = ("", "-journal", "-wal", "-shm")


def drop(path: Path) -> None:
    """Remove them from beside this store, whose directory is locked: nobody writes them now."""
    size = 0
    dropped: list[str] = []
    for made in (RESTORED, COMPACTED):
        for ending in _OF_SQLITE:
            one = path.with_name(f"{path.name}{made}{ending}")
            try:
                found = one.lstat()
                if not stat.S_ISREG(found.st_mode):
                    continue  # no command makes anything else
                one.unlink()
            except FileNotFoundError:
                continue
            except OSError as err:
                log.warning("What a killed command left stays: path=%s reason=%s", one, err)
                continue
            size += found.st_size
            dropped.append(one.name)
    if dropped:
        names = ", ".join(dropped)
        log.warning(
            "What a killed store command left is removed: directory=%s files=%s bytes=%d",
            *(path.parent, names, size),
        )
