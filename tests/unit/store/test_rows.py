"""leafnode.store.rows: one flipped bit anywhere in a row is noticed."""

import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from leafnode.store.rows import ascend, checksum, is_intact, row_checksum, to_message

SUBJECT = b"a.b"
CRC = zlib.crc32(SUBJECT)


def row(body: bytes) -> tuple[int, int, int, int, int, bytes]:
    return (7, 3, 1_800_000_000_000_000_123, 2, checksum(CRC, 7, row_ts, 2, body), body)


row_ts = 1_800_000_000_000_000_123


def test_a_row_as_written_is_intact() -> None:
    assert is_intact(row(b"hello"), CRC)


def test_another_subject_does_not_fit_the_checksum() -> None:
    assert not is_intact(row(b"hello"), zlib.crc32(b"a.c"))


@given(st.binary(min_size=2, max_size=60), st.data())
def test_any_flipped_bit_of_the_body_is_noticed(body: bytes, data: st.DataObject) -> None:
    bit = data.draw(st.integers(0, 8 * len(body) - 1))
    good = row(body)
    bad = bytearray(body)
    bad[bit >> 3] ^= 1 << (bit & 7)

    assert not is_intact((*good[:5], bytes(bad)), CRC)


@given(st.sampled_from([0, 2, 3, 4]), st.integers(0, 31))
def test_any_flipped_bit_of_a_number_is_noticed(index: int, bit: int) -> None:
    numbers = list(row(b"hello"))
    numbers[index] ^= 1 << bit  # type: ignore[operator]

    assert not is_intact(tuple(numbers), CRC)  # type: ignore[arg-type]


def test_a_message_carries_what_the_row_says() -> None:
    message = to_message(row(b"hello"), SUBJECT)

    assert tuple(message) == (7, SUBJECT, row_ts, 2, b"hello")


def test_a_record_that_holds_something_else_is_not_intact() -> None:
    row = (1, 1, 5, 0, checksum(0, 1, 5, 0, b"x"), b"x")

    assert is_intact(row, 0)
    assert not is_intact((1, 1, None, 0, row[4], b"x"), 0)  # type: ignore[arg-type]
    assert not is_intact((1, 1, 5, 0, row[4], "x"), 0)  # type: ignore[arg-type]


def test_the_checksum_of_a_row_is_of_values_types_and_order() -> None:
    rows = [(1, "a", b"b"), ("1", "a", b"b"), (1, b"a", b"b"), (1, "ab", b""), (1, None, "ab")]

    assert len({row_checksum(*row) for row in rows}) == len(rows)
    assert row_checksum(1, "a", b"b", None) == 0x27A02F6D  # it is in files


@pytest.mark.parametrize(
    ("seqs", "asked_for"),
    [
        ([5], True),
        ([3, 4, 7], True),
        ([2, 3], False),
        ([7, 8], False),
        ([3, 5, 4], False),
        ([3, 4, 4], False),
    ],
)
def test_rows_that_were_not_asked_for_or_come_again_are_noticed(
    seqs: list[int], asked_for: bool
) -> None:
    assert ascend(seqs, 3, 7) is asked_for
