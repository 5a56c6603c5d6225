"""A message as a row of its segment's table, and the checksum that each row of a store carries.

Knows the row's fields only. SQLite has no page checksums: a flipped bit in a body would be served
as it is, and one in a limit would be obeyed.
Truth: docs/store.md, "Damage".
"""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING, Final

from leafnode.errors import StoreCorrupt
from leafnode.store.api import StoredMsg

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from leafnode.store.subjects import Subject

# seq, subject id, time, header size, checksum, body
Row = tuple[int, int, int, int, int, bytes]
ROW_VALUES: Final = "(?,?,?,?,?,?)"
_MASK: Final = 0xFFFFFFFF


def checksum(subject_crc: int, seq: int, ts_ns: int, header_size: int, body: bytes) -> int:
    """Return the CRC-32 of subject and body, mixed with the numbers so that one flipped bit shows.

    `subject_crc` is zlib.crc32 of the subject: it is computed once for each subject, not each
    message.
    """
    return (zlib.crc32(body, subject_crc) ^ seq ^ ts_ns ^ (ts_ns >> 32) ^ header_size) & _MASK


def new_rows(subject: Subject, first_seq: int, ts_ns: int, bodies: Sequence[bytes]) -> list[Row]:
    """Return the rows of messages without headers on one subject, with sequences in a row."""
    sid, crc, crc32 = subject.sid, subject.crc, zlib.crc32
    times = ts_ns ^ (ts_ns >> 32)
    return [
        (seq, sid, ts_ns, 0, (crc32(body, crc) ^ seq ^ times) & _MASK, body)
        for seq, body in enumerate(bodies, first_seq)
    ]


def is_intact(row: Row, subject_crc: int) -> bool:
    seq, _, ts_ns, header_size, crc, body = row
    try:
        whole = checksum(subject_crc, seq, ts_ns, header_size, body)
        return header_size <= len(body) and crc == whole
    except TypeError:  # a damaged record may hold NULL, or text for a number
        return False


def ascend(seqs: list[int], first: int, last: int) -> bool:
    """Say whether these, of which there are some, go up, and no further than from `first` to
    `last`.
    """
    return first <= seqs[0] and seqs[-1] <= last and sorted({*seqs}) == seqs


def row_checksum(*values: object) -> int:
    """Return the CRC-32 of the values of a row that describes something, and of their types."""
    return zlib.crc32(b"".join([_as_bytes(value) for value in values]))


def _as_bytes(value: object) -> bytes:
    """Return a value so that no two, one behind the other, look like two others."""
    if isinstance(value, bytes):
        return b"b%d:" % len(value) + value
    if isinstance(value, str):
        data = value.encode("utf-8", "surrogateescape")
        return b"s%d:" % len(data) + data
    return f"{value};".encode()


def to_message(row: Row, subject: bytes) -> StoredMsg:
    return StoredMsg(row[0], subject, row[2], row[3], row[5])


def to_messages(
    rows: Sequence[Row], names: Mapping[int, bytes], crcs: Mapping[int, int]
) -> list[StoredMsg]:
    """Return rows from disk as messages, given name and CRC-32 of each subject in them.

    Raises StoreCorrupt for the first whose checksum does not hold.
    """
    crc32, new = zlib.crc32, tuple.__new__
    seq = 0
    try:
        for seq, sid, ts_ns, header_size, crc, body in rows:  # `is_intact` without its calls
            found = (crc32(body, crcs[sid]) ^ seq ^ ts_ns ^ (ts_ns >> 32) ^ header_size) & _MASK
            if crc != found or header_size > len(body):
                raise StoreCorrupt(f"the checksum of message {seq} does not hold")
    except TypeError as err:  # a damaged record may hold NULL, or text for a number
        raise StoreCorrupt(f"message {seq} is not as it was written: {err}") from err
    return [
        new(StoredMsg, (seq, names[sid], ts_ns, header_size, body))
        for seq, sid, ts_ns, header_size, _, body in rows
    ]
