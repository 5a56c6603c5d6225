"""A restore: a stream that comes back out of its archive, all of it or nothing.

What arrives is stored at once, chunk by chunk, in a stream without a name that anybody could use;
in one commit at the end it gets its own. A restore that fails, stalls or is cut off by a crash
leaves nothing: the unnamed stream goes, here or when the store is opened again. A chunk is answered
when it is on disk, and one is worked on at a time. Truth: nats-server 2.15.1
server/jetstream_api.go processStreamRestore, server/stream_backup.go; docs/adr/0017-archive.md.
"""

from __future__ import annotations

import logging
from collections import deque
from functools import partial
from typing import TYPE_CHECKING, Any

from leafnode import limits
from leafnode.errors import ArchiveError, JetStreamError, StoreBusy, StoreError, StoreFull
from leafnode.go_time import format_time
from leafnode.jetstream import (
    account_bounds,
    advisory,
    consumer_config,
    provenance,
    sources,
    wire,
)
from leafnode.jetstream.api_types import RESPONSE_TYPE, ConsumerConfig
from leafnode.jetstream.archive import ArchiveReader, Begin, End, KeptConsumer, KeptSources
from leafnode.jetstream.consumer_state import check_state
from leafnode.jetstream.errors import error_fields, js_error, store_error
from leafnode.jetstream.names import is_stream_name
from leafnode.jetstream.recover import DedupeRebuild
from leafnode.jetstream.shared import too_much
from leafnode.jetstream.ttl import parse_ttl
from leafnode.protocol import header
from leafnode.slices import in_slices
from leafnode.store.api import StoredMsg, unfinished_name
from leafnode.store.sizes import message_bytes

if TYPE_CHECKING:
    from collections.abc import Iterator

    from leafnode.clock import Timer
    from leafnode.jetstream.api_types import StreamConfig
    from leafnode.jetstream.archive import Record
    from leafnode.jetstream.jetstream import AccountJetStream
    from leafnode.jetstream.request import Request
    from leafnode.jetstream.stream import Stream
    from leafnode.routing.subscription import Delivery, Subscription
    from leafnode.store.api import StreamStore

log = logging.getLogger(__name__)

_SUBJECT_BYTES_MAX = 65535
_CHUNK_COST_BYTES = 256  # an empty one waits in memory, too
_OUT_OF_SPACE = (10002, 10023)


class Restore:
    """One stream on its way back, from the answer to the request to the last answer."""

    def __init__(self, js: AccountJetStream, config: StreamConfig, request: Request) -> None:
        """`config` is checked; the stream becomes that, whatever it was."""
        context = js.context
        self._js = js
        self._context = context
        self._config = config
        self._client = advisory.client_of(context, request.origin)
        self._root = context.store_of(config.storage)
        self._start_ns = context.clock.wall_ns()
        self._created_ns = context.time.now_ns()
        token = context.nuid()
        self._unfinished = unfinished_name(config.name, token)
        self.subject = f"$JS.SNAPSHOT.RESTORE.{config.name}.{token}"
        largest = context.facts.max_payload() + _SUBJECT_BYTES_MAX
        self._reader = ArchiveReader(message_bytes_max=largest)
        self._store: StreamStore | None = None  # once it has begun
        self._begin: Begin | None = None
        self._consumers: dict[str, ConsumerConfig] = {}
        self._consumers_bytes = 0
        self._waiting: deque[tuple[bytes, bytes]] = deque()  # (reply, chunk) that came early
        self._waiting_bytes = 0
        self._reply = b""  # of the chunk in work
        self._chunk_bytes = 0
        self._is_working = False
        self._uncommitted_bytes = 0  # of chunks whose records may not be on disk yet
        self._is_held_back = False  # the chunk in work is answered when less of that waits
        self._failure: StoreError | None = None  # for the next chunk to hear
        self._counted_seq = 0  # of the message that the quota has counted last
        self._span_seq = 0
        self._spans = 0
        self._held: Record | None = None  # to be stored once the store has room
        self._taken_bytes = 0
        self._ended = False
        self._timer: Timer | None = None
        self._sub: Subscription | None = None

    def open(self) -> None:
        """Begin to take chunks."""
        context, name = self._context, self._config.name
        log.info("Restore begins: account=%s stream=%s", context.account.name, name)
        advisory.restore_create(context, name, self._client)
        self._js.transfers.add(self)
        self._js.unfinished.add(self._unfinished)
        self._sub = context.account.subscribe(self.subject.encode(), self._on_chunk)
        self._await_chunk()

    # --- chunks

    def _on_chunk(self, delivery: Delivery) -> None:
        for reply, header_size, body in delivery.messages:
            if self._ended:
                return
            chunk = body[header_size:]
            if not reply:
                self._fail(ArchiveError("came in a chunk without a reply subject"))
            elif self._waiting and self._waiting_bytes > limits.RESTORE_WAITING_BYTES:
                self._fail(ArchiveError("came without waiting for answers"), reply)
            else:
                self._waiting.append((reply, chunk))
                self._waiting_bytes += len(chunk) + _CHUNK_COST_BYTES
        if not self._is_working and not self._ended:
            self._next()

    def _await_chunk(self) -> None:
        self._stop_waiting()
        self._timer = self._context.clock.call_later(limits.RESTORE_IDLE_NS, self._on_silence)

    def _stop_waiting(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _on_silence(self) -> None:
        log.warning(
            "Restore is stalled: account=%s stream=%s",
            *(self._context.account.name, self._config.name),
        )
        self.abort()

    def _next(self) -> None:
        """Take the next chunk in work, or wait for it."""
        if not self._waiting:
            self._is_working = False
            self._await_chunk()
            return
        self._is_working = True
        self._stop_waiting()
        self._reply, chunk = self._waiting.popleft()
        self._waiting_bytes -= len(chunk) + _CHUNK_COST_BYTES
        self._chunk_bytes = len(chunk)
        try:
            if self._failure is not None:
                raise self._failure
            if chunk:
                self._reader.feed(chunk)
                self._later(0)
            else:
                self._complete()
        except (ArchiveError, StoreError) as error:
            self._fail(error, self._reply)

    def _later(self, delay_ns: int) -> None:
        self._context.clock.call_later(delay_ns, self._run)

    def _run(self) -> None:
        """Store some of what the chunk holds; in a later turn the rest."""
        if self._ended:
            return
        try:
            is_more = self._store_some()
        except StoreBusy:
            self._later(limits.DELIVER_RETRY_NS)
        except (ArchiveError, JetStreamError, StoreError) as error:
            self._fail(error, self._reply)
        else:
            if is_more:
                self._later(0)
            else:
                self._taken_in()

    def _store_some(self) -> bool:
        quota = self._js.quota_of(self._config.storage)
        if quota is not None:
            quota.refresh()
        for _ in range(limits.RESTORE_TURN_MSGS):
            record = self._held if self._held is not None else self._reader.take()
            if record is None:
                if not self._reader.has_more:
                    return False
                continue
            self._held = record
            self._keep(record)
            self._held = None
            if isinstance(record, KeptConsumer):
                break  # to read its position may take as long as many messages
        return True

    def _taken_in(self) -> None:
        """All of the chunk is staged, but for what goes on in the next one: let that come, unless
        too much waits for the disk.
        """
        self._uncommitted_bytes += self._chunk_bytes
        self._root.after_commit(partial(self._committed, self._chunk_bytes))
        if self._ended:
            return
        if self._uncommitted_bytes > limits.RESTORE_UNCOMMITTED_BYTES:
            self._is_held_back = True
        else:
            self._answer_chunk()

    def _answer_chunk(self) -> None:
        self._is_held_back = False
        self._taken_bytes += self._chunk_bytes
        self._context.send(self._reply, b"")
        self._next()

    def _committed(self, size: int, error: StoreError | None) -> None:
        if self._ended:
            return
        self._uncommitted_bytes -= size
        if error is None:
            if self._is_held_back and self._uncommitted_bytes <= limits.RESTORE_UNCOMMITTED_BYTES:
                self._answer_chunk()
        elif self._is_working:
            self._fail(error, self._reply)
        else:
            self._failure = error

    # --- records

    def _keep(self, record: Record) -> None:
        if isinstance(record, StoredMsg):
            self._keep_message(record)
        elif isinstance(record, KeptConsumer):
            self._keep_consumer(record)
        elif isinstance(record, KeptSources):
            sources.check_record(record.state)
            self._put(sources.RECORD, self._created_ns, b"{}", record.state)
        elif isinstance(record, Begin):
            self._keep_begin(record)
        else:
            assert isinstance(record, End), "no other kind is read"

    def _keep_begin(self, begin: Begin) -> None:
        config, quota = self._config, self._js.quota_of(self._config.storage)
        if quota is not None:
            quota.check_room(begin.size)
        self._store = self._root.create_stream(
            self._context.account.name,
            self._unfinished,
            wire.encode(wire.to_dict(config)),
            self._created_ns,
            begin.first_seq,
        )
        if begin.created_ns:
            self._put(provenance.RECORD, begin.created_ns, b"{}", b"")
        self._begin = begin

    def _keep_message(self, msg: StoredMsg) -> None:
        assert self._store is not None, "the beginning comes first"
        self._check_message(msg)
        quota = self._js.quota_of(self._config.storage)
        if quota is not None and msg.seq > self._counted_seq:  # a busy store is asked again
            storage = self._config.storage
            quota.admit(message_bytes(storage, len(msg.subject), msg.header_size, len(msg.body)))
            self._counted_seq = msg.seq
        self._store.append(msg.subject, msg.header_size, msg.body, msg.ts_ns, seq=msg.seq)

    def _check_message(self, msg: StoredMsg) -> None:
        """Refuse what nats-server refuses. Any subject is taken that a client may read: what a
        stream held before its subjects were other ones is foreign to it, and a key-value client
        purges with wildcards. So is any header: HPUB lets everything through.
        """
        for most, what in (
            (self._context.facts.max_payload(), "payload"),
            (self._config.max_msg_size, "message"),
        ):
            if 0 <= most < len(msg.body):
                raise ArchiveError(f"holds message {msg.seq}, which exceeds maximum {what} size")
        ttl = header.get(msg.header, b"Nats-TTL") if self._config.allow_msg_ttl else None
        if ttl and parse_ttl(ttl) is None:
            raise ArchiveError(f"holds message {msg.seq} with an invalid per-message TTL")
        self._check_span(msg.seq)

    def _check_span(self, seq: int) -> None:
        """Refuse what would take a table of the store for each of its messages."""
        if seq >= self._span_seq + limits.SEGMENT_SPAN_MAX:
            self._span_seq = seq
            self._spans += 1
            if self._spans > limits.RESTORE_SPANS_MAX:
                raise ArchiveError("is too sparse: its messages are too far from each other")

    def _keep_consumer(self, kept: KeptConsumer) -> None:
        """Store a consumer as it was, if it is one that could be made on this stream."""
        bounds = self._js.bounds
        wanted = wire.decode(ConsumerConfig, kept.config, name="ConsumerConfig", strict=False)
        most = account_bounds.most(bounds, self._context.bounds)
        config = consumer_config.checked(wanted, self._config, most)
        others = list(self._consumers.values())
        if self._config.retention == "workqueue":
            consumer_config.check_work_queue(config, others)
        account_bounds.check_consumers(bounds, self._config, self._context.bounds, len(others))
        self._consumers_bytes += len(kept.config) + len(kept.state)
        is_one = is_stream_name(kept.name) and kept.name not in self._consumers
        is_one &= len(kept.name) <= limits.STREAM_NAME_MAX
        if not is_one or config.is_of_origin or config.name not in {"", kept.name}:
            raise ArchiveError("is damaged: a consumer cannot be")
        if self._consumers_bytes > limits.ARCHIVE_CONSUMERS_BYTES_MAX:
            raise ArchiveError("holds too much of consumers")
        check_state(kept.state)
        self._consumers[kept.name] = config
        self._put(kept.name, kept.created_ns, wire.encode(wire.to_dict(config)), kept.state)

    def _put(self, name: str, created_ns: int, config: bytes, state: bytes) -> None:
        account = self._context.account.name
        self._root.put_consumer(account, self._unfinished, name, created_ns, config, state)

    # --- the end

    def _complete(self) -> None:
        """Everything came: let the stream end where it ended."""
        begin = self._reader.close()
        assert self._store is not None, "a whole archive has a beginning"
        self._store.end_at(begin.last_seq, begin.last_ts_ns)
        self._hear_no_more()
        self._root.after_commit(self._all_stored)

    def _all_stored(self, error: StoreError | None) -> None:
        if self._ended:
            return
        if error is not None:
            self._fail(error, self._reply)
            return
        assert self._store is not None, "a whole archive has a beginning"
        stream = self._js.new_stream(self._config, self._created_ns, self._store)
        built = partial(self._build, stream)
        DedupeRebuild(stream, built, was_removed_from=False).start()

    def _build(self, stream: Stream) -> None:
        """Build its consumers, before anybody can make others, then name it."""

        def steps() -> Iterator[None]:
            for _ in self._js.consumers.revive(stream, self._unfinished):
                yield
                if self._ended:
                    return
            self._name(stream)

        in_slices(self._context.clock.call_later, steps(), limits.RECOVERED_PER_TURN)

    def _name(self, stream: Stream) -> None:
        """Give the stream its name, unless it is another one's meanwhile."""
        if self._ended:
            return
        try:
            self._js.check_restore(self._config)
            self._root.rename_stream(
                self._context.account.name, self._unfinished, self._config.name
            )
        except (JetStreamError, StoreError) as error:
            self._fail(error, self._reply)
            return
        self._js.add(self._config.name, stream)
        self._root.after_commit(lambda error: self._named(stream, error))

    def _named(self, stream: Stream, error: StoreError | None) -> None:
        if error is not None:
            if self._js.streams.get(stream.name) is stream:
                stream.close()
                self._js.forget(stream.name)
            self._fail(error, self._reply)
            return
        if self._ended:  # shut down
            return
        if stream.closed:  # deleted again
            self._fail(js_error(10059), self._reply)
            return
        self._js.open_restored(stream, partial(self._opened, stream))

    def _opened(self, stream: Stream) -> None:
        if self._ended:  # shut down
            return
        if stream.closed:  # deleted again
            self._fail(js_error(10059), self._reply)
            return
        begin = self._begin
        if begin is not None and begin.config != wire.encode(wire.to_dict(self._config)):
            stream.update(stream.config)  # to limits that it did not have
        self._close()
        advisory.stream_action(self._context, stream.name, "create")
        done = partial(self._done, stream)
        stream.enforcement.after(partial(stream.intake.when_settled, done))

    def _done(self, stream: Stream) -> None:
        """The stream holds what it may, and takes in its subjects: that is the answer."""
        if stream.closed and not self._js.is_shut_down:  # deleted again
            self._tell({"error": error_fields(js_error(10059))}, self._reply)
            return
        self._tell(_info(self._context.clock.wall_ns(), stream), self._reply)
        log.info(
            "Restore is done: account=%s stream=%s bytes=%d",
            *(self._context.account.name, stream.name, self._taken_bytes),
        )

    def _fail(self, error: ArchiveError | JetStreamError | StoreError, reply: bytes = b"") -> None:
        """Take everything back, and answer who sent the chunk in work."""
        if self._ended:
            return
        refusal = self._refusal(error)
        log.warning(
            "Restore failed: account=%s stream=%s reason=%s",
            *(self._context.account.name, self._config.name, error),
        )
        self.abort()
        self._tell({"error": error_fields(refusal)}, reply)

    def _refusal(self, error: ArchiveError | JetStreamError | StoreError) -> JetStreamError:
        if isinstance(error, JetStreamError):
            is_space = error.err_code in _OUT_OF_SPACE
            return too_much(self._config.storage) if is_space else error
        if isinstance(error, StoreFull):
            return store_error(error)
        return js_error(10062, str(error) or "store failed")

    def _tell(self, fields: dict[str, Any], reply: bytes) -> None:
        context, name = self._context, self._config.name
        advisory.restore_complete(
            context, name, self._start_ns, self._client, size=self._taken_bytes
        )
        if reply:
            answer = {"type": f"{RESPONSE_TYPE}stream_create_response", **fields}
            context.send(reply, wire.encode(answer))

    def _close(self) -> None:
        self._ended = True
        self._js.transfers.discard(self)
        self._js.unfinished.discard(self._unfinished)
        self._hear_no_more()

    def _hear_no_more(self) -> None:
        self._waiting.clear()
        self._stop_waiting()
        if self._sub is not None:
            self._context.account.unsubscribe(self._sub)

    def abort(self) -> None:
        """Take nothing more, say nothing, and let go of what is stored."""
        self._close()
        self._held = None
        if self._store is not None:
            self._js.drop_unfinished(self._root, self._unfinished)


def _info(now_ns: int, stream: Stream) -> dict[str, Any]:
    return {
        "config": stream.shown_config(),
        "created": format_time(stream.created_ns),
        "state": stream.state(),
        "ts": format_time(now_ns),
    }
