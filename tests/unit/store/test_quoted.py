"""leafnode.store.quoted: a schema with bytes that are no text is damage like any other."""

from __future__ import annotations

import sqlite3
from typing import TYPE_CHECKING

import pytest

from leafnode.errors import StoreCorrupt
from leafnode.store import schema
from leafnode.store.inspect import Inspection
from leafnode.store.quoted import readable_errors
from tests.sim.committer import open_store

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def damaged(tmp_path: Path) -> Path:
    """A store whose file names a table with a byte that begins no character."""
    open_store(tmp_path).close()
    path = tmp_path / schema.FILE_NAME
    data = path.read_bytes()
    name, sql = b"tablemetameta", b"CREATE TABLE meta("
    assert data.count(name) == data.count(sql) == 1
    path.write_bytes(data.replace(name, b"table\xceetameta").replace(sql, b"CREATE TABLE (((("))
    return path


def test_it_is_damage_that_can_be_read(damaged: Path) -> None:
    connection = sqlite3.connect(damaged)
    with pytest.raises(UnicodeDecodeError):
        connection.execute("SELECT 1 FROM sqlite_schema")

    with (
        pytest.raises(sqlite3.DatabaseError, match=r"malformed database.*\\xceeta") as caught,
        readable_errors(),
    ):
        connection.execute("SELECT 1 FROM sqlite_schema")

    connection.close()
    assert caught.value.sqlite_errorcode == sqlite3.SQLITE_CORRUPT


def test_a_command_and_a_start_say_so_in_one_line(damaged: Path) -> None:
    with pytest.raises(StoreCorrupt, match=r"leafnode.db: malformed database schema"):
        Inspection(damaged)
    with pytest.raises(StoreCorrupt, match=r"leafnode.db: malformed database schema"):
        open_store(damaged.parent)
