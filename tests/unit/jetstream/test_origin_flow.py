"""A question that is repeated behind its answer was not heard. Measured on nats-server 2.15.1."""

from __future__ import annotations

import pytest

from leafnode import limits
from leafnode.jetstream.origin_flow import FlowAnswers

FIRST, SECOND = b"$JS.FC.O.C.1", b"$JS.FC.O.C.2"


def unheard(flow: FlowAnswers, question: bytes, times: int, *, pong_ns: int = 10) -> bool:
    """Repeat a question; what left the origin after `pong_ns` is not here yet."""
    return any(flow.is_news(question, lambda ns: ns > pong_ns) for _ in range(times))


def test_what_is_repeated_too_often_was_answered_in_vain() -> None:
    flow = FlowAnswers()
    flow.answered(FIRST, 5)

    assert not unheard(flow, FIRST, limits.ORIGIN_REPEATS)
    assert flow.error is None
    assert unheard(flow, FIRST, 1)
    assert flow.error is not None


def test_a_repetition_that_may_have_left_before_the_answer_does_not_count() -> None:
    flow = FlowAnswers()
    flow.answered(FIRST, 50)

    assert not unheard(flow, FIRST, 1000)
    flow.answered(FIRST, 70)  # once more, for a heartbeat
    assert unheard(flow, FIRST, limits.ORIGIN_REPEATS + 1, pong_ns=50)


def test_each_question_counts_for_itself_and_one_that_is_not_answered_yet_never() -> None:
    flow = FlowAnswers()
    flow.answered(FIRST, 5)
    assert not unheard(flow, FIRST, limits.ORIGIN_REPEATS)

    assert not unheard(flow, SECOND, 1000)
    flow.answered(SECOND, 6)
    assert not unheard(flow, SECOND, limits.ORIGIN_REPEATS)
    flow.begin()
    assert not unheard(flow, SECOND, 1000)


@pytest.mark.parametrize("other", [SECOND, b""])
def test_who_asks_something_else_or_nothing_heard_the_answer(other: bytes) -> None:
    flow = FlowAnswers()
    flow.answered(FIRST, 5)
    assert not flow.is_news(other, lambda _: False)
    assert unheard(flow, FIRST, limits.ORIGIN_REPEATS + 1)

    assert flow.is_news(other, lambda _: False)
    assert flow.error is None
    assert not flow.is_news(other, lambda _: False)


def test_a_new_consumer_tells_nothing_before_it_was_answered() -> None:
    flow = FlowAnswers()
    flow.answered(FIRST, 5)
    assert unheard(flow, FIRST, limits.ORIGIN_REPEATS + 1)
    flow.begin()

    assert not flow.is_news(b"", lambda _: False)
    assert not flow.is_news(SECOND, lambda _: False)
    assert flow.error is not None
    flow.answered(SECOND, 6)
    assert flow.is_news(b"", lambda _: False)
