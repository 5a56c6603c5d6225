"""Ack subjects and payloads, measured on nats-server 2.15.1."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from leafnode.jetstream import ack
from leafnode.jetstream.ack import Ack, AckKind, AckSubject
from leafnode.store.api import StoredMsg


@pytest.mark.parametrize(
    ("payload", "said"),
    [
        (b"", Ack(AckKind.ACK)),
        (b"+ACK", Ack(AckKind.ACK)),
        (b"+OK", Ack(AckKind.ACK)),
        (b"-NAK", Ack(AckKind.NAK)),
        (b'-NAK {"delay":300000000}', Ack(AckKind.NAK, 300_000_000)),
        (b"-NAK 200ms", Ack(AckKind.NAK, 200_000_000)),
        (b"-NAK nonsense", Ack(AckKind.NAK)),
        (b"-NAKx", Ack(AckKind.NAK)),
        (b'-NAK{"delay":5}', Ack(AckKind.NAK, 5)),
        (b'-NAK{"delay":5%b}' % (b" " * 4096), Ack(AckKind.NAK)),
        (b'-NAK {"Delay":5,"x":1}', Ack(AckKind.NAK, 5)),
        (b'-NAK {"delay":9999999999999999999}', Ack(AckKind.NAK)),
        (b"+WPI x", Ack(AckKind.UNKNOWN)),
        (b"+TERMx", Ack(AckKind.TERM, text=b"x")),
        (b"+NXTx", Ack(AckKind.NEXT, text=b"x")),
        (b'+NXT{"batch":1}', Ack(AckKind.NEXT, text=b'{"batch":1}')),
        (b"-NAK {bad", Ack(AckKind.NAK)),
        (b'-NAK {"delay":-5}', Ack(AckKind.NAK)),
        (b'-NAK {"delay":"x"}', Ack(AckKind.NAK)),
        (b"+WPI", Ack(AckKind.PROGRESS)),
        (b"+TERM", Ack(AckKind.TERM)),
        (b"+TERM because", Ack(AckKind.TERM, text=b"because")),
        (b"+NXT", Ack(AckKind.NEXT)),
        (b'+NXT {"batch":2}', Ack(AckKind.NEXT, text=b'{"batch":2}')),
        (b"zzz", Ack(AckKind.UNKNOWN)),
    ],
)
def test_each_payload_has_its_meaning(payload: bytes, said: Ack) -> None:
    assert ack.parse(payload) == said


@given(st.binary())
def test_no_payload_raises(payload: bytes) -> None:
    assert isinstance(ack.parse(payload), Ack)


@pytest.mark.parametrize(
    "subject",
    [
        b"$JS.ACK.S.C.2.7.3.1795386687786821431.5",
        b"$JS.ACK._.szMpdrwD.S.C.2.7.3.1795386687786821431.5",
        b"$JS.ACK.edge.szMpdrwD.S.C.2.7.3.1795386687786821431.5.tok",
    ],
)
def test_both_forms_of_the_subject_are_understood(subject: bytes) -> None:
    assert ack.parse_subject(subject) == AckSubject(2, 7, 3)


def test_what_is_no_number_in_a_subject_is_beyond_all() -> None:
    beyond = 2**64 - 1

    assert ack.parse_subject(b"$JS.ACK.S.C.x.-1." + b"9" * 30 + b".0.0") == AckSubject(
        beyond, beyond, beyond
    )
    assert ack.parse_subject(b"$JS.ACK.S.C.1.1") is None


def test_the_reply_subject_has_nine_tokens_with_time_and_pending_last() -> None:
    msg = StoredMsg(7, b"s.a", 1795386687786821431, 0, b"x")

    reply = ack.reply_subject(ack.subject_prefix("S", "C"), 2, msg, 3, 5)

    assert reply == b"$JS.ACK.S.C.2.7.3.1795386687786821431.5"


@given(count=st.integers(1, 5), consumer_seq=st.integers(1, 9), pending=st.integers(0, 9))
def test_a_run_of_replies_is_the_same_as_one_after_the_other(
    count: int, consumer_seq: int, pending: int
) -> None:
    messages = [StoredMsg(seq, b"s", 7, 0, b"") for seq in range(3, 3 + count)]

    run = ack.first_replies(b"$JS.ACK.S.C.", messages, consumer_seq, pending)

    assert run == [
        ack.reply_subject(
            b"$JS.ACK.S.C.", 1, msg, consumer_seq + index, max(0, pending - index - 1)
        )
        for index, msg in enumerate(messages)
    ]
    assert [ack.parse_tail(reply[12:]) for reply in run] == [
        ack.parse_subject(reply) for reply in run
    ]


@pytest.mark.parametrize(
    "reply",
    [
        b"$JS.ACK.S.C.2.30.4.5000.6",
        b"$JS.ACK.dom.hash.S.C.2.30.4.5000.6.token",
        b"_GR_.36IaNN.tYay1U.$JS.ACK.S.C.2.30.4.5000.6",  # by way of gateways
    ],
)
def test_a_delivery_says_where_it_is_from(reply: bytes) -> None:
    assert ack.parse_delivered(reply) == ack.Delivered(2, 30, 4, 5000, 6)


@pytest.mark.parametrize(
    "reply",
    [
        b"",
        b"_INBOX.x",
        b"$JS.ACK.S.C.1.2.3",
        b"$JS.ACK.S.C.1.x.3.4.5",
        b"$JS.ACK.S.C.1.2.3.4.99999999999999999999",
    ],
)
def test_what_is_no_delivery(reply: bytes) -> None:
    assert ack.parse_delivered(reply) is None
