"""Boards of the text dialect that sleep between their lines, and say hello before each."""

from __future__ import annotations

import pytest

from leafnode.bridge.framing.text_lines import sealed
from leafnode.bridge.reading import Reading, Receipt
from tests.unit.bridge.framing.test_text_link import greeted, hears, new, says

WAKES = 20


def stored_of(
    hello: bytes, first: int, *, is_sealed: bool, newest_alone: bool = False, no_value: int = 0
) -> list[bytes]:
    """Return what is stored of a board that measures once in each wake, and says what it keeps
    until it hears no `ok`. Its number goes on.
    """
    framing = new()
    seal = sealed if is_sealed else bytes
    kept: list[int] = []
    stored = []
    for wake in range(WAKES):
        kept = ([] if newest_alone else kept) + [first + wake]
        says(framing, seal(hello.replace(b"BOOT", b"%d" % (wake + 1))))
        while kept:
            value = b"nan" if kept[0] == no_value else b"1"
            for event in says(framing, seal(b"#%d pt t %b" % (kept[0], value))):
                assert isinstance(event, Reading)
                assert event.receipt is not None
                stored.append(event.msg_id)
                framing.committed(event.receipt)
            if seal(b"ok %d" % kept[0]) not in hears(framing):
                break
            kept = kept[1:]
    return stored


@pytest.mark.parametrize("is_sealed", [True, False])
@pytest.mark.parametrize("hello", [b"hello uno BOOT", b"hello uno"])
@pytest.mark.parametrize("first", [1, 500])
def test_a_board_that_says_one_line_behind_each_hello_is_stored(
    hello: bytes, first: int, *, is_sealed: bool
) -> None:
    stored = stored_of(hello, first, is_sealed=is_sealed)

    assert [int(msg_id.split(b".")[-1]) for msg_id in stored] == [*range(first, first + WAKES)]


@pytest.mark.parametrize("hello", [b"hello uno BOOT", b"hello uno"])
@pytest.mark.parametrize(("first", "lost"), [(1, 0), (500, 1)])
def test_so_it_is_if_it_keeps_its_newest_line_alone_but_for_a_first_one_that_is_far(
    hello: bytes, first: int, lost: int
) -> None:
    stored = stored_of(hello, first, is_sealed=True, newest_alone=True)

    assert len(stored) == WAKES - lost


@pytest.mark.parametrize("is_sealed", [True, False])
@pytest.mark.parametrize("hello", [b"hello uno BOOT", b"hello uno"])
@pytest.mark.parametrize("number", [3, 17])
def test_a_line_that_can_be_no_reading_is_given_up_behind_another_hello(
    hello: bytes, number: int, *, is_sealed: bool
) -> None:
    stored = stored_of(hello, 1, is_sealed=is_sealed, no_value=number)

    assert [int(msg_id.split(b".")[-1]) for msg_id in stored] == [*range(1, WAKES + 1)]


def test_another_boards_line_counts_for_no_line_of_who_said_hello_since() -> None:
    framing = greeted(b"77")
    nan, far = sealed(b"#2 pt t nan"), sealed(b"#91 pt t 1")
    assert says(framing, nan, far) == []

    says(framing, b"hello node2 77")

    assert says(framing, nan, far) == []
    (given_up,) = says(framing, nan)
    assert isinstance(given_up, Reading)
    assert (given_up.wrong != "", given_up.receipt) == (True, Receipt((b"node2", 77), 2))
