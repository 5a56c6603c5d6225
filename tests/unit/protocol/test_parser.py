"""leafnode.protocol.parser; the whole grammar against nats-server is in the transcripts."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from leafnode.errors import ProtocolError
from leafnode.protocol.errors import (
    Complaint,
    InvalidSubject,
    MaxControlLine,
    ParserError,
    UnknownOperation,
)
from leafnode.protocol.op import ConnectOp, Ignored, Op, Ping, Pong, Sub, Unsub
from leafnode.protocol.parser import parse_line


def parse(line: bytes, limit: int = 4096) -> Op:
    return parse_line(line, max_control_line_bytes=limit)


@pytest.mark.parametrize(
    ("line", "op"),
    [
        (b"PING", Ping()),
        (b"ping", Ping()),
        (b"PINGPING", Ping()),
        (b"PONG", Pong()),
        (b"+OK", Ignored()),
        (b"INFO {}", Ignored()),
        (b"SUB a 1", Sub(b"a", b"", b"1")),
        (b"sub\ta \t q  1 ", Sub(b"a", b"q", b"1")),
        (b"UNSUB 1", Unsub(b"1")),
        (b"UNSUB 1 5", Unsub(b"1", 5)),
        (b"UNSUB 1 -5", Unsub(b"1", 0)),
        (b"UNSUB 1 999999999", Unsub(b"1", 999_999_999)),
        (b"UNSUB 1 9999999999", Unsub(b"1", 0)),
    ],
)
def test_a_line_is_read(line: bytes, op: Op) -> None:
    assert parse(line) == op


@pytest.mark.parametrize("line", [b"", b" PING", b"PIN", b"SUB", b"SUBa 1", b"UNSUB", b"MSG a 1 0"])
def test_what_starts_like_no_operation_is_unknown(line: bytes) -> None:
    with pytest.raises(UnknownOperation):
        parse(line)


@pytest.mark.parametrize(
    "line",
    [
        b"SUB ",
        b"SUB a",
        b"SUB a b c d",
        b"UNSUB ",
        b"UNSUB 1 2 3",
        b"CONNECT",
        b"INFO x",
    ],
)
def test_a_known_operation_with_wrong_arguments_closes_without_a_word(line: bytes) -> None:
    with pytest.raises(ParserError) as caught:
        parse(line)

    assert caught.value.wire_error == b""
    assert caught.value.closes


def test_a_complaint_of_the_client_closes_without_a_word_too() -> None:
    with pytest.raises(Complaint) as caught:
        parse(b"-ERR x")

    assert caught.value.wire_error == b""
    assert caught.value.closes


@pytest.mark.parametrize("template", [b"SUB %b 1", b"UNSUB 1 %b", b'CONNECT {"a":"%b"}'])
def test_the_limit_is_for_the_arguments_alone(template: bytes) -> None:
    arguments = template.partition(b" ")[2]
    room = 100 - len(arguments) + len(b"%b")

    parse(template % (b"1" * room), limit=100)

    with pytest.raises(MaxControlLine):
        parse(template % (b"1" * (room + 1)), limit=100)


def test_connect_carries_its_options() -> None:
    op = parse(b'CONNECT {"verbose":false,"name":"x"}')

    assert isinstance(op, ConnectOp)
    assert (op.connect.verbose, op.connect.name) == (False, "x")


STARTS = st.sampled_from(
    [b"", b"SUB ", b"UNSUB ", b"CONNECT ", b"CONNECT {", b"-ERR ", b"INFO ", b"PI"]
)


@given(STARTS, st.binary(max_size=40))
def test_any_bytes_give_an_operation_or_a_protocol_error(start: bytes, rest: bytes) -> None:
    try:
        op = parse(start + rest)
    except ProtocolError:
        return
    assert isinstance(op, ConnectOp | Sub | Unsub | Ping | Pong | Ignored)


def test_a_queue_name_with_nul_is_refused_like_a_subject_with_one() -> None:
    with pytest.raises(InvalidSubject):
        parse_line(b"SUB a q\0r 1", max_control_line_bytes=4096)
