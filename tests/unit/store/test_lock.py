"""leafnode.store.lock: one process for each store."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from leafnode.errors import StoreError
from leafnode.store.lock import lock

if TYPE_CHECKING:
    from pathlib import Path


def test_a_directory_is_locked_once_until_it_is_let_go(tmp_path: Path) -> None:
    fd = lock(tmp_path)

    with pytest.raises(StoreError, match="another process uses this store"):
        lock(tmp_path)

    os.close(fd)
    os.close(lock(tmp_path))


def test_a_directory_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="gone"):
        lock(tmp_path / "gone")
