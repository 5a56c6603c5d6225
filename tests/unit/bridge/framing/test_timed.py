"""A silence or a timer bounds a frame. Time is a parameter: nothing waits."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from leafnode.bridge.framing.timed import IdleFraming
from leafnode.clock import NS_PER_MS
from leafnode.config.crc_catalog import CATALOG
from leafnode.config.serial_stage_options import CheckOptions, FramingOptions
from tests.unit.bridge.framing.feeding import feed, framing_of

GAP_MS = 10


def idle(*, keep_first: bool = True, **options: object):
    framing = framing_of("idle", gap_ns=GAP_MS * NS_PER_MS, keep_first=keep_first, **options)
    framing.opened(0)
    return framing


def test_a_silence_ends_a_frame_even_if_nothing_follows() -> None:
    framing = idle()
    assert feed(framing, b"a", b"b", now_ms=5) == []
    assert framing.next_timeout_ms(7) == 8

    assert feed(framing, b"", now_ms=14) == []
    assert feed(framing, b"", now_ms=15) == [b"ab"]
    assert framing.next_timeout_ms(15) is None


def test_bytes_behind_a_silence_begin_the_next_frame() -> None:
    framing = idle()
    feed(framing, b"a", now_ms=5)

    assert feed(framing, b"b", now_ms=15) == [b"a"]
    assert feed(framing, b"", now_ms=25) == [b"b"]


def test_what_comes_before_the_first_silence_may_be_a_tail() -> None:
    framing = idle(keep_first=False)

    assert feed(framing, b"tail", now_ms=1) == []
    assert feed(framing, b"one", now_ms=20) == []
    assert feed(framing, b"", now_ms=30) == [b"one"]
    assert framing.counts().noise_bytes == 4


def test_a_silence_after_the_opening_says_that_the_first_frame_is_whole() -> None:
    framing = idle(keep_first=False)

    feed(framing, b"one", now_ms=GAP_MS)

    assert feed(framing, b"", now_ms=2 * GAP_MS) == [b"one"]


def test_a_frame_of_more_than_the_maximum_is_dropped_up_to_the_next_silence() -> None:
    framing = idle(max_frame_bytes=4)

    assert feed(framing, b"1234", b"5", b"6", now_ms=1) == []
    assert feed(framing, b"next", now_ms=20) == []
    assert feed(framing, b"", now_ms=40) == [b"next"]
    counts = framing.counts()
    assert (counts.overlong, counts.noise_bytes) == (1, 6)


def test_a_wrong_check_costs_its_frame_alone() -> None:
    modbus = CheckOptions("crc16_modbus", crc=CATALOG["crc16_modbus"][0], form="little")
    framing = idle(check=modbus)
    # "Modbus over Serial Line" V1.02, appendix B: 02 07 has the CRC 41 12.
    for number, frame in enumerate((b"\x02\x07\x41\x12", b"\x02\x08\x41\x12", b"\x02\x07\x41\x12")):
        feed(framing, frame, now_ms=100 * (number + 1))

    assert feed(framing, b"", now_ms=1000) == [b"\x02\x07"]
    assert framing.counts()[:3] == (12, 2, 1)


@pytest.mark.parametrize("framing", ["idle", "raw"])
def test_the_bytes_of_a_frame_with_a_wrong_check_are_noise(framing: str) -> None:
    modbus = CheckOptions("crc16_modbus", crc=CATALOG["crc16_modbus"][0], form="little")
    every = {"gap_ns": GAP_MS * NS_PER_MS} if framing == "idle" else {"every_ns": NS_PER_MS}
    one = framing_of(framing, check=modbus, keep_first=True, **every)
    one.opened(0)

    feed(one, b"\x02\x08\x41\x12", now_ms=100)
    feed(one, b"", now_ms=200)

    assert (one.counts().bad, one.counts().noise_bytes) == (1, 4)


def test_opening_the_port_again_forgets_half_a_frame() -> None:
    framing = idle()
    feed(framing, b"half", now_ms=1)

    framing.opened(2)

    assert feed(framing, b"", now_ms=100) == []


@given(
    st.lists(st.tuples(st.binary(min_size=1, max_size=6), st.integers(GAP_MS, 50)), max_size=8),
    st.data(),
)
def test_any_chunking_within_the_silence_gives_the_same_frames(
    frames: list[tuple[bytes, int]], data: st.DataObject
) -> None:
    framing = idle()
    now_ms = 0
    payloads = []
    for frame, silence_ms in frames:
        now_ms += silence_ms
        for byte in frame:
            payloads += feed(framing, bytes((byte,)), now_ms=now_ms)
            now_ms += data.draw(st.integers(0, GAP_MS - 1))
    payloads += feed(framing, b"", now_ms=now_ms + GAP_MS)

    assert payloads == [frame for frame, _ in frames]


@pytest.mark.parametrize(
    ("characters", "baud", "expected"),
    [(3.5, 9600, 5), (3.5, 115_200, 1), (3.5, 300, 140), (1.5, 19_200, 1), (50, 9600, 63)],
)
def test_characters_become_milliseconds_rounded_up(
    characters: float, baud: int, expected: int
) -> None:
    options = FramingOptions("idle", gap_chars=characters)

    assert IdleFraming(options, None, b"", baud=baud).ends_ms == expected


def test_a_given_gap_stands() -> None:
    options = FramingOptions("idle", gap_ns=2_500_000)

    assert IdleFraming(options, None, b"", baud=9600).ends_ms == 3


# --- raw


def test_a_chunk_that_nobody_takes_yet_asks_for_no_time() -> None:
    framing = raw()
    framing.receive(b"abc", 0)
    assert framing.next_timeout_ms(40) == 60

    framing.receive(b"", 100)

    assert framing.next_timeout_ms(100) is None
    assert feed(framing, b"", now_ms=200) == [b"abc"]


def raw(**options: object):
    framing = framing_of("raw", every_ns=100 * NS_PER_MS, **options)
    framing.opened(0)
    return framing


def test_a_chunk_is_what_came_within_the_interval() -> None:
    framing = raw()
    assert feed(framing, b"a", now_ms=10) == []
    assert framing.next_timeout_ms(20) == 90
    assert feed(framing, b"b", now_ms=109) == []

    assert feed(framing, b"", now_ms=110) == [b"ab"]
    assert framing.next_timeout_ms(110) is None


def test_a_chunk_has_at_most_the_maximum_and_no_byte_is_lost() -> None:
    framing = raw(max_frame_bytes=4)

    assert feed(framing, b"1234567890", now_ms=0) == [b"1234", b"5678"]
    assert feed(framing, b"", now_ms=100) == [b"90"]


@given(st.lists(st.tuples(st.binary(max_size=10), st.integers(0, 300)), max_size=20))
def test_all_bytes_come_out_in_their_order(parts: list[tuple[bytes, int]]) -> None:
    framing = raw(max_frame_bytes=7)
    now_ms = 0
    out = []
    for data, pause_ms in parts:
        now_ms += pause_ms
        out += feed(framing, data, now_ms=now_ms)
    out += feed(framing, b"", now_ms=now_ms + 100)

    assert b"".join(out) == b"".join(data for data, _ in parts)
    assert all(0 < len(chunk) <= 7 for chunk in out)
