"""Looks at every byte of a store that means something: checksums, indexes, numbers, SQLite's pages.

Reads one segment in one short transaction and judges it afterwards, so a server beside it is not
held up. Knows the store's own rules; changes nothing. Truth: docs/store.md, "Rules" and "Damage".
"""

from __future__ import annotations

import contextlib
import sqlite3
import zlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from leafnode.errors import StoreCorrupt
from leafnode.store import schema
from leafnode.store.api import is_deleted
from leafnode.store.inspect import GrownError, stopped_by_growth
from leafnode.store.pages import STRAY_TABLES, lines, problems
from leafnode.store.rows import is_intact
from leafnode.store.segments import Columns, Segment, decode_spans, open_checked
from leafnode.store.sizes import message_bytes
from leafnode.store.writes import table

if TYPE_CHECKING:
    from collections.abc import Iterator

    from leafnode.store.inspect import Inspection
    from leafnode.store.rows import Row

PROBLEMS_MAX: Final = 20  # of one stream; the rest is counted
GAPS_MAX: Final = 10

SELECT_HEADS: Final = "SELECT id, account, name FROM stream ORDER BY account, name"
SELECT_FLOOR: Final = "SELECT first_seq, last_seq FROM stream WHERE id=?"
SELECT_NOS: Final = "SELECT no FROM segment WHERE stream=? ORDER BY no"
SELECT_SEGMENT: Final = (
    "SELECT first_seq, sealed, dead, last_seq, rows, bytes, first_ts, last_ts "
    "FROM segment WHERE stream=? AND no=?"
)
SELECT_INDEX: Final = "SELECT spans, columns FROM segment_index WHERE stream=? AND no=?"
SELECT_SUBJECTS: Final = "SELECT sid, name FROM subject WHERE stream=?"
SELECT_ROWS: Final = "SELECT seq, sid, ts, hl, crc, body FROM {table} ORDER BY seq"
COUNT_SEGMENTS: Final = "SELECT count(*) FROM segment"
STRAY_ROWS: Final = (
    ("segment", "SELECT count(*) FROM segment WHERE stream NOT IN (SELECT id FROM stream)"),
    ("consumer", "SELECT count(*) FROM consumer WHERE stream NOT IN (SELECT id FROM stream)"),
    ("subject", "SELECT count(*) FROM subject WHERE stream NOT IN (SELECT id FROM stream)"),
    (
        "segment_index",
        "SELECT count(*) FROM segment_index WHERE (stream, no) NOT IN "
        "(SELECT stream, no FROM segment WHERE sealed)",
    ),
)
CHECK_ALL: Final = "PRAGMA quick_check"
FIXED_TABLES: Final = ("meta", "stream", "segment", "segment_index", "subject", "consumer")
# SQLite's own begin with sqlite_, and nobody else can make such.
FOREIGN: Final = (
    "SELECT type, name FROM sqlite_schema WHERE name NOT GLOB 'sqlite_*' AND (type<>'table' OR "
    "name NOT IN ('meta', 'stream', 'segment', 'segment_index', 'subject', 'consumer') "
    "AND name NOT GLOB 'm[0-9]*_[0-9]*')"
)


@dataclass(slots=True)
class Verdict:
    """What was found in one stream, or in the file itself (then `stream` is empty)."""

    account: str = ""
    stream: str = ""
    segments: int = 0
    messages: int = 0
    removed: int = 0  # rows that are still there and count no more
    missing: int = 0  # sequences between first and last that hold no message: no fault by itself
    gaps: list[tuple[int, int]] = field(default_factory=list)  # the first GAPS_MAX of them
    problems: list[str] = field(default_factory=list)
    more_problems: int = 0
    last_live: int = 0
    last_seq: int = 0
    last_ts_ns: int = 0
    unseen: str = ""  # what was not looked at, and why

    @property
    def name(self) -> str:
        """What the stream is called, or was before it was deleted."""
        return self.stream.partition("..")[0]

    @property
    def is_deleted(self) -> bool:
        """It is what is left of a deleted stream."""
        return is_deleted(self.stream)

    def fault(self, problem: str) -> None:
        if len(self.problems) < PROBLEMS_MAX:
            self.problems.append(problem)
        else:
            self.more_problems += 1

    def live(self, seq: int) -> None:
        """Count a message; what lies between it and the one before is missing."""
        expected = self.last_live + 1
        if self.last_live and seq > expected:
            self.missing += seq - expected
            if len(self.gaps) < GAPS_MAX:
                self.gaps.append((expected, seq - 1))
        self.messages += 1
        self.last_live = seq


@dataclass(slots=True)
class _Read:
    """One segment as it was in one moment."""

    no: int
    floor: int
    first_seq: int
    sealed: bool
    dead: bytes | None
    numbers: tuple[int, ...]  # last_seq, rows, bytes, first_ts, last_ts of a sealed one
    index: tuple[bytes, bytes] | None
    rows: list[Row]
    integrity: list[str]


def segments(inspection: Inspection) -> int:
    """Return how many steps `verify` takes."""
    with inspection.view():
        count: int = inspection.conn.execute(COUNT_SEGMENTS).fetchone()[0]
    return count


def verify(inspection: Inspection) -> Iterator[Verdict | None]:
    """Yield None after each segment, the verdict of each stream, and the file's at last."""
    conn = inspection.conn
    file = Verdict()
    try:
        heads = conn.execute(SELECT_HEADS).fetchall()
    except sqlite3.Error as err:
        file.fault(str(err))
        heads = []
    for stream_id, account, name in heads:
        verdict = Verdict(account, name)
        _describe(inspection, stream_id, verdict)
        yield from _stream(inspection, stream_id, verdict)
        yield verdict
    with _noted(file), inspection.view():
        for (name,) in conn.execute(STRAY_TABLES):
            file.fault(f"table {name} belongs to no segment")
        for kind, name in conn.execute(FOREIGN):
            file.fault(f"{kind} {name} is not leafnode's")
        for name, statement in STRAY_ROWS:
            (count,) = conn.execute(statement).fetchone()
            if count:
                file.fault(f"{count} rows of table {name} belong to nothing")
    for name in FIXED_TABLES:
        with _noted(file):
            for problem in problems(conn, name):
                file.fault(problem)
    _pages(inspection, file)
    yield file


def _describe(inspection: Inspection, stream_id: int, verdict: Verdict) -> None:
    """Load the stream as a server does, which checks all that is kept about it."""
    try:
        seen = inspection.stream(stream_id)
    except StoreCorrupt as err:  # while its counts were taken
        verdict.fault(str(err))
        return
    if seen is not None and seen.stream.damage is not None:
        verdict.fault(str(seen.stream.damage))


def _pages(inspection: Inspection, file: Verdict) -> None:
    """Look at what belongs to no table: free pages, and pages that nothing leads to.

    The only view that lasts: as long as reading the file takes.
    """
    try:
        with _noted(file), stopped_by_growth(inspection.conn, inspection.path):
            for (text,) in inspection.conn.execute(CHECK_ALL):
                for line in lines(text):
                    file.fault(line)
    except GrownError:
        file.unseen = "pages outside tables were not looked at: the server writes too much"


def _stream(inspection: Inspection, stream_id: int, verdict: Verdict) -> Iterator[None]:
    names: dict[int, bytes] = {}
    nos: list[tuple[int]] = []
    with _noted(verdict), inspection.view():
        nos = inspection.conn.execute(SELECT_NOS, (stream_id,)).fetchall()
    for (no,) in nos:
        with _noted(verdict):
            if type(no) is not int or no < 0:
                raise StoreCorrupt(f"segment {no!r} has a number that nobody wrote")
            read = _read(inspection, stream_id, no, names)
            if read is not None:  # else it was dropped meanwhile
                verdict.segments += 1
                _judge(read, names, verdict)
        yield None


def _read(inspection: Inspection, stream_id: int, no: int, names: dict[int, bytes]) -> _Read | None:
    conn = inspection.conn
    with inspection.view():
        floor = conn.execute(SELECT_FLOOR, (stream_id,)).fetchone()
        row = conn.execute(SELECT_SEGMENT, (stream_id, no)).fetchone()
        if floor is None or row is None:
            return None
        numbers = (floor[0], *row[:2], *(row[3:] if row[1] else ()))
        if any(type(number) is not int for number in numbers):
            raise StoreCorrupt(f"the description of segment {no} is not as it was written")
        rows = conn.execute(SELECT_ROWS.format(table=table(stream_id, no))).fetchall()
        if any(row[1] not in names for row in rows):
            rows_of_subjects = conn.execute(SELECT_SUBJECTS, (stream_id,))
            names.update((sid, name) for sid, name in rows_of_subjects if type(name) is bytes)
        index = conn.execute(SELECT_INDEX, (stream_id, no)).fetchone()
        integrity = problems(conn, table(stream_id, no))
    return _Read(no, floor[0], row[0], bool(row[1]), row[2], row[3:], index, rows, integrity)


def _judge(read: _Read, names: dict[int, bytes], verdict: Verdict) -> None:
    where = f"segment {read.no}"
    for problem in read.integrity:
        verdict.fault(f"{where}: {problem}")
    segment = Segment(read.no, read.first_seq)
    if read.dead is not None:
        segment.dead = bytearray(open_checked(read.dead))
    columns = Columns(read.first_seq)
    for row in read.rows:
        seq, sid, ts_ns, header_size, _, body = row
        if not all(type(number) is int for number in row[:5]) or type(body) is not bytes:
            verdict.fault(f"message {seq} is not as it was written")
            continue
        name = names.get(sid)
        if seq < read.first_seq or seq <= verdict.last_seq:
            verdict.fault(f"message {seq} is not where its sequence belongs")
            continue
        is_dead = seq < read.floor or segment.is_dead(seq)
        if name is None and not is_dead:  # that of the dead may be forgotten
            verdict.fault(f"message {seq} names the unknown subject {sid}")
        if name is not None and not is_intact(row, zlib.crc32(name)):
            verdict.fault(f"the checksum of message {seq} does not hold")
        if ts_ns < verdict.last_ts_ns:
            verdict.fault(f"message {seq} is older than the one before it")
        verdict.last_seq, verdict.last_ts_ns = seq, ts_ns
        size = 0 if name is None else message_bytes("file", len(name), header_size, len(body))
        try:
            columns.add(seq, sid, size, ts_ns)
        except (TypeError, OverflowError):  # numbers that nobody wrote
            verdict.fault(f"message {seq} is not as it was written")
            continue
        if is_dead:
            verdict.removed += 1
        else:
            verdict.live(seq)
    if read.sealed:
        _judge_index(read, columns, verdict)
    elif read.index is not None:
        verdict.fault(f"{where} is open and has an index")


def _judge_index(read: _Read, columns: Columns, verdict: Verdict) -> None:
    """Compare what was written when the segment was sealed with its rows."""
    where = f"segment {read.no}"
    if read.index is None:
        verdict.fault(f"{where} has no index")
        return
    stored = Columns.decode(read.index[1])
    for what in ("first_seq", "offsets", "sids", "times"):
        if getattr(stored, what) != getattr(columns, what):
            verdict.fault(f"{where}: the {what} of its index are not those of its messages")
            return
    # A size that is not known here is none: 0.
    if any(size not in {0, told} for size, told in zip(columns.sizes, stored.sizes, strict=True)):
        verdict.fault(f"{where}: the sizes of its index are not those of its messages")
    if decode_spans(read.index[0]) != columns.spans():
        verdict.fault(f"{where}: the counts by subject are not those of its messages")
    last_seq, rows, size, first_ts, last_ts = read.numbers
    if not len(columns):
        verdict.fault(f"{where} is sealed and empty")
        return
    is_whole = read.dead is None and read.first_seq >= read.floor
    expected = (
        *(columns.first_seq + columns.offsets[-1], len(columns)),
        *(sum(columns.sizes) if is_whole else size, columns.times[0], columns.times[-1]),
    )
    # The last row may have been swept: the segment's range stays.
    if last_seq < expected[0] or (rows, size) != expected[1:3]:
        verdict.fault(f"{where}: its numbers are not those of its messages")
    elif first_ts > expected[3] or last_ts < expected[4]:
        verdict.fault(f"{where}: its times are not those of its messages")


@contextlib.contextmanager
def _noted(verdict: Verdict) -> Iterator[None]:
    """Note what cannot even be read, and go on with the next; what is no damage is raised."""
    try:
        yield
    except StoreCorrupt as err:
        verdict.fault(str(err))
    except sqlite3.Error as err:
        if not schema.is_damage(err):
            raise
        verdict.fault(str(err))
