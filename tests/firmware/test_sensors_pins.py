"""Analog inputs, current loops, pulse counters and contacts on functions that return what is told.

Runs on CPython and MicroPython.
"""

from sensors.analog import Analog, CurrentLoop
from sensors.counter import Counter
from sensors.gpio import Input

from tests.unit.link.wire import raises


class Values:
    """Returns one value after the other, the last for ever."""

    def __init__(self, *values):
        self._values = list(values)

    def __call__(self):
        return self._values.pop(0) if len(self._values) > 1 else self._values[0]


def test_an_analog_input_is_a_straight_line_between_its_ends():
    assert Analog(Values(0), 3.3).value() == 0
    assert Analog(Values(65535), 3.3).value() == 3.3
    assert Analog(Values(65535), 150, -50, digits=1).value() == 100
    assert Analog(Values(0), 150, -50, digits=1).value() == -50


def test_an_analog_value_is_the_mean_of_its_samples():
    assert Analog(Values(0, 65535), 2, samples=2, digits=2).value() == 1
    raises(ValueError, Analog, Values(0), samples=0)


def loop(milliamperes):
    return CurrentLoop(Values(int(milliamperes * 150 / 3300 * 65535 + 0.5)), 0, 10)


def test_a_current_loop_is_low_at_4_and_high_at_20_milliamperes():
    assert loop(4).value() == 0
    assert loop(12).value() == 5
    assert loop(20).value() == 10
    assert loop(20.5).value() == 10.31  # NE 43: still a value


def test_a_broken_or_shorted_loop_is_an_error_and_no_value():
    for milliamperes in (0, 3.5, 21.5):
        raises(OSError, loop(milliamperes).value)
    assert abs(loop(3.5).milliamperes() - 3.5) < 0.01


def test_a_counter_counts_from_its_start():
    counter = Counter(Values(1000, 1003, 1003, 1010), lambda: 0)

    assert [counter.total(), counter.total(), counter.total()] == [3, 3, 10]


def test_a_counter_that_wraps_goes_on():
    counter = Counter(Values(65530, 4), lambda: 0, modulus=65536)

    assert counter.total() == 10


def test_pulses_have_units_and_a_rate():
    now = [0]
    count = [0]
    counter = Counter(lambda: count[0], lambda: now[0], pulses_per_unit=450)

    count[0] = 900
    now[0] = 4000
    assert counter.rate() == 0.5
    assert counter.total() == 2
    assert counter.rate() is None  # no time has passed
    now[0] = 6000
    assert counter.rate() == 0
    raises(ValueError, Counter, lambda: 0, lambda: 0, pulses_per_unit=0)


def test_a_rate_survives_the_wrap_of_the_clock():
    now = [0x1FFFFFFF - 999]
    count = [0]
    counter = Counter(lambda: count[0], lambda: now[0])

    count[0] = 10
    now[0] = 1000
    assert counter.rate() == 5


def test_a_contact_is_told_at_start_and_when_it_changes():
    contact = Input(Values(0, 0, 1, 1, 0))

    assert [contact.value() for _ in range(6)] == [0, None, 1, None, 0, None]


def test_a_contact_that_bounces_is_told_once():
    contact = Input(Values(0, 0, 0, 1, 0, 1, 1, 1, 1), stable=3)

    told = [contact.value() for _ in range(10)]
    assert told == [None, None, 0] + [None] * 4 + [1] + [None] * 2


def test_a_contact_may_be_told_without_a_change_and_the_other_way_round():
    contact = Input(Values(1), invert=1, every=3)

    assert [contact.value() for _ in range(7)] == [0, None, None, 0, None, None, 0]
    raises(ValueError, Input, Values(0), stable=0)
