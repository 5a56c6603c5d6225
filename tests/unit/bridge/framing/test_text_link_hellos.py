"""Boards of the text dialect that sleep between their lines, and say hello before each."""

from __future__ import annotations

import pytest

from leafnode.bridge.framing.text_lines import sealed
from leafnode.bridge.port_bounds import TEXT_BOARDS_MAX
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


@pytest.mark.parametrize("is_sealed", [True, False])
@pytest.mark.parametrize("hello", [b"hello NAME BOOT", b"hello NAME", b"hello NAME 7"])
@pytest.mark.parametrize("first", [1, 500])
@pytest.mark.parametrize("no_value", [0, 3])
def test_boards_that_say_one_line_each_in_turn_behind_their_hellos_are_stored(
    hello: bytes, first: int, no_value: int, *, is_sealed: bool
) -> None:
    """They sleep behind one radio."""
    framing = new()
    seal = sealed if is_sealed else bytes
    kept: dict[bytes, list[int]] = {b"uno": [], b"due": [], b"mega": []}
    stored = dict.fromkeys(kept, 0)
    for wake in range(WAKES):
        for name, keeps in kept.items():
            keeps.append(first + wake)
            says(framing, seal(hello.replace(b"NAME", name).replace(b"BOOT", b"%d" % (wake + 1))))
            while keeps:
                value = b"nan" if keeps[0] == first + no_value - 1 else b"1"
                for event in says(framing, seal(b"#%d pt t %b" % (keeps[0], value))):
                    assert isinstance(event, Reading)
                    assert event.receipt is not None
                    stored[name] += 1
                    framing.committed(event.receipt)
                if seal(b"ok %d" % keeps[0]) not in hears(framing):
                    break
                keeps.pop(0)

    assert stored == dict.fromkeys(kept, WAKES)


def woken_in_turn(count: int) -> tuple[int, dict[str, int]]:
    """Return how many readings are stored of so many boards, from #500 on, and what was wrong."""
    framing, stored = new(), 0
    for wake in range(WAKES):
        for board in range(count):
            says(framing, sealed(b"hello n%d %d" % (board, wake + 1)))
            for event in says(framing, sealed(b"#%d pt t 1" % (500 + wake))):
                if isinstance(event, Reading) and event.receipt is not None:
                    stored += 1
                    framing.committed(event.receipt)
    return stored, framing.wrong.counts()


def test_as_many_boards_as_are_remembered_may_wake_in_turn_and_those_beyond_are_counted() -> None:
    stored, wrong = woken_in_turn(TEXT_BOARDS_MAX)
    assert stored == TEXT_BOARDS_MAX * (WAKES - 1)
    assert wrong["doubted"] == TEXT_BOARDS_MAX

    stored, wrong = woken_in_turn(TEXT_BOARDS_MAX + 1)
    assert stored + wrong["doubted"] == (TEXT_BOARDS_MAX + 1) * WAKES


def test_of_a_board_that_is_elsewhere_now_no_number_is_known_though_another_is_here() -> None:
    framing = new()
    assert len(says(framing, b"hello uno 7", b"#8 pt t 1")) == 2
    says(framing, b"hello due 7")

    framing.forget("uno")

    assert len(says(framing, b"hello uno 8", b"#9 pt t 1")) == 1
    assert len(says(framing, b"#9 pt t 1")) == 1


@pytest.mark.parametrize("when", ["before", "while it is away", "behind the opening"])
def test_what_one_board_said_is_not_acknowledged_to_the_next_on_its_port(when: str) -> None:
    """That one was greeted before, keeps its power, and would drop its own lines up to there."""
    framing = new()
    says(framing, b"hello ta 7")
    hears(framing)
    (reading,) = says(framing, b"#1 pt t 1")
    assert isinstance(reading, Reading)
    assert reading.receipt is not None

    if when == "before":
        framing.committed(reading.receipt)
    framing.closed()
    if when == "while it is away":
        framing.committed(reading.receipt)
    framing.opened(1000)
    if when == "behind the opening":
        framing.committed(reading.receipt)

    assert not any(line.startswith(b"ok ") for line in hears(framing))
    says(framing, b"")  # the tail of a line
    says(framing, b"hello ta 7")
    assert says(framing, b"#1 pt t 1") == []
    assert b"ok 1" in hears(framing)
