"""Pull requests of one consumer: who waits for messages, how many, for how long.

Knows inboxes and statuses; not acknowledgements or the store. Each request ends with its batch, a
status, its expiry, or when nobody listens on its inbox any more. Bounded by the consumer's
max_waiting. Truth: status lines and their order measured on nats-server 2.15.1; ADR-37.
"""

from __future__ import annotations

import re
from collections import deque
from functools import partial
from typing import TYPE_CHECKING, Final

from leafnode import limits
from leafnode.errors import StoreError
from leafnode.go_time import format_duration
from leafnode.jetstream import wire
from leafnode.jetstream.api_types import NextRequest
from leafnode.jetstream.direct_batch import append_header
from leafnode.jetstream.errors import store_status
from leafnode.jetstream.level import level_is_met
from leafnode.jetstream.priority import Ranks, Turn
from leafnode.protocol import header
from leafnode.routing.answers import where_it_arrives

if TYPE_CHECKING:
    from leafnode.clock import Timer
    from leafnode.jetstream.consumer import Consumer
    from leafnode.jetstream.outlet import Outlet
    from leafnode.routing.account import Account
    from leafnode.store.api import StoredMsg

_NO_MESSAGES: Final = header.status(404, b"No Messages")
_REQUESTS_PENDING: Final = header.status(408, b"Requests Pending")
_HEARTBEAT_TOO_LARGE: Final = header.status(400, b"Bad Request - heartbeat value too large")
_MAX_WAITING: Final = header.status(409, b"Exceeded MaxWaiting")
_LEVEL: Final = header.status(412, b"Required Api Level")
_COUNT: Final = re.compile(rb"[+-]?[0-9]{1,18}")

_Out = tuple[bytes, bytes, int, bytes]  # subject, reply, header size, body


def idle_heartbeat(consumer_seq: int, stream_seq: int, *, stalled: bytes = b"") -> bytes:
    """Return the heartbeat of a consumer that has nothing to deliver, or may not (`stalled`)."""
    fields = [
        (b"Nats-Last-Consumer", b"%d" % consumer_seq),
        (b"Nats-Last-Stream", b"%d" % stream_seq),
    ]
    if stalled:
        fields.append((b"Nats-Consumer-Stalled", stalled))
    return header.status(100, b"Idle Heartbeat", fields)


class PullRequest:
    """One client's wish for messages, for one where it says 0 or less. Times are monotonic."""

    __slots__ = (
        "delivered",
        "expires_ns",
        "heartbeat_ns",
        "heartbeats_at_ns",
        "inbox",
        "interest",
        "left",
        "left_bytes",
        "no_wait",
        "served",
        "timer",
        "wish",
    )

    def __init__(
        self, inbox: bytes, interest: tuple[Account, bytes], wish: NextRequest, now_ns: int
    ) -> None:
        """`interest`: who asked listens there; elsewhere than `inbox` behind a service import."""
        self.inbox = inbox
        self.interest = interest
        self.wish = wish
        self.left = wish.batch
        self.left_bytes = wish.max_bytes  # 0: no limit
        self.no_wait = wish.no_wait
        self.expires_ns = now_ns + wish.expires if wish.expires else 0
        self.heartbeat_ns = 0  # none
        if wish.idle_heartbeat > 0:
            self.heartbeat_ns = max(wish.idle_heartbeat, limits.PULL_HEARTBEAT_MIN_NS)
        self.heartbeats_at_ns = now_ns + self.heartbeat_ns if self.heartbeat_ns else 0
        self.delivered = 0
        self.timer: Timer | None = None
        self.served = False  # in this turn

    def is_heard(self) -> bool:
        """Say whether somebody listens for what it brings."""
        account, subject = self.interest
        return account.has_interest(subject)

    def status(self, code: int, text: bytes) -> bytes:
        """Return a status line that says what was left of the request."""
        left = [
            (b"Nats-Pending-Messages", b"%d" % self.left),
            (b"Nats-Pending-Bytes", b"%d" % self.left_bytes),
        ]
        return header.status(code, text, left)


class PullQueue:
    """The requests that wait, served in turn, one message each."""

    def __init__(self, consumer: Consumer) -> None:
        self._consumer = consumer
        self._context = consumer.context
        self._waiting: deque[PullRequest] = deque()
        self._ranks = Ranks()
        # Runs of messages, and statuses, by inbox: one line for all requests, so that what one
        # subscriber asked for twice comes in order. Sent when the pump ends.
        self._out: deque[tuple[bytes, list[_Out] | bytes]] = deque()
        self._pumping = False
        self._spreading = consumer.spreading
        self._due = False  # a pump comes at the end of this turn
        # Changes of the sublists when all who wait were listened to.
        self._pruned_at: dict[Account, int] = {}
        self._turn: PullRequest | None = None  # who takes the next message
        self.passed_over = 0
        self._heard: set[bytes] = set()  # inboxes known to be listened to, during one pump
        self.last_active_ns = self._context.clock.monotonic_ns()

    # --- requests in

    def open(self) -> None:
        """Requests come by themselves."""

    def waiting(self) -> int:
        """Return how many requests wait, those without a listener dropped."""
        self.prune()
        return len(self._waiting)

    def is_used(self) -> bool:
        """Say whether a request waits."""
        return bool(self._waiting)

    def subjects(self) -> list[bytes]:
        """Return the inboxes of those who wait."""
        return [request.inbox for request in self._waiting]

    def request(self, inbox: bytes, block: bytes, payload: bytes) -> None:
        """Take one request, or answer why not."""
        self.last_active_ns = self._context.clock.monotonic_ns()
        if not inbox:
            return
        if not level_is_met(block):
            self._context.send_status(inbox, _LEVEL)
            return
        try:
            wish = parse(payload)
        except wire.BindError as error:
            text = b"Bad Request - " + _one_line(str(error))
            self._context.send_status(inbox, header.status(400, text))
            return
        try:
            status = self._refusal(wish, is_json=payload.lstrip()[:1] == b"{")
        except StoreError as error:
            self._consumer.trouble.note("Pull request refused", error)
            status = store_status(error)
        if status is not None:
            if status:
                self._context.send_status(inbox, status)
            return
        interest = where_it_arrives(self._context.account, inbox)
        request = PullRequest(inbox, interest, wish, self.last_active_ns)
        if wish.expires < 0:
            self._context.send_status(inbox, request.status(408, b"Request Timeout"))
            return
        self._enqueue(request)
        self._consumer.seeks = True
        self._pruned_at = {}
        if self._pumping or self._consumer.groups.policy == "prioritized":
            self._pump_soon()  # who asks within a pump was told the end of another request by it
        else:
            self._consumer.pump()
        if request.timer is None and request in self._waiting:
            self._arm(request)

    def _pump_soon(self) -> None:
        """Serve what came in one turn together: in the order of priorities, not of arrival."""
        if not self._due:
            self._due = True
            self._context.clock.call_later(0, partial(self._on_due, self._consumer))

    def _on_due(self, consumer: Consumer) -> None:
        self._due = False
        consumer.pump()

    def _refusal(self, wish: NextRequest, *, is_json: bool) -> bytes | None:
        """Return the status that ends a request at once, b"" to ignore it, None to take it."""
        config = self._consumer.config
        if 0 < config.max_batch < wish.batch:
            return header.status(409, b"Exceeded MaxRequestBatch of %d" % config.max_batch)
        if 0 < config.max_expires < wish.expires:
            longest = format_duration(config.max_expires).encode()
            return header.status(409, b"Exceeded MaxRequestExpires of " + longest)
        if 0 < config.max_bytes < wish.max_bytes:
            return header.status(409, b"Exceeded MaxRequestMaxBytes of %d" % config.max_bytes)
        if wish.idle_heartbeat > 0 and 2 * wish.idle_heartbeat > wish.expires:
            return _HEARTBEAT_TOO_LARGE
        refusal = self._consumer.groups.refusal(wish) if is_json else None
        if refusal is not None:
            return refusal
        if wish.no_wait and (available := self._consumer.available()):
            self.prune()
            if sum(request.left for request in self._waiting) > available:
                return _REQUESTS_PENDING
        elif wish.no_wait and not wish.expires:
            return _NO_MESSAGES
        if len(self._waiting) >= self._waiting_max() and self.waiting() >= self._waiting_max():
            return b"" if wish.idle_heartbeat else _MAX_WAITING
        return None

    def _enqueue(self, request: PullRequest) -> None:
        """Put a request behind those that go before it: all, or those of no higher number."""
        place = len(self._waiting)
        if self._consumer.groups.policy == "prioritized":
            place = self._ranks.place(self._waiting, request.wish.priority)
        else:
            self._ranks.are_kept = False
        self._waiting.insert(place, request)

    def _waiting_max(self) -> int:
        """What a consumer stored by an older version asks for may be more than is allowed now."""
        return min(self._consumer.config.max_waiting, limits.MAX_WAITING_MAX)

    def prune(self) -> None:
        """Drop the requests that nobody listens to any more."""
        known = self._pruned_at
        if known and all(account.sublist.changes == at for account, at in known.items()):
            return  # of a full queue, asked for by each request that finds no place
        heard = {
            (account, subject): account.has_interest(subject)
            for account, subject in {one.interest for one in self._waiting}
        }
        for request in [one for one in self._waiting if not heard[one.interest]]:
            self._drop(request)
        self._pruned_at = {account: account.sublist.changes for account, _ in heard}

    # --- messages out

    def begin(self) -> None:
        """A pump starts: interest is asked for once per inbox."""
        self._pumping = True
        self.passed_over = 0
        self._heard.clear()

    def ready(self) -> bool:
        """Say whether some request takes the next message."""
        return self._current() is not None

    def _current(self) -> PullRequest | None:
        """Return whose turn it is, dropping requests whose inbox lost its listener."""
        if self._consumer.groups.chooses:
            return self._search()
        while self._waiting:
            request = self._waiting[0]
            if self._is_heard(request):
                self._turn = request
                return request
            self._drop(request)
        return None

    def _search(self) -> PullRequest | None:
        """Return the first request that may have the next message."""
        for request, turn in self._consumer.groups.turns(tuple(self._waiting)):
            if turn is Turn.END:
                self._finish(request, request.status(423, b"Nats-Wrong-Pin-Id"))
            elif self._is_heard(request):
                self._turn = request
                return request
            else:
                self._drop(request)
        return None

    def _is_heard(self, request: PullRequest) -> bool:
        """Say whether somebody listens on its inbox; asked once per pump."""
        if request.inbox in self._heard:
            return True
        if not request.is_heard():
            return False
        self._heard.add(request.inbox)
        return True

    def room(self) -> int:
        """Return as many as go out in a turn, where the next request counts no bytes."""
        if self._consumer.groups.chooses:
            return 0
        request = self._current()
        return 0 if request is None or request.left_bytes > 0 else limits.DELIVER_TURN_MSGS

    def take_run(self, messages: list[tuple[bytes, bytes, int, bytes]]) -> int:
        """Deal messages out, one to each request in turn, as long as none counts bytes."""
        waiting, total = self._waiting, len(messages)
        self._ranks.are_kept = False  # without a policy they go round
        taken = 0
        while taken < total and waiting:
            rounds = self._rounds(total - taken)
            if rounds:
                end = taken + rounds * len(waiting)
                self._deal(tuple(waiting), messages[taken:end], rounds)
                taken = end
                continue
            for _ in range(len(waiting)):
                request = self._current()
                if taken == total or request is None or request.left_bytes > 0:
                    return taken
                self._deal((request,), messages[taken : taken + 1], 1)
                taken += 1
                if request.left > 0:
                    waiting.rotate(-1)
        return taken

    def _rounds(self, most: int) -> int:
        """Return how often so many messages go round before one of the requests has enough."""
        waiting = self._waiting
        if len(waiting) > most:
            return 0
        if any(one.left_bytes > 0 or not self._is_heard(one) for one in waiting):
            return 0
        return max(0, min(most // len(waiting), *[one.left for one in waiting]))

    def _deal(self, requests: tuple[PullRequest, ...], messages: list[_Out], rounds: int) -> None:
        """Let each request have a message in turn, so many times."""
        if len({one.inbox for one in requests}) == 1:
            self._append(requests[0], messages)
        else:
            for index, message in enumerate(messages):
                self._append(requests[index % len(requests)], [message])
        for one in requests:
            one.served = True
            one.left -= rounds
            one.delivered += rounds
            if one.left <= 0:
                self._finish(one, b"")

    def take(self, msg: StoredMsg, reply: bytes, size: int) -> bool:
        """Give the message to whose turn it is, or end that request when it does not fit."""
        request = self._turn
        assert request is not None, "asked for before"
        self.passed_over = 0
        if self._consumer.groups.chooses:  # who was passed over goes behind all others
            self.passed_over = self._waiting.index(request)
            self._waiting.rotate(-self.passed_over)
            self._ranks.are_kept &= not self.passed_over
        if 0 < request.left_bytes < size:
            self._finish(request, request.status(409, b"Message Size Exceeds MaxBytes"))
            return False
        header_size, body = self._consumer.shown_body(msg)
        pinned = self._consumer.groups.header_for(request)
        if pinned:
            block = append_header(body[:header_size], pinned)
            header_size, body = len(block), block + body[header_size:]
        self._append(request, [(msg.subject, reply, header_size, body)])
        request.left -= 1
        request.delivered += 1
        limited = request.left_bytes > 0
        if limited:
            request.left_bytes -= size
        if request.left <= 0 or (limited and request.left_bytes == 0):
            status = b""
            if limited and request.left_bytes > 0:
                status = request.status(409, b"Batch Completed")
            self._finish(request, status)
        elif len(self._waiting) > 1:
            self._waiting.remove(request)
            self._enqueue(request)
        return True

    def end(self, *, over: bool) -> None:
        """A pump ends: send what was gathered, and tell no_wait requests if this was all."""
        now_ns = self._context.clock.monotonic_ns()
        for request in tuple(self._waiting):
            if request.served:
                request.served = False
                if request.heartbeat_ns:
                    request.heartbeats_at_ns = now_ns + request.heartbeat_ns
            if over and request.no_wait and (request.delivered or not request.expires_ns):
                self._finish(request, _NO_MESSAGES)
        self._send()
        self._pumping = False

    def shut_down(self) -> None:
        """End every request with what was left of it."""
        for request in tuple(self._waiting):
            self._finish(request, request.status(409, b"Server Shutdown"))

    def close(self) -> None:
        """Serve nobody any more. The requests are kept: for a status, or for the next outlet."""
        for request in self._waiting:
            if request.timer is not None:
                request.timer.cancel()
                request.timer = None

    def tell(self, status: bytes) -> None:
        """End every request with the same status."""
        for request in tuple(self._waiting):
            self._finish(request, status)

    def wait_on(self, before: Outlet) -> None:
        """Take over the requests of one that was closed."""
        if isinstance(before, PullQueue):
            for request in before._waiting:
                self._enqueue(request)
                self._arm(request)
            before._waiting.clear()

    # --- inside

    def _append(self, request: PullRequest, messages: list[_Out]) -> None:
        request.served = True
        if self._out:
            inbox, run = self._out[-1]
            if inbox == request.inbox and not isinstance(run, bytes):
                run += messages
                return
        self._out.append((request.inbox, messages))

    def _send(self) -> None:
        """Hand over what was gathered; who is called by it may end requests meanwhile."""
        if self._out:
            self._spreading.send(self._send_all)

    def _send_all(self) -> None:
        while self._out:
            inbox, what = self._out.popleft()
            if isinstance(what, bytes):
                self._context.send_status(inbox, what)
            else:
                account = self._context.account
                account.deliver(inbox, what, origin=account.answering)

    def _finish(self, request: PullRequest, status: bytes) -> None:
        self._drop(request)
        if status:
            self._out.append((request.inbox, status))
        if not self._pumping:
            self._send()

    def _drop(self, request: PullRequest) -> None:
        if request.timer is not None:
            request.timer.cancel()
            request.timer = None
        self._waiting.remove(request)
        self.last_active_ns = self._context.clock.monotonic_ns()

    def _arm(self, request: PullRequest) -> None:
        due = [at for at in (request.expires_ns, request.heartbeats_at_ns) if at]
        if due:
            delay_ns = min(due) - self._context.clock.monotonic_ns()
            request.timer = self._context.clock.call_later(
                delay_ns, lambda: self._on_timer(request)
            )

    def _on_timer(self, request: PullRequest) -> None:
        request.timer = None
        now_ns = self._context.clock.monotonic_ns()
        if request.expires_ns and now_ns >= request.expires_ns:
            self._finish(request, request.status(408, b"Request Timeout"))
            return
        if request.heartbeats_at_ns and now_ns >= request.heartbeats_at_ns:
            if not request.is_heard():
                self._drop(request)
                return
            if request.no_wait and request.delivered:  # held up by max_ack_pending: this was all
                self._finish(request, _NO_MESSAGES)
                return
            delivered = self._consumer.pending.delivered
            if not self._spreading.is_on:
                self._out.append((request.inbox, idle_heartbeat(*delivered)))
                self._send()
            request.heartbeats_at_ns = now_ns + request.heartbeat_ns
        self._arm(request)


def parse(payload: bytes) -> NextRequest:
    """Return what a request body asks for. Raises BindError for a bad JSON object."""
    if len(payload) > limits.API_REQUEST_BYTES_MAX:
        raise wire.BindError(f"longer than {limits.API_REQUEST_BYTES_MAX} bytes")
    text = payload.strip()
    if text.startswith(b"{"):
        return wire.decode_lax(NextRequest, text)
    return NextRequest(batch=int(text) if _COUNT.fullmatch(text) else 1)


def _one_line(text: str) -> bytes:
    return text.encode().replace(b"\r", b" ").replace(b"\n", b" ")
