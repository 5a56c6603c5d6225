"""Lines of a text board, however they come. Truth: docs/device-link.md, "The text dialect"."""

from __future__ import annotations

from itertools import combinations_with_replacement, pairwise

import pytest

from leafnode.bridge.framing.text_cut import TAIL, LineCutter, Tail
from leafnode.bridge.framing.text_lines import Passed


def taken(lines: LineCutter, data: bytes) -> list[bytes | Tail | tuple[bytes, bool]]:
    """Return what is found, but empty lines; of a line that is too long how it begins."""
    lines.feed(data)
    found: list[bytes | Tail | tuple[bytes, bool]] = []
    while (line := lines.next_line()) is not None:
        if line:
            found.append((line.begins, line.is_whole) if isinstance(line, Passed) else line)
    return found


def test_cr_lf_and_both_end_a_line() -> None:
    lines = LineCutter(max_line_bytes=8, keep_first=True)

    assert taken(lines, b"a\rb\nc\r\nd") == [b"a", b"b", b"c"]
    assert taken(lines, b"e\n") == [b"de"]


def test_what_comes_before_the_first_end_is_passed_over_unless_it_is_kept() -> None:
    lines = LineCutter(max_line_bytes=8, keep_first=False)
    assert taken(lines, b"pt t 1\npt t 2\n") == [TAIL, b"pt t 2"]
    assert lines.noise_bytes == 6

    lines.opened()
    assert taken(lines, b"x" * 100) == []
    assert taken(lines, b"\npt t 3\n") == [TAIL, b"pt t 3"]
    lines.opened()
    assert taken(lines, b"\npt t 4\n") == [b"pt t 4"]
    assert taken(LineCutter(max_line_bytes=8, keep_first=True), b"pt t 5\n") == [b"pt t 5"]


def test_a_line_that_is_too_long_is_told_of_at_once_and_when_it_ends() -> None:
    lines = LineCutter(max_line_bytes=4, keep_first=True)

    assert taken(lines, b"12345") == [(b"12345", False)]
    assert taken(lines, b"6") == []
    assert taken(lines, b"7\n1234\n12345\n") == [
        (b"1234567", True),
        b"1234",
        (b"", False),
        (b"12345", True),
    ]
    assert lines.noise_bytes == 12


@pytest.mark.parametrize(
    ("before", "expected"),
    [
        (b"a\nb", [TAIL, b"c"]),
        (b"12345", [TAIL, b"c"]),
        (b"a\n", [b"pt", b"c"]),
    ],
)
def test_what_is_dropped_amid_a_line_leaves_a_tail(before: bytes, expected: list[object]) -> None:
    lines = LineCutter(max_line_bytes=4, keep_first=True)
    lines.feed(before)
    assert lines.next_line() is not None

    lines.drop()

    assert taken(lines, b"pt\nc\n") == expected


WIRE = b"12 pt t 1\r\n#1 pub a b\n\n\r123456789012345\n#2 pt t 2\nend"


def of_pieces(keep_first: bool, ends: list[int]) -> tuple[list[object], int]:
    """Return what is found in the wire that comes in pieces with these ends, and what is noise."""
    lines = LineCutter(max_line_bytes=12, keep_first=keep_first)
    found = [line for a, b in pairwise([0, *ends, len(WIRE)]) for line in taken(lines, WIRE[a:b])]
    whole = [line for line in found if not isinstance(line, tuple) or line[1]]
    return whole, lines.noise_bytes


@pytest.mark.parametrize("keep_first", [True, False])
def test_lines_are_the_same_however_they_come(keep_first: bool) -> None:
    """All ways to cut it in three, of which some may be empty, and byte by byte."""
    places = range(len(WIRE) + 1)
    expected = of_pieces(keep_first, [])

    for ends in combinations_with_replacement(places, 2):
        assert of_pieces(keep_first, list(ends)) == expected, ends
    assert of_pieces(keep_first, list(places)) == expected
