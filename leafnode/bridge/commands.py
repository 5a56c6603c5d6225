"""Commands for the device of a port: they wait in a row, one is under way, each is answered once.

Knows subjects, replies and times; how a command becomes bytes and what its answer is knows whoever
carries it out. Truth: docs/serial/commands.md.
"""

from __future__ import annotations

import logging
from collections import deque
from dataclasses import asdict, dataclass
from functools import partial
from typing import TYPE_CHECKING, Generic, NamedTuple, Protocol, TypeVar

from leafnode.bridge import port_bounds
from leafnode.bridge.answer_bound import TOO_LARGE
from leafnode.bridge.service_error import refuse
from leafnode.config import serial_bounds
from leafnode.errors import LeafnodeError
from leafnode.routing.answers import Replies
from leafnode.slices import in_slices

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from leafnode.bridge.answer_bound import AnswerBound
    from leafnode.bridge.reading import Event
    from leafnode.clock import Clock, Timer
    from leafnode.routing.account import Account
    from leafnode.routing.subscription import Delivery, Subscription

T = TypeVar("T")

log = logging.getLogger(__name__)


class Refused(LeafnodeError):  # noqa: N818 -- a condition of the command, not of the program
    """A command that cannot be carried out. `text` never holds what was sent."""

    def __init__(self, code: int, text: str) -> None:
        super().__init__(text)
        self.code = code
        self.text = text


class PortCommands(Protocol):
    """The commands of one port, and how they share it with what its framing sends by itself."""

    def start(self) -> None: ...

    def end(self) -> None:
        """Take no more, and tell whoever waits."""
        ...

    def opened(self) -> None: ...

    def closed(self) -> None: ...

    def data_to_send(self, now_ms: int) -> bytes:
        """Return what the device shall get now, of commands or of the framing. What was returned
        before is written when it is asked again.
        """
        ...

    def next_timeout_ms(self, now_ms: int) -> int | None: ...

    def took(self, event: Event) -> bool:
        """Take an event of the framing if it is a command's; say whether it was."""
        ...

    def counts(self) -> dict[str, int]: ...


class Order(NamedTuple, Generic[T]):
    """A command that somebody sent. `work`: what it became; an empty `reply`: nobody waits."""

    work: T
    reply: bytes
    timeout_ns: int


@dataclass(slots=True)
class CommandCounts:
    """Since start. One writer: the loop's thread."""

    received: int = 0
    refused: int = 0  # not sent: wrong, too many, the port closed, waited too long
    answered: int = 0  # or done, where no answer is awaited
    failed: int = 0  # the device refused, or what it said was wrong
    unanswered: int = 0  # no answer in time, or the port was lost
    late: int = 0  # answers behind their time


class CommandQueue(Generic[T]):
    """The row of one port. `prepare` raises Refused; `changed` is called when there is news for
    who sends; `expired` when the time of the command under way has passed, which is over then.
    """

    def __init__(
        self,
        account: Account,
        clock: Clock,
        subjects: Mapping[bytes, tuple[Callable[[bytes], T], int]],
        *,
        bound: AnswerBound,
        changed: Callable[[], None],
        expired: Callable[[Order[T]], None],
        sending_ns: Callable[[T], int] = lambda _: 0,
    ) -> None:
        self._account = account
        self._clock = clock
        self._bound = bound
        self._subjects = subjects  # with what prepares a command, and how long its answer may take
        self._changed = changed
        self._expired = expired
        self._sending_ns = sending_ns  # how long it is on the wire, before any answer
        self._subs: list[Subscription] = []
        self._open = False
        self._ended = False
        self._waiting: deque[tuple[Order[T], Timer]] = deque()
        self.current: Order[T] | None = None
        self._timer: Timer | None = None
        self._replies = Replies(log, "commands", account)
        self.stats = CommandCounts()

    def start(self) -> None:
        """Take commands: of a bus with very many subjects not of all at once."""
        steps = self._subscribing()
        in_slices(self._clock.call_later, steps, port_bounds.COMMAND_SUBJECTS_PER_TURN)

    def _subscribing(self) -> Iterator[None]:
        for name in self._subjects:
            if self._ended:
                return
            self._subs.append(self._account.subscribe(name, self._came))
            yield

    def end(self) -> None:
        self._ended = True
        for sub in self._subs:
            self._account.unsubscribe(sub)
        self._subs = []
        self.closed()

    def opened(self) -> None:
        self._open = True

    def closed(self) -> None:
        """The port is closed: nothing of what waits is sent, when it is opened again."""
        self._open = False
        if self.current is not None:
            self.unanswered(503, "the port was lost: nobody knows whether it was done")
        while self._waiting:
            order, timer = self._waiting.popleft()
            timer.cancel()
            self._refuse(order.reply, 503, "the port is not open")

    @property
    def waiting(self) -> int:
        return len(self._waiting)

    def begin(self) -> Order[T] | None:
        """Take the next one; it is under way from now on."""
        assert self.current is None, "one at a time"
        if not self._waiting:
            return None
        order, timer = self._waiting.popleft()
        timer.cancel()
        self.current = order
        due_ns = self._sending_ns(order.work) + order.timeout_ns
        self._timer = self._clock.call_later(due_ns, self._time_passed)
        return order

    def finish(self, payload: bytes = b"") -> None:
        """The command under way is done."""
        if not self._bound.fits(len(payload)):
            self.fail(502, TOO_LARGE)
            return
        self.stats.answered += 1
        order = self._over()
        if order.reply:
            self._account.answer(order.reply, payload)

    def fail(self, code: int, text: str) -> None:
        """The device would not do the command under way."""
        self.stats.failed += 1
        self._tell(self._over().reply, code, text)

    def unanswered(self, code: int, text: str) -> None:
        """The device did not answer the command under way."""
        self.stats.unanswered += 1
        self._tell(self._over().reply, code, text)

    def counts(self) -> dict[str, int]:
        return {
            "waiting": len(self._waiting),
            **asdict(self.stats),
            "replies_refused": self._replies.refused,  # done, and not answered: it is no inbox
            "too_large": self._bound.refused,  # of those that failed, as is the answer
        }

    def _came(self, delivery: Delivery) -> None:
        delivery.origin.outbox.work_left -= port_bounds.REQUEST_WORK * len(delivery.messages)
        found = self._subjects.get(delivery.subject)
        if found is None or not self._replies.takes(delivery):
            return  # what a stream holds comes under the subject that it has there
        prepare, timeout_ns = found
        for reply, header_size, body in delivery.messages:
            self.stats.received += 1
            reply = self._replies.checked(reply)  # noqa: PLW2901 -- else nobody waits
            try:
                self._check_room(len(body) - header_size)
                order = Order(prepare(body[header_size:]), reply, timeout_ns)
            except Refused as err:
                self._refuse(reply, err.code, err.text)
                continue
            timer = self._clock.call_later(
                serial_bounds.COMMAND_WAIT_NS, partial(self._waited, order)
            )
            self._waiting.append((order, timer))
        self._changed()

    def _check_room(self, size: int) -> None:
        if not self._open:
            raise Refused(503, "the port is not open")
        if len(self._waiting) >= serial_bounds.COMMANDS_WAITING_MAX:
            raise Refused(429, "too many commands wait for the port")
        if size > serial_bounds.COMMAND_BYTES_MAX:
            raise Refused(413, f"expected at most {serial_bounds.COMMAND_BYTES_MAX} bytes")

    def _waited(self, order: Order[T]) -> None:
        """Nobody expects it to be done now: it would surprise somebody."""
        self._waiting = deque(one for one in self._waiting if one[0] is not order)
        self._refuse(order.reply, 503, "it waited too long for the port: not sent")

    def _time_passed(self) -> None:
        assert self.current is not None, "its timer ends with it"
        self._expired(self.current)  # before the requester hears of it, who may ask again
        self.unanswered(504, "no answer in time: nobody knows whether it was done")
        self._changed()

    def _over(self) -> Order[T]:
        assert self.current is not None, "a command is under way"
        assert self._timer is not None, "it has a timer"
        self._timer.cancel()
        order, self.current = self.current, None
        return order

    def _refuse(self, reply: bytes, code: int, text: str) -> None:
        self.stats.refused += 1
        self._tell(reply, code, text)

    def _tell(self, reply: bytes, code: int, text: str) -> None:
        if reply:
            refuse(self._account, reply, code, text.encode("ascii", "replace"))
