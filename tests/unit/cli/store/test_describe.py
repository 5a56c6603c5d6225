"""leafnode.cli.store.describe: what `ls`, `info` and two of the views say."""

import sqlite3
from pathlib import Path

from leafnode.cli.store import describe
from leafnode.store.inspect import Inspection, Seen
from tests.sim.committer import open_store
from tests.sim.stored import SHORT, fill, remove


def seen(path: Path) -> Seen:
    with Inspection(path) as inspection:
        return next(inspection.streams())


def test_a_stream_in_a_row(tmp_path: Path) -> None:
    path = fill(tmp_path)
    remove(tmp_path, 1, 5)

    row = describe.stream_row(seen(path))

    assert row == {
        "account": "A",
        "stream": "S",
        "messages": 18,
        "bytes": row["bytes"],
        "subjects": 3,
        "first_seq": 2,
        "last_seq": 20,
        "removed": 1,
        "consumers": 1,
        "first_time": "2025-11-27T06:00:02Z",
        "last_time": "2025-11-27T06:00:20Z",
        "created": "2025-11-27T06:00:00Z",
        "config": '{"name":"S","subjects":["s.*"]}',
        "damage": None,
    }
    assert row["bytes"] > 18 * 30
    assert row.keys() == describe.STREAM_COLUMNS.keys()


def test_a_consumer_with_its_position_and_no_hidden_record(tmp_path: Path) -> None:
    (row,) = describe.consumer_rows(seen(fill(tmp_path)))

    assert row == {
        "account": "A",
        "stream": "S",
        "consumer": "C",
        "delivered_seq": 5,
        "ack_floor_seq": 3,
        "ack_pending": 2,
        "redelivered": 1,
        "created": "2025-11-27T06:00:00Z",
        "config": '{"durable":"C"}',
    }
    assert row.keys() == describe.CONSUMER_COLUMNS.keys()


def test_a_position_that_cannot_be_read_is_unknown(tmp_path: Path) -> None:
    path = fill(tmp_path)
    world = open_store(tmp_path, SHORT)
    world.store.put_consumer_state("A", "S", "C", b"\xff")
    world.close()

    (row,) = describe.consumer_rows(seen(path))

    assert row["delivered_seq"] is None


def test_a_damaged_stream_is_a_row_that_says_so(tmp_path: Path) -> None:
    path = fill(tmp_path)
    conn = sqlite3.connect(path)
    conn.execute("DROP TABLE m1_3")
    conn.commit()
    conn.close()

    row = describe.stream_row(seen(path))

    assert row["messages"] == 0
    assert "no such table" in row["damage"]


def test_info_of_a_stream_has_its_busiest_subjects_first(tmp_path: Path) -> None:
    path = fill(tmp_path)
    remove(tmp_path, 3, 6)

    found = describe.stream_info(seen(path), 2)

    assert found["most_frequent_subjects"] == {"s.1": 7, "s.2": 7}
    assert found["config"] == {"name": "S", "subjects": ["s.*"]}
    assert (found["segments"], found["dead_rows"]) == (3, 2)
    assert [consumer["consumer"] for consumer in found["consumers"]] == ["C"]


def test_info_of_the_file(tmp_path: Path) -> None:
    path = fill(tmp_path)
    with Inspection(path) as inspection:
        found = describe.file_info(inspection)

    assert found["file"] == str(path)
    assert found["file_bytes"] == path.stat().st_size
    assert (found["streams"], found["consumers"], found["messages"]) == (1, 1, 20)


def test_the_text_has_every_name_and_no_control_character(tmp_path: Path) -> None:
    found = {"a_b": "x\x1b", "size_bytes": 2048, "some": ["\x07"], "config": {"d": "\x1b"}}

    text = describe.as_text(found)

    assert all(name in text for name in ("a b", "2048 (2.0 KiB)", "\\x07", "x\\x1b"))
    assert "\x07" not in text


def test_the_text_of_a_stream_lists_consumers_and_subjects(tmp_path: Path) -> None:
    text = describe.as_text(describe.stream_info(seen(fill(tmp_path)), 10))

    assert "s.1" in text
    assert "C " in text
