"""Where an answer of the server's own may go."""

from __future__ import annotations

import logging

import pytest

from leafnode.routing.answers import (
    Replies,
    is_inbox,
    where_it_arrives,
    where_it_was_asked,
)
from tests.sim.peers import FakePeer
from tests.unit.bridge.fake_stream import new_account
from tests.unit.routing.test_services import Pair


@pytest.mark.parametrize(
    "reply",
    [
        b"_INBOX.a.1",
        b"_INBOX_me.1",
        b"_R_.x.y",
        b"_GR_.36IaNN.tYay1U._INBOX.a",
        b"_GR_.36IaNN.tYay1U._R_.a",
    ],
)
def test_an_inbox_is_answered(reply: bytes) -> None:
    assert is_inbox(reply)


@pytest.mark.parametrize(
    "reply",
    [b"", b"_INBOX", b"x._INBOX.a", b"cmd.b", b"$JS.API.X", b"_GR_.36IaNN.tYay1U.cmd.b", b"_GR_.a"],
)
def test_anything_else_is_not(reply: bytes) -> None:
    assert not is_inbox(reply)


def test_what_is_refused_is_counted_and_logged_ever_less_often(
    caplog: pytest.LogCaptureFixture,
) -> None:
    replies = Replies(logging.getLogger("leafnode.test"), "commands", new_account())

    assert [replies.checked(b"x.%d" % number) for number in range(100)] == [b""] * 100
    assert replies.checked(b"$JS.ACK.s.c.1.1.1.1.0") == b""
    assert replies.checked(b"_INBOX.a") == b"_INBOX.a"

    assert replies.refused == 100
    assert len(caplog.records) == 7


@pytest.mark.parametrize("reply", [b"inbox.1", b"_INBOX.1"])
def test_an_answer_to_a_service_import_arrives_where_its_asker_said(reply: bytes) -> None:
    pair = Pair()
    pair.responder.subscribe(b"q", b"1")
    account = pair.world.account("E")

    seen = pair.ask(b"PUB q %b 1\r\nq\r\n" % reply)

    importer = pair.world.account("I")
    assert where_it_arrives(account, seen) == (importer, reply)
    checked = Replies(logging.getLogger("leafnode.test"), "commands", account).checked(seen)
    assert checked == (seen if reply == b"_INBOX.1" else b"")


def test_a_request_was_asked_in_the_account_whose_import_brought_it() -> None:
    pair = Pair()
    pair.world.import_("J", pair.world.export("I", b"q"), b"mine")
    far = FakePeer(pair.world.account("J"), 3)
    pair.responder.subscribe(b"q", b"1")
    account = pair.world.account("E")
    far.says(b"PUB mine inbox.1 1\r\nq\r\n")

    seen = pair.responder.got().split()[3]

    assert where_it_was_asked(account, seen) is pair.importing.account
    assert where_it_was_asked(account, b"inbox.1") is account


def test_an_answer_that_would_go_round_and_round_goes_nowhere() -> None:
    pair = Pair()
    pair.responder.subscribe(b"q", b"1")
    seen = pair.ask(b"PUB q _INBOX.1 1\r\nq\r\n")
    account = pair.world.account("E")
    response = pair.world.services["E"].responses[seen]
    response.to, response.importer = seen, response.responders  # no client can make it so

    assert where_it_arrives(account, seen) == (account, b"")


@pytest.mark.parametrize("api", [b"$JS.API.STREAM.PURGE.S", b"$JS.hub.API.STREAM.DELETE.S"])
@pytest.mark.parametrize("via", [b"", b"$JS.API.S"])
def test_an_answer_of_a_service_asks_nothing_of_any_api(api: bytes, via: bytes) -> None:
    """Who asked named where it goes, and need not be one who may ask there."""
    pair = Pair()
    pair.responder.subscribe(b"q", b"1")
    pair.requester.subscribe(b"$JS.>", b"9")
    if via:
        pair.world.import_("I", pair.world.export("J", api), b"by.name")
        FakePeer(pair.world.account("J"), 3).subscribe(b"$JS.>", b"1")

    reply = pair.ask(b"PUB q %b 1\r\nq\r\n" % (b"by.name" if via else api))
    pair.responder.says(b"PUB %b 0\r\n\r\n" % reply)

    assert pair.requester.got() == b""
    assert pair.owed == 0


def test_what_answers_a_request_to_a_service_is_no_command() -> None:
    pair = Pair()
    pair.responder.subscribe(b"q", b"1")
    replies = Replies(logging.getLogger("leafnode.test"), "commands", new_account())
    taken: list[bool] = []
    account = pair.world.account("I")
    account.subscribe(b"cmd", lambda delivery: taken.append(replies.takes(delivery)))

    reply = pair.ask(b"PUB q cmd 1\r\nq\r\n")
    pair.responder.says(b"PUB %b 5\r\nOUT 1\r\n" % reply)
    pair.requester.says(b"PUB cmd 5\r\nOUT 0\r\n")

    assert taken == [False, True]


@pytest.mark.parametrize(("local", "received"), [(b"next", 1), (b"nex*", 1), (b"*", 0), (b">", 0)])
def test_an_answer_goes_on_as_a_request_through_an_import_without_wildcards_alone(
    local: bytes, received: int
) -> None:
    """As on nats-server 2.15.1 (measured), also of what an answer asks back."""
    pair = Pair()
    pair.responder.subscribe(b"q", b"1")
    name = b"nex*" if local == b"nex*" else b"next"
    pair.world.import_("I", pair.world.export("J", local))
    further = FakePeer(pair.world.account("J"), 3)
    further.subscribe(b">", b"1")

    reply = pair.ask(b"PUB q %b 1\r\nq\r\n" % name)
    pair.responder.says(b"PUB %b 1\r\na\r\n" % reply)

    assert further.got().count(b"\r\na\r\n") == received
