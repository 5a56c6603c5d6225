"""Commands for a device that answers in frames: what is sent for one, and which frame answers it.

Knows contents and frames; not requesters. A command and a poll of the framing never wait for an
answer at the same time, since nothing tells the two answers apart. For the same reason what came
while the port was not read is read before anything is asked.
Truth: docs/serial/commands.md.
"""

from __future__ import annotations

import re
from functools import partial
from typing import TYPE_CHECKING, Final, NamedTuple

import msgspec

from leafnode import limits
from leafnode.bridge.answer_bound import AnswerBound
from leafnode.bridge.char_time import char_ns
from leafnode.bridge.checks import new_check
from leafnode.bridge.codecs import new_codec
from leafnode.bridge.commands import CommandQueue, Order, Refused
from leafnode.bridge.framing.encode import Encoder, Unfit
from leafnode.bridge.reading import BadReading, Reading
from leafnode.clock import NS_PER_MS
from leafnode.config import serial_bounds
from leafnode.config.serial_commands import PLACE

if TYPE_CHECKING:
    from collections.abc import Callable

    from leafnode.bridge.framing.frames import Frames
    from leafnode.bridge.reading import Event
    from leafnode.clock import Clock, Timer
    from leafnode.config.serial_options import SerialPort
    from leafnode.config.serial_stage_options import CommandOptions
    from leafnode.routing.account import Account

OPENING_MS: Final = serial_bounds.COMMAND_OPENING_NS // NS_PER_MS


class _Work(NamedTuple):
    """A command as it goes over the wire."""

    options: CommandOptions
    content: bytes
    data: bytes


class FrameCommands:
    """Implements PortCommands for one port. `send` is called when there is news to send."""

    def __init__(
        self,
        port: SerialPort,
        framing: Frames,
        account: Account,
        clock: Clock,
        *,
        send: Callable[[], None],
        max_payload: Callable[[], int] = lambda: limits.MAX_PAYLOAD_BYTES,
    ) -> None:
        self._framing = framing
        self._clock = clock
        self._send = send
        decodes = any(options.decode for options in port.commands)
        self._decode = new_codec(port, wants_fields=True) if decodes else None
        check = new_check(port.check)
        subjects = {}
        for options in port.commands:
            encoder = Encoder(port.framing, check, options.line_end)
            pattern = re.compile(options.payload, re.ASCII) if options.payload else None
            prepare = partial(_prepared, options, encoder, pattern)
            name = options.subject.replace("{port}", port.name).encode()
            subjects[name] = (prepare, options.timeout_ns)
        self._queue: CommandQueue[_Work] = CommandQueue(
            account,
            clock,
            subjects,
            bound=AnswerBound(port.name, clock, max_payload),
            changed=send,
            expired=self._expired,
            sending_ns=lambda work: self._sending_ms(work.data) * NS_PER_MS,
        )
        self._char_ns = char_ns(port)
        # Where no command has an answer, none can come late.
        longest_ns = max((one.timeout_ns for one in port.commands if one.answer), default=0)
        opening_ms = min(OPENING_MS, longest_ns // NS_PER_MS)
        self._opening_ms = opening_ms + framing.ends_ms if opening_ms else 0
        self._free_ms = 0  # no command goes before
        self._sent_ms = 0  # then all that the kernel took is on the wire: nor does a poll before
        self._written = False
        self._polls_next = False
        self._late: _Work | None = None  # its answer may still come
        self._late_timer: Timer | None = None
        self._late_ends_ms = 0  # when it cannot come any more
        self._read_ms: int | None = None  # since when the port is read behind that
        self._held = False  # the port is not read
        self._is_new = False  # and was not since it was opened
        self._new_ends_ms = 0  # when what another opening asked for has come
        self._new_read_ms: int | None = None  # since when the port is read behind a pause

    def start(self) -> None:
        self._queue.start()

    def end(self) -> None:
        self._queue.end()
        self._forget()

    def opened(self) -> None:
        """Let an answer pass that another opening of the port, or another program, asked for."""
        self._free_ms = self._clock.monotonic_ns() // NS_PER_MS + self._opening_ms
        self._is_new = self._held
        self._new_ends_ms, self._new_read_ms = self._free_ms, None
        self._queue.opened()

    def hold(self, *, on: bool, now_ms: int) -> None:
        """Say that the port is not read, or that it is again: what came meanwhile comes first.

        An answer that came by the end of its time is read in `read_ms` behind the pause, or when
        all that came by then is; so is what another opening of the port asked for.
        """
        self._framing.hold(on=on, now_ms=now_ms)
        if on and not self._held:
            self._is_new = self._is_new or now_ms < self._free_ms
            self._set_late_timer(None)
        elif self._held and not on:
            read_ms = self._framing.read_ms
            if self._is_new:
                self._is_new, self._free_ms = False, self._new_free_ms(now_ms)
            if self._late is not None:
                left_ms = self._late_ends_ms - now_ms
                if left_ms <= 0 and self._read_ms is None:
                    self._read_ms = now_ms
                self._set_late_timer(max(left_ms, read_ms) * NS_PER_MS)
        since_ms = None if on else self._read_ms
        if since_ms is not None and self._framing.has_read(self._late_ends_ms, since_ms, now_ms):
            self._forget()
        self._held = on

    def _new_free_ms(self, now_ms: int) -> int:
        """Return when what another opening asked for is read, behind one more pause."""
        if self._new_read_ms is None:
            self._new_read_ms = now_ms
        elif self._framing.has_read(self._new_ends_ms, self._new_read_ms, now_ms):
            return now_ms
        return max(self._free_ms, now_ms + self._framing.read_ms)

    def closed(self) -> None:
        self._queue.closed()
        self._forget()

    def counts(self) -> dict[str, int]:
        return self._queue.counts()

    def data_to_send(self, now_ms: int) -> bytes:
        order = self._queue.current
        if order is not None and not self._written:
            self._written = True  # all of it, or it would not be asked for more
            if not order.work.options.answer:
                self._sent_ms = now_ms + self._sending_ms(order.work.data)
                self._queue.finish()
                order = None
        if order is not None or self._late is not None or now_ms < self._sent_ms:
            return b""
        self._framing.hold_polls(on=False)
        if self._polls_next or not self._queue.waiting or self._awaits_ms(now_ms):
            self._polls_next = False
            if data := self._framing.data_to_send(now_ms):
                self._framing.sent(now_ms + self._sending_ms(data))
                return data
        if not self._awaits_ms(now_ms) and (order := self._queue.begin()) is not None:
            self._framing.hold_polls(on=True)
            self._polls_next = True  # if one is due by then: commands never stop the readings
            self._written = False
            return order.work.data
        return b""

    def next_timeout_ms(self, now_ms: int) -> int | None:
        due_ms = self._framing.next_timeout_ms(now_ms)
        if self._queue.current is not None or self._late is not None:
            return due_ms
        if not self._queue.waiting and now_ms >= self._sent_ms:
            return due_ms
        wait_ms = self._awaits_ms(now_ms)
        return wait_ms if due_ms is None else min(due_ms, wait_ms)

    def _awaits_ms(self, now_ms: int) -> int:
        """Return how long the answer to something else may come yet."""
        free_ms = max(self._free_ms, self._sent_ms)
        return max(self._framing.awaits_ms(now_ms), free_ms - now_ms, 0)

    def _sending_ms(self, data: bytes) -> int:
        """Return how long this is on the wire; the kernel takes it at once."""
        return len(data) * self._char_ns // NS_PER_MS

    def took(self, event: Event) -> bool:
        if not isinstance(event, Reading):
            return False
        order, frame = self._queue.current, event.payload
        if order is not None:
            if order.work.options.echo and frame == order.work.content:
                return True
            if not _answers(order.work.options, frame):
                return False
            self._answered(order.work.options, frame)
            self._send()
            return True
        if self._late is None or not _answers(self._late.options, frame):
            return False
        self._queue.stats.late += 1
        self._forget()
        self._send()
        return True

    def _answered(self, options: CommandOptions, frame: bytes) -> None:
        if not options.decode:
            self._queue.finish(frame)
            return
        assert self._decode is not None, "a command decodes"
        try:
            payload = self._decode(frame)
            self._queue.finish(msgspec.json.encode(payload))
        except (BadReading, ValueError) as err:
            self._queue.fail(502, f"the answer {err}")

    def _expired(self, order: Order[_Work]) -> None:
        """Let as much time pass again in which its answer may come: it is nobody else's."""
        if order.work.options.answer:
            self._late = order.work
            ends_ns = self._clock.monotonic_ns() + order.timeout_ns
            self._late_ends_ms = -(-ends_ns // NS_PER_MS)
            self._read_ms = None
            self._set_late_timer(None if self._held else order.timeout_ns)

    def _late_enough(self) -> None:
        self._forget()
        self._send()

    def _forget(self) -> None:
        self._late = self._read_ms = None
        self._set_late_timer(None)

    def _set_late_timer(self, delay_ns: int | None) -> None:
        if self._late_timer is not None:
            self._late_timer.cancel()
        self._late_timer = (
            None if delay_ns is None else self._clock.call_later(delay_ns, self._late_enough)
        )


def _answers(options: CommandOptions, frame: bytes) -> bool:
    return options.answer and (not options.starts or frame.startswith(options.starts))


def _prepared(
    options: CommandOptions, encoder: Encoder, pattern: re.Pattern[str] | None, payload: bytes
) -> _Work:
    """Return what is sent for a payload. Raises Refused."""
    content = _filled(options, pattern, payload)
    if not content:
        raise Refused(400, "there is nothing to send")
    if not options.framed:
        return _Work(options, content, content)
    try:
        return _Work(options, content, encoder.frame(content))
    except Unfit as err:
        raise Refused(400, f"the command {err.text}") from None


def _filled(options: CommandOptions, pattern: re.Pattern[str] | None, payload: bytes) -> bytes:
    values = {"payload": payload}
    if pattern is not None:
        try:
            text = payload.decode()
        except UnicodeDecodeError:
            raise Refused(400, "the payload is not UTF-8") from None
        match = None
        if len(text) <= serial_bounds.COMMAND_INPUT_MAX:
            match = pattern.fullmatch(text)
        if match is None:
            raise Refused(400, "the payload does not match the pattern of the command")
        values |= {name: (value or "").encode() for name, value in match.groupdict().items()}
    return PLACE.sub(lambda place: values[place[1].decode()], options.send)
