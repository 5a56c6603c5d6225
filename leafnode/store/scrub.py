"""The scrub: everything that is stored is read now and then, so that damage is found while a backup
still helps.

Slow on purpose: so many bytes a second, one small read at a time on the reader's thread, and none
while somebody else's read waits. Knows streams' segments and how to have something read; damage is
told to the store like that of any read. Truth: docs/store.md, "The scrub".
"""

from __future__ import annotations

import logging
from functools import partial
from typing import TYPE_CHECKING, Final, Protocol

from leafnode import limits
from leafnode.clock import NS_PER_S
from leafnode.errors import StoreCorrupt
from leafnode.store import pages
from leafnode.store.reader import ReadRequest
from leafnode.store.recover import SEGMENT_COLUMNS, SELECT_SPANS, check_segment, load_columns
from leafnode.store.segments import decode_spans
from leafnode.store.writes import table

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable

    from leafnode.clock import Clock, Timer
    from leafnode.store.api import StoreStats
    from leafnode.store.reader import Reader, ReadResult
    from leafnode.store.segments import Segment
    from leafnode.store.stream import SqliteStream

log = logging.getLogger(__name__)

SELECT_SEGMENT: Final = f"SELECT {SEGMENT_COLUMNS} FROM segment WHERE stream=? AND no=?"  # noqa: S608


class Host(Protocol):
    """What the scrub needs of its store."""

    def scrubbed_streams(self) -> list[SqliteStream]: ...

    def is_busy(self) -> bool:
        """Say whether somebody waits for a read, or nothing can be read."""
        ...

    def look(self, job: Callable[[Reader], ReadResult], done: Callable[[ReadResult], None]) -> None:
        """Have it done on the reader's thread."""
        ...

    def damaged(self, stream: SqliteStream, problem: StoreCorrupt) -> None: ...


class Scrub:
    """One round after the other, each through all streams that there are when it starts."""

    def __init__(self, host: Host, clock: Clock, stats: StoreStats, bytes_per_s: int) -> None:
        self._host = host
        self._clock = clock
        self._stats = stats
        self._bytes_per_s = bytes_per_s
        self._timer: Timer | None = None
        # Still to come, the current one last; None between two rounds.
        self._streams: list[SqliteStream] | None = None
        self._seq = 0
        self._segment_no = 0  # whose description was looked at
        self._began_ns = 0

    def start(self) -> None:
        """Begin after a while; never, where the rate is 0."""
        if self._bytes_per_s:
            self._later(limits.STORE_SCRUB_START_NS)

    def close(self) -> None:
        timer, self._timer = self._timer, None
        if timer is not None:
            timer.cancel()
        self._bytes_per_s = 0  # and what is under way starts nothing more

    def _later(self, delay_ns: int) -> None:
        if self._bytes_per_s:
            self._timer = self._clock.call_later(delay_ns, self._step)

    def _step(self) -> None:
        self._timer = None
        if self._host.is_busy():
            self._later(limits.STORE_SCRUB_PAUSE_NS)
            return
        if self._streams is None:
            self._streams = self._begin_round()
        while self._streams:
            stream = self._streams[-1]
            segment = self._segment(stream)
            if segment is not None:
                self._read(stream, segment)
                return
            self._streams.pop()
            self._seq = self._segment_no = 0
        self._end_round()

    def _end_round(self) -> None:
        self._streams = None
        self._stats.scrubs += 1
        now_ns = self._clock.monotonic_ns()
        log.info(
            "The store was scrubbed: seconds=%d bytes_so_far=%d",
            *((now_ns - self._began_ns) // NS_PER_S, self._stats.scrubbed_bytes),
        )
        next_ns = self._began_ns + limits.STORE_SCRUB_ROUND_NS
        self._later(max(limits.STORE_SCRUB_PAUSE_NS, next_ns - now_ns))

    def _begin_round(self) -> list[SqliteStream]:
        self._began_ns = self._clock.monotonic_ns()
        self._seq = self._segment_no = 0
        return self._host.scrubbed_streams()

    def _segment(self, stream: SqliteStream) -> Segment | None:
        """Return the segment that is next, None when this stream is done."""
        if not stream.is_readable():
            return None
        index = stream.index
        self._seq = max(self._seq, index.first_seq)
        segments = index.segments[max(0, index.segment_index(self._seq)) :]
        for segment in segments:
            if self._seq <= segment.last_seq:
                self._seq = max(self._seq, segment.first_seq)
                return segment if self._seq <= stream.committed_seq() else None
        return None

    def _read(self, stream: SqliteStream, segment: Segment) -> None:
        if segment.no != self._segment_no:
            self._segment_no = segment.no
            job = partial(look_at_segment, stream.id, segment.no)
            self._host.look(lambda reader: reader.look(job), partial(self._looked, stream))
            return
        last = min(segment.last_seq, stream.committed_seq())
        request = ReadRequest(
            *(stream.id, segment.no, self._seq, last, None),
            limits.READ_BATCH_MSGS,
            limits.STORE_SCRUB_BYTES,
            stream.index.subjects.names,
        )
        self._host.look(lambda reader: reader.read(request), partial(self._found, stream, last))

    def _found(self, stream: SqliteStream, last_seq: int, result: ReadResult) -> None:
        if result.error is None and result.damage is None:
            self._seq = (result.messages[-1].seq if result.messages else last_seq) + 1
        self._looked(stream, result)

    def _looked(self, stream: SqliteStream, result: ReadResult) -> None:
        self._stats.scrubbed_bytes += result.bytes
        if not self._bytes_per_s:
            return
        if result.error is not None:
            self._segment_no = 0  # all of it again
            self._later(limits.STORE_RETRY_MAX_NS)
            return
        if result.damage is not None and stream.is_readable():
            self._host.damaged(stream, result.damage)
        wait_ns = result.bytes * NS_PER_S // self._bytes_per_s
        self._later(max(wait_ns, limits.STORE_SCRUB_STEP_NS))


def look_at_segment(stream_id: int, no: int, conn: sqlite3.Connection, result: ReadResult) -> None:
    """Check what is kept about a segment, and the pages of an open one. Raises StoreCorrupt."""
    row = conn.execute(SELECT_SEGMENT, (stream_id, no)).fetchone()
    if row is None:  # dropped, or not committed yet
        return
    check_segment(row)
    if not row[3]:
        found = pages.problems(conn, table(stream_id, no), most=1)
        if found:
            raise StoreCorrupt(f"segment {no}: {found[0]}")
        result.bytes += limits.STORE_SCRUB_BYTES
        return
    columns = load_columns(conn, stream_id, no)
    spans = decode_spans(conn.execute(SELECT_SPANS, (stream_id, no)).fetchone()[0])
    if len(columns) != row[5] or sum(span.msgs for span in spans) != row[5]:
        raise StoreCorrupt(f"segment {no} has {row[5]} rows, its index {len(columns)}")
    result.bytes += 20 * len(columns) // 4
