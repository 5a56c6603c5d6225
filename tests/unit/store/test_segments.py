"""leafnode.store.segments: columns come back as they were written, damage is noticed."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from leafnode.errors import StoreCorrupt
from leafnode.store.segments import (
    Columns,
    Segment,
    bit_offsets,
    decode_spans,
    encode_spans,
    open_checked,
    seal_checked,
)

rows = st.lists(
    st.tuples(st.integers(1, 9), st.integers(1, 2**31), st.integers(0, 10**18)), max_size=50
)
gaps = st.lists(st.integers(1, 3), min_size=50, max_size=50)


def columns_of(entries: list[tuple[int, int, int]], steps: list[int]) -> Columns:
    columns = Columns(100)
    seq = 99
    for (sid, size, ts_ns), step in zip(entries, steps, strict=False):
        seq += step
        columns.add(seq, sid, size, ts_ns)
    return columns


def as_lists(columns: Columns) -> list[list[int]]:
    return [
        list(columns.offsets),
        list(columns.sids),
        list(columns.sizes),
        list(columns.times),
    ]


@given(rows, gaps)
def test_columns_come_back_as_encoded(
    entries: list[tuple[int, int, int]], steps: list[int]
) -> None:
    columns = columns_of(entries, steps)

    again = Columns.decode(columns.encode())

    assert again.first_seq == 100
    assert as_lists(again) == as_lists(columns)


@given(rows, gaps, st.integers(90, 260))
def test_slot_is_the_first_at_or_behind_a_sequence(
    entries: list[tuple[int, int, int]], steps: list[int], seq: int
) -> None:
    columns = columns_of(entries, steps)

    slot = columns.slot(seq)

    assert slot == sum(100 + offset < seq for offset in columns.offsets)


@given(rows, gaps)
def test_counts_keep_up_with_what_is_added(
    entries: list[tuple[int, int, int]], steps: list[int]
) -> None:
    columns = Columns(100)
    seq = 99
    for (sid, size, ts_ns), step in zip(entries, steps, strict=False):
        seq += step
        columns.add(seq, sid, size, ts_ns)
        assert columns.counts()[sid] == list(columns.sids).count(sid)


@given(
    st.lists(st.sampled_from([0, 1, 2, 256, 257, 1 << 16, 1 << 24, (1 << 32) - 1]), max_size=80),
    st.integers(0, 90),
)
def test_the_slots_of_a_subject_are_those_of_a_search(sids: list[int], slot: int) -> None:
    columns = Columns(1)
    for seq, sid in enumerate(sids, 1):
        columns.add(seq, sid, 1, 1)

    for sid in (*set(sids), 3, 1 << 8, 1 << 16):
        places = [place for place, one in enumerate(sids) if one == sid]
        slot = min(slot, len(sids))
        assert list(columns.slots_from(sid, slot)) == [one for one in places if one >= slot]
        assert list(columns.slots_before(sid, slot)) == [one for one in places[::-1] if one < slot]


def test_spans_name_count_and_ends_of_each_subject() -> None:
    columns = columns_of([(5, 1, 0), (2, 1, 0), (5, 1, 0), (5, 1, 0)], [1, 1, 1, 1])

    assert [tuple(span) for span in columns.spans()] == [(2, 1, 1, 1), (5, 3, 0, 3)]
    assert decode_spans(encode_spans(columns.spans())) == columns.spans()


def test_without_leaves_out_the_dead() -> None:
    columns = columns_of([(1, 1, 0), (2, 2, 0), (3, 3, 0)], [1, 1, 1])

    assert as_lists(columns.without([1]))[:2] == [[0, 2], [1, 3]]


@pytest.mark.parametrize("blob", [b"", b"x", b"\x78\x9c\x03\x00\x00\x00\x00\x01"])
def test_columns_that_cannot_be_read_are_corrupt(blob: bytes) -> None:
    with pytest.raises(StoreCorrupt):
        Columns.decode(blob)


@given(st.integers(0, 8 * 40 - 1))
def test_a_flipped_bit_in_columns_is_noticed(bit: int) -> None:
    columns = columns_of([(1, 10, 1000), (2, 20, 1001)], [1, 1])
    blob = bytearray(columns.encode())
    blob[(bit >> 3) % len(blob)] ^= 1 << (bit & 7)

    try:
        again = Columns.decode(bytes(blob))
    except StoreCorrupt:
        return
    # A bit of zlib's own framing that carries no data may flip unseen; the data may not.
    assert as_lists(again) == as_lists(columns)


@given(st.binary(max_size=20), st.data())
def test_a_flipped_bit_in_a_checked_blob_is_noticed(data: bytes, draw: st.DataObject) -> None:
    blob = bytearray(seal_checked(data))
    assert open_checked(bytes(blob)) == data
    bit = draw.draw(st.integers(0, 8 * len(blob) - 1))
    blob[bit >> 3] ^= 1 << (bit & 7)

    with pytest.raises(StoreCorrupt):
        open_checked(bytes(blob))


def test_a_blob_shorter_than_its_checksum_is_corrupt() -> None:
    with pytest.raises(StoreCorrupt):
        open_checked(b"\0\0\0")


@given(st.sets(st.integers(0, 60)))
def test_dead_bits_say_who_is_dead(dead: set[int]) -> None:
    segment = Segment(1, 100)
    for seq in range(100, 161):
        segment.add(seq, 1, 5, 5, 0)
    for offset in dead:
        segment.mark_dead(100 + offset, 5)

    assert segment.dead_offsets() == sorted(dead)
    assert segment.live == 61 - len(dead)
    assert segment.live_bytes == 5 * segment.live
    assert not any(map(segment.is_dead, range(100)))  # what a damaged row may say
    assert [seq for seq in range(100, 161) if segment.is_dead(seq)] == [
        100 + offset for offset in sorted(dead)
    ]
    assert segment.dead_from(130) == sum(offset >= 30 for offset in dead)


def test_mark_all_dead_marks_rows_and_not_the_gaps_between_them() -> None:
    segment = Segment(1, 100)
    segment.add(100, 1, 5, 5, 0)
    segment.add(103, 1, 5, 5, 0)

    segment.mark_all_dead()

    assert bit_offsets(segment.dead) == [0, 3]
    assert (segment.live, segment.live_bytes) == (0, 0)


def test_sweep_keeps_the_living_and_names_the_rows_to_delete() -> None:
    segment = Segment(1, 100)
    for seq in range(100, 104):
        segment.add(seq, seq, 5, 5, 0)
    segment.mark_dead(100, 5)
    segment.mark_dead(102, 5)

    assert segment.sweep() == [100, 102]

    assert (segment.rows, segment.dead_count, segment.dead) == (2, 0, b"")
    assert segment.columns is not None
    assert list(segment.columns.sids) == [101, 103]
