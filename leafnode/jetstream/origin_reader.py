"""Reads another stream in order, as a client of its API: by messages alone, wherever it is.

One consumer at a time, without acknowledgements: what comes out of turn, or nothing for too long,
leads to a new one from where its `Receiver` is. Flow control is answered when what came before is
on disk, so that no more is on its way than an origin's window. Knows subjects, JSON and time; not
what is done with the messages. Truth: nats-server 2.15.1 server/stream.go (setupMirrorConsumer,
processInboundMirrorMsg, trySetupSourceConsumer).

closed -> asking -> reading -> waiting -> asking; a failure leads from asking to waiting.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, Final, NamedTuple, Protocol

import msgspec

from leafnode import limits
from leafnode.jetstream import wire
from leafnode.jetstream.ack import Delivered, parse_delivered
from leafnode.jetstream.go_time import format_time
from leafnode.jetstream.origin_message import wanted
from leafnode.nuid import hash8, nuid
from leafnode.protocol import header

if TYPE_CHECKING:
    from leafnode.clock import Timer
    from leafnode.errors import StoreError
    from leafnode.jetstream.api_types import StreamSource
    from leafnode.jetstream.stream import Stream
    from leafnode.routing.subscription import Delivery, Subscription

IDENTITY: Final = b"Nats-Stream-Identity"
IDENTITY_MISMATCH: Final = 10225
_TOKEN_LENGTH: Final = 8
_IDLE: Final = b"NATS/1.0 100"
_ACK_WAIT_NS: Final = 22 * 3600 * 1_000_000_000  # of a consumer that is never acknowledged


class Arrived(NamedTuple):
    """One message of the origin."""

    subject: bytes
    header_size: int
    body: bytes
    place: Delivered


class Receiver(Protocol):
    """What is done with an origin's messages."""

    kind: str  # of the consumer: MIRROR or SRC
    seq: int  # of the origin: the newest that is dealt with

    def take(self, messages: list[Arrived]) -> bool:
        """Store a run of messages; False when not all could be, and they are to come again."""
        ...

    def recreated(self) -> None:
        """There is another stream of that name at the origin now."""
        ...


class OriginReader:
    """The way from one origin to its receiver."""

    def __init__(self, stream: Stream, origin: StreamSource, receiver: Receiver) -> None:
        self._stream = stream
        self._context = stream.context
        self._origin = origin
        self._receiver = receiver
        external = origin.external
        self._api = external.api if external is not None and external.api else "$JS.API"
        letter = receiver.kind[0]
        deliver = external.deliver if external is not None and external.deliver else "$JS"
        self._deliver = f"{deliver}.{letter}."
        created = f"{stream.context.account.name}.{stream.name}.{stream.created_ns}.{origin}"
        self._prefix = f"JS_{receiver.kind}_{hash8(created)}"
        self.identity = b""  # of the origin, as it says itself
        self.lag = 0
        self.error: dict[str, Any] | None = None
        self._name = ""  # of the present consumer; empty: there is none
        self._subs: list[Subscription] = []
        self._timer: Timer | None = None
        self._early: list[Delivery] | None = None  # what comes before the answer; None: answered
        self._early_bytes = 0
        self._consumer_seq = 0
        self._heard_ns: int | None = None  # monotonic
        self._asked_ns: int | None = None
        self._fails = 0

    # --- life

    def open(self) -> None:
        """Begin; what the origin says comes later."""
        self._ask()

    def close(self) -> None:
        """Read no more; the origin is told."""
        self._drop()

    def restart(self) -> None:
        """Read on from where the receiver is."""
        self._drop()
        self._wait()

    def active_ns(self) -> int:
        """Return how long ago the origin was heard, -1 for never."""
        if self._heard_ns is None:
            return -1
        return self._context.clock.monotonic_ns() - self._heard_ns

    def _drop(self) -> None:
        self._cancel()
        for sub in self._subs:
            self._context.account.unsubscribe(sub)
        self._subs = []
        if self._name:
            subject = f"{self._api}.CONSUMER.DELETE.{self._origin.name}.{self._name}"
            self._name = ""
            self._context.account.publish(subject.encode())

    def _wait(self) -> None:
        """Ask again, not too soon after the last time, and later the more often it failed."""
        now_ns = self._context.clock.monotonic_ns()
        delay_ns = min(limits.ORIGIN_BACKOFF_NS * self._fails, limits.ORIGIN_BACKOFF_MAX_NS)
        if self._asked_ns is not None:
            delay_ns += max(0, self._asked_ns + limits.ORIGIN_RETRY_NS - now_ns)
        jitter_ns = limits.ORIGIN_JITTER_NS
        self._set(delay_ns + self._context.random.randint(jitter_ns, 2 * jitter_ns), self._ask)

    def _set(self, delay_ns: int, then: Any) -> None:
        self._cancel()
        self._timer = self._context.clock.call_later(delay_ns, then)

    def _cancel(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    # --- asking

    def _ask(self) -> None:
        context = self._context
        token = nuid(context.random, _TOKEN_LENGTH)
        self._name = name = f"{self._prefix}_{token}"
        self._asked_ns = context.clock.monotonic_ns()
        self._early = []
        self._early_bytes = 0
        self._consumer_seq = 0
        deliver = (self._deliver + token).encode()
        inbox = f"_INBOX.{nuid(context.random)}".encode()
        self._subs = [
            context.account.subscribe(deliver, partial(self._delivered, name)),
            context.account.subscribe(inbox, partial(self._answered, name)),
        ]
        self._set(limits.ORIGIN_WAIT_NS, self._failed)
        config = self._start() | {
            "name": name,
            "deliver_subject": deliver.decode(),
            "ack_policy": "none",
            "ack_wait": _ACK_WAIT_NS,
            "max_deliver": 1,
            "idle_heartbeat": limits.ORIGIN_HEARTBEAT_NS,
            "flow_control": True,
            "direct": True,
            "inactive_threshold": limits.ORIGIN_SILENCE_NS,
            "metadata": self._metadata(),
        }
        subject = f"{self._api}.CONSUMER.CREATE.{self._origin.name}"
        if "filter_subject" in config:
            subject += f".{name}.{config['filter_subject']}"
        block = header.build([(IDENTITY, self.identity)]) if self.identity else b""
        body = wire.encode({"stream_name": self._origin.name, "config": config})
        received = context.account.publish(
            subject.encode(), block + body, header_size=len(block), reply=inbox
        )
        if not received and self._name == name and self._early is not None:
            self._set(0, self._failed)  # nobody is there

    def _start(self) -> dict[str, Any]:
        """Go on behind what is dealt with; the options count only once."""
        begin: dict[str, Any] = {"deliver_policy": "all"}
        seq, origin = self._receiver.seq, self._origin
        if seq or origin.opt_start_seq:
            from_seq = seq + 1 if seq else origin.opt_start_seq
            begin = {"deliver_policy": "by_start_sequence", "opt_start_seq": from_seq}
        elif origin.opt_start_time is not None:
            time = format_time(origin.opt_start_time)
            begin = {"deliver_policy": "by_start_time", "opt_start_time": time}
        return begin | wanted(origin)

    def _metadata(self) -> dict[str, str]:
        """Say to the origin's people whose consumer it is."""
        context, prefix = self._context, f"_nats.{self._receiver.kind.lower()}"
        metadata = {f"{prefix}.stream": self._stream.name, f"{prefix}.acc": context.account.name}
        if context.facts.domain:
            metadata[f"{prefix}.domain"] = context.facts.domain
        return metadata

    def _failed(self) -> None:
        self._fails += 1
        self._name = ""  # there is no consumer to be deleted
        self.restart()

    def _answered(self, name: str, delivery: Delivery) -> None:
        [(_, header_size, body), *_] = delivery.messages
        if name != self._name or self._early is None:
            return
        try:
            answer = msgspec.json.decode(body[header_size:])
        except (msgspec.DecodeError, RecursionError):
            answer = None
        if not isinstance(answer, dict):  # no responders, or something else that is no answer
            self._failed()
            return
        error = answer.get("error")
        if isinstance(error, dict):
            self._refused(error)
            return
        self.error = None
        self._fails = 0
        self.identity = header.get(body[:header_size], IDENTITY) or b""
        early, self._early = self._early, None
        self._hear()
        self._set(limits.ORIGIN_SILENCE_NS, self._check)
        for run in early:
            self._delivered(name, run)

    def _refused(self, error: dict[str, Any]) -> None:
        if error.get("err_code") == IDENTITY_MISMATCH:
            self.identity = b""
            self._receiver.recreated()
            self._name = ""
            self.restart()
            return
        self.error = {
            "code": error.get("code", 0),
            "err_code": error.get("err_code", 0),
            "description": error.get("description", ""),
        }
        self._failed()

    # --- reading

    def _hear(self) -> None:
        self._heard_ns = self._context.clock.monotonic_ns()

    def _check(self) -> None:
        """Make sure that heartbeats come."""
        left_ns = limits.ORIGIN_SILENCE_NS - self.active_ns()
        if left_ns > 0:
            self._set(left_ns, self._check)
        else:
            self.restart()

    def _delivered(self, name: str, delivery: Delivery) -> None:
        if name != self._name:
            return
        if self._early is not None:
            self._early.append(delivery)
            self._early_bytes += sum(len(body) for _, _, body in delivery.messages)
            if self._early_bytes > limits.FLOW_WINDOW_BYTES_MAX:  # none sends so much unasked
                self._failed()
            return
        self._hear()
        run: list[Arrived] = []
        for reply, header_size, body in delivery.messages:
            if body.startswith(_IDLE) and header_size:
                if not (self._take(run) and self._control(reply, body[:header_size])):
                    return
                run = []
                continue
            place = parse_delivered(reply)
            if place is None or place.deliveries > 1:
                continue
            if place.consumer_seq != self._consumer_seq + 1:  # something was lost on the way
                if self._take(run):
                    self.restart()
                return
            self._consumer_seq = place.consumer_seq
            run.append(Arrived(delivery.subject, header_size, body, place))
        self._take(run)

    def _take(self, run: list[Arrived]) -> bool:
        """Hand over what came; False when reading stops here."""
        fresh = [one for one in run if one.place.stream_seq > self._receiver.seq]
        if not fresh:
            return True
        self.lag = fresh[-1].place.pending
        if self._receiver.take(fresh):
            return True
        self.restart()
        return False

    def _control(self, reply: bytes, block: bytes) -> bool:
        """Answer flow control; False when a heartbeat tells that something was lost."""
        if reply:
            self._answer_flow(reply)
            return True
        last = header.get(block, b"Nats-Last-Consumer")
        if last is not None and last.isdigit() and 0 < int(last) != self._consumer_seq:
            self.restart()
            return False
        stalled = header.get(block, b"Nats-Consumer-Stalled")
        if stalled:
            self._answer_flow(stalled)
        return True

    def _answer_flow(self, reply: bytes) -> None:
        place = [
            (b"Nats-Last-Consumer", b"%d" % self._consumer_seq),
            (b"Nats-Last-Stream", b"%d" % self._receiver.seq),
        ]
        self._stream.root.after_commit(partial(self._flowed, self._name, reply, place))

    def _flowed(
        self, name: str, reply: bytes, place: list[tuple[bytes, bytes]], error: StoreError | None
    ) -> None:
        if error is None and name == self._name:
            self._context.send_status(reply, header.build(place))
