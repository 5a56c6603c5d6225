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
