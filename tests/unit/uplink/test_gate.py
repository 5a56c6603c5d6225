"""The one place that decides what may be sent now."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import partial
from typing import Any

from leafnode import limits
from leafnode.clock import NS_PER_MS, NS_PER_S
from leafnode.config.options import UplinkBudget
from leafnode.uplink.gate import Gate, Hold, Slot
from tests.sim.clock import WALL_START_NS, FakeClock

MIDNIGHT_NS = WALL_START_NS // (86_400 * NS_PER_S) * 86_400 * NS_PER_S


class Door:
    """A gate, and the streams that it woke."""

    def __init__(self, **budget: Any) -> None:
        self.clock = FakeClock()
        self.clock.jump_wall(MIDNIGHT_NS - self.clock.wall_ns())
        self.gate = Gate(UplinkBudget(**budget), window_bytes=100_000, zone=UTC, clock=self.clock)
        self.gate.ledger_read(self.gate.today[:7])
        self.woken: list[Slot] = []

    def slot(self, priority: int = 5, *, urgent: bool = False, waiting: int = 100) -> Slot:
        slot = Slot(priority, is_urgent=urgent, wake=lambda: self.woken.append(slot))
        self.gate.join(slot)
        self.gate.settle(slot, waiting, wants=True)
        return slot

    def send(self, slot: Slot, size: int = 100) -> None:
        assert self.gate.hold(slot, size) is None
        self.gate.sent(slot, b"ev.a", size)


def test_without_a_budget_everything_goes() -> None:
    door = Door()

    assert door.gate.hold(door.slot(), 100) is None


def test_a_more_urgent_stream_goes_first_and_the_other_is_woken_when_it_has_nothing_left() -> None:
    door = Door()
    alarms, bulk = door.slot(1), door.slot(5)

    assert door.gate.hold(bulk, 100) == Hold("a more urgent stream goes first")
    assert door.gate.hold(alarms, 100) is None
    door.gate.settle(alarms, 0, wants=False)
    door.clock.advance(0)

    assert door.woken == [bulk]
    assert door.gate.hold(bulk, 100) is None


def test_streams_that_have_little_wake_one_after_the_other_and_not_one_within_the_other() -> None:
    door = Door(send_windows=((60, 120),))
    nested: list[int] = []
    awake: list[Slot] = []

    def wake(slot: Slot) -> None:
        """It sends what it has, and has nothing more."""
        if door.gate.hold(slot, 10) is None:
            awake.append(slot)
            nested.append(len(awake))
            door.gate.sent(slot, b"ev.a", 10)
            door.gate.settle(slot, 0, wants=False)
            awake.pop()

    for number in range(300):
        slot = door.slot(number % 10)
        slot.wake = partial(wake, slot)
        assert door.gate.hold(slot, 100) is not None

    door.clock.advance(3600 * NS_PER_S)

    assert nested == [1] * 300


def test_equals_take_turns() -> None:
    door = Door()
    one, two = door.slot(), door.slot()
    door.send(one, door.gate.window_bytes)
    assert door.gate.hold(one, 100) is not None
    assert door.gate.hold(two, 100) is not None

    door.gate.landed(door.gate.window_bytes)
    door.clock.advance(0)

    assert door.woken == [two, one]


def test_many_answers_of_one_turn_wake_who_is_held_once() -> None:
    door = Door()
    one, two = door.slot(), door.slot()
    for _ in range(10):
        door.send(one, door.gate.window_bytes // 10)
    assert door.gate.hold(two, 5000) is not None

    for _ in range(10):
        size = door.gate.window_bytes // 10
        door.gate.acked(b"ev.a", size, door.clock.monotonic_ns(), 100, ahead_bytes=size)
    assert door.woken == []
    door.clock.advance(0)

    assert door.woken == [two]
    door.gate.landed(0)
    assert door.clock.pending() == 0  # nobody is held


def test_the_window_in_bytes_is_one_for_all_streams_and_one_message_may_always_go() -> None:
    door = Door()
    one, two = door.slot(), door.slot()
    door.send(one, 10 * door.gate.window_bytes)

    assert door.gate.hold(two, 1) == Hold("the window is full")


def test_what_is_larger_than_the_window_may_take_as_much_longer_as_a_slow_link_needs() -> None:
    door = Door()
    one, limit = door.slot(), door.gate.window_bytes
    door.gate.sent(one, b"a", limit)
    assert door.gate.surplus_ns == 0

    door.gate.sent(one, b"a", 3 * limit)
    assert door.gate.surplus_ns == 6 * NS_PER_S
    door.gate.sent(one, b"a", 3000 * limit)
    assert door.gate.surplus_ns == limits.UPLINK_AMID_NS


def test_questions_and_what_was_cut_keep_the_link_busy_for_as_long() -> None:
    door = Door()
    one, limit = door.slot(), door.gate.window_bytes
    assert door.gate.sent(one, b"a", 4 * limit) == 4 * limit
    door.clock.advance(NS_PER_S)

    door.gate.cut(4 * limit)
    assert door.gate.surplus_ns == 6 * NS_PER_S
    door.gate.asked(limit)
    assert door.gate.surplus_ns == 8 * NS_PER_S
    door.clock.advance(7 * NS_PER_S)
    assert door.gate.surplus_ns == NS_PER_S
    door.gate.link_changed()
    assert door.gate.surplus_ns == 0


def test_the_rate_holds_and_the_clock_wakes() -> None:
    door = Door(max_rate_bytes=1000)
    slot = door.slot()
    door.send(slot, 1000)
    assert door.gate.hold(slot, 500) == Hold("max_rate", 500 * NS_PER_MS)

    door.clock.advance(499 * NS_PER_MS)
    assert door.woken == []
    door.clock.advance(NS_PER_MS)

    assert door.woken == [slot]


def test_outside_of_the_send_windows_only_urgent_streams_send() -> None:
    door = Door(send_windows=((120, 240),))
    bulk, alarms = door.slot(), door.slot(0, urgent=True)
    door.send(alarms)
    door.gate.settle(alarms, 0, wants=False)

    assert door.gate.hold(bulk, 100) == Hold("the send window opens at 02:00", 7200 * NS_PER_S)
    door.clock.advance(7200 * NS_PER_S)

    assert door.woken == [bulk]
    assert door.gate.hold(bulk, 100) is None


def test_an_urgent_stream_passes_one_of_better_priority_that_a_window_holds() -> None:
    door = Door(send_windows=((120, 240),))
    readings, alarms = door.slot(1), door.slot(5, urgent=True)
    assert door.gate.hold(readings, 100) is not None

    assert door.gate.hold(alarms, 100) is None
    door.clock.advance(7200 * NS_PER_S)

    assert door.gate.hold(readings, 100) is None
    assert door.gate.hold(alarms, 100) == Hold("a more urgent stream goes first")


def test_an_urgent_stream_passes_one_that_the_cap_holds_and_one_that_coalesces() -> None:
    capped = Door(monthly_cap_bytes=500)
    readings, alarms = capped.slot(1), capped.slot(5, urgent=True)
    capped.send(readings, 500)
    assert capped.gate.hold(alarms, 100) is None

    gathering = Door(coalesce_ns=30 * NS_PER_S, coalesce_bytes=1000)
    readings, alarms = gathering.slot(1), gathering.slot(5, urgent=True)
    assert gathering.gate.hold(readings, 100) is not None
    assert gathering.gate.hold(alarms, 100) is None


def test_an_urgent_stream_waits_for_a_more_urgent_one_outside_of_the_windows_too() -> None:
    door = Door(send_windows=((120, 240),))
    door.slot(0, urgent=True)
    alarms = door.slot(5, urgent=True)

    assert door.gate.hold(alarms, 100) == Hold("a more urgent stream goes first")


def test_an_urgent_stream_that_waited_hears_at_once_that_the_cap_holds_the_other() -> None:
    door = Door(monthly_cap_bytes=500)
    readings, alarms = door.slot(1), door.slot(5, urgent=True)
    assert door.gate.hold(alarms, 100) == Hold("a more urgent stream goes first")
    door.send(readings, 500)
    assert door.gate.hold(readings, 100) is not None

    door.clock.advance(0)

    assert alarms in door.woken
    assert door.gate.hold(alarms, 100) is None


def test_a_cap_that_has_room_for_the_urgent_message_alone_lets_it_pass_once() -> None:
    """Else each was woken for the other without an end: their sizes told different things."""
    door = Door(monthly_cap_bytes=2000, max_rate_bytes=100)
    readings, alarms = door.slot(1), door.slot(5, urgent=True)
    door.send(readings, 500)
    wakes = []
    readings.wake = lambda: wakes.append(door.gate.hold(readings, 1900))
    alarms.wake = lambda: wakes.append(door.gate.hold(alarms, 100))
    readings.wake()
    alarms.wake()

    for _ in range(10):
        door.clock.advance(0)

    assert len(wakes) < 10
    assert [hold and hold.why for hold in wakes[-2:]] == ["monthly_cap is used up", "max_rate"]
    door.clock.advance(10 * NS_PER_S)
    assert wakes[-1] is None


def test_a_clock_that_is_set_opens_a_window_within_a_minute() -> None:
    door = Door(send_windows=((120, 240),))
    bulk = door.slot()
    assert door.gate.hold(bulk, 100) is not None

    door.clock.jump_wall(3 * 3600 * NS_PER_S)
    door.clock.advance(60 * NS_PER_S)

    assert door.woken == [bulk]


def test_outside_of_the_windows_much_goes_until_nothing_waits() -> None:
    door = Door(send_windows=((120, 240),), send_above_bytes=1000)
    one, two = door.slot(waiting=400), door.slot(waiting=400)
    assert door.gate.hold(one, 100) is not None

    door.gate.settle(two, 600, wants=True)
    door.send(one)
    door.gate.settle(one, 0, wants=False)
    door.send(two)
    door.gate.settle(two, 0, wants=False)
    door.gate.settle(one, 100, wants=True)

    assert door.gate.hold(one, 100) is not None


def test_coalescing_holds_until_the_first_has_waited_or_enough_waits() -> None:
    door = Door(coalesce_ns=30 * NS_PER_S, coalesce_bytes=1000)
    slot = door.slot()
    assert door.gate.hold(slot, 100) == Hold("coalescing", 30 * NS_PER_S)

    door.clock.advance(30 * NS_PER_S)
    assert door.woken == [slot]
    door.send(slot)
    door.gate.settle(slot, 0, wants=False)
    door.gate.settle(slot, 1000, wants=True)

    assert door.gate.hold(slot, 100) is None


def test_a_used_up_month_holds_until_the_next_one_and_urgent_streams_go_on() -> None:
    door = Door(monthly_cap_bytes=500)
    bulk, alarms = door.slot(), door.slot(0, urgent=True)
    door.gate.settle(alarms, 0, wants=False)
    door.send(bulk, 500)
    held = door.gate.hold(bulk, 1)
    assert held is not None
    assert held.why == "monthly_cap is used up"
    assert held.wait_ns is not None
    assert datetime.fromtimestamp((door.clock.wall_ns() + held.wait_ns) / NS_PER_S, UTC).day == 1
    assert door.gate.hold(alarms, 1) is None

    door.clock.advance(held.wait_ns)
    door.gate.ledger_read(door.gate.today[:7])

    assert bulk in door.woken
    assert door.gate.hold(bulk, 1) is None


def test_what_a_message_and_the_answers_to_come_will_cost_fits_into_the_cap() -> None:
    answer = limits.UPLINK_ANSWER_BYTES
    door = Door(monthly_cap_bytes=200 + 2 * answer)
    bulk = door.slot()
    door.send(bulk, 100)
    assert door.gate.hold(bulk, 101) is not None  # two answers may come
    door.send(bulk, 100)

    for _ in range(2):
        door.gate.acked(b"ev.a", 100, door.clock.monotonic_ns(), answer, ahead_bytes=100)

    assert door.gate.ledger.bytes_of(door.gate.today) == 200 + 2 * answer
    assert door.gate.hold(bulk, 1) is not None


def test_once_answers_have_cost_more_so_much_is_kept_for_each() -> None:
    answer = 2 * limits.UPLINK_ANSWER_BYTES
    door = Door(monthly_cap_bytes=200 + 2 * answer)
    bulk = door.slot()
    door.send(bulk, 100)
    door.gate.acked(b"ev.a", 100, door.clock.monotonic_ns(), answer, ahead_bytes=100)

    assert door.gate.hold(bulk, 101) is not None
    assert door.gate.hold(bulk, 100) is None


def test_a_cap_that_is_less_than_a_message_lets_one_through() -> None:
    door = Door(monthly_cap_bytes=50)
    bulk = door.slot()
    door.send(bulk, 100)

    assert door.gate.hold(bulk, 1) is not None


def test_the_answers_of_the_hub_count_for_the_month_too() -> None:
    door = Door(monthly_cap_bytes=500)
    bulk = door.slot()
    door.send(bulk, 400)

    door.gate.acked(b"ev.a", 400, door.clock.monotonic_ns(), 100, ahead_bytes=400)

    assert door.gate.ledger.bytes_of(door.gate.today) == 500
    assert door.gate.hold(bulk, 1) is not None


def test_with_a_cap_nothing_goes_before_the_ledger_is_read() -> None:
    clock = FakeClock()
    woken: list[int] = []
    budget = UplinkBudget(monthly_cap_bytes=500)
    gate = Gate(budget, window_bytes=1000, zone=UTC, clock=clock)
    slot = Slot(5, is_urgent=False, wake=lambda: woken.append(1))
    gate.join(slot)
    assert gate.hold(slot, 1) == Hold("the ledger is not read yet")

    gate.ledger_read(gate.today[:7])

    assert woken == [1]
    assert gate.hold(slot, 1) is None


def test_with_a_cap_each_month_is_read_before_anything_of_it_goes_and_asked_for_once() -> None:
    door = Door(monthly_cap_bytes=500)
    bulk = door.slot()
    asked: list[str] = []
    door.gate.month_began = lambda: asked.append(door.gate.today[:7])
    assert door.gate.hold(bulk, 1) is None

    door.clock.jump_wall(31 * 86_400 * NS_PER_S)
    for _ in range(3):
        assert door.gate.hold(bulk, 1) == Hold("the ledger is not read yet")
    assert asked == [door.gate.today[:7]]
    door.gate.ledger_read(door.gate.today[:7])

    assert door.gate.hold(bulk, 1) is None


def test_a_closed_gate_leaves_no_timer() -> None:
    door = Door(max_rate_bytes=10)
    slot = door.slot()
    door.send(slot)
    assert door.gate.hold(slot, 100) is not None
    door.gate.landed(100)

    door.gate.close()

    assert door.clock.pending() == 0
