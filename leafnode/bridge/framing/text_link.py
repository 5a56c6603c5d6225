"""The text dialect of the device link: for Arduino, and for a person at a terminal.

Knows lines, their numbers and acks, and what the bridge calls its events; no port, no account. A
message to the board is tried once: who needs more has the binary link. Truth: docs/device-link.md,
"The text dialect".
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Final

from leafnode.bridge import port_bounds
from leafnode.bridge.framing.text_asking import Asking
from leafnode.bridge.framing.text_board import Checks, Meant
from leafnode.bridge.framing.text_cut import TAIL, LineCutter
from leafnode.bridge.framing.text_lines import (
    Line,
    Passed,
    has_control,
    is_number,
    is_torn,
    leveled,
    parse,
    point,
)
from leafnode.bridge.framing.text_numbers import Numbers, Seq
from leafnode.bridge.framing.text_out import MESSAGE, Lines
from leafnode.bridge.framing.text_wrong import Wrong, WrongLines
from leafnode.bridge.reading import (
    MORE,
    DeviceHello,
    DeviceLog,
    FrameCounts,
    Presence,
    Reading,
    Receipt,
    WrongLine,
    is_of,
)
from leafnode.link import const, events, verbs
from leafnode.link.pattern import is_pattern
from leafnode.link.subject import is_name, is_subject, printable

if TYPE_CHECKING:
    from collections.abc import Callable

    from leafnode.bridge.reading import Event, Life, More

_STATUS: Final = {
    verbs.STATUS_OK: b"ok",
    verbs.STATUS_NO_RESPONDERS: b"no-responders",
    verbs.STATUS_TIMEOUT: b"timeout",
    verbs.STATUS_REFUSED: b"refused",
    verbs.STATUS_BUSY: b"busy",
    verbs.STATUS_TOO_LARGE: b"too-large",
}


class TextLinkFraming:
    """Implements Framing, and BoardChannel for what goes to the board.

    `msg_id_prefix` is unique for this instance; `name` is the board's until it says
    hello. With `keep_first` what comes first is no tail of a line. With `gathers` readings are
    stored together, some time after the first.
    """

    def __init__(
        self,
        *,
        name: str,
        msg_id_prefix: bytes,
        max_frame_bytes: int,
        keep_first: bool = False,
        gathers: bool = False,
    ) -> None:
        self.allows: Callable[[str, int, str], bool] | None = None
        self.admits: Callable[[str], bool] | None = None
        self._read_at_ms = self._heard_at_ms = 0  # what is read now; the last line
        self._spoke_at_ms: int | None = None  # the last reading of one that says no name
        self._says_name = False  # also one that is refused, since the port was opened
        self._bytes_in = self._frames = self._noise_bytes = 0
        self.wrong = WrongLines()
        self._own_name = name
        self._msg_id_prefix = msg_id_prefix
        self._max_frame_bytes = max_frame_bytes
        self._lines = LineCutter(max_line_bytes=max_frame_bytes, keep_first=keep_first)
        self._events: deque[Event] = deque()  # of one line: three at most
        self._has_news = False  # that came without a line, and nobody was told of
        self._device = name
        self._boot_id = 0  # as the board says; 0: it has none
        self._life = 0  # counts hellos of boards without a boot id, as a negative number
        self._is_greeted = False
        self._checks = Checks()
        self._meant = Meant()
        self._seals: bool | None = None  # the last line had one: so do ours. None: none came yet
        self._asking = Asking()
        self._numbers = Numbers(gathers=gathers)
        self._out = Lines()
        self._subs: dict[int, bytes] = {}
        self._answering: set[int] = set()  # those of them that answer
        self._asked: dict[int, int] = {}  # the board's requests without a reply
        self._handed: set[int] = set()  # requests that the board has not answered
        self._last_handed = 0

    @property
    def dropped(self) -> int:
        """How many messages gave way to newer ones."""
        return self._out.dropped

    @property
    def channel(self) -> TextLinkFraming:
        return self

    def closed(self) -> None:
        """The port is closed: what the board subscribed to has ended."""
        self._end()

    # Framing

    def opened(self, now_ms: int) -> None:
        """Forget the half of a line; whoever is there now says hello, if it has a name."""
        self._asking.begin(now_ms)
        self._seals = None
        self._lines.opened()
        self._is_greeted = False
        self._says_name, self._spoke_at_ms = False, None
        self._checks.opened()
        self._numbers.owes_nothing()
        self._out.clear()
        self._end()

    def receive(self, data: bytes, now_ms: int) -> None:
        self._has_news = False
        if data:
            self._read_at_ms = now_ms
        self._bytes_in += len(data)
        self._lines.feed(data)

    def next_event(self) -> Event | More | None:
        for _ in range(port_bounds.FRAME_SEARCH_STEPS):
            if self._events:
                return self._events.popleft()
            line = self._lines.next_line()
            if line is None:
                return self._events.popleft() if self._events else None
            if line is TAIL:
                self._on_tail()
            elif isinstance(line, Passed):
                self._on_long(line)
            elif line:
                self._on_line(line)
            self._heard_at_ms = self._read_at_ms  # behind a hello: till then it is the former's
        return self._events.popleft() if self._events else MORE

    def committed(self, receipt: Receipt) -> None:
        if receipt.life == self._this_life:
            self._numbers.committed(receipt.seq)
            if not self._is_greeted:
                self._numbers.owes_nothing()

    def untaken(self, receipt: Receipt) -> None:
        """Nobody has this reading: what is behind it is taken again behind the next hello."""
        self._events.clear()
        self._lines.drop()
        self._is_greeted = False
        if receipt.life == self._this_life:
            self._numbers.untaken(receipt.seq)

    def taken(self, receipt: Receipt) -> None:
        if receipt.life == self._this_life:
            self._numbers.taken(receipt.seq)

    def said_elsewhere(self, life: Life) -> None:
        self._events = deque(event for event in self._events if not is_of(event, life))

    def data_to_send(self, now_ms: int) -> bytes:
        if self._asking.asks(now_ms):
            self._out.ask()
        return self._out.taken(self._numbers.due(), seals=self._seals)

    def next_timeout_ms(self, now_ms: int) -> int | None:
        return 0 if self._has_news else self._asking.next_ms(now_ms)

    def counts(self) -> FrameCounts:
        return FrameCounts(
            bytes_in=self._bytes_in,
            frames=self._frames,
            bad=self.wrong.bad,
            overlong=self.wrong.overlong,
            noise_bytes=self._noise_bytes + self._lines.noise_bytes,
            missing=self._numbers.missing,
        )

    def board(self, now_ms: int) -> Presence | None:
        """Return the board that said hello last: it may say something seldom."""
        if not self._is_greeted:
            return None
        is_there = now_ms - self._heard_at_ms < port_bounds.TEXT_BOARD_THERE_MS
        return Presence(self._device, self._heard_at_ms, is_there)

    def is_nameless(self, now_ms: int) -> bool:
        """Say whether a board is there that speaks under the port's name, and says no other."""
        spoke_ms = self._spoke_at_ms
        return spoke_ms is not None and now_ms - spoke_ms < port_bounds.TEXT_BOARD_THERE_MS

    def forget(self, name: str) -> None:
        # Also where the port was opened since: should it come back, it has not stayed here.
        if self._device == name and (self._is_greeted or self._boot_id):
            self._forget_board()
        self._numbers.forget(name)

    # BoardChannel

    def message(self, sub: int, subject: str, payload: bytes) -> bool:
        """Queue a line; beyond MESSAGES_MAX, or MESSAGES_BYTES_MAX, the oldest gives way."""
        line = b"%b%b %b" % (MESSAGE, subject.encode(), payload)
        if sub not in self._subs or not self._fits(line):
            return False
        self._out.message(line)
        return True

    def request(self, sub: int, subject: str, payload: bytes) -> int:
        number = self._last_handed % verbs.NUMBER_MASK + 1
        line = b"req %d %b %b" % (number, subject.encode(), payload)
        if sub not in self._answering or not self._fits(line):
            return 0
        if len(self._handed) >= verbs.REQUESTS_MAX or number in self._handed:
            return 0
        self._last_handed = number
        self._handed.add(number)
        self._out.append(line)
        return number

    def give_up(self, request: int) -> None:
        self._handed.discard(request)

    def reply(self, request: int, status: int, payload: bytes = b"") -> bool:
        if request not in self._asked:
            return False
        del self._asked[request]
        line = b"rep %d ok %b" % (request, payload)
        if status != verbs.STATUS_OK or not self._fits(line):
            word = _STATUS.get(status or verbs.STATUS_TOO_LARGE, b"failed")
            line = b"rep %d %b" % (request, word)
        self._out.append(line)
        return True

    def _fits(self, line: bytes) -> bool:
        """Say whether a line may go out: one, short enough, that nothing in it ends."""
        most = min(self._max_frame_bytes, verbs.MESSAGES_BYTES_MAX)
        return len(line) <= most and not has_control(line)

    # Lines

    def _on_tail(self) -> None:
        """It may have been the answer to our question."""
        if not self._is_greeted:
            self._out.ask()

    def _on_long(self, line: Passed) -> None:
        if line.is_whole:
            self._give_up(line, Wrong.LONG)
        else:
            self._refuse(Wrong.LONG)

    def _on_line(self, raw: bytes) -> None:
        line = parse(raw)
        wrong = line if isinstance(line, Wrong) else self._judged(line, raw)
        if wrong is None:
            self._frames += 1
            if not self._is_greeted and self._asking.asks_behind_line(self._read_at_ms):
                self._out.ask()
        else:
            self._noise_bytes += len(raw)
            self._refuse(wrong)
            passed = Passed()
            passed.take(raw)
            self._give_up(passed, wrong)
        if isinstance(line, Line):
            # Also before the hello: a board that checks would not believe the question for it.
            self._seals = self._checks.is_on or line.is_checked

    def _judged(self, line: Line, raw: bytes) -> Wrong | None:
        if not self._is_believed(line, raw):
            return Wrong.UNCHECKED
        # A board that means it says it again in the same bytes.
        is_torn_one = line.verb == b"pub" and is_torn(raw, is_checked=line.is_checked)
        if is_torn_one and not self._meant.has(raw):
            return Wrong.TORN
        return self._take(line)

    def _refuse(self, wrong: Wrong) -> None:
        """Count a line, and tell of it; a name that is refused is told of by who refuses it."""
        if wrong is not Wrong.NOISE:
            self.wrong.count(wrong)
            if wrong is not Wrong.NAME:
                name = self._device if self._says_name else self._own_name
                self._events.append(WrongLine(name, wrong.value))

    def _give_up(self, passed: Passed, wrong: Wrong) -> None:
        """Take a numbered line that can be no reading, once it is sure that the board means it so.

        It would say the line for ever, and nothing behind it.
        """
        seq = passed.number()
        if not seq or (self._checks.is_on and not passed.is_right()):
            return
        if self._meant.is_sure(passed) and self._is_new(seq):
            receipt = Receipt(self._this_life, seq)
            reading = Reading(self._msg_id(seq), b"", self._device.encode(), b"", receipt)
            self._events.append(reading._replace(wrong=wrong.value))

    def _is_believed(self, line: Line, raw: bytes) -> bool:
        was_on = self._checks.is_on
        is_believed = self._checks.believes(line, raw, says_name=self._says_name)
        if was_on and not self._checks.is_on:
            self._forget_board()
        return is_believed

    def _take(self, line: Line) -> Wrong | None:
        """Do what the line says, or return why it cannot be."""
        match line.verb:
            case b"hello":
                return self._on_hello(line)
            case b"pt" | b"pub":
                return self._on_reading(line)
            case b"log":
                return self._on_log(line)
            case b"sub" | b"serve" | b"unsub":
                return self._on_sub(line)
            case b"req":
                return self._on_req(line)
            case _:
                return self._on_answer(line)

    def _on_hello(self, line: Line) -> Wrong | None:
        boot = line.rest.strip(b" ")
        if not is_name(line.words[0]) or not (boot == b"" or is_number(boot)):
            return Wrong.HELLO
        name, boot_id = line.words[0].decode(), int(boot or b"0")
        if boot_id > const.BOOT_ID_MAX:
            return Wrong.HELLO
        self._checks.is_on = line.is_checked
        self._says_name, self._spoke_at_ms = True, None
        if self.admits is not None and not self.admits(name):
            self._forget_board()
            return Wrong.NAME
        resumed = name == self._device and boot_id != 0 and boot_id == self._boot_id
        self._end()
        self._device, self._boot_id, self._is_greeted = name, boot_id, True
        self._asking.end()
        if not resumed:
            self._life -= boot_id == 0
            self._numbers.begin(has_boot=boot_id != 0, name=name)
            self._meant.begin(name)
        else:
            self._numbers.resume()
        self._out.append(b"ok hello")
        # Without a boot id nothing of it can be in a stream under an id that it gives again.
        self._events.append(DeviceHello(name, boot_id, resumed=resumed or boot_id == 0))
        return None

    def _forget_board(self) -> None:
        """Who is there now has no name of its own, and is not who was there before either."""
        self._end()
        self._is_greeted = False
        self._device, self._boot_id = self._own_name, 0
        self._life -= 1
        self._numbers.begin(has_boot=False)

    @property
    def _this_life(self) -> Life:
        return self._device.encode(), self._boot_id or self._life

    def _on_reading(self, line: Line) -> Wrong | None:
        subject = line.words[0]
        payload = point(line.rest) if line.verb == b"pt" else line.rest
        if not is_subject(subject):
            return Wrong.SUBJECT
        if isinstance(payload, Wrong):
            return payload
        receipt = None
        if line.seq:
            if not self._is_new(line.seq):
                return None
            receipt = Receipt(self._this_life, line.seq)
        if not self._says_name:
            self._spoke_at_ms = self._read_at_ms
        self._events.append(
            Reading(self._msg_id(line.seq), payload, self._device.encode(), subject, receipt)
        )
        return None

    def _is_new(self, seq: int) -> bool:
        """Say whether a numbered line is to be taken; answer it if not."""
        what = self._numbers.judge(seq) if self._is_greeted else Seq.FAR
        if what is Seq.FAR:
            # Of a board that nobody knows, or that started anew without a hello.
            self._out.ask()
        elif what is Seq.DOUBTED:
            self._refuse(Wrong.DOUBTED)
        return what is Seq.NEW

    def _msg_id(self, seq: int) -> bytes:
        if not seq:
            return b"%b.%d" % (self._msg_id_prefix, self._frames + 1)
        if self._boot_id:
            return b"%b.%d.%d" % (self._device.encode(), self._boot_id, seq)
        return b"%b.h%d.%d" % (self._msg_id_prefix, -self._life, seq)

    def _on_log(self, line: Line) -> Wrong | None:
        level, text = leveled(line.rest)
        text = text[: const.FRAME_BYTES_MAX]  # as much as a frame of the device link can say
        self._events.append(DeviceLog(self._device, level, printable(text)))
        return None

    # Messages

    def _on_sub(self, line: Line) -> Wrong | None:
        pattern = line.words[0]
        if line.rest or not is_pattern(pattern):
            return Wrong.SUBJECT
        numbers = [number for number, known in self._subs.items() if known == pattern]
        for number in numbers:
            del self._subs[number]
            self._answering.discard(number)
            self._events.append(events.Unsubscribe(self._device, number))
        if line.verb == b"unsub":
            return None
        subject, full = pattern.decode(), len(self._subs) >= verbs.SUBS_MAX
        if full or self.allows is None or not self.allows(self._device, verbs.SUB, subject):
            self._out.append(b"no sub " + pattern)
            return None
        number = next(n for n in range(1, 256) if n not in self._subs)
        self._subs[number] = pattern
        answers = line.verb == b"serve"
        if answers:
            self._answering.add(number)
        self._out.append(b"ok sub " + pattern)
        self._events.append(events.Subscribe(self._device, number, subject, answers=answers))
        return None

    def _on_req(self, line: Line) -> Wrong | None:
        number, timeout, name = line.words
        if not is_subject(name):
            return Wrong.SUBJECT
        if not (is_number(number) and is_number(timeout)):
            return Wrong.REQUEST
        request, timeout_ms = int(number), min(max(1, int(timeout)), verbs.TIMEOUT_MS_MAX)
        subject = name.decode()
        if request in self._asked or not 0 < request <= verbs.NUMBER_MASK:
            return Wrong.REQUEST
        if len(self._asked) >= verbs.REQUESTS_MAX:
            self._out.append(b"rep %d busy" % request)
        elif self.allows is None or not self.allows(self._device, verbs.REQ, subject):
            self._out.append(b"rep %d refused" % request)
        else:
            self._asked[request] = timeout_ms
            self._events.append(
                events.Request(self._device, request, subject, line.rest, timeout_ms)
            )
        return None

    def _on_answer(self, line: Line) -> Wrong | None:
        if not is_number(line.words[0]):
            return Wrong.REQUEST
        request = int(line.words[0])
        if request not in self._handed:
            return None  # too late
        self._handed.remove(request)
        status = verbs.STATUS_OK if line.verb == b"rep" else verbs.STATUS_FAILED
        self._events.append(events.Answer(self._device, request, status, line.rest))
        return None

    def _end(self) -> None:
        """The board starts anew: what it wanted it says again."""
        if self._subs or self._asked or self._handed:
            self._events.append(events.Gone(self._device))
            self._has_news = True
        self._subs.clear()
        self._answering.clear()
        self._asked.clear()
        self._handed.clear()
        self._out.begin_anew()
