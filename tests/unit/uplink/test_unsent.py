"""How many messages left the stream before the hub had them, by its sequences and counts."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from leafnode.uplink.answers import ConsumerInfo, StreamInfo
from leafnode.uplink.unsent import Unsent, UnsentNewest


def stream(first: int, last: int, messages: int, **config: Any) -> StreamInfo:
    state = {"messages": messages, "first_seq": first, "last_seq": last}
    return msgspec.convert({"created": "now", "state": state, "config": config}, StreamInfo)


def consumer(delivered: int, count: int, pending: int) -> ConsumerInfo:
    at = {"consumer_seq": count, "stream_seq": delivered}
    return msgspec.convert({"delivered": at, "num_pending": pending}, ConsumerInfo)


def opened(info: StreamInfo, at: ConsumerInfo) -> Unsent:
    unsent = Unsent()
    unsent.open(info, at)
    unsent.note(info, at)
    assert unsent.take() == 0
    return unsent


def test_what_is_missing_behind_the_newest_delivery_is_gone() -> None:
    unsent = opened(stream(1, 100, 100), consumer(10, 10, 90))

    unsent.note(stream(31, 120, 90), consumer(10, 10, 90))
    assert unsent.take() == 20
    unsent.note(stream(31, 120, 90), consumer(10, 10, 90))
    assert unsent.take() == 0
    unsent.note(stream(121, 120, 0), consumer(10, 10, 0))  # a purge
    assert unsent.take() == 90


def test_what_is_counted_behind_is_not_counted_again_when_it_is_passed() -> None:
    unsent = opened(stream(1, 10, 10), consumer(2, 2, 8))
    unsent.note(stream(1, 10, 7), consumer(2, 2, 5))  # 3, 5 and 6 are deleted
    assert unsent.take() == 3

    for delivery, seq in enumerate((4, 7, 8), start=3):
        unsent.delivered(seq, delivery)
    unsent.note(stream(1, 10, 7), consumer(8, 5, 2))
    assert unsent.take() == 0
    unsent.delivered(10, 6)  # 9 went and was passed before anybody looked
    unsent.note(stream(1, 10, 6), consumer(10, 6, 0))
    assert unsent.take() == 1


def test_what_was_gone_when_it_was_opened_is_not_counted() -> None:
    unsent = opened(stream(5, 20, 10), consumer(0, 0, 10))
    for delivery, seq in enumerate(range(11, 21), start=1):
        unsent.delivered(seq, delivery)
    unsent.note(stream(5, 20, 10), consumer(20, 10, 0))

    assert unsent.take() == 0


def test_holes_among_what_was_delivered_before_hide_nothing() -> None:
    info = stream(1, 20, 15)  # 5 of the first 10 are deleted
    unsent = opened(info, consumer(10, 10, 10))

    unsent.note(stream(1, 20, 14), consumer(10, 10, 9))

    assert unsent.take() == 1


def test_what_comes_between_two_answers_is_no_loss() -> None:
    unsent = Unsent()
    unsent.open(stream(1, 10, 10), consumer(0, 0, 14))  # 4 more came before the consumer's answer
    unsent.note(stream(1, 20, 20), consumer(0, 0, 25))
    unsent.note(stream(1, 30, 30), consumer(0, 0, 30))
    assert unsent.take() == 0

    unsent.note(stream(3, 30, 28), consumer(0, 0, 28))
    assert unsent.take() == 2


def test_what_is_on_its_way_here_is_no_loss() -> None:
    unsent = opened(stream(1, 10, 10), consumer(0, 0, 10))

    unsent.note(stream(1, 10, 10), consumer(6, 6, 4))
    unsent.delivered(1, 1)
    unsent.note(stream(1, 10, 10), consumer(6, 6, 4))

    assert unsent.take() == 0


def test_what_was_delivered_while_it_was_looked_at_is_no_loss() -> None:
    unsent = opened(stream(1, 10, 10), consumer(0, 0, 10))
    unsent.delivered(1, 1)
    unsent.delivered(2, 2)

    unsent.note(stream(1, 10, 10), consumer(0, 0, 10))

    assert unsent.take() == 0


def test_what_somebody_else_was_given_is_no_loss() -> None:
    unsent = opened(stream(1, 10, 10), consumer(0, 0, 10))
    unsent.note(stream(1, 10, 10), consumer(3, 3, 7))
    unsent.delivered(4, 4)
    unsent.note(stream(1, 10, 10), consumer(4, 4, 6))
    assert unsent.take() == 0

    unsent.delivered(2, 6)  # again, and 5 went to somebody else
    unsent.delivered(8, 7)  # 6 and 7 are gone
    unsent.note(stream(1, 10, 8), consumer(8, 7, 2))
    assert unsent.take() == 2


def test_what_went_while_nobody_looked_is_known_with_the_hubs_word() -> None:
    unsent = opened(stream(41, 50, 10), consumer(20, 30, 10))
    assert unsent.told(22)
    unsent.note(stream(41, 50, 10), consumer(20, 30, 10))
    assert unsent.take() == 18  # of 21 to 40 the hub has two

    assert not unsent.told(22)
    unsent.note(stream(41, 50, 10), consumer(20, 30, 10))
    assert unsent.take() == 0


@pytest.mark.parametrize(("count", "hub_seq"), [(0, 0), (30, 40), (30, 99)])
def test_nothing_is_missing_for_a_new_consumer_nor_where_the_hub_has_it(
    count: int, hub_seq: int
) -> None:
    unsent = opened(stream(41, 50, 10), consumer(20, count, 10))

    assert not unsent.told(hub_seq)
    unsent.note(stream(41, 50, 10), consumer(20, count, 10))

    assert unsent.take() == 0


def test_it_goes_on_with_the_same_consumer_and_begins_with_another_one() -> None:
    unsent = opened(stream(1, 10, 10), consumer(1, 1, 9))
    unsent.open(stream(4, 10, 7), consumer(1, 1, 7))
    unsent.note(stream(4, 10, 7), consumer(1, 1, 7))
    assert unsent.take() == 2

    unsent.open(stream(6, 10, 5), consumer(0, 0, 5))
    unsent.note(stream(6, 10, 5), consumer(0, 0, 5))
    assert unsent.take() == 0


def test_the_holes_of_a_mirror_are_its_origins() -> None:
    unsent = opened(stream(1, 10, 10, mirror={"name": "O"}), consumer(1, 1, 9))

    unsent.note(stream(1, 50, 20, mirror={"name": "O"}), consumer(1, 1, 19))

    assert unsent.take() == 0


# -- newest first


def newest(info: StreamInfo) -> UnsentNewest:
    unsent = UnsentNewest()
    unsent.open(info)
    unsent.told(0)
    return unsent


def test_newest_first_what_is_passed_over_is_lost_once_the_hub_said_what_it_has() -> None:
    unsent = UnsentNewest()
    unsent.open(stream(3, 20, 18))
    unsent.gone(3, 5)
    assert unsent.take() == 0

    unsent.told(0)
    unsent.gone(8, 3)
    unsent.gone(25, 1)
    assert unsent.take() == 4
    assert unsent.take() == 0


def test_newest_first_holes_of_before_are_not_counted() -> None:
    unsent = UnsentNewest()
    unsent.open(stream(3, 20, 10))
    unsent.told(0)

    unsent.gone(5, 5)
    unsent.gone(1, 13)
    assert unsent.take() == 10
