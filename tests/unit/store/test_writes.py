"""leafnode.store.writes: multi-row statements, and no scans."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from leafnode.store import reader, recover, schema, writes

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterator
    from pathlib import Path

    from leafnode.store.rows import Row


@pytest.fixture
def conn(tmp_path: Path) -> Iterator[sqlite3.Connection]:
    path = tmp_path / schema.FILE_NAME
    schema.ensure_file(path)
    conn = schema.open_writer(path)
    writes.create_stream(conn, (1, "A", "S", 5, b"{}", 1, 0))
    writes.create_segment(conn, 1, 1, 1)
    yield conn
    conn.close()


def rows(count: int) -> list[Row]:
    return [(seq, 1, 1000 + seq, 0, 7, b"x%d" % seq) for seq in range(1, count + 1)]


@pytest.mark.parametrize("count", [0, 1, 2, 63, 64, 65, 127, 200])
def test_any_number_of_rows_is_inserted(conn: sqlite3.Connection, count: int) -> None:
    writes.insert_rows(conn, 1, 1, rows(count))

    assert conn.execute("SELECT * FROM m1_1 ORDER BY seq").fetchall() == rows(count)


def test_rows_go_in_few_statements(conn: sqlite3.Connection) -> None:
    seen: list[str] = []
    conn.set_trace_callback(seen.append)

    writes.insert_rows(conn, 1, 1, rows(131))

    assert len(seen) == 4  # 64 + 64 + 2 + 1


@pytest.mark.parametrize("count", [1, 256, 257])
def test_any_number_of_rows_is_deleted(conn: sqlite3.Connection, count: int) -> None:
    writes.insert_rows(conn, 1, 1, rows(300))

    writes.delete_rows(conn, (1, 1), list(range(1, count + 1)))

    assert conn.execute("SELECT count(*) FROM m1_1").fetchone() == (300 - count,)


def test_a_deleted_stream_leaves_nothing(conn: sqlite3.Connection) -> None:
    writes.insert_subjects(conn, [(1, 1, b"a")])
    writes.execute(conn, writes.PUT_CONSUMER, (1, "C", 5, b"{}", b"", 0))
    writes.insert_rows(conn, 1, 1, rows(3))

    writes.delete_stream(conn, 1)

    for name in ("stream", "segment", "segment_index", "subject", "consumer"):
        assert conn.execute(f"SELECT count(*) FROM {name}").fetchone() == (0,)
    assert conn.execute("SELECT count(*) FROM sqlite_schema WHERE name='m1_1'").fetchone() == (0,)


HOT = [
    (reader.NEXT_SEGMENT, 3),
    (reader.PREVIOUS_SEGMENT, 3),
    (reader.SUBJECT_NAME, 2),
    (reader.ROWS.format(table="m1_1", order="ASC"), 2),
    (reader.ROWS.format(table="m1_1", order="DESC"), 2),
    (reader.ROWS_OF_SUBJECTS.format(table="m1_1", order="ASC"), 3),
    (reader.ROWS_BY_SEQ.format(table="m1_1", marks="?,?", order="DESC"), 2),
    (recover.SELECT_SUBJECTS, 1),
    (recover.SELECT_SEGMENTS, 1),
    (recover.SELECT_SPANS, 2),
    (recover.SELECT_COLUMNS, 2),
    (recover.SELECT_CONSUMERS, 1),
    (writes.UPDATE_CONFIG, 3),
    (writes.UPDATE_FLOOR, 5),
    (writes.SEAL_SEGMENT, 11),
    (writes.UPDATE_DEAD, 3),
    (writes.DELETE_SEGMENT, 2),
    (writes.DELETE_INDEX, 2),
    (writes.DELETE_SUBJECT, 2),
    (writes.DELETE_CONSUMER, 2),
    *[(statement, 1) for statement in writes.DELETE_STREAM],
]


@pytest.mark.parametrize(("statement", "parameters"), HOT)
def test_no_statement_scans_or_sorts(
    conn: sqlite3.Connection, statement: str, parameters: int
) -> None:
    plan = [row[3] for row in conn.execute(f"EXPLAIN QUERY PLAN {statement}", ["[]"] * parameters)]

    assert plan
    assert not [step for step in plan if step.startswith("SCAN") and "json_each" not in step]
    assert not [step for step in plan if "TEMP B-TREE" in step]
