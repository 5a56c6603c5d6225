"""leafnode.cli.store.ask: a statement reads what it may, cannot write, and is stopped."""

from pathlib import Path

import pytest

from leafnode.cli.store.ask import Answer, ask
from leafnode.errors import StoreError
from leafnode.store import inspect
from tests.sim.committer import open_store
from tests.sim.stored import SHORT, fill


def answer(path: Path, sql: str, limit: int = 100, stream: str | None = None) -> Answer:
    return ask(path, sql, stream=stream, limit=limit)


def test_the_three_views(tmp_path: Path) -> None:
    path = fill(tmp_path)

    assert answer(path, "SELECT stream, messages FROM streams").rows == [("S", 20)]
    assert answer(path, "SELECT consumer, ack_pending FROM consumers").rows == [("C", 2)]
    found = answer(
        path,
        "SELECT subject, count(*) FROM messages WHERE payload_json->>'$.temp' > 21 "
        "GROUP BY 1 ORDER BY 1",
    )
    assert found.heads == ("subject", "count(*)")
    assert found.rows == [("s.0", 3)]
    assert found.numbers() == ["count(*)"]


def test_columns_are_there_where_only_an_expression_names_them(tmp_path: Path) -> None:
    path = fill(tmp_path)
    sql = (
        "WITH m AS (SELECT * FROM messages) SELECT h.value FROM m, json_each(m.headers) h "
        "WHERE m.seq = 2 AND h.key = 'Nats-Msg-Id'"
    )

    assert answer(path, sql).rows == [("7",)]


def test_explain_and_the_store_s_own_tables(tmp_path: Path) -> None:
    path = fill(tmp_path)

    assert "SEARCH" in str(
        answer(path, "EXPLAIN QUERY PLAN SELECT 1 FROM messages WHERE seq=1").rows
    )
    assert answer(path, "SELECT count(*) FROM store.segment").rows == [(3,)]


def test_rows_have_a_limit_and_it_is_told(tmp_path: Path) -> None:
    path = fill(tmp_path)

    assert answer(path, "SELECT seq FROM messages", 20).has_more is False
    found = answer(path, "SELECT seq FROM messages", 19)
    assert (len(found.rows), found.has_more) == (19, True)


def test_one_stream_may_be_asked_alone(tmp_path: Path) -> None:
    path = fill(tmp_path)

    assert answer(path, "SELECT count(*) FROM messages", stream="S").rows == [(20,)]
    assert answer(path, "SELECT count(*) FROM messages", stream="T").rows == [(0,)]


@pytest.mark.parametrize(
    "sql",
    [
        "DELETE FROM messages",
        "DELETE FROM store.stream",
        "UPDATE store.stream SET name='x'",
        "INSERT INTO streams(stream) VALUES('x')",
        "DROP TABLE store.m1_1",
        "CREATE TABLE x(a)",
        "CREATE TEMP TABLE x(a)",
        "ATTACH '{path}' AS other",
        "DETACH store",
        "PRAGMA store.user_version=3",
        "SELECT * FROM pragma_table_info('stream')",
        "SELECT load_extension('x')",
        "COMMIT",
        "SAVEPOINT x",
        "VACUUM store INTO '{path}.copy'",
        "WITH x AS (SELECT 1) DELETE FROM store.stream",
        "EXPLAIN DELETE FROM store.stream",
    ],
)
def test_nothing_but_reading_is_possible(tmp_path: Path, sql: str) -> None:
    path = fill(tmp_path)
    before = path.read_bytes()

    with pytest.raises(StoreError):
        answer(path, sql.format(path=path))

    assert path.read_bytes() == before
    assert not Path(f"{path}.copy").exists()


def test_two_statements_are_refused(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="one statement"):
        answer(fill(tmp_path), "SELECT 1; DELETE FROM store.stream")


def test_memory_is_bounded(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="MiB of memory"):
        answer(fill(tmp_path), "SELECT length(group_concat(zeroblob(900000000)))")


def test_a_statement_that_holds_up_the_log_is_stopped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = fill(tmp_path)
    wal = path.with_name(path.name + "-wal")
    world = open_store(tmp_path, SHORT)
    (record,) = world.store.streams()
    monkeypatch.setattr(inspect, "WAL_GROWTH_MAX", 1 << 16)
    monkeypatch.setattr(inspect, "STEPS_BETWEEN_LOOKS", 1)
    written = 0

    class Watched(type(wal)):  # type: ignore[misc]
        """The log, on which something is written each time when its size is asked."""

        def stat(self, **options: bool) -> object:
            nonlocal written
            written += 1
            record.store.append(b"s.1", 0, bytes(50_000), 0)
            world.settle()
            return super().stat(**options)

    monkeypatch.setattr(type(path), "with_name", lambda _, name: Watched(tmp_path / name))
    with pytest.raises(StoreError, match="could not reuse"):
        answer(path, "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM n), "
               "m AS (SELECT count(*) c FROM messages) SELECT max(i) FROM n, m")  # fmt: skip
    monkeypatch.undo()
    world.close()

    assert written > 1


def test_text_that_is_no_utf8_is_no_fault(tmp_path: Path) -> None:
    path = fill(tmp_path, 0)
    world = open_store(tmp_path, SHORT)
    world.store.streams()[0].store.append(b"s.\xff", 0, b"", 0)
    world.close()

    assert answer(path, "SELECT subject FROM messages").rows == [("s.\\xff",)]
