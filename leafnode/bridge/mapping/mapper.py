"""The way of a reading from its frame to the queue: codec, fields, filters or windows, messages.

Knows the stages and the publisher; not ports and framings. Receipts are cumulative, so they go to
the publisher in the order of the readings: of one that is dropped behind those before it, of those
that are gathered with the last message of their window. Truth: docs/serial/mapping.md.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Final

from leafnode.bridge.codecs import new_codec
from leafnode.bridge.mapping.ended import Ended
from leafnode.bridge.mapping.fields import FieldMap
from leafnode.bridge.mapping.filters import Filters
from leafnode.bridge.mapping.messages import Field, Messages, with_receipt
from leafnode.bridge.mapping.windows import Windows
from leafnode.bridge.publication import nothing
from leafnode.bridge.reading import BadReading
from leafnode.bridge.turns import PortTurns
from leafnode.config import serial_bounds
from leafnode.config.serial_mapping import needs_fields

if TYPE_CHECKING:
    from collections.abc import Callable

    from leafnode.bridge.codecs import Codec
    from leafnode.bridge.exec.function import Function, Outcome
    from leafnode.bridge.publication import Publication
    from leafnode.bridge.publisher import Publisher
    from leafnode.bridge.reading import Life, Reading, Receipt
    from leafnode.bridge.status import PortCounters
    from leafnode.clock import Clock, Timer
    from leafnode.config.serial_options import SerialPort

# Mapping and gathering count in floats, which end at 1.8e308; JSON's integers do not.
_TOO_LARGE: Final = 10**308


class Mapper:
    """The stages of one port behind its framing."""

    def __init__(  # noqa: PLR0913 -- keyword-only but for what it is of
        self,
        options: SerialPort,
        publisher: Publisher,
        clock: Clock,
        counters: PortCounters,
        *,
        max_payload: Callable[[], int],
        show: Callable[[bytes, bytes], None] = lambda _, __: None,
        progress: Callable[[], None] = lambda: None,
        turns: PortTurns | None = None,
    ) -> None:
        """`show` gets subject and payload of what goes to the queue; `progress` is called when
        a function is done with a reading, or windows have become messages, and more may come.
        `turns`: None where no other port has a share of them.
        """
        self._publisher = publisher
        self._clock = clock
        mapping = options.mapping
        self._function = self._new_function(options)
        self._codec = None if self._function is not None else new_codec(options)
        self._needs_fields = needs_fields(options)
        self._progress = progress
        self._fields = FieldMap(mapping)
        self._filters = Filters(mapping, self._fields.deadbands)
        self._messages = Messages(options, self._fields.units, max_payload=max_payload)
        self._windows = Windows(mapping.functions) if mapping.every_ns else None
        self._every_ns = mapping.every_ns
        self._show = show
        self._counters = counters
        self._turns = turns or PortTurns(clock)
        self._timer: Timer | None = None
        self._is_ending = False
        # The last one in the windows, or behind them, that its board keeps.
        self._kept: Reading | None = None
        # Windows that become messages, an end after the other: two at most, see `is_behind`, and
        # at the port's end what was read already.
        self._ended: deque[Ended] = deque()
        self._through = b""  # id of the last one before what goes to the queue next
        # Of windows that ended while the queue was full: one end's messages at most, since the
        # port is not read meanwhile.
        self._waiting: deque[Publication] = deque()
        # Of what the function has to decide yet: it comes again, and is gathered then.
        self._said_again: list[Reading] = []

    def _new_function(self, options: SerialPort) -> Function | None:
        if options.codec.type != "exec":
            return None
        from leafnode.bridge.exec.function import Function

        return Function(
            options.codec,
            self._clock,
            port=options.name,
            decided=self._decided,
            has_room=lambda: self._publisher.has_room and not self.is_behind,
        )

    def resumed(self, msg_id: bytes) -> None:
        """Up to this reading a board has all stored, before anything of it comes."""
        self._through = msg_id

    def begin(self) -> None:
        """Start the function, where there is one."""
        if self._function is not None:
            self._function.begin()

    @property
    def has_room(self) -> bool:
        """Whether one more reading may come, as far as it is the function's."""
        return self._function is None or self._function.has_room

    @property
    def is_behind(self) -> bool:
        """Whether windows ended faster than turns of the loop came for them: nothing more is read
        until then.
        """
        return len(self._ended) > 1 and not self._publisher.takes_all

    @property
    def is_done(self) -> bool:
        """Whether nothing waits that the function may decide yet, no windows wait for a turn, and
        none are in flight: of those no stream says truly yet what is stored.
        """
        return not self._ended and self.has_decided and not self._publisher.is_storing()

    @property
    def has_decided(self) -> bool:
        """Whether nothing waits that the function may decide yet."""
        return self._function is None or self._function.is_done

    @property
    def last_error(self) -> str:
        return "" if self._function is None else self._function.last_error

    def counts(self) -> dict[str, int]:
        """Return what is shown of the function; nothing where there is none."""
        return {} if self._function is None else self._function.counts()

    def offer(self, reading: Reading) -> None:
        """Take one reading. The caller has asked here and the publisher for room, and pumps it
        later.
        """
        if self._function is not None:
            self._function.offer(reading)
        else:
            assert self._codec is not None, "a port has a codec or a function"
            self._take(reading, self._codec)

    def _decided(self, reading: Reading, outcome: Outcome) -> None:
        """The function is done with a reading."""
        if reading in self._said_again:
            self._said_again.remove(reading)  # the first of two that are equal
        elif outcome is None:
            self._counters.filtered += 1
            self._pass_over(reading)
        else:
            self._take(reading, lambda _: _checked(outcome, needs_fields=self._needs_fields))
        if self._is_ending and self.has_decided:
            self._end_windows()
        self._publisher.pump()
        self._progress()

    def _take(self, reading: Reading, codec: Codec) -> None:
        if reading.wrong:
            self._drop(reading, reading.wrong)
            return
        try:
            payload = self._decoded(reading, codec)
            if self._windows is not None:
                self._gather(reading, payload)
            else:
                self._publish(reading, payload)
        except BadReading as err:
            self._drop(reading, err.reason)

    def progressed(self) -> None:
        """There is room in the queue again."""
        if self._function is not None:
            self._function.pump()
        self._hand_over()

    def _hand_over(self) -> None:
        while self._waiting and (self._publisher.has_room or self._is_ending):
            message = self._waiting.popleft()
            if self._is_ending:
                self._give(message)
            elif message.subject:
                self._publisher.offer(message)
            else:
                self._publisher.pass_over(message.receipt, message.life)

    def goes_on(self, life: Life) -> Receipt | None:
        """Return up to which reading of this life all is here."""
        waits = self._publisher.go_on_with(life)
        undecided = [] if self._function is None else self._function.undecided(life)
        return undecided[-1].receipt if undecided else waits

    def says_again(self, life: Life) -> None:
        """This life of a board says again, here or on another port, all that is not stored: what is
        gathered of it is forgotten, since it would be counted twice.
        """
        if self._windows is None:
            return
        self._windows.drop(life)
        kept, self._kept = self._kept, None
        if kept is not None and kept.life != life:
            self._pass_over(kept)
        if not self._windows:
            self._set_timer(None)
        for ended in self._ended:
            ended.drop(life)
        self._waiting = deque(
            message._replace(through=b"") for message in self._waiting if message.life != life
        )
        self._through = b""  # it is not stored, nor is what is behind known to be
        self._publisher.drop(life)
        if self._function is not None:
            others = [reading for reading in self._said_again if reading.life != life]
            self._said_again = others + self._function.undecided(life)

    def is_storing(self, life: Life) -> bool:
        """Say whether a stream may store yet what was forgotten of a life."""
        return self._publisher.is_storing(life)

    def take_all(self) -> None:
        """The port ends. What it had read is nowhere else, and is taken beyond all bounds."""
        self._publisher.takes_all = True
        if self._function is not None:
            self._function.takes_all = True

    def end(self) -> None:
        """The port has ended, and all that it had read came. The function goes on until `stop`."""
        self._is_ending = True
        if self._function is not None:
            self._function.hurry()
        self._hand_over()
        self._end_windows()

    def stop(self) -> int:
        """Decide no more, and wait for no turn; return how many readings are lost with that."""
        self._is_ending = True
        lost = 0 if self._function is None else self._function.stop()
        self._turns.forget(self._make)
        self._begin_ended()
        while self._ended:
            self._make_one()
        self._hand_over()
        return lost

    def _give(self, message: Publication) -> None:
        """Give it to the queue at the end; but not what a device still keeps and sends again."""
        if not message.is_kept and self._publisher.has_room:
            # What is kept is left out, so nothing is known to be stored with those behind it.
            self._publisher.offer(message._replace(through=b""))

    def _publish(self, reading: Reading, payload: bytes | dict[str, object]) -> None:
        now_ns, wall_ns = self._clock.monotonic_ns(), self._clock.wall_ns()
        if self._messages.template.by_field:
            assert isinstance(payload, dict), "{field} needs a codec that knows fields"
            made = self._by_field(reading, payload, now_ns, wall_ns)
        else:
            made = self._whole(reading, payload, now_ns, wall_ns)
        if made:
            for one in made:
                self._show(one.subject, one.body[one.header_size :])
            self._publisher.offer_all(with_receipt(made, reading.receipt))
        else:
            self._counters.filtered += 1
            self._publisher.pass_over(reading.receipt)
        self._go_before(reading)

    def _go_before(self, reading: Reading) -> None:
        """A reading is in the queue: its board has it stored before what comes next."""
        if reading.receipt is not None and reading.receipt.life[1] > 0:
            self._through = reading.msg_id

    def _decoded(self, reading: Reading, codec: Codec) -> bytes | dict[str, object]:
        """Return what the codec makes of a reading; JSON and CBOR may have any number of fields."""
        payload = codec(reading.payload)
        if isinstance(payload, dict):
            if len(payload) > serial_bounds.READING_FIELDS_MAX:
                raise BadReading(f"has more than {serial_bounds.READING_FIELDS_MAX} fields")
            if any(
                isinstance(value, int) and abs(value) >= _TOO_LARGE for value in payload.values()
            ):
                raise BadReading("has a number that is too large")
        return payload

    def _whole(
        self, reading: Reading, payload: bytes | dict[str, object], now_ns: int, wall_ns: int
    ) -> list[Publication]:
        raw = payload if isinstance(payload, dict) else None
        subject = self._messages.template.subject(reading, raw)
        if raw is not None:
            payload = self._fields.mapped(raw)
        if self._filters.active and not self._filters.passes(subject, payload, now_ns):
            return []
        # Of a reading that its board keeps the id tells as much.
        through = self._through if reading.receipt is None else b""
        made = self._messages.whole(subject, reading, payload, raw, wall_ns, through=through)
        if self._filters.active:
            self._filters.published(subject, payload, now_ns)
        return [made]

    def _by_field(
        self, reading: Reading, raw: dict[str, object], now_ns: int, wall_ns: int
    ) -> list[Publication]:
        new = []
        for name, value in self._fields.mapped(raw).items():
            subject = self._messages.template.subject(reading, raw, name)
            key = _filter_key(subject, name)
            if not self._filters.active or self._filters.passes(key, {name: value}, now_ns):
                new.append((subject, name, value))
        # Which is the last one, a filter decides by what it remembers: no id may hang on that.
        if reading.receipt is None:
            told = [self._through] * len(new)
        else:
            told = [b""] * (len(new) - 1) + [reading.msg_id]
        fields = [Field(*field, through) for field, through in zip(new, told, strict=False)]
        made = self._messages.by_field(reading, fields, raw, wall_ns)
        if self._filters.active:
            for subject, name, value in new:
                self._filters.published(_filter_key(subject, name), {name: value}, now_ns)
        return made

    def _gather(self, reading: Reading, fields: bytes | dict[str, object]) -> None:
        assert self._windows is not None, "only where readings are gathered"
        assert isinstance(fields, dict), "gathering needs a codec that knows fields"
        subject = self._messages.template.subject(reading, fields)
        is_for = self._windows.is_for(reading.life)
        is_full = not (is_for and self._windows.has_room(subject))
        if is_full:
            self._counters.windows_early += 1
            self._begin_ended()
        wall_ns = self._clock.wall_ns()
        self._windows.add(subject, reading, self._fields.mapped(fields), fields, wall_ns)
        self._hold(reading)
        if self._timer is None:
            self._set_timer(self._every_ns)
        if is_full:
            self._make()  # not before this one has its window: others may come amid it

    def _hold(self, reading: Reading) -> None:
        self._kept = reading if reading.receipt is not None else self._kept

    def _drop(self, reading: Reading, reason: str) -> None:
        """Nothing could store this reading."""
        self._publisher.give_up(None, reason)
        self._pass_over(reading)

    def _pass_over(self, reading: Reading) -> None:
        """A reading is done. Those before it may be gathered yet: its device hears after them."""
        if self._windows:
            self._hold(reading)
            return
        self._go_before(reading)
        if self._ended:
            ended = self._ended[-1]
            ended.kept = reading if reading.receipt is not None else ended.kept
        elif self._waiting and reading.receipt is not None:
            self._waiting.append(nothing(reading.receipt, reading.life))
        else:
            self._publisher.pass_over(reading.receipt, reading.life)

    def _due(self) -> None:
        self._timer = None
        self._end_windows()

    def _end_windows(self) -> None:
        self._begin_ended()
        self._make()

    def _begin_ended(self) -> None:
        """Let what was gathered become messages, and begin anew."""
        self._set_timer(None)
        if not self._windows:
            return
        self._ended.append(Ended(self._windows.end(), self._through, self._kept))
        if self._kept is not None:
            self._go_before(self._kept)
            self._kept = None

    def _make(self) -> None:
        """Make messages of what was gathered. Beyond the share of a turn it goes on in another
        one; those of windows that ended together go to the queue together, for one COMMIT.
        """
        count = len(self._ended)
        began_ns = self._turns.begin()
        try:
            while self._ended and not self._turns.is_full(began_ns):
                self._make_one()
        finally:
            self._turns.end(began_ns)
            if self._ended:
                self._turns.wait(self._make)
        if len(self._ended) < count:
            self.progressed()
            self._publisher.pump()
            self._progress()

    def _make_one(self) -> None:
        ended = self._ended[0]
        try:
            if not ended.is_made:  # else its board says it again
                self._make_next(ended)
        finally:
            if ended.is_made:
                self._ended.popleft()
                self._waiting.extend(ended.messages())

    def _make_next(self, ended: Ended) -> None:
        one, speaks = ended.take()
        through = b"" if speaks else ended.through
        has_id = speaks or not one.is_kept
        try:
            message = self._messages.whole(
                one.subject,
                one.reading,
                one.fields(),
                one.raw,
                one.wall_ns,
                has_id=has_id,
                through=through,
            )
        except BadReading as err:
            self._publisher.give_up(None, err.reason)
            return
        self._counters.windows += 1
        self._show(message.subject, message.body[message.header_size :])
        ended.add(message._replace(is_kept=one.is_kept, life=one.reading.life))

    def _set_timer(self, delay_ns: int | None) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = None if delay_ns is None else self._clock.call_later(delay_ns, self._due)


def _filter_key(subject: bytes, field: str) -> bytes:
    """Return by what a field's last value is remembered: two names may make one subject."""
    return subject + b" " + field.encode(errors="surrogatepass")


def _checked(
    outcome: dict[str, object] | bytes | BadReading, *, needs_fields: bool
) -> dict[str, object] | bytes:
    """Return what a function returned, as far as it is of use. Raises BadReading."""
    if isinstance(outcome, BadReading):
        raise outcome
    if isinstance(outcome, bytes):
        if needs_fields:
            raise BadReading("the function returned no fields, which mapping or the subject need")
        return outcome
    for name in outcome:
        if not 0 < len(name) <= serial_bounds.FIELD_NAME_CHARS_MAX:
            raise BadReading("the function returned a field without a name, or with a long one")
    return outcome
