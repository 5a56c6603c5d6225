"""A message as a row of its segment's table, and the checksum that each row carries.

Knows the row's fields only. SQLite has no page checksums: a flipped bit in a body would be served
as it is.
Truth: docs/store.md, "Damage".
"""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING, Final

from leafnode.errors import StoreCorrupt
from leafnode.store.api import StoredMsg

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

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


def is_intact(row: Row, subject_crc: int) -> bool:
    seq, _, ts_ns, header_size, crc, body = row
    return header_size <= len(body) and crc == checksum(subject_crc, seq, ts_ns, header_size, body)


def to_message(row: Row, subject: bytes) -> StoredMsg:
    return StoredMsg(row[0], subject, row[2], row[3], row[5])


def to_messages(
    rows: Sequence[Row], names: Mapping[int, bytes], crcs: Mapping[int, int]
) -> list[StoredMsg]:
    """Return rows from disk as messages, given name and CRC-32 of each subject in them.

    Raises StoreCorrupt for the first whose checksum does not hold.
    """
    crc32, new = zlib.crc32, tuple.__new__
    for seq, sid, ts_ns, header_size, crc, body in rows:  # `is_intact` without its calls
        found = (crc32(body, crcs[sid]) ^ seq ^ ts_ns ^ (ts_ns >> 32) ^ header_size) & _MASK
        if crc != found or header_size > len(body):
            raise StoreCorrupt(f"the checksum of message {seq} does not hold")
    return [
        new(StoredMsg, (seq, names[sid], ts_ns, header_size, body))
        for seq, sid, ts_ns, header_size, _, body in rows
    ]
