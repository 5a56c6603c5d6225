"""Segments: runs of sequences that share one table, and the columns that describe their messages.

Knows sequences, subject ids, sizes and times; not SQL, subjects' names or streams. The columns of a
segment (everything but the bodies) are written once, when it is sealed, as one blob.
Truth: docs/store.md, "Segments".
"""

from __future__ import annotations

import struct
import sys
import zlib
from array import array
from bisect import bisect_left
from collections import Counter
from itertools import accumulate, repeat
from operator import sub
from typing import TYPE_CHECKING, Final, NamedTuple

from leafnode.errors import StoreCorrupt

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from leafnode.store.subject_counts import SubjectCounts

BYTES_PER_SLOT: Final = 20  # offset, sid and size of 4 bytes each, time of 8
BIG_ENDIAN: Final = sys.byteorder == "big"  # on disk it is little
_CRC: Final = struct.Struct("<I")
_HEAD: Final = struct.Struct("<QI")  # first sequence, rows


class SubjectSpan(NamedTuple):
    """What one subject has in a sealed segment: count, first and last sequence as offsets."""

    sid: int
    msgs: int
    first_offset: int
    last_offset: int


_NEAR: Final = 16


class Columns:
    """One slot for each row of a segment, ascending: sequence, subject id, accounted size, time.

    Rows are only added. What was removed since is marked in the segment, not here.
    """

    __slots__ = ("_counted", "_counts", "_gaps", "first_seq", "offsets", "sids", "sizes", "times")

    def __init__(self, first_seq: int) -> None:
        self.first_seq = first_seq
        self.offsets = array("I")  # sequence - first_seq
        self.sids = array("I")
        self.sizes = array("I")
        self.times = array("q")
        self._counts: dict[int, int] = {}
        self._counted = 0
        self._gaps = b""  # of times that are not made yet

    def __len__(self) -> int:
        return len(self.sids)

    def add(self, seq: int, sid: int, size: int, ts_ns: int) -> None:
        self.offsets.append(seq - self.first_seq)
        self.sids.append(sid)
        self.sizes.append(size)
        self.times.append(ts_ns)

    def add_run(self, first_seq: int, sid: int, sizes: Sequence[int], ts_ns: int) -> None:
        """Add rows with sequences in a row, of one subject and time."""
        count, offset = len(sizes), first_seq - self.first_seq
        self.offsets.extend(range(offset, offset + count))
        self.sids.extend(repeat(sid, count))
        self.sizes.extend(sizes)
        self.times.extend(repeat(ts_ns, count))

    def slot(self, seq: int) -> int:
        """Return the first slot whose sequence is `seq` or later; len(self) when there is none."""
        offset = seq - self.first_seq
        if offset <= 0:
            return 0
        # Without gaps, the common case, the offset is the slot.
        if offset < len(self.offsets) and self.offsets[offset] == offset:
            return offset
        return bisect_left(self.offsets, offset)

    def slots_from(self, sid: int, slot: int) -> Iterator[int]:
        """Yield the slots from `slot` on that are of this subject.

        Beyond the next few they are looked through as bytes: that is ten times as quick.
        """
        sids = self.sids
        for near in range(slot, min(slot + _NEAR, len(sids))):
            if sids[near] == sid:
                yield near
        start, width = slot + _NEAR, sids.itemsize
        raw, wanted = memoryview(sids)[start:].tobytes(), sid.to_bytes(width, sys.byteorder)
        at = raw.find(wanted)
        while at >= 0:
            if at % width:  # the end of one and the begin of the next
                at = raw.find(wanted, at + 1)
                continue
            yield start + at // width
            at = raw.find(wanted, at + width)

    def slots_before(self, sid: int, slot: int) -> Iterator[int]:
        """Yield the slots before `slot` that are of this subject, the last one first."""
        sids = self.sids
        start, width = max(0, slot - _NEAR), sids.itemsize
        for near in range(slot - 1, start - 1, -1):
            if sids[near] == sid:
                yield near
        raw, wanted = memoryview(sids)[:start].tobytes(), sid.to_bytes(width, sys.byteorder)
        at = raw.rfind(wanted)
        while at >= 0:
            if at % width:
                at = raw.rfind(wanted, 0, at + width - 1)
                continue
            yield at // width
            at = raw.rfind(wanted, 0, at)

    def counts(self) -> dict[int, int]:
        """Return rows for each subject id, removed ones included. Counted once, then kept up."""
        counts = self._counts
        for sid in self.sids[self._counted :]:
            counts[sid] = counts.get(sid, 0) + 1
        self._counted = len(self.sids)
        return counts

    def without(self, dead_offsets: Iterable[int]) -> Columns:
        """Return a copy that lacks these rows."""
        dead = set(dead_offsets)
        live = Columns(self.first_seq)
        for offset, sid, size, ts_ns in zip(
            self.offsets, self.sids, self.sizes, self.times, strict=True
        ):
            if offset not in dead:
                live.add(self.first_seq + offset, sid, size, ts_ns)
        return live

    def spans(self) -> list[SubjectSpan]:
        """Return each subject's count and ends, ascending by subject id.

        Called on the writer's thread, for a sealed segment: it leaves what `counts` remembers
        alone.
        """
        counts = Counter(self.sids)
        last = dict(zip(self.sids, self.offsets, strict=True))
        first = dict(zip(reversed(self.sids), reversed(self.offsets), strict=True))
        return [SubjectSpan(sid, counts[sid], first[sid], last[sid]) for sid in sorted(counts)]

    def encode(self) -> bytes:
        """Return the columns as one blob: steps, not values, because steps are small and repeat."""
        steps = array("I", [*self.offsets[:1], *map(sub, self.offsets[1:], self.offsets)])
        gaps = array("q", [*self.times[:1], *map(sub, self.times[1:], self.times)])
        raw = _HEAD.pack(self.first_seq, len(self)) + b"".join(
            map(_to_bytes, (steps, self.sids, self.sizes, gaps))
        )
        return zlib.compress(raw, 1)

    @staticmethod
    def decode(blob: object) -> Columns:
        """Read what `encode` wrote. Raises StoreCorrupt; zlib's own checksum finds flipped bits."""
        if not isinstance(blob, bytes):  # a damaged record may hold NULL, a number or text
            raise StoreCorrupt("the index of a segment is not as it was written")
        try:
            raw = memoryview(zlib.decompress(blob))
            first_seq, count = _HEAD.unpack_from(raw)
        except (zlib.error, struct.error) as err:
            raise StoreCorrupt(f"the index of a segment cannot be read: {err}") from err
        size, start = 4 * count, _HEAD.size
        if len(raw) != start + 5 * size:
            raise StoreCorrupt(f"the index of a segment has {len(raw)} bytes for {count} rows")
        columns = Columns(first_seq)
        steps = _from_bytes("I", raw[start : start + size])
        is_whole = count and not steps[0] and steps.count(1) == count - 1
        columns.offsets = array("I", range(count) if is_whole else accumulate(steps))
        columns.sids = _from_bytes("I", raw[start + size : start + 2 * size])
        columns.sizes = _from_bytes("I", raw[start + 2 * size : start + 3 * size])
        columns._gaps = bytes(raw[start + 3 * size :])
        del columns.times  # few ask for them: see below
        return columns

    def __getattr__(self, name: str) -> array[int]:
        """Make the times of decoded columns when they are first asked for: a third of it all."""
        if name != "times":
            raise AttributeError(name)
        self.times = array("q", accumulate(_from_bytes("q", memoryview(self._gaps))))
        self._gaps = b""
        return self.times


class Segment:
    """One segment as staged: its range, what lives in it, and which of its sequences are dead.

    `columns` is None for a sealed segment whose index is on disk and not in the cache.
    """

    __slots__ = (
        "body_bytes",
        "columns",
        "counts",
        "dead",
        "dead_count",
        "first_seq",
        "first_ts_ns",
        "last_seq",
        "last_ts_ns",
        "live_bytes",
        "no",
        "rows",
        "sealed",
        "stored",
    )

    def __init__(self, no: int, first_seq: int) -> None:
        self.no = no
        self.first_seq = first_seq
        self.last_seq = first_seq - 1  # of the last row, dead ones too
        self.rows = 0
        self.body_bytes = 0
        self.live_bytes = 0  # accounted bytes of rows that are not dead
        self.first_ts_ns = 0
        self.last_ts_ns = 0
        self.dead = bytearray()  # bit n: sequence first_seq + n was removed
        self.dead_count = 0
        self.sealed = False
        self.stored = False  # the index on disk is the one for this table
        self.counts: SubjectCounts | None = None  # once it is sealed
        self.columns: Columns | None = Columns(first_seq)

    @property
    def live(self) -> int:
        return self.rows - self.dead_count

    def may_have(self, bits: int) -> bool:
        """Say whether it may have rows, removed ones too, of a subject with one of these bits."""
        return self.counts is None or bool(self.counts.bits & bits)

    def numbers(self) -> tuple[int, ...]:
        """Return what stands about a sealed one: first and last sequence, rows, body bytes, live
        bytes, first and last time.
        """
        return (
            *(self.first_seq, self.last_seq, self.rows, self.body_bytes),
            *(self.live_bytes, self.first_ts_ns, self.last_ts_ns),
        )

    def is_whole(self) -> bool:
        """Say whether every sequence from the first to the last has its message."""
        return self.live == self.last_seq - self.first_seq + 1

    def add(self, seq: int, sid: int, size: int, body_size: int, ts_ns: int) -> None:
        """Append one row to the open segment."""
        columns = self.columns
        assert columns is not None
        if not self.rows:
            self.first_ts_ns = ts_ns
        columns.add(seq, sid, size, ts_ns)
        self.last_seq = seq
        self.last_ts_ns = ts_ns
        self.rows += 1
        self.body_bytes += body_size
        self.live_bytes += size

    def add_run(
        self, first_seq: int, sid: int, body_sizes: Sequence[int], head: int, ts_ns: int
    ) -> int:
        """Append rows as `StreamIndex.add_run` has them; return what they count in bytes."""
        columns = self.columns
        assert columns is not None
        if not self.rows:
            self.first_ts_ns = ts_ns
        count, body_bytes = len(body_sizes), sum(body_sizes)
        columns.add_run(first_seq, sid, [head + size for size in body_sizes], ts_ns)
        self.last_seq = first_seq + count - 1
        self.last_ts_ns = ts_ns
        self.rows += count
        self.body_bytes += body_bytes
        size = count * head + body_bytes
        self.live_bytes += size
        return size

    def is_dead(self, seq: int) -> bool:
        offset = seq - self.first_seq
        byte = offset >> 3
        # A damaged row may say that it is before the segment.
        return 0 <= byte < len(self.dead) and bool(self.dead[byte] >> (offset & 7) & 1)

    def mark_dead(self, seq: int, size: int) -> None:
        """Note that a live row was removed; its size leaves the segment's bytes."""
        offset = seq - self.first_seq
        byte = offset >> 3
        if byte >= len(self.dead):
            self.dead.extend(bytes(byte + 1 - len(self.dead)))
        self.dead[byte] |= 1 << (offset & 7)
        self.dead_count += 1
        self.live_bytes -= size

    def mark_dead_run(self, offsets: Sequence[int], size: int) -> None:
        """Do the same for many, which ascend."""
        if not offsets:
            return
        dead = self.dead
        dead.extend(bytes(max(0, (offsets[-1] >> 3) + 1 - len(dead))))
        for offset in offsets:
            dead[offset >> 3] |= 1 << (offset & 7)
        self.dead_count += len(offsets)
        self.live_bytes -= size

    def mark_all_dead(self) -> None:
        """Note that nothing lives here. A sealed segment is dropped for that and needs no bits."""
        self.dead_count = self.rows
        self.live_bytes = 0
        if self.columns is not None and not self.sealed:
            bits = 0
            for offset in self.columns.offsets:
                bits |= 1 << offset
            self.dead = bytearray(bits.to_bytes((bits.bit_length() + 7) // 8, "little"))

    def dead_offsets(self) -> list[int]:
        """Return the offsets of the dead, ascending."""
        return bit_offsets(self.dead)

    def dead_from(self, seq: int) -> int:
        """Return how many dead sequences are at or after `seq`."""
        offset = max(0, seq - self.first_seq)
        return (int.from_bytes(self.dead, "little") >> offset).bit_count()

    def sweep(self) -> list[int]:
        """Forget the dead rows, which are deleted from the table; return their sequences."""
        assert self.columns is not None
        offsets = self.dead_offsets()
        self.columns = self.columns.without(offsets)
        self.rows -= self.dead_count
        self.dead = bytearray()
        self.dead_count = 0
        self.stored = False
        return [self.first_seq + offset for offset in offsets]


def bit_offsets(bits: bytes | bytearray) -> list[int]:
    """Return the positions of the bits that are set, ascending."""
    return [
        (index << 3) + bit
        for index, byte in enumerate(bits)
        if byte
        for bit in range(8)
        if byte >> bit & 1
    ]


def seal_checked(data: bytes | bytearray) -> bytes:
    """Return the data behind its CRC, as bitmaps and counts are kept on disk."""
    return _CRC.pack(zlib.crc32(data)) + data


def open_checked(blob: object) -> bytes:
    """Return what `seal_checked` was given. Raises StoreCorrupt."""
    if not isinstance(blob, bytes):  # a damaged record may hold NULL, a number or text
        raise StoreCorrupt("a segment's description is not as it was written")
    if len(blob) < _CRC.size or zlib.crc32(blob[_CRC.size :]) != _CRC.unpack_from(blob)[0]:
        raise StoreCorrupt("a checksum of a segment's description does not hold")
    return blob[_CRC.size :]


def _to_bytes(numbers: array[int]) -> bytes:
    if BIG_ENDIAN:
        numbers = numbers[:]
        numbers.byteswap()
    return numbers.tobytes()


def _from_bytes(typecode: str, data: memoryview) -> array[int]:
    numbers = array(typecode)
    numbers.frombytes(data)
    if BIG_ENDIAN:
        numbers.byteswap()
    return numbers


def encode_spans(spans: Sequence[SubjectSpan]) -> bytes:
    flat = [number for span in spans for number in span]
    return seal_checked(struct.pack(f"<{len(flat)}I", *flat))


def decode_spans(blob: object) -> list[SubjectSpan]:
    """Read what `encode_spans` wrote. Raises StoreCorrupt."""
    data = open_checked(blob)
    return [SubjectSpan(*numbers) for numbers in struct.iter_unpack("<4I", data)]
