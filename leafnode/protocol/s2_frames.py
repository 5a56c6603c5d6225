"""The stream of S2: chunks with checksums around blocks, read in slices, written whole. Sans I/O.

A reader takes what a Go writer of S2 or Snappy sends, and buffers no more than one chunk, whose
size was checked before. A writer ends a chunk with each call: a peer can act on what it was sent.
Truth: google/snappy framing_format.txt; klauspost/compress s2, what nats-server 2.15.1 sends
(measured: its writer repeats the start of the stream).
"""

from __future__ import annotations

from typing import Final

from leafnode.limits import S2_BLOCK_BYTES_MAX
from leafnode.protocol.crc32c import crc32c, masked
from leafnode.protocol.s2_block import S2Error, Unpacker, pack

UNCOMPRESSED: Final = "s2_uncompressed"
CHUNK_BYTES: Final = 65536  # ours; Snappy's readers take no larger one
_START: Final = b"\xff\x06\x00\x00S2sTwO"
SNAPPY_START: Final = b"\xff\x06\x00\x00sNaPpY"
_NAMES: Final = (_START[4:], SNAPPY_START[4:])
_PACKED: Final = 0x00
_PLAIN: Final = 0x01
_SKIPPABLE: Final = 0x80
_BEGINS: Final = 0xFF
_HEAD_BYTES: Final = 4
_SUM_BYTES: Final = 4
# One slice of work and what it costs beside its bytes, so that one turn takes some milliseconds.
_ELEMENTS: Final = 2048
_ELEMENTS_COST: Final = 32 * _ELEMENTS
_SUMMED_BYTES: Final = 16384
_SUMMED_COST: Final = 2 * _SUMMED_BYTES
_CHUNK_COST: Final = 512


class S2Reader:
    """Chunks of one connection, as they come."""

    __slots__ = (
        "_begun",
        "_block",
        "_buffer",
        "_skip",
        "_sum",
        "_summed",
        "_unpacker",
        "bytes_max",
    )

    def __init__(self, *, bytes_max: int = S2_BLOCK_BYTES_MAX) -> None:
        """A chunk that holds more than `bytes_max` is an error; it may grow later."""
        self.bytes_max = bytes_max
        self._buffer = bytearray()
        self._begun = False
        self._skip = 0  # bytes of a chunk that nobody reads
        self._sum = 0  # what the chunk that is worked on must have
        self._unpacker: Unpacker | None = None
        self._block: bytes | None = None  # unpacked, its checksum not known yet
        self._summed = (0, 0)  # bytes of it, and their checksum

    def feed(self, data: bytes) -> None:
        """Take one read."""
        self._buffer += data

    def work(self) -> tuple[bytes, int] | None:
        """Do a slice of work; return what is whole by it and its cost. None: more has to come.

        Raises S2Error.
        """
        if self._block is not None:
            return self._check(self._block), _SUMMED_COST
        unpacker = self._unpacker
        if unpacker is not None:
            if unpacker.work(_ELEMENTS):
                self._unpacker, self._block = None, unpacker.unpacked
            return b"", _ELEMENTS_COST
        return self._next_chunk()

    def _next_chunk(self) -> tuple[bytes, int] | None:
        buffer = self._buffer
        if self._skip:
            skipped = min(self._skip, len(buffer))
            del buffer[:skipped]
            self._skip -= skipped
        if self._skip or len(buffer) < _HEAD_BYTES:
            return None
        kind, size = buffer[0], int.from_bytes(buffer[1:_HEAD_BYTES], "little")
        if not self._begun and kind != _BEGINS:
            raise S2Error("the stream has no start")
        if _SKIPPABLE <= kind < _BEGINS:
            del buffer[:_HEAD_BYTES]
            self._skip = size
            return b"", _CHUNK_COST
        if size > self._size_max(kind):
            raise S2Error(f"a chunk of kind {kind} with {size} bytes")
        if len(buffer) < _HEAD_BYTES + size:
            return None
        body = bytes(buffer[_HEAD_BYTES : _HEAD_BYTES + size])
        del buffer[: _HEAD_BYTES + size]
        self._begin(kind, body)
        return b"", _CHUNK_COST

    def _size_max(self, kind: int) -> int:
        if kind == _PLAIN:
            return _SUM_BYTES + self.bytes_max
        if kind == _PACKED:
            return _SUM_BYTES + 32 + self.bytes_max + self.bytes_max // 6  # of what does not pack
        return len(_NAMES[0]) if kind == _BEGINS else -1

    def _begin(self, kind: int, body: bytes) -> None:
        if kind == _BEGINS:
            if body not in _NAMES:
                raise S2Error("the stream is of another kind")
            self._begun = True
            return
        if len(body) < _SUM_BYTES:
            raise S2Error("a chunk without a checksum")
        self._sum = int.from_bytes(body[:_SUM_BYTES], "little")
        self._summed = (0, 0)
        if kind == _PLAIN:
            self._block = body[_SUM_BYTES:]
        else:
            self._unpacker = Unpacker(body[_SUM_BYTES:], bytes_max=self.bytes_max)

    def _check(self, block: bytes) -> bytes:
        """Go on with the checksum; return the block once it is right."""
        at, crc = self._summed
        crc = crc32c(block[at : at + _SUMMED_BYTES], crc)
        at += _SUMMED_BYTES
        if at < len(block):
            self._summed = (at, crc)
            return b""
        if masked(crc) != self._sum:
            raise S2Error("a chunk with a wrong checksum")
        self._block = None
        return block


class S2Writer:
    """What one connection is sent."""

    __slots__ = ("_start", "packs")

    def __init__(self, *, packs: bool, start: bytes = _START) -> None:
        """`packs` False: chunks hold the bytes as they are."""
        self.packs = packs
        self._start = start  # not sent yet

    def frames(self, data: bytes) -> bytes:
        """Return `data` as whole chunks."""
        out = [self._start]
        self._start = b""
        for at in range(0, len(data), CHUNK_BYTES):
            piece = data[at : at + CHUNK_BYTES]
            packed = pack(piece) if self.packs else piece
            kind, body = (_PACKED, packed) if len(packed) < len(piece) else (_PLAIN, piece)
            out += (
                bytes((kind,)),
                (len(body) + _SUM_BYTES).to_bytes(3, "little"),
                masked(crc32c(piece)).to_bytes(_SUM_BYTES, "little"),
                body,
            )
        return b"".join(out)
