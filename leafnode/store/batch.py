"""One transaction in the making: what the writer executes, and what is true once it is committed.

Knows rows, segments and statements; not when it is handed over. Truth: docs/store.md, "Rules".
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING

from leafnode import limits
from leafnode.store import writes
from leafnode.store.rows import row_checksum

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable

    from leafnode.errors import StoreError
    from leafnode.store.api import ConsumerRecord, State
    from leafnode.store.index import Removal
    from leafnode.store.rows import Row
    from leafnode.store.segments import Columns, Segment
    from leafnode.store.stream import SqliteStream

    Op = Callable[[sqlite3.Connection], None]
    Done = Callable[[StoreError | None], None]


@dataclass(slots=True)
class Batch:
    """Everything staged between two hand-overs, in order."""

    ops: list[tuple[int, Op]] = field(default_factory=list)  # with the stream they belong to
    changes: dict[int, StreamChange] = field(default_factory=dict)
    consumer_states: dict[tuple[int, str], State] = field(default_factory=dict)
    consumers: dict[tuple[int, str], ConsumerRecord] = field(default_factory=dict)
    deleted: list[SqliteStream] = field(default_factory=list)
    callbacks: list[Done] = field(default_factory=list)
    rows: int = 0
    body_bytes: int = 0

    def add(self, stream_id: int, op: Op) -> None:
        self.ops.append((stream_id, op))

    def execute(self, stream_id: int, statement: str, parameters: tuple[object, ...]) -> None:
        """Add a statement that needs nothing else."""
        self.add(stream_id, partial(writes.execute, statement=statement, parameters=parameters))

    def put_consumer(self, stream_id: int, record: ConsumerRecord) -> None:
        """Write a consumer, as it is put last: no more than one state of each is made."""
        key = stream_id, record.name
        if key not in self.consumers:
            self.add(stream_id, partial(_put_consumer, self.consumers, key))
        self.consumers[key] = record

    def delete_consumer(self, stream_id: int, name: str) -> None:
        self.consumers.pop((stream_id, name), None)  # the next one of that name is put behind this
        self.execute(stream_id, writes.DELETE_CONSUMER, (stream_id, name))

    def rename(self, stream: SqliteStream, created_ns: int, config: bytes) -> None:
        """Let a stream be called on disk what it is called now."""
        crc = row_checksum(stream.id, stream.account, stream.name, created_ns, config)
        self.execute(stream.id, writes.RENAME_STREAM, (stream.name, crc, stream.id))

    def change(self, stream: SqliteStream) -> StreamChange:
        """Return what this batch does to that stream."""
        change = self.changes.get(stream.id)
        if change is None:
            change = self.changes[stream.id] = StreamChange(stream, self.ops)
        return change

    def close(self) -> None:
        """Turn what is written once for each batch into statements; nothing is added afterwards."""
        for change in self.changes.values():
            change.close()


class StreamChange:
    """What one batch does to one stream.

    Dead bits and floors are noted here and written once, as they are when the batch is closed.
    """

    __slots__ = (
        "_ops",
        "_rows",
        "_segment",
        "_touched",
        "first_seq",
        "floor",
        "last_seq",
        "removed",
        "removed_segments",
        "rows",
        "stored",
        "stream",
    )

    def __init__(self, stream: SqliteStream, ops: list[tuple[int, Op]]) -> None:
        """`ops` are the batch's; not the batch: a cycle would live until a full collection."""
        self.stream = stream
        self._ops = ops
        self._segment: Segment | None = None  # the one that `_rows` is for
        self._rows: list[Row] = []
        self._touched: dict[Segment, None] = {}
        self.rows: list[list[Row]] = []
        self.removed: list[int] = []
        # Whose columns are on disk with this batch. A later batch may rewrite them once more.
        self.stored: list[tuple[Segment, Columns]] = []
        self.removed_segments = False
        self.floor = False
        self.first_seq = 0
        self.last_seq = 0

    def add_row(self, segment: Segment, row: Row) -> None:
        self._rows_of(segment).append(row)

    def add_rows(self, segment: Segment, rows: list[Row]) -> None:
        self._rows_of(segment).extend(rows)

    def _rows_of(self, segment: Segment) -> list[Row]:
        if segment is not self._segment:
            self._segment = segment
            self._rows = []
            self.rows.append(self._rows)
            self._add(partial(_insert_rows, self.stream.id, segment.no, self._rows))
        return self._rows

    def start_segment(self, segment: Segment) -> None:
        self._add(
            partial(
                writes.create_segment,
                stream_id=self.stream.id,
                no=segment.no,
                first_seq=segment.first_seq,
            )
        )

    def seal(self, segment: Segment, removal: Removal) -> None:
        """Write a segment's description and index, unless nothing of it is left."""
        if segment in removal.dropped:
            self._touched.pop(segment, None)
            self._drop(segment.no)
            return
        self.remove(removal)
        if all(segment is not one for one, _ in removal.swept):
            self._describe(segment)

    def remove(self, removal: Removal) -> None:
        self.removed += removal.seqs
        self._touched.update(removal.touched)
        for segment, seqs in removal.swept:
            key = (self.stream.id, segment.no)
            self._add(partial(writes.delete_rows, key=key, seqs=seqs))
            self._describe(segment)
        index = self.stream.index
        for segment in removal.dropped:
            self._touched.pop(segment, None)
            if segment.sealed and segment.last_seq < index.first_seq:
                index.going.append(segment.no)
            else:
                self._drop(segment.no)
        if removal.dropped or removal.swept:
            # What is gone from disk cannot be found there again: the floor goes with it.
            self.removed_segments = self.floor = True

    def forget_subjects(self, sids: list[int]) -> None:
        self._add(partial(writes.delete_subjects, stream_id=self.stream.id, sids=sids))
        self.floor = True

    def close(self) -> None:
        index = self.stream.index
        self.first_seq = index.first_seq
        self.last_seq = index.last_seq
        for no in index.going[: limits.DELETE_SEGMENTS]:
            self._drop(no)
        del index.going[: limits.DELETE_SEGMENTS]
        for segment in self._touched:
            key = (self.stream.id, segment.no)
            self._add(partial(writes.set_dead, key=key, dead=bytes(segment.dead)))
        if self.floor:
            self._add(
                partial(
                    writes.set_floor,
                    stream_id=self.stream.id,
                    first_seq=index.first_seq,
                    last_seq=index.last_seq,
                    last_ts_ns=index.last_ts_ns,
                )
            )

    def _drop(self, no: int) -> None:
        self._add(partial(writes.drop_segment, key=(self.stream.id, no)))
        self.removed_segments = self.floor = True

    def _describe(self, segment: Segment) -> None:
        columns = segment.columns
        assert columns is not None, "a segment keeps its columns until its index is on disk"
        key = (self.stream.id, segment.no)
        numbers, dead = segment.numbers(), bytes(segment.dead)  # as they are now
        self._add(partial(writes.seal_segment, key=key, numbers=numbers, dead=dead))
        self._add(partial(writes.put_index, key=key, columns=columns))
        self.stored.append((segment, columns))

    def _add(self, op: Op) -> None:
        self._ops.append((self.stream.id, op))


def _put_consumer(
    consumers: dict[tuple[int, str], ConsumerRecord], key: tuple[int, str], conn: sqlite3.Connection
) -> None:
    record = consumers.get(key)
    if record is not None:
        writes.put_consumer(conn, key[0], record)


def _insert_rows(stream_id: int, no: int, rows: list[Row], conn: sqlite3.Connection) -> None:
    writes.insert_rows(conn, stream_id, no, rows)
