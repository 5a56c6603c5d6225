"""The one place that decides what may be sent now, for all streams of one uplink.

Asks the policies in order: urgency, send windows, the monthly cap, coalescing, the window in bytes,
the rate. Knows a clock and the policies; not streams, not the hub. Truth: docs/uplink.md, "What may
be sent now".
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from leafnode import limits
from leafnode.clock import NS_PER_S
from leafnode.uplink.alarm import Alarm
from leafnode.uplink.batching import Batching
from leafnode.uplink.flow import Flow
from leafnode.uplink.ledger import Ledger
from leafnode.uplink.rate import Rate
from leafnode.uplink.schedule import Schedule, Span, local_time, until_next_month_ns

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import tzinfo

    from leafnode.clock import Clock
    from leafnode.config.options import UplinkBudget


_CAP_PARTS: Final = 1000  # of a monthly_cap: one may be forgotten by a kill


class Hold(NamedTuple):
    """Why nothing is sent now. `wait_ns` None: until something else happens."""

    why: str
    wait_ns: int | None = None


class Slot:
    """One stream's place at the gate. The stream keeps `wants` and `waiting_bytes` true."""

    __slots__ = (
        "held",
        "is_metered",
        "is_urgent",
        "priority",
        "turn",
        "waiting_bytes",
        "wake",
        "wants",
    )

    def __init__(self, priority: int, *, is_urgent: bool, wake: Callable[[], None]) -> None:
        """`wake` is called when a stream that was held may try again."""
        self.priority = priority  # the lower the more urgent
        self.is_urgent = is_urgent  # held neither by windows nor by the cap nor by coalescing
        self.wake = wake
        self.wants = False  # it has something to send, and the hub takes it
        self.waiting_bytes = 0  # about
        self.held: Hold | None = None
        self.is_metered = False  # for a window, the cap or company, when it last wanted to send
        self.turn = 0  # when it last sent, counted by the gate


class Gate:
    """What one uplink may spend, and on which stream first."""

    def __init__(
        self, budget: UplinkBudget, *, window_bytes: int, zone: tzinfo, clock: Clock
    ) -> None:
        self._budget = budget
        self._zone = zone
        self._clock = clock
        self._slots: list[Slot] = []
        spans = tuple(Span(*span) for span in budget.send_windows)
        self._schedule = Schedule(spans, zone)
        self._above = Batching(0, budget.send_above_bytes) if budget.send_above_bytes else None
        self._batching = (
            Batching(budget.coalesce_ns, budget.coalesce_bytes) if budget.coalesce_ns else None
        )
        self._flow = Flow(window_bytes)
        self._rate = Rate(budget.max_rate_bytes) if budget.max_rate_bytes else None
        self._alarm = Alarm(clock, self._wake)
        self._soon = Alarm(clock, self._wake)
        self.ledger = Ledger(budget.ledger_tokens)
        self.month_began: Callable[[], None] = lambda: None  # called when a month is to be read
        self.write_ledger: Callable[[], None] = lambda: None  # called when it has to be
        self._months: set[str] = set()  # of the ledger, that were read or cannot be had
        self._month_asked = ""
        self._in_flight = 0  # bytes
        self._flying = 0  # messages
        self._adrift_ns = 0  # until then the link may be busy with what no PubAck is awaited of
        self._answer_size = limits.UPLINK_ANSWER_BYTES
        self._due_ns = 0
        self._turn = 0
        self._today = (-1, "")  # a second, and the day that it is in

    @property
    def today(self) -> str:
        """The day of the ledger; worked out once a second, and asked for twice a message."""
        now_s = self._clock.wall_ns() // NS_PER_S
        if now_s != self._today[0]:
            day = local_time(now_s * NS_PER_S, self._zone).strftime("%Y-%m-%d")
            self._today = (now_s, day)
        return self._today[1]

    @property
    def window_bytes(self) -> int:
        """How many bytes may be on the way now."""
        return self._flow.limit

    @property
    def surplus_ns(self) -> int:
        """How much longer than a window the link may need for what it was given: a message larger
        than that, questions behind it, what was cut and is still on its way.
        """
        adrift_ns = self._adrift_ns - self._clock.monotonic_ns()
        takes_ns = max(self._flow.takes_ns(self._in_flight), adrift_ns)
        surplus_ns = takes_ns - 2 * limits.UPLINK_FLOW_TARGET_NS
        return max(0, min(surplus_ns, limits.UPLINK_AMID_NS))

    def join(self, slot: Slot) -> None:
        self._slots.append(slot)

    def close(self) -> None:
        self._alarm.cancel()
        self._soon.cancel()

    def link_changed(self) -> None:
        self._flow.begin()
        self._adrift_ns = 0

    def ledger_read(self, month: str) -> None:
        """What was sent in a month before this run is known, or cannot be."""
        self._months.add(month)
        self._wake()

    def ledger_kept(self, day: str, size: int) -> None:
        """So many bytes of a day are written down, or cannot be."""
        self.ledger.kept(day, size)
        self._soon.set(0)

    def hold(self, slot: Slot, size: int) -> Hold | None:
        """Return None when a message of this size may go now; else why it has to wait."""
        slot.held = self._reason(slot, size)
        if slot.held is not None and slot.held.wait_ns is not None:
            self._set_alarm(slot.held.wait_ns)
        return slot.held

    def sent(self, slot: Slot, subject: bytes, size: int) -> int:
        """A message went out; `subject` is that of the local stream. Return how many bytes are on
        the way with it.
        """
        now_ns = self._clock.monotonic_ns()
        self._turn += 1
        slot.turn = self._turn
        self._in_flight += size
        self._flying += 1
        slot.waiting_bytes = max(0, slot.waiting_bytes - size)
        self.ledger.sent(self.today, subject, size)
        self._write_down()
        if self._rate is not None:
            self._rate.spend(now_ns, size)
        return self._in_flight

    def asked(self, size: int) -> None:
        """A question goes to the hub; nothing holds it, for without its answer nothing is sent."""
        self.ledger.asked(self.today, size, 0)
        self._write_down()
        self._drifts(size)
        if self._rate is not None:
            self._rate.spend(self._clock.monotonic_ns(), size)

    def told(self, size: int) -> None:
        """The hub answered a question: what went before that has gone its way."""
        self._adrift_ns = 0
        self.ledger.asked(self.today, 0, size)
        self._write_down()

    def acked(
        self, subject: bytes, size: int, sent_ns: int, answer_size: int, *, ahead_bytes: int
    ) -> None:
        """The hub answered what was sent at `sent_ns`, with so many bytes on the way."""
        self._answer_size = max(self._answer_size, answer_size)
        self._flow.acked(sent_ns, self._clock.monotonic_ns(), size, ahead_bytes)
        self.ledger.received(self.today, subject, answer_size)
        self._write_down()
        self.landed(size)

    def landed(self, size: int) -> None:
        """A message of so many bytes is not on the way any more; 0: it was not."""
        self._in_flight = max(0, self._in_flight - size)
        self._flying = max(0, self._flying - (size > 0))
        self._wake_soon()

    def cut(self, size: int) -> None:
        """So much is not awaited any more, and may be on the way all the same."""
        self._drifts(size)
        self.landed(size)

    def _drifts(self, size: int) -> None:
        began_ns = max(self._adrift_ns, self._clock.monotonic_ns())
        self._adrift_ns = began_ns + self._flow.takes_ns(size)

    def settle(self, slot: Slot, waiting_bytes: int, *, wants: bool) -> None:
        """A stream says whether it has something to send."""
        slot.waiting_bytes = waiting_bytes
        if slot.wants == wants:
            return
        slot.wants = wants
        if wants:
            return
        slot.held, slot.is_metered = None, False
        if not any(one.wants for one in self._slots):
            for batching in (self._above, self._batching):
                if batching is not None:
                    batching.drained()
        self._wake_soon()  # at once each stream that has nothing more would wake the next one

    def _reason(self, slot: Slot, size: int) -> Hold | None:
        before = [one for one in self._slots if one.wants and one.priority < slot.priority]
        if slot.is_urgent:
            # Who waits for a window, the cap or company lets an urgent stream pass; the others of
            # those before it wait for that one.
            first = min((one.priority for one in before), default=0)
            waits = any(one.priority == first and not one.is_metered for one in before)
            if any(one.is_urgent for one in before) or (waits and self._metering(size) is None):
                return Hold("a more urgent stream goes first")
        elif before:
            return Hold("a more urgent stream goes first")
        elif (metered := self._metered(slot, size)) is not None:
            return metered
        if self._in_flight and self._in_flight + size > self._flow.limit:
            return Hold("the window is full")
        if self._rate is not None:
            wait_ns = self._rate.wait_ns(self._clock.monotonic_ns(), size)
            if wait_ns:
                return Hold("max_rate", wait_ns)
        return None

    def _metering(self, size: int) -> Hold | None:
        """Say why a message that is not urgent waits, if it does."""
        return self._window_reason() or self._cap_reason(size) or self._batch_reason()

    def _metered(self, slot: Slot, size: int) -> Hold | None:
        """The same of this stream; urgent ones hear when it begins."""
        held = self._metering(size)
        was_metered, slot.is_metered = slot.is_metered, held is not None
        if held is not None and not was_metered:
            self._set_alarm(0)
        return held

    def _window_reason(self) -> Hold | None:
        wait_ns = self._schedule.wait_ns(self._clock.wall_ns())
        if not wait_ns:
            return None
        if self._is_worth_it():
            return None
        opens = local_time(self._clock.wall_ns() + wait_ns, self._zone)
        return Hold(f"the send window opens at {opens:%H:%M}", wait_ns)

    def _is_worth_it(self) -> bool:
        """Say whether so much waits that the window does not matter."""
        if self._above is None:
            return False
        return self._above.wait_ns(self._clock.monotonic_ns(), self._waiting_bytes()) == 0

    def _cap_reason(self, size: int) -> Hold | None:
        """What goes now brings a PubAck, as what is on the way does: they count, too."""
        cap = self._budget.monthly_cap_bytes
        if not cap:
            return None
        month = self.today[:7]
        if month not in self._months:
            if self._month_asked != month:
                self._month_asked = month
                self.month_began()
            return Hold("the ledger is not read yet")
        if self._write_down():
            return Hold("the ledger is being written")
        spent = self.ledger.bytes_of(month)
        answers = (self._flying + 1) * self._answer_size
        if spent + size + answers <= cap or not self.ledger.has_sent(month):
            return None  # a cap that is less than one message lets one through
        if self.ledger.unkept():
            self.write_ledger()
        wait_ns = until_next_month_ns(self._clock.wall_ns(), self._zone)
        return Hold("monthly_cap is used up", wait_ns)

    def _write_down(self) -> bool:
        """With a cap, have written down what a kill would forget; say whether it is too much."""
        cap = self._budget.monthly_cap_bytes
        most = max(cap // _CAP_PARTS, limits.UPLINK_LEDGER_UNKEPT_BYTES)
        is_too_much = cap > 0 and self.ledger.unkept() > most
        if is_too_much:
            self.write_ledger()
        return is_too_much

    def _batch_reason(self) -> Hold | None:
        if self._batching is None:
            return None
        wait_ns = self._batching.wait_ns(self._clock.monotonic_ns(), self._waiting_bytes())
        return None if wait_ns == 0 else Hold("coalescing", wait_ns)

    def _waiting_bytes(self) -> int:
        return sum(slot.waiting_bytes for slot in self._slots if not slot.is_urgent)

    def _set_alarm(self, wait_ns: int) -> None:
        """Look again then, or earlier: wall time may have been set meanwhile."""
        due_ns = self._clock.monotonic_ns() + min(wait_ns, limits.UPLINK_GATE_CHECK_NS)
        if not self._alarm.is_set or due_ns < self._due_ns:
            self._due_ns = due_ns
            self._alarm.set(due_ns - self._clock.monotonic_ns())

    def _wake_soon(self) -> None:
        """Once for all of a turn: each stream that is held costs a look at the policies."""
        if not self._soon.is_set and any(slot.held is not None for slot in self._slots):
            self._soon.set(0)

    def _wake(self) -> None:
        """Let whoever is held try again: the most urgent first, among equals who waited longest."""
        for slot in sorted(self._slots, key=lambda one: (one.priority, one.turn)):
            if slot.held is not None:
                slot.held = None
                slot.wake()
