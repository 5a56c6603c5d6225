"""One inbox for many answers."""

from __future__ import annotations

import random

from leafnode.clock import NS_PER_S
from leafnode.routing.peer import Kind
from leafnode.uplink.mailbox import Letter, Mailbox
from tests.sim.clock import FakeClock
from tests.sim.peers import FakePeer, account


def test_the_first_answer_to_a_question_counts() -> None:
    clock = FakeClock()
    acc = account()
    mailbox = Mailbox(acc, clock, random.Random(1))
    heard: list[bytes | None] = []

    def answer_twice(reply: bytes) -> None:
        acc.publish(reply, b"one")
        acc.publish(reply, b"two")

    acc.subscribe(b"ask", lambda delivery: answer_twice(delivery.messages[0][0]))
    mailbox.ask(b"ask", b"", heard.append, NS_PER_S)
    clock.advance(2 * NS_PER_S)

    assert heard == [b"one"]
    assert clock.pending() == 0


def test_silence_and_nobody_there_are_both_no_answer() -> None:
    clock = FakeClock()
    acc = account()
    mailbox = Mailbox(acc, clock, random.Random(1))
    heard: list[bytes | None] = []
    acc.subscribe(b"silent", lambda _delivery: None)

    mailbox.ask(b"silent", b"", heard.append, NS_PER_S)
    mailbox.ask(b"nobody", b"", heard.append, NS_PER_S)
    assert heard == []
    clock.advance(1)
    assert heard == [None]

    clock.advance(NS_PER_S)
    assert heard == [None, None]


def test_letters_go_to_the_handler_of_their_name_and_tell_whether_the_hub_sent_them() -> None:
    acc = account()
    hub, below = FakePeer(acc, 9, Kind.LEAF), FakePeer(acc, 10, Kind.LEAF)
    mailbox = Mailbox(acc, FakeClock(), random.Random(1), lambda peer: peer is hub)
    letters: list[Letter] = []
    mailbox.on(b"p", letters.append)

    acc.publish(mailbox.address(b"p", b"12"), b"here")
    acc.publish(mailbox.address(b"p", b"13"), b"there", origin=hub)
    acc.publish(mailbox.address(b"p", b"14"), b"forged", origin=below)
    acc.publish(mailbox.address(b"zz", b"1"), b"nobody's")

    assert letters == [
        Letter(b"12", b"here", 0, False),
        Letter(b"13", b"there", 0, True),
        Letter(b"14", b"forged", 0, False),
    ]


def test_a_message_with_its_own_subject_is_told_apart() -> None:
    acc = account()
    mailbox = Mailbox(acc, FakeClock(), random.Random(1))
    messages: list[tuple[bytes, bytes, int, bytes]] = []
    mailbox.on_message = lambda *message: messages.append(message)

    pulled = (b"ev.a", b"$JS.ACK.x", 0, b"21.5")
    acc.deliver(mailbox.address(b"m", b"1"), [pulled], origin=acc.answering)

    assert messages == [(b"ev.a", b"$JS.ACK.x", 0, b"21.5")]


def test_an_answer_of_this_server_counts_only_from_itself() -> None:
    clock = FakeClock()
    acc = account()
    below, client = FakePeer(acc, 10, Kind.LEAF), FakePeer(acc, 11)
    mailbox = Mailbox(acc, clock, random.Random(1), lambda _: False)
    heard: list[bytes | None] = []
    asked: list[bytes] = []
    acc.subscribe(b"ask", lambda delivery: asked.append(delivery.messages[0][0]))
    mailbox.ask(b"ask", b"", heard.append, NS_PER_S)
    topic = asked[0].rpartition(b".")[2]

    acc.publish(asked[0], b"forged", origin=below)
    acc.publish(asked[0], b"forged", origin=client)
    acc.publish(mailbox.address(b"p", topic).replace(b".p.", b".a."), b"forged", origin=below)
    assert heard == []
    acc.publish(asked[0], b"true")

    assert heard == [b"true"]


def test_where_the_next_answer_counts_is_shown_to_no_client_and_told_by_no_former_answer() -> None:
    """A client may have this very server say something there, in place of what was asked."""
    clock = FakeClock()
    acc = account()
    client = FakePeer(acc, 11)
    client.subscribe(b">", b"1")
    mailbox = Mailbox(acc, clock, random.Random(1))
    heard: list[bytes | None] = []
    asked: list[bytes] = []
    acc.subscribe(b"ask", lambda delivery: asked.append(delivery.messages[0][0]))

    mailbox.ask(b"ask", b"x", heard.append, NS_PER_S)
    assert client.got() == b"MSG ask 1 1\r\nx\r\n"
    acc.publish(asked[0], b"true")
    assert asked[0] in client.got()
    mailbox.ask(b"ask", b"", heard.append, NS_PER_S)
    mine, _, topic = asked[0].rpartition(b".")
    acc.publish(asked[0], b"again")
    for guess in (b"1", b"2", b"3", topic[:-1] + b"0"):
        acc.publish(mine + b"." + guess, b"steered")
    assert heard == [b"true"]
    acc.publish(asked[1], b"true, too")

    assert heard == [b"true", b"true, too"]


def test_a_message_of_a_pull_counts_only_from_this_server() -> None:
    acc = account()
    below = FakePeer(acc, 10, Kind.LEAF)
    mailbox = Mailbox(acc, FakeClock(), random.Random(1), lambda _: False)
    messages: list[bytes] = []
    mailbox.on_message = lambda _subject, _reply, _size, body: messages.append(body)

    forged = (b"ev.a", b"$JS.ACK.x", 0, b"forged")
    acc.deliver(mailbox.address(b"m", b"1"), [forged], origin=below)
    pulled = (b"ev.a", b"$JS.ACK.x", 0, b"21.5")
    acc.deliver(mailbox.address(b"m", b"1"), [pulled], origin=acc.answering)

    assert messages == [b"21.5"]


def test_links_are_told_of_the_hubs_inbox_alone() -> None:
    acc = account()
    Mailbox(acc, FakeClock(), random.Random(1))
    assert acc.wanted() == []

    mailbox = Mailbox(acc, FakeClock(), random.Random(2), lambda _: False)
    hubs = mailbox.address(b"p", b"").removesuffix(b"p.") + b">"

    assert acc.wanted() == [(hubs, b"")]
    mailbox.close()
    assert acc.wanted() == []
    assert not acc.has_interest(mailbox.address(b"a", b"1"))
