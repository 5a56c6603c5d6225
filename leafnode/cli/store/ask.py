"""One SQL statement over the views of a store: it can read, and nothing else, and not for ever.

The store is attached read-only to an empty database in memory, in which `streams` and `consumers`
are made; sqlite-utils does that. A statement is stopped when the write-ahead log has grown too
much since it began (its view keeps the log from being reused), or its time is over.
Truth: docs/store.md, "The command".
"""

from __future__ import annotations

import math
import sqlite3
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from sqlite_utils import Database

from leafnode.cli.store import describe
from leafnode.clock import NS_PER_S, SystemClock
from leafnode.errors import StoreError
from leafnode.store import views
from leafnode.store.inspect import (
    WAL_GROWTH_MAX,
    GrownError,
    Inspection,
    LateError,
    stopped_by_growth,
)

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

HEAP_MAX: Final = 256 * 1024 * 1024
_ALLOWED: Final = {
    sqlite3.SQLITE_SELECT,
    sqlite3.SQLITE_READ,
    sqlite3.SQLITE_FUNCTION,
    sqlite3.SQLITE_RECURSIVE,
}
_BANNED_FUNCTIONS: Final = {"load_extension", "fts3_tokenizer"}


_TABLE_FUNCTIONS: Final = ("json_each", "json_tree")


@dataclass(frozen=True, slots=True)
class Answer:
    """What a statement gave."""

    heads: tuple[str, ...]
    rows: list[tuple[Any, ...]]
    has_more: bool
    damaged: views.Damaged

    def numbers(self) -> list[str]:
        """Return the heads of columns that hold nothing but numbers."""
        return [
            head
            for head, values in zip(self.heads, zip(*self.rows, strict=True), strict=False)
            if all(isinstance(value, int | float) for value in values)
        ]


def ask(
    path: Path,
    sql: str,
    *,
    stream: str | None,
    limit: int,
    timeout_s: float = 0,
    now_ns: Callable[[], int] = SystemClock.monotonic_ns,
) -> Answer:
    """Answer one statement, in so much time; 0: in any. Raises StoreError."""
    end_ns = now_ns() + timeout_s * NS_PER_S if timeout_s else math.inf
    # Not by its plugins: they would run whatever else is installed.
    conn = sqlite3.connect(":memory:", uri=True, isolation_level=None)
    database = Database(conn, execute_plugins=False)
    conn.text_factory = lambda data: data.decode("utf-8", "backslashreplace")
    try:
        _make_tables(database, path)
        conn.execute("ATTACH ? AS store", (f"{path.resolve().as_uri()}?mode=ro",))
        conn.execute("PRAGMA trusted_schema=OFF")
        conn.execute(f"PRAGMA hard_heap_limit={HEAP_MAX:d}").fetchall()
        conn.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, HEAP_MAX // 2)
        for name in _TABLE_FUNCTIONS:  # what makes them at their first use is forbidden later
            conn.execute(f"SELECT 1 FROM {name}('[]')").fetchall()  # noqa: S608
        used = _columns_read(conn, sql)
        conn.execute("BEGIN")
        damaged = _make_messages(database, used, stream)
        conn.execute("PRAGMA query_only=ON")
        with stopped_by_growth(conn, path, lambda: now_ns() > end_ns):
            return _answer(conn, sql, limit, damaged)
    except LateError as err:
        raise StoreError(f"stopped after {timeout_s:g} s: see --timeout") from err
    except GrownError as err:
        raise StoreError(
            f"stopped: the server wrote {WAL_GROWTH_MAX >> 20} MiB meanwhile and could not reuse "
            "its log; ask for less, or ask a backup"
        ) from err
    except (MemoryError, sqlite3.DataError) as err:  # the second: one value that is too long
        raise StoreError(f"the query needs more than {HEAP_MAX >> 20} MiB of memory") from err
    except (sqlite3.Error, sqlite3.Warning) as err:
        raise _refusal(err, path) from err
    finally:
        conn.close()


def _make_tables(database: Database, path: Path) -> None:
    """Make `streams`, `consumers`, and an empty `messages` that says which columns are read."""
    with Inspection(path) as inspection:
        found = list(inspection.streams())
    consumers = [row for seen in found for row in describe.consumer_rows(seen)]
    streams = [describe.stream_row(seen) for seen in found]
    database.table("streams").create(describe.STREAM_COLUMNS).insert_all(streams)
    database.table("consumers").create(describe.CONSUMER_COLUMNS).insert_all(consumers)
    database.table("messages").create(dict.fromkeys(views.MESSAGES, str))


def _columns_read(conn: sqlite3.Connection, sql: str) -> set[str]:
    """Return the columns of `messages` that a statement reads, by preparing it."""
    used: set[str] = set()

    def note(action: int, name: str | None, column: str | None, *_: object) -> int:
        if action == sqlite3.SQLITE_READ and name == "messages" and column:
            used.add(column)
        return _judge(action, name, column)

    conn.set_authorizer(note)
    try:
        conn.execute(sql if sql.lstrip()[:7].upper() == "EXPLAIN" else f"EXPLAIN {sql}").fetchall()
    finally:
        conn.set_authorizer(None)
    return used


def _judge(action: int, _: str | None, name: str | None, *__: object) -> int:
    if action not in _ALLOWED:
        return sqlite3.SQLITE_DENY
    if action == sqlite3.SQLITE_FUNCTION and (name or "").lower() in _BANNED_FUNCTIONS:
        return sqlite3.SQLITE_DENY
    return sqlite3.SQLITE_OK


def _make_messages(database: Database, used: set[str], stream: str | None) -> views.Damaged:
    for name, function in views.functions().items():
        database.register_function(function, name=name, deterministic=True)
    conn: sqlite3.Connection = database.conn
    found = views.parts(conn, stream)
    is_dead = views.dead_tester(found)
    database.register_function(is_dead, name="leafnode_is_dead", deterministic=True)
    damaged = views.Damaged()
    conn.create_function("leafnode_is_intact", -1, damaged.is_intact, deterministic=True)
    conn.execute("DROP TABLE messages")
    for statement in views.statements(found, used):
        conn.execute(statement)
    return damaged


def _answer(conn: sqlite3.Connection, sql: str, limit: int, damaged: views.Damaged) -> Answer:
    conn.set_authorizer(_judge)
    try:
        cursor = conn.execute(sql)
        # All of them before the first is printed: a reader such as `less` takes its time.
        rows = cursor.fetchmany(limit + 1)
    finally:
        conn.set_authorizer(None)
    heads = tuple(column[0] for column in cursor.description or ())
    return Answer(heads, rows[:limit], has_more=len(rows) > limit, damaged=damaged)


def _refusal(err: Exception, path: Path) -> StoreError:
    text = str(err)
    if "not authorized" in text or "prohibited" in text:
        return StoreError(f"only statements that read are allowed: {text}")
    code = getattr(err, "sqlite_errorcode", sqlite3.SQLITE_ERROR)
    return StoreError(text if code == sqlite3.SQLITE_ERROR else f"{path}: {text}")
