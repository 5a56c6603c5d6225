"""Readings gathered into one."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from leafnode.bridge.mapping.windows import Windows
from leafnode.bridge.reading import Reading, Receipt
from leafnode.config import serial_bounds


def gathered(functions: tuple[str, ...], *fields: dict[str, object]) -> dict[str, object]:
    windows = Windows(functions)
    for index, one in enumerate(fields):
        windows.add(b"s", Reading(b"%d" % index, b""), one, one, index)
    (made,) = windows.end()
    assert made.reading.msg_id == b"%d" % (len(fields) - 1)
    assert made.wall_ns == len(fields) - 1
    return made.fields()


def test_one_function_keeps_the_name() -> None:
    assert gathered(("mean",), {"t": 1}, {"t": 2}, {"t": 6}) == {"t": 3.0}
    assert gathered(("max",), {"t": 1}, {"t": 6}, {"t": 2}) == {"t": 6}


def test_several_functions_have_names_of_their_own() -> None:
    fields = gathered(("min", "max", "mean", "last", "count"), {"t": 4}, {"t": 1}, {"t": 1})

    assert fields == {"t_min": 1, "t_max": 4, "t_mean": 2.0, "t_last": 1, "count": 3}


def test_the_count_is_one_for_all_fields() -> None:
    assert gathered(("mean", "count"), {"t": 1, "h": 5}, {"t": 3}) == {
        "t": 2.0,
        "h": 5.0,
        "count": 2,
    }
    assert gathered(("count",), {"t": 1}, {"t": 3}) == {"t": 3, "count": 2}


def test_of_what_is_no_number_the_last_stands_under_its_own_name() -> None:
    fields = gathered(("min", "max"), {"u": "C", "on": True}, {"u": "F", "on": False})

    assert fields == {"u": "F", "on": False}


@pytest.mark.parametrize("value", ["high", None, True])
def test_a_field_by_the_name_of_what_is_made_gives_way(value: object) -> None:
    first = gathered(("min", "max"), {"temp": 21.5, "temp_min": value})
    last = gathered(("min", "max"), {"temp_min": value, "temp": 21.5})

    assert first == last == {"temp_min": 21.5, "temp_max": 21.5}


def test_a_missing_value_does_not_count() -> None:
    assert gathered(("mean",), {"t": None}, {"t": 2}, {"t": None}, {"t": 4}) == {"t": 3.0}
    assert gathered(("mean",), {"t": None}) == {"t": None}


def test_subjects_are_gathered_apart_and_the_last_reading_comes_last() -> None:
    windows = Windows(("last",))
    for index, subject in enumerate((b"a", b"b", b"a")):
        windows.add(subject, Reading(b"%d" % index, b""), {"n": index}, {}, 0)

    assert [(made.subject, made.fields()) for made in windows.end()] == [
        (b"b", {"n": 1}),
        (b"a", {"n": 2}),
    ]
    assert windows.end() == []


def test_what_a_device_keeps_is_gathered_apart_and_comes_last() -> None:
    windows = Windows(("count", "last"))
    said = [(b"a", 1), (b"b", 2), (b"a", None), (b"c", None), (b"b", None)]
    for index, (subject, seq) in enumerate(said):
        receipt = Receipt((b"x", 7), seq) if seq is not None else None
        windows.add(subject, Reading(b"%d" % index, b"", receipt=receipt), {"n": index}, {}, index)

    ended = windows.end()
    assert [(made.subject, made.reading.msg_id, made.is_kept) for made in ended] == [
        (b"a", b"2", False),
        (b"c", b"3", False),
        (b"b", b"4", False),
        (b"a", b"0", True),
        (b"b", b"1", True),
    ]
    assert [made.fields() for made in ended] == [{"n": n, "count": 1} for n in (2, 3, 4, 0, 1)]


def test_there_is_room_for_no_more_subjects_than_the_bound() -> None:
    windows = Windows(("last",))
    for number in range(serial_bounds.WINDOW_SUBJECTS_MAX):
        assert windows.has_room(b"%d" % number)
        windows.add(b"%d" % number, Reading(b"x", b""), {}, {}, 0)

    assert not windows.has_room(b"new")
    assert windows.has_room(b"0")
    with pytest.raises(AssertionError):
        windows.add(b"new", Reading(b"x", b""), {}, {}, 0)


def test_texts_are_bounded_and_the_windows_end_early_for_them() -> None:
    windows = Windows(("last",))
    most, text = serial_bounds.WINDOW_TEXT_BYTES_MAX, "x" * 60_000
    payload = Reading(b"x", b'{"f":"%b"}' % text.encode())

    def add(number: int) -> None:
        field = {f"f{number}": text}
        windows.add(b"s.%d" % (number % 2), payload, field, field, 0)

    for number in range(most // len(text)):
        for _ in range(3):  # in the place of the one before
            add(number)
    assert windows.has_room(b"new")
    add(127)

    assert not windows.has_room(b"s.0")
    assert not windows.has_room(b"new")
    windows.end()
    assert windows.has_room(b"s.0")


@pytest.mark.parametrize("values", [(21.5, 7, True, None), ("C", 21.5)])
def test_numbers_take_no_room_of_texts(values: tuple[object, ...]) -> None:
    windows = Windows(("last",))

    for value in values:
        windows.add(b"s", Reading(b"x", b"{}"), {"t": value}, {}, 0)

    assert windows._text_bytes == 0


def test_a_list_counts_as_the_reading_that_it_came_in() -> None:
    windows = Windows(("last",))

    for _ in range(2):
        windows.add(b"s", Reading(b"x", b'{"t":[1,2]}'), {"t": [1, 2]}, {}, 0)

    assert windows._text_bytes == 11


def test_a_window_has_no_more_fields_than_a_reading_may_have() -> None:
    fields = gathered(
        ("last",), *({f"f{number}": 1} for number in range(serial_bounds.READING_FIELDS_MAX + 1))
    )

    assert len(fields) == serial_bounds.READING_FIELDS_MAX


@given(st.lists(st.integers(-1000, 1000), min_size=1))
def test_the_functions_are_those_of_python(values: list[int]) -> None:
    fields = gathered(("min", "max", "mean", "last", "count"), *({"t": value} for value in values))

    assert fields["t_min"] == min(values)
    assert fields["t_max"] == max(values)
    assert fields["t_mean"] == pytest.approx(sum(values) / len(values), abs=1e-9)
    assert fields["t_last"] == values[-1]
    assert fields["count"] == len(values)


@pytest.mark.parametrize("value", [0.12345678901234567, -0.12345678901234567, 2**63 - 1, 5e-324])
def test_a_mean_is_not_above_the_greatest_nor_below_the_least(value: float) -> None:
    fields = gathered(("min", "max", "mean"), {"t": value}, {"t": value})

    assert fields["t_min"] == fields["t_mean"] == fields["t_max"] == value


def test_what_two_boards_keep_is_not_gathered_together() -> None:
    windows = Windows(("count",))
    windows.add(b"a", Reading(b"0", b"", b"x"), {}, {}, 0)
    windows.add(b"b", Reading(b"1", b"", b"x", receipt=Receipt((b"x", 7), 1)), {}, {}, 0)

    assert windows.is_for(None)
    assert [windows.is_for(life) for life in ((b"x", 7), (b"x", 8), (b"y", 7))] == [
        True,
        False,
        False,
    ]
    windows.drop((b"x", 8))
    assert len(windows) == 2
    text = {"t": "x" * serial_bounds.WINDOW_TEXT_BYTES_MAX}
    windows.add(b"b", Reading(b"2", b"", b"x", receipt=Receipt((b"x", 7), 2)), text, {}, 0)
    assert not windows.has_room(b"a")
    windows.drop((b"x", 7))
    assert windows.has_room(b"a")
    assert [made.subject for made in windows.end()] == [b"a"]
    assert windows.is_for((b"y", 7))
