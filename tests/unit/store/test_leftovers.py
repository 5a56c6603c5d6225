"""leafnode.store.leftovers: what killed commands left goes, and nothing else."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from leafnode.store import leftovers
from leafnode.store.schema import FILE_NAME
from tests.sim.committer import open_store
from tests.sim.stored import SHORT, fill

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

LEFT = ("restored", "restored-wal", "compacted", "compacted-journal", "compacted-shm")
# Of the store, of its owner, of a backup that was replaced, or nobody's.
OTHERS = ("replaced", "restored.old", "compacted2", "new", "restored-old")


def leave(directory: Path) -> None:
    for ending in (*LEFT, *OTHERS):
        (directory / f"{FILE_NAME}.{ending}").write_bytes(b"12345")
    (directory / "other.db.restored").write_bytes(b"x")


def left(directory: Path) -> set[str]:
    return {one.name.removeprefix(f"{FILE_NAME}.") for one in directory.glob(f"{FILE_NAME}.*")}


def test_a_start_removes_it_and_says_so_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    fill(tmp_path)
    leave(tmp_path)
    caplog.set_level(logging.WARNING, "leafnode.store.leftovers")

    world = open_store(tmp_path, SHORT)
    world.close()

    assert left(tmp_path) == set(OTHERS)
    assert (tmp_path / "other.db.restored").exists()
    [record] = [one for one in caplog.records if one.name == "leafnode.store.leftovers"]
    assert record.getMessage().endswith("bytes=25")


def test_what_no_command_makes_stays(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path, mine = tmp_path / FILE_NAME, tmp_path / "mine"
    mine.write_bytes(b"x")
    (tmp_path / f"{FILE_NAME}.compacted").symlink_to(mine)
    (tmp_path / f"{FILE_NAME}.restored").mkdir()

    leftovers.drop(path)

    assert left(tmp_path) == {"compacted", "restored"}
    assert mine.exists()
    assert caplog.records == []


def test_what_cannot_be_removed_keeps_nobody_from_starting(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    leave(tmp_path)

    def refuse(self: Path) -> None:
        raise PermissionError(13, "Permission denied", str(self))

    monkeypatch.setattr("pathlib.Path.unlink", refuse)
    leftovers.drop(tmp_path / FILE_NAME)

    assert len(caplog.records) == len(LEFT)
    assert "Permission denied" in caplog.text
