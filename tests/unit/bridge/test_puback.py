"""leafnode.bridge.puback: what nats-server 2.15.1 answers to a publisher."""

from __future__ import annotations

import pytest

from leafnode.bridge.puback import PubAck, decoded, status


def test_what_is_stored_has_a_stream_and_a_sequence() -> None:
    assert decoded(b'{"stream":"S","domain":"D","seq":7}') == PubAck("S", 7)
    assert decoded(b'{"stream":"S","seq":7,"duplicate": true}') == PubAck("S", 7, duplicate=True)


@pytest.mark.parametrize(("err_code", "is_poison"), [(10077, False), (10054, True), (10097, True)])
def test_a_refusal_says_whether_the_next_attempt_is_of_use(
    err_code: int, *, is_poison: bool
) -> None:
    text = b'{"error":{"code":400,"err_code":%d,"description":"no"},"stream":"S","seq":0}'

    ack = decoded(text % err_code)

    assert ack is not None
    assert ack.error is not None
    assert (ack.error.description, ack.error.is_poison) == ("no", is_poison)


@pytest.mark.parametrize("payload", [b"", b"pong", b"[" * 5000, b'{"seq":"7"}', b"\xff"])
def test_what_is_no_answer_of_a_stream_is_none(payload: bytes) -> None:
    assert decoded(payload) is None


def test_a_status_stands_alone() -> None:
    block = b"NATS/1.0 429 Too Many Requests\r\n\r\n"

    assert status(block, b"") == "429 Too Many Requests"
    assert status(block, b"{}") == ""
    assert status(b"NATS/1.0\r\nA: b\r\n\r\n", b"") == ""
