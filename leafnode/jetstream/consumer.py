"""A consumer: delivers a stream's messages to who asks, until each is acknowledged.

Joins the cursor (what comes next), the pending list (what is out), the pull queue or the push
subject (who takes) and the ack handler. Knows one stream; its state goes to the store lazily,
except where a client asked for confirmation of an ack. What the store refuses is tried again, and a
damaged stream is not delivered from. Truth: nats-server 2.15.1 server/consumer.go.
"""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final

from leafnode import limits
from leafnode.clock import NS_PER_MS
from leafnode.errors import StoreCorrupt, StoreError
from leafnode.jetstream import ack, consumer_info
from leafnode.jetstream.ack_handler import AckHandler
from leafnode.jetstream.cursor import Cursor
from leafnode.jetstream.direct_batch import append_header
from leafnode.jetstream.keeper import Keeper
from leafnode.jetstream.loosening import loosen
from leafnode.jetstream.pace import Pace
from leafnode.jetstream.pause import Pause
from leafnode.jetstream.pending import Pending
from leafnode.jetstream.priority import Groups
from leafnode.jetstream.pull import PullQueue
from leafnode.jetstream.push import PushSubject
from leafnode.jetstream.redelivery import Redelivery
from leafnode.jetstream.spreading import Spreading
from leafnode.jetstream.trouble import Trouble
from leafnode.protocol import header

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from leafnode.clock import Timer
    from leafnode.jetstream.api_types import ConsumerConfig
    from leafnode.jetstream.outlet import Outlet
    from leafnode.jetstream.stream import Stream
    from leafnode.routing.subscription import Delivery, Subscription
    from leafnode.store.api import StoredMsg

_DELETED: Final = header.status(409, b"Consumer Deleted")
_JITTER_MIN_NS: Final = 100 * NS_PER_MS
_JITTER_MAX_NS: Final = 1000 * NS_PER_MS


class Consumer:
    """One consumer of one stream. `expired` is called when it was unused for too long."""

    def __init__(
        self,
        stream: Stream,
        name: str,
        config: ConsumerConfig,
        created_ns: int,
        *,
        start: tuple[int, list[int]],
        expired: Callable[[Consumer], None],
    ) -> None:
        start_seq, listed = start
        self.stream = stream
        self.context = stream.context
        self.name = name
        self.config = config
        self.created_ns = created_ns
        self.closed = False
        self.pending = Pending(start_seq, ack_wait_ns=config.ack_wait, backoff_ns=config.backoff)
        self.cursor = Cursor(stream, config.filters, start_seq, listed=listed, on_ready=self.pump)
        self.keeper = Keeper(self)
        self.acks = AckHandler(self)
        self.redelivery = Redelivery(self)
        self.pause = Pause(self)
        self.pace = Pace(self)
        self.groups = Groups(self)
        self.trouble = Trouble(self.context.clock, f"stream={stream.name} consumer={name}")
        self.spreading = Spreading(self)
        self.outlet: Outlet = PushSubject(self) if config.deliver_subject else PullQueue(self)
        self.delivered_ts_ns = 0  # wall time of the last delivery, for info
        self._expired = expired
        self._tracks = config.ack_policy != "none"
        self._next_sub: Subscription | None = None
        self._pumping = False
        self._is_counted = False  # what waits, in this pump
        self.seeks = True  # somebody asked for more: as far as nothing is found, all is looked at
        self._retry_timer: Timer | None = None
        self._retry_ns = limits.DELIVER_RETRY_NS
        self._idle_timer: Timer | None = None

    # --- life

    def open(self, *, waits: bool = False) -> None:
        """Subscribe for requests and acknowledgements, start the timers. `waits`: for `pump`."""
        if self._next_sub is not None:  # it came to be while its stream was being opened
            return
        stream, name = self.stream.name.encode(), self.name.encode()
        self._next_sub = self.context.account.subscribe(
            b"$JS.API.CONSUMER.MSG.NEXT.%b.%b" % (stream, name), self._on_next
        )
        if self.config.ack_policy in {"explicit", "all"}:
            self.acks.open()
        self.outlet.open()
        self.redelivery.arm()
        self.arm_idle_timer()
        self.pause.open()
        if not waits:
            self.pump()

    def close(self) -> None:
        """End deliveries; waiting requests hear of it by `tell_deleted`. Stored state stays."""
        if self.closed:
            return
        self.closed = True
        if self._next_sub is not None:
            self.context.account.unsubscribe(self._next_sub)
            self._next_sub = None
        self.acks.close()
        for timer in (self._idle_timer, self._retry_timer):
            if timer is not None:
                timer.cancel()
        self._idle_timer = self._retry_timer = None
        self.redelivery.close()
        self.keeper.stop()
        self.pause.close()
        self.pace.close()
        self.groups.close()
        self.cursor.close()
        self.outlet.close()
        self.spreading.close()
        # Not now: one of its parts may be at work.
        self.context.clock.call_later(0, self._loosen)

    def tell_deleted(self) -> None:
        """It is gone, also on disk: who waits for its messages need not."""
        self.outlet.tell(_DELETED)

    def _loosen(self) -> None:
        parts = (self.keeper, self.acks, self.redelivery, self.pause, self.pace, self.groups)
        loosen(self, "_consumer", (*parts, self.outlet, self.spreading))

    def shut_down(self) -> None:
        """The server stops: remember the position, and let waiting clients know."""
        if not self.closed:
            self.keeper.save()
            self.outlet.shut_down()
            self.close()

    def update(self, config: ConsumerConfig) -> None:
        """Take over a checked configuration, and the position but for an origin's reader."""
        if config.sourcing or config.filters != self.config.filters:
            self.pending = self.pending.copy()  # see `checkpoint`
        self._configure(config)
        anew = self.pending.floor.stream_seq + 1  # and nothing that was meant for the reader before
        return self.reset(anew) if config.sourcing else self.pump()

    def checkpoint(self, *, position: bool) -> Callable[[], None]:
        """Return what puts its configuration back, and where asked its position, too: who changes
        that begins with a copy, or anew. That stages nothing.
        """
        config = self.config
        pending, listed = self.pending, list(self.cursor.listed)
        since = self.acks.mark() if position else None
        uncounted = self.cursor.waiting.mark()
        seen = self.delivered_ts_ns, self.acks.acked_ts_ns

        def back() -> None:
            if position:
                self.pending = pending
                self.cursor.listed.clear()
                self.acks.forget_since(since)
            if self.closed:
                self.config = config
            elif self.config is not config:
                self._configure(config)
            if position:
                self.cursor.listed.extend(listed)
                self.cursor.reset(pending.delivered.stream_seq + 1)
                self.cursor.waiting.go_back(uncounted)
                self.delivered_ts_ns, self.acks.acked_ts_ns = seen
                self.redelivery.arm()
            self.pause.rearm()
            self.context.clock.call_later(0, self.pump)

        return back

    def revive(self, stream: Stream) -> None:
        """Be there again after `close`, where it was; `open` has to follow. `stream`: that may be
        another object by now.
        """
        self.closed, self.stream = False, stream
        next_seq, listed = self.pending.delivered.stream_seq + 1, self.cursor.listed
        filters, uncounted = self.config.filters, self.cursor.waiting.mark()
        self.cursor = Cursor(stream, filters, next_seq, listed=listed, on_ready=self.pump)
        self.cursor.reset(next_seq)
        self.cursor.waiting.go_back(uncounted)
        before, self.spreading = self.outlet, Spreading(self)
        self.outlet = PushSubject(self) if self.config.deliver_subject else PullQueue(self)
        self.outlet.wait_on(before)

    def _configure(self, config: ConsumerConfig) -> None:
        filters_changed = config.filters != self.config.filters
        moved = config.deliver_subject != self.config.deliver_subject
        rate_changed = config.rate_limit_bps != self.config.rate_limit_bps
        threshold_changed = config.inactive_threshold != self.config.inactive_threshold
        self.config = config
        if rate_changed:
            self.pace.configure()
        if moved:
            self.outlet.close()
            self.outlet = PushSubject(self)
            if self._next_sub is not None:
                self.outlet.open()
        self.pending.set_waits(config.ack_wait, config.backoff)
        self.redelivery.arm()
        if filters_changed:
            self.cursor.reset(self.pending.delivered.stream_seq + 1, config.filters)
            self.count_anew()
        if threshold_changed and self._idle_timer is not None:
            self._idle_timer.cancel()
            self._idle_timer = None
        self.arm_idle_timer()

    def reset(self, seq: int) -> None:
        """Deliver again from this sequence on, as if nothing had been delivered yet."""
        self.acks.forget_rest()
        is_new = seq != self.pending.delivered.stream_seq + 1 or len(self.pending) > 0
        self.cursor.list_again(self.pending.seqs())
        self.pending = self.pending.anew(seq)
        if is_new:  # else it stays where it is, with what waits
            self.cursor.reset(seq)
        if is_new and self.config.ack_policy not in {"all", "flow_control"}:
            self.count_anew()
        self.delivered_ts_ns = 0
        self.acks.acked_ts_ns = 0
        self.context.clock.call_later(0, self.pump)

    # --- deliveries

    def available(self) -> int:
        """How many messages could be delivered if nothing but acknowledgements held them back."""
        if self.pause.remaining_ns():
            return 0
        return self.num_pending() + self.pending.queued

    def num_pending(self) -> int:
        """How many messages were never delivered yet."""
        return self.cursor.num_pending(self.pending.delivered.stream_seq + 1)

    def count_anew(self, upto_seq: int = 0) -> None:
        """Something happened at which nats-server counts what was never delivered anew: when the
        stream ended there; 0: now.
        """
        if self.config.deliver_policy == "last_per_subject":
            self.cursor.waiting.count_last(upto_seq or self.stream.store.last_seq())

    def look(self) -> Iterator[None]:
        """Do that in steps, where nothing else happens meanwhile; a refusal is left to who asks."""
        with suppress(StoreError):
            yield from self.cursor.waiting.look(self.pending.delivered.stream_seq + 1)

    def pump(self) -> None:
        """Deliver what may be delivered now, at most DELIVER_TURN_MSGS of it, fewer to an origin's
        reader: in this server each is stored in the same turn.
        """
        if self._pumping or self.closed or not self.outlet.is_used() or self.pause.remaining_ns():
            return
        if self.spreading.must_wait(self.outlet.subjects):
            return
        self._pumping = True
        self._is_counted = False
        self.outlet.begin()
        reads = self.config.direct or self.config.ack_policy == "flow_control"
        most = limits.ORIGIN_TURN_MSGS if reads else limits.DELIVER_TURN_MSGS
        delivered, over = 0, False
        before = self.pending.delivered.consumer_seq
        try:
            self._check_intact()
            while delivered < most and (count := self._deliver_run(most - delivered)):
                delivered += count + self.outlet.passed_over // limits.PASSED_OVER_PER_MSG
            self.seeks = self.seeks or delivered > 0
            over = delivered < most and self._is_over()
            self._retry_ns = limits.DELIVER_RETRY_NS
        except StoreError as error:
            self._pause(error)
        self.outlet.end(over=over)
        self._pumping = False
        if self.pending.delivered.consumer_seq != before:
            self.delivered_ts_ns = self.context.clock.wall_ns()
        if delivered:
            self.redelivery.arm()
            self.keeper.touch()
        if delivered >= most:
            self.context.clock.call_later(0, self.pump)

    def _check_intact(self) -> None:
        """Raise for a damaged stream: it answers reads with nothing, which means nothing."""
        damage = self.stream.store.damage()
        if damage is not None:
            raise StoreCorrupt(*damage.args)

    def _pause(self, error: StoreError) -> None:
        """Deliver no more for now; a damaged stream stays so until the next start."""
        self.trouble.note("Delivery stopped", error)
        if self._retry_timer is None and not isinstance(error, StoreCorrupt):
            self._retry_timer = self.context.clock.call_later(self._retry_ns, self._on_retry)
            self._retry_ns = min(2 * self._retry_ns, limits.DELIVER_RETRY_MAX_NS)

    def _on_retry(self) -> None:
        self._retry_timer = None
        self.pump()

    def _is_over(self) -> bool:
        """Say whether those who still wait get nothing for now: there is no message, or none for
        any of them. What acknowledgements or the store hold back may come, if there is anything.
        """
        if not self.outlet.is_used() or (self.is_full() and not self.pending.queued):
            return False
        if not self.pending.queued and self.cursor.exhausted:
            # What comes later and does not match is not skipped: other filters may want it.
            if self.seeks:
                self.seeks = False
                self.pending.skip_to(self.cursor.looked_at)
            return True
        return not self.outlet.ready()

    def _deliver_run(self, most: int) -> int:
        """Deliver up to `most` messages in one go, where none has to be looked at by itself; else
        one. Return for how many of a turn's it counts; 0: none can be delivered now.
        """
        if self.pending.queued or self.cursor.listed or not self.pace.is_free:
            return self._step()
        most = min(most, self.outlet.room())
        if self._tracks:
            most = min(most, self._pending_max() - len(self.pending))
        if most <= 0:
            return self._step()
        messages = self.cursor.peek_run(most)
        if not messages:
            return 0
        first = self.pending.delivered.consumer_seq + 1
        replies = ack.first_replies(self.acks.prefix, messages, first, self.left())
        count = self.outlet.take_run(
            [
                (msg.subject, reply, *self.shown_body(msg))
                for msg, reply in zip(messages, replies, strict=True)
            ]
            if self.config.headers_only
            else [
                (subject, reply, header_size, body)
                for (_, subject, _, header_size, body), reply in zip(messages, replies, strict=True)
            ]
        )
        self.cursor.take_run(count)
        seqs = [msg[0] for msg in messages[:count]]
        self.pending.deliver_run(seqs, self.context.clock.monotonic_ns(), track=self._tracks)
        if not self._tracks:
            self.stream.acknowledged(self, seqs)
        return count

    def _step(self) -> int:
        """Deliver one message, or find that none can be delivered now. Return what it counts."""
        if not self.outlet.ready():
            return 0
        seq = self.pending.next_redelivery()
        if seq is not None:
            return self._redeliver(seq)
        if self.is_full():
            return 0
        msg = self.cursor.peek()
        if msg is None or self.pace.holds(msg):
            return 0
        if not self._hand_over(msg, 1):
            return 1
        self.cursor.take()
        self.pending.deliver(msg.seq, self.context.clock.monotonic_ns(), track=self._tracks)
        if not self._tracks:
            self.stream.acknowledged(self, [msg.seq])
        return 1

    def _redeliver(self, seq: int) -> int:
        """Deliver a pending message once more, or give it up; 0: the store still looks for it."""
        done, msg = self.redelivery.fetch(seq)
        if msg is None or self.pace.holds(msg):
            return limits.GIVE_UP_COST * done
        if self._hand_over(msg, self.pending.deliveries(seq) + 1):
            self.cursor.forget(seq)
            self.pending.redeliver(seq, self.context.clock.monotonic_ns())
        return 1

    def _hand_over(self, msg: StoredMsg, deliveries: int) -> bool:
        consumer_seq = self.pending.delivered.consumer_seq + 1
        left = max(0, self.left() - (deliveries == 1))
        reply = ack.reply_subject(self.acks.prefix, deliveries, msg, consumer_seq, left)
        size = len(msg.subject) + len(reply) + len(msg.body)
        if not self.outlet.take(msg, reply, size):
            return False
        self.pace.passed(msg)
        return True

    def left(self) -> int:
        """Return how many wait, as each ack subject says; counted once in a pump."""
        if not self._is_counted:
            self._is_counted = True
            self.num_pending()
        return self.cursor.left

    def shown_body(self, msg: StoredMsg) -> tuple[int, bytes]:
        """Return (header size, body) as this consumer delivers the message."""
        if not self.config.headers_only:
            return msg.header_size, msg.body
        size = b"%d" % (len(msg.body) - msg.header_size)
        block = append_header(msg.header, header.build([(b"Nats-Msg-Size", size)]))
        return len(block), block

    def is_full(self) -> bool:
        """Say whether as much is out as may be; only what is redelivered is delivered then."""
        return self._tracks and len(self.pending) >= self._pending_max()

    def _pending_max(self) -> int:
        limit = self.config.max_ack_pending
        return min(limit, limits.ACK_PENDING_MAX) if limit > 0 else limits.ACK_PENDING_MAX

    def _on_next(self, delivery: Delivery) -> None:
        if delivery.trace is not None and delivery.trace.only:
            return
        delivery.origin.outbox.work_left -= limits.PULL_WORK * len(delivery.messages)
        for reply, header_size, body in delivery.messages:
            self.outlet.request(reply, body[:header_size], body[header_size:])
        self.arm_idle_timer()

    # --- what the stream tells

    def rolled_back(self) -> None:
        """The store went back to what is on disk. Stages nothing."""
        self.acks.rolled_back()
        self.pending.forget_skipped()  # removals may have been among that
        self.cursor.reset(self.pending.delivered.stream_seq + 1)
        self.keeper.touch()
        self.context.clock.call_later(0, self.pump)

    def purged(self, first_seq: int) -> None:
        """The stream's messages start at `first_seq`, and so does it."""
        self.acks.purged(first_seq)
        self.front_moved(first_seq)

    def front_moved(self, first_seq: int) -> None:
        """The stream's messages start at `first_seq`: nothing before it comes any more."""
        self.pending.drop(first_seq)
        self.cursor.reset(self.pending.delivered.stream_seq + 1)
        self.keeper.touch()

    def message_removed(self, seq: int, *, follows: bool = False) -> bool:
        """One message is gone. `follows`: `purged` does, for what is left to do. Return whether
        there is room for another one now: a `pump` is due.
        """
        self.cursor.forget(seq)
        return self.acks.removed(seq, follows=follows)

    def interest_changed(self) -> None:
        """Somebody began or ceased to listen on the deliver subject."""
        self.seeks = True
        self.arm_idle_timer()
        self.pump()

    # --- timers

    def arm_idle_timer(self, idle_ns: int = 0) -> None:
        """Wake up when nobody used it for `inactive_threshold`."""
        if self._idle_timer is not None or not self.config.inactive_threshold or self.closed:
            return
        threshold_ns = self.config.inactive_threshold
        jitter_ns = 0
        if not self.config.deliver_subject or threshold_ns == limits.INACTIVE_THRESHOLD_NS:
            jitter_ns = self.context.random.randint(_JITTER_MIN_NS, _JITTER_MAX_NS)
        delay_ns = max(0, threshold_ns - idle_ns) + jitter_ns
        self._idle_timer = self.context.clock.call_later(delay_ns, self._on_idle_timer)

    def _on_idle_timer(self) -> None:
        self._idle_timer = None
        self.outlet.waiting()
        used = self.outlet.is_used()
        now_ns = self.context.clock.monotonic_ns()
        last_ns = self.outlet.last_active_ns
        if not self.config.deliver_subject:  # who took something may be at work with it
            last_ns = max(last_ns, self.pending.last_deadline_ns(now_ns))
        idle_ns = now_ns - last_ns
        if not used and idle_ns >= self.config.inactive_threshold > 0:
            self._expired(self)
        else:
            self.arm_idle_timer(idle_ns)

    # --- what it is

    def info(self, *, dynamic: bool = True) -> dict[str, Any]:
        """Return ConsumerInfo; `dynamic` adds version and level to the metadata."""
        return consumer_info.shown(self, dynamic=dynamic)
