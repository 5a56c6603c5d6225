"""Numbers of a text board's lines."""

from __future__ import annotations

import pytest

from leafnode.bridge.framing.text_numbers import Numbers, Seq


def begun(*, gathers: bool, has_boot: bool = True, at: int = 0) -> Numbers:
    """`at`: this number came, twice where it is far from the first."""
    numbers = Numbers(gathers=gathers)
    numbers.begin(has_boot=has_boot, name="uno")
    while at and numbers.judge(at) is Seq.DOUBTED:
        pass
    return numbers


def test_numbers_rise_and_one_that_came_is_told_again_once_it_is_stored() -> None:
    numbers = begun(gathers=False)

    assert [numbers.judge(seq) for seq in (1, 2, 2, 5)] == [Seq.NEW, Seq.NEW, Seq.AGAIN, Seq.NEW]
    assert (numbers.missing, numbers.due()) == (2, [])
    numbers.committed(2)
    assert (numbers.due(), numbers.due()) == ([b"ok 2"], [])
    assert numbers.judge(1) is Seq.AGAIN
    assert numbers.due() == [b"ok 2"]


def test_a_line_that_is_told_again_takes_no_answer_away() -> None:
    numbers = begun(gathers=False)
    for seq in (1, 2):
        numbers.judge(seq)
    numbers.committed(1)

    numbers.judge(2)

    assert numbers.due() == [b"ok 1"]


def test_where_readings_are_gathered_what_is_taken_is_told_and_then_what_is_stored() -> None:
    numbers = begun(gathers=True)

    assert [numbers.judge(seq) for seq in (1, 2)] == [Seq.NEW, Seq.NEW]
    assert (numbers.due(), numbers.due()) == ([b"got 2"], [])
    assert numbers.judge(1) is Seq.AGAIN
    assert numbers.due() == [b"got 2"]
    numbers.committed(2)
    assert numbers.due() == [b"ok 2"]
    numbers.judge(3)
    numbers.judge(2)
    assert numbers.due() == [b"ok 2", b"got 3"]
    numbers.judge(4)
    numbers.untaken(4)
    assert numbers.due() == []
    assert numbers.judge(4) is Seq.NEW


def test_a_board_without_a_boot_number_is_told_only_what_is_stored() -> None:
    """Each of its hellos begins a new life: what it says again would be gathered twice."""
    numbers = begun(gathers=True, has_boot=False)
    numbers.judge(1)

    assert numbers.due() == []


def test_a_number_far_behind_is_another_lifes_unless_the_board_has_said_hello_again() -> None:
    numbers = begun(gathers=True, at=20)

    assert [numbers.judge(seq) for seq in (13, 12)] == [Seq.AGAIN, Seq.FAR]
    numbers.resume()
    assert [numbers.judge(seq) for seq in (1, 2)] == [Seq.AGAIN, Seq.AGAIN]
    assert numbers.due() == [b"got 20"]
    assert [numbers.judge(seq) for seq in (21, 12)] == [Seq.NEW, Seq.FAR]


def test_one_damaged_number_far_ahead_does_not_ack_what_was_never_stored() -> None:
    numbers = begun(gathers=False, at=12)

    assert numbers.judge(53) is Seq.DOUBTED
    assert [numbers.judge(seq) for seq in (13, 14)] == [Seq.NEW, Seq.NEW]
    assert numbers.missing == 0
    assert numbers.judge(53) is Seq.DOUBTED
    assert numbers.judge(53) is Seq.NEW
    assert numbers.missing == 38


def test_a_board_that_keeps_its_newest_line_alone_is_believed_with_the_second() -> None:
    numbers = begun(gathers=False, at=12)

    assert [numbers.judge(seq) for seq in (53, 63)] == [Seq.DOUBTED, Seq.NEW]


def test_a_number_far_ahead_is_doubted_behind_a_hello_too() -> None:
    """A board says hello again when it was not heard: its wire damages lines just then."""
    numbers = begun(gathers=False, at=12)
    numbers.resume()

    assert [numbers.judge(seq) for seq in (12, 53, 13)] == [Seq.AGAIN, Seq.DOUBTED, Seq.NEW]
    numbers.resume()
    assert [numbers.judge(seq) for seq in (53, 53)] == [Seq.DOUBTED, Seq.NEW]


def test_the_first_number_is_doubted_too_where_nothing_is_known_of_the_board() -> None:
    numbers = begun(gathers=False)

    assert [numbers.judge(seq) for seq in (91, 11)] == [Seq.DOUBTED, Seq.DOUBTED]
    assert [numbers.judge(seq) for seq in (11, 12, 19)] == [Seq.NEW, Seq.NEW, Seq.NEW]
    assert begun(gathers=False).judge(8) is Seq.NEW


def test_a_board_that_says_hello_before_each_line_is_believed_with_the_second() -> None:
    """It sleeps between them, and its numbers go on."""
    numbers = begun(gathers=False)

    assert numbers.judge(500) is Seq.DOUBTED
    numbers.begin(has_boot=True, name="uno")
    assert numbers.judge(500) is Seq.NEW


@pytest.mark.parametrize(
    ("seq", "what"),
    [(12, Seq.DOUBTED), (13, Seq.NEW), (20, Seq.NEW), (28, Seq.NEW), (29, Seq.DOUBTED)],
)
def test_a_number_near_the_last_one_of_before_the_hello_is_believed_at_once(
    seq: int, what: Seq
) -> None:
    numbers = begun(gathers=False, at=20)

    numbers.begin(has_boot=False, name="uno")
    numbers.begin(has_boot=False, name="uno")  # and said nothing

    assert numbers.judge(seq) is what


def test_one_damaged_number_behind_a_hello_costs_no_line_behind_the_next() -> None:
    numbers = begun(gathers=False, at=20)

    numbers.begin(has_boot=True, name="uno")
    assert numbers.judge(91) is Seq.DOUBTED
    numbers.begin(has_boot=True, name="uno")
    assert [numbers.judge(seq) for seq in (21, 22, 53)] == [Seq.NEW, Seq.NEW, Seq.DOUBTED]


def test_what_was_known_of_a_board_before_its_hello_counts_for_no_line_behind_its_first() -> None:
    numbers = begun(gathers=False, at=20)
    numbers.begin(has_boot=True, name="uno")

    assert [numbers.judge(seq) for seq in (1, 21)] == [Seq.NEW, Seq.DOUBTED]


def test_what_waits_already_is_not_missing_and_is_not_taken_again_however_far_back() -> None:
    numbers = begun(gathers=False)
    numbers.committed(10)
    numbers.due()

    numbers.taken(30)

    assert [numbers.judge(seq) for seq in (12, 23, 9)] == [Seq.AGAIN] * 3
    assert numbers.due() == [b"ok 10"]
    assert [numbers.judge(seq) for seq in (31, 33)] == [Seq.NEW, Seq.NEW]
    assert numbers.missing == 1


def test_what_is_known_of_a_board_is_so_behind_the_hello_of_another_until_it_is_forgotten() -> None:
    numbers = begun(gathers=False, at=20)
    numbers.judge(91)

    numbers.begin(has_boot=True, name="due")
    assert [numbers.judge(seq) for seq in (92, 21, 22)] == [Seq.DOUBTED, Seq.DOUBTED, Seq.NEW]
    numbers.begin(has_boot=True, name="uno")
    assert numbers.judge(91) is Seq.NEW
    numbers.begin(has_boot=True, name="due")
    assert numbers.judge(23) is Seq.NEW

    numbers.forget("uno")
    numbers.begin(has_boot=True, name="uno")
    assert numbers.judge(92) is Seq.DOUBTED


def test_another_board_begins_anew() -> None:
    numbers = begun(gathers=True, at=20)
    numbers.committed(20)
    numbers.judge(91)

    numbers.begin(has_boot=True)
    assert [numbers.judge(seq) for seq in (91, 21)] == [Seq.DOUBTED, Seq.DOUBTED]
    numbers.begin(has_boot=True)

    assert numbers.due() == []
    assert numbers.judge(1) is Seq.NEW
    assert numbers.missing == 0
