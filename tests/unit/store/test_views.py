"""leafnode.store.views: the columns of `messages`, and that the dead are not in it."""

import json
import sqlite3
from pathlib import Path

import pytest

from leafnode.errors import StoreCorrupt
from leafnode.store import views
from tests.sim.committer import open_store
from tests.sim.stored import SHORT, fill, remove, write_anything


def connected(path: Path, columns: set[str] | None = None) -> sqlite3.Connection:
    conn = sqlite3.connect(":memory:", uri=True)
    conn.execute("ATTACH ? AS store", (f"{path.as_uri()}?mode=ro",))
    for name, function in views.functions().items():
        conn.create_function(name, 1, function)
    found = views.parts(conn)
    conn.create_function("leafnode_is_dead", 3, views.dead_tester(found))
    conn.create_function("leafnode_is_intact", -1, views.Damaged().is_intact)
    for statement in views.statements(found, set(views.MESSAGES) if columns is None else columns):
        conn.execute(statement)
    return conn


def test_a_message_has_all_its_columns(tmp_path: Path) -> None:
    conn = connected(fill(tmp_path))
    conn.row_factory = sqlite3.Row

    row = dict(conn.execute("SELECT * FROM messages WHERE seq=6").fetchone())

    assert json.loads(row.pop("headers")) == {"Nats-Msg-Id": "7", "Tag": ["a", "b"]}
    assert row == {
        "account": "A",
        "stream": "S",
        "seq": 6,
        "time": "2025-11-27T06:00:06.000000000Z",
        "time_ns": 1_764_223_206_000_000_000,
        "subject": "s.0",
        "size": 59,
        "payload": b'{"temp": 21.50}',
        "payload_text": '{"temp": 21.50}',
        "payload_json": '{"temp":21.50}',
        "payload_base64": "eyJ0ZW1wIjogMjEuNTB9",
    }


def test_a_payload_that_is_neither_json_nor_text_has_base64(tmp_path: Path) -> None:
    conn = connected(fill(tmp_path))

    row = conn.execute(
        "SELECT headers IS NULL, payload_text, payload_json, payload_base64 FROM messages "
        "WHERE seq IN (1, 8) ORDER BY seq DESC"
    ).fetchone()

    assert row == (0, None, None, "//4=")


def test_the_removed_and_those_below_the_first_are_not_there(tmp_path: Path) -> None:
    path = fill(tmp_path)
    remove(tmp_path, 4, 19)
    world = open_store(tmp_path, SHORT)
    world.store.streams()[0].store.remove_below(3)
    world.close()

    conn = connected(path)

    assert [seq for (seq,) in conn.execute("SELECT seq FROM messages")] == [*(3, *range(5, 19), 20)]


def test_what_is_not_asked_for_is_not_computed(tmp_path: Path) -> None:
    conn = connected(fill(tmp_path), {"seq"})
    calls: list[object] = []
    conn.create_function("leafnode_json", 1, calls.append)

    assert conn.execute("SELECT max(seq), max(payload_json) FROM messages").fetchone() == (20, None)
    assert calls == []


def test_more_segments_than_a_union_may_have(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    conn = connected(fill(tmp_path, 8 * 1200 + 1))

    assert conn.execute("SELECT count(*), max(seq) FROM messages").fetchone() == (9601, 9601)
    assert conn.execute("SELECT count(*) FROM messages WHERE seq=77").fetchone() == (1,)


def test_an_empty_store_has_the_view_too(tmp_path: Path) -> None:
    path = fill(tmp_path, 0)

    assert connected(path).execute("SELECT * FROM messages").fetchall() == []


def test_a_name_is_only_a_name(tmp_path: Path) -> None:
    path = fill(tmp_path, 1)
    conn = sqlite3.connect(path)
    name = "x', 1); DROP TABLE stream; --"
    conn.execute("UPDATE stream SET name=?", (name,))
    conn.commit()
    conn.close()

    assert connected(path).execute("SELECT stream FROM messages").fetchall() == [(name,)]


def test_json_that_is_too_deep_is_text() -> None:
    assert views.json_of(b"[" * 100_000) is None
    assert views.json_of(b'{"a": NaN}') is None
    assert views.json_of(b"12345678901234567890.10") == "12345678901234567890.10"


def test_so_many_damaged_messages_are_remembered_and_no_more() -> None:
    damaged = views.Damaged()
    for seq in range(1, views.DAMAGED_TOLD_MAX + 2):
        assert not damaged.is_intact("A", "S", b"s", seq, 1, 0, 0, 0, b"body")

    assert len(damaged.found) == views.DAMAGED_TOLD_MAX
    assert damaged.more
    assert not views.Damaged().is_intact("A", "S", None, 1, 1, 0, 0, 0, b"body")


def test_of_a_stream_whose_first_message_nobody_knows_nothing_is_told(tmp_path: Path) -> None:
    path = fill(tmp_path)
    with sqlite3.connect(path) as conn:
        conn.execute("UPDATE stream SET first_seq=3")
    conn.close()

    with pytest.raises(StoreCorrupt, match="stream S of A: the checksum of its position"):
        connected(path)


def test_a_stream_whose_name_damage_took_keeps_no_query_from_the_others(tmp_path: Path) -> None:
    path = fill(tmp_path)
    write_anything(path, "stream", "name", None)

    conn = connected(path)

    assert conn.execute("SELECT DISTINCT stream FROM messages").fetchone() is not None


def test_what_is_left_of_a_deleted_stream_is_in_no_view(tmp_path: Path) -> None:
    path = fill(tmp_path)
    with sqlite3.connect(path) as conn:
        conn.execute("UPDATE stream SET name='S..1'")
    conn.close()

    assert connected(path).execute("SELECT count(*) FROM messages").fetchone() == (0,)
