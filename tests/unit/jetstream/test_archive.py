"""The archive of a stream: what was written is read, and nothing else is."""

from __future__ import annotations

import hashlib

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from leafnode import limits
from leafnode.errors import ArchiveError
from leafnode.jetstream.archive import (
    ArchiveReader,
    ArchiveWriter,
    Begin,
    End,
    KeptConsumer,
    KeptSources,
    Record,
)
from leafnode.store.api import SEQ_MAX, StoredMsg

BEGIN = Begin("S", 5, b'{"name":"S"}', 3, 20, 900, 3, 1000)
SOURCES = KeptSources(b'{"a":[1,"x"]}')
CONSUMER = KeptConsumer("C", 6, b'{"durable_name":"C"}', b"\x01\x02")
MESSAGES = [
    StoredMsg(3, b"s.a", 100, 0, b"one"),
    StoredMsg(7, b"s.b", 200, 12, b"NATS/1.0\r\n\r\ntwo"),
    StoredMsg(8, b"s.a", 300, 0, b""),
]
PREFIX = b"\xff\x06\x00\x00S2sTwO"
MAX = 1000


def archive(
    begin: Begin = BEGIN, messages: list[StoredMsg] = MESSAGES, consumer: KeptConsumer = CONSUMER
) -> bytes:
    writer = ArchiveWriter()
    return b"".join(
        (
            writer.begin(begin),
            writer.sources(SOURCES),
            writer.consumer(consumer),
            writer.messages(messages),
            writer.end(),
        )
    )


def read(*pieces: bytes) -> list[Record]:
    reader = ArchiveReader(message_bytes_max=MAX)
    records: list[Record] = []
    for piece in pieces:
        reader.feed(piece)
        records += taken(reader)
    assert reader.close() == records[0]
    return records


def taken(reader: ArchiveReader) -> list[Record]:
    found: list[Record] = []
    while True:
        record = reader.take()
        if record is not None:
            found.append(record)
        elif not reader.has_more:
            return found


def framed(content: bytes) -> bytes:
    return PREFIX + b"\xb7" + len(content).to_bytes(3, "little") + content


def raw(*records: tuple[bytes, bytes]) -> bytes:
    """Records as a forger writes them: the checksum is right."""
    content = b"LNSTREAM\x01"
    for kind, body in records:
        content += kind + len(body).to_bytes(4, "big") + body
    counts = [sum(kind == one for kind, _ in records) for one in (b"M", b"C")]
    end = msgspec.msgpack.encode(End(*counts, hashlib.sha256(content).digest()))
    return framed(content + b"E" + len(end).to_bytes(4, "big") + end)


def forged(**fields: object) -> tuple[bytes, bytes]:
    return b"B", msgspec.msgpack.encode(msgspec.structs.replace(BEGIN, **fields))


def message(seq: int = 3, ts: int = 1, header: int = 0, subject: bytes = b"a") -> bytes:
    head = seq.to_bytes(8, "big") + ts.to_bytes(8, "big", signed=True) + header.to_bytes(4, "big")
    return head + len(subject).to_bytes(2, "big") + subject + b"xyz"


def test_what_was_written_is_read() -> None:
    begin, sources, consumer, *messages, end = read(archive())

    assert (begin, sources, consumer, messages) == (BEGIN, SOURCES, CONSUMER, MESSAGES)
    assert isinstance(end, End)
    assert (end.messages, end.consumers) == (3, 1)


@given(st.lists(st.integers(1, 60), min_size=1))
def test_it_may_come_in_any_pieces(sizes: list[int]) -> None:
    whole = archive()
    pieces: list[bytes] = []
    at = 0
    while at < len(whole):
        size = sizes[len(pieces) % len(sizes)]
        pieces.append(whole[at : at + size])
        at += size

    assert read(*pieces) == read(whole)


def test_an_archive_cut_anywhere_is_not_complete() -> None:
    whole = archive()
    for size in range(1, len(whole)):
        with pytest.raises(ArchiveError, match="the archive is not complete"):
            read(whole[:size])


@pytest.mark.parametrize("flip", [0x01, 0x80, 0xFF])
def test_no_changed_byte_is_taken_for_what_was_written(flip: int) -> None:
    whole = archive()
    for at in range(len(whole)):
        changed = bytearray(whole)
        changed[at] ^= flip
        with pytest.raises(ArchiveError):
            read(bytes(changed))


def test_what_comes_behind_the_end_is_refused() -> None:
    with pytest.raises(ArchiveError, match="goes on behind its end"):
        read(archive(), b"\xb7")
    with pytest.raises(ArchiveError, match="not where it may be"):
        read(archive(), framed(b"B\0\0\0\0")[len(PREFIX) :])


def test_it_may_be_in_frames_of_a_byte_each_of_which_a_call_looks_at_a_few() -> None:
    whole = archive()
    content = b""
    at = len(PREFIX)
    while at < len(whole):
        size = int.from_bytes(whole[at + 1 : at + 4], "little")
        content += whole[at + 4 : at + 4 + size]
        at += 4 + size
    tiny = PREFIX + b"".join(b"\xb7\x01\x00\x00" + bytes([byte]) for byte in content)
    reader = ArchiveReader(message_bytes_max=MAX)
    reader.feed(tiny)

    assert reader.take() is None
    assert reader.has_more
    assert read(tiny) == read(whole)


def test_readers_of_s2_find_padding_only() -> None:
    whole = archive()
    assert whole.startswith(PREFIX)
    at = len(PREFIX)
    while at < len(whole):
        assert 0x80 <= whole[at] <= 0xFD
        at += 4 + int.from_bytes(whole[at + 1 : at + 4], "little")
    assert at == len(whole)


def test_what_is_larger_than_a_frame_is_in_several() -> None:
    body = b"x" * (limits.ARCHIVE_FRAME_BYTES_MAX + 1)
    whole = archive(
        msgspec.structs.replace(BEGIN, size=2 * len(body)), [StoredMsg(3, b"a", 1, 0, body)]
    )
    reader = ArchiveReader(message_bytes_max=2 * len(body))
    reader.feed(whole)

    records = taken(reader)

    assert records[3] == StoredMsg(3, b"a", 1, 0, body)


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (PREFIX + b"\x00\x4f\x00\x02\x00\x17\x1b", "one of nats-server"),
        (PREFIX + b"\x01\x4f\x00\x02\x00\x17\x1b", "one of nats-server"),
        (PREFIX + b"\xfe\x01\x00\x00\x00", "not one of leafnode"),
        (b"garbage", "not one of leafnode"),
        (b"\x1f\x8b\x08", "not one of leafnode"),
        (framed(b"LNSTREAM\x02"), "version 2 of the format"),
        (framed(b"SOMETHING"), "not one of leafnode"),
        (PREFIX + b"\xb7\x00\x00\x00", "a size that none may have"),
        (PREFIX + b"\xb7\xff\xff\xff", "a size that none may have"),
        (framed(b"LNSTREAM\x01M\0\0\0\0"), "not where it may be"),
        (framed(b"LNSTREAM\x01Z\0\0\0\0"), "not where it may be"),
        (framed(b"LNSTREAM\x01B\xff\xff\xff\xff"), "a record of 4294967295 bytes"),
        (framed(b"LNSTREAM\x01B\0\0\0\1\xc1"), "cannot be read"),
    ],
)
def test_other_data_is_refused_by_what_it_is(data: bytes, text: str) -> None:
    with pytest.raises(ArchiveError, match=text):
        read(data)


@pytest.mark.parametrize(
    "fields",
    [
        {"first_seq": 0},
        {"first_seq": 22},
        {"last_seq": SEQ_MAX + 1},
        {"last_ts_ns": -1},
        {"last_ts_ns": 2**63},
        {"created_ns": -1},
        {"messages": 19},
        {"messages": -1},
        {"size": -1},
    ],
)
def test_a_beginning_that_cannot_be_is_refused(fields: dict[str, int]) -> None:
    with pytest.raises(ArchiveError, match="cannot be"):
        read(raw(forged(**fields)))


@pytest.mark.parametrize(
    ("bodies", "text"),
    [
        ([message(2)], "message 2 is out of order"),
        ([message(5), message(5)], "message 5 is out of order"),
        ([message(5), message(4)], "message 4 is out of order"),
        ([message(21)], "message 21 is out of order"),
        ([message(ts=-1)], "message 3 is none that can be"),
        ([message(header=4)], "message 3 is none that can be"),
        ([message(subject=b"")], "message 3 is none that can be"),
        ([message(subject=b"a b")], "message 3 is none that can be"),
        ([message(subject=b"a\r\nPUB b 0")], "message 3 is none that can be"),
        ([message(subject=b"a\0")], "message 3 is none that can be"),
        ([message()[:21]], "cannot be read"),
        ([message()[:22]], "message 3 is none that can be"),
        ([message(seq) for seq in range(3, 7)], "holds more than it says"),
        ([message(subject=b"a" * 999)[: MAX + 22]], "holds more than it says"),
        ([message() + b"x" * MAX], "holds a message of 1026 bytes, 1022 may be"),
    ],
)
def test_messages_that_cannot_be_are_refused_though_the_checksum_is_right(
    bodies: list[bytes], text: str
) -> None:
    with pytest.raises(ArchiveError, match=text):
        read(raw(forged(size=MAX - 1), *((b"M", body) for body in bodies)))


def test_a_consumer_of_no_time_is_refused() -> None:
    body = msgspec.msgpack.encode(msgspec.structs.replace(CONSUMER, created_ns=2**63))

    with pytest.raises(ArchiveError, match="a consumer cannot be"):
        read(raw(forged(), (b"C", body)))


def test_a_forged_archive_is_read_where_nothing_is_wrong_with_it() -> None:
    assert len(read(raw(forged(), (b"M", message())))) == 3


def test_a_count_that_is_wrong_is_found() -> None:
    writer = ArchiveWriter()
    whole = writer.begin(BEGIN)
    writer.messages(MESSAGES[:1])

    with pytest.raises(ArchiveError, match="checksum is wrong"):
        read(whole, writer.end())
