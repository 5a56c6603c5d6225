"""Marks and lengths at their edges; what holds for all framings is in test_split.py."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from leafnode.config.serial_stage_options import CheckOptions
from tests.unit.bridge.framing.feeding import cut, feed, framing_of

if TYPE_CHECKING:
    from leafnode.bridge.reading import Framing


def test_the_content_is_what_stands_between_the_marks() -> None:
    framing = framing_of("start_end", start=b"<<", end=b">>")

    assert feed(framing, b"noise<<one>>between<<two>>") == [b"one", b"two"]
    assert framing.counts().noise_bytes == len(b"noisebetween")


def test_the_whole_frame_is_kept_where_the_options_say_so() -> None:
    assert feed(framing_of("start_end", start=b"<", end=b">", strip=False), b"x<one>") == [b"<one>"]
    assert feed(framing_of("fixed", start=b"<", length=3, strip=False), b"<ab") == [b"<ab"]


def test_marks_cut_in_two_are_marks() -> None:
    framing = framing_of("start_end", start=b"abc", end=b"xyz")

    assert feed(framing, *(bytes((byte,)) for byte in b"aababcONExyabcTWOxxyz")) == [b"TWOx"]


def test_a_start_inside_a_frame_begins_it_anew() -> None:
    framing = framing_of("start_end", start=b"\x02", end=b"\x03")

    assert feed(framing, b"\x02half\x02whole\x03") == [b"whole"]
    assert framing.counts().noise_bytes == 5


MARK = st.text("AB", min_size=1, max_size=3).map(str.encode)


@given(MARK, MARK, st.integers(0, 2), st.sampled_from([9, 12, 1000]), st.data())
def test_marks_that_overlap_are_found_alike_in_whatever_pieces_they_come(
    start: bytes, end: bytes, after_end: int, max_frame_bytes: int, data: st.DataObject
) -> None:
    def new() -> Framing:
        framing = framing_of(
            "start_end", start=start, end=end, after_end=after_end, max_frame_bytes=max_frame_bytes
        )
        framing.opened(0)
        return framing

    stream = data.draw(st.text("ABC", max_size=60)).encode()
    whole, pieces = new(), new()

    assert feed(pieces, *cut(stream, data)) == feed(whole, stream)
    assert pieces.counts() == whole.counts()


def test_an_end_that_begins_in_a_start_ends_the_frame() -> None:
    framing = framing_of("start_end", start=b"AB", end=b"BA")

    assert feed(framing, b"AB1A", b"B", b"A") == [b"1A"]


def test_the_bytes_behind_the_end_may_be_marks_themselves() -> None:
    framing = framing_of("start_end", start=b"\x02", end=b"\x03", after_end=2)

    assert feed(framing, b"\x02one\x03\x02\x03\x02two\x03", b"\x03", b"\x02") == [b"one", b"two"]


def test_a_frame_with_its_marks_has_at_most_the_maximum() -> None:
    framing = framing_of("start_end", start=b"<", end=b">", max_frame_bytes=6)

    assert feed(framing, b"<1234><12345><1>") == [b"1234", b"1"]
    assert framing.counts().overlong == 1


def test_a_frame_of_a_fixed_size_needs_its_end_mark() -> None:
    framing = framing_of("fixed", start=b"\xaa\xc0", end=b"\xab", length=5)

    assert feed(framing, b"\xaa\xc012\xab\xaa\xc0123\xaa\xc034\xab") == [b"12", b"34"]


@pytest.mark.parametrize(
    ("size", "big", "field"),
    [
        (1, True, b"\x05"),
        (2, True, b"\x00\x05"),
        (2, False, b"\x05\x00"),
        (4, False, b"\x05\0\0\0"),
    ],
)
def test_a_length_may_have_several_bytes_in_either_order(
    size: int, big: bool, field: bytes
) -> None:
    framing = framing_of(
        "length",
        start=b"L",
        length_at=1,
        length_bytes=size,
        length_big=big,
        length_add=1 + size,
    )

    assert feed(framing, b"L" + field + b"12345") == [field + b"12345"]


def test_a_length_that_cannot_be_is_a_false_start() -> None:
    framing = framing_of("length", start=b"L", length_at=1, length_min=4, max_frame_bytes=8)

    assert feed(framing, b"L\x03xL\x09L\x00L\x04ab") == [b"\x04ab"]
    assert framing.counts().noise_bytes == 7


def test_a_frame_without_a_mark_is_found_by_its_check() -> None:
    framing = framing_of("fixed", length=4, check=CheckOptions("sum8"))
    good = b"\x01\x02\x03\x06"

    assert feed(framing, b"\x09\x09" + good * 3) == [good[:3]] * 3
