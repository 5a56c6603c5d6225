"""The reader against an origin that the test plays itself, message by message."""

from __future__ import annotations

from typing import Any

import pytest

from leafnode import limits
from leafnode.clock import NS_PER_S
from leafnode.protocol import header
from tests.unit.jetstream.played_origin import HELD, Link, Origin, asked, named, over_a_thin_link

ACK_WAIT_S = 22 * 3600


def test_an_origin_here_is_asked_for_a_consumer_that_needs_no_acknowledgement() -> None:
    origin = Origin(api="")

    origin.reader.open()

    subject, request = origin.requests[0]
    config = request["config"]
    assert subject == b"$JS.API.CONSUMER.CREATE.O"
    assert request["stream_name"] == "O"
    assert config["deliver_subject"].startswith("$JS.S.")
    assert config["name"].startswith("JS_SRC_")
    assert config["deliver_policy"] == "by_start_sequence"
    assert (config["ack_policy"], config["flow_control"], config["direct"]) == ("none", True, True)
    assert config["ack_wait"] == ACK_WAIT_S * NS_PER_S
    assert origin.reader.active_ns() == -1


def test_what_comes_before_the_answer_is_taken_after_it() -> None:
    origin = Origin()
    origin.reader.open()

    origin.deliver(3, 1)
    assert origin.taken.seq == 0
    origin.answer(identity=b"abc")

    assert origin.taken.seq == 3
    assert origin.reader.identity == b"abc"
    assert origin.reader.active_ns() == 0


@pytest.mark.parametrize(
    ("delivered", "begin"),
    [
        ({"consumer_seq": 0, "stream_seq": 76}, 76),
        ({"consumer_seq": 2, "stream_seq": 78}, 0),  # those come, and say where they stood
        ({"consumer_seq": 0, "stream_seq": "76"}, 0),
        ({"consumer_seq": 0, "stream_seq": True}, 0),
        ({"stream_seq": 76}, 0),
        ([], 0),
        (None, 0),
    ],
)
def test_the_answer_says_behind_what_messages_come(delivered: Any, begin: int) -> None:
    origin = Origin()
    origin.reader.open()

    origin.answer({"name": "x", "delivered": delivered})

    assert origin.taken.begins == [begin]


def test_it_asks_again_when_the_begin_cannot_be_stored() -> None:
    origin = Origin()
    origin.taken.refuses = True
    origin.reading()
    origin.deliver(1, 1)
    assert origin.taken.seq == 0

    origin.taken.refuses = False
    origin.world.clock.advance(limits.ORIGIN_BACKOFF_NS + 2 * limits.ORIGIN_RETRY_NS)
    origin.answer()
    origin.deliver(1, 1)

    assert len(origin.requests) == 2
    assert origin.taken.seq == 1


def test_messages_are_taken_in_order_and_the_lag_is_what_is_left() -> None:
    origin = Origin().reading()

    origin.deliver(1, 1, pending=4)
    origin.deliver(5, 2, pending=2)

    assert origin.taken.seq == 5
    assert origin.reader.lag == 2


def test_a_gap_leads_to_a_new_consumer_from_where_the_receiver_is() -> None:
    origin = Origin().reading()
    first = origin.config["deliver_subject"]
    origin.deliver(1, 1)

    origin.deliver(3, 3)
    assert origin.taken.seq == 1
    assert len(origin.deleted) == 1
    origin.world.clock.advance(limits.ORIGIN_RETRY_NS + 2 * limits.ORIGIN_JITTER_NS)

    assert len(origin.requests) == 2
    assert origin.config["opt_start_seq"] == 2
    assert origin.config["deliver_subject"] != first


def test_a_heartbeat_tells_what_was_lost() -> None:
    origin = Origin().reading()
    origin.deliver(1, 1)

    origin.control(b"", (b"Nats-Last-Consumer", b"1"))
    origin.control(b"", (b"Nats-Last-Consumer", b"9" * 5000))
    assert origin.deleted == []
    origin.control(b"", (b"Nats-Last-Consumer", b"2"))

    assert len(origin.deleted) == 1


def test_what_the_receiver_refuses_is_asked_for_again() -> None:
    origin = Origin().reading()
    origin.taken.refuses = True

    origin.deliver(1, 1)
    origin.taken.refuses = False
    origin.world.clock.advance(limits.ORIGIN_RETRY_NS + 2 * limits.ORIGIN_JITTER_NS)
    origin.answer()
    origin.deliver(1, 1)

    assert origin.taken.seq == 1


def test_who_stores_nothing_asks_less_and_less_often_until_something_is_stored() -> None:
    """A full stream that takes nothing more pulled a window of messages every few seconds."""
    origin = Origin().reading()
    origin.taken.is_full = True
    clock, asked_ns = origin.world.clock, list[int]()
    for _ in range(11):
        origin.deliver(1, 1)
        count = len(origin.requests)
        began_ns = clock.monotonic_ns()
        while len(origin.requests) == count:
            clock.advance(NS_PER_S)
        asked_ns.append((clock.monotonic_ns() - began_ns) // (10 * NS_PER_S))
        origin.answer()
    assert asked_ns == [0, 1, 2, 4, 8, 16, 32, 60, 60, 60, 60]

    origin.taken.is_full = False
    origin.deliver(1, 1)
    origin.taken.is_full = True
    origin.deliver(2, 2)
    count = len(origin.requests)
    clock.advance(limits.ORIGIN_RETRY_NS + 2 * limits.ORIGIN_JITTER_NS)
    assert len(origin.requests) == count + 1


def test_flow_control_is_answered_once_what_came_before_is_on_disk() -> None:
    origin = Origin().reading()
    answers = origin.world.listen("$JS.FC.O.C.1")
    stalled = origin.world.listen("$JS.FC.O.C.2")
    origin.deliver(7, 1)
    origin.world.store.hold()
    origin.world.publish("m.x", b"staged")

    origin.control(b"$JS.FC.O.C.1")
    origin.control(b"", (b"Nats-Consumer-Stalled", b"$JS.FC.O.C.2"))
    assert (answers, stalled) == ([], [])
    origin.world.store.commit()
    assert answers == []  # within a delivery the origin would go on before its end
    origin.world.clock.advance(0)

    fields = dict(header.parse(answers[0].block))
    assert fields == {b"Nats-Last-Consumer": b"1", b"Nats-Last-Stream": b"7"}
    assert len(stalled) == 1


def test_flow_control_is_answered_by_the_way_that_a_gateway_named() -> None:
    way = b"_GR_.aaaaaa.bbbbbb.$JS.FC.O.C.1"
    origin = Origin().reading()
    answers = origin.world.listen(way.decode())
    origin.deliver(7, 1)

    origin.control(way)
    origin.world.clock.advance(0)

    assert len(answers) == 1


def test_flow_control_is_answered_to_consumers_alone() -> None:
    """A client that knows the deliver subject would have the server publish anywhere."""
    origin = Origin().reading()
    heard = origin.world.listen(">")
    origin.deliver(7, 1)
    del heard[:]

    for subject in (b"$JS.API.STREAM.DELETE.S", b"$KV.b.k", b"$JS.hub.API.STREAM.PURGE.S", b"m.x"):
        origin.control(subject)
        origin.control(b"", (b"Nats-Consumer-Stalled", subject))
    origin.world.clock.advance(0)

    assert [one.subject for one in heard if b"Nats-Last-Consumer" in one.block] == []


def test_silence_leads_to_a_new_consumer() -> None:
    origin = Origin().reading()

    origin.world.clock.advance(limits.ORIGIN_SILENCE_NS - 1)
    origin.control()
    origin.world.clock.advance(limits.ORIGIN_SILENCE_NS - 1)
    assert len(origin.requests) == 1
    origin.world.clock.advance(NS_PER_S)

    assert len(origin.requests) == 2


def test_a_refusal_is_shown_and_asked_again_later_each_time() -> None:
    origin = Origin()
    origin.reader.open()
    error = {"code": 404, "err_code": 10059, "description": "stream not found"}

    origin.answer({"error": error})

    assert origin.reader.error == error
    origin.world.clock.advance(limits.ORIGIN_BACKOFF_NS)
    assert len(origin.requests) == 1
    origin.world.clock.advance(limits.ORIGIN_RETRY_NS + NS_PER_S)
    assert len(origin.requests) == 2
    origin.answer()
    assert origin.reader.error is None


def test_without_an_answer_it_is_asked_again() -> None:
    origin = Origin()
    origin.reader.open()

    origin.world.clock.advance(limits.ORIGIN_WAIT_NS)
    assert len(origin.requests) == 1
    origin.world.clock.advance(limits.ORIGIN_BACKOFF_NS + limits.ORIGIN_RETRY_NS)

    assert len(origin.requests) == 2


def test_where_nobody_answers_it_is_not_waited_for() -> None:
    origin = Origin()
    origin.world.account.unsubscribe(origin.create)
    origin.reader.open()

    origin.create = origin.world.account.subscribe(origin.create.subject, origin.on_create)
    origin.world.clock.advance(limits.ORIGIN_BACKOFF_NS + 2 * limits.ORIGIN_RETRY_NS)

    assert len(origin.requests) == 1


def test_another_stream_of_that_name_is_read_from_its_beginning() -> None:
    origin = Origin()
    origin.taken.seq = 9
    origin.reader.identity = b"old"
    origin.reader.open()
    assert header.get(origin.blocks[0], b"Nats-Stream-Identity") == b"old"

    origin.answer({"error": {"code": 400, "err_code": 10225, "description": "mismatch"}})
    origin.world.clock.advance(limits.ORIGIN_RETRY_NS + 2 * limits.ORIGIN_JITTER_NS)

    assert origin.taken.forgot == 1
    assert header.get(origin.blocks[1], b"Nats-Stream-Identity") == b""
    assert origin.config["opt_start_seq"] == 1
    assert origin.reader.error is None


def test_after_the_end_nothing_is_taken_and_nothing_asked() -> None:
    origin = Origin().reading()

    origin.reader.close(for_good=True)
    origin.deliver(1, 1)
    origin.world.clock.advance(10 * limits.ORIGIN_BACKOFF_MAX_NS)

    assert origin.taken.seq == 0
    assert len(origin.requests) == 1
    assert len(origin.deleted) == 1


def test_more_than_any_window_before_the_answer_is_not_kept() -> None:
    origin = Origin()
    origin.reader.open()
    subject = origin.config["deliver_subject"].encode()
    half = bytes(limits.FLOW_WINDOW_BYTES_MAX // 2 + 1)

    origin.world.account.deliver(subject, [(b"o.a", b"$JS.ACK.O.C.1.1.1.1000.0", 0, half)])
    origin.world.account.deliver(subject, [(b"o.a", b"$JS.ACK.O.C.1.2.2.1000.0", 0, half)])
    origin.answer()

    assert origin.taken.seq == 0


def test_what_holds_messages_for_it_is_kept_until_nobody_will_read_on() -> None:
    origin = Origin()
    origin.reader.open()
    origin.answer(HELD)

    origin.reader.restart()
    origin.reader.close(for_good=False)
    assert origin.deleted == []
    origin.reader.close(for_good=True)

    [subject] = origin.deleted
    assert subject == f"$JS.hub.API.CONSUMER.DELETE.O.{origin.config['name']}".encode()


def test_a_server_that_does_not_understand_is_asked_in_an_older_form() -> None:
    origin = Origin()
    origin.reader.open()

    for err_code in (10185, 10025):
        origin.answer({"error": {"code": 400, "err_code": err_code, "description": "what?"}})
        origin.world.clock.advance(0)

    assert ["sourcing" in body["config"] for _, body in origin.requests] == [True, True, False]
    assert origin.reader.error is None
    origin.answer()
    origin.deliver(1, 1)
    assert origin.taken.seq == 1


def test_a_named_consumer_has_to_acknowledge_by_flow_control() -> None:
    origin = named()
    origin.reader.open()

    origin.answer({"name": "held", "config": {"ack_policy": "explicit"}})

    assert origin.requests[0][0] == b"$JS.hub.API.CONSUMER.RESET.O.held"
    assert origin.reader.error == {
        "code": 400,
        "err_code": 10217,
        "description": "stream source consumer requires flow control ack policy",
    }


def test_what_a_named_consumer_sent_before_it_was_set_back_is_not_taken() -> None:
    origin = named()
    origin.reader.open()
    origin.deliver(8, 8)
    origin.answer(HELD)
    origin.deliver(9, 9)
    assert origin.taken.seq == 0

    origin.deliver(1, 1)
    origin.deliver(2, 2)

    assert origin.taken.seq == 2
    assert len(origin.requests) == 1


def test_a_named_consumer_that_is_set_back_amid_what_it_sends_begins_anew() -> None:
    origin = named()
    origin.reader.open()
    origin.deliver(8, 1)  # interest made it begin before it was asked to
    origin.answer(HELD)

    run = [(9, 2), (8, 1), (9, 2), (10, 3)]
    replies = [f"$JS.ACK.O.C.1.{seq}.{number}.1000.0".encode() for seq, number in run]
    origin.world.account.deliver(b"to.me", [(b"o.a", reply, 0, b"x") for reply in replies])

    assert origin.taken.seqs == [8, 9, 10]
    assert len(origin.requests) == 1


def test_a_named_consumer_that_begins_to_deliver_is_asked_at_once() -> None:
    origin = named()
    origin.reader.open()
    origin.world.clock.advance(limits.ORIGIN_RESET_WAIT_NS)
    assert len(origin.requests) == 1

    origin.deliver(1, 1)
    origin.world.clock.advance(limits.ORIGIN_RETRY_NS)

    assert len(origin.requests) == 2
    origin.reader.close(for_good=True)
    assert origin.deleted == []


def without_answer() -> Origin:
    """An origin that nobody serves yet."""
    origin = Origin()
    origin.world.account.unsubscribe(origin.create)
    return origin


def test_a_link_that_comes_up_is_asked_over_at_once_whatever_failed_before() -> None:
    origin = without_answer()
    origin.reader.open()
    clock = origin.world.clock
    clock.advance(20 * 60 * NS_PER_S)  # after all these failures two minutes lie between attempts

    origin.create = origin.world.account.subscribe(origin.create.subject, origin.on_create)
    clock.advance(limits.ORIGIN_LOOK_NS)
    before = asked(origin)
    Link(origin, 9).up()
    clock.advance(limits.ORIGIN_LOOK_NS + 2 * limits.ORIGIN_JITTER_NS)

    assert asked(origin) == before + 1


def test_what_went_over_a_link_that_is_replaced_is_asked_for_again() -> None:
    origin = Origin()
    first, second = Link(origin, 9), Link(origin, 10)
    first.up()
    origin.reading()
    clock = origin.world.clock
    clock.advance(3 * NS_PER_S)
    assert asked(origin) == 1  # the link is the same

    first.down()
    second.up()
    clock.advance(limits.ORIGIN_LOOK_NS + 2 * limits.ORIGIN_JITTER_NS)

    assert asked(origin) == 2
    origin.answer()
    clock.advance(5 * NS_PER_S)
    assert asked(origin) == 2


def test_a_link_that_is_away_is_waited_for_as_ever() -> None:
    origin = Origin()
    link = Link(origin, 9)
    link.up()
    origin.reading()

    link.down()
    origin.world.clock.advance(5 * NS_PER_S)

    assert asked(origin) == 1


def test_a_closed_reader_looks_no_more() -> None:
    origin = Origin().reading()

    origin.reader.close(for_good=False)
    Link(origin, 9).up()
    origin.world.clock.advance(10 * NS_PER_S)

    assert asked(origin) == 1


def test_what_stands_behind_other_bytes_of_a_link_is_waited_for() -> None:
    origin, link = over_a_thin_link()
    clock = origin.world.clock
    origin.answer()
    origin.deliver(1, 1)

    clock.advance(60 * NS_PER_S)
    assert asked(origin) == 1
    origin.deliver(2, 2)
    link.ponged()  # of a question before that message
    clock.advance(limits.ORIGIN_SILENCE_NS + 5 * NS_PER_S)

    assert origin.taken.seq == 2
    assert asked(origin) == 1


def test_an_answer_that_stands_behind_other_bytes_of_a_link_is_waited_for() -> None:
    origin, _ = over_a_thin_link()

    origin.deliver(1, 1)
    origin.world.clock.advance(3 * limits.ORIGIN_WAIT_NS)
    origin.answer()

    assert asked(origin) == 1
    assert origin.taken.seq == 1


@pytest.mark.parametrize("is_answered", [True, False])
def test_an_origin_of_which_nothing_came_before_a_pong_is_asked_anew(*, is_answered: bool) -> None:
    origin, link = over_a_thin_link()
    clock = origin.world.clock
    if is_answered:
        origin.answer()
    clock.advance(60 * NS_PER_S)
    assert asked(origin) == 1

    link.ponged()
    clock.advance(limits.ORIGIN_LOOK_NS + limits.ORIGIN_BACKOFF_NS + 2 * limits.ORIGIN_JITTER_NS)

    assert asked(origin) == 2


def test_an_origin_that_falls_silent_on_a_quick_link_is_asked_anew_within_eleven_seconds() -> None:
    origin, link = over_a_thin_link()
    origin.answer()

    origin.world.clock.advance(limits.ORIGIN_SILENCE_NS)
    link.ponged()
    origin.world.clock.advance(limits.ORIGIN_LOOK_NS + 2 * limits.ORIGIN_JITTER_NS)

    assert asked(origin) == 2


def test_nothing_is_waited_for_of_a_link_that_is_gone() -> None:
    origin, link = over_a_thin_link()
    origin.answer()
    origin.world.clock.advance(limits.ORIGIN_SILENCE_NS)

    link.down()
    origin.world.clock.advance(limits.ORIGIN_LOOK_NS + 2 * limits.ORIGIN_JITTER_NS)

    assert asked(origin) == 2


def test_a_link_that_brings_nothing_is_not_waited_for_where_another_brought_the_last() -> None:
    """A hub that is frozen held back the readers of every other."""
    origin, _ = over_a_thin_link()
    quick = Link(origin, 10)
    quick.up()
    origin.world.clock.advance(limits.ORIGIN_RETRY_NS + limits.ORIGIN_LOOK_NS)
    origin.answer()
    before = asked(origin)
    origin.deliver(1, 1, over=quick.peer)

    origin.world.clock.advance(limits.ORIGIN_SILENCE_NS + limits.ORIGIN_LOOK_NS)

    assert asked(origin) == before + 1


def test_a_link_that_brought_the_last_is_waited_for_whatever_another_says() -> None:
    origin, thin = over_a_thin_link()
    Link(origin, 10).up()
    origin.world.clock.advance(limits.ORIGIN_RETRY_NS + limits.ORIGIN_LOOK_NS)
    origin.answer()
    before = asked(origin)
    origin.deliver(1, 1, over=thin.peer)

    origin.world.clock.advance(3 * limits.ORIGIN_SILENCE_NS)

    assert asked(origin) == before
