"""Lines, COBS, SLIP, HDLC, VE.Direct: a delimiter ends a frame, too long a one costs its bound."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from leafnode.bridge.checks.crc import crc
from leafnode.bridge.framing.delimited import cobs_decoded, vedirect_decoded
from leafnode.bridge.framing.split import SplitFraming
from leafnode.bridge.port_bounds import FRAME_STEP_BYTES
from leafnode.bridge.reading import Framing, Reading
from leafnode.config.crc_catalog import CATALOG
from leafnode.config.serial_stage_options import CheckOptions
from leafnode.link import cobs
from leafnode.slices import finish
from tests.unit.bridge.framing.feeding import cut, feed, framing_of


def new_framing(*, max_frame_bytes: int = 8, keep_first: bool = True) -> Framing:
    return framing_of("line", max_frame_bytes=max_frame_bytes, keep_first=keep_first)


def test_cr_lf_and_crlf_end_a_line() -> None:
    assert feed(new_framing(), b"a\rb\nc\r\nd\n") == [b"a", b"b", b"c", b"d"]


def test_crlf_cut_in_two_is_one_end() -> None:
    assert feed(new_framing(), b"a\r", b"\nb\r\n") == [b"a", b"b"]


def test_an_empty_line_is_no_reading() -> None:
    assert feed(new_framing(), b"\r\n\n\n\ra\n") == [b"a"]


def test_a_line_without_its_end_is_no_reading_yet() -> None:
    framing = new_framing()

    assert feed(framing, b"21.", b"5") == []
    assert feed(framing, b"\n") == [b"21.5"]


def test_bytes_before_the_first_end_are_dropped_since_they_may_be_a_tail() -> None:
    assert feed(new_framing(keep_first=False), b"1.5\r\n21.6\r\n") == [b"21.6"]


def test_bytes_before_the_first_end_are_kept_where_the_option_says_so() -> None:
    assert feed(new_framing(keep_first=True), b"1.5\n21.6\n") == [b"1.5", b"21.6"]


def test_opening_the_port_again_forgets_half_a_line() -> None:
    framing = new_framing(keep_first=True)
    feed(framing, b"old\nhal")

    framing.opened(0)

    assert feed(framing, b"new\n") == [b"new"]


def test_opening_the_port_again_drops_the_first_piece_again() -> None:
    framing = new_framing(keep_first=False)
    assert feed(framing, b"x\na\n") == [b"a"]

    framing.opened(0)

    assert feed(framing, b"tail\nb\n") == [b"b"]


def test_a_line_of_the_maximum_is_a_reading() -> None:
    framing = new_framing(max_frame_bytes=8)

    assert feed(framing, b"12345678\n") == [b"12345678"]
    assert framing.counts().overlong == 0


def test_a_line_of_one_more_is_dropped_and_the_next_one_is_read() -> None:
    framing = new_framing(max_frame_bytes=8)

    assert feed(framing, b"123456789\nnext\n") == [b"next"]
    assert framing.counts().overlong == 1


def test_a_line_without_an_end_keeps_no_more_than_the_maximum() -> None:
    framing = new_framing(max_frame_bytes=8)

    feed(framing, *[b"x" * 4096] * 100)

    assert isinstance(framing, SplitFraming)
    assert len(framing._buffer) <= 8
    assert framing.counts().overlong == 1
    assert feed(framing, b"x\nnext\n") == [b"next"]


def test_every_reading_has_an_id_of_its_own() -> None:
    framing = new_framing()
    framing.receive(b"same\nsame\n", 0)

    first, second = framing.next_event(), framing.next_event()

    assert first == Reading(b"scale.boot.1", b"same")
    assert second == Reading(b"scale.boot.2", b"same")


def test_ids_go_on_after_the_port_was_opened_again() -> None:
    framing = new_framing()
    feed(framing, b"a\n")

    framing.opened(0)
    framing.receive(b"b\n", 0)

    assert framing.next_event() == Reading(b"scale.boot.2", b"b")


def test_bytes_and_frames_are_counted() -> None:
    framing = new_framing()

    feed(framing, b"a\r\nb\r\nc")

    assert framing.counts()[:2] == (7, 2)


def test_nothing_is_sent_to_a_line_sensor() -> None:
    framing = new_framing()
    feed(framing, b"a\n")

    assert framing.data_to_send(0) == b""
    assert framing.next_timeout_ms(0) is None


STREAMS = st.lists(
    st.sampled_from([b"\r", b"\n", b"\r\n", b"\0", b"\xff", b"1", b"22", b"x" * 8, b"y" * 9]),
    max_size=40,
).map(b"".join)


@given(st.one_of(STREAMS, st.binary(max_size=200)), st.booleans(), st.data())
def test_any_chunking_gives_the_same_readings_and_counts(
    stream: bytes, keep_first: bool, data: st.DataObject
) -> None:
    whole = new_framing(keep_first=keep_first)
    pieces = new_framing(keep_first=keep_first)

    assert feed(pieces, *cut(stream, data)) == feed(whole, stream)
    assert pieces.counts() == whole.counts()


@given(STREAMS)
def test_readings_are_the_lines_that_python_sees(stream: bytes) -> None:
    lines = stream.replace(b"\r", b"\n").split(b"\n")[:-1]

    assert feed(new_framing(), stream) == [line for line in lines if 0 < len(line) <= 8]


# --- stuffed frames


def slip_encoded(frame: bytes) -> bytes:
    """RFC 1055, byte by byte."""
    escaped = {0xC0: b"\xdb\xdc", 0xDB: b"\xdb\xdd"}
    return b"".join(escaped.get(byte, bytes((byte,))) for byte in frame) + b"\xc0"


def hdlc_encoded(frame: bytes) -> bytes:
    """RFC 1662, section 4.2, byte by byte."""
    stuffed = (
        bytes((0x7D, byte ^ 0x20)) if byte in {0x7D, 0x7E} else bytes((byte,)) for byte in frame
    )
    return b"\x7e" + b"".join(stuffed) + b"\x7e"


def cobs_encoded(frame: bytes) -> bytes:
    target = bytearray(cobs.encoded_bytes_max(len(frame)))
    return bytes(target[: cobs.encode_into(bytearray(frame), len(frame), target, 0)]) + b"\0"


ENCODERS = {"slip": slip_encoded, "hdlc": hdlc_encoded, "cobs": cobs_encoded}
FCS = CheckOptions("crc16_x25", crc=CATALOG["crc16_x25"][0], form="little")


def with_fcs(payload: bytes) -> bytes:
    return payload + crc(CATALOG["crc16_x25"][0])(payload).to_bytes(2, "little")


@pytest.mark.parametrize("kind", ENCODERS)
def test_what_was_stuffed_comes_out_as_it_was(kind: str) -> None:
    payloads = [bytes(range(256)), b"\0", b"\xc0\xdb\xdc\xdd", b"\x7e\x7d\x5e\x20", b"x" * 300]
    stream = b"".join(map(ENCODERS[kind], payloads))

    assert feed(framing_of(kind, keep_first=True), stream) == payloads


def test_the_examples_of_the_standards() -> None:
    for kind, line, frame in (
        ("slip", b"a\xdb\xdcb\xdb\xddc\xc0", b"a\xc0b\xdbc"),  # RFC 1055
        ("hdlc", b"\x7d\x5e\x7d\x5d\x7d\x31\x7e", b"\x7e\x7d\x11"),  # RFC 1662, 4.2
        ("cobs", b"\x03\x11\x22\x02\x33\0", b"\x11\x22\0\x33"),  # Wikipedia's table
    ):
        assert feed(framing_of(kind, keep_first=True), line) == [frame]


@given(st.lists(st.one_of(st.binary(max_size=300), st.just(b"\0" * 200), st.just(b"x" * 254))))
def test_cobs_in_pieces_is_cobs(parts: list[bytes]) -> None:
    plain = b"".join(parts)
    encoded = bytearray(cobs.encoded_bytes_max(len(plain)))
    del encoded[cobs.encode_into(bytearray(plain), len(plain), encoded, 0) :]

    assert finish(cobs_decoded(bytes(encoded))) == plain


@given(st.binary(max_size=200), st.binary(max_size=20))
def test_what_is_no_cobs_is_none_in_pieces(head: bytes, tail: bytes) -> None:
    encoded = b"\1" * 100 + head + tail
    target = bytearray(len(encoded))
    size = cobs.decode_into(bytearray(encoded), len(encoded), target)

    assert finish(cobs_decoded(encoded)) == (bytes(target[:size]) if size >= 0 else None)


def test_an_answer_of_the_hexadecimal_protocol_is_left_out_of_a_long_block() -> None:
    block = b"".join(b"\r\nV%d\t12\r\n:7A%02X\n" % (number, number) for number in range(200))
    fields = b"".join(b"\r\nV%d\t12\r\n" % number for number in range(200))
    assert len(block) > 2 * FRAME_STEP_BYTES

    assert finish(vedirect_decoded(block)) == fields
    assert finish(vedirect_decoded(b":" * 5000)) == b":" * 5000


@pytest.mark.parametrize(
    ("kind", "wrong"),
    [("slip", b"a\xdbb\xc0"), ("slip", b"a\xdb\xc0"), ("hdlc", b"a\x7d\x7e"), ("cobs", b"\x05a\0")],
)
def test_a_wrong_escape_spoils_its_frame_and_no_other(kind: str, wrong: bytes) -> None:
    framing = framing_of(kind, keep_first=True)
    good = ENCODERS[kind](b"good")

    assert feed(framing, good + wrong + good + good) == [b"good"] * 3
    counts = framing.counts()
    assert (counts.frames, counts.bad, counts.resyncs) == (3, 1, 1)
    assert counts.noise_bytes == len(wrong)


@pytest.mark.parametrize("kind", ENCODERS)
def test_a_frame_of_the_maximum_is_a_reading_and_one_byte_more_is_not(kind: str) -> None:
    framing = framing_of(kind, keep_first=True, max_frame_bytes=16)
    stream = b"".join(ENCODERS[kind](b"\xc0" * size) for size in (16, 17, 16))

    assert feed(framing, stream) == [b"\xc0" * 16] * 2
    assert framing.counts().overlong == 1


@pytest.mark.parametrize("kind", ENCODERS)
def test_a_frame_without_an_end_keeps_no_more_than_the_stuffed_maximum(kind: str) -> None:
    framing = framing_of(kind, keep_first=True, max_frame_bytes=16)
    assert isinstance(framing, SplitFraming)

    feed(framing, *[b"x" * 4096] * 20)

    assert len(framing._buffer) <= 32
    assert framing.counts().overlong == 1


def test_a_wrong_check_costs_its_frame_alone() -> None:
    framing = framing_of("hdlc", check=FCS)
    frames = [hdlc_encoded(with_fcs(b"%d" % number)) for number in range(5)]
    spoilt = frames[2].replace(b"2", b"9")

    payloads = feed(framing, b"".join([*frames[:2], spoilt, *frames[3:]]))

    assert payloads == [b"0", b"1", b"3", b"4"]
    assert framing.counts().bad == 1


@given(
    st.sampled_from(sorted(ENCODERS)),
    st.lists(st.one_of(st.binary(max_size=20), st.none()), max_size=8),
    st.binary(max_size=30),
    st.booleans(),
    st.data(),
)
def test_any_chunking_of_frames_and_garbage_gives_the_same(
    kind: str, parts: list[bytes | None], garbage: bytes, keep_first: bool, data: st.DataObject
) -> None:
    encode = ENCODERS[kind]
    stream = b"".join(garbage if part is None else encode(with_fcs(part)) for part in parts)
    whole = framing_of(kind, check=FCS, keep_first=keep_first, max_frame_bytes=24)
    pieces = framing_of(kind, check=FCS, keep_first=keep_first, max_frame_bytes=24)

    assert feed(pieces, *cut(stream, data)) == feed(whole, stream)
    assert pieces.counts() == whole.counts()


@given(st.sampled_from(sorted(ENCODERS)), st.binary(max_size=60))
def test_garbage_between_frames_costs_at_most_the_one_it_touches(kind: str, garbage: bytes) -> None:
    framing = framing_of(kind, check=FCS, keep_first=True)
    good = ENCODERS[kind](with_fcs(b"good"))

    payloads = feed(framing, good + garbage + good * 3)

    assert payloads[:1] == [b"good"]
    assert payloads[-2:] == [b"good"] * 2


# --- VE.Direct

BLOCK = b"\r\nPID\t0xA053\r\nV\t12800\r\nChecksum\t"
SUM = CheckOptions("twos8", over_from=0, at=-1)


def block(text: bytes = BLOCK) -> bytes:
    return text + bytes((-sum(text) & 0xFF,))


def test_a_block_ends_with_its_checksum_whatever_that_is() -> None:
    framing = framing_of("vedirect", check=SUM, keep_first=True)
    wanted = BLOCK.removesuffix(b"\r\nChecksum\t")

    assert feed(framing, *(bytes((byte,)) for byte in block() * 2)) == [wanted] * 2


def test_an_answer_of_the_other_protocol_between_fields_is_not_of_the_block() -> None:
    framing = framing_of("vedirect", check=SUM, keep_first=True)
    mixed = block().replace(b"\r\nV", b":A0102000543\n\r\nV")

    assert feed(framing, mixed) == [BLOCK.removesuffix(b"\r\nChecksum\t")]
    assert framing.counts().bad == 0


def test_a_block_with_a_wrong_sum_is_dropped() -> None:
    framing = framing_of("vedirect", check=SUM, keep_first=True)

    assert feed(framing, block().replace(b"12800", b"12900") + block()) == [
        BLOCK.removesuffix(b"\r\nChecksum\t")
    ]
    assert framing.counts().bad == 1


def test_a_vedirect_block_at_the_bound_is_judged_alike_however_its_bytes_come() -> None:
    found = []
    for size in range(30, 70):  # of the block with what is no field of it
        seen = []
        for piece in (1, 7, 1000):
            framing = framing_of("vedirect", max_frame_bytes=50, keep_first=True)
            framing.opened(0)
            block = b"\r\nV\t1" + b":7AB\n" * 2 + b"1" * (size - 29) + b"\r\nChecksum\tx"
            wire = block + b"\r\nV\t2\r\nChecksum\tx"
            pieces = [wire[at : at + piece] for at in range(0, len(wire), piece)]
            seen.append((feed(framing, *pieces), framing.counts().overlong))
        assert seen[0] == seen[1] == seen[2], size
        found.append(len(seen[0][0]))

    assert set(found) == {1, 2}
