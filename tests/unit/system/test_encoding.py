"""leafnode.system.encoding: gzip and the framing of snappy."""

from __future__ import annotations

import gzip
import json

import pytest

from leafnode.limits import SNAPPY_ANSWER_BYTES_MAX
from leafnode.monitor.steps import ROWS_PER_TURN
from leafnode.slices import finish
from leafnode.system.encoding import encoded, snappy_frames, written


def told(block: bytes, body: bytes) -> tuple[bytes, bytes]:
    return finish(encoded(block, body))


HEADER = b"NATS/1.0\r\nAccept-Encoding: %b\r\n\r\n"


def test_without_a_wish_the_answer_leaves_as_it_is() -> None:
    assert told(b"NATS/1.0\r\nX: 1\r\n\r\n", b"{}") == (b"", b"{}")


def test_gzip_can_be_read_by_anybody() -> None:
    block, body = told(HEADER % b"GZIP, br", b"hello")

    assert block == b"NATS/1.0\r\nContent-Encoding: gzip\r\n\r\n"
    assert gzip.decompress(body) == b"hello"


@pytest.mark.parametrize("wish", [b"snappy", b"s2", b"gzip, Snappy"])
def test_snappy_is_preferred(wish: bytes) -> None:
    block, body = told(HEADER % wish, b"hello")

    assert block == b"NATS/1.0\r\nContent-Encoding: snappy\r\n\r\n"
    assert body.startswith(b"\xff\x06\x00\x00sNaPpY\x01")


def test_what_is_not_known_is_answered_as_identity() -> None:
    assert told(HEADER % b"br", b"{}") == (
        b"NATS/1.0\r\nContent-Encoding: identity\r\n\r\n",
        b"{}",
    )


def test_a_large_answer_is_zipped_in_slices() -> None:
    large = b"0123456789" * 20_000
    steps = encoded(HEADER % b"gzip", large)

    pauses = 0
    try:
        while True:
            next(steps)
            pauses += 1
    except StopIteration as stop:
        _, body = stop.value

    assert pauses >= len(large) // 65536
    assert gzip.decompress(body) == large


def test_a_long_list_is_written_in_slices_and_reads_as_ever() -> None:
    shown = [{"n": number} for number in range(1000)]
    rows = list(shown)
    steps = written({"server": {"seq": 1}, "data": {"rows": rows, "n": 1, "few": [1]}})

    left = []
    try:
        while True:
            next(steps)
            left.append(len(rows))
    except StopIteration as stop:
        body = stop.value

    assert len(left) >= len(shown) // ROWS_PER_TURN
    assert left[:2] == [1000 - ROWS_PER_TURN, 1000 - 2 * ROWS_PER_TURN]  # let go of meanwhile
    assert json.loads(body)["data"] == {"rows": shown, "n": 1, "few": [1]}


@pytest.mark.parametrize("message", [5, [1], {"a": 1}, {"data": None}, {"data": [1] * 100}])
def test_any_message_is_json(message: object) -> None:
    assert json.loads(finish(written(message))) == message


def test_a_long_answer_is_cut_into_frames() -> None:
    frames = snappy_frames(b"x" * 65537)

    assert frames.count(b"x" * 100) >= 1
    assert frames[10:14] == b"\x01\x04\x00\x01"  # 65,536 bytes and their checksum
    assert frames[-9:-5] == b"\x01\x05\x00\x00"


def test_an_answer_at_the_bound_is_framed_and_a_larger_one_leaves_as_it_is() -> None:
    at_bound, beyond = b"x" * SNAPPY_ANSWER_BYTES_MAX, b"x" * (SNAPPY_ANSWER_BYTES_MAX + 1)

    assert b"snappy" in told(HEADER % b"snappy", at_bound)[0]
    assert told(HEADER % b"snappy", beyond) == (
        b"NATS/1.0\r\nContent-Encoding: identity\r\n\r\n",
        beyond,
    )
