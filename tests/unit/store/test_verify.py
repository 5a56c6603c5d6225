"""leafnode.store.verify: each kind of damage is found, and a sound store has none."""

import sqlite3
from pathlib import Path

import pytest

from leafnode.errors import StoreCorrupt
from leafnode.store.inspect import Inspection
from leafnode.store.verify import PROBLEMS_MAX, Verdict, segments, verify
from tests.sim.committer import open_store
from tests.sim.stored import ANYTHING, COLUMNS, SHORT, fill, remove, write_anything


def verdicts(path: Path) -> list[Verdict]:
    with Inspection(path) as inspection:
        return [verdict for verdict in verify(inspection) if verdict is not None]


def damage(path: Path, *statements: str) -> None:
    conn = sqlite3.connect(path)
    for statement in statements:
        assert conn.execute(statement).rowcount != 0, statement
    conn.commit()
    conn.close()


def test_a_sound_store_has_no_problem_and_its_gaps_are_told(tmp_path: Path) -> None:
    path = fill(tmp_path)
    remove(tmp_path, 1, 4, 5, 18)

    stream, file = verdicts(path)

    assert stream.problems == file.problems == []
    assert (stream.messages, stream.removed, stream.segments) == (16, 4, 3)
    assert (stream.missing, stream.gaps) == (3, [(4, 5), (18, 18)])


def test_a_stream_that_was_swept_and_purged_is_sound(tmp_path: Path) -> None:
    path = fill(tmp_path, 40)
    remove(tmp_path, *range(9, 15), *range(17, 25))
    world = open_store(tmp_path, SHORT)
    world.store.streams()[0].store.remove_below(4, lazy=True)
    world.close()

    stream, file = verdicts(path)

    assert stream.problems == file.problems == []


def test_there_is_a_step_for_each_segment(tmp_path: Path) -> None:
    with Inspection(fill(tmp_path)) as inspection:
        assert segments(inspection) == 3
        assert sum(verdict is None for verdict in verify(inspection)) == 3


@pytest.mark.parametrize(
    ("statement", "said"),
    [
        ("UPDATE m1_1 SET body=x'31' WHERE seq=3", "the checksum of message 3 does not hold"),
        ("UPDATE m1_1 SET ts=1 WHERE seq=3", "message 3 is older than the one before it"),
        ("UPDATE m1_1 SET sid=99 WHERE seq=3", "message 3 names the unknown subject 99"),
        ("UPDATE m1_2 SET seq=5 WHERE seq=9", "message 5 is not where its sequence belongs"),
        ("DELETE FROM m1_1 WHERE seq=3", "segment 1: the offsets of its index"),
        ("DELETE FROM segment_index WHERE no=2", "segment 2 has no index"),
        ("UPDATE segment_index SET columns=x'00' WHERE no=1", "cannot be read"),
        ("UPDATE segment_index SET spans=x'00' WHERE no=1", "a checksum of a segment's"),
        ("UPDATE segment SET dead=x'0000000001' WHERE no=1", "a checksum of a segment's"),
        ("UPDATE segment SET rows=7 WHERE no=1", "segment 1: its numbers"),
        ("UPDATE segment SET last_ts=7 WHERE no=1", "segment 1: its times"),
        ("UPDATE segment_index SET spans=(SELECT spans FROM segment_index WHERE no=2) WHERE no=1",
         "segment 1: the counts by subject"),
        ("DROP TABLE m1_2", "no such table"),
    ],
)  # fmt: skip
def test_damage_of_a_stream_is_named(tmp_path: Path, statement: str, said: str) -> None:
    path = fill(tmp_path)
    damage(path, statement)

    stream, _ = verdicts(path)

    assert any(said in problem for problem in stream.problems), stream.problems


@pytest.mark.parametrize(
    ("statement", "said"),
    [
        ("DELETE FROM segment WHERE no=1", "table m1_1 belongs to no segment"),
        ("INSERT INTO consumer VALUES(9,'x',0,x'',x'',0)", "1 rows of table consumer"),
        ("INSERT INTO subject VALUES(9,1,x'61',0)", "1 rows of table subject"),
    ],
)
def test_what_belongs_to_no_stream_is_named(tmp_path: Path, statement: str, said: str) -> None:
    path = fill(tmp_path)
    damage(path, statement)

    *_, file = verdicts(path)

    assert any(said in problem for problem in file.problems), file.problems


def test_a_damaged_page_is_found_and_the_rest_is_still_looked_at(tmp_path: Path) -> None:
    path = fill(tmp_path)
    conn = sqlite3.connect(path)
    (page,) = conn.execute("SELECT rootpage FROM sqlite_schema WHERE name='m1_1'").fetchone()
    conn.close()
    with path.open("r+b") as file:
        file.seek((page - 1) * 4096)
        file.write(b"\xff" * 4096)

    stream, _ = verdicts(path)

    assert stream.problems
    assert stream.messages >= 8  # of the other segments


def test_a_flood_of_problems_is_counted(tmp_path: Path) -> None:
    path = fill(tmp_path, PROBLEMS_MAX + 9)
    for no in range(1, 5):
        damage(path, f"UPDATE m1_{no} SET crc=crc+1")

    stream, _ = verdicts(path)

    assert len(stream.problems) == PROBLEMS_MAX
    assert stream.more_problems == 9


@pytest.mark.parametrize("value", ANYTHING)
@pytest.mark.parametrize(("table", "column"), COLUMNS)
def test_whatever_a_record_holds_that_nobody_wrote_is_found(
    tmp_path: Path, table: str, column: str, value: object
) -> None:
    path = fill(tmp_path)
    if not write_anything(path, table, column, value):
        return

    try:
        found = [problem for verdict in verdicts(path) for problem in verdict.problems]
    except StoreCorrupt as error:
        found = [str(error)]

    assert found


def test_a_column_whose_name_is_damaged_is_damage(tmp_path: Path) -> None:
    path = fill(tmp_path)
    damage_schema = "UPDATE sqlite_schema SET sql=replace(sql, 'hl', 'hm') WHERE name='m1_1'"
    damage(path, "PRAGMA writable_schema=ON", damage_schema)

    stream, _ = verdicts(path)

    assert "no such column: hl" in stream.problems


@pytest.mark.parametrize(
    ("statement", "said"),
    [
        ("CREATE TRIGGER t AFTER INSERT ON subject BEGIN DELETE FROM segment; END", "trigger t"),
        ("CREATE TABLE evil(a)", "table evil"),
        ("CREATE VIEW v AS SELECT 1", "view v"),
        ("CREATE INDEX i ON consumer(created)", "index i"),
    ],
)
def test_what_leafnode_never_makes_is_told(tmp_path: Path, statement: str, said: str) -> None:
    path = fill(tmp_path)
    conn = sqlite3.connect(path)
    conn.execute(statement)
    conn.close()

    stream, file = verdicts(path)

    assert stream.problems == []
    assert file.problems == [f"{said} is not leafnode's"]
