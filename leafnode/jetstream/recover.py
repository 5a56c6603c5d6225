"""Reads duplicate window, times to live and totals back from the stored messages after a restart.

Page by page, so that the loop never waits for a long window; bounded by DEDUPE_IDS_MAX
messages, but where any message may have a time to live, or be a total.
Ids of removed messages, which nats-server forgets, are read first.
Truth: nats-server 2.15.1 server/stream.go (rebuildDedupe); docs/store.md.
"""

from __future__ import annotations

import logging
from functools import partial
from operator import itemgetter
from typing import TYPE_CHECKING

from leafnode import limits
from leafnode.errors import StoreBusy, StoreError
from leafnode.jetstream import erased_ids
from leafnode.jetstream.ttl import parse_ttl
from leafnode.protocol import header
from leafnode.store.api import SEQ_MAX

if TYPE_CHECKING:
    from collections.abc import Callable

    from leafnode.jetstream.dedupe import Known
    from leafnode.jetstream.stream import Stream
    from leafnode.store.api import StoredMsg

log = logging.getLogger(__name__)


class DedupeRebuild:
    """One stream's way back to its window; `done` is called at the end."""

    __slots__ = ("_done", "_next_seq", "_removed", "_since_ns", "_stream", "_was_removed_from")

    def __init__(
        self, stream: Stream, done: Callable[[], None], *, was_removed_from: bool = True
    ) -> None:
        self._stream = stream
        self._done = done
        self._next_seq = 0
        self._since_ns = 0
        self._was_removed_from = was_removed_from  # False: nothing of it ever left
        self._removed: list[Known] = []  # newest first, once all are known

    def start(self) -> None:
        """Begin where the window begins."""
        stream = self._stream
        self._since_ns = stream.next_time_ns() - stream.config.duplicate_window
        if not self._was_removed_from:
            self._begin()
            return
        try:
            self._removed = erased_ids.kept(stream, self._since_ns)
        except StoreError as error:
            self._give_up(error)
            return
        self._read_removed(max(1, stream.store.last_seq() - limits.DEDUPE_IDS_MAX + 1))

    def _read_removed(self, seq: int) -> None:
        try:
            self._stream.store.read_removed(seq, self._since_ns, self._on_removed)
        except StoreBusy:
            again = partial(self._read_removed, seq)
            self._stream.context.clock.call_later(limits.DELIVER_RETRY_NS, again)
        except StoreError as error:
            self._give_up(error)

    def _on_removed(self, page: list[StoredMsg]) -> None:
        for msg in page:
            if msg.header_size and msg.ts_ns >= self._since_ns:
                msg_id = header.get(msg.header, b"Nats-Msg-Id")
                if msg_id:
                    self._removed.append((msg.ts_ns, msg_id, msg.seq))
        then = partial(self._read_removed, page[-1].seq + 1) if page else self._begin
        self._stream.context.clock.call_later(0, then)

    def _begin(self) -> None:
        """Read what is there, where the window begins."""
        stream = self._stream
        self._removed.sort(key=itemgetter(2), reverse=True)
        try:
            state = stream.store.state()
            if not state.msgs:
                self._end()
                return
            first = stream.store.seq_at(self._since_ns)
        except StoreError as error:
            self._give_up(error)
            return
        config = stream.config
        begin = max(first, state.last_seq - limits.DEDUPE_IDS_MAX + 1)
        if config.allow_msg_ttl or config.allow_msg_counter or stream.markers.wanted:
            begin = state.first_seq  # any message may have a time to live, or be a total
        # The newest message is read in any case: Nats-Expected-Last-Msg-Id means its id.
        self._next_seq = max(1, min(begin, state.last_seq))
        self._read()

    def _end(self) -> None:
        self._add_removed(SEQ_MAX)
        self._done()

    def _add_removed(self, below_seq: int) -> None:
        """Remember the ids of removed messages before that one: times go up."""
        removed = self._removed
        while removed and removed[-1][2] < below_seq:
            when_ns, msg_id, seq = removed.pop()
            self._stream.dedupe.add(msg_id, seq, when_ns)

    def _read(self) -> None:
        try:
            self._stream.store.read(
                self._next_seq, [], limits.READ_BATCH_MSGS, limits.PREFETCH_BYTES, self._on_page
            )
        except StoreBusy:  # more streams than reads may wait: the others come first
            self._stream.context.clock.call_later(limits.DELIVER_RETRY_NS, self._read)
        except StoreError as error:
            self._give_up(error)

    def _give_up(self, error: StoreError) -> None:
        if not self._stream.closed:  # else the server ends, which is no trouble
            name = self._stream.name
            log.warning("Duplicate window not read: stream=%s reason=%s", name, error)
        self._end()

    def _on_page(self, page: list[StoredMsg]) -> None:
        if not page:
            self._end()
            return
        stream = self._stream
        msg_id = b""
        for msg in page:
            msg_id = header.get(msg.header, b"Nats-Msg-Id") or b"" if msg.header_size else b""
            if msg_id and msg.ts_ns >= self._since_ns:
                self._add_removed(msg.seq)
                stream.dedupe.add(msg_id, msg.seq, msg.ts_ns)
            ttl = header.get(msg.header, b"Nats-TTL") if msg.header_size else None
            ttl_ns = parse_ttl(ttl) if ttl and stream.config.allow_msg_ttl else None
            if stream.config.allow_msg_counter:
                stream.counters.note(msg)
            if stream.markers.wanted and msg.header_size:
                stream.markers.note(msg.seq, dict(reversed(header.parse(msg.header))))
            if ttl_ns:
                stream.ages.add_ttl(msg.seq, msg.ts_ns, ttl_ns)
        stream.last_msg_id = stream.kept_msg_id = msg_id
        self._next_seq = page[-1].seq + 1
        # Always through the loop: pages that answer at once must not pile up on the stack.
        stream.context.clock.call_later(0, self._read)
