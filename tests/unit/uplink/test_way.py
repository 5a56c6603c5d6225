"""What is on the way, and what of it the hub has lost."""

from __future__ import annotations

from leafnode.uplink.way import Way


def sent(*seqs: int) -> Way:
    way = Way()
    for seq in seqs:
        way.sent(seq)
    return way


def test_nothing_is_lost_while_answers_come_in_order() -> None:
    way = sent(1, 2, 3)

    for seq in (1, 2, 3):
        assert way.lost() is None
        way.stored(seq)

    assert way.lost() is None


def test_what_a_later_message_passed_is_lost_the_first_of_it_first() -> None:
    way = sent(1, 2, 3, 4, 5)
    way.stored(1)
    way.stored(4)

    assert way.lost() == 2
    way.stored(2)
    assert way.lost() == 3
    way.stored(3)  # it came another way
    assert way.lost() is None


def test_the_order_is_that_of_sending() -> None:
    way = sent(7, 8, 3)
    way.stored(7)
    way.stored(3)

    assert way.lost() == 8


def test_what_is_sent_once_more_is_behind_all_others() -> None:
    way = sent(1, 2)
    way.sent(1)
    way.stored(2)

    assert way.lost() is None


def test_a_duplicate_or_a_refusal_says_nothing_of_those_before_it() -> None:
    way = sent(1, 2, 3)

    way.ended(2)

    assert way.lost() is None
    way.stored(3)
    assert way.lost() == 1


def test_an_answer_to_what_is_not_on_the_way_says_nothing() -> None:
    way = sent(1, 2)
    way.clear()
    way.sent(1)

    way.stored(2)

    assert way.lost() is None
