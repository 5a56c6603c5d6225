"""When all that the consumer gave to a former run is back."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from leafnode import limits
from leafnode.clock import NS_PER_S
from leafnode.uplink.former import Former
from tests.sim.clock import FakeClock

if TYPE_CHECKING:
    from leafnode.uplink.local import LocalStream

DUE_NS = limits.UPLINK_ACK_WAIT_NS + limits.UPLINK_RETRY_NS


class Local:
    """A stream that notes what it is asked for."""

    def __init__(self) -> None:
        self.is_pulling = False
        self.asked: list[int] = []

    def collect(self, msgs: int) -> None:
        self.asked.append(msgs)
        self.is_pulling = True


def made() -> tuple[Former, Local, FakeClock]:
    local, clock = Local(), FakeClock()
    former = Former(clock, cast("LocalStream", local))
    former.opened(9)
    return former, local, clock


def test_with_nothing_given_there_is_nothing_to_wait_for() -> None:
    former, local, _ = made()
    assert former.is_back(0, 0)
    assert local.asked == []


def test_it_is_asked_for_once_it_is_due_and_nothing_before() -> None:
    former, local, clock = made()
    assert not former.is_back(3, 0)
    clock.advance(DUE_NS - 1)
    assert not former.is_back(3, 0)
    assert local.asked == []

    clock.advance(1)
    assert not former.is_back(3, 0)
    assert local.asked == [3]
    assert not former.is_back(3, 2)  # under way
    local.is_pulling = False
    assert former.is_back(3, 3)
    assert local.asked == [3]


def test_as_many_as_are_given_say_nothing_before_it_was_asked_for() -> None:
    former, local, clock = made()
    assert not former.is_back(2, 2)
    clock.advance(DUE_NS)
    assert not former.is_back(2, 2)
    assert local.asked == [2]


def test_what_did_not_come_is_asked_for_again_when_it_can_be_due() -> None:
    former, local, clock = made()
    clock.advance(DUE_NS)
    assert not former.is_back(3, 0)
    local.is_pulling = False
    assert not former.is_back(3, 2)
    assert not former.is_back(3, 2)
    assert local.asked == [3]
    clock.advance(DUE_NS)
    assert not former.is_back(3, 2)
    assert local.asked == [3, 3]


def test_later_in_the_run_only_what_somebody_else_pulled_is_waited_for() -> None:
    former, local, clock = made()
    assert former.is_back(0, 0)
    assert former.is_back(5, 5)
    assert not former.is_back(6, 5)
    clock.advance(NS_PER_S)
    assert local.asked == []
    clock.advance(DUE_NS)
    assert not former.is_back(6, 5)
    assert local.asked == [6]


def test_nothing_more_is_asked_for_while_the_window_is_more_than_full() -> None:
    former, local, clock = made()
    clock.advance(DUE_NS)
    assert former.is_back(3, 2, is_full=True)
    assert local.asked == []


def test_without_a_consumer_what_may_have_been_sent_has_as_long_to_arrive() -> None:
    clock = FakeClock()
    former = Former(clock, None)
    former.opened(1)
    assert not former.is_back(0, 0)
    clock.advance(DUE_NS)
    assert former.is_back(0, 0)

    former.opened(0)
    assert former.is_back(0, 0)
