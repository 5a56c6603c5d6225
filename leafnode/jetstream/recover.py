"""Reads duplicate window, times to live and totals back from the stored messages after a restart.

Page by page, so that the loop never waits for a long window; bounded by DEDUPE_IDS_MAX messages.
Truth: nats-server 2.15.1 server/stream.go (rebuildDedupe).
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from leafnode import limits
from leafnode.errors import StoreBusy, StoreError
from leafnode.jetstream.ttl import parse_ttl
from leafnode.protocol import header

if TYPE_CHECKING:
    from collections.abc import Callable

    from leafnode.jetstream.stream import Stream
    from leafnode.store.api import StoredMsg

log = logging.getLogger(__name__)


class DedupeRebuild:
    """One stream's way back to its window; `done` is called at the end."""

    __slots__ = ("_done", "_next_seq", "_since_ns", "_stream")

    def __init__(self, stream: Stream, done: Callable[[], None]) -> None:
        self._stream = stream
        self._done = done
        self._next_seq = 0
        self._since_ns = 0

    def start(self) -> None:
        """Begin where the window begins."""
        stream = self._stream
        self._since_ns = stream.next_time_ns() - stream.config.duplicate_window
        try:
            state = stream.store.state()
            if not state.msgs:
                self._done()
                return
            first = stream.store.seq_at(self._since_ns)
        except StoreError as error:
            self._give_up(error)
            return
        config = stream.config
        if config.allow_msg_ttl or config.allow_msg_counter:
            first = state.first_seq  # any message may have a time to live, or be a total
        oldest_kept = state.last_seq - limits.DEDUPE_IDS_MAX + 1
        # The newest message is read in any case: Nats-Expected-Last-Msg-Id means its id.
        self._next_seq = max(1, oldest_kept, min(first, state.last_seq))
        self._read()

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
        self._done()

    def _on_page(self, page: list[StoredMsg]) -> None:
        if not page:
            self._done()
            return
        stream = self._stream
        msg_id = b""
        for msg in page:
            msg_id = header.get(msg.header, b"Nats-Msg-Id") or b"" if msg.header_size else b""
            if msg_id and msg.ts_ns >= self._since_ns:
                stream.dedupe.add(msg_id, msg.seq, msg.ts_ns)
            ttl = header.get(msg.header, b"Nats-TTL") if msg.header_size else None
            ttl_ns = parse_ttl(ttl) if ttl and stream.config.allow_msg_ttl else None
            if stream.config.allow_msg_counter:
                stream.counters.note(msg)
            if stream.markers.wanted and msg.header_size:
                stream.markers.note(msg.seq, dict(header.parse(msg.header)))
            if ttl_ns:
                stream.ages.add_ttl(msg.seq, msg.ts_ns, ttl_ns)
        stream.last_msg_id = stream.kept_msg_id = msg_id
        self._next_seq = page[-1].seq + 1
        # Always through the loop: pages that answer at once must not pile up on the stack.
        stream.context.clock.call_later(0, self._read)
