"""A timer that moves."""

from __future__ import annotations

from leafnode.uplink.alarm import Alarm
from tests.sim.clock import FakeClock


def test_setting_an_alarm_again_moves_it() -> None:
    clock = FakeClock()
    rings: list[int] = []
    alarm = Alarm(clock, lambda: rings.append(1))

    alarm.set(10)
    alarm.set(30)
    clock.advance(20)
    assert rings == []
    assert alarm.is_set

    clock.advance(20)
    assert rings == [1]
    assert not alarm.is_set


def test_a_cancelled_alarm_does_not_ring() -> None:
    clock = FakeClock()
    rings: list[int] = []
    alarm = Alarm(clock, lambda: rings.append(1))

    alarm.set(10)
    alarm.cancel()
    alarm.cancel()
    clock.advance(20)

    assert rings == []
    assert clock.pending() == 0


def test_an_alarm_is_hastened_and_never_delayed_nor_set_by_that() -> None:
    clock = FakeClock()
    rings: list[int] = []
    alarm = Alarm(clock, lambda: rings.append(1))
    alarm.hasten(5)
    assert not alarm.is_set

    alarm.set(30)
    clock.advance(10)
    alarm.hasten(5)
    clock.advance(4)
    alarm.hasten(5)
    clock.advance(1)

    assert rings == [1]
