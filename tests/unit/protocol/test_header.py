"""leafnode.protocol.header: blocks as clients and nats-server write them."""

import pytest

from leafnode.protocol import header

BLOCK = b"NATS/1.0\r\nA: 1\r\nNats-Msg-Id:x y \r\nA: 2\r\n\r\n"


def test_parse_gives_pairs_in_order_without_the_blanks_before_values() -> None:
    assert header.parse(BLOCK) == [(b"A", b"1"), (b"Nats-Msg-Id", b"x y "), (b"A", b"2")]


def test_parse_passes_over_a_line_without_a_colon() -> None:
    assert header.parse(b"NATS/1.0\r\njunk\r\nA: 1\r\n\r\n") == [(b"A", b"1")]


def test_get_returns_the_first_value_of_that_exact_name() -> None:
    assert header.get(BLOCK, b"A") == b"1"
    assert header.get(BLOCK, b"Nats-Msg-Id") == b"x y "  # as on nats-server
    assert header.get(BLOCK, b"nats-msg-id") is None
    assert header.get(BLOCK, b"Msg-Id") is None


def test_build_and_parse_are_inverse() -> None:
    pairs = [(b"K", b"v"), (b"L", b"")]

    assert header.parse(header.build(pairs)) == pairs


def test_build_refuses_a_value_that_would_add_a_line() -> None:
    with pytest.raises(AssertionError):
        header.build([(b"K", b"v\r\nX: y")])


def test_status_without_a_text_is_the_no_responders_line() -> None:
    assert header.status(503) == b"NATS/1.0 503\r\n\r\n"


def test_status_with_text_and_pairs() -> None:
    block = header.status(100, b"Idle Heartbeat", [(b"Nats-Last-Stream", b"2")])

    assert block == b"NATS/1.0 100 Idle Heartbeat\r\nNats-Last-Stream: 2\r\n\r\n"


def test_so_many_lines_of_a_block_are_read_and_no_more() -> None:
    block = header.build([(b"A", b"1"), (b"B", b"2"), (b"C", b"3")])

    assert header.parse(block, 2) == [(b"A", b"1"), (b"B", b"2")]
    assert header.parse(block, 9) == header.parse(block)


def test_a_line_is_put_where_it_stands_and_else_at_the_end() -> None:
    block = header.build([(b"A", b"1"), (b"AB", b"2"), (b"C", b"3")])

    assert header.parse(header.put(block, b"A", b"longer"))[0] == (b"A", b"longer")
    assert header.put(header.put(block, b"A", b"9"), b"A", b"1") == block
    assert header.parse(header.put(block, b"D", b"4"))[3:] == [(b"D", b"4")]
    assert header.put(b"", b"D", b"4") == header.build([(b"D", b"4")])


def test_a_line_is_removed_and_a_block_without_lines_is_none() -> None:
    block = header.build([(b"A", b"1"), (b"AB", b"2"), (b"C", b"3")])

    assert header.removed(block, b"A") == header.build([(b"AB", b"2"), (b"C", b"3")])
    assert header.removed(block, b"C") == header.build([(b"A", b"1"), (b"AB", b"2")])
    assert header.removed(block, b"B") == block
    assert header.removed(header.build([(b"A", b"1")]), b"A") == b""
