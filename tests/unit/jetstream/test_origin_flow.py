"""A question that is repeated behind its answer was not heard. Measured on nats-server 2.15.1."""

from __future__ import annotations

import pytest

from leafnode import limits
from leafnode.clock import NS_PER_S
from leafnode.jetstream.origin_flow import FlowAnswers

FIRST, SECOND = b"$JS.FC.O.C.1", b"$JS.FC.O.C.2"


def news(flow: FlowAnswers, question: bytes, times: int, *, pong_ns: int = 10) -> bool:
    """Repeat a question; what left the origin after `pong_ns` is not here yet."""
    return any(flow.is_news(question, lambda ns: ns > pong_ns) for _ in range(times))


def unheard() -> FlowAnswers:
    """A consumer did not hear the answer to the first question, nor did the one before."""
    flow = FlowAnswers()
    for _ in range(2):
        flow.begin(0)
        flow.answered(FIRST, 5)
        assert news(flow, FIRST, limits.ORIGIN_REPEATS + 1)
    return flow


def test_what_two_consumers_repeat_too_often_was_answered_in_vain() -> None:
    flow = FlowAnswers()
    flow.answered(FIRST, 5)
    assert not news(flow, FIRST, limits.ORIGIN_REPEATS)
    assert news(flow, FIRST, 1)
    assert flow.error is None

    flow.begin(0)
    flow.answered(FIRST, 5)
    assert not news(flow, FIRST, limits.ORIGIN_REPEATS)
    assert flow.error is None
    assert news(flow, FIRST, 1)
    assert flow.error is not None


def test_what_takes_long_to_be_asked_for_takes_as_long_to_hear_an_answer() -> None:
    """A question's repetitions stand in the queues that it stood in itself."""
    flow = FlowAnswers()
    flow.begin(20 * NS_PER_S)
    flow.answered(FIRST, 5)

    assert not news(flow, FIRST, limits.ORIGIN_REPEATS + 40)
    assert news(flow, FIRST, 1)


@pytest.mark.parametrize("other", [SECOND, b""])
def test_one_consumer_that_heard_no_answer_is_forgotten_when_one_hears_it(other: bytes) -> None:
    flow = FlowAnswers()
    for _ in range(5):
        flow.begin(0)
        flow.answered(FIRST, 5)
        assert news(flow, FIRST, limits.ORIGIN_REPEATS + 1)
        assert not news(flow, other, 1)

    assert flow.error is None


def test_a_repetition_that_may_have_left_before_the_answer_does_not_count() -> None:
    flow = FlowAnswers()
    flow.answered(FIRST, 50)

    assert not news(flow, FIRST, 1000)
    flow.answered(FIRST, 70)  # once more, for a heartbeat
    assert news(flow, FIRST, limits.ORIGIN_REPEATS + 1, pong_ns=50)


def test_each_question_counts_for_itself_and_one_that_is_not_answered_yet_never() -> None:
    flow = FlowAnswers()
    flow.answered(FIRST, 5)
    assert not news(flow, FIRST, limits.ORIGIN_REPEATS)

    assert not news(flow, SECOND, 1000)
    flow.answered(SECOND, 6)
    assert not news(flow, SECOND, limits.ORIGIN_REPEATS)
    flow.begin(0)
    assert not news(flow, SECOND, 1000)


@pytest.mark.parametrize("other", [SECOND, b""])
def test_who_asks_something_else_or_nothing_heard_the_answer(other: bytes) -> None:
    flow = unheard()

    assert news(flow, other, 1)
    assert flow.error is None
    assert not news(flow, other, 1)


def test_a_new_consumer_tells_nothing_before_it_was_answered() -> None:
    flow = unheard()
    flow.begin(0)

    assert not news(flow, b"", 1)
    assert not news(flow, SECOND, 1)
    assert flow.error is not None
    flow.answered(SECOND, 6)
    assert news(flow, b"", 1)
