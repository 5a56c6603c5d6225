"""A snapshot: one stream as it is at a moment, sent as an archive to who asked for it.

Messages are read page by page while the stream goes on; what is stored later is left out, what is
removed meanwhile is missing. Chunks wait for acknowledgements, a window of them, so what is in
memory is a page, a chunk, and the consumers' positions of that moment. Truth: nats-server 2.15.1
server/jetstream_api.go streamSnapshot; docs/adr/0017-archive.md.
"""

from __future__ import annotations

import logging
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from leafnode import limits
from leafnode.errors import JetStreamError, StoreBusy, StoreCorrupt, StoreError, StoreFailed
from leafnode.jetstream import advisory, provenance, sources, wire
from leafnode.jetstream.archive import ArchiveWriter, Begin, KeptConsumer, KeptSources
from leafnode.jetstream.errors import js_error, store_error
from leafnode.protocol import header

if TYPE_CHECKING:
    from collections.abc import Callable

    from leafnode.clock import Timer
    from leafnode.jetstream.api_types import SnapshotRequest
    from leafnode.jetstream.jetstream import AccountJetStream
    from leafnode.jetstream.request import Request
    from leafnode.jetstream.stream import Stream
    from leafnode.routing.subscription import Delivery, Subscription
    from leafnode.store.api import ConsumerRecord, StoredMsg

log = logging.getLogger(__name__)

_COMPLETE: Final = header.status(204)
_NO_INTEREST: Final = header.status(408, b"No Interest")
_NO_FLOW: Final = header.status(408, b"No Flow Response")


class _Pages:
    """The messages of a stream up to a sequence, a page each time it is asked."""

    def __init__(
        self,
        stream: Stream,
        last_seq: int,
        take: Callable[[list[StoredMsg]], None],
        failed: Callable[[StoreError], None],
    ) -> None:
        """`take` gets each page, in a turn of its own; an empty one is the end."""
        self._stream = stream
        self._next_seq = 1
        self._last_seq = last_seq
        self._take = take
        self._failed = failed

    def read(self) -> None:
        """Ask for the next page."""
        stream = self._stream
        if self._is_gone():
            return
        if self._next_seq > self._last_seq:
            self._answer([])
            return
        try:
            stream.store.read(
                self._next_seq, [], limits.READ_BATCH_MSGS, limits.PREFETCH_BYTES, self._on_page
            )
        except StoreBusy:
            stream.context.clock.call_later(limits.DELIVER_RETRY_NS, self.read)
        except StoreError as error:
            self._failed(error)

    def _is_gone(self) -> bool:
        if self._stream.closed:
            self._failed(StoreFailed("the stream is deleted"))
        return self._stream.closed

    def _on_page(self, page: list[StoredMsg]) -> None:
        if self._is_gone():  # while the page was read: that none is left is not the end
            return
        damage = self._stream.store.damage()
        if damage is not None:
            self._failed(damage)
            return
        if page:
            self._next_seq = page[-1].seq + 1
        self._answer([msg for msg in page if msg.seq <= self._last_seq])

    def _answer(self, page: list[StoredMsg]) -> None:
        # Always through the loop: pages that come at once must not pile up on the stack.
        self._stream.context.clock.call_later(0, partial(self._take, page))


class Snapshot:
    """One request for a snapshot, from its answer to the last chunk."""

    def __init__(
        self, js: AccountJetStream, stream: Stream, asked: SnapshotRequest, request: Request
    ) -> None:
        self._js = js
        self._context = js.context
        self._stream = stream
        self._asked = asked
        self._request = request
        self._client = advisory.client_of(self._context, request.origin)
        self._subject = asked.deliver_subject.encode()
        chunk = asked.chunk_size or limits.SNAPSHOT_CHUNK_BYTES
        window = asked.window_size or limits.SNAPSHOT_WINDOW_BYTES
        least = limits.SNAPSHOT_CHUNK_BYTES_MIN
        self._chunk_bytes = min(max(least, chunk), limits.SNAPSHOT_CHUNK_BYTES_MAX)
        self._slots = max(
            1, min(max(least, window), limits.SNAPSHOT_WINDOW_BYTES_MAX) // self._chunk_bytes
        )
        self._start_ns = self._context.clock.wall_ns()
        self._writer = ArchiveWriter()
        self._answer: dict[str, Any] = {}
        self._last_seq = 0
        self._pages: _Pages | None = None
        self._positions: list[ConsumerRecord] = []  # until they are on disk
        self._consumers: list[KeptConsumer] = []
        self._buffer = bytearray()  # written, and not sent yet
        self._is_written = False
        self._out = 0  # chunks without an acknowledgement
        self._sent = 0  # chunks that ask for one
        self._sent_ns = 0
        self._is_sending = False
        self._is_reading = False
        self._is_due = False
        self._ended = False
        self._timer: Timer | None = None
        self._acks: Subscription | None = None
        self._ack_subject = f"$JS.SNAPSHOT.ACK.{stream.name}.{self._context.nuid()}".encode()

    # --- the moment

    def start(self) -> None:
        """Take down what the stream is now, and answer when that is on disk.

        Raises JetStreamError or StoreError, which answer at once.
        """
        stream = self._stream
        damage = stream.store.damage()
        if damage is not None:
            raise js_error(10064, damage)
        state = stream.store.state()
        config = stream.shown_config(dynamic=False)
        self._answer = {"config": config, "state": stream.state()}
        self._last_seq = state.last_seq
        kept_sources = self._note_positions()
        self._buffer += self._writer.begin(
            Begin(
                name=stream.name,
                created_ns=provenance.made_ns(stream),
                config=wire.encode(config),
                first_seq=state.first_seq,
                last_seq=state.last_seq,
                last_ts_ns=state.last_ts_ns,
                messages=state.msgs,
                size=state.bytes,
            )
        )
        if kept_sources is not None:
            self._buffer += self._writer.sources(kept_sources)
        self._js.transfers.add(self)
        stream.root.after_commit(self._settled)

    def _note_positions(self) -> KeptSources | None:
        """Remember where all consumers are at this moment, and return where the sources are.

        As the store keeps it: that is in memory already. Long ones are not made into bytes yet:
        the thread that writes does that for the commit. Consumers by which other streams read come
        anew by themselves.
        """
        stream = self._stream
        kept_sources = None
        for consumer in stream.consumers.values():
            consumer.keeper.catch_up()
        for record in stream.root.consumers(self._context.account.name, stream.name):
            if record.name == sources.RECORD:
                kept_sources = KeptSources(record.state)
                continue
            known = stream.consumers.get(record.name)
            if not (self._asked.no_consumers or known is None or known.config.is_of_origin):
                self._positions.append(record)
        return kept_sources

    def _take_positions(self) -> None:
        """Look at what was remembered. Raises JetStreamError for more than an archive takes."""
        left = limits.ARCHIVE_CONSUMERS_BYTES_MAX
        for record in self._positions:
            size = len(record.config) + len(record.state)
            left -= size
            if size > limits.ARCHIVE_RECORD_BYTES_MAX // 2 or left < 0:
                raise js_error(10064, f"the position of consumer {record.name} is too large")
            kept = KeptConsumer(record.name, record.created_ns, record.config, record.state)
            self._consumers.append(kept)
        self._positions = []

    def _settled(self, error: StoreError | None) -> None:
        if self._ended:
            return
        if error is not None:
            self._refuse(store_error(error))
            return
        try:
            self._take_positions()
        except JetStreamError as refusal:
            self._refuse(refusal)
            return
        if self._asked.jsck:
            self._pages = _Pages(self._stream, self._last_seq, self._on_checked, self._failed)
            self._pages.read()
        else:
            self._begin()

    def _on_checked(self, page: list[StoredMsg]) -> None:
        """The store looks at each message's checksum when it reads: that is the check."""
        if self._ended or self._pages is None:
            return
        if page:
            self._pages.read()
        else:
            self._begin()

    # --- sending

    def _begin(self) -> None:
        """Answer, and send once somebody listens, or after a while all the same."""
        context, stream = self._context, self._stream
        self._pages = _Pages(stream, self._last_seq, self._on_page, self._failed)
        self._request.finish(self._answer)
        advisory.snapshot_create(context, stream.name, self._answer["state"], self._client)
        log.info("Snapshot begins: account=%s stream=%s", context.account.name, stream.name)
        self._acks = context.account.subscribe(self._ack_subject + b".>", self._on_ack)
        context.account.watch(self._subject, self)
        if context.account.listens(self._subject):
            self._send_now()
        else:
            self._timer = context.clock.call_later(limits.SNAPSHOT_INTEREST_NS, self._send_now)

    def interest_changed(self) -> None:
        """Implements routing's InterestWatcher: somebody came, or went."""
        # Not now: the subscription that came is being made.
        self._context.clock.call_later(0, self._look)

    def _look(self) -> None:
        if self._ended:
            return
        listens = self._context.account.listens(self._subject)
        if listens and not self._is_sending:
            self._send_now()
        elif self._is_sending and not listens:
            self._end(_NO_INTEREST, "no interest")

    def _send_now(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._is_sending = True
        self._sent_ns = self._context.clock.monotonic_ns()
        self._timer = self._context.clock.call_later(limits.SNAPSHOT_ACK_NS, self._on_timer)
        self._pump_later()

    def _pump_later(self) -> None:
        if not self._is_due:
            self._is_due = True
            self._context.clock.call_later(0, self._pump)

    def _pump(self) -> None:
        """Send what there is and may be out; write more when that is all."""
        self._is_due = False
        for _ in range(limits.SNAPSHOT_TURN_CHUNKS):
            if self._ended or self._out >= self._slots:
                return
            if len(self._buffer) >= self._chunk_bytes:
                self._send_chunk()
            elif self._is_written:
                self._send_rest()
                return
            else:
                self._write_more()
                return
        self._pump_later()

    def _send_chunk(self) -> None:
        chunk = bytes(self._buffer[: self._chunk_bytes])
        del self._buffer[: self._chunk_bytes]
        self._out += 1
        self._sent += 1
        self._sent_ns = self._context.clock.monotonic_ns()
        reply = b"%b.%d.%d" % (self._ack_subject, len(chunk), self._sent)
        self._context.account.answer(self._subject, chunk, further=reply)

    def _send_rest(self) -> None:
        if self._buffer:
            self._context.send(self._subject, bytes(self._buffer))
        self._end(_COMPLETE if self._sent else b"", "")

    def _on_ack(self, delivery: Delivery) -> None:
        self._out = max(0, self._out - len(delivery.messages))
        self._pump_later()

    def _on_timer(self) -> None:
        clock = self._context.clock
        left_ns = self._sent_ns + limits.SNAPSHOT_ACK_NS - clock.monotonic_ns()
        if left_ns <= 0 and self._out >= self._slots:
            self._end(_NO_FLOW, "no flow response")
            return
        wait_ns = left_ns if left_ns > 0 else limits.SNAPSHOT_ACK_NS
        self._timer = clock.call_later(wait_ns, self._on_timer)

    # --- writing

    def _write_more(self) -> None:
        if self._consumers:
            self._buffer += self._writer.consumer(self._consumers.pop(0))
            self._pump_later()
        elif self._pages is not None and not self._is_reading:
            self._is_reading = True
            self._pages.read()

    def _on_page(self, page: list[StoredMsg]) -> None:
        self._is_reading = False
        if self._ended:
            return
        if page:
            self._buffer += self._writer.messages(page)
        else:
            self._buffer += self._writer.end()
            self._is_written = True
        self._pump_later()

    # --- the end

    def _failed(self, error: StoreError) -> None:
        if self._ended:
            return
        if self._is_sending:
            text = str(error) or "store failed"
            self._end(header.status(500, " ".join(text.split()).encode()), text)
        else:
            is_damage = isinstance(error, StoreCorrupt)
            self._refuse(js_error(10064, error) if is_damage else store_error(error))

    def _refuse(self, error: JetStreamError) -> None:
        self.abort()
        self._request.finish(error)

    def _end(self, block: bytes, error: str) -> None:
        context, stream = self._context, self._stream.name
        self.abort()
        context.send_status(self._subject, block)
        advisory.snapshot_complete(context, stream, self._start_ns, self._client, error=error)
        if error:
            log.warning(
                "Snapshot failed: account=%s stream=%s reason=%s",
                *(context.account.name, stream, error),
            )
        else:
            log.info("Snapshot is whole: account=%s stream=%s", context.account.name, stream)

    def abort(self) -> None:
        """Send nothing more, and say nothing about it."""
        self._ended = True
        self._js.transfers.discard(self)
        self._buffer.clear()
        self._positions.clear()
        self._consumers.clear()
        account = self._context.account
        if self._acks is not None:
            account.unsubscribe(self._acks)
        account.unwatch(self._subject, self)
        if self._timer is not None:
            self._timer.cancel()
