"""A store's directory with something in it, for what looks at stores from outside."""

from __future__ import annotations

import contextlib
import sqlite3
from typing import TYPE_CHECKING

from leafnode.jetstream.consumer_state import ConsumerState
from leafnode.jetstream.pending import Position
from leafnode.store.bounds import StoreBounds
from leafnode.store.schema import FILE_NAME
from tests.sim.committer import open_store
from tests.sim.positions import encoded

if TYPE_CHECKING:
    from pathlib import Path

# A few messages fill a segment.
SHORT = StoreBounds(segment_rows_max=8, wal_pregrow_bytes=0, reserve_bytes=0)
START_NS = 1_764_223_200_000_000_000  # 2025-11-27T06:00:00Z
SECOND_NS = 1_000_000_000
HEADER = b"NATS/1.0\r\nNats-Msg-Id: 7\r\nTag: a\r\nTag: b\r\n\r\n"
# What a client may publish, and what a terminal or a spreadsheet would make of it.
PAYLOADS = (b'{"temp": 21.50}', b"-3.5", b"\xff\xfe", b"=cmd()", "grün \x1b[2J\x9b1m".encode(), b"")


# What a damaged record may hold, and where.
ANYTHING = (None, 1.5, "x", b"\xff", 2**62, -1)
COLUMNS = (
    *(("stream", "id"), ("stream", "account"), ("stream", "name"), ("stream", "created")),
    *(("stream", "config"), ("stream", "first_seq"), ("stream", "last_seq"), ("stream", "last_ts")),
    *(("segment", "no"), ("segment", "first_seq"), ("segment", "sealed"), ("segment", "last_seq")),
    *(("segment", "rows"), ("segment", "bytes"), ("segment", "first_ts"), ("segment", "dead")),
    *(("segment_index", "no"), ("segment_index", "spans"), ("segment_index", "columns")),
    *(("subject", "sid"), ("subject", "name"), ("consumer", "stream"), ("consumer", "name")),
    *(("consumer", "created"), ("consumer", "config"), ("consumer", "state")),
    *(("m1_1", "seq"), ("m1_1", "sid"), ("m1_1", "ts"), ("m1_1", "hl"), ("m1_1", "crc")),
    *(("m1_1", "body"), ("m1_3", "seq"), ("m1_3", "sid"), ("m1_3", "ts"), ("m1_3", "hl")),
    *(("m1_3", "crc"), ("m1_3", "body")),
)


def fill(directory: Path, messages: int = 20) -> Path:
    """Make a store: stream S of account A, one message a second, and one consumer; return the file.

    Message n is of subject s.(n % 3), has a header when n is even, and PAYLOADS in turn.
    """
    world = open_store(directory, SHORT)
    stream = world.store.create_stream("A", "S", b'{"name":"S","subjects":["s.*"]}', START_NS, 1)
    for n in range(1, messages + 1):
        header = HEADER if n % 2 == 0 else b""
        body = header + PAYLOADS[n % len(PAYLOADS)]
        stream.append(b"s.%d" % (n % 3), len(header), body, START_NS + n * SECOND_NS)
    state = ConsumerState(Position(5, 5), Position(3, 3), [(4, 4, 0), (5, 5, 0)], {4: 2})
    world.store.put_consumer("A", "S", "C", START_NS, b'{"durable":"C"}', encoded(state))
    world.store.put_consumer("A", "S", ".sources", START_NS, b"{}", b"{}")
    world.close()
    return directory / FILE_NAME


def remove(directory: Path, *seqs: int) -> None:
    """Remove messages of stream S."""
    world = open_store(directory, SHORT)
    (record,) = world.store.streams()
    record.store.remove(seqs)
    world.close()


def write_anything(path: Path, table: str, column: str, value: object) -> bool:
    """Put a value into the first row that may fit no column of that type; False: SQLite refuses."""
    written = False
    conn = sqlite3.connect(path)
    conn.execute("PRAGMA writable_schema=ON")
    kept = conn.execute("SELECT name, sql FROM sqlite_schema").fetchall()
    key, strict, typed = " INTEGER PRIMARY KEY", " STRICT", " INTEGER"
    for old, new in (
        *((strict + ",", ""), (strict, ""), (" NOT NULL", "")),
        *((key, "@"), (typed, ""), ("@", key)),
    ):
        conn.execute("UPDATE sqlite_schema SET sql=replace(sql, ?, ?)", (old, new))
    conn.commit()
    conn.close()
    conn = sqlite3.connect(path)
    before = conn.execute(f"SELECT {column} FROM {table} LIMIT 1").fetchone()
    with contextlib.suppress(sqlite3.Error):  # NULL where even SQLite takes none
        key = f"SELECT {column} FROM {table} LIMIT 1"
        conn.execute(f"UPDATE {table} SET {column}=? WHERE {column} IS ({key})", (value,))
        written = before != (value,)
    conn.execute("PRAGMA writable_schema=ON")
    for name, sql in kept:
        conn.execute("UPDATE sqlite_schema SET sql=? WHERE name=?", (sql, name))
    conn.commit()
    conn.close()
    return written
