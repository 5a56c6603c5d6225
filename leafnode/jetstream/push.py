"""A push consumer's way out: its deliver subject, while somebody listens there.

Heartbeats, and flow control as clients know it: half a window of unanswered bytes asks, a full one
waits. Knows a subject and sizes; not acknowledgements or the store. Truth: measured on nats-server
2.15.1; server/consumer.go (needFlowControl, processFlowControl).
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Final

from leafnode import limits
from leafnode.jetstream.flow_window import FlowWindow
from leafnode.jetstream.pull import idle_heartbeat
from leafnode.nuid import hash8, nuid
from leafnode.protocol import header

if TYPE_CHECKING:
    from leafnode.clock import Timer
    from leafnode.jetstream.consumer import Consumer
    from leafnode.jetstream.outlet import Outlet
    from leafnode.routing.subscription import Delivery, Subscription
    from leafnode.store.api import StoredMsg

_IS_PUSH: Final = header.status(409, b"Consumer is push based")
_FLOW_CONTROL: Final = header.status(100, b"FlowControl Request")
_TOKEN_LENGTH: Final = 4


class PushSubject:
    """Delivers to one subject while somebody subscribes to just that, here or on a leaf."""

    def __init__(self, consumer: Consumer) -> None:
        self._consumer = consumer
        self._context = consumer.context
        self._subject = consumer.config.deliver_subject.encode()
        self._group = consumer.config.deliver_group.encode()
        self._out: list[tuple[bytes, bytes, int, bytes]] = []
        self._spreading = consumer.spreading
        self._timer: Timer | None = None
        self.passed_over = 0
        self._sent_ns = 0  # monotonic; when something was last said
        self._subs: list[Subscription] = []
        # Only servers ask for this: mirrors and sources, whose deliveries cross a link.
        self._window = FlowWindow(follows=consumer.config.direct or consumer.config.sourcing)
        self._unanswered_bytes = 0
        self._asked_bytes = 0
        self._flow_reply = b""  # subject of the question that is not answered yet
        self.last_active_ns = self._context.clock.monotonic_ns()

    # --- life

    def open(self) -> None:
        """Watch for interest, and listen for answers to flow control."""
        consumer = self._consumer
        if consumer.config.flow_control:
            stream, name = consumer.stream.name.encode(), consumer.name.encode()
            domain = (self._context.facts.domain or "_").encode()
            hashed = hash8(self._context.account.name).encode()
            for subject in (
                b"$JS.FC.%b.%b.*" % (stream, name),
                b"$JS.FC.%b.%b.%b.%b.*" % (domain, hashed, stream, name),
            ):
                self._subs.append(self._context.account.subscribe(subject, self._on_flow_control))
        self._context.account.watch(self._subject, self, queue=self._group)
        self._arm()

    def shut_down(self) -> None:
        """Nobody waits."""

    def tell(self, status: bytes) -> None:
        """A push consumer says nothing about its end."""

    def wait_on(self, before: Outlet) -> None:
        """Who listens still does."""

    def close(self) -> None:
        """Stop."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        for sub in self._subs:
            self._context.account.unsubscribe(sub)
        self._subs.clear()
        self._context.account.unwatch(self._subject, self, queue=self._group)

    # --- interest

    def is_used(self) -> bool:
        """Say whether somebody listens: with a deliver group in that group, else in none."""
        used = self._context.account.listens(self._subject, self._group)
        if used:
            self.last_active_ns = self._context.clock.monotonic_ns()
        return used

    def interest_changed(self) -> None:
        """Implements routing's InterestWatcher: somebody came, or went."""
        # Not now: the subscription that came is being made.
        self._context.clock.call_later(0, self._consumer.interest_changed)

    def waiting(self) -> int:
        """A push consumer has no requests."""
        return 0

    def subjects(self) -> list[bytes]:
        """Return its one subject."""
        return [self._subject]

    def request(self, inbox: bytes, block: bytes, payload: bytes) -> None:
        """Refuse a pull."""
        del block, payload
        if inbox:
            self._context.send_status(inbox, _IS_PUSH)

    # --- deliveries

    def begin(self) -> None:
        """Nothing to prepare."""

    def ready(self) -> bool:
        """Say whether the window has room."""
        if not self._consumer.config.flow_control:
            return True
        return self._unanswered_bytes <= self._window.size

    def room(self) -> int:
        """Return as many as go out in a turn, while the window has room."""
        config = self._consumer.config
        if config.flow_control and config.headers_only:
            return 0  # a window counts what the stream holds, whatever is shown of it
        return limits.DELIVER_TURN_MSGS if self.ready() else 0

    def take_run(self, messages: list[tuple[bytes, bytes, int, bytes]]) -> int:
        """Hand over several messages, as far as the window goes."""
        if not self._consumer.config.flow_control:
            self._out += messages
            return len(messages)
        taken = 0
        for message in messages:
            subject, reply, _, body = message
            self._out.append(message)
            self._count(len(subject) + len(reply) + len(body))
            taken += 1
            if self._unanswered_bytes > self._window.size:
                break
        return taken

    def take(self, msg: StoredMsg, reply: bytes, size: int) -> bool:
        """Hand over a message, and ask for an answer at half a window."""
        header_size, body = self._consumer.shown_body(msg)
        self._out.append((msg.subject, reply, header_size, body))
        if self._consumer.config.flow_control:
            self._count(size)
        return True

    def _count(self, size: int) -> None:
        """A message of this size went out: ask for an answer at half a window."""
        self._unanswered_bytes += size
        window = self._window.size
        if not self._flow_reply and self._unanswered_bytes > window // 2:
            self._ask()
        elif self._flow_reply and self._unanswered_bytes - self._asked_bytes >= window:
            self._asked_bytes += size

    def end(self, *, over: bool) -> None:
        """Send what was taken; who acknowledges with the answers is asked when too much is out."""
        del over
        if self._consumer.is_full():
            self._ask_for_acks()
        self._flush()

    def _flush(self) -> None:
        if self._out:
            messages, self._out = self._out, []
            self._sent_ns = self._context.clock.monotonic_ns()
            self._spreading.send(partial(self._context.account.deliver, self._subject, messages))

    def _ask_for_acks(self) -> None:
        pending = self._consumer.pending
        if self._consumer.config.ack_policy == "flow_control" and pending and not self._flow_reply:
            self._ask()

    def _ask(self) -> None:
        consumer = self._consumer
        token = nuid(self._context.random, _TOKEN_LENGTH)
        self._flow_reply = f"$JS.FC.{consumer.stream.name}.{consumer.name}.{token}".encode()
        self._asked_bytes = self._unanswered_bytes
        self._window.asked(self._context.clock.monotonic_ns())
        self._out.append((self._subject, self._flow_reply, len(_FLOW_CONTROL), _FLOW_CONTROL))

    def _on_flow_control(self, delivery: Delivery) -> None:
        if delivery.subject != self._flow_reply:
            return
        self._window.answered(self._context.clock.monotonic_ns())
        self._unanswered_bytes = max(0, self._unanswered_bytes - self._asked_bytes)
        self._flow_reply = b""
        self._asked_bytes = 0
        if self._consumer.config.ack_policy == "flow_control":
            _, size, body = delivery.messages[-1]
            self._consumer.acks.flowed(body[:size])
        self._consumer.pump()

    # --- heartbeats

    def _arm(self) -> None:
        """Wake up when it was quiet for the length of a heartbeat."""
        heartbeat_ns = self._consumer.config.idle_heartbeat
        if heartbeat_ns <= 0:  # below 0 where an older version stored it
            return
        left_ns = self._sent_ns + heartbeat_ns - self._context.clock.monotonic_ns()
        self._timer = self._context.clock.call_later(
            left_ns if left_ns > 0 else heartbeat_ns, self._on_timer
        )

    def _on_timer(self) -> None:
        self._timer = None
        if self.is_used():
            now_ns = self._context.clock.monotonic_ns()
            # Behind what is on its way to very many a heartbeat says nothing: that is one.
            is_due = now_ns >= self._sent_ns + self._consumer.config.idle_heartbeat
            if is_due and not self._spreading.is_on:
                place = self._consumer.pending.delivered
                block = idle_heartbeat(*place, stalled=self._flow_reply)
                self._out.append((self._subject, b"", len(block), block))
                self._ask_for_acks()
                self._flush()
            self._consumer.pump()
        self._arm()
