"""Whose is what a damaged page lacks: streams, consumers and segments that are known twice.

SQLite keeps account and name of a stream, and stream and name of a consumer, in an index as well,
and a segment's table in its schema. So what one place has lost has an owner in the other, which is
set aside under its own name instead of going on without it. Asked only when something is damaged.
Knows tables; not streams' rules. Truth: docs/store.md, "Open and close".
"""

from __future__ import annotations

import sqlite3
from typing import TYPE_CHECKING, Any, Final

from leafnode.errors import StoreCorrupt
from leafnode.store import schema
from leafnode.store.recover import lost_stream
from leafnode.store.rows import row_checksum

if TYPE_CHECKING:
    from collections.abc import Iterator

    from leafnode.store.recover import Recovered

STREAMS_BY_INDEX: Final = (
    "SELECT id, account, name FROM stream INDEXED BY sqlite_autoindex_stream_1"
)
CONSUMERS_BY_INDEX: Final = (
    "SELECT rowid, stream, name FROM consumer INDEXED BY sqlite_autoindex_consumer_1"
)
CONSUMERS_BY_ROW: Final = (
    "SELECT rowid, crc, stream, name, created, config, state FROM consumer NOT INDEXED"
)
SEGMENT_TABLES: Final = (
    "SELECT name FROM sqlite_schema WHERE type='table' AND name GLOB 'm[0-9]*_[0-9]*'"
)


def blame_owners(conn: sqlite3.Connection, streams: list[Recovered]) -> None:
    """Set aside each stream of which something is known that was not found with it.

    One that is known by name only is added. Raises sqlite3.Error for a reason that is no damage.
    """
    _add_lost_streams(conn, streams)
    consumers = _consumers(conn)
    tables = _tables(conn)
    for stream in streams:
        if stream.damage is not None:
            continue
        lacks = [
            f"consumer {name}"
            for name in sorted(consumers.get(stream.id, set()) - stream.consumers.keys())
        ]
        there = {*stream.index.going, *(segment.no for segment in stream.index.segments)}
        lacks += [f"segment {no}" for no in sorted(tables.get(stream.id, set()) - there)]
        if lacks:
            where = f"stream {stream.name} of {stream.account}"
            stream.damage = StoreCorrupt(f"{where}: the description of {lacks[0]} is lost")


def _add_lost_streams(conn: sqlite3.Connection, streams: list[Recovered]) -> None:
    ids = {stream.id for stream in streams}
    names = {(stream.account, stream.name) for stream in streams}
    for stream_id, account, name in _rows(conn, STREAMS_BY_INDEX):
        if not (type(stream_id) is int and isinstance(account, str) and isinstance(name, str)):
            continue
        if stream_id not in ids and (account, name) not in names:
            problem = "its description is lost"
            streams.append(lost_stream(conn, stream_id, account, name, problem))


def _consumers(conn: sqlite3.Connection) -> dict[int, set[str]]:
    """Return the names by stream: those of intact rows, and of rows that only the index knows."""
    found: dict[int, set[str]] = {}
    intact = set()
    for rowid, crc, *values in _rows(conn, CONSUMERS_BY_ROW):
        if row_checksum(*values) == crc:
            intact.add(rowid)
            found.setdefault(values[0], set()).add(values[1])
    for rowid, stream_id, name in _rows(conn, CONSUMERS_BY_INDEX):
        if rowid not in intact and type(stream_id) is int and isinstance(name, str):
            found.setdefault(stream_id, set()).add(name)
    return found


def _tables(conn: sqlite3.Connection) -> dict[int, set[int]]:
    """Return the numbers of the segments that have a table, by stream."""
    found: dict[int, set[int]] = {}
    for (name,) in _rows(conn, SEGMENT_TABLES):
        stream_id, _, no = name[1:].partition("_")
        if stream_id.isdecimal() and no.isdecimal():
            found.setdefault(int(stream_id), set()).add(int(no))
    return found


def _rows(conn: sqlite3.Connection, statement: str) -> Iterator[tuple[Any, ...]]:
    """Yield what can be read; where the pages are damaged it ends."""
    try:
        yield from conn.execute(statement)
    except sqlite3.Error as err:
        if not schema.is_damage(err):
            raise
