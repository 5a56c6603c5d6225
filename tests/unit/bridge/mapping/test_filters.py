"""What says nothing new does not pass."""

from __future__ import annotations

from fractions import Fraction

from hypothesis import example, given
from hypothesis import strategies as st

from leafnode.bridge.mapping.filters import Filters
from leafnode.clock import NS_PER_S
from leafnode.config import serial_bounds
from leafnode.config.serial_stage_options import MappingOptions


def passes(filters: Filters, key: bytes, values: object, now_ns: int) -> bool:
    """Publish it if it passes."""
    is_news = filters.passes(key, values, now_ns)
    if is_news:
        filters.published(key, values, now_ns)
    return is_news


def passing(
    filters: Filters, readings: list[tuple[float, object]], key: bytes = b"s"
) -> list[object]:
    """Return the values that pass, of pairs of second and value."""
    return [
        value for second, value in readings if passes(filters, key, value, int(second * NS_PER_S))
    ]


def kg(value: object) -> dict[str, object]:
    return {"kg": value, "other": 1}


def test_without_options_nothing_is_asked() -> None:
    assert not Filters(MappingOptions(), {}).active
    assert Filters(MappingOptions(), {"kg": 0.0}).active


def test_a_value_passes_when_it_has_left_its_deadband_since_what_was_published() -> None:
    filters = Filters(MappingOptions(), {"kg": 1.0})
    values = [5, 5.4, 5.9, 6, 6.9, 5.1, 5]

    assert passing(filters, [(0, kg(value)) for value in values]) == [kg(5), kg(6), kg(5)]


@example(before=215, deadband=2, places=1, sign=1)
@given(
    before=st.integers(-(10**6), 10**6),
    deadband=st.integers(1, 1000),
    places=st.integers(0, 6),
    sign=st.sampled_from((1, -1)),
)
def test_a_move_by_just_the_deadband_passes_whatever_the_binary_fractions_say(
    before: int, deadband: int, places: int, sign: int
) -> None:
    """21.5 and 21.7 with 0.2: the difference of the floats is 0.1999999999999993."""

    def decimal(steps: int) -> float:
        return float(f"{steps}e-{places}")

    now = before + sign * deadband
    filters = Filters(MappingOptions(), {"kg": decimal(deadband)})
    values = [decimal(before), decimal(now - sign), decimal(now)]

    assert passing(filters, [(0, kg(value)) for value in values]) == [kg(values[0]), kg(values[2])]


def test_a_deadband_of_zero_is_any_change() -> None:
    filters = Filters(MappingOptions(), {"kg": 0.0})

    assert passing(filters, [(0, kg(value)) for value in (1, 1, 1.5, 1.5, 1)]) == [
        kg(1),
        kg(1.5),
        kg(1),
    ]


def test_words_pass_when_they_change() -> None:
    filters = Filters(MappingOptions(), {"kg": 1.0})
    values = [True, True, False, None, None, 0, "x"]

    assert len(passing(filters, [(0, kg(value)) for value in values])) == 5


def test_fields_without_a_deadband_do_not_matter() -> None:
    filters = Filters(MappingOptions(), {"kg": 1.0})

    assert len(passing(filters, [(0, {"kg": 1, "n": number}) for number in range(5)])) == 1


def test_a_reading_without_any_watched_field_passes() -> None:
    filters = Filters(MappingOptions(), {"kg": 1.0})

    assert len(passing(filters, [(0, {"x": 1}), (0, {"x": 1})])) == 2


def test_after_a_silence_anything_passes() -> None:
    filters = Filters(MappingOptions(max_silence_ns=10 * NS_PER_S), {"kg": 1.0})

    assert passing(filters, [(0, kg(1)), (9.9, kg(1)), (10, kg(1)), (19, kg(1))]) == [kg(1), kg(1)]


def test_within_the_interval_nothing_passes() -> None:
    filters = Filters(MappingOptions(min_interval_ns=NS_PER_S), {})

    assert passing(filters, [(0, 1), (0.5, 2), (1, 3), (1.9, 4), (2, 5)]) == [1, 3, 5]


def test_a_repeat_passes_only_after_its_time() -> None:
    filters = Filters(MappingOptions(ignore_repeats_ns=2 * NS_PER_S), {})

    assert passing(filters, [(0, b"a"), (1, b"a"), (1, b"b"), (2, b"a"), (4, b"a")]) == [
        b"a",
        b"b",
        b"a",
        b"a",
    ]


def test_every_subject_has_its_own_last_value() -> None:
    filters = Filters(MappingOptions(min_interval_ns=NS_PER_S), {})

    assert passes(filters, b"a", 1, 0)
    assert passes(filters, b"b", 1, 0)
    assert not passes(filters, b"a", 1, 0)


def test_beyond_the_bound_the_subject_published_longest_ago_is_forgotten() -> None:
    filters = Filters(MappingOptions(min_interval_ns=NS_PER_S), {})
    for number in range(serial_bounds.FILTER_SUBJECTS_MAX):
        assert passes(filters, b"%d" % number, 1, number)

    assert not passes(filters, b"0", 1, 1000)
    assert passes(filters, b"new", 1, 1000)
    assert len(filters._last) == serial_bounds.FILTER_SUBJECTS_MAX
    assert passes(filters, b"0", 1, 1000)
    assert not passes(filters, b"2", 1, 1000)


@given(st.lists(st.floats(-100, 100), min_size=1, max_size=30), st.floats(0, 10))
def test_between_what_passes_no_value_was_further_than_the_deadband(
    values: list[float], deadband: float
) -> None:
    filters = Filters(MappingOptions(), {"kg": deadband})
    published = values[0]
    for value in values:
        if passes(filters, b"s", {"kg": value}, 0):
            published = value
        distance = abs(Fraction(repr(value)) - Fraction(repr(published)))
        assert distance < Fraction(repr(deadband)) or distance == 0
