"""Sends what is scheduled in one stream when its time has come.

One schedule per subject, the latest; a message that was removed meanwhile sends nothing. Reads the
schedule, and its source if it names one, from the store, and stores the message as any other. Which
schedules there are is nowhere but in the messages: after a start, and after the store went back,
the whole stream is read, page by page beside its work, and nothing is sent until that is done. One
entry for each schedule that is stored, so it is bounded by the stream. Which of those another
message ended is kept by `ended`, when those that were sent are due again by `repeats`. Truth:
measured on nats-server 2.15.1; server/scheduler.go.
"""

from __future__ import annotations

import heapq
from functools import partial
from typing import TYPE_CHECKING

from leafnode import limits
from leafnode.errors import JetStreamError, StoreError
from leafnode.jetstream import provenance, schedule
from leafnode.jetstream.ended import Ended
from leafnode.jetstream.repeats import Repeats
from leafnode.protocol import header

if TYPE_CHECKING:
    from leafnode.clock import Timer
    from leafnode.jetstream.stream import Stream
    from leafnode.store.api import StoredMsg


class Scheduler:
    """The schedules of one stream."""

    __slots__ = (
        *("_by_subject", "_due", "_ended", "_generation", "_is_reading", "_made_ns", "_reckoned"),
        *("_repeats", "_stream", "_timer"),
    )

    def __init__(self, stream: Stream) -> None:
        self._stream = stream
        self._by_subject: dict[bytes, tuple[int, int]] = {}  # (sequence, due)
        self._due: list[tuple[int, int, bytes]] = []  # heap of (due, sequence, subject)
        self._timer: Timer | None = None
        self._is_reading = False  # what the stream holds
        self._generation = 0  # of the reading: answers to an older one are thrown away
        self._ended = Ended(stream)
        self._repeats = Repeats(stream)
        self._made_ns = 0  # out of an archive: what was to be sent before that was, or is too late
        self._reckoned: set[bytes] = set()  # subjects whose time is from then, as nothing said it

    def open(self) -> None:
        """Read what the stream holds, then begin to send."""
        stream = self._stream
        if not stream.config.allow_msg_schedules or not stream.store.last_seq() or stream.closed:
            return
        if not stream.is_served:
            return
        self._generation += 1
        self._is_reading = True
        self._reckoned.clear()
        self._read_kept()
        self._read_page(self._generation, 1)

    def may_end(self, subject: bytes) -> bool:
        """Say whether a message may end what this subject holds: a schedule, as far as is known."""
        return self._is_reading or subject in self._by_subject

    def add(self, subject: bytes, seq: int, due_ns: int) -> None:
        """Note a schedule that was stored; it replaces the one that its subject had."""
        self._put(subject, seq, due_ns)
        if self._due[0][1] == seq:
            self.rearm()

    def forget(self, subject: bytes) -> None:
        """A subject has no schedule any more."""
        known = self._by_subject.pop(subject, None)
        if known is not None:
            self._repeats.over(known[0])

    def replaced(self, subject: bytes) -> None:
        """A message that is no schedule came behind the one that a subject had: that is over, and
        stays so when this message leaves before it.
        """
        known = self._by_subject.get(subject)
        if known is not None:
            self._ended.add(known[0])
            self.forget(subject)

    def rolled_back(self) -> None:
        """The store went back to what is on disk, which is read anew. Stages nothing."""
        self.close()
        self._by_subject.clear()
        self._due.clear()
        self._read_kept()
        self._stream.context.clock.call_later(0, self.open)

    def _put(self, subject: bytes, seq: int, due_ns: int) -> None:
        known = self._by_subject.get(subject)
        if known is not None and known[0] != seq:
            self._repeats.over(known[0])
        self._by_subject[subject] = (seq, due_ns)
        heapq.heappush(self._due, (due_ns, seq, subject))
        if len(self._due) > 2 * len(self._by_subject) + limits.SCHEDULES_STALE_MAX:
            self._due = [(due, at, name) for name, (at, due) in self._by_subject.items()]
            heapq.heapify(self._due)

    # --- reading back

    def _read_kept(self) -> None:
        stream = self._stream
        self._made_ns = 0
        if provenance.made_ns(stream) != stream.created_ns:
            self._made_ns = min(stream.created_ns, stream.context.time.now_ns())
        self._ended.read()
        self._repeats.read()

    def _read_page(self, generation: int, seq: int) -> None:
        stream = self._stream
        if generation != self._generation:
            return
        try:
            stream.store.read(
                seq,
                [],
                limits.READ_BATCH_MSGS,
                limits.PREFETCH_BYTES,
                partial(self._on_page, generation),
            )
        except StoreError as error:
            stream.trouble.note("Schedules not read back", error)
            again = partial(self._read_page, generation, seq)
            stream.context.clock.call_later(limits.DELIVER_RETRY_MAX_NS, again)

    def _on_page(self, generation: int, page: list[StoredMsg]) -> None:
        if generation != self._generation:
            return
        for msg in page:
            self._ended.note(msg.seq)
            self._note(msg)
        if page:
            again = partial(self._read_page, generation, page[-1].seq + 1)
            self._stream.context.clock.call_later(0, again)
        else:
            self._is_reading = False
            self._ended.tidy()
            self._repeats.tidy({seq for seq, _ in self._by_subject.values()})
            self.rearm()

    def _note(self, msg: StoredMsg) -> None:
        """Note a message that was read back; what came meanwhile is newer than it."""
        known = self._by_subject.get(msg.subject)
        is_news = known is None or known[0] < msg.seq
        fields: dict[bytes, bytes] = {}
        if b"\nNats-Schedule" in msg.header:
            fields = dict(reversed(header.parse(msg.header)))
        if is_news and fields.get(b"Nats-Schedule"):
            if msg.seq in self._ended:
                self.forget(msg.subject)
                return
            kept_ns = self._repeats.due_ns(msg.seq)
            self._reckoned.discard(msg.subject)
            try:
                due_ns, repeats = schedule.next_ns(fields, msg.ts_ns, msg.ts_ns)
                if repeats and msg.ts_ns < self._made_ns:
                    due_ns, _ = schedule.next_ns(fields, msg.ts_ns, self._made_ns)
                    if not kept_ns:
                        self._reckoned.add(msg.subject)
            except JetStreamError:
                return
            self._put(msg.subject, msg.seq, max(due_ns, kept_ns))
        elif is_news:
            self.replaced(msg.subject)
        scheduler = fields.get(b"Nats-Scheduler", b"")
        sender = self._by_subject.get(scheduler)
        next_ns = schedule.told(fields) or 0  # there may be later ones that have left
        if sender is None or sender[0] > msg.seq:
            return
        is_said = scheduler in self._reckoned and next_ns >= self._made_ns
        if is_said or next_ns > sender[1]:
            self._reckoned.discard(scheduler)
            self._put(scheduler, sender[0], next_ns)

    # --- sending

    def close(self) -> None:
        """Send nothing more."""
        self._generation += 1
        self._is_reading = False
        self._stop()

    def _stop(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def rearm(self) -> None:
        """Wake up when the first is due; the wall clock is looked at in between."""
        self._stop()
        if not self._due or self._is_reading or self._stream.closed:
            return
        context = self._stream.context
        wait_ns = max(0, self._due[0][0] - context.time.now_ns())
        wait_ns = min(wait_ns, limits.SCHEDULE_LOOK_NS)
        self._timer = context.clock.call_later(wait_ns, self._on_timer)

    def _on_timer(self) -> None:
        self._timer = None
        now_ns = self._stream.context.time.now_ns()
        for _ in range(limits.GETS_IN_FLIGHT):
            if not self._due or self._due[0][0] > now_ns:
                break
            due_ns, seq, subject = heapq.heappop(self._due)
            if self._by_subject.get(subject) == (seq, due_ns):
                self._read(subject, seq, due_ns)
        self.rearm()

    def _read(self, subject: bytes, seq: int, due_ns: int) -> None:
        store = self._stream.store
        if seq > store.committed_seq():
            self._again(subject, seq, due_ns)
            return
        try:
            store.get(seq, partial(self._on_schedule, subject, seq, due_ns))
        except StoreError as error:
            self._failed(error, subject, seq, due_ns)

    def _on_schedule(self, subject: bytes, seq: int, due_ns: int, msg: StoredMsg | None) -> None:
        if self._by_subject.get(subject) != (seq, due_ns) or self._stream.closed:
            return
        if msg is None:  # it was removed
            self.forget(subject)
            return
        fields = dict(reversed(header.parse(msg.header)))
        source = fields.get(b"Nats-Schedule-Source")
        if not source:
            self._send(msg, fields, due_ns, msg)
            return
        try:
            self._stream.store.last(source, partial(self._send, msg, fields, due_ns))
        except StoreError as error:
            self._failed(error, subject, seq, due_ns)

    def _send(
        self, msg: StoredMsg, fields: dict[bytes, bytes], due_ns: int, content: StoredMsg | None
    ) -> None:
        """Store the message of a schedule; without its source it has the schedule's content."""
        stream, content = self._stream, content or msg
        if stream.closed or self._by_subject.get(msg.subject) != (msg.seq, due_ns):
            return  # its subject got another one while its source was read
        try:
            is_there = stream.store.last_of(msg.subject) == msg.seq
        except StoreError as error:
            self._failed(error, msg.subject, msg.seq, due_ns)
            return
        if not is_there:  # it was removed meanwhile
            self.forget(msg.subject)
            return
        now_ns = stream.next_time_ns()
        next_ns, repeats = schedule.next_ns(fields, due_ns, now_ns)
        following = schedule.shown(next_ns) if repeats else schedule.PURGE
        block = schedule.fired_block(content.header, msg.subject, fields, following)
        target = fields[b"Nats-Schedule-Target"]
        ends = b"" if repeats else msg.subject
        try:
            stream.store_scheduled(target, block, content.payload, ends=ends)
        except (JetStreamError, StoreError) as error:
            self._failed(error, msg.subject, msg.seq, due_ns)
            return
        if repeats:
            self._repeats.sent(msg.seq, next_ns)
            self.add(msg.subject, msg.seq, next_ns)

    def _failed(self, error: Exception, subject: bytes, seq: int, due_ns: int) -> None:
        if isinstance(error, StoreError):
            self._stream.trouble.note("Schedule not sent", error)
        self._again(subject, seq, due_ns)

    def _again(self, subject: bytes, seq: int, due_ns: int) -> None:
        """Try once more a little later."""
        later_ns = max(due_ns, self._stream.context.time.now_ns()) + limits.SCHEDULE_RETRY_NS
        self._put(subject, seq, later_ns)
        self.rearm()  # what was read from disk comes when no timer runs any more
