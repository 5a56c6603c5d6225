"""leafnode.routing.message_args: what stands behind a subject, for clients and for leafs."""

from __future__ import annotations

import pytest

from leafnode.protocol.errors import MaxPayloadViolation, ParserError
from leafnode.routing.message_args import parse_args, usual_args
from leafnode.routing.peer import Kind
from tests.sim.peers import FakePeer, account

MAX_PAYLOAD = 1024


def test_a_size_alone() -> None:
    args = parse_args(FakePeer(account()), [b"s", b"5"], MAX_PAYLOAD, with_header=False)

    assert (args.reply, args.header_size, args.size, args.queues) == (b"", 0, 5, None)


def test_a_reply_and_both_sizes() -> None:
    args = parse_args(FakePeer(account()), [b"s", b"r", b"2", b"5"], MAX_PAYLOAD, with_header=True)

    assert (args.reply, args.header_size, args.size, args.queues) == (b"r", 2, 5, None)


@pytest.mark.parametrize(
    "parts", [[], [b"x"], [b"-1"], [b"+1"], [b"1x"], [b"1234567890"], [b"a", b"b", b"1"]]
)
def test_what_no_client_may_say_is_a_parser_error(parts: list[bytes]) -> None:
    with pytest.raises(ParserError):
        parse_args(FakePeer(account()), [b"s", *parts], MAX_PAYLOAD, with_header=False)


def test_a_header_larger_than_its_message_is_a_parser_error() -> None:
    with pytest.raises(ParserError):
        parse_args(FakePeer(account()), [b"s", b"3", b"2"], MAX_PAYLOAD, with_header=True)


def test_a_header_from_a_client_that_has_none_is_a_parser_error() -> None:
    peer = FakePeer(account())
    peer.headers = False

    with pytest.raises(ParserError):
        parse_args(peer, [b"s", b"1", b"2"], MAX_PAYLOAD, with_header=True)


def test_the_largest_payload_passes_and_one_byte_more_does_not() -> None:
    peer = FakePeer(account())

    assert parse_args(peer, [b"s", b"1024"], MAX_PAYLOAD, with_header=False).size == MAX_PAYLOAD
    with pytest.raises(MaxPayloadViolation):
        parse_args(peer, [b"s", b"1025"], MAX_PAYLOAD, with_header=False)


def test_a_leaf_names_queue_groups_with_and_without_a_reply() -> None:
    leaf = FakePeer(account(), kind=Kind.LEAF)

    with_reply = parse_args(leaf, b"s + r q z 1".split(), MAX_PAYLOAD, with_header=False)
    without = parse_args(leaf, b"s | q 1".split(), MAX_PAYLOAD, with_header=False)

    assert (with_reply.reply, with_reply.queues) == (b"r", {b"q", b"z"})
    assert (without.reply, without.queues) == (b"", {b"q"})


@pytest.mark.parametrize("with_header", [False, True])
def test_a_leaf_may_name_a_reply_and_no_group(*, with_header: bool) -> None:
    leaf = FakePeer(account(), kind=Kind.LEAF)
    sizes = [b"12", b"14"] if with_header else [b"2"]

    args = parse_args(leaf, [b"s", b"+", b"r", *sizes], MAX_PAYLOAD, with_header=with_header)
    alone = parse_args(leaf, [b"s", b"|", *sizes], MAX_PAYLOAD, with_header=with_header)

    assert (args.reply, args.queues) == (b"r", frozenset())
    assert (alone.reply, alone.queues) == (b"|", None)


@pytest.mark.parametrize("line", [b"r q 1", b"- r q 1"])
def test_a_leafs_list_without_its_mark_is_a_parser_error(line: bytes) -> None:
    leaf = FakePeer(account(), kind=Kind.LEAF)

    with pytest.raises(ParserError):
        parse_args(leaf, [b"s", *line.split()], MAX_PAYLOAD, with_header=False)


@pytest.mark.parametrize(
    ("rest", "with_header", "wanted"),
    [
        (b"5000\r\n", False, (b"", 0, 5000)),
        (b"r.1 5000\r\n", False, (b"r.1", 0, 5000)),
        (b"12 40\r\n", True, (b"", 12, 40)),
        (b"r.1 12 40\r\n", True, (b"r.1", 12, 40)),
    ],
)
def test_what_clients_usually_write_is_read_at_once(
    rest: bytes, with_header: bool, wanted: tuple[bytes, int, int]
) -> None:
    assert usual_args(rest, with_header=with_header) == wanted


@pytest.mark.parametrize(
    "rest", [b"5\n", b" 5\r\n", b"a  5\r\n", b"a b 5\r\n", b"\r\n", b"r@s 5\r\n"]
)
def test_what_is_unusual_is_left_to_the_parser(rest: bytes) -> None:
    assert usual_args(rest, with_header=False)[2] == -1


@pytest.mark.parametrize("rest", [b"5\r\n", b"0 5\r\n", b"6 5\r\n", b"x 5\r\n", b"a b 1 5\r\n"])
def test_an_unusual_header_size_is_left_to_the_parser(rest: bytes) -> None:
    assert usual_args(rest, with_header=True)[2] == -1


def test_a_hub_may_answer_the_server_itself_with_more_than_a_payload() -> None:
    hub = FakePeer(account(), kind=Kind.LEAF)
    hub.max_answer_bytes = 2000
    assert hub.account is not None
    sub = hub.account.subscribe(b"_INBOX.own.>", print)
    hub.account.inboxes[b"_INBOX.own."] = sub

    args = parse_args(hub, [b"_INBOX.own.h.1", b"2000"], MAX_PAYLOAD, with_header=False)

    assert args.size == 2000
    assert args.only_for is sub
    small = parse_args(hub, [b"_INBOX.own.h.1", b"1024"], MAX_PAYLOAD, with_header=False)
    assert small.only_for is None
    with pytest.raises(MaxPayloadViolation):
        parse_args(hub, [b"_INBOX.own.h.1", b"2001"], MAX_PAYLOAD, with_header=False)
    with pytest.raises(MaxPayloadViolation):
        parse_args(hub, [b"_INBOX.other.1", b"1025"], MAX_PAYLOAD, with_header=False)


def test_nobody_else_may_answer_with_more_than_a_payload() -> None:
    below = FakePeer(account(), kind=Kind.LEAF)
    assert below.account is not None
    below.account.inboxes[b"_INBOX.own."] = below.account.subscribe(b"_INBOX.own.>", print)

    with pytest.raises(MaxPayloadViolation):
        parse_args(below, [b"_INBOX.own.h.1", b"1025"], MAX_PAYLOAD, with_header=False)
