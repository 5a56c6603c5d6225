"""The archive of one stream: what a snapshot is made of, written and read piece by piece.

A stream of records in frames that every S2 reader takes for padding, so that the nats command,
which looks into what it stores, is content with it. No names of files, no compression: there is no
path to leave and nothing to unpack. Pure; knows no store. Truth: docs/adr/0017-archive.md.
"""

from __future__ import annotations

from dataclasses import dataclass
from struct import Struct
from typing import TYPE_CHECKING, Final

import msgspec

from leafnode import limits, sha256
from leafnode.errors import ArchiveError
from leafnode.store.api import SEQ_MAX, StoredMsg

if TYPE_CHECKING:
    from collections.abc import Iterable

# google/snappy framing_format.txt: a stream begins so; types 0x80 to 0xfd are skipped by readers.
_S2_START: Final = b"\xff\x06\x00\x00S2sTwO"
_FRAME: Final = 0xB7
_FRAME_HEAD: Final = 4  # type, and three bytes of size, the least first
_FRAMES_PER_CALL: Final = 16
_DATA_FRAMES: Final = (0x00, 0x01)  # of nats-server's archive
_MAGIC: Final = b"LNSTREAM\x01"  # the last byte is the format's version

_RECORD: Final = Struct(">cI")  # kind, size of what follows
_MESSAGE: Final = Struct(">QqIH")  # sequence, time, size of header and of subject; then both
_BEGIN: Final = b"B"
_SOURCES: Final = b"S"
_CONSUMER: Final = b"C"
_MESSAGES: Final = b"M"
_END: Final = b"E"
# Which kinds may follow each; the empty one is the start.
_NEXT: Final = {
    b"": (_BEGIN,),
    _BEGIN: (_SOURCES, _CONSUMER, _MESSAGES, _END),
    _SOURCES: (_CONSUMER, _MESSAGES, _END),
    _CONSUMER: (_CONSUMER, _MESSAGES, _END),
    _MESSAGES: (_MESSAGES, _END),
    _END: (),
}
_INT64_MAX: Final = 2**63 - 1


class Begin(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """What the stream was when its snapshot was taken. `config` is JSON."""

    name: str
    created_ns: int
    config: bytes
    first_seq: int
    last_seq: int
    last_ts_ns: int
    messages: int
    size: int  # what they take in the store


class KeptConsumer(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """A consumer: `config` is JSON, `state` as the store keeps it."""

    name: str
    created_ns: int
    config: bytes
    state: bytes


@dataclass(frozen=True, slots=True)
class KeptSources:
    """How far the stream's sources were, as the store keeps it."""

    state: bytes


class End(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """How much there was, and the SHA-256 of all records before."""

    messages: int
    consumers: int
    digest: bytes


Record = Begin | KeptSources | KeptConsumer | StoredMsg | End


class ArchiveWriter:
    """Makes an archive. What each method returns is to be sent, in order."""

    def __init__(self) -> None:
        self._digest = sha256.begun(_MAGIC)
        self._messages = self._consumers = 0

    def begin(self, begin: Begin) -> bytes:
        record = self._record(_BEGIN, msgspec.msgpack.encode(begin))
        return _S2_START + _framed([_MAGIC, *record])

    def sources(self, sources: KeptSources) -> bytes:
        return _framed(self._record(_SOURCES, sources.state))

    def consumer(self, consumer: KeptConsumer) -> bytes:
        self._consumers += 1
        return _framed(self._record(_CONSUMER, msgspec.msgpack.encode(consumer)))

    def messages(self, messages: Iterable[StoredMsg]) -> bytes:
        pieces: list[bytes] = []
        for seq, subject, ts_ns, header_size, body in messages:
            self._messages += 1
            size = _MESSAGE.size + len(subject) + len(body)
            head = _MESSAGE.pack(seq, ts_ns, header_size, len(subject))
            pieces += (_RECORD.pack(_MESSAGES, size), head, subject, body)
        content = b"".join(pieces)
        self._digest.update(content)
        return _framed([content])

    def end(self) -> bytes:
        end = End(self._messages, self._consumers, self._digest.digest())
        return _framed(self._record(_END, msgspec.msgpack.encode(end)))

    def _record(self, kind: bytes, body: bytes) -> list[bytes]:
        record = [_RECORD.pack(kind, len(body)), body]
        for piece in record:
            self._digest.update(piece)
        return record


def _framed(pieces: list[bytes]) -> bytes:
    content = b"".join(pieces)
    frames: list[bytes] = []
    for start in range(0, len(content), limits.ARCHIVE_FRAME_BYTES_MAX):
        piece = content[start : start + limits.ARCHIVE_FRAME_BYTES_MAX]
        frames += (bytes([_FRAME]), len(piece).to_bytes(3, "little"), piece)
    return b"".join(frames)


class ArchiveReader:
    """Reads an archive that comes in pieces: `feed` one, `take` until None and not `has_more`,
    `close` at the end.

    Every method raises ArchiveError for what is no archive, a damaged or a dishonest one. Holds one
    record that is not whole yet, and the piece that was fed last.
    """

    def __init__(self, *, message_bytes_max: int) -> None:
        """`message_bytes_max`: of a message with its subject; a larger one is refused unread."""
        self._sizes = {
            _BEGIN: limits.ARCHIVE_RECORD_BYTES_MAX,
            _SOURCES: limits.ARCHIVE_RECORD_BYTES_MAX,
            _CONSUMER: limits.ARCHIVE_RECORD_BYTES_MAX,
            _MESSAGES: message_bytes_max + _MESSAGE.size,
            _END: limits.ARCHIVE_RECORD_BYTES_MAX,
        }
        self._data = b""  # fed last
        self._data_at = 0
        self._raw = bytearray()  # of a frame's head, or of the start
        self._started = False
        self._frame_left = 0
        self._content = bytearray()
        self._at = 0  # of the content, what was taken
        self._kind = b""  # of the record taken last; empty before the first
        self._opened = False  # the magic was there
        self._digest = sha256.begun()
        self._begin: Begin | None = None
        self._messages = self._consumers = 0
        self._size = 0
        self._last_seq = 0

    def feed(self, data: bytes) -> None:
        """Take in what comes next."""
        assert not self.has_more, "the piece before was read"
        self._data, self._data_at = data, 0

    @property
    def has_more(self) -> bool:
        """Whether there is something of what was fed that was not looked at yet."""
        return self._data_at < len(self._data)

    def take(self) -> Record | None:
        """Return the next record, or None where it is not all there: more may lie in further
        frames of what was fed, of which a call looks at a few.
        """
        record = self._next()
        if record is None and self.has_more:
            del self._content[: self._at]
            self._at = 0
            self._unpack()
            record = self._next()
        return record

    def _next(self) -> Record | None:
        if not self._opened and not self._open():
            return None
        content, at = self._content, self._at
        if len(content) - at < _RECORD.size:
            return None
        kind, size = _RECORD.unpack_from(content, at)
        if kind not in _NEXT[self._kind]:
            raise ArchiveError("is damaged: a record is not where it may be")
        if size > self._sizes[kind]:
            what = "message" if kind == _MESSAGES else "record"
            raise ArchiveError(f"holds a {what} of {size} bytes, {self._sizes[kind]} may be")
        start = at + _RECORD.size
        if len(content) - start < size:
            return None
        self._kind = kind
        self._at = start + size
        with (
            memoryview(content) as view,
            view[at : self._at] as record,
            record[_RECORD.size :] as body,
        ):
            if kind != _END:
                self._digest.update(record)
            return self._message(body) if kind == _MESSAGES else self._decoded(kind, bytes(body))

    def close(self) -> Begin:
        """Say that nothing more comes; return how it began."""
        if self._kind != _END or self._begin is None:
            raise ArchiveError("is not complete")
        if self.has_more or self._raw or self._frame_left or self._at < len(self._content):
            raise ArchiveError("goes on behind its end")
        return self._begin

    # --- frames

    def _unpack(self) -> None:
        """Take what some frames hold: one could have a million of a byte each."""
        data, at = self._data, self._data_at
        for _ in range(_FRAMES_PER_CALL):
            if self._frame_left:
                piece = data[at : at + self._frame_left]
                self._content += piece
                self._frame_left -= len(piece)
                at += len(piece)
            else:
                wanted = (_FRAME_HEAD if self._started else len(_S2_START)) - len(self._raw)
                self._raw += data[at : at + wanted]
                at = min(at + wanted, len(data))
                if not self._started:
                    self._start()
                elif len(self._raw) == _FRAME_HEAD:
                    self._open_frame()
            if at == len(data):
                break
        self._data_at = at

    def _start(self) -> None:
        if not _S2_START.startswith(self._raw):
            raise ArchiveError("is not one of leafnode")
        if len(self._raw) == len(_S2_START):
            self._started = True
            self._raw.clear()

    def _open_frame(self) -> None:
        if self._raw[0] in _DATA_FRAMES:
            raise ArchiveError(
                "is one of nats-server, whose format is not read here: mirror the stream instead"
            )
        if self._raw[0] != _FRAME:
            raise ArchiveError("is not one of leafnode")
        self._frame_left = int.from_bytes(self._raw[1:], "little")
        if not 0 < self._frame_left <= limits.ARCHIVE_FRAME_BYTES_MAX:
            raise ArchiveError("is damaged: a frame has a size that none may have")
        self._raw.clear()

    def _open(self) -> bool:
        """Pass what a stream of records begins with; False: it is not there yet."""
        if len(self._content) < len(_MAGIC):
            return False
        found = bytes(self._content[: len(_MAGIC)])
        if found[:-1] != _MAGIC[:-1]:
            raise ArchiveError("is not one of leafnode")
        if found != _MAGIC:
            raise ArchiveError(f"has version {found[-1]} of the format, this server reads 1")
        self._digest.update(found)
        self._at = len(_MAGIC)
        self._opened = True
        return True

    # --- records

    def _decoded(self, kind: bytes, body: bytes) -> Record:
        if kind == _SOURCES:
            return KeptSources(body)
        try:
            if kind == _BEGIN:
                return self._began(msgspec.msgpack.decode(body, type=Begin))
            if kind == _CONSUMER:
                return self._kept(msgspec.msgpack.decode(body, type=KeptConsumer))
            return self._ended(msgspec.msgpack.decode(body, type=End))
        except (msgspec.DecodeError, ValueError) as error:  # text that is no UTF-8, too
            raise ArchiveError("is damaged: a record cannot be read") from error

    def _began(self, begin: Begin) -> Begin:
        whole = (
            1 <= begin.first_seq <= begin.last_seq + 1 <= SEQ_MAX + 1
            and 0 <= begin.created_ns <= _INT64_MAX
            and 0 <= begin.last_ts_ns <= _INT64_MAX
            and 0 <= begin.messages <= begin.last_seq - begin.first_seq + 1
            and begin.size >= 0
        )
        if not whole:
            raise ArchiveError("is damaged: what it says of the stream cannot be")
        self._begin = begin
        self._last_seq = begin.first_seq - 1
        return begin

    def _kept(self, consumer: KeptConsumer) -> KeptConsumer:
        if not 0 <= consumer.created_ns <= _INT64_MAX:
            raise ArchiveError("is damaged: a consumer cannot be")
        self._consumers += 1
        return consumer

    def _message(self, record: memoryview) -> StoredMsg:
        begin = self._begin
        assert begin is not None, "_NEXT lets a message come behind the beginning only"
        if len(record) < _MESSAGE.size:
            raise ArchiveError("is damaged: a record cannot be read")
        seq, ts_ns, header_size, subject_size = _MESSAGE.unpack_from(record)
        start = _MESSAGE.size + subject_size
        subject, body = bytes(record[_MESSAGE.size : start]), bytes(record[start:])
        self._messages += 1
        self._size += len(subject) + len(body)
        if not self._last_seq < seq <= begin.last_seq:
            raise ArchiveError(f"is damaged: message {seq} is out of order")
        is_one = subject.split() == [subject] and len(subject) == subject_size
        if not is_one or b"\0" in subject or ts_ns < 0 or header_size > len(body):
            raise ArchiveError(f"is damaged: message {seq} is none that can be")
        if self._messages > begin.messages or self._size > begin.size:
            raise ArchiveError("holds more than it says")
        self._last_seq = seq
        return StoredMsg(seq, subject, ts_ns, header_size, body)

    def _ended(self, end: End) -> End:
        if end != End(self._messages, self._consumers, self._digest.digest()):
            raise ArchiveError("is damaged: its checksum is wrong")
        return end
