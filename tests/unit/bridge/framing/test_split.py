"""Every framing that bytes alone bound: chunking, garbage, truncation, and how much work it is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from leafnode.bridge.checks import SUMS
from leafnode.bridge.checks.calculation import Calculation
from leafnode.bridge.checks.crc import crc
from leafnode.bridge.framing import SPLITTERS
from leafnode.bridge.framing.split import SplitFraming
from leafnode.bridge.port_bounds import FRAME_STEP_BYTES
from leafnode.bridge.reading import MORE
from leafnode.config import serial_bounds
from leafnode.config.crc_catalog import CATALOG
from leafnode.config.serial_stage_options import CheckOptions
from tests.unit.bridge.framing.feeding import cut, feed, framing_of, steps_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from leafnode.bridge.reading import Framing

CRC16 = crc(CATALOG["crc16_modbus"][0])
CHECK = {"type": "crc16_modbus", "crc": CATALOG["crc16_modbus"][0], "form": "little"}


def crc16(data: bytes) -> bytes:
    return CRC16(data).to_bytes(2, "little")


def escaped(data: bytes) -> bytes:
    return b"".join(
        bytes((0x10, byte)) if byte in b"\x02\x03\x10" else bytes((byte,)) for byte in data
    )


# A kind of frame: the framing's options, the check's, and how a payload is sent.
KINDS: dict[str, tuple[str, dict[str, Any], dict[str, Any], Callable[[bytes], bytes]]] = {
    "fixed by its marks": (
        "fixed",
        {"start": b"\xaa", "end": b"\xab", "length": 12},
        {"at": -3},
        lambda text: b"\xaa" + text.ljust(8) + crc16(text.ljust(8)) + b"\xab",
    ),
    "fixed by its check alone": (
        "fixed",
        {"length": 10},
        {},
        lambda text: text.ljust(8) + crc16(text.ljust(8)),
    ),
    "length": (
        "length",
        {"start": b"BM", "length_at": 2, "length_add": 5},
        {"over_from": 0},
        lambda text: (frame := b"BM" + bytes((len(text),)) + text) + crc16(frame),
    ),
    "start and end": (
        "start_end",
        {"start": b"/", "end": b"!", "after_end": 2},
        {"at": -2, "over_from": 0},
        lambda text: (frame := b"/" + text.translate(None, b"/!") + b"!") + crc16(frame),
    ),
    "escaped STX and ETX": (
        "stx_etx",
        {"after_end": 2},
        {"at": -2},
        lambda text: b"\x02" + escaped(text) + b"\x03" + crc16(text + b"\x03"),
    ),
    "doubled DLE": (
        "stx_etx",
        {"escape": "double", "after_end": 2},
        {"at": -2},
        lambda text: (
            b"\x10\x02" + text.replace(b"\x10", b"\x10\x10") + b"\x10\x03" + crc16(text + b"\x03")
        ),
    ),
}
KIND = pytest.mark.parametrize("kind", KINDS)
ANY_KIND = st.sampled_from(sorted(KINDS))
# Bytes that make false starts and ends of every kind.
NOISE = st.lists(
    st.sampled_from(
        [b"\xaa", b"\xab", b"B", b"M", b"BM\x05", b"/", b"!", b"\x02", b"\x03", b"\x10"]
    ),
    max_size=12,
).map(b"".join)


def new(kind: str, **options: Any) -> Framing:
    framing, given_options, check, _ = KINDS[kind]
    return framing_of(
        framing, check=CheckOptions(**{**CHECK, **check}), **{**given_options, **options}
    )


def sent(kind: str, text: bytes) -> bytes:
    return KINDS[kind][3](text)


def whole(payloads: list[bytes]) -> list[bytes]:
    """Without the padding of fixed frames and the field of the length."""
    return [payload[1:] if payload[:1] < b" " else payload.rstrip() for payload in payloads]


@KIND
def test_frames_one_behind_the_other(kind: str) -> None:
    framing = new(kind)

    payloads = feed(framing, b"".join(sent(kind, b"v%d" % number) for number in range(5)))

    assert whole(payloads) == [b"v%d" % number for number in range(5)]
    counts = framing.counts()
    assert (counts.frames, counts.bad, counts.noise_bytes, counts.resyncs) == (5, 0, 0, 0)


@KIND
def test_a_frame_that_was_cut_short_costs_no_other(kind: str) -> None:
    framing = new(kind)
    good = sent(kind, b"value")

    for size in range(1, len(good)):
        payloads = whole(feed(framing, good[:size] + good * 20))
        # Behind a DLE that nothing followed, the next frame's own DLE is the second of a pair.
        lost = kind == "doubled DLE" and good[size - 1] == 0x10
        assert payloads == [b"value"] * (20 - lost), size


@KIND
def test_a_wrong_byte_costs_its_frame_alone(kind: str) -> None:
    good = sent(kind, b"value")
    for index in range(len(good)):
        framing = new(kind)
        wrong = bytearray(good)
        wrong[index] ^= 0x40

        payloads = whole(feed(framing, good, bytes(wrong), good * 20))

        assert payloads in ([b"value"] * 21, [b"value"] * 20), index
        assert len(payloads) == 21 or KINDS[kind][0] == "stx_etx"
        assert framing.counts().resyncs == 1


@given(
    ANY_KIND,
    st.lists(st.one_of(st.binary(max_size=8), NOISE.map(bytearray)), max_size=10),
    st.data(),
)
def test_any_chunking_gives_the_same_frames_and_counts(
    kind: str, parts: list[bytes | bytearray], data: st.DataObject
) -> None:
    stream = b"".join(
        bytes(part) if isinstance(part, bytearray) else sent(kind, part) for part in parts
    )
    in_one, pieces = new(kind, max_frame_bytes=24), new(kind, max_frame_bytes=24)

    assert feed(pieces, *cut(stream, data)) == feed(in_one, stream)
    assert pieces.counts() == in_one.counts()


@given(ANY_KIND, st.one_of(st.binary(max_size=40), NOISE))
def test_garbage_between_frames_costs_at_most_the_one_it_touches(kind: str, noise: bytes) -> None:
    framing = new(kind, max_frame_bytes=24)
    good = sent(kind, b"value")
    # The last ones push out what waits for the end of a false frame.
    payloads = whole(feed(framing, good + noise + good * 8))

    assert payloads[0] == b"value"
    assert payloads.count(b"value") >= 8


@given(ANY_KIND, st.lists(st.one_of(st.binary(max_size=30), NOISE), max_size=5))
def test_every_byte_is_of_a_frame_or_noise(kind: str, parts: list[bytes]) -> None:
    framing = new(kind, strip=False, max_frame_bytes=24)
    stream = b"".join(part + sent(kind, b"value") for part in parts)

    frames = feed(framing, stream)

    assert isinstance(framing, SplitFraming)
    counts = framing.counts()
    taken = sum(len(sent(kind, b"value")) for frame in frames if b"value" in frame)
    assert counts.bytes_in == len(stream)
    if all(b"value" in frame for frame in frames):
        assert taken + counts.noise_bytes + len(framing._buffer) == len(stream)


@KIND
def test_opening_the_port_again_forgets_half_a_frame_and_no_count(kind: str) -> None:
    framing = new(kind)
    good = sent(kind, b"value")
    feed(framing, good + good[:-1])

    framing.opened(0)

    assert whole(feed(framing, good)) == [b"value"]
    assert framing.counts().frames == 2
    assert framing.counts().resyncs == 0


@KIND
def test_a_line_that_never_makes_a_frame_costs_bounded_memory(kind: str) -> None:
    framing = new(kind, max_frame_bytes=64)
    assert isinstance(framing, SplitFraming)

    for noise in (b"\x02", b"/", b"BM\xff", b"\xaa", b"\x10\x02", b"x"):
        for _ in range(10):
            feed(framing, noise * 400)
            assert len(framing._buffer) <= 2 * 64 + 4


WORST = {
    "every byte starts a frame": lambda size: b"\xaa" * size,
    "every frame is wrong at its end": lambda size: (b"\xaa" * 11 + b"\xab") * (size // 12),
    "every second byte starts the longest frame": lambda size: b"BM\xf8" * (size // 3),
    "starts without an end": lambda size: b"/" * size,
    "one start": lambda size: b"/" + b"x" * size,
    "ends": lambda size: b"!" * size,
    "starts and ends": lambda size: b"/!" * (size // 2),
    "marks": lambda size: b"\x10\x02\x10\x10\x10\x03" * (size // 6),
    "escapes": lambda size: b"\x10" * size,
}


@KIND
@pytest.mark.parametrize("worst", WORST)
@pytest.mark.parametrize("chunk_bytes", [7, 4096])
def test_the_work_is_linear_in_the_bytes_whatever_they_are(
    kind: str, worst: str, chunk_bytes: int
) -> None:
    """Steps are bytes searched or copied; a frame may be looked at so often for each of its bytes
    as limits.py says, and no more however long the line goes on.
    """
    sizes = (20_000, 40_000)
    few, many = (
        steps_of(new(kind, max_frame_bytes=256), WORST[worst](size), chunk_bytes) for size in sizes
    )

    assert (
        many - few
        <= (serial_bounds.RESCAN_BYTES_PER_BYTE + 8) * (sizes[1] - sizes[0])
        + serial_bounds.RESCAN_BYTES_MAX
    )
    assert (
        many
        <= (serial_bounds.RESCAN_BYTES_PER_BYTE + 8) * sizes[1] + serial_bounds.RESCAN_BYTES_MAX
    )


@pytest.mark.parametrize("kind", ["line", "cobs", "slip", "hdlc", "vedirect"])
@pytest.mark.parametrize("chunk_bytes", [7, 4096])
def test_the_work_of_delimited_frames_is_linear_too(kind: str, chunk_bytes: int) -> None:
    for worst in (
        b"x" * 40_000,
        b"\n\0\xc0\x7e" * 10_000,
        b"\xdb\x7d" * 20_000,
        b"\r\nChecksum" * 4000,
    ):
        framing = framing_of(kind, keep_first=True, max_frame_bytes=256)

        assert steps_of(framing, worst, chunk_bytes) <= 2 * len(worst) + 256


def test_where_the_work_is_used_up_a_wrong_frame_is_passed_over_whole_and_the_place_is_found() -> (
    None
):
    framing = framing_of(
        "length", check=CheckOptions(**CHECK), start=b"B", length_at=1, max_frame_bytes=4096
    )
    assert isinstance(framing, SplitFraming)
    flood = b"B\xff" * 50_000
    feed(framing, *[flood[at : at + 4096] for at in range(0, len(flood), 4096)])
    assert framing._credit < 255 * serial_bounds.RESCAN_BYTES_PER_BYTE + 4096 * 8
    content = b"B\x08text"

    payloads = feed(framing, *[content + crc16(b"\x08text")] * 64)

    assert payloads[-10:] == [b"\x08text"] * 10


def test_every_kind_of_splitter_is_played_here() -> None:
    played = {options[0] for options in KINDS.values()}

    assert played | {"line", "cobs", "slip", "hdlc", "vedirect"} == set(SPLITTERS)


# Each makes a lot of work of few bytes: a large frame with a wrong check, escapes, false starts.
LABOURS: dict[str, tuple[str, dict[str, Any], bytes]] = {
    "a large frame": (
        "length",
        {"start": b"B", "length_at": 1, "length_bytes": 2, "length_big": True, "length_add": 3},
        b"B\xff\x00" + b"x" * 65280,
    ),
    "a large line": ("line", {}, b"x" * 65000 + b"\n"),
    "escapes": ("slip", {}, b"\xdb\xdc" * 32000 + b"\xc0"),
    "small groups": ("cobs", {}, b"\x01" * 65000 + b"\0"),
    "escaped marks": ("stx_etx", {"after_end": 2}, b"\x02" + b"\x10\x10" * 32000 + b"\x03ab"),
    "false starts": ("fixed", {"length": 9}, b"\x01" * 4096),
    "large false starts": ("fixed", {"length": 900}, b"\x01" * 40960),
    "short frames": ("start_end", {"start": b"A", "end": b"B"}, b"AxxxB" * 800),
    "marks in noise": ("stx_etx", {}, b"\x03" * 4096),
    "silence": ("idle", {}, b"x" * 65000),
    "an interval": ("raw", {"every_ns": 1}, b"x" * 65000),
}


@pytest.mark.parametrize("labour", LABOURS)
def test_one_question_costs_a_bounded_amount_of_work(
    labour: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Counted are frames and bytes that are checked between two questions; not time."""
    kind, options, stream = LABOURS[labour]
    work: list[int] = []

    def add(value: int, data: bytes) -> int:
        work.append(len(data))
        return value + 1

    monkeypatch.setitem(SUMS, "sum16", (Calculation(1 << 20, add), 16))  # never right
    framing = framing_of(
        kind, check=CheckOptions("sum16"), max_frame_bytes=65535, keep_first=True, **options
    )
    worst, more = 0, 0
    framing.receive(stream, 0)
    framing.receive(b"", 10_000)
    while (event := framing.next_event()) is not None:
        assert event is MORE
        more += 1
        worst = max(worst, sum(work), len(work))
        work.clear()
    worst = max(worst, sum(work), len(work))

    assert framing.counts().noise_bytes + framing.counts().bad > 0
    assert worst <= 2 * FRAME_STEP_BYTES  # a frame is begun while there is any left
    assert more >= min(20, len(stream) // FRAME_STEP_BYTES // 2)


def test_a_large_frame_is_a_reading_behind_its_steps_and_forgotten_when_the_port_opens() -> None:
    text = bytes(range(256)) * 100
    framing = framing_of("slip", check=CheckOptions(**CHECK), max_frame_bytes=65535)
    line = text + crc16(text)
    line = line.replace(b"\xdb", b"\xdb\xdd").replace(b"\xc0", b"\xdb\xdc") + b"\xc0"
    assert feed(framing, b"\xc0" + line) == [text]

    framing.receive(line, 0)
    assert framing.next_event() is MORE
    framing.opened(0)

    assert feed(framing, b"\xc0" + line) == [text]
