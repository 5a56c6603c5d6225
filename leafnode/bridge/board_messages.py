"""What the board of a port has to do with the account: its subscriptions, and requests both ways.

Knows templates, permissions and subjects; not frames: `channel` carries them. What a board may
subscribe to and ask is decided in `allows`, by routing's own rules, and nowhere else. Truth:
docs/device-link.md, "Messages"; docs/serial.md, "Messages to and from a board".
"""

from __future__ import annotations

import logging
from dataclasses import asdict, dataclass
from functools import partial
from typing import TYPE_CHECKING, Final, Protocol, assert_never

from leafnode import limits
from leafnode.bridge import port_bounds, service_error
from leafnode.bridge.answer_bound import TOO_LARGE, AnswerBound
from leafnode.clock import NS_PER_MS
from leafnode.link import events, verbs
from leafnode.protocol import header, subject
from leafnode.routing.answers import Replies
from leafnode.routing.peer import Kind, Peer
from leafnode.routing.permissions import Permissions, Rules, may_publish, may_subscribe
from leafnode.routing.subject_set import SubjectSet
from leafnode.routing.subscription import Subscription

if TYPE_CHECKING:
    from collections.abc import Callable

    from leafnode.bridge.reading import BoardEvent, Life, Presence, Receipt
    from leafnode.clock import Clock, Timer
    from leafnode.config.serial_options import SerialPort
    from leafnode.routing.account import Account
    from leafnode.routing.subscription import Delivery

log = logging.getLogger(__name__)

# How the requester hears that a board did not answer.
_ERRORS: Final = {
    verbs.STATUS_NO_RESPONDERS: (503, b"the board serves this no longer"),
    verbs.STATUS_BUSY: (429, b"the board has too many requests"),
    verbs.STATUS_TOO_LARGE: (413, b"the answer does not fit the board's frame"),
    verbs.STATUS_FAILED: (500, b"the board failed"),
    verbs.STATUS_LINK_LOST: (503, b"the board is gone"),
}
_ANSWER_TOO_LARGE: Final = (413, TOO_LARGE.encode())
_NOT_TAKEN: Final = (429, b"the board takes no request like this now")
_NO_RESPONDERS: Final = header.VERSION + b" 503"


class BoardChannel(Protocol):
    """The way to a board. link.gateway_channel has what each call promises."""

    allows: Callable[[str, int, str], bool] | None

    @property
    def dropped(self) -> int: ...

    def message(self, sub: int, subject: str, payload: bytes) -> bool: ...

    def request(self, sub: int, subject: str, payload: bytes) -> int: ...

    def give_up(self, request: int) -> None: ...

    def reply(self, request: int, status: int, payload: bytes = b"") -> bool: ...


class Talking(Protocol):
    """A framing whose board says who it is, and may subscribe, ask and answer.

    `admits` says whether a board may have that name; None: any.
    """

    admits: Callable[[str], bool] | None

    @property
    def channel(self) -> BoardChannel: ...

    def closed(self) -> None:
        """The port is closed: what the board subscribed to has ended."""
        ...

    def board(self, now_ms: int, /) -> Presence | None:
        """Return the board that said hello last; None: none did."""
        ...

    def is_nameless(self, now_ms: int, /) -> bool:
        """Say whether a board is there that says no name, and speaks under the port's."""
        ...

    def committed(self, receipt: Receipt) -> None:
        """The readings up to this one are on disk."""
        ...

    def untaken(self, receipt: Receipt) -> None:
        """This reading, the last event, was lost on its way: it and those behind it come again."""
        ...

    def taken(self, receipt: Receipt) -> None:
        """The readings up to this one wait already, since before the board said hello."""
        ...

    def said_elsewhere(self, life: Life) -> None:
        """A board says again on another port what of this life is not stored: what came of it and
        was not taken yet goes.
        """
        ...

    def forget(self, name: str) -> None:
        """Another board has this name now: who had it here must say hello again."""
        ...


@dataclass(slots=True)
class MessageCounts:
    """Since start. One writer: the loop's thread."""

    messages: int = 0  # given to the channel
    messages_refused: int = 0  # too large for the board's frame
    requests: int = 0  # handed to the board
    requests_refused: int = 0  # it had too many, or they were too large
    answers: int = 0
    unanswered: int = 0  # requests whose time passed, or whose board went
    asked: int = 0  # by the board
    asked_in_vain: int = 0  # without a responder, or without a reply in time
    not_allowed: int = 0  # subscriptions and requests of the board


@dataclass(frozen=True, slots=True)
class _Requester:
    reply: bytes
    timer: Timer


class BoardMessages:
    """Of one port, for as long as the gateway runs; one board at a time.

    `send` is called when the channel has something new for the board. `permissions` returns what
    holds for users of the account that have none of their own, None: everything.
    """

    def __init__(  # noqa: PLR0913 -- keyword-only but for what it is of
        self,
        port: SerialPort,
        framing: Talking,
        account: Account,
        clock: Clock,
        *,
        inbox: bytes,
        send: Callable[[], None],
        permissions: Callable[[], Permissions | None] = lambda: None,
        max_payload: Callable[[], int] = lambda: limits.MAX_PAYLOAD_BYTES,
    ) -> None:
        self._counts = MessageCounts()
        self._bound = AnswerBound(port.name, clock, max_payload)
        self._judged = Replies(log, "requests to boards", account)
        self._options = port.messages
        self._port = port.name
        self._framing = framing
        self._channel = framing.channel
        self._account = account
        self._clock = clock
        self._inbox = inbox
        self._send = send
        self._permissions = permissions
        self._peer: Peer | None = None  # of the board that is there
        self._subs: dict[int, list[Subscription]] = {}  # bounded by verbs.SUBS_MAX
        self._requesters: dict[int, _Requester] = {}  # bounded by verbs.REQUESTS_MAX, as
        self._asked: dict[bytes, tuple[int, Timer]] = {}  # these are, by token of the inbox
        self._count = 0
        self._replies: Subscription | None = None
        self._channel.allows = self.allows

    def counts(self) -> dict[str, int]:
        """Return the counters, and how many subscriptions there are now."""
        return asdict(self._counts) | {
            "replies_refused": self._judged.refused,  # no inbox: a message then, not a request
            "too_large": self._bound.refused,  # answers and requests, larger than max_payload
            "subscriptions": sum(map(len, self._subs.values())),
            "messages_dropped": self._channel.dropped,
        }

    def allows(self, device: str, kind: int, name: str) -> bool:
        """Say whether this board may subscribe to (verbs.SUB), or ask (verbs.REQ), `name`."""
        peer = self._peer_of(device)
        if kind == verbs.SUB:
            allowed = bool(self._patterns(peer, name))
        else:
            wanted = self._requested(device, name)
            allowed = bool(wanted) and self._may(peer, may_publish, wanted)
        self._counts.not_allowed += not allowed
        return allowed

    def take(self, event: BoardEvent) -> None:
        """Do what the board wants."""
        match event:
            case events.Subscribe():
                self._subscribe(event)
            case events.Unsubscribe():
                self._end(event.sub)
            case events.Request():
                self._ask(event)
            case events.Answer():
                self._answer(event)
            case events.Gone():
                self.end()
            case _:
                assert_never(event)

    def closed(self) -> None:
        """The port is closed."""
        self._framing.closed()
        self.end()

    def end(self) -> None:
        """The board is gone: nothing is delivered to it or expected from it."""
        self._peer = None  # the next one may have other permissions
        for number in list(self._subs):
            self._end(number)
        requesters, self._requesters = self._requesters, {}
        for requester in requesters.values():
            requester.timer.cancel()
            self._counts.unanswered += 1
            self._refuse(requester.reply, *_ERRORS[verbs.STATUS_LINK_LOST])
        for _, timer in self._asked.values():
            timer.cancel()
        self._asked.clear()
        if self._replies is not None:
            self._account.unsubscribe(self._replies)
            self._replies = None

    # What the board wants

    def _peer_of(self, device: str) -> Peer:
        """Return the board as routing judges it."""
        if self._peer is None or self._peer.name != device:
            peer = Peer(0, Kind.SYSTEM, self._account.system.outbox)
            peer.account = self._account
            peer.name = device
            subscribe = [prefix + b">" for prefix in self._prefixes(device)]
            publish = self._requested(device, ">")
            account = self._permissions()
            # What the account denies within a pattern is held back at each delivery.
            below = account.subscribe if account is not None else Rules()
            peer.permissions = Permissions(
                publish=Rules([publish] if publish else []),
                subscribe=Rules.over(below, allow=SubjectSet(subscribe)),
            )
            self._peer = peer
        return self._peer

    def _may(self, peer: Peer, judge: Callable[[Peer, bytes], bool], wanted: bytes) -> bool:
        """Judge by what the port's options allow, and by what the account allows."""
        account = Peer(0, Kind.SYSTEM, peer.outbox)
        account.permissions = self._permissions()
        return judge(peer, wanted) and judge(account, wanted)

    def _prefixes(self, device: str) -> list[bytes]:
        return [_filled(template, self._port, device) for template in self._options.subscribe]

    def _patterns(self, peer: Peer, name: str) -> list[tuple[bytes, bytes]]:
        """Return (prefix, pattern) of what the board may have for `name`."""
        found = [(prefix, prefix + name.encode()) for prefix in self._prefixes(peer.name)]
        return [one for one in found if self._may(peer, _may_subscribe, one[1])]

    def _requested(self, device: str, name: str) -> bytes:
        template = self._options.request
        return _filled(template, self._port, device) + name.encode() if template else b""

    def _subscribe(self, event: events.Subscribe) -> None:
        self._end(event.sub)
        peer = self._peer_of(event.device)
        subs = []
        for prefix, pattern in self._patterns(peer, event.subject):
            handler = partial(self._delivered, event.sub, prefix, answers=event.answers)
            sub = Subscription(peer, pattern, sid=b"%d" % event.sub, handler=handler)
            self._account.insert(sub)
            subs.append(sub)
        self._subs[event.sub] = subs

    def _end(self, number: int) -> None:
        for sub in self._subs.pop(number, ()):
            self._account.remove(sub)

    def _ask(self, event: events.Request) -> None:
        if self._replies is None:
            self._replies = self._account.subscribe(self._inbox + b".*", self._replied)
        self._count += 1
        self._counts.asked += 1
        token = b"%d" % self._count
        timer = self._clock.call_later(
            event.timeout_ms * NS_PER_MS, partial(self._timed_out, token)
        )
        self._asked[token] = (event.request, timer)
        wanted = self._requested(event.device, event.subject)
        reply = self._inbox + b"." + token
        if not self._bound.fits(len(event.payload)):
            self._reply(token, verbs.STATUS_TOO_LARGE)
        elif not self._account.publish(wanted, event.payload, reply=reply):
            self._reply(token, verbs.STATUS_NO_RESPONDERS)

    def _replied(self, delivery: Delivery) -> None:
        token = delivery.subject[len(self._inbox) + 1 :]
        for _, header_size, body in delivery.messages:
            if body.startswith(_NO_RESPONDERS) and header_size == len(body):
                self._reply(token, verbs.STATUS_NO_RESPONDERS)
            else:
                self._reply(token, verbs.STATUS_OK, body[header_size:])

    def _timed_out(self, token: bytes) -> None:
        self._reply(token, verbs.STATUS_TIMEOUT)

    def _reply(self, token: bytes, status: int, payload: bytes = b"") -> None:
        asked = self._asked.pop(token, None)
        if asked is None:
            return  # a second reply, or too late
        request, timer = asked
        timer.cancel()
        self._counts.asked_in_vain += status != verbs.STATUS_OK
        self._channel.reply(request, status, payload)
        self._send()

    # What the account has for the board

    def _delivered(self, number: int, prefix: bytes, delivery: Delivery, *, answers: bool) -> None:
        if not delivery.subject.startswith(prefix):
            return  # what a stream holds comes under the subject that it has there
        name = delivery.subject[len(prefix) :].decode("utf-8", "replace")
        delivery.origin.outbox.work_left -= port_bounds.REQUEST_WORK * len(delivery.messages)
        if not self._judged.takes(delivery):
            return
        for reply, header_size, body in delivery.messages:
            payload = body[header_size:]
            where = self._judged.checked(reply) if answers else b""
            if where:
                self._hand_over(number, name, payload, where)
            elif self._channel.message(number, name, payload):
                self._counts.messages += 1
            else:
                self._counts.messages_refused += 1
        self._send()

    def _hand_over(self, number: int, name: str, payload: bytes, reply: bytes) -> None:
        request = self._channel.request(number, name, payload)
        if not request:
            self._counts.requests_refused += 1
            self._refuse(reply, *_NOT_TAKEN)
            return
        self._counts.requests += 1
        timer = self._clock.call_later(
            self._options.timeout_ns, partial(self._not_answered, request)
        )
        self._requesters[request] = _Requester(reply, timer)

    def _not_answered(self, request: int) -> None:
        """The requester has given up long since: its own time is for it to choose."""
        if self._requesters.pop(request, None) is not None:
            self._counts.unanswered += 1
            self._channel.give_up(request)

    def _answer(self, event: events.Answer) -> None:
        requester = self._requesters.pop(event.request, None)
        if requester is None:
            return
        requester.timer.cancel()
        self._counts.answers += 1
        if event.status != verbs.STATUS_OK:
            failed = _ERRORS[verbs.STATUS_FAILED]
            self._refuse(requester.reply, *_ERRORS.get(event.status, failed), event.payload)
        elif self._bound.fits(len(event.payload)):
            self._account.answer(requester.reply, event.payload)
        else:
            self._refuse(requester.reply, *_ANSWER_TOO_LARGE)

    def _refuse(self, reply: bytes, code: int, text: bytes, payload: bytes = b"") -> None:
        if payload and not self._bound.fits(service_error.size(code, text, payload)):
            payload = b""
        service_error.refuse(self._account, reply, code, text, payload)


def _may_subscribe(peer: Peer, pattern: bytes) -> bool:
    return may_subscribe(peer, pattern, b"")


def _filled(template: str, port: str, device: str) -> bytes:
    """Return what stands before the board's own words. The configuration was checked."""
    prefix = template.removesuffix("{name}")
    filled = prefix.replace("{port}", port).replace("{device}", device).encode()
    assert subject.is_valid_literal(filled + b"x"), filled
    return filled
