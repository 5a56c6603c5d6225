"""leafnode.routing.owed: answers that are owed, how long, and what is measured of them."""

from __future__ import annotations

import pytest

from leafnode.limits import RESPONSES_ENDED_PER_TURN
from leafnode.protocol.client_info import ClientInfo
from leafnode.routing.latency import INTEREST_LOST, NO_RESPONDERS, OK, TIMED_OUT, Latency
from leafnode.routing.peer import Kind
from leafnode.routing.permissions import Permissions, Rules
from leafnode.routing.service_export import Answers
from tests.sim.peers import FakePeer
from tests.sim.services import SECOND_NS, Pair


def test_an_answer_is_brought_back_and_owed_no_longer() -> None:
    pair = Pair()
    pair.responder.subscribe(b"q", b"1")

    reply = pair.ask()
    assert reply.startswith(b"_R_.")
    assert (pair.owed, len(pair.importing.awaited)) == (1, 1)
    pair.responder.says(b"PUB %b 1\r\na\r\n" % reply)

    assert pair.requester.got() == b"MSG inbox.1 1 1\r\na\r\n"
    assert (pair.owed, len(pair.importing.awaited), pair.export.open) == (0, 0, {})


def test_what_a_stream_holds_comes_back_under_its_own_subject_to_clients_and_leafs() -> None:
    pair = Pair()
    leaf = FakePeer(pair.world.account("I"), 3, Kind.LEAF)
    leaf.subscribe(b"inbox.1", b"")
    pair.responder.subscribe(b"q", b"1")

    exporter = pair.world.account("E")
    received = exporter.deliver(pair.ask(), [(b"ev.a", b"$JS.ACK.S.C.1.1.1.1.0", 0, b"one")])

    assert received == 2
    assert pair.requester.got() == b"MSG ev.a 1 $JS.ACK.S.C.1.1.1.1.0 3\r\none\r\n"
    assert leaf.got() == b"LMSG inbox.1 $JS.ACK.S.C.1.1.1.1.0@ev.a 3\r\none\r\n"


def test_an_answer_that_comes_over_a_leaf_with_the_subject_of_a_stream_arrives() -> None:
    pair = Pair()
    hub = FakePeer(pair.world.account("E"), 3, Kind.LEAF)
    hub.subscribe(b"q", b"")

    pair.ask()
    reply = hub.got().split()[2]
    hub.says(b"LMSG %b $JS.ACK.S.C.1.1.1.1.0@ev.a 3\r\none\r\n" % reply)

    assert pair.requester.got() == b"MSG ev.a 1 $JS.ACK.S.C.1.1.1.1.0 3\r\none\r\n"


def test_an_answer_s_subject_that_never_comes_again_takes_no_place_in_a_cache() -> None:
    pair = Pair()
    pair.responder.subscribe(b"q", b"1")
    reply = pair.ask()
    cached = pair.world.account("E").sublist.cached

    pair.responder.says(b"PUB %b 1\r\na\r\n" % reply)

    assert pair.requester.got() == b"MSG inbox.1 1 1\r\na\r\n"
    assert pair.world.account("E").sublist.cached == cached


def test_an_answer_that_its_account_may_not_send_is_not_brought_back() -> None:
    pair = Pair()
    pair.responder.subscribe(b"q", b"1")
    reply = pair.ask()
    pair.responder.permissions = Permissions(Rules([b"q"]), Rules())
    pair.responder.lane.reset()

    pair.responder.says(b"PUB %b 1\r\na\r\n" % reply)

    assert pair.requester.got() == b""
    assert pair.responder.got().startswith(b"-ERR 'Permissions Violation for Publish")


def test_an_answer_whose_time_is_over_is_nobody_s() -> None:
    pair = Pair()
    pair.responder.subscribe(b"q", b"1")
    reply = pair.ask()

    pair.world.clock.advance(SECOND_NS)
    pair.responder.says(b"PUB %b 1\r\na\r\n" % reply)

    assert pair.requester.got() == b""
    assert pair.owed == len(pair.importing.awaited) == 0


def test_the_timer_of_a_service_goes_on_for_those_that_came_later() -> None:
    pair = Pair()
    pair.responder.subscribe(b"q", b"1")
    pair.ask()
    pair.world.clock.advance(SECOND_NS // 2)
    pair.ask()

    pair.world.clock.advance(SECOND_NS // 2)
    assert pair.owed == 1

    pair.world.clock.advance(SECOND_NS - 1)
    assert pair.owed == 1
    pair.world.clock.advance(1)
    assert pair.owed == 0
    assert pair.export.timer is None


def test_an_answer_that_is_a_little_late_arrives_until_the_timer_looks_again() -> None:
    pair = Pair()
    pair.responder.subscribe(b"q", b"1")
    pair.ask()
    pair.world.clock.advance(SECOND_NS // 2)
    reply = pair.ask()

    pair.world.clock.advance(SECOND_NS + 1)
    pair.responder.says(b"PUB %b 1\r\na\r\n" % reply)

    assert pair.requester.got() == b"MSG inbox.1 1 1\r\na\r\n"


def test_each_part_of_an_answer_gives_it_more_time() -> None:
    pair = Pair(answers=Answers.MANY)
    pair.responder.subscribe(b"q", b"1")
    reply = pair.ask()

    for _ in range(3):
        pair.world.clock.advance(SECOND_NS * 2 // 3)
        pair.responder.says(b"PUB %b 1\r\na\r\n" % reply)
    assert pair.requester.got().count(b"\r\na\r\n") == 3

    pair.responder.says(b"PUB %b 0\r\n\r\n" % reply)
    assert pair.owed == 0


def test_very_many_late_answers_end_in_slices() -> None:
    pair = Pair()
    pair.responder.subscribe(b"q", b"1")
    for _ in range(RESPONSES_ENDED_PER_TURN + 1):
        pair.ask()

    pair.world.clock.advance(SECOND_NS)

    assert pair.owed == 0


@pytest.mark.parametrize("gone", [b"inbox.*", b"inbox.1"])
def test_an_answer_that_nobody_waits_for_any_more_is_not_owed(gone: bytes) -> None:
    pair = Pair()
    account = pair.world.account("I")
    account.remove(pair.requester.subs.pop(b"1"))
    sub = pair.requester.subscribe(gone, b"2")
    pair.responder.subscribe(b"q", b"1")
    pair.ask()

    account.remove(sub)
    pair.world.clock.advance(0)

    assert pair.owed == len(pair.importing.awaited) == 0


def test_an_answer_that_somebody_else_still_waits_for_is_owed() -> None:
    pair = Pair()
    other = FakePeer(pair.world.account("I"), 3)
    other.subscribe(b"inbox.1", b"9")
    pair.responder.subscribe(b"q", b"1")
    pair.ask()

    pair.world.account("I").remove(pair.requester.subs.pop(b"1"))
    pair.world.clock.advance(0)

    assert pair.owed == 1


def test_a_measured_request_is_measured_once_with_both_sides() -> None:
    pair = Pair(latency=Latency(b"lat", 100))
    pair.responder.subscribe(b"q", b"1")
    reply = pair.ask()
    pair.world.clock.advance(5)
    pair.responder.says(b"PUB %b 1\r\na\r\n" % reply)

    ((account, subject, measurement),) = pair.world.measurements
    assert reply.endswith(b".hash.T")
    assert (account, subject, measurement.outcome) == ("E", b"lat", OK)
    assert measurement.requester == ClientInfo(acc="I")
    assert measurement.responder == ClientInfo(id=2, acc="E")
    assert measurement.service_ns == 5


def test_what_ends_without_an_answer_is_measured_by_its_end() -> None:
    pair = Pair(latency=Latency(b"lat", 100))
    pair.ask()  # nobody there
    pair.responder.subscribe(b"q", b"1")
    pair.ask()
    pair.world.clock.advance(SECOND_NS)
    pair.ask()
    pair.world.account("I").remove(pair.requester.subs.pop(b"1"))
    pair.world.clock.advance(0)
    pair.requester.says(b"PUB q 1\r\nq\r\n")  # no reply

    outcomes = [measurement.outcome for _, _, measurement in pair.world.measurements]
    assert outcomes == [NO_RESPONDERS, TIMED_OUT, INTEREST_LOST, (400, "Bad Request")]


def test_of_an_account_that_goes_many_answers_end_in_turns() -> None:
    pair = Pair()
    pair.responder.subscribe(b"q", b"1")
    for _ in range(RESPONSES_ENDED_PER_TURN + 1):
        pair.ask()

    pair.world.services["E"].stop()
    assert (pair.owed, len(pair.importing.awaited)) == (1, 1)
    pair.world.clock.advance(0)
    assert (pair.owed, len(pair.importing.awaited)) == (0, 0)


def test_no_answer_of_a_service_becomes_a_request_to_decide_on_a_login() -> None:
    pair = Pair()
    pair.responder.subscribe(b"q", b"1")
    decides = FakePeer(pair.world.account("I"), 3)
    decides.subscribe(b"$SYS.REQ.USER.AUTH", b"1")

    reply = pair.ask(b"PUB q $SYS.REQ.USER.AUTH 1\r\nq\r\n")

    assert not reply.startswith(b"_R_.")
    assert pair.owed == 0
    assert decides.got() == b""


def test_who_answers_with_a_reply_asks_nobody_to_decide_on_a_login() -> None:
    pair = Pair()
    pair.responder.subscribe(b"q", b"1")
    decides = FakePeer(pair.world.account("E"), 3)
    decides.subscribe(b"$SYS.REQ.USER.AUTH", b"1")
    reply = pair.ask()

    pair.responder.says(b"PUB %b $SYS.REQ.USER.AUTH 1\r\na\r\n" % reply)

    assert pair.requester.got() == b"MSG inbox.1 1 1\r\na\r\n"
    assert (pair.owed, len(pair.importing.responses)) == (0, 0)
    assert decides.got() == b""
