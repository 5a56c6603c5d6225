"""leafnode.store.reader: old messages from disk, and damage that is never served."""

from __future__ import annotations

import sqlite3
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from leafnode import limits
from leafnode.errors import StoreBusy, StoreCorrupt
from leafnode.store import schema
from tests.sim.committer import SMALL, HeldExecutor, StoreWorld, open_store

if TYPE_CHECKING:
    from pathlib import Path

    from leafnode.store.api import StoredMsg, StreamStore
    from leafnode.store.worker import Executor

# Segments of four messages, and nothing stays in memory.
OLD = replace(SMALL, segment_rows_max=4, tail_cache_bytes=0, segment_cache_bytes=0)


def filled(directory: Path, count: int = 12) -> tuple[StoreWorld, StreamStore]:
    world = open_store(directory, OLD)
    stream = world.store.create_stream("A", "S", b"{}", 5, 1)
    for number in range(1, count + 1):
        stream.append(b"a.%d" % (number % 3), 0, b"body %d" % number, 1000 + number)
    world.settle()
    return world, stream


def read(world: StoreWorld, stream: StreamStore, start: int, *patterns: bytes) -> list[int]:
    found: list[list[StoredMsg]] = []
    stream.read(start, patterns, 100, 10_000, found.append)
    assert found == []  # it takes the reader's thread
    world.settle()
    return [message.seq for message in found[0]]


def change(directory: Path, statement: str, *parameters: object) -> None:
    conn = sqlite3.connect(directory / "leafnode.db", isolation_level=None)
    conn.execute(statement, parameters)
    conn.close()


def test_reads_go_across_segments(tmp_path: Path) -> None:
    world, stream = filled(tmp_path)

    assert read(world, stream, 3) == list(range(3, 13))
    world.close()


@pytest.mark.parametrize(
    ("max_msgs", "max_bytes", "count"),
    [(1, 10_000, 1), (7, 10_000, 7), (100, 1, 1), (100, 40, 7), (100, 41, 7), (100, 42, 7)],
)
def test_a_read_ends_with_the_message_that_reaches_a_bound(
    tmp_path: Path, max_msgs: int, max_bytes: int, count: int
) -> None:
    world, stream = filled(tmp_path)  # the first nine bodies have six bytes
    found: list[list[StoredMsg]] = []

    stream.read(1, [], max_msgs, max_bytes, found.append)
    world.settle()

    assert [message.seq for message in found[0]] == list(range(1, count + 1))
    world.close()


def test_a_read_passes_over_many_that_were_removed(tmp_path: Path) -> None:
    world = open_store(tmp_path, replace(OLD, segment_rows_max=64))
    stream = world.store.create_stream("A", "S", b"{}", 5, 1)
    for number in range(64):
        stream.append(b"a", 0, b"x", number)
    world.settle()
    stream.remove(range(2, 30))
    world.settle()
    found: list[list[StoredMsg]] = []

    stream.read(1, [], 2, 10_000, found.append)
    stream.read(2, [], 1, 10_000, found.append)
    world.settle()

    assert [[message.seq for message in messages] for messages in found] == [[1, 30], [30]]
    world.close()


def test_filtered_reads_use_the_columns_of_sealed_segments(tmp_path: Path) -> None:
    world, stream = filled(tmp_path)
    world.disk.statements.clear()

    assert read(world, stream, 1, b"a.1") == [1, 4, 7, 10]

    assert world.disk.count("SELECT columns") == 2
    read(world, stream, 1, b"a.2")
    assert world.disk.count("SELECT columns") == 2  # remembered
    world.close()


def test_segments_without_a_wanted_subject_are_not_read(tmp_path: Path) -> None:
    world, stream = filled(tmp_path)
    stream.append(b"rare", 0, b"", 2000)
    world.settle()
    world.disk.statements.clear()

    assert read(world, stream, 1, b"rare") == [13]

    assert not [sql for sql in world.disk.statements if "FROM m1_1 " in sql]
    world.close()


def test_a_swept_segment_is_read_by_its_new_columns(tmp_path: Path) -> None:
    world, stream = filled(tmp_path)
    assert read(world, stream, 1, b"a.1") == [1, 4, 7, 10]
    stream.remove([5, 7])
    world.settle()
    assert world.disk.count("DELETE FROM m1_2") == 1

    assert read(world, stream, 1, b"a.1") == [1, 4, 10]
    assert read(world, stream, 1) == [1, 2, 3, 4, 6, 8, 9, 10, 11, 12]
    world.close()


def test_columns_that_are_remembered_are_not_those_of_a_later_segment(tmp_path: Path) -> None:
    world, stream = filled(tmp_path)
    assert read(world, stream, 1, b"a.1") == [1, 4, 7, 10]
    stream.remove_below(13)
    world.settle()

    world.disk.fail("COMMIT", sqlite3.SQLITE_FULL, "database or disk is full")
    stream.append(b"lost", 0, b"", 2000)
    world.settle()
    world.disk.heal()
    world.clock.advance(limits.STORE_RETRY_NS)
    world.settle()
    for number in range(12):
        stream.append(b"a.%d" % (number % 4), 0, b"", 3000)
    world.settle()

    assert read(world, stream, 1, b"a.1") == [14, 18, 22]
    world.close()


@pytest.mark.parametrize("upto", [6, 10], ids=["a sealed segment", "an open one"])
def test_a_read_that_waits_while_the_front_goes_and_subjects_are_forgotten_is_no_damage(
    tmp_path: Path, upto: int
) -> None:
    world = open_store(tmp_path, OLD, lambda _: HeldExecutor())
    stream = world.store.create_stream("A", "S", b"{}", 5, 1)
    for number in range(1, 12):
        stream.append(b"a.%d" % number, 0, b"", 1000)
    world.settle()
    commits = world.executors["leafnode-commit"]
    assert isinstance(commits, HeldExecutor)
    pages: list[list[StoredMsg]] = []
    stream.read(1, [], 100, 10_000, pages.append)
    stream.read(1, [b"*.5", b"*.9", b"*.11"], 100, 10_000, pages.append)
    stream.last(b"*.*", lambda last: pages.append([last] if last else []), upto_seq=upto - 1)
    found: list[StoredMsg | None] = []
    for seq in (1, 5, 9, 11):
        stream.get(seq, found.append)

    stream.remove_below(upto)
    for _ in range(10):  # the floor, then the subjects
        world.turns.run()
        commits.release()
        world.clock.advance(0)
    assert len(stream.index.subjects.by_name) == 12 - upto
    world.settle()

    assert world.damage == []
    left = list(range(upto, 12))
    seqs = [[one.seq for one in page] for page in pages]
    assert seqs == [left, [seq for seq in (9, 11) if seq in left], []]
    assert [one.seq for one in found if one] == [seq for seq in (1, 5, 9, 11) if seq in left]
    world.close()


def get(world: StoreWorld, stream: StreamStore, *seqs: int) -> list[bytes | None]:
    """Ask for single messages, of which all but the first are read together."""
    found: dict[int, bytes | None] = {}
    for place, seq in enumerate(seqs):
        stream.get(seq, lambda msg, place=place: found.update({place: msg and msg.body}))  # type: ignore[misc]
    world.settle()
    return [found[place] for place in range(len(seqs))]


def test_single_messages_of_a_segment_are_read_with_one_statement(tmp_path: Path) -> None:
    world, stream = filled(tmp_path)
    world.disk.statements.clear()

    found = get(world, stream, 1, 7, 5, 8, 7, 11)

    assert found == [b"body %d" % seq for seq in (1, 7, 5, 8, 7, 11)]
    assert [
        world.disk.count(f"SELECT seq, sid, ts, hl, crc, body FROM m1_{no}") for no in (1, 2, 3)
    ] == [1, 1, 1]
    world.close()


def test_single_messages_that_are_not_there_are_none(tmp_path: Path) -> None:
    world = open_store(tmp_path, replace(OLD, segment_rows_max=6))
    stream = world.store.create_stream("A", "S", b"{}", 5, 1)
    for seq in (1, 2, 3, 5, 6, 7, 8, 10, 11):  # the last three are in the open segment
        stream.append(b"a", 0, b"%d" % seq, 1000, seq=seq)
    world.settle()
    stream.remove([2, 10])
    world.settle()

    assert get(world, stream, 1, 1, 2, 3, 4, 5) == [b"1", b"1", None, b"3", None, b"5"]
    assert get(world, stream, 1, 8, 9, 10, 11, 12) == [b"1", b"8", None, None, b"11", None]
    stream.remove([3, 5, 6])  # swept
    world.settle()
    assert get(world, stream, 1, 1, 2, 3, 7) == [b"1", b"1", None, None, b"7"]
    assert world.damage == []
    world.close()


def test_of_single_messages_read_together_those_before_a_damaged_one_are_served(
    tmp_path: Path,
) -> None:
    world, stream = filled(tmp_path)
    change(tmp_path, "UPDATE m1_2 SET body=CAST('other' AS BLOB) WHERE seq=7")

    assert get(world, stream, 1, 5, 6, 7, 8) == [b"body 1", b"body 5", b"body 6", None, None]

    assert len(world.damage) == 1
    world.close()


def test_of_single_messages_read_together_one_that_lacks_is_noticed(tmp_path: Path) -> None:
    world, stream = filled(tmp_path)
    change(tmp_path, "DELETE FROM m1_2 WHERE seq=6")

    assert get(world, stream, 1, 5, 6, 8) == [b"body 1", b"body 5", None, None]

    assert "messages of segment 2 are missing" in str(world.damage[0][2])
    world.close()


def test_a_read_that_finds_nothing_goes_on_with_what_was_committed_meanwhile(
    tmp_path: Path,
) -> None:
    world = open_store(tmp_path, OLD, held_reads)
    stream = world.store.create_stream("A", "S", b"{}", 5, 1)
    stream.append(b"other", 0, b"", 1000)
    stream.append(b"wanted", 0, b"", 1000)
    world.turns.run()
    stream.remove([2])
    world.turns.run()
    found: list[list[StoredMsg]] = []
    stream.read(1, [b"wanted"], 10, 10, found.append)

    stream.append(b"wanted", 0, b"", 1000)
    world.turns.run()
    world.settle()

    assert [[message.seq for message in messages] for messages in found] == [[3]]
    world.close()


def held_reads(name: str) -> Executor:
    executor = HeldExecutor()
    executor.inline = name == "leafnode-commit"
    return executor


def replace_value(world: StoreWorld, stream: StreamStore, subject: bytes) -> None:
    """A subject that holds one message gets another one, in one transaction."""
    known = stream.subject_state(subject)
    assert known is not None
    stream.append(subject, 0, b"new", 2000)
    stream.remove([known.last_seq])
    world.turns.run()


@pytest.mark.parametrize("times", [1, 3])
@pytest.mark.parametrize("tail_bytes", [0, 4096])
@pytest.mark.parametrize("pattern", [b"k.2", b"k.*", b">"])
def test_what_is_replaced_while_its_subject_is_read_is_not_missing_and_no_older_one_comes(
    tmp_path: Path, pattern: bytes, tail_bytes: int, times: int
) -> None:
    world = open_store(tmp_path, OLD)
    stream = world.store.create_stream("A", "S", b"{}", 5, 1)
    for number in range(3):
        stream.append(b"k.%d" % number, 0, b"old", 1000)
    world.settle()
    world.close()
    world = open_store(tmp_path, replace(OLD, tail_cache_bytes=tail_bytes), held_reads)
    (record,) = world.store.streams()
    stream = record.store
    found: list[StoredMsg | None] = []
    stream.last(pattern, found.append)

    for _ in range(times):
        replace_value(world, stream, b"k.2")
    world.settle()

    assert [one and (one.seq, one.subject, one.body) for one in found] == [
        (3 + times, b"k.2", b"new")
    ]
    world.close()


@pytest.mark.parametrize("pattern", [b"k.2", b"k.*"])
def test_nor_is_it_missing_where_the_reader_knows_of_a_commit_before_the_loop_does(
    tmp_path: Path, pattern: bytes
) -> None:
    world = open_store(tmp_path, OLD, held_reads)
    stream = world.store.create_stream("A", "S", b"{}", 5, 1)
    for number in range(3):
        stream.append(b"k.%d" % number, 0, b"old", 1000)
    world.turns.run()
    found: list[StoredMsg | None] = []
    stream.last(pattern, found.append)
    reads = world.executors["leafnode-read"]
    assert isinstance(reads, HeldExecutor)

    stream.append(b"k.2", 0, b"new", 2000)
    stream.remove([3])
    world.store.committer.hurry()  # its result waits for the next turn
    reads.release()
    world.turns.run_results(world.store._read_worker)
    assert stream.committed_seq() == 3
    assert found == []
    world.settle()

    assert [one and (one.seq, one.subject) for one in found] == [(4, b"k.2")]
    world.close()


def test_a_key_that_is_replaced_before_each_look_is_found_in_the_end(tmp_path: Path) -> None:
    world = open_store(tmp_path, OLD, held_reads)
    stream = world.store.create_stream("A", "S", b"{}", 5, 1)
    stream.append(b"k", 0, b"old", 1000)
    world.turns.run()
    found: list[StoredMsg | None] = []
    stream.last(b"k", found.append)
    reads = world.executors["leafnode-read"]
    assert isinstance(reads, HeldExecutor)

    for _ in range(9):
        replace_value(world, stream, b"k")
        reads.release()
        world.turns.run()
    assert found == []
    world.settle()

    assert [one and one.seq for one in found] == [10]
    world.close()


def test_what_is_removed_while_its_subject_is_read_is_missing(tmp_path: Path) -> None:
    world = open_store(tmp_path, OLD, held_reads)
    stream = world.store.create_stream("A", "S", b"{}", 5, 1)
    for subject in (b"k.1", b"k.2", b"k.3"):
        stream.append(subject, 0, b"", 1000)
    world.turns.run()
    found: list[StoredMsg | None] = []
    stream.last(b"k.1", found.append)
    stream.last(b"k.*", found.append, upto_seq=2)

    replace_value(world, stream, b"k.2")
    stream.remove([1])
    world.turns.run()
    world.settle()

    assert found == [None, None]
    world.close()


def test_of_a_stream_that_is_deleted_while_it_is_read_nothing_is_found(tmp_path: Path) -> None:
    world = open_store(tmp_path, OLD, held_reads)
    stream = world.store.create_stream("A", "S", b"{}", 5, 1)
    stream.append(b"k", 0, b"", 1000)
    world.turns.run()
    found: list[StoredMsg | None] = []
    stream.last(b"k", found.append)
    stream.last(b">", found.append)

    world.store.delete_stream("A", "S")
    world.turns.run()
    world.settle()

    assert found == [None, None]
    world.close()


def test_a_stream_that_was_deleted_meanwhile_gives_nothing(tmp_path: Path) -> None:
    world = open_store(tmp_path, OLD, lambda _: HeldExecutor())
    stream = world.store.create_stream("A", "S", b"{}", 5, 1)
    stream.append(b"a", 0, b"x", 1000)
    world.settle()
    found: list[object] = []
    world.store.delete_stream("A", "S")
    world.turns.run()
    commits = world.executors["leafnode-commit"]
    assert isinstance(commits, HeldExecutor)
    commits.release()
    stream.read(1, [], 10, 10, found.append)

    world.settle()

    assert found == [[]]
    assert world.damage == []
    world.close()


def test_as_many_reads_wait_as_may_and_one_more_is_refused(tmp_path: Path) -> None:
    world = open_store(tmp_path, replace(OLD, reads_waiting_max=2), lambda _: HeldExecutor())
    stream = world.store.create_stream("A", "S", b"{}", 5, 1)
    stream.append(b"a", 0, b"x", 1000)
    world.settle()
    found: list[object] = []
    stream.get(1, found.append)
    stream.get(1, found.append)

    with pytest.raises(StoreBusy):
        stream.get(1, found.append)

    assert world.store.stats().reads_refused == 1
    world.settle()
    assert len(found) == 2
    stream.get(1, found.append)
    world.close()


def test_a_flipped_bit_in_a_body_on_disk_is_never_served(tmp_path: Path) -> None:
    world, _ = filled(tmp_path)
    world.close()
    path = tmp_path / "leafnode.db"
    path.with_name("leafnode.db-wal").unlink(missing_ok=True)  # closing brought everything over
    data = bytearray(path.read_bytes())
    at = data.index(b"body 6")
    data[at] ^= 0x01
    path.write_bytes(data)
    world = open_store(tmp_path, OLD)
    stream = world.store.streams()[0].store
    assert (stream.damage(), stream.state().msgs) == (None, 12)

    assert read(world, stream, 1) == []

    ((account, name, problem),) = world.damage
    assert (account, name) == ("A", "S")
    assert "the checksum of message 6" in str(problem)
    world.close()


def test_a_quarantined_stream_serves_and_takes_nothing_and_others_go_on(tmp_path: Path) -> None:
    world, stream = filled(tmp_path)
    other = world.store.create_stream("A", "OTHER", b"{}", 5, 1)
    other.append(b"o", 0, b"fine", 1000)
    world.settle()
    change(tmp_path, "UPDATE m1_1 SET body=x'00' WHERE seq=2")
    read(world, stream, 2)
    assert isinstance(stream.damage(), StoreCorrupt)

    found: list[object] = []
    stream.get(5, found.append)
    stream.read(1, [], 10, 100, found.append)
    stream.last(b">", found.append)
    assert found == [None, [], None]
    assert stream.state().msgs == 12
    for refused in (
        lambda: stream.append(b"a", 0, b"", 2000),
        lambda: stream.remove([1]),
        lambda: stream.remove_below(5),
        lambda: stream.num_pending([], 1),
        lambda: stream.subject_state(b"a.1"),
    ):
        with pytest.raises(StoreCorrupt):
            refused()
    assert read(world, other, 1) == [1]
    assert other.append(b"o", 0, b"", 2000) == 2
    assert len(world.damage) == 1

    world.store.delete_stream("A", "S")
    world.settle()
    assert [record.name for record in world.store.streams()] == ["OTHER"]
    world.close()


@pytest.mark.parametrize(
    ("statement", "text"),
    [
        ("UPDATE m1_1 SET sid=2 WHERE seq=1", "checksum of message 1"),
        ("UPDATE m1_1 SET sid=99 WHERE seq=1", "unknown subject 99"),
        ("UPDATE m1_1 SET ts=ts+1 WHERE seq=1", "checksum of message 1"),
        ("UPDATE m1_1 SET hl=3 WHERE seq=1", "checksum of message 1"),
        ("UPDATE segment SET dead=x'0000000001' WHERE no=1", "checksum of a segment"),
        ("DROP TABLE m1_1", "no such table"),
    ],
)
def test_other_damage_is_noticed_too(tmp_path: Path, statement: str, text: str) -> None:
    world, stream = filled(tmp_path)
    change(tmp_path, statement)

    assert read(world, stream, 1) == []

    assert text in str(world.damage[0][2])
    world.close()


def test_damaged_columns_are_noticed_by_filtered_reads(tmp_path: Path) -> None:
    world, stream = filled(tmp_path)
    change(tmp_path, "UPDATE segment_index SET columns=x'00' WHERE no=1")

    assert read(world, stream, 1, b"a.1") == []

    assert "index of a segment cannot be read" in str(world.damage[0][2])
    world.close()


def test_a_connection_that_fails_is_opened_anew_at_once(tmp_path: Path) -> None:
    world, stream = filled(tmp_path)
    opened = world.disk.opened
    world.store._reader._conn.close()  # type: ignore[union-attr]

    assert read(world, stream, 1) == list(range(1, 13))

    assert world.disk.opened == opened + 1
    assert world.damage == []
    world.close()


def test_no_connection_is_opened_for_the_first_read_and_the_first_question(tmp_path: Path) -> None:
    world, _ = filled(tmp_path)
    world.close()
    world = open_store(tmp_path, OLD)
    stream = world.store.streams()[0].store
    opened = world.disk.opened

    assert read(world, stream, 1) == list(range(1, 13))
    assert stream.num_pending([b"a.1"], 3) == 3

    assert world.disk.opened == opened  # so descriptors that run out later do no harm
    world.close()


@pytest.mark.parametrize(
    "code",
    [
        sqlite3.SQLITE_IOERR_READ,
        sqlite3.SQLITE_CANTOPEN,
        sqlite3.SQLITE_NOMEM,
        sqlite3.SQLITE_BUSY,
    ],
)
def test_a_read_that_fails_for_now_is_answered_later_and_its_stream_stays_whole(
    tmp_path: Path, code: int
) -> None:
    world, stream = filled(tmp_path)
    found: list[object] = []
    world.disk.fail("BEGIN", code)

    stream.get(1, found.append)
    stream.read(3, [b"a.0"], 1, 100, lambda page: found.extend(one.seq for one in page))
    stream.last(b"a.2", lambda one: found.append(one and one.seq))
    world.settle()
    assert found == []
    world.clock.advance(limits.STORE_RETRY_NS)
    world.settle()
    assert found == []
    world.disk.heal()
    world.clock.advance(2 * limits.STORE_RETRY_NS)
    world.settle()

    assert [getattr(one, "seq", one) for one in found] == [1, 3, 11]
    assert (world.damage, stream.damage()) == ([], None)
    assert world.clock.pending() == 0
    world.close()


def test_reads_that_are_tried_again_count_as_waiting(tmp_path: Path) -> None:
    world = open_store(tmp_path, replace(OLD, reads_waiting_max=2))
    stream = world.store.create_stream("A", "S", b"{}", 5, 1)
    stream.append(b"a", 0, b"x", 1000)
    world.settle()
    found: list[object] = []
    world.disk.fail("BEGIN", sqlite3.SQLITE_IOERR_READ)
    stream.get(1, found.append)
    world.settle()
    stream.get(1, found.append)
    world.settle()

    with pytest.raises(StoreBusy):
        stream.get(1, found.append)

    world.disk.heal()
    world.clock.advance(limits.STORE_RETRY_NS)
    world.settle()
    assert len(found) == 2
    world.close()


def test_a_read_that_waits_while_the_store_closes_is_dropped(tmp_path: Path) -> None:
    world, stream = filled(tmp_path)
    found: list[object] = []
    world.disk.fail("BEGIN", sqlite3.SQLITE_IOERR_READ)
    stream.get(1, found.append)
    world.settle()
    world.disk.heal()

    world.close()

    assert world.clock.pending() == 0
    assert found == []


def test_a_bug_in_a_read_is_logged_and_does_not_leave_the_reader_waiting(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    world, stream = filled(tmp_path)
    found: list[object] = []
    world.disk.faults["BEGIN"] = OverflowError("too large")  # type: ignore[assignment]
    stream.get(1, found.append)
    world.settle()
    assert "Traceback" in caplog.text
    world.disk.heal()

    world.clock.advance(limits.STORE_RETRY_NS)
    world.settle()

    assert len(found) == 1
    assert world.damage == []
    world.close()


def test_a_question_whose_index_cannot_be_read_for_now_is_refused_and_may_be_asked_again(
    tmp_path: Path,
) -> None:
    world, stream = filled(tmp_path)
    world.disk.fail("SELECT columns", sqlite3.SQLITE_IOERR_READ)

    with pytest.raises(StoreBusy, match="segment 1"):
        stream.num_pending([b"a.1"], 3)
    with pytest.raises(StoreBusy):
        stream.remove([2, 6])
    world.disk.heal()

    assert stream.num_pending([b"a.1"], 3) == 3
    assert stream.remove([2, 6]) == 2
    assert world.damage == []
    world.close()


def test_a_read_that_goes_on_is_not_refused_for_want_of_a_place(tmp_path: Path) -> None:
    def held_reads(name: str) -> Executor:
        executor = HeldExecutor()
        executor.inline = name == "leafnode-commit"
        return executor

    world = open_store(tmp_path, replace(OLD, reads_waiting_max=1), held_reads)
    stream = world.store.create_stream("A", "S", b"{}", 5, 1)
    stream.append(b"wanted", 0, b"", 1000)
    stream.append(b"other", 0, b"", 1000)
    world.turns.run()
    stream.remove([1])
    world.turns.run()
    found: list[list[StoredMsg]] = []
    stream.read(1, [b"wanted"], 10, 10, found.append)
    stream.append(b"wanted", 0, b"", 1000)
    world.turns.run()
    reads = world.executors["leafnode-read"]
    assert isinstance(reads, HeldExecutor)
    world.store._read_worker.waiting += 1  # somebody else was let in meanwhile

    reads.release()
    world.turns.run()
    world.settle()

    world.store._read_worker.waiting -= 1
    assert [[message.seq for message in page] for page in found] == [[3]]
    world.close()


@pytest.mark.parametrize("patterns", [(), (b"a.1",)])
def test_a_sealed_segment_that_lacks_a_row_is_noticed(
    tmp_path: Path, patterns: tuple[bytes, ...]
) -> None:
    world, stream = filled(tmp_path)
    change(
        tmp_path,
        "DELETE FROM m1_1 WHERE sid=(SELECT sid FROM subject WHERE name=CAST('a.1' AS BLOB))",
    )

    assert read(world, stream, 1, *patterns) == []

    assert "messages of segment 1 are missing" in str(world.damage[0][2])
    world.close()


def test_malformed_is_no_damage_where_the_file_cannot_be_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """SQLite says it of EIO, too."""
    world, stream = filled(tmp_path)
    world.disk.fail("SELECT seq", sqlite3.SQLITE_CORRUPT, "database disk image is malformed")
    monkeypatch.setattr(schema, "can_be_read", lambda _: False)
    found: list[StoredMsg | None] = []

    stream.get(2, found.append)
    world.settle()
    assert found == []
    world.disk.heal()
    world.clock.advance(limits.STORE_RETRY_NS)
    world.settle()

    assert [one.seq for one in found if one is not None] == [2]
    assert world.damage == []
    world.close()


@pytest.mark.parametrize("readable", [True, False])
def test_a_question_that_hears_malformed_waits_for_a_look_at_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, readable: bool
) -> None:
    world, stream = filled(tmp_path)
    world.disk.fail("SELECT columns", sqlite3.SQLITE_CORRUPT, "database disk image is malformed")
    monkeypatch.setattr(schema, "can_be_read", lambda _: readable)

    with pytest.raises(StoreBusy):
        stream.num_pending([b"a.1"], 2)
    world.settle()

    assert bool(world.damage) == readable
    world.disk.heal()
    world.close()


def test_the_time_of_the_first_message_is_a_little_early_where_it_cannot_be_read(
    tmp_path: Path,
) -> None:
    world, stream = filled(tmp_path)
    stream.remove([1, 2])
    world.settle()
    stream.subject_of(6)  # takes the place of the first segment's columns in memory
    world.disk.fail("SELECT columns", sqlite3.SQLITE_IOERR_READ)

    assert (stream.state().first_seq, stream.state().first_ts_ns) == (3, 1001)

    world.disk.heal()
    assert stream.state().first_ts_ns == 1003
    world.close()
