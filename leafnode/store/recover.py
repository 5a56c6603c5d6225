"""From disk to memory: every stream's index and consumers, as the last commit left them.

Reads the rows of open segments (without bodies), the descriptions of sealed ones, and the columns
of those in which something is dead. One stream's damage does not keep the others from coming up.
Truth: docs/store.md, "Open".
"""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Final, cast

from leafnode.errors import StoreCorrupt
from leafnode.store import schema
from leafnode.store.api import ConsumerRecord
from leafnode.store.bounds import StoreBounds
from leafnode.store.index import StreamIndex
from leafnode.store.rows import row_checksum
from leafnode.store.segments import Columns, Segment, decode_spans, open_checked
from leafnode.store.sizes import message_bytes
from leafnode.store.subject_counts import SubjectCounts
from leafnode.store.writes import table

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

StreamRow = tuple[int, str, str, int, bytes, int, int, int, int, int]
SELECT_STREAMS: Final = (
    "SELECT id, account, name, created, config, first_seq, last_seq, last_ts, crc, floor_crc "
    "FROM stream ORDER BY id"
)
SELECT_STREAM: Final = SELECT_STREAMS.replace("ORDER BY id", "WHERE id=?")
SELECT_CONSUMERS: Final = (
    "SELECT name, created, config, state, crc FROM consumer WHERE stream=? ORDER BY name"
)
SELECT_SUBJECTS: Final = "SELECT sid, name, crc FROM subject WHERE stream=? ORDER BY sid"
SEGMENT_COLUMNS: Final = (
    "stream, no, first_seq, sealed, last_seq, rows, body_bytes, bytes, first_ts, last_ts, crc, dead"
)
SELECT_SEGMENTS: Final = f"SELECT {SEGMENT_COLUMNS} FROM segment WHERE stream=? ORDER BY no"  # noqa: S608
SELECT_SPANS: Final = "SELECT spans FROM segment_index WHERE stream=? AND no=?"
SELECT_COLUMNS: Final = "SELECT columns FROM segment_index WHERE stream=? AND no=?"
SELECT_ROWS: Final = "SELECT seq, sid, ts, hl, length(body) FROM {table} ORDER BY seq"


@dataclass(slots=True)
class Recovered:
    """One stream as on disk. With `damage` the index is empty and must not be used."""

    id: int
    account: str
    name: str
    created_ns: int
    config: bytes
    index: StreamIndex
    consumers: dict[str, ConsumerRecord] = field(default_factory=dict)
    damage: StoreCorrupt | None = None


def load_streams(
    conn: sqlite3.Connection,
    bounds: StoreBounds,
    columns_of: Callable[[int], Callable[[Segment], Columns]],
) -> list[Recovered]:
    """Read all streams in one view.

    Raises sqlite3.Error when their list cannot be read, or a stream for a reason that is no damage.
    """
    conn.execute("BEGIN")
    try:
        return [
            load_stream(conn, row, bounds, columns_of(row[0]))
            for row in conn.execute(SELECT_STREAMS).fetchall()
        ]
    finally:
        if conn.in_transaction:
            conn.execute("ROLLBACK")


def load_columns(conn: sqlite3.Connection, stream_id: int, no: int) -> Columns:
    """Read the columns of a sealed segment. Raises StoreCorrupt or sqlite3.Error."""
    row = conn.execute(SELECT_COLUMNS, (stream_id, no)).fetchone()
    if row is None:
        raise StoreCorrupt(f"segment {no} has no index")
    return Columns.decode(row[0])


def load_stream(
    conn: sqlite3.Connection,
    row: StreamRow,
    bounds: StoreBounds,
    columns: Callable[[Segment], Columns],
) -> Recovered:
    """Read one stream in the caller's view; `row` is one of SELECT_STREAMS.

    Raises sqlite3.Error for a reason that is no damage.
    """
    stream_id, account, name, created_ns, config, first_seq, last_seq, last_ts_ns, *crcs = row
    try:
        check_row("its description", row[:5], crcs[0])
    except StoreCorrupt as err:  # any of it may be anything, NULL too
        return lost_stream(conn, stream_id, _text(account), _text(name), str(err))
    try:
        check_row("its position", (stream_id, first_seq, last_seq, last_ts_ns), crcs[1])
    except StoreCorrupt as err:
        found = lost_stream(conn, stream_id, account, name, str(err))
        found.created_ns, found.config = created_ns, config
        return found
    # Not the loop's way to columns: this may be the writer's thread.
    index = StreamIndex(first_seq, bounds, partial(_columns_here, conn, stream_id))
    index.last_seq = last_seq
    index.last_ts_ns = last_ts_ns
    found = Recovered(stream_id, account, name, created_ns, config, index)
    try:
        for *consumer, crc in conn.execute(SELECT_CONSUMERS, (stream_id,)):
            check_row(f"consumer {consumer[0]}", (stream_id, *consumer), crc)
            found.consumers[consumer[0]] = ConsumerRecord(*consumer)
        _load_index(conn, stream_id, index)
    except StoreCorrupt as err:
        found.damage = StoreCorrupt(f"stream {name} of {account}: {err}")
    except sqlite3.Error as err:
        if not schema.is_damage(err):
            raise
        found.damage = StoreCorrupt(f"stream {name} of {account}: {err}")
    index.columns = columns
    return found


def lost_stream(
    conn: sqlite3.Connection, stream_id: int, account: str, name: str, problem: str
) -> Recovered:
    """Return a stream of which no more is left than its name; it has no configuration."""
    index = StreamIndex(1, StoreBounds(), partial(_columns_here, conn, stream_id))
    damage = StoreCorrupt(f"stream {name} of {account}: {problem}")
    return Recovered(stream_id, account, name, 0, b"", index, damage=damage)


def check_row(what: str, values: Sequence[object], crc: int) -> None:
    """Raise StoreCorrupt unless these are the values that the checksum was made of."""
    if row_checksum(*values) != crc:
        raise StoreCorrupt(f"the checksum of {what} does not hold")


def check_segment(row: tuple[object, ...]) -> None:
    """Check a row of SEGMENT_COLUMNS. Raises StoreCorrupt."""
    check_row(f"the description of segment {row[1]}", row[:10], cast("int", row[10]))


def _text(value: object) -> str:
    return value if isinstance(value, str) else repr(value)


def _columns_here(conn: sqlite3.Connection, stream_id: int, segment: Segment) -> Columns:
    return segment.columns or load_columns(conn, stream_id, segment.no)


def _load_index(conn: sqlite3.Connection, stream_id: int, index: StreamIndex) -> None:
    for sid, name, crc in conn.execute(SELECT_SUBJECTS, (stream_id,)):
        check_row(f"subject {sid}", (stream_id, sid, name), crc)
        index.subjects.put(sid, name)
    for row in conn.execute(SELECT_SEGMENTS, (stream_id,)).fetchall():
        check_segment(row)
        _, no, first_seq, sealed, *numbers, _, dead = row
        index.next_no = no + 1
        if sealed and numbers[0] < index.first_seq:
            index.going.append(no)
            continue
        segment = Segment(no, first_seq)
        segment.dead = bytearray(open_checked(dead)) if dead is not None else bytearray()
        if sealed:
            _load_sealed(conn, stream_id, index, segment, numbers)
        else:
            _load_open(conn, stream_id, index, segment)
        index.segments.append(segment)
        index.last_seq = max(index.last_seq, segment.last_seq)
        index.last_ts_ns = max(index.last_ts_ns, segment.last_ts_ns)
        index.msgs += segment.live
        index.bytes += segment.live_bytes
    index.subjects.count = sum(subject.msgs > 0 for subject in index.subjects.by_sid.values())
    index.advance_first()


def _load_sealed(
    conn: sqlite3.Connection,
    stream_id: int,
    index: StreamIndex,
    segment: Segment,
    numbers: Sequence[int],
) -> None:
    segment.sealed = segment.stored = True
    segment.columns = None
    segment.last_seq, segment.rows, segment.body_bytes = numbers[:3]
    segment.live_bytes, segment.first_ts_ns, segment.last_ts_ns = numbers[3:]
    if segment.dead or segment.first_seq < index.first_seq:
        columns = load_columns(conn, stream_id, segment.no)
        if len(columns) != segment.rows:
            raise StoreCorrupt(
                f"segment {segment.no} has {segment.rows} rows, its index {len(columns)}"
            )
        segment.counts = SubjectCounts(columns.counts())
        _count_live(index, segment, columns)
        return
    row = conn.execute(SELECT_SPANS, (stream_id, segment.no)).fetchone()
    if row is None:
        raise StoreCorrupt(f"segment {segment.no} has no index")
    spans = decode_spans(row[0])
    segment.counts = SubjectCounts({span.sid: span.msgs for span in spans})
    for span in spans:
        subject = index.subjects.by_sid.get(span.sid)
        if subject is None:
            raise StoreCorrupt(f"segment {segment.no} names the unknown subject {span.sid}")
        if not subject.msgs:
            subject.first_seq = segment.first_seq + span.first_offset
        subject.msgs += span.msgs
        subject.last_seq = segment.first_seq + span.last_offset


def _load_open(
    conn: sqlite3.Connection, stream_id: int, index: StreamIndex, segment: Segment
) -> None:
    columns = Columns(segment.first_seq)
    names = index.subjects.names
    select = SELECT_ROWS.format(table=table(stream_id, segment.no))
    for seq, sid, ts_ns, header_size, size in conn.execute(select):
        try:
            counted = message_bytes("file", len(names.get(sid, b"")), header_size, size)
            columns.add(seq, sid, counted, ts_ns)
            segment.body_bytes += size
        except (TypeError, OverflowError) as err:  # NULL, text, numbers that nobody wrote
            raise StoreCorrupt(f"message {seq} is not as it was written: {err}") from err
    segment.columns = columns
    segment.rows = len(columns)
    if columns:
        segment.first_ts_ns, segment.last_ts_ns = columns.times[0], columns.times[-1]
        segment.last_seq = segment.first_seq + columns.offsets[-1]
    _count_live(index, segment, columns)


def _count_live(index: StreamIndex, segment: Segment, columns: Columns) -> None:
    """Count row by row; those below the stream's floor count as dead from here on."""
    dead, segment.dead = segment.dead, bytearray()
    segment.live_bytes = 0
    was = Segment(segment.no, segment.first_seq)
    was.dead = dead
    for slot, sid in enumerate(columns.sids):
        seq = segment.first_seq + columns.offsets[slot]
        if seq < index.first_seq or was.is_dead(seq):
            segment.mark_dead(seq, 0)
            if segment.counts is not None:
                segment.counts.drop(sid)
            continue
        subject = index.subjects.by_sid.get(sid)
        if subject is None:
            raise StoreCorrupt(f"message {seq} names the unknown subject {sid}")
        subject.add(seq)
        segment.live_bytes += columns.sizes[slot]
