"""Subscriptions, requests and answers of a device.

A source of the channel; a board that only measures leaves this module out. Knows subjects and
requests; not frames' numbers. Handlers are called from within `session.receive`, and `on_reply`
also from `session.data_to_send`: nothing is queued here but what the board asks and answers itself.
Truth: docs/device-link.md, "Messages".
"""

import struct

from . import verbs
from .errors import InvalidSubject, ReadingTooLarge
from .pattern import is_pattern
from .subject import is_subject
from .ticks import is_due, until_ms

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from .channel import Channel

    OnMessage = Callable[["Message"], "bytes | None"]
    OnReply = Callable[[int, bytes], None]


class Message:
    """What a handler gets. `request` is 0 where nobody waits for an answer."""

    __slots__ = ("payload", "request", "subject")

    def __init__(self, subject: str, payload: bytes, request: int) -> None:
        self.subject = subject  # relative, as the device's own subjects are
        self.payload = payload
        self.request = request


class _Subscription:
    __slots__ = ("flags", "handler", "number", "refused", "subject", "told", "wanted")

    def __init__(self, number: int, flags: int, subject: bytes, handler: "OnMessage") -> None:
        self.number = number
        self.flags = flags
        self.subject = subject
        self.handler = handler
        self.wanted = True
        self.told = False  # the gateway took it in this epoch
        self.refused = False  # or does not allow it


class _Question:
    __slots__ = ("body", "number", "on_reply", "until_ms")

    def __init__(self, number: int, body: bytes, on_reply: "OnReply", until_ms: int) -> None:
        self.number = number
        self.body = body  # of REQ; b"" once the gateway took it
        self.on_reply = on_reply
        self.until_ms = until_ms


class Messages:
    """Subscribe and serve before or after the link is up; ask while it is.

    `requests_max` bounds the questions that wait for their reply, and the requests of others that
    wait for this board's answer, each.
    """

    def __init__(self, channel: "Channel", subs_max: int = 8, requests_max: int = 4) -> None:
        assert 1 <= subs_max <= verbs.SUBS_MAX
        assert 1 <= requests_max <= verbs.REQUESTS_MAX
        self.received = 0  # messages and requests given to a handler
        self.unwanted = 0  # not given: the subscription has ended, or it is malformed
        self.busy = 0  # requests of others beyond requests_max
        self.subs_refused = 0  # subscriptions that the gateway does not allow
        self.asked = 0
        self.not_asked = 0  # request returned 0: the link is down, or too many wait
        self.replied = 0  # replies of the gateway, with any status
        self.timeouts = 0
        self.late = 0  # replies to what nobody waits for any more
        self.answered = 0
        self._channel = channel
        self._subs_max = subs_max
        self._requests_max = requests_max
        self._subs: "list[_Subscription]" = []
        self._last_sub = 0
        self._questions: "list[_Question]" = []
        self._last_question = 0
        self._open: "list[int]" = []  # requests of others without an answer
        self._answers: "list[bytes]" = []  # bodies of REP, the oldest first
        self._kind = 0  # of the frame under way, and what it is about
        self._sub: "_Subscription | None" = None
        self._body = b""
        channel.add(self)
        channel.listener = self

    def subscribe(self, subject: str, on_message: "OnMessage") -> int:
        """Have messages on `subject`, which may hold wildcards; return the subscription's number.

        Returns 0 when there are subs_max already. Raises InvalidSubject.
        """
        return self._add(subject, on_message, 0)

    def serve(self, subject: str, on_request: "OnMessage") -> int:
        """Subscribe, and answer: with what `on_request` returns, or by `answer` when that is
        None.
        """
        return self._add(subject, on_request, verbs.SUB_ANSWERS)

    def unsubscribe(self, number: int) -> None:
        for sub in self._subs:
            if sub.number == number:
                sub.wanted = False
                if not sub.told and sub is not self._sub:
                    self._subs.remove(sub)
                return

    def request(
        self, subject: str, payload: bytes, timeout_ms: int, on_reply: "OnReply", now_ms: int
    ) -> int:
        """Ask. `on_reply(status, payload)` is called once, after `timeout_ms` at the latest.

        Returns 0, and never calls it, when the link is down or requests_max wait already. Raises
        InvalidSubject, and ReadingTooLarge for what no frame holds.
        """
        name = subject.encode()
        if not is_subject(name):
            raise InvalidSubject(subject)
        timeout_ms = min(max(1, timeout_ms), verbs.TIMEOUT_MS_MAX)
        size = verbs.REQUEST_BYTES + 1 + len(name) + len(payload)
        if size > self._channel.body_bytes_max:
            raise ReadingTooLarge(size, self._channel.body_bytes_max)
        if not self._channel.is_open or len(self._questions) == self._requests_max:
            self.not_asked += 1
            return 0
        number = self._last_question % verbs.NUMBER_MASK + 1
        self._last_question = number
        head = struct.pack(verbs.REQUEST_FORMAT, number, timeout_ms)
        body = head + bytes([len(name)]) + name + payload
        self._questions.append(_Question(number, body, on_reply, now_ms + timeout_ms))
        self.asked += 1
        return number

    def answer(self, request: int, payload: bytes, status: int = verbs.STATUS_OK) -> bool:
        """Answer a request; return False when nobody waits for it any more.

        What no frame holds becomes STATUS_TOO_LARGE.
        """
        if request not in self._open:
            return False
        self._open.remove(request)
        if verbs.REPLY_BYTES + len(payload) > self._channel.body_bytes_max:
            status, payload = verbs.STATUS_TOO_LARGE, b""
        self._reply(request, status, payload)
        self.answered += 1
        return True

    # What Channel calls

    def opened(self) -> None:
        for sub in self._subs:
            sub.refused = False

    def closed(self) -> None:
        """The epoch is over: what was asked and not answered stays unknown."""
        self._open = []
        self._answers = []
        self._sub = None
        self._subs = [sub for sub in self._subs if sub.wanted]
        for sub in self._subs:
            sub.told = False
        questions = self._questions
        self._questions = []
        for question in questions:
            question.on_reply(verbs.STATUS_LINK_LOST, b"")

    def begin(self) -> int:
        self._kind = 0
        for sub in self._subs:
            if sub.told != sub.wanted and not sub.refused:
                self._sub = sub
                self._kind = verbs.SUB if sub.wanted else verbs.UNSUB
                return self._kind
        if self._answers:
            self._kind = verbs.REP
            self._body = self._answers.pop(0)
            return self._kind
        for question in self._questions:
            if question.body:
                self._kind = verbs.REQ
                self._body = question.body
                question.body = b""
                break
        return self._kind

    def write_into(self, body: memoryview, at: int) -> int:
        data = self._body
        if self._sub is not None:
            data = bytes([self._sub.number])
            if self._kind == verbs.SUB:
                data = bytes([self._sub.number, self._sub.flags]) + self._sub.subject
        end = at + len(data)
        body[at:end] = data
        return end

    def taken(self, status: int) -> None:
        sub, self._sub = self._sub, None
        if sub is not None:
            if self._kind == verbs.SUB:
                sub.told = status == verbs.STATUS_OK
                sub.refused = not sub.told
                self.subs_refused += sub.refused
            else:
                sub.told = False
            if not sub.told and not sub.wanted:
                self._subs.remove(sub)
        elif self._kind == verbs.REQ and status != verbs.STATUS_OK:
            self._finish(struct.unpack_from("<H", self._body, 0)[0], status, b"")

    def on_frame(self, kind: int, body: memoryview) -> bool:
        if kind == verbs.REP:
            if len(body) >= verbs.REPLY_BYTES:
                number, status = struct.unpack_from(verbs.REPLY_FORMAT, body, 0)
                self._finish(number, status, bytes(body[verbs.REPLY_BYTES :]))
            return True
        if kind not in (verbs.MSG, verbs.REQ):
            return False
        request = 0
        if kind == verbs.REQ and len(body) > 2:
            request = struct.unpack_from("<H", body, 0)[0]
            body = body[2:]
        end = 2 + body[1] if len(body) > 1 else 0
        subject = bytes(body[2:end])
        if len(subject) == end - 2 and is_subject(subject):
            self._deliver(body[0], subject.decode(), bytes(body[end:]), request)
        else:
            self.unwanted += 1
        return True

    def next_timeout_ms(self, now_ms: int) -> "int | None":
        wait_ms = None
        for question in self._questions:
            left_ms = until_ms(now_ms, question.until_ms)
            if wait_ms is None or left_ms < wait_ms:
                wait_ms = left_ms
        return wait_ms

    def on_time(self, now_ms: int) -> None:
        for question in self._questions:
            if is_due(now_ms, question.until_ms):
                self.timeouts += 1
                self._questions.remove(question)
                question.on_reply(verbs.STATUS_TIMEOUT, b"")
                return  # the next one in the next turn: the list has changed

    def _add(self, subject: str, handler: "OnMessage", flags: int) -> int:
        pattern = subject.encode()
        if not is_pattern(pattern):
            raise InvalidSubject(subject)
        if len(self._subs) == self._subs_max:
            return 0
        taken = [sub.number for sub in self._subs]
        number = self._last_sub % 255 + 1
        while number in taken:
            number = number % 255 + 1
        self._last_sub = number
        self._subs.append(_Subscription(number, flags, pattern, handler))
        return number

    def _deliver(self, number: int, subject: str, payload: bytes, request: int) -> None:
        found = [sub for sub in self._subs if sub.number == number and sub.wanted]
        if not found:
            self.unwanted += 1
            if request:
                self._reply(request, verbs.STATUS_NO_RESPONDERS, b"")
            return
        if request:
            if len(self._open) == self._requests_max:
                self.busy += 1
                self._reply(request, verbs.STATUS_BUSY, b"")
                return
            self._open.append(request)
        self.received += 1
        answer = found[0].handler(Message(subject, payload, request))
        if request and answer is not None:
            self.answer(request, answer)

    def _reply(self, request: int, status: int, payload: bytes) -> None:
        # A gateway never has more requests open than this; what goes beyond is not one of ours.
        if len(self._answers) < verbs.REQUESTS_MAX:
            self._answers.append(struct.pack(verbs.REPLY_FORMAT, request, status) + payload)

    def _finish(self, number: int, status: int, payload: bytes) -> None:
        for question in self._questions:
            if question.number == number:
                self._questions.remove(question)
                self.replied += 1
                question.on_reply(status, payload)
                return
        self.late += 1
