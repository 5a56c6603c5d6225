"""Where a store is, and how to keep a server from opening it.

Knows file names and the lock; not what a store holds. Truth: docs/store.md, "The file".
"""

from __future__ import annotations

import contextlib
import fcntl
import os
from pathlib import Path
from typing import TYPE_CHECKING

from leafnode.errors import StoreError
from leafnode.store import leftovers
from leafnode.store.lock import LOCK_NAME
from leafnode.store.schema import FILE_NAME

if TYPE_CHECKING:
    from collections.abc import Iterator


def find(store: str | None, config: str | None) -> Path:
    """Return the database file that `--store` or `--config` means. Raises LeafnodeError."""
    if store is not None and config is not None:
        raise StoreError("expected --store or --config, not both")
    if config is not None:
        from leafnode.config.bind import load

        options = load(config, os.environ)
        if options.jetstream is None:
            raise StoreError(f"{config}: has no jetstream block, so there is no store")
        return Path(options.jetstream.store_dir) / FILE_NAME
    if store is None:
        raise StoreError("which store? Name it with --store <directory> or --config <file>")
    path = Path(store)
    return path / FILE_NAME if path.is_dir() else path


@contextlib.contextmanager
def alone(path: Path) -> Iterator[None]:
    """Keep servers from opening this file for as long as it lasts. Raises StoreError.

    What a command that was killed has left beside it goes first. Only commands that write do that:
    a lock held for a blink would make a starting server fail.
    """
    lock = path.with_name(LOCK_NAME)
    try:
        fd = os.open(lock, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
    except OSError as err:
        raise StoreError(f"{lock}: {err.strerror}") from err
    give_to_owner(lock, of=path.parent)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as err:
        os.close(fd)
        raise StoreError(f"{path.parent}: a server uses this store: stop it first") from err
    try:
        leftovers.drop(path)
        yield
    finally:
        os.close(fd)


def give_to_owner(path: Path, *, of: Path) -> None:
    """Let a file that root has made belong to whoever the store belongs to. Raises OSError."""
    if os.geteuid() == 0:
        owner = of.stat()
        os.chown(path, owner.st_uid, owner.st_gid)
