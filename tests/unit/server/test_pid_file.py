"""The pid file; its mode is nats-server 2.15.1's."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from leafnode.server.pid_file import write_pid

if TYPE_CHECKING:
    from pathlib import Path


def test_it_holds_the_number_alone_and_is_the_owners(tmp_path: Path) -> None:
    path = tmp_path / "pid"

    write_pid(str(path))

    assert path.read_text() == str(os.getpid())
    assert path.stat().st_mode & 0o777 == 0o600


def test_an_older_file_is_written_over_whole(tmp_path: Path) -> None:
    path = tmp_path / "pid"
    path.write_text("1234567890123")

    write_pid(str(path))

    assert path.read_text() == str(os.getpid())


def test_a_directory_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        write_pid(str(tmp_path / "none" / "pid"))
