"""How much a reader lets an origin send at once, and whether its answers are heard."""

from __future__ import annotations

import pytest

from leafnode import limits
from leafnode.clock import NS_PER_S
from tests.unit.jetstream.played_origin import (
    HELD,
    PACED,
    Link,
    Origin,
    asked,
    named,
    over_a_thin_link,
)


def window(origin: Origin, count: int, took_ns: int, question: bytes = b"$JS.FC.O.C.1") -> None:
    """Let a window of messages come, with the question at its end."""
    first, seq = origin.reader._consumer_seq + 1, origin.taken.seq
    for number in range(count):
        origin.deliver(seq + 1 + number, first + number, pending=10_000)
        if not number:
            origin.world.clock.advance(took_ns)
    origin.control(question)
    origin.world.settle()


def test_an_origin_elsewhere_sends_few_at_once_until_they_come_quickly() -> None:
    origin = Origin()
    origin.reader.open()
    answers = origin.world.listen("$JS.FC.O.C.1")
    sizes = []
    for _ in range(4):
        sizes.append((origin.config["ack_policy"], origin.config.get("max_ack_pending")))
        origin.answer(PACED if "max_ack_pending" in origin.config else None)
        window(origin, origin.config.get("max_ack_pending", 5), NS_PER_S // 10)

    flow = "flow_control"
    assert sizes == [(flow, 4), (flow, 32), (flow, 256), ("none", None)]
    assert asked(origin) == 4
    assert origin.config["opt_start_seq"] == 4 + 32 + 256 + 1
    assert origin.taken.seq == 4 + 32 + 256 + 5
    assert len(answers) == 1  # what came quickly is no more waited for
    assert len(origin.deleted) == 3


def test_what_comes_slowly_is_answered_as_it_comes() -> None:
    origin = Origin()
    origin.reader.open()
    answers = origin.world.listen("$JS.FC.O.C.1")
    origin.answer(PACED)

    for _ in range(3):
        window(origin, 4, NS_PER_S)

    assert asked(origin) == 1
    assert len(answers) == 3
    assert origin.taken.seq == 12


def test_over_another_link_few_are_asked_for_again() -> None:
    origin = Origin()
    first, second = Link(origin, 9), Link(origin, 10)
    first.up()
    origin.reader.open()
    origin.answer(PACED)
    window(origin, 4, 0)
    assert origin.config["max_ack_pending"] == 32

    first.down()
    second.up()
    origin.world.clock.advance(limits.ORIGIN_RETRY_NS + limits.ORIGIN_LOOK_NS)

    assert asked(origin) == 3
    assert origin.config["max_ack_pending"] == 4


def test_who_does_not_count_what_is_acknowledged_is_not_asked_to() -> None:
    origin = Origin()
    origin.reader.open()
    for _ in range(2):
        origin.answer({"error": {"code": 400, "err_code": 10025, "description": "what?"}})
        origin.world.clock.advance(0)

    assert origin.config["ack_policy"] == "none"
    assert "max_ack_pending" not in origin.config
    origin.answer()
    answers = origin.world.listen("$JS.FC.O.C.1")
    window(origin, 40, 0)
    assert len(answers) == 1
    assert asked(origin) == 3


def test_what_holds_messages_for_it_sends_as_its_server_likes() -> None:
    origin = Origin()
    link = Link(origin, 9)
    origin.reader.open()
    origin.answer(HELD)

    origin.world.clock.advance(0)
    assert asked(origin) == 2
    assert "max_ack_pending" not in origin.config
    origin.answer(HELD)
    window(origin, 5, NS_PER_S // 10)

    link.up()
    origin.world.clock.advance(limits.ORIGIN_RETRY_NS + limits.ORIGIN_LOOK_NS)
    assert asked(origin) == 3
    assert "max_ack_pending" not in origin.config
    assert origin.deleted == []


def repeat(origin: Origin, question: bytes, times: int) -> None:
    """Let heartbeats say that an answer is still waited for."""
    for _ in range(times):
        origin.control(b"", (b"Nats-Consumer-Stalled", question))
        origin.world.clock.advance(limits.ORIGIN_HEARTBEAT_NS)


def unheard(origin: Origin) -> None:
    """Let two consumers in a row hear no answer; a third is asked for."""
    for more in (1, 2):  # the second was asked for almost a heartbeat ago
        origin.answer(PACED)
        window(origin, 4, NS_PER_S)
        repeat(origin, b"$JS.FC.O.C.1", limits.ORIGIN_REPEATS + more)


def test_an_origin_that_no_answer_reaches_sends_as_its_server_likes_and_that_is_shown() -> None:
    origin = Origin()
    origin.reader.open()
    origin.answer(PACED)
    window(origin, 4, NS_PER_S)
    repeat(origin, b"$JS.FC.O.C.1", limits.ORIGIN_REPEATS)
    assert asked(origin) == 1
    repeat(origin, b"$JS.FC.O.C.1", 3)
    assert asked(origin) == 2
    assert origin.config["max_ack_pending"] == limits.ORIGIN_AT_ONCE
    origin.answer(PACED)
    assert origin.reader.error is None

    window(origin, 4, NS_PER_S)
    repeat(origin, b"$JS.FC.O.C.1", limits.ORIGIN_REPEATS + 7)  # it was asked for some s ago

    assert asked(origin) == 3
    assert "max_ack_pending" not in origin.config
    origin.answer()
    origin.deliver(9, 1)
    assert origin.taken.seq == 9
    assert origin.reader.error is not None
    assert "$JS.FC.>" in origin.reader.error["description"]


def test_an_answer_may_take_as_long_as_the_request_did() -> None:
    """The thin part of the way is behind the next server, and our own link has caught up."""
    origin = Origin()
    origin.reader.open()
    origin.world.clock.advance(15 * NS_PER_S)
    origin.answer(PACED)
    window(origin, 4, NS_PER_S)

    repeat(origin, b"$JS.FC.O.C.1", limits.ORIGIN_REPEATS + 30)

    assert asked(origin) == 1
    assert origin.reader.error is None


def test_over_another_link_the_answers_may_reach_it_again() -> None:
    origin = Origin()
    origin.reader.open()
    unheard(origin)

    Link(origin, 9).up()
    origin.world.clock.advance(limits.ORIGIN_RETRY_NS + limits.ORIGIN_LOOK_NS)

    assert origin.config["max_ack_pending"] == limits.ORIGIN_AT_ONCE
    origin.answer(PACED)
    assert origin.reader.error is None


def test_what_left_the_origin_before_the_answer_tells_nothing() -> None:
    origin, link = over_a_thin_link()
    origin.answer(PACED)
    window(origin, 4, NS_PER_S)

    repeat(origin, b"$JS.FC.O.C.1", 60)
    assert asked(origin) == 1
    link.ponged()
    repeat(origin, b"$JS.FC.O.C.1", limits.ORIGIN_REPEATS)
    repeat(origin, b"$JS.FC.O.C.2", limits.ORIGIN_REPEATS)  # it was heard, at last

    assert asked(origin) == 1
    assert origin.reader.error is None


def test_a_full_window_that_no_answer_moves_is_followed_by_a_new_consumer() -> None:
    """It has no limit of messages; on nats-server such a mirror stands still for ever."""
    origin = Origin()
    origin.reader.open()
    for _ in range(2):
        origin.answer({"error": {"code": 400, "err_code": 10025, "description": "what?"}})
        origin.world.clock.advance(0)
    origin.answer()
    window(origin, 40, 0)

    repeat(origin, b"$JS.FC.O.C.1", limits.ORIGIN_REPEATS + 3)

    assert asked(origin) == 4
    assert origin.config["opt_start_seq"] == 41


def held_and_unheard() -> Origin:
    origin = named()
    origin.reader.open()
    origin.answer(HELD)
    window(origin, 4, 0)
    repeat(origin, b"$JS.FC.O.C.1", limits.ORIGIN_REPEATS + 20)
    return origin


def test_what_is_held_for_a_reader_that_it_does_not_hear_is_not_asked_for_again() -> None:
    origin = held_and_unheard()

    assert asked(origin) == 1
    assert origin.reader.error is not None


def test_what_is_held_is_answered_for_as_long_as_the_question_is_repeated() -> None:
    """The right to answer may be given while the link stays."""
    origin = held_and_unheard()
    answers = origin.world.listen("$JS.FC.O.C.1")

    repeat(origin, b"$JS.FC.O.C.1", 2)
    assert len(answers) == 2
    window(origin, 4, 0, b"$JS.FC.O.C.2")

    assert asked(origin) == 1
    assert origin.taken.seq == 8
    assert origin.reader.error is None
    repeat(origin, b"$JS.FC.O.C.2", limits.ORIGIN_REPEATS + 3)
    assert origin.reader.error is not None


@pytest.mark.parametrize("stalled", [b"", b"$JS.FC.O.C.2"])
def test_a_heartbeat_tells_too_that_an_answer_was_heard(stalled: bytes) -> None:
    origin = held_and_unheard()

    origin.control(b"", *([(b"Nats-Consumer-Stalled", stalled)] if stalled else []))

    assert origin.reader.error is None
    assert asked(origin) == 1


def test_an_origin_that_answers_reach_again_sends_few_at_once_again() -> None:
    origin = Origin()
    origin.reader.open()
    unheard(origin)
    origin.answer()

    origin.control()  # nothing was asked yet
    window(origin, 40, 0)
    origin.control(b"", (b"Nats-Consumer-Stalled", b"$JS.FC.O.C.1"))
    assert origin.reader.error is not None
    window(origin, 40, 0, b"$JS.FC.O.C.2")
    origin.world.clock.advance(limits.ORIGIN_RETRY_NS + 2 * limits.ORIGIN_JITTER_NS)

    assert asked(origin) == 4
    assert origin.config["max_ack_pending"] == limits.ORIGIN_AT_ONCE
    assert origin.config["opt_start_seq"] == 2 * 4 + 2 * 40 + 1
    assert origin.reader.error is None


def test_the_way_that_a_gateway_names_makes_no_other_question() -> None:
    origin = held_and_unheard()
    origin.control(b"_GR_.aaaaaa.bbbbbb.$JS.FC.O.C.1")
    origin.world.settle()

    repeat(origin, b"$JS.FC.O.C.1", 1)

    assert origin.reader.error is not None


def refuse(origin: Origin, err_code: int) -> None:
    origin.answer({"error": {"code": 400, "err_code": err_code, "description": "no"}})
    origin.world.clock.advance(0)


def test_an_origin_whose_account_allows_no_larger_window_sends_as_its_server_likes() -> None:
    origin = Origin()
    origin.reader.open()
    origin.answer(PACED)
    window(origin, 4, 0)

    refuse(origin, 10121)

    assert asked(origin) == 3
    assert "max_ack_pending" not in origin.config
    origin.answer()
    origin.deliver(5, 1)
    assert origin.taken.seq == 5


def test_an_origin_whose_stream_allows_no_larger_window_sends_as_many_as_it_allowed() -> None:
    origin = Origin()
    origin.reader.open()
    origin.answer(PACED)
    window(origin, 4, 0)

    refuse(origin, 10121)
    refuse(origin, 10082)

    assert asked(origin) == 4
    assert origin.config["max_ack_pending"] == 4
    origin.answer(PACED)
    window(origin, 4, 0)
    assert asked(origin) == 4


def test_an_origin_that_refuses_each_window_is_asked_later_each_time() -> None:
    origin = Origin()
    origin.reader.open()

    for _ in range(2):  # of four, then of one
        refuse(origin, 10121)
        refuse(origin, 10082)

    assert asked(origin) == 4
    assert origin.reader.error is not None
    assert origin.reader.error["err_code"] == 10082
