"""Answers of JetStream. The JSON is copied from nats-server 2.15.1."""

from __future__ import annotations

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from leafnode.uplink import answers
from leafnode.uplink.answers import Delivered, Failure, HubMessage
from leafnode.uplink.onward import InFlight, Origin

ORIGIN = Origin("edge", "EV", "Ab12Cd34")


def hub_answer(block: bytes, seq: int = 5) -> bytes:
    hdrs = base64.b64encode(block)
    return (
        b'{"type":"io.nats.jetstream.api.v1.stream_msg_get_response","message":{"subject":"edge.ev.a",'
        b'"seq":%d,"hdrs":"%b","data":"MQ==","time":"2026-11-23T00:00:46.683553727Z"}}'
        % (seq, hdrs)
    )


STORED_NS = 1795392046683553727


def test_a_duplicate_is_a_pub_ack() -> None:
    ack = answers.pub_ack(b'{"stream":"AGG","domain":"hub","seq":1,"duplicate": true}')

    assert not isinstance(ack, Failure)
    assert (ack.stream, ack.domain, ack.seq, ack.duplicate) == ("AGG", "hub", 1, True)


def test_an_error_pub_ack_is_a_failure_with_its_number() -> None:
    body = (
        b'{"error":{"code":400,"err_code":10060,"description":"expected stream does not match"},'
        b'"stream":"AGG","seq":0}'
    )

    assert answers.pub_ack(body) == Failure(10060, "expected stream does not match")
    assert str(answers.pub_ack(body)) == "expected stream does not match (10060)"


@pytest.mark.parametrize("body", [b"", b"+OK", b"{}", b"[]", b'{"seq":"1"}', b"[" * 5000, b"\xff"])
def test_what_is_no_pub_ack_is_a_failure(body: bytes) -> None:
    assert isinstance(answers.pub_ack(body), Failure)


def test_the_last_message_of_this_stream_names_its_sequence() -> None:
    block = b"NATS/1.0\r\nNats-Msg-Id: edge.EV.Ab12Cd34.12\r\nLeafnode-In-Flight: 9 77\r\n\r\n"

    assert answers.hub_message(hub_answer(block), ORIGIN) == HubMessage(
        5, 12, InFlight(9, 77), "edge.ev.a", stored_ns=STORED_NS
    )


def test_a_message_of_somebody_else_names_none() -> None:
    block = b"NATS/1.0\r\nNats-Msg-Id: other.EV.Ab12Cd34.12\r\n\r\n"

    of_nobody = HubMessage(5, None, None, "edge.ev.a", stored_ns=STORED_NS)
    assert answers.hub_message(hub_answer(block), ORIGIN) == of_nobody
    assert answers.hub_message(hub_answer(b""), ORIGIN) == of_nobody


def test_no_message_found_is_an_answer_and_no_stream_a_failure() -> None:
    none = b'{"error":{"code":404,"err_code":10037,"description":"no message found"}}'
    missing = b'{"error":{"code":404,"err_code":10059,"description":"stream not found"}}'

    assert answers.hub_message(none, ORIGIN) is None
    assert answers.hub_message(missing, ORIGIN) == Failure(10059, "stream not found")


def test_both_forms_of_ack_subjects_are_read() -> None:
    short = b"$JS.ACK.EV.D1.1.17.3.1795386260760356133.42"
    long = b"$JS.ACK._.szMpdrwD.EV.D1.1.17.3.1795386260760356133.42.token"

    place = Delivered(17, 3, 1795386260760356133, 42, b"EV", b"D1")
    assert answers.delivered(short) == place
    assert answers.delivered(long) == place


@pytest.mark.parametrize(
    "subject",
    [b"", b"_INBOX.a", b"$JS.ACK.EV", b"$JS.ACK.EV.D1.1.x.3.4.5", b"$JS.ACK.a.b.c.d.e.f.g.h"],
)
def test_another_subject_is_no_ack_subject(subject: bytes) -> None:
    assert answers.delivered(subject) is None


def test_a_status_is_its_code_and_text() -> None:
    block = b"NATS/1.0 409 Message Size Exceeds MaxBytes\r\nNats-Pending-Messages: 1\r\n\r\n"

    assert answers.status(len(block), block) == (409, "Message Size Exceeds MaxBytes")
    assert answers.status(0, b"payload") == (0, "")


def test_a_stream_with_sources_may_hold_any_subject() -> None:
    plain = answers.stream_info(b'{"config":{"name":"EV","subjects":["ev.\\u003e"]}}')
    sourced = answers.stream_info(b'{"config":{"subjects":["ev.a"],"sources":[{"name":"X"}]}}')

    assert not isinstance(plain, Failure)
    assert plain.patterns == ["ev.>"]
    assert not isinstance(sourced, Failure)
    assert sourced.patterns == [">"]


@given(st.binary(max_size=300))
def test_no_bytes_raise(body: bytes) -> None:
    for read in (answers.pub_ack, answers.stream_info, answers.consumer_info):
        assert isinstance(read(body), Failure) or body
    answers.hub_message(body, ORIGIN)
    answers.delivered(body)
    answers.status(len(body), body)
