"""The duplicate window of messages whose rows are erased: their ids are kept beside the consumers.

What a consumer acknowledged on a work queue stays in the file for a while, and its id is read from
there after a restart. When a segment is dropped or swept, the ids in it that are still within the
window are staged as one record, in the same transaction: so a repeat is known for what it is after
a power cut, too. nats-server forgets those ids.
Knows the window and the store's seam. Truth: docs/store.md, "Ids of what was removed".
"""

from __future__ import annotations

import struct
import sys
import zlib
from array import array
from itertools import accumulate, pairwise
from typing import TYPE_CHECKING, Final

from leafnode import limits
from leafnode.clock import NS_PER_S
from leafnode.errors import StoreCorrupt

if TYPE_CHECKING:
    from collections.abc import Sequence

    from leafnode.jetstream.dedupe import Known
    from leafnode.jetstream.stream import Stream

PREFIX: Final = ".ids."  # of records' names; no consumer has a dot in its own
_NEWEST: Final = struct.Struct("<q")
_COUNT: Final = struct.Struct("<I")
_ENTRY: Final = struct.Struct("<qqI")  # of older records: when, sequence, size of the id behind it
_FAST: Final = 1  # of zlib's levels
_PACKED, _PLAIN = b"\1", b"\2"  # what is behind the newest sequence; older records have zlib's 0x78


def keep(stream: Stream, runs: list[Sequence[int]]) -> None:
    """Stage the ids of these sequences, which leave the file; drop records that are of no use."""
    found = stream.dedupe.among(runs, limits.DEDUPE_ERASED_MAX)
    if not found:
        return
    ahead_ns = stream.next_time_ns() - stream.ids_time_ns()
    if abs(ahead_ns) >= NS_PER_S:  # the wall clock was set: the next start goes by that
        found = [(when_ns + ahead_ns, msg_id, seq) for when_ns, msg_id, seq in found]
    root, key = stream.root, (stream.context.account.name, stream.name)
    packed = len(found) <= limits.DEDUPE_RECORD_IDS  # of a segment, not of a large purge
    for start in range(0, len(found), limits.DEDUPE_RECORD_IDS):
        part = found[start : start + limits.DEDUPE_RECORD_IDS]
        name = f"{PREFIX}{part[0][2]}"
        root.put_consumer(*key, name, stream.created_ns, b"{}", encode(part, packed=packed))
    oldest = stream.dedupe.oldest_seq()
    for record in root.consumers(*key):
        if record.name.startswith(PREFIX) and newest_seq(record.state) < oldest:
            root.delete_consumer(*key, record.name)


def kept(stream: Stream, since_ns: int) -> list[Known]:
    """Return what the records hold that is not older. Raises StoreCorrupt."""
    return [
        known
        for record in stream.root.consumers(stream.context.account.name, stream.name)
        if record.name.startswith(PREFIX)
        for known in decode(record.state)
        if known[0] >= since_ns
    ]


def encode(found: list[Known], *, packed: bool = True) -> bytes:
    """Return a record: numbers in columns, which is quick. Packing takes longer than all else."""
    times, ids, seqs = zip(*found, strict=True)
    columns = (array("q", times), array("q", seqs), array("I", map(len, ids)))
    if sys.byteorder == "big":
        for column in columns:
            column.byteswap()
    raw = _COUNT.pack(len(found)) + b"".join([*columns, *ids])
    kind = _PACKED + zlib.compress(raw, _FAST) if packed else _PLAIN + raw
    return _NEWEST.pack(found[-1][2]) + kind


def newest_seq(state: bytes) -> int:
    """Return the last sequence in a record. Raises StoreCorrupt."""
    try:
        (seq,) = _NEWEST.unpack_from(state)
    except struct.error as error:
        raise StoreCorrupt("ids of removed messages cannot be read") from error
    return int(seq)


def decode(state: bytes) -> list[Known]:
    """Read what `encode` wrote. Raises StoreCorrupt."""
    kind, raw = state[_NEWEST.size : _NEWEST.size + 1], state[_NEWEST.size + 1 :]
    try:
        if kind == _PLAIN:
            return _columns(raw)
        if kind == _PACKED:
            return _columns(zlib.decompress(raw))
        return _entries(zlib.decompress(kind + raw))
    except (zlib.error, struct.error, ValueError) as error:
        raise StoreCorrupt("ids of removed messages cannot be read") from error


def _columns(raw: bytes) -> list[Known]:
    (count,) = _COUNT.unpack_from(raw)
    columns = (array("q"), array("q"), array("I"))
    at = _COUNT.size
    for column in columns:
        size = count * column.itemsize
        column.frombytes(raw[at : at + size])
        at += size
        if sys.byteorder == "big":
            column.byteswap()
    ends = list(accumulate(columns[2], initial=at))
    if ends[-1] != len(raw) or any(len(column) != count for column in columns):
        raise ValueError("cut short")
    ids = [raw[start:end] for start, end in pairwise(ends)]
    return list(zip(columns[0], ids, columns[1], strict=True))


def _entries(raw: bytes) -> list[Known]:
    found, at = [], 0
    while at < len(raw):
        when, seq, size = _ENTRY.unpack_from(raw, at)
        at += _ENTRY.size + size
        found.append((when, raw[at - size : at], seq))
    return found
