"""leafnode.durable: the directory itself is what is synced, and nothing of it stays open."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from leafnode.durable import sync_directory

if TYPE_CHECKING:
    from pathlib import Path


def test_the_directory_is_synced_and_closed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: list[tuple[int, os.stat_result]] = []
    monkeypatch.setattr(os, "fsync", lambda fd: synced.append((fd, os.fstat(fd))))

    sync_directory(tmp_path)

    [(fd, seen)] = synced
    assert os.path.samestat(seen, tmp_path.stat())
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(fd)


def test_a_failed_sync_is_told_and_leaves_nothing_open(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[int] = []

    def fsync(fd: int) -> None:
        asked.append(fd)
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(os, "fsync", fsync)

    with pytest.raises(OSError, match="Input/output error"):
        sync_directory(tmp_path)

    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(asked[0])


def test_what_is_no_directory_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.touch()

    with pytest.raises(NotADirectoryError):
        sync_directory(file)
