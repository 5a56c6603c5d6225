"""Asking the hub where to go on, with patience.

Knows how to ask; what the answers mean is in resume.py. A request into a leaf link can vanish
without a word (no 503 crosses it, measured on nats-server 2.15.1), so every question is asked again
until it is answered, and an answer counts whichever attempt it belongs to. Patience ends with
silence, not with time: a slow link that brings one answer after the other has all it needs.
"""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING, Final, TypeVar

import msgspec

from leafnode import limits
from leafnode.uplink import answers
from leafnode.uplink.alarm import Alarm
from leafnode.uplink.answers import MAX_SEQ_DIGITS, Failure

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from leafnode.clock import Clock
    from leafnode.uplink.gate import Gate
    from leafnode.uplink.link import Link
    from leafnode.uplink.mailbox import Letter, Mailbox
    from leafnode.uplink.onward import Origin
    from leafnode.uplink.parting import Parting
    from leafnode.uplink.resume import Resume


_RoundT = TypeVar("_RoundT", bound="Resume | Parting")
_PAYLOAD: Final = b',"data":"'  # a quotation mark within a name or a value has a backslash
_END: Final = b"}}"
SILENCE: Final = Failure(0, "the hub does not answer")


class Interview:
    """One round at a time: `begin`, then `done` is called with that, or with a Failure, in a later
    turn.
    """

    def __init__(
        self, link: Link, clock: Clock, mailbox: Mailbox, gate: Gate, api_subject: str
    ) -> None:
        """`gate` counts what is asked and answered."""
        self._link = link
        self._gate = gate
        self._mailbox = mailbox
        self._subject = api_subject.encode()
        self._alarm = Alarm(clock, self._ask_again)
        self._round = 0
        self._silent = 0  # attempts since the hub said something
        self._clock = clock
        self._heard_ns = 0  # when the last answer came, or the round began
        self._has_asked = False  # in this round
        self._out: set[bytes] = set()  # asked and not answered
        self._resume: Resume | Parting | None = None
        self._origin: Origin | None = None
        self._failure = SILENCE
        self._free_ns = 0  # until then what was sent before the last question may be on its way
        self._done: Callable[[Failure | None], None] = _nobody
        # What is wrong, long before it gives up: a wrong name is to be seen within 5 s.
        self.on_trouble: Callable[[Failure], None] = lambda _failure: None
        self.on_silence: Callable[[], None] = lambda: None  # earlier: it may be a slow link
        mailbox.on(b"h", self._heard)

    def begin(
        self, resume: _RoundT, origin: Origin, done: Callable[[_RoundT | Failure], None]
    ) -> None:
        self.cancel()
        self._round += 1
        self._resume = resume
        self._origin = origin
        self._done = lambda failure: done(resume if failure is None else failure)
        self._silent = 0
        self._has_asked = False
        self._heard_ns = self._clock.monotonic_ns()
        self._out.clear()
        self._failure = SILENCE
        if resume.done:
            self._alarm.set(0)
        else:
            self._ask_again()

    def cancel(self) -> None:
        self._alarm.cancel()
        self._resume = None

    def _ask_again(self) -> None:
        resume = self._resume
        assert resume is not None, "the alarm rings only within a round"
        if resume.done:  # it was when it began
            self._end(None)
            return
        if self._has_asked and self._is_busy():
            self._alarm.set(limits.UPLINK_ASK_NS)
            return
        if self._silent == limits.UPLINK_ASK_ATTEMPTS:
            self._end(self._failure)
            return
        if self._silent == limits.UPLINK_ASK_YIELDS:
            self.on_silence()
        if self._silent == limits.UPLINK_ASK_PATIENCE:
            self.on_trouble(self._failure)
        self._alarm.set(min(limits.UPLINK_ASK_NS << self._silent, limits.UPLINK_ASK_MAX_NS))
        first, self._silent = not self._has_asked, self._silent + 1
        self._has_asked = True
        if first:
            self._ask_more(resume, limits.UPLINK_PROBES_AT_ONCE)
            return
        # What was asked may only wait for a slow link: a few show whether anybody is there.
        for topic, request in islice(_open(resume), limits.UPLINK_ASK_ANEW):
            self._out.add(topic)
            self._ask(topic, request)

    def _is_busy(self) -> bool:
        """Say whether the answer may be on its way: asked again, a large one would come twice."""
        waited_ns = self._clock.monotonic_ns() - self._heard_ns
        is_on_way = self._link.is_amid() or self._clock.monotonic_ns() < self._free_ns
        return waited_ns < limits.UPLINK_AMID_NS and is_on_way

    def _ask_more(self, resume: Resume | Parting, at_once: int) -> None:
        """Some at a time: a slow link has other things to carry, too."""
        for topic, request in _open(resume):
            if len(self._out) >= at_once:
                return
            if topic not in self._out:
                self._out.add(topic)
                self._ask(topic, request)

    def _ask(self, topic: bytes, request: dict[str, str | int]) -> None:
        inbox = self._mailbox.address(b"h", b"%d.%b" % (self._round, topic))
        body = msgspec.json.encode(request)
        if not self._link.send(self._subject, body, reply=inbox):
            self._fail(Failure(0, f"nobody upstream takes {self._subject.decode()}"))
            return
        self._gate.asked(len(self._subject) + len(inbox) + len(body))
        self._free_ns = self._clock.monotonic_ns() + self._gate.surplus_ns

    def _fail(self, failure: Failure) -> None:
        self._failure = failure
        self.on_trouble(failure)

    def _heard(self, letter: Letter) -> None:
        if letter.from_hub:
            self._gate.told(letter.size + limits.UPLINK_LINE_BYTES)
        number, _, topic = letter.topic.partition(b".")
        resume = self._resume
        if resume is None or self._origin is None or number != b"%d" % self._round:
            return
        if not letter.from_hub:
            self._fail(Failure(0, "the question was answered here, not by the hub"))
            return
        body = letter.body[letter.header_size :]
        message = answers.hub_message(completed(body) if letter.lost_bytes else body, self._origin)
        if isinstance(message, Failure):
            self._fail(message)
            return
        index, _, first = topic[1:].partition(b"-")
        is_walk = topic.startswith(b"w")
        if not index.isdigit() or first.isdigit() != is_walk or len(topic) > 2 * MAX_SEQ_DIGITS:
            return
        self._silent = 0
        now_ns = self._clock.monotonic_ns()
        # On a slow link the next one takes as long as this one did.
        pause_ns = limits.UPLINK_ASK_PAUSES * (now_ns - self._heard_ns)
        self._heard_ns = now_ns
        self._alarm.set(min(max(limits.UPLINK_ASK_NS, pause_ns), limits.UPLINK_ASK_MAX_NS))
        self._out.discard(topic)
        if topic.startswith(b"q"):
            resume.answer(int(index), message)
        elif is_walk:
            resume.walk(int(index), int(first), message)
        else:
            resume.look(int(index), message)
        if len(self._out) <= limits.UPLINK_PROBES_AT_ONCE // 2 and not resume.done:
            self._ask_more(resume, limits.UPLINK_PROBES_AT_ONCE)
        if self._resume is resume and resume.done:
            self._end(None)

    def _end(self, failure: Failure | None) -> None:
        done, self._done = self._done, _nobody  # what was asked for may be large
        self.cancel()
        done(failure)


def _nobody(_failure: Failure | None) -> None:
    """Nobody waits."""


def completed(start: bytes) -> bytes:
    """Return the answer that begins so, without the payload of its message: that comes behind all
    that is asked for.
    """
    before, _, _ = start.partition(_PAYLOAD)
    return before + _END


def _open(resume: Resume | Parting) -> Iterator[tuple[bytes, dict[str, str | int]]]:
    """Yield what is to be asked still, and under which topic the answer comes."""
    for index, subject in resume.open_questions:
        yield b"q%d" % index, {"last_by_subj": subject}
    for hub_seq in resume.open_probes:
        yield b"s%d" % hub_seq, {"seq": hub_seq}
    for number, first, subject in resume.open_walks:
        yield b"w%d-%d" % (number, first), {"seq": first, "next_by_subj": subject}
