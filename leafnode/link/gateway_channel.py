"""The gateway's end of the channel: what it takes from a device, and what waits for it.

A half of a GatewaySession. Knows numbers, queues and timers; not streams or accounts: whether a
device may subscribe or ask, `allows` says. Truth: docs/device-link.md, "The channel".
"""

import struct

from . import const, verbs
from .events import Answer, Gone, Request, Subscribe, Unsubscribe
from .gateway_counters import ChannelCounters
from .pattern import is_pattern
from .subject import is_subject
from .ticks import elapsed_ms, is_due, until_ms

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from .gateway import Event, GatewaySession
    from .hello import HelloBody

    # Of (device, verbs.SUB or verbs.REQ, subject): is it allowed?
    Allows = Callable[[str, int, str], bool]


class _Item:
    """A frame for the device, from the queue to its TAKEN. `body`: without epoch and number."""

    __slots__ = ("body", "kind", "number", "sent")

    def __init__(self, kind: int, body: bytes) -> None:
        self.kind = kind
        self.body = body
        self.number = 0
        self.sent = False


class GatewayChannel:
    """One device at a time. `allows` None: this gateway takes neither subscriptions nor requests.

    `message`, `request` and `reply` hold for one epoch: what the device has not taken when it says
    hello again or is gone, is forgotten and counted in `lost`, and never sent a second time.
    """

    def __init__(self, allows: "Allows | None" = None) -> None:
        self.counters = ChannelCounters()
        self.is_open = False
        self.epoch = 0
        self.aliases: "dict[int, bytes]" = {}  # of this boot
        self.allows = allows
        self._device = ""
        self._window = 1
        self._body_bytes_max = 0
        self._last_taken = 0  # number of the device's last frame, and what it was told about it
        self._last_status = 0
        self._taken_due = False
        self._subs: "dict[int, bool]" = {}  # number to whether the device answers
        self._asked: "list[int]" = []  # requests of the device without a reply
        self._replies = 0  # that the device has not taken
        self._handed: "list[int]" = []  # requests that the device has not answered
        self._last_handed = 0
        # In the order of the application: a message and a request behind it come in that order.
        # Requests and replies are bounded by REQUESTS_MAX each.
        self._queue: "list[_Item]" = []
        self._messages = 0  # of the queue, and their bytes
        self._messages_bytes = 0
        self._under_way: "list[_Item]" = []  # at most the window
        self._next = 0  # index of the one to send next; go-back-N moves it back
        self._last_number = 0
        self._resend_at_ms = 0  # valid while something is under way
        self._resend_ms = const.RETRY_MS
        self._base_ms = const.RETRY_MS  # follows the measured round trip
        self._timed_at_ms: "int | None" = None  # when the oldest was sent, if only once

    @property
    def waiting(self) -> int:
        """How many frames the device has not taken."""
        return len(self._queue) + len(self._under_way)

    @property
    def dropped(self) -> int:
        """How many messages gave way to newer ones."""
        return self.counters.dropped

    # What the application does

    def message(self, sub: int, subject: str, payload: bytes) -> bool:
        """Send a message of a subscription; return whether it will be tried.

        Beyond MESSAGES_MAX or MESSAGES_BYTES_MAX the oldest that was not sent yet gives way.
        """
        if sub not in self._subs:
            return False
        body = _addressed(sub, subject, payload)
        if len(body) > self._body_bytes_max:
            self.counters.too_large += 1
            return False
        while self._messages and (
            self._messages >= verbs.MESSAGES_MAX
            or self._messages_bytes + len(body) > verbs.MESSAGES_BYTES_MAX
        ):
            self._drop_oldest_message()
        self._queue.append(_Item(verbs.MSG, body))
        self._messages += 1
        self._messages_bytes += len(body)
        return True

    def request(self, sub: int, subject: str, payload: bytes) -> int:
        """Hand a request to a device that answers; return its number, which `Answer` will have.

        Returns 0 when the device does not answer on this subscription, has REQUESTS_MAX requests
        already, or takes no frame of this size.
        """
        if not self._subs.get(sub, False):
            return 0
        body = _addressed(sub, subject, payload)
        if len(body) + 2 > self._body_bytes_max:
            self.counters.too_large += 1
            return 0
        if len(self._handed) >= verbs.REQUESTS_MAX:
            self.counters.busy += 1
            return 0
        number = self._last_handed % verbs.NUMBER_MASK + 1
        while number in self._handed:
            number = number % verbs.NUMBER_MASK + 1
        self._last_handed = number
        self._handed.append(number)
        self._queue.append(_Item(verbs.REQ, struct.pack("<H", number) + body))
        return number

    def give_up(self, request: int) -> None:
        """Nobody waits any more for the answer to a request; what was not sent of it is not."""
        if request not in self._handed:
            return
        self._handed.remove(request)
        head = struct.pack("<H", request)
        self._queue = [
            item for item in self._queue if item.kind != verbs.REQ or item.body[:2] != head
        ]

    def reply(self, request: int, status: int, payload: bytes = b"") -> bool:
        """Answer the device's request; return False when it has its answer, or is gone.

        A payload that does not fit the device's frame becomes STATUS_TOO_LARGE.
        """
        if request not in self._asked:
            return False
        self._asked.remove(request)
        if verbs.REPLY_BYTES + len(payload) > self._body_bytes_max:
            self.counters.too_large += 1
            status, payload = verbs.STATUS_TOO_LARGE, b""
        body = struct.pack(verbs.REPLY_FORMAT, request, status) + payload
        self._queue.append(_Item(verbs.REP, body))
        self._replies += 1
        return True

    # What GatewaySession calls

    def on_hello(self, hello: "HelloBody", events: "list[Event]", *, same_boot: bool) -> None:
        """The device said who it is."""
        if not same_boot:
            self.aliases = {}
        if self.is_open and same_boot and hello.epoch == self.epoch:
            return  # said again: our answer is on its way
        self.close(events)
        self.epoch = hello.epoch
        self.is_open = hello.epoch != 0
        self._device = hello.name
        self._window = min(hello.message_window, verbs.MESSAGE_WINDOW_MAX)
        self._body_bytes_max = hello.frame_bytes_max - const.OVERHEAD_BYTES - verbs.CHANNEL_BYTES

    def is_older(self, epoch: int) -> bool:
        """Return whether this boot has begun a later epoch than this one."""
        if not self.is_open or epoch == 0:
            return False
        return (self.epoch - epoch) % verbs.EPOCH_MAX in range(1, verbs.EPOCH_MAX // 2)

    def close(self, events: "list[Event]") -> None:
        """The epoch is over: what the device has not taken it never gets."""
        if self.is_open:
            events.append(Gone(self._device))
            self.counters.lost += self.waiting
        self.is_open = False
        self._last_taken = 0
        self._taken_due = False
        self._subs = {}
        self._asked = []
        self._replies = 0
        self._handed = []
        self._queue = []
        self._messages = 0
        self._messages_bytes = 0
        self._under_way = []
        self._next = 0
        self._last_number = 0

    def on_frame(
        self, kind: int, body: memoryview, now_ms: int, events: "list[Event]"
    ) -> "bool | None":
        """Take a frame of the channel; return False for one of another epoch, whose device must
        say hello, and None for a kind that does not come from a device.
        """
        if kind in (verbs.MSG,) or not verbs.REG <= kind <= verbs.TAKEN:
            return None
        if len(body) < verbs.CHANNEL_BYTES:
            self.counters.strays += 1
            return True
        epoch, number = struct.unpack_from(verbs.CHANNEL_FORMAT, body, 0)
        if not self.is_open or epoch != self.epoch:
            self.counters.strays += 1
            return False
        if kind == verbs.TAKEN:
            self._on_taken(number, now_ms)
            return True
        ahead = (number - self._last_taken) & verbs.NUMBER_MASK
        if ahead == 1:
            self._last_taken = number
            self._last_status = self._take(kind, bytes(body[verbs.CHANNEL_BYTES :]), events)
            self._taken_due = True
            self.counters.taken += 1
            self.counters.refused += self._last_status == verbs.STATUS_REFUSED
        elif ahead == 0:
            self._taken_due = True
            self.counters.repeats += 1
        else:
            self.counters.strays += 1
        return True

    def put_next(self, session: "GatewaySession", now_ms: int) -> bool:
        """Put the next frame that is due; return whether there was one."""
        if not self.is_open:
            return False
        if self._taken_due:
            self._taken_due = False
            self._put(session, verbs.TAKEN, self._last_taken, bytes([self._last_status]))
            return True
        sent_all = self._next == len(self._under_way)
        if sent_all and self._under_way and is_due(now_ms, self._resend_at_ms):
            self._next = 0
            self._timed_at_ms = None
            self._resend_ms = min(2 * self._resend_ms, const.RETRY_MS_MAX)
        elif sent_all and not self._fetch(now_ms):
            return False
        if self._next == 0:
            self._resend_at_ms = now_ms + self._resend_ms
        item = self._under_way[self._next]
        self._next += 1
        self.counters.resent += item.sent
        item.sent = True
        self._put(session, item.kind, item.number, item.body)
        return True

    def next_timeout_ms(self, now_ms: int) -> "int | None":
        """Return in how many ms put_next has something, or None."""
        if not self.is_open:
            return None
        room = len(self._under_way) < self._window
        if self._taken_due or self._next < len(self._under_way) or (room and self._queue):
            return 0
        return until_ms(now_ms, self._resend_at_ms) if self._under_way else None

    def _drop_oldest_message(self) -> None:
        kinds = [item.kind for item in self._queue]
        dropped = self._queue.pop(kinds.index(verbs.MSG))
        self._messages -= 1
        self._messages_bytes -= len(dropped.body)
        self.counters.dropped += 1

    def _fetch(self, now_ms: int) -> bool:
        """Let the next frame of the queues be under way; return False when none may."""
        if len(self._under_way) == self._window or not self._queue:
            return False
        item = self._queue.pop(0)
        if item.kind == verbs.MSG:
            self._messages -= 1
            self._messages_bytes -= len(item.body)
        self._last_number = (self._last_number + 1) & verbs.NUMBER_MASK
        item.number = self._last_number
        if not self._under_way:
            self._resend_ms = self._base_ms
            self._timed_at_ms = now_ms
        self._under_way.append(item)
        return True

    def _put(self, session: "GatewaySession", kind: int, number: int, body: bytes) -> None:
        struct.pack_into(verbs.CHANNEL_FORMAT, session.body, 0, self.epoch, number)
        end = verbs.CHANNEL_BYTES + len(body)
        session.body[verbs.CHANNEL_BYTES : end] = body
        session.put(kind, end)

    def _on_taken(self, number: int, now_ms: int) -> None:
        numbers = [item.number for item in self._under_way[: self._next]]
        if number not in numbers:
            self.counters.strays += 1
            return
        count = numbers.index(number) + 1
        self.counters.delivered += count
        self._replies -= len([i for i in self._under_way[:count] if i.kind == verbs.REP])
        self._under_way = self._under_way[count:]
        self._next -= count
        if self._timed_at_ms is not None:
            mean_ms = (self._base_ms + 2 * elapsed_ms(now_ms, self._timed_at_ms) + 1) // 2
            self._base_ms = min(max(const.RETRY_MS, mean_ms), const.RETRY_MS_MAX)
            self._timed_at_ms = None
        self._resend_ms = self._base_ms
        self._resend_at_ms = now_ms + self._resend_ms

    def _take(self, kind: int, body: bytes, events: "list[Event]") -> int:
        """Do what the device says; return the status of that."""
        if kind == verbs.REG:
            return self._on_reg(body)
        if kind == verbs.SUB:
            return self._on_sub(body, events)
        if kind == verbs.UNSUB:
            if body and self._subs.pop(body[0], None) is not None:
                events.append(Unsubscribe(self._device, body[0]))
            return verbs.STATUS_OK
        if kind == verbs.REQ:
            return self._on_req(body, events)
        return self._on_rep(body, events)

    def _on_reg(self, body: bytes) -> int:
        alias = body[0] if body else 0
        subject = body[1:]
        if not 1 <= alias <= verbs.ALIASES_MAX or not is_subject(subject):
            return verbs.STATUS_REFUSED
        # One number for two subjects would let a reading go to the wrong one.
        if self.aliases.get(alias, subject) != subject:
            return verbs.STATUS_REFUSED
        self.aliases[alias] = subject
        return verbs.STATUS_OK

    def _on_sub(self, body: bytes, events: "list[Event]") -> int:
        sub = body[0] if body else 0
        subject = body[2:]
        if sub == 0 or sub in self._subs or not is_pattern(subject):
            return verbs.STATUS_REFUSED
        if not self._is_allowed(verbs.SUB, subject):
            return verbs.STATUS_REFUSED
        if len(self._subs) == verbs.SUBS_MAX:
            return verbs.STATUS_BUSY
        answers = body[1] & verbs.SUB_ANSWERS != 0
        self._subs[sub] = answers
        events.append(Subscribe(self._device, sub, subject.decode(), answers=answers))
        return verbs.STATUS_OK

    def _on_req(self, body: bytes, events: "list[Event]") -> int:
        if len(body) <= verbs.REQUEST_BYTES:
            return verbs.STATUS_REFUSED
        request, timeout_ms = struct.unpack_from(verbs.REQUEST_FORMAT, body, 0)
        start = verbs.REQUEST_BYTES + 1
        end = start + body[start - 1]
        subject = body[start:end]
        if request in self._asked or len(subject) != end - start or not is_subject(subject):
            return verbs.STATUS_REFUSED
        if not self._is_allowed(verbs.REQ, subject):
            return verbs.STATUS_REFUSED
        if len(self._asked) + self._replies >= verbs.REQUESTS_MAX:
            self.counters.busy += 1
            return verbs.STATUS_BUSY
        self._asked.append(request)
        timeout_ms = min(max(1, timeout_ms), verbs.TIMEOUT_MS_MAX)
        events.append(Request(self._device, request, subject.decode(), body[end:], timeout_ms))
        return verbs.STATUS_OK

    def _on_rep(self, body: bytes, events: "list[Event]") -> int:
        if len(body) < verbs.REPLY_BYTES:
            return verbs.STATUS_REFUSED
        request, status = struct.unpack_from(verbs.REPLY_FORMAT, body, 0)
        if request not in self._handed:
            self.counters.late += 1
            return verbs.STATUS_OK
        self._handed.remove(request)
        events.append(Answer(self._device, request, status, body[verbs.REPLY_BYTES :]))
        return verbs.STATUS_OK

    def _is_allowed(self, kind: int, subject: bytes) -> bool:
        return self.allows is not None and self.allows(self._device, kind, subject.decode())


def _addressed(sub: int, subject: str, payload: bytes) -> bytes:
    name = subject.encode()
    return bytes([sub, len(name)]) + name + payload
