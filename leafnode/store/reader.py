"""Older messages from disk: runs on the reader's thread, on a connection that cannot write.

Every step is one short transaction over one segment, so the WAL is never held back. What is read is
the committed state; each row's checksum is verified. Knows SQL; not the loop or what is staged.
Truth: docs/store.md, "Reads" and "Damage".
"""

from __future__ import annotations

import json
import logging
import sqlite3
import zlib
from collections import OrderedDict
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from leafnode.errors import StoreCorrupt, StoreError
from leafnode.store import schema
from leafnode.store.recover import SEGMENT_COLUMNS, check_row, check_segment, load_columns
from leafnode.store.rows import ascend, is_intact, to_message, to_messages
from leafnode.store.segments import Segment, open_checked
from leafnode.store.writes import table

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path

    Look = Callable[[sqlite3.Connection, "ReadResult"], None]

    from leafnode.store.api import StoredMsg
    from leafnode.store.rows import Row
    from leafnode.store.segments import Columns

log = logging.getLogger(__name__)

COLUMNS_KEPT: Final = 8  # segments whose columns this thread remembers between two reads
SEQS_PER_SELECT: Final = 64
ROWS_AT_ONCE: Final = 64  # taken from SQLite; their bodies lie in one segment
NO_SEGMENT_LIMIT: Final = 2**62

NEXT_SEGMENT: Final = (
    f"SELECT {SEGMENT_COLUMNS} FROM segment "  # noqa: S608
    "WHERE stream=? AND no>=? AND (last_seq IS NULL OR last_seq>=?) ORDER BY no LIMIT 1"
)
PREVIOUS_SEGMENT: Final = (
    f"SELECT {SEGMENT_COLUMNS} FROM segment "  # noqa: S608
    "WHERE stream=? AND no<=? AND first_seq<=? ORDER BY no DESC LIMIT 1"
)
SUBJECT_NAME: Final = "SELECT name FROM subject WHERE stream=? AND sid=?"
FLOOR: Final = "SELECT first_seq, last_seq, last_ts, floor_crc FROM stream WHERE id=?"
ROWS: Final = (
    "SELECT seq, sid, ts, hl, crc, body FROM {table} WHERE seq>=? AND seq<=? ORDER BY seq {order}"
)
ROWS_OF_SUBJECTS: Final = (
    "SELECT seq, sid, ts, hl, crc, body FROM {table} WHERE seq>=? AND seq<=? "
    "AND sid IN (SELECT value FROM json_each(?)) ORDER BY seq {order}"
)
ROWS_BY_SEQ: Final = (
    "SELECT seq, sid, ts, hl, crc, body FROM {table} WHERE seq IN ({marks}) ORDER BY seq {order}"
)


@dataclass(frozen=True, slots=True)
class ReadRequest:
    """Messages of one stream between two sequences. `sids` None: of every subject.

    `no` is a segment at or before the place to start at (for `backward`: at or behind it). `others`
    are segments without any of the subjects. `seqs`: only these, ascending.
    `removed_below`: not what is there is read but what was removed, all before that sequence
    included.
    """

    stream_id: int
    no: int
    first_seq: int
    last_seq: int
    sids: frozenset[int] | None
    max_msgs: int
    max_bytes: int
    names: Mapping[int, bytes]
    backward: bool = False
    others: frozenset[int] = frozenset()
    removed_below: int = 0
    seqs: tuple[int, ...] = ()


@dataclass(slots=True)
class ReadResult:
    """What was found before a bound, the end or damage was reached.

    With `error` nothing is known: the same request may succeed later.
    """

    messages: list[StoredMsg] = field(default_factory=list)
    bytes: int = 0
    damage: StoreCorrupt | None = None
    error: StoreError | None = None


class Reader:
    """Owns a read-only connection: opened early, so that it is there when descriptors run out."""

    def __init__(self, path: Path, connect: schema.Connect) -> None:
        self._path = path
        self._connect = connect
        self._conn: sqlite3.Connection | None = None
        self._columns: OrderedDict[tuple[int, int, int], Columns] = OrderedDict()

    def open(self) -> None:
        """Open the connection unless it is. Raises sqlite3.Error."""
        if self._conn is None:
            self._conn = schema.open_reader(self._path, self._connect)

    def read(self, request: ReadRequest) -> ReadResult:
        """Do one request; a second time on a new connection when the first one fails."""
        return self._twice(partial(self._read, request))

    def look(self, job: Look) -> ReadResult:
        """Do a job of the scrub in the same way, in a transaction of its own."""
        return self._twice(partial(self._look, job))

    def _twice(self, job: Callable[[ReadResult], None]) -> ReadResult:
        result = self._try(job)
        if result.error is not None or result.damage is not None:
            self.close()
            result = self._try(job)
        if result.damage is not None and not schema.can_be_read(self._path):
            result = ReadResult(error=StoreError(f"{self._path}: cannot be read"))
        if result.error is not None:
            self.close()  # what state it is in nobody knows
        return result

    def close(self) -> None:
        conn, self._conn = self._conn, None
        self._columns.clear()
        if conn is not None:
            conn.close()

    def _try(self, job: Callable[[ReadResult], None]) -> ReadResult:
        result = ReadResult()
        try:
            self.open()
            job(result)
        except StoreCorrupt as err:
            result.damage = err
        except sqlite3.Error as err:
            if schema.is_damage(err):
                result.damage = StoreCorrupt(f"{self._path}: {err}")
            else:
                result.error = StoreError(f"{self._path}: cannot be read: {err}")
        except Exception as err:  # boundary: background job
            log.exception("The reader failed: path=%s", self._path)
            result.error = StoreError(f"{self._path}: {type(err).__name__}: {err}")
        return result

    def _look(self, job: Look, result: ReadResult) -> None:
        conn = self._conn
        assert conn is not None
        conn.execute("BEGIN")
        try:
            job(conn, result)
        finally:
            if conn.in_transaction:
                conn.execute("ROLLBACK")

    def _read(self, request: ReadRequest, result: ReadResult) -> None:
        conn = self._conn
        assert conn is not None
        first, last, no = request.first_seq, request.last_seq, request.no
        while first <= last and not _is_full(request, result):
            conn.execute("BEGIN")
            try:
                if request.backward:
                    row = conn.execute(PREVIOUS_SEGMENT, (request.stream_id, no, last)).fetchone()
                else:
                    row = conn.execute(NEXT_SEGMENT, (request.stream_id, no, first)).fetchone()
                if row is None:
                    return
                segment = _segment(row)
                if segment.no not in request.others:
                    self._read_segment(conn, request, result, segment, (first, last))
            finally:
                if conn.in_transaction:
                    conn.execute("ROLLBACK")
            if request.backward:
                last, no = segment.first_seq - 1, segment.no - 1
            elif segment.sealed:
                first, no = segment.last_seq + 1, segment.no + 1
            else:
                return

    def _read_segment(
        self,
        conn: sqlite3.Connection,
        request: ReadRequest,
        result: ReadResult,
        segment: Segment,
        seqs: tuple[int, int],
    ) -> None:
        names: dict[int, bytes] = {}
        crcs: dict[int, int] = {}
        for rows in self._pages(conn, request, result, segment, seqs):
            if request.removed_below:
                found = _removed(rows, request, segment)
                result.messages += found
                result.bytes += sum([len(msg[4]) for msg in found])
                continue
            live = [row for row in rows if not segment.is_dead(row[0])] if segment.dead else rows
            unknown = _learn(conn, request, live, names)
            if unknown is not None:  # damage, or the front went and it was forgotten since then
                floor = _floor(conn, request.stream_id)
                live = [row for row in live if row[0] >= floor]
                unknown = _learn(conn, request, live, names)
            if unknown is not None:
                raise StoreCorrupt(f"a message names the unknown subject {unknown}")
            crcs.update((sid, zlib.crc32(names[sid])) for sid in names.keys() - crcs.keys())
            found = to_messages(live, names, crcs)
            size = sum([len(msg[4]) for msg in found])
            fits = len(result.messages) + len(found) <= request.max_msgs
            if fits and result.bytes + size <= request.max_bytes:
                result.messages += found
                result.bytes += size
                continue
            for msg in found:
                result.messages.append(msg)
                result.bytes += len(msg[4])
                if _is_full(request, result):
                    break

    def _pages(
        self,
        conn: sqlite3.Connection,
        request: ReadRequest,
        result: ReadResult,
        segment: Segment,
        seqs: tuple[int, int],
    ) -> Iterator[list[Row]]:
        """Yield rows of one segment, a few at a time: not much more than the request is for."""
        for statement, parameters in self._statements(conn, request, segment, seqs):
            if _is_full(request, result):
                return
            cursor = conn.execute(statement, parameters)
            at_once, count, last = 1, 0, 0
            span = seqs
            while not _is_full(request, result) and (rows := cursor.fetchmany(at_once)):
                span = _checked(rows, segment, span, backward=request.backward)
                count, last = count + len(rows), rows[-1][0]
                yield rows
                at_once = min(ROWS_AT_ONCE, _still_wanted(request, result) or 2 * at_once)
            if not segment.sealed:
                continue
            ended = not _is_full(request, result)
            if request.sids is not None or request.seqs:
                whole = count == len(parameters) if ended else parameters[count - 1] == last
            else:
                if not ended:
                    seqs = (last, seqs[1]) if request.backward else (seqs[0], last)
                whole = self._has_all(conn, request, segment, seqs, count)
            if not whole:
                raise StoreCorrupt(f"messages of segment {segment.no} are missing")

    def _has_all(
        self,
        conn: sqlite3.Connection,
        request: ReadRequest,
        segment: Segment,
        seqs: tuple[int, int],
        rows: int,
    ) -> bool:
        """Say whether so many rows are all: a damaged page may lack some and look right."""
        first, last = max(seqs[0], segment.first_seq), min(seqs[1], segment.last_seq)
        if rows == last - first + 1:
            return True
        columns = self._columns_of(conn, request.stream_id, segment)
        return rows == columns.slot(last + 1) - columns.slot(first)

    def _statements(
        self,
        conn: sqlite3.Connection,
        request: ReadRequest,
        segment: Segment,
        seqs: tuple[int, int],
    ) -> Iterator[tuple[str, Sequence[object]]]:
        """Yield what gives the rows; by the columns where only some subjects are wanted."""
        order = "DESC" if request.backward else "ASC"
        name = table(request.stream_id, segment.no)
        if request.sids is None and not request.seqs:
            yield ROWS.format(table=name, order=order), seqs
        elif request.sids is not None and not segment.sealed:
            statement = ROWS_OF_SUBJECTS.format(table=name, order=order)
            yield statement, (*seqs, json.dumps(list(request.sids)))
        else:
            if request.seqs:
                wanted = self._there(conn, request, segment)
            else:
                wanted = self._wanted(conn, request, segment, seqs)
            for start in range(0, len(wanted), SEQS_PER_SELECT):
                part = wanted[start : start + SEQS_PER_SELECT]
                marks = ",".join("?" * len(part))
                yield ROWS_BY_SEQ.format(table=name, marks=marks, order=order), part

    def _wanted(
        self,
        conn: sqlite3.Connection,
        request: ReadRequest,
        segment: Segment,
        seqs: tuple[int, int],
    ) -> list[int]:
        """Return the live sequences of the wanted subjects, in the order they are to be read."""
        sids = request.sids
        assert sids is not None
        columns = self._columns_of(conn, request.stream_id, segment)
        if sids.isdisjoint(columns.counts()):
            return []
        start, end = columns.slot(seqs[0]), columns.slot(seqs[1] + 1)
        wanted = [
            segment.first_seq + offset
            for offset, sid in zip(columns.offsets[start:end], columns.sids[start:end], strict=True)
            if sid in sids
        ]
        if segment.dead:
            wanted = [seq for seq in wanted if not segment.is_dead(seq)]
        # More than can be handed over is not worth a statement.
        if request.backward:
            return wanted[: -request.max_msgs - 1 : -1]
        return wanted[: request.max_msgs]

    def _there(self, conn: sqlite3.Connection, request: ReadRequest, segment: Segment) -> list[int]:
        """Return those of the wanted sequences that have to be there."""
        first, last = segment.first_seq, segment.last_seq if segment.sealed else request.last_seq
        wanted = [seq for seq in request.seqs if first <= seq <= last and not segment.is_dead(seq)]
        if segment.sealed and segment.rows <= segment.last_seq - segment.first_seq:
            held = self._columns_of(conn, request.stream_id, segment)
            slots = [(seq, held.slot(seq)) for seq in wanted]
            wanted = [
                seq
                for seq, slot in slots
                if slot < len(held) and held.offsets[slot] == seq - segment.first_seq
            ]
        return wanted

    def _columns_of(self, conn: sqlite3.Connection, stream_id: int, segment: Segment) -> Columns:
        key = (stream_id, segment.no, segment.rows)  # a swept segment has fewer rows
        columns = self._columns.pop(key, None)
        if columns is None:
            columns = load_columns(conn, stream_id, segment.no)
        self._columns[key] = columns
        while len(self._columns) > COLUMNS_KEPT:
            self._columns.popitem(last=False)
        return columns


def _segment(row: tuple[Any, ...]) -> Segment:
    check_segment(row)
    _, no, first_seq, sealed, last_seq, rows, *_, dead = row
    segment = Segment(no, first_seq)
    segment.sealed = bool(sealed)
    segment.last_seq = last_seq or 0
    segment.rows = rows or 0
    if dead is not None:
        segment.dead = bytearray(open_checked(dead))
    return segment


def _checked(
    rows: list[Row], segment: Segment, span: tuple[int, int], *, backward: bool
) -> tuple[int, int]:
    """Return where the rows behind these lie. Raises StoreCorrupt for rows that were not asked for:
    a damaged page may lead to those of another segment, which are removed, or to the same again.
    """
    found = [row[0] for row in rows]
    end = min(span[1], segment.last_seq) if segment.sealed else span[1]
    if not ascend(found[::-1] if backward else found, max(span[0], segment.first_seq), end):
        raise StoreCorrupt(f"rows of segment {segment.no} are not in it, or not in order")
    return (span[0], found[-1] - 1) if backward else (found[-1] + 1, span[1])


def _removed(rows: list[Row], request: ReadRequest, segment: Segment) -> list[StoredMsg]:
    """Return those that are there no more, without those that are damaged: nobody misses them."""
    found = []
    for row in rows:
        if row[0] >= request.removed_below and not segment.is_dead(row[0]):
            continue
        name = request.names.get(row[1])
        if _is_written(row) and (name is None or is_intact(row, zlib.crc32(name))):
            found.append(to_message(row, name or b""))
    return found


def _is_written(row: Sequence[object]) -> bool:
    """Say whether a row is made of what rows are made of."""
    return all(type(number) is int for number in row[:5]) and type(row[5]) is bytes


def _learn(
    conn: sqlite3.Connection, request: ReadRequest, rows: Sequence[Row], names: dict[int, bytes]
) -> int | None:
    """Add the names of the subjects of these; return a subject that has none, if there is one."""
    for sid in {row[1] for row in rows}.difference(names):
        name = request.names.get(sid)
        if name is None:  # forgotten on the loop's thread, after this view was taken maybe
            known = conn.execute(SUBJECT_NAME, (request.stream_id, sid)).fetchone()
            if known is None:
                return sid
            name = bytes(known[0])
        names[sid] = name
    return None


def _floor(conn: sqlite3.Connection, stream_id: int) -> int:
    """Return where the stream begins: what is before that is removed. Raises StoreCorrupt."""
    row = conn.execute(FLOOR, (stream_id,)).fetchone()
    if row is None:
        raise StoreCorrupt(f"stream {stream_id} is not there")
    check_row("its position", (stream_id, *row[:3]), row[3])
    return int(row[0])


def _still_wanted(request: ReadRequest, result: ReadResult) -> int:
    """Return how many messages more there is room for, as large as those found; 0: none was yet."""
    count = len(result.messages)
    if not count:
        return 0
    by_size = (request.max_bytes - result.bytes) * count // max(1, result.bytes)
    return max(1, min(request.max_msgs - count, by_size))


def _is_full(request: ReadRequest, result: ReadResult) -> bool:
    return len(result.messages) >= request.max_msgs or (
        bool(result.messages) and result.bytes >= request.max_bytes
    )
