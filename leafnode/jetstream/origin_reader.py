"""Reads another stream in order, as a client of its API: by messages alone, wherever it is.

One consumer at a time: what comes out of turn, or nothing for too long, leads to a new one from
where its `Receiver` is. Flow control is answered when what came before is on disk, so that no more
is on its way than an origin's window; to an origin whose messages go with their acknowledgement the
answer is one. Knows subjects, JSON and time; not what is done with the messages. Truth: nats-server
2.15.1 server/stream.go (setupMirrorConsumer, processInboundMirrorMsg, trySetupSourceConsumer).

closed -> asking -> reading -> waiting -> asking; a failure leads from asking to waiting.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, Final, NamedTuple, Protocol

import msgspec

from leafnode import limits
from leafnode.jetstream.ack import Delivered, parse_delivered
from leafnode.jetstream.ack_handler import LAST_CONSUMER, LAST_STREAM
from leafnode.jetstream.errors import TABLE
from leafnode.jetstream.origin_flow import FlowAnswers
from leafnode.jetstream.origin_pace import OriginPace
from leafnode.jetstream.origin_request import IDENTITY, OriginRequest
from leafnode.nuid import nuid
from leafnode.protocol import header
from leafnode.routing.gateway_replies import unrouted

if TYPE_CHECKING:
    from leafnode.clock import Timer
    from leafnode.errors import StoreError
    from leafnode.jetstream.api_types import StreamSource
    from leafnode.jetstream.stream import Stream
    from leafnode.routing.subscription import Delivery, Subscription

_IDENTITY_MISMATCH: Final = 10225
_TOO_MANY_PENDING: Final = 10121
_PENDING_NEEDS_ACKS: Final = 10082
_NOT_UNDERSTOOD: Final = {10185, 10025}
_NO_FLOW_ACKS: Final = {"MIRROR": 10214, "SRC": 10217}
_TOKEN_LENGTH: Final = 8
_DIGITS_MAX: Final = 20  # of a sequence
_DOUBLINGS_MAX: Final = 16
_IDLE: Final = b"NATS/1.0 100"
_FLOW_CONTROL: Final = b"$JS.FC."  # nats-server server/jetstream_api.go jsFlowControlPre


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

    def begins_behind(self, seq: int) -> bool:
        """Nothing comes that is not behind this one; False when that cannot be stored, and the
        origin is to be asked again.
        """
        ...


class OriginReader:
    """The way from one origin to its receiver."""

    def __init__(self, stream: Stream, origin: StreamSource, receiver: Receiver) -> None:
        self._stream = stream
        self._context = stream.context
        self._receiver = receiver
        self._newest = self._request = OriginRequest.newest(stream, origin, receiver.kind)
        self._elsewhere = origin.external is not None  # maybe over a link
        self.identity = b""  # of the origin, as it says itself
        self.lag = 0
        self.error: dict[str, Any] | None = None
        self._token = ""  # of the present attempt; empty: there is none
        self._name = ""  # of the present consumer, as its origin says; empty: there is none
        self._held = False  # it outlives the reading, and so does what was not acknowledged
        self._subs: list[Subscription] = []
        self._timer: Timer | None = None
        self._look_timer: Timer | None = None
        self._asked_on = b""  # the subject of the last request
        self._asked_over: frozenset[int] = frozenset()  # the links it could go over
        self._heard_over = 0  # cid of what last brought something of it
        self._early: list[Delivery] | None = None  # what comes before the answer; None: answered
        self._early_bytes = 0
        self._consumer_seq = 0
        is_paced = self._elsewhere and not self._request.named
        self._pace = OriginPace(is_free=not is_paced)
        self._flow = FlowAnswers()
        self._window_seq = 0  # of the consumer: behind it the window of now began
        self._heard_ns: int | None = None  # monotonic
        self._asked_ns: int | None = None
        self._fails = 0
        self._refusals = 0  # of the receiver, in a row, with nothing stored between

    # --- life

    def open(self) -> None:
        """Begin; what the origin says comes later."""
        self._ask()
        if self._elsewhere:
            self._look_later()

    def close(self, *, for_good: bool) -> None:
        """Read no more; the origin is told. `for_good`: nobody will read on from here."""
        unknown = self._held or not self._name
        if self._look_timer is not None:
            self._look_timer.cancel()
            self._look_timer = None
        self._drop()
        if for_good and unknown and not self._request.named:
            self._context.account.publish(self._request.deletion(self._request.name))
        self._context.clock.call_later(limits.TAKEN_APART_NS, self._take_apart)

    def _take_apart(self) -> None:
        """It was closed long ago: let go of what holds it."""
        del self._receiver

    def restart(self) -> None:
        """Read on from where the receiver is."""
        self._drop()
        self._request = self._newest  # it may know more now
        if self._request.named and self._fails:
            deliver = self._request.deliver_subject("").encode()
            self._subs = [self._context.account.subscribe(deliver, self._woken)]
        self._wait()

    def _look_later(self) -> None:
        self._look_timer = self._context.clock.call_later(limits.ORIGIN_LOOK_NS, self._look)

    def _look(self) -> None:
        """Ask at once when a link came up: what went over the one before may be lost.

        The silence and the patience that would notice take longer, and after failures so much
        longer that an origin which is back for minutes was not yet asked.
        """
        self._look_later()
        self._context.account.find_links(self._asked_on, partial(self._looked, self._asked_on))

    def _looked(self, subject: bytes, links: frozenset[int]) -> None:
        is_over = self._look_timer is None or subject != self._asked_on
        if links and links != self._asked_over and not is_over:
            self._asked_over = links
            self._fails = 0
            self._pace.begin()
            self._flow = FlowAnswers()
            self.restart()

    def _woken(self, delivery: Delivery) -> None:
        """The consumer that did not answer is there."""
        del delivery
        if self._fails:
            self._fails = 0
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
        name, held = self._name, self._held
        self._token, self._name, self._held = "", "", False
        if name and not held:
            self._context.account.publish(self._request.deletion(name))

    def _wait(self) -> None:
        """Ask again, not too soon after the last time, and later the more often it failed."""
        now_ns = self._context.clock.monotonic_ns()
        delay_ns = min(limits.ORIGIN_BACKOFF_NS * self._fails, limits.ORIGIN_BACKOFF_MAX_NS)
        if self._refusals > 1:  # a whole window would come again each time
            doubled_ns = limits.ORIGIN_BACKOFF_NS << min(self._refusals - 2, _DOUBLINGS_MAX)
            delay_ns = max(delay_ns, min(doubled_ns, limits.ORIGIN_REFUSED_MAX_NS))
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
        context, request = self._context, self._request
        self._drop()
        self._token = token = nuid(context.random, _TOKEN_LENGTH)
        self._asked_ns = context.clock.monotonic_ns()
        self._early = []
        self._early_bytes = 0
        self._consumer_seq = 0
        deliver = request.deliver_subject(token).encode()
        inbox = f"_INBOX.{nuid(context.random)}".encode()
        self._subs = [
            context.account.subscribe(deliver, partial(self._delivered, token)),
            context.account.subscribe(inbox, partial(self._answered, token)),
        ]
        patience_ns = limits.ORIGIN_RESET_WAIT_NS if request.named else limits.ORIGIN_WAIT_NS
        self._set(patience_ns, partial(self._unanswered, self._asked_ns + patience_ns // 2))
        subject, block, body = request.message(
            self._receiver.seq, token, self.identity, at_once=self._pace.most
        )
        self._window_seq = 0
        self._pace.asked(self._asked_ns)
        self._asked_on = subject
        context.account.find_links(subject, partial(self._goes_over, token))
        received = context.account.publish(
            subject, block + body, header_size=len(block), reply=inbox
        )
        if not received and self._token == token and self._early is not None:
            self._set(0, self._failed)  # nobody is there

    def _goes_over(self, token: str, links: frozenset[int]) -> None:
        if token == self._token:
            self._asked_over = links

    def _unanswered(self, since_ns: int) -> None:
        """No answer came: one may stand behind other bytes on a thin link."""
        if self._may_come(since_ns):
            self._set(limits.ORIGIN_LOOK_NS, partial(self._unanswered, since_ns))
        else:
            self._failed()

    def _may_come(self, since_ns: int) -> bool:
        """Say whether what was sent here before then may still be on its way over a leaf link.

        To ask anew would bring all of it once more, behind itself. A link that brings nothing ends.
        What comes, comes over the link that brought the last of it, while that is there.
        """
        leafs = self._context.account.leafs
        over = {self._heard_over} if self._heard_over in leafs else self._asked_over
        return not all(leafs[cid].caught_up(since_ns) for cid in over if cid in leafs)

    def _failed(self) -> None:
        self._fails += 1
        self.restart()

    def _answered(self, token: str, delivery: Delivery) -> None:
        [(_, header_size, body), *_] = delivery.messages
        if token != self._token or self._early is None:
            return
        self._heard_over = delivery.origin.cid
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
        config = answer.get("config")
        config = config if isinstance(config, dict) else {}
        acks = config.get("ack_policy") == "flow_control"
        self._held = acks and not config.get("direct")
        if self._request.named and not acks:
            self._show(
                *TABLE[_NO_FLOW_ACKS[self._receiver.kind]], _NO_FLOW_ACKS[self._receiver.kind]
            )
            self._failed()
            return
        if self._held and self._pace.most:
            self._pace.free()  # each request changes it, and what is on its way comes again
            self._set(0, self._ask)
            return
        name = answer.get("name")
        self._name = name if isinstance(name, str) else ""
        self.error = self._flow.error
        self._fails = 0
        identity = header.get(body[:header_size], IDENTITY) or b""
        if identity and self.identity not in {b"", identity}:
            self._receiver.recreated()
        self.identity = identity
        if not self._receiver.begins_behind(_begin_of(answer)):
            self._failed()
            return
        early, self._early = self._early, None
        assert self._asked_ns is not None, "it was asked"
        self._hear()
        self._flow.begin(self._context.clock.monotonic_ns() - self._asked_ns)
        self._set(limits.ORIGIN_SILENCE_NS, self._check)
        for run in early:
            self._delivered(token, run)

    def _refused(self, error: dict[str, Any]) -> None:
        code = error.get("err_code")
        if code == _IDENTITY_MISMATCH:
            self.identity = b""
            self._receiver.recreated()
            self.restart()
            return
        is_other = (code == _TOO_MANY_PENDING and self._pace.is_too_large()) or (
            code == _PENDING_NEEDS_ACKS and self._pace.is_needed()
        )
        older = self._request.older
        if is_other:  # its server bounds what is unacknowledged
            self._set(0, self._ask)
            return
        if code in _NOT_UNDERSTOOD and older is not None:
            self._request = older
            self._set(0, self._ask)
            return
        self._show(error.get("code", 0), error.get("description", ""), code or 0)
        self._failed()

    def _show(self, code: int, text: str, err_code: int) -> None:
        self.error = {"code": code, "err_code": err_code, "description": text}

    # --- reading

    def _hear(self) -> None:
        self._heard_ns = self._context.clock.monotonic_ns()

    def _check(self) -> None:
        """Make sure that heartbeats come: some stand before a PONG of half a silence later."""
        assert self._heard_ns is not None, "it was answered"
        left_ns = limits.ORIGIN_SILENCE_NS - self.active_ns()
        if left_ns <= 0 and self._may_come(self._heard_ns + limits.ORIGIN_SILENCE_NS // 2):
            left_ns = limits.ORIGIN_LOOK_NS
        if left_ns > 0:
            self._set(left_ns, self._check)
        else:
            self.restart()

    def _delivered(self, token: str, delivery: Delivery) -> None:
        if token != self._token:
            return
        self._heard_over = delivery.origin.cid
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
            if place is None or place.deliveries > 1 or self._is_former(place):
                continue
            if place.consumer_seq == 1 and self._request.named:  # set back, amid what it sent
                if not self._take(run):
                    return
                run, self._consumer_seq = [], 0
            if place.consumer_seq != self._consumer_seq + 1:  # something was lost on the way
                if self._take(run):
                    self.restart()
                return
            self._consumer_seq = place.consumer_seq
            if self._consumer_seq == self._window_seq + 1:
                self._pace.began(place.pending, self._context.clock.monotonic_ns())
            run.append(Arrived(delivery.subject, header_size, body, place))
        self._take(run)

    def _is_former(self, place: Delivered) -> bool:
        """Say whether it was sent before a consumer with a subject of its own was set back."""
        return self._request.named and not self._consumer_seq and place.consumer_seq > 1

    def _take(self, run: list[Arrived]) -> bool:
        """Hand over what came; False when reading stops here."""
        fresh = [one for one in run if one.place.stream_seq > self._receiver.seq]
        if not fresh:
            return True
        self.lag, before = fresh[-1].place.pending, self._receiver.seq
        if self._receiver.take(fresh):
            self._refusals = 0
            return True
        self._refusals = self._refusals + 1 if self._receiver.seq == before else 1
        self.restart()
        return False

    def _control(self, reply: bytes, block: bytes) -> bool:
        """Answer flow control; False when a heartbeat tells that something was lost."""
        if reply:
            return self._next_window(reply)
        last = header.get(block, LAST_CONSUMER)
        known = last is not None and last.isdigit() and len(last) <= _DIGITS_MAX
        if last is not None and known and 0 < int(last) != self._consumer_seq:
            self.restart()
            return False
        stalled = header.get(block, b"Nats-Consumer-Stalled") or b""
        if not self._goes_on(stalled):
            return False
        self._answer_flow(stalled)
        return True

    def _goes_on(self, question: bytes) -> bool:
        """Show whether answers are heard. False when a new consumer is asked for: where none hears
        any it sends a window of its own. What is held would come again: it is answered on.
        """
        if not self._flow.is_news(unrouted(question), self._may_come):
            return True
        self.error = self._flow.error
        if self._held:
            return True
        if self.error is None:
            self._pace.begin()
        else:
            self._pace.give_up()
        self.restart()
        return False

    def _next_window(self, reply: bytes) -> bool:
        """Answer the question at the end of a window; False when another one is asked for."""
        if not self._goes_on(reply):
            return False
        count, now_ns = self._consumer_seq - self._window_seq, self._context.clock.monotonic_ns()
        if self._request.level and self._pace.ended(count, now_ns):
            self._ask()  # nothing is on its way
            return False
        self._window_seq = self._consumer_seq
        self._answer_flow(reply)
        return True

    def _answer_flow(self, reply: bytes) -> None:
        """Say how far this is, where a consumer asks for it, by the way that a gateway named;
        anybody may send what looks so.
        """
        if not unrouted(reply).startswith(_FLOW_CONTROL):
            return
        place = [
            (LAST_CONSUMER, b"%d" % self._consumer_seq),
            (LAST_STREAM, b"%d" % self._receiver.seq),
        ]
        self._stream.root.after_commit(partial(self._flowed, self._token, reply, place))

    def _flowed(
        self, token: str, reply: bytes, place: list[tuple[bytes, bytes]], error: StoreError | None
    ) -> None:
        """Send the answer, in a turn of its own: an origin in this server would send on at once,
        before the rest of the run that the question stood in.
        """
        if error is None:
            answer = partial(self._send, token, reply, header.build(place))
            self._context.clock.call_later(0, answer)

    def _send(self, token: str, reply: bytes, answer: bytes) -> None:
        if token == self._token:
            now_ns = self._context.clock.monotonic_ns()
            self._pace.asked(now_ns)
            self._flow.answered(unrouted(reply), now_ns)
            self._context.send_status(reply, answer)


def _begin_of(info: dict[str, Any]) -> int:
    """Return where a consumer stands that has sent nothing yet; 0 where its server does not say.

    What was sent before the answer says itself where it begins.
    """
    delivered = info.get("delivered")
    if not isinstance(delivered, dict) or delivered.get("consumer_seq") != 0:
        return 0
    seq = delivered.get("stream_seq")
    return seq if type(seq) is int else 0
