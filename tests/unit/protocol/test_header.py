"""leafnode.protocol.header: blocks as clients and nats-server write them."""

from __future__ import annotations

import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from leafnode.limits import SAME_HEADER_MAX
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


def test_all_lines_that_begin_so_are_left_out_and_a_block_without_lines_is_none() -> None:
    block = header.build([(b"A", b"1"), (b"AB", b"2"), (b"C", b"A:"), (b"A", b"3")])

    assert header.without(block, (b"A:", b"D")) == header.build([(b"AB", b"2"), (b"C", b"A:")])
    assert header.without(block, (b"D", b"B")) == block
    assert header.without(block, (b"A", b"C")) == b""


SPELLED = st.sampled_from([b"Own", b"own", b" oWN\t", b"\t\tOWN", b"Owner", b"The-Own", b"Own Own"])
LINES = st.tuples(SPELLED, st.sampled_from([b":", b": own: 1", b"", b": x\ry"]))


@given(st.lists(st.tuples(LINES, st.sampled_from([b"\r\n", b"\n"])), max_size=30))
def test_what_is_set_stands_once_and_last_however_it_was_spelled(
    lines: list[tuple[tuple[bytes, bytes], bytes]],
) -> None:
    texts = [name + rest for (name, rest), _ in lines]
    block = b"NATS/1.0" + b"".join(end + text for (_, end), text in zip(lines, texts, strict=True))

    found = header.replaced(block + b"\r\n\r\n", b"Own", b"new")

    kept = [
        text
        for text in texts
        if not (b":" in text and text.partition(b":")[0].strip().lower() == b"own")
    ]
    assert found.endswith(b"\r\nOwn: new\r\n\r\n")
    got = [line.removesuffix(b"\r") for line in found.removesuffix(b"\r\n\r\n").split(b"\n")]
    assert got == [b"NATS/1.0", *kept, b"Own: new"]


def test_a_block_is_made_where_there_was_none() -> None:
    assert header.replaced(b"", b"A", b"1") == header.build([(b"A", b"1")])


def test_of_very_many_lines_that_are_to_go_the_last_take_the_rest_with_them() -> None:
    lines = [(b"A", b"1"), *[(b"Own", b"x"), (b"B", b"2")] * (SAME_HEADER_MAX + 10)]

    found = header.parse(header.replaced(header.build(lines), b"Own", b"new"))

    assert found[0] == (b"A", b"1")
    assert found[1:-1] == [(b"B", b"2")] * SAME_HEADER_MAX
    assert found[-1] == (b"Own", b"new")


@pytest.mark.parametrize("line", [b"a:\r\n", b"Own:\r\n", b"own own\r\n"])
def test_a_block_of_very_many_lines_is_searched_and_not_cut_up(line: bytes) -> None:
    block = header.VERSION + b"\r\n" + line * 50_000 + b"\r\n"
    tracemalloc.start()

    header.replaced(block, b"Own", b"new")
    list(header.values(block, block.lower(), b"other"))

    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 5 * len(block)


def test_values_of_a_name_in_any_case_or_of_all_that_begin_so() -> None:
    block = header.build([(b"A", b"1"), (b"a", b"2"), (b"Ab", b"3"), (b"C-x", b"4"), (b"c-", b"5")])
    folded = block.lower()

    assert list(header.values(block, folded, b"a")) == [(b"A", b"1"), (b"a", b"2")]
    assert list(header.values(block, folded, b"c-")) == [(b"C-x", b"4"), (b"c-", b"5")]
    assert list(header.values(block, folded, b"d")) == []


def test_of_one_name_a_bounded_number_of_lines_is_looked_at() -> None:
    block = b"NATS/1.0\r\n" + b"a-: \r\n" * (SAME_HEADER_MAX - 1) + b"a-: 1\r\na-: 2\r\n\r\n"

    assert len(list(header.values(block, block, b"a-"))) == SAME_HEADER_MAX
    assert list(header.values(block, block, b"b-")) == []
    without_colons = b"NATS/1.0" + b"\r\na-" * SAME_HEADER_MAX + b"\r\na-: 1\r\n\r\n"
    assert list(header.values(without_colons, without_colons, b"a-")) == []
