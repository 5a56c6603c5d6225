"""leafnode.cli.store.ask: a statement reads what it may, cannot write, and is stopped."""

import signal
from pathlib import Path

import pytest

from leafnode.cli.store.ask import Answer, ask
from leafnode.clock import NS_PER_S
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


ENDLESS = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM n) SELECT max(i) FROM n"


def test_a_statement_that_takes_too_long_is_stopped(tmp_path: Path) -> None:
    path = fill(tmp_path)
    times = iter(range(0, 1000 * NS_PER_S, 10 * NS_PER_S))

    with pytest.raises(StoreError, match="stopped after 25 s: see --timeout"):
        ask(path, ENDLESS, stream=None, limit=1, timeout_s=25, now_ns=lambda: next(times))

    assert next(times) == 50 * NS_PER_S  # 30 was the fourth, 40 said why


def test_one_is_stopped_by_ctrl_c_at_once_though_it_has_all_the_time(tmp_path: Path) -> None:
    path = fill(tmp_path)
    looks = 0

    def now_ns() -> int:
        nonlocal looks
        looks += 1
        if looks == 3:
            signal.raise_signal(signal.SIGINT)
        return 0

    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with pytest.raises(KeyboardInterrupt):
            ask(path, ENDLESS, stream=None, limit=1, timeout_s=9, now_ns=now_ns)
    finally:
        signal.signal(signal.SIGINT, before)


def test_while_one_is_answered_others_write(tmp_path: Path) -> None:
    path = fill(tmp_path)
    world = open_store(tmp_path, SHORT)
    (record,) = world.store.streams()
    stored: list[int] = []

    def now_ns() -> int:
        record.store.append(b"s.1", 0, b"x", 0)
        world.settle()
        stored.append(record.store.committed_seq())
        return 10 * NS_PER_S * len(stored)

    with pytest.raises(StoreError, match="see --timeout"):
        ask(path, ENDLESS, stream=None, limit=1, timeout_s=25, now_ns=now_ns)
    world.close()

    assert stored == list(range(21, 21 + len(stored)))


def test_text_that_is_no_utf8_is_no_fault(tmp_path: Path) -> None:
    path = fill(tmp_path, 0)
    world = open_store(tmp_path, SHORT)
    world.store.streams()[0].store.append(b"s.\xff", 0, b"", 0)
    world.close()

    assert answer(path, "SELECT subject FROM messages").rows == [("s.\\xff",)]
