"""leafnode.store.inspect: what a command sees of a store, beside a server that writes it."""

import sqlite3
from pathlib import Path

import pytest

from leafnode.errors import StoreCorrupt, StoreError
from leafnode.store import inspect
from leafnode.store.inspect import Inspection
from leafnode.store.schema import FILE_NAME
from tests.sim.committer import open_store
from tests.sim.stored import SHORT, START_NS, fill, remove


def test_a_stream_is_seen_with_its_state(tmp_path: Path) -> None:
    path = fill(tmp_path)
    remove(tmp_path, 1, 9)

    with Inspection(path) as inspection:
        (seen,) = inspection.streams()

    assert (seen.stream.account, seen.stream.name) == ("A", "S")
    assert (seen.state.msgs, seen.state.first_seq, seen.state.last_seq) == (18, 2, 20)


def test_messages_come_in_order_without_the_removed_and_of_the_wanted_subjects(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(inspect, "READ_MSGS", 3)
    path = fill(tmp_path)
    remove(tmp_path, 6)

    with Inspection(path) as inspection:
        (seen,) = inspection.streams()
        lists = list(inspection.messages(seen, [b"s.0"], 2, 17))

    assert [message.seq for messages in lists for message in messages] == [3, 9, 12, 15]
    assert max(map(len, lists)) == 3


def test_what_is_committed_meanwhile_is_not_part_of_what_was_seen(tmp_path: Path) -> None:
    path = fill(tmp_path)
    world = open_store(tmp_path, SHORT)
    with Inspection(path) as inspection:
        (seen,) = inspection.streams()
        (record,) = world.store.streams()
        record.store.append(b"s.new", 0, b"", START_NS)
        record.store.remove_below(17)  # two segments
        world.settle()
        lists = list(inspection.messages(seen, []))
    world.close()

    assert [message.seq for messages in lists for message in messages] == [17, 18, 19, 20]


def test_no_view_is_left_open(tmp_path: Path) -> None:
    """One would keep the write-ahead log from being reused."""
    path = fill(tmp_path)
    with Inspection(path) as inspection:
        for seen in inspection.streams():
            assert not inspection.conn.in_transaction
            for _ in inspection.messages(seen, []):
                assert not inspection.conn.in_transaction


def test_a_changed_byte_is_not_handed_out(tmp_path: Path) -> None:
    path = fill(tmp_path)
    conn = sqlite3.connect(path)
    conn.execute("UPDATE m1_1 SET body=x'00' WHERE seq=3")
    conn.commit()
    conn.close()

    with Inspection(path) as inspection:
        (seen,) = inspection.streams()
        with pytest.raises(StoreCorrupt, match="checksum of message 3"):
            list(inspection.messages(seen, []))


@pytest.mark.parametrize("content", [b"", b"text", b"SQLite format 3\0" + bytes(100)])
def test_what_is_no_store_is_refused_with_its_name(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / FILE_NAME
    path.write_bytes(content)

    with pytest.raises(StoreError, match=FILE_NAME):
        Inspection(path)


def test_another_database_and_one_of_another_version_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "other.db"
    conn = sqlite3.connect(path)
    conn.execute("CREATE TABLE t(a)")
    conn.close()
    with pytest.raises(StoreCorrupt, match="not one of leafnode"):
        Inspection(path)

    for version, said in ((1, "older"), (9, "newer")):
        path = fill(tmp_path / str(version))
        conn = sqlite3.connect(path)
        conn.execute("UPDATE meta SET v=? WHERE k='schema_version'", (version,))
        conn.commit()
        conn.close()
        with pytest.raises(StoreError, match=said):
            Inspection(path)
