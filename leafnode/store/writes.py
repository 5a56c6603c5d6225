"""What the writer thread executes: one function for each change, in the caller's transaction.

Knows tables and rows; not why they change. Table names are built from integers only.
Truth: leafnode/store/schema.py for the tables; docs/store.md, "Rules".
"""

from __future__ import annotations

from itertools import chain
from typing import TYPE_CHECKING, Final

from leafnode.store.rows import ROW_VALUES, row_checksum
from leafnode.store.segments import encode_spans, seal_checked

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Sequence

    from leafnode.store.api import ConsumerRecord
    from leafnode.store.rows import Row
    from leafnode.store.segments import Columns, Segment

# One statement for many rows: executemany would hand the GIL over at every row (0.5 ms became 13 ms
# for 100 rows beside a busy loop). Powers of two, so that few different statements are prepared.
ROWS_PER_INSERT: Final = (64, 32, 16, 8, 4, 2, 1)
BODY: Final = ROW_VALUES.count("?") - 1  # where the body stands in a row
SEQS_PER_DELETE: Final = 256

INSERT_STREAM: Final = (
    "INSERT INTO stream(id, account, name, created, config, first_seq, last_seq, crc, floor_crc) "
    "VALUES(?,?,?,?,?,?,?,?,?)"
)
UPDATE_CONFIG: Final = "UPDATE stream SET config=?, crc=? WHERE id=?"
RENAME_STREAM: Final = "UPDATE stream SET name=?, crc=? WHERE id=?"
UPDATE_FLOOR: Final = "UPDATE stream SET first_seq=?, last_seq=?, last_ts=?, floor_crc=? WHERE id=?"
SELECT_SEGMENT_NOS: Final = "SELECT no FROM segment WHERE stream=?"
DELETE_STREAM: Final = (
    "DELETE FROM segment WHERE stream=?",
    "DELETE FROM segment_index WHERE stream=?",
    "DELETE FROM subject WHERE stream=?",
    "DELETE FROM consumer WHERE stream=?",
    "DELETE FROM stream WHERE id=?",
)
INSERT_SEGMENT: Final = "INSERT INTO segment(stream, no, first_seq, sealed, crc) VALUES(?,?,?,0,?)"
SEAL_SEGMENT: Final = (
    "UPDATE segment SET sealed=1, first_seq=?, last_seq=?, rows=?, body_bytes=?, bytes=?, "
    "first_ts=?, last_ts=?, crc=?, dead=? WHERE stream=? AND no=?"
)
REPLACE_INDEX: Final = (
    "INSERT INTO segment_index VALUES(?,?,?,?) "
    "ON CONFLICT(stream, no) DO UPDATE SET spans=excluded.spans, columns=excluded.columns"
)
UPDATE_DEAD: Final = "UPDATE segment SET dead=? WHERE stream=? AND no=?"
DELETE_SEGMENT: Final = "DELETE FROM segment WHERE stream=? AND no=?"
DELETE_INDEX: Final = "DELETE FROM segment_index WHERE stream=? AND no=?"
INSERT_SUBJECT: Final = "INSERT INTO subject VALUES(?,?,?,?)"
DELETE_SUBJECT: Final = "DELETE FROM subject WHERE stream=? AND sid=?"
PUT_CONSUMER: Final = (
    "INSERT INTO consumer VALUES(?,?,?,?,?,?) ON CONFLICT(stream, name) DO UPDATE "
    "SET created=excluded.created, config=excluded.config, state=excluded.state, crc=excluded.crc"
)
DELETE_CONSUMERS: Final = "DELETE FROM consumer WHERE stream=?"
DELETE_SOME_SUBJECTS: Final = (
    "DELETE FROM subject WHERE stream=?1 AND sid IN "
    "(SELECT sid FROM subject WHERE stream=?1 ORDER BY sid LIMIT ?2)"
)
DELETE_CONSUMER: Final = "DELETE FROM consumer WHERE stream=? AND name=?"


def table(stream_id: int, no: int) -> str:
    return f"m{stream_id:d}_{no:d}"


def create_stream(
    conn: sqlite3.Connection, row: tuple[int, str, str, int, bytes, int, int]
) -> None:
    floor = (row[0], *row[5:], 0)
    conn.execute(INSERT_STREAM, (*row, row_checksum(*row[:5]), row_checksum(*floor)))


def delete_stream(conn: sqlite3.Connection, stream_id: int) -> None:
    for (no,) in conn.execute(SELECT_SEGMENT_NOS, (stream_id,)).fetchall():
        conn.execute(f"DROP TABLE {table(stream_id, no)}")
    for statement in DELETE_STREAM:
        conn.execute(statement, (stream_id,))


def create_segment(conn: sqlite3.Connection, stream_id: int, no: int, first_seq: int) -> None:
    create_rows(conn, stream_id, no)
    crc = row_checksum(stream_id, no, first_seq, 0, *[None] * 6)
    conn.execute(INSERT_SEGMENT, (stream_id, no, first_seq, crc))


def create_rows(conn: sqlite3.Connection, stream_id: int, no: int) -> None:
    """Make the table for the messages of a segment."""
    conn.execute(
        f"CREATE TABLE {table(stream_id, no)}(seq INTEGER PRIMARY KEY, sid INTEGER NOT NULL, "
        "ts INTEGER NOT NULL, hl INTEGER NOT NULL, crc INTEGER NOT NULL, body BLOB NOT NULL) STRICT"
    )


def insert_rows(conn: sqlite3.Connection, stream_id: int, no: int, rows: Sequence[Row]) -> None:
    name = table(stream_id, no)
    done = 0
    for count in ROWS_PER_INSERT:
        if len(rows) - done < count:
            continue
        statement = f"INSERT INTO {name} VALUES{','.join([ROW_VALUES] * count)}"
        while len(rows) - done >= count:
            part = rows[done : done + count]
            values = list(chain.from_iterable(part))
            # sqlite3 looks for an adapter for each value that is bytes, and for none that is a
            # bytearray: 128-byte rows cost 1.05 us each instead of 2.55.
            values[BODY :: BODY + 1] = [bytearray(body) for _, _, _, _, _, body in part]
            conn.execute(statement, values)
            done += count


def insert_subject(row: tuple[int, int, bytes], conn: sqlite3.Connection) -> None:
    """Write one: see `insert_subjects`."""
    insert_subjects(conn, [row])


def insert_subjects(conn: sqlite3.Connection, subjects: Sequence[tuple[int, int, bytes]]) -> None:
    conn.executemany(INSERT_SUBJECT, [(*row, row_checksum(*row)) for row in subjects])


def delete_subjects(conn: sqlite3.Connection, stream_id: int, sids: Sequence[int]) -> None:
    conn.executemany(DELETE_SUBJECT, [(stream_id, sid) for sid in sids])


def seal_segment(
    conn: sqlite3.Connection, key: tuple[int, int], numbers: tuple[int, ...], dead: bytes
) -> None:
    """`numbers`: those of `Segment.numbers`."""
    crc = row_checksum(*key, numbers[0], 1, *numbers[1:])
    conn.execute(SEAL_SEGMENT, (*numbers, crc, _bits(dead), *key))


def put_index(conn: sqlite3.Connection, key: tuple[int, int], columns: Columns) -> None:
    conn.execute(REPLACE_INDEX, (*key, encode_spans(columns.spans()), columns.encode()))


def describe(conn: sqlite3.Connection, key: tuple[int, int], segment: Segment) -> None:
    """Write what stands about a segment beside its rows: an open one has its dead bits only."""
    if not segment.sealed:
        set_dead(conn, key, bytes(segment.dead))
        return
    assert segment.columns is not None
    seal_segment(conn, key, segment.numbers(), bytes(segment.dead))
    put_index(conn, key, segment.columns)


def set_dead(conn: sqlite3.Connection, key: tuple[int, int], dead: bytes) -> None:
    conn.execute(UPDATE_DEAD, (_bits(dead), *key))


def delete_rows(conn: sqlite3.Connection, key: tuple[int, int], seqs: Sequence[int]) -> None:
    for start in range(0, len(seqs), SEQS_PER_DELETE):
        part = seqs[start : start + SEQS_PER_DELETE]
        marks = ",".join("?" * len(part))
        conn.execute(f"DELETE FROM {table(*key)} WHERE seq IN ({marks})", part)  # noqa: S608


def drop_segment(conn: sqlite3.Connection, key: tuple[int, int]) -> None:
    conn.execute(f"DROP TABLE {table(*key)}")
    conn.execute(DELETE_SEGMENT, key)
    conn.execute(DELETE_INDEX, key)


def drop_segments(conn: sqlite3.Connection, stream_id: int, nos: Sequence[int]) -> None:
    for no in nos:
        drop_segment(conn, (stream_id, no))


def set_floor(
    conn: sqlite3.Connection, stream_id: int, first_seq: int, last_seq: int, last_ts_ns: int
) -> None:
    crc = row_checksum(stream_id, first_seq, last_seq, last_ts_ns)
    conn.execute(UPDATE_FLOOR, (first_seq, last_seq, last_ts_ns, crc, stream_id))


def put_consumer(conn: sqlite3.Connection, stream_id: int, record: ConsumerRecord) -> None:
    """Write configuration and state, which is made here where it is not yet."""
    row = (stream_id, record.name, record.created_ns, record.config, record.state)
    conn.execute(PUT_CONSUMER, (*row, row_checksum(*row)))


def execute(conn: sqlite3.Connection, statement: str, parameters: Sequence[object]) -> None:
    """Run one of the statements above that needs nothing else."""
    conn.execute(statement, parameters)


def _bits(dead: bytes) -> bytes | None:
    return seal_checked(dead) if dead else None
