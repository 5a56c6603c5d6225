"""Twenty-four sensors on lines that flip, drop and add bytes: nothing wrong is accepted, and a
fault costs no frame that it did not touch.

Every framing that bytes alone bound, with a CRC-32, so that a wrong frame passes once in four
thousand million. Bytes go through in random pieces. No time passes.
"""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Any

import pytest

from leafnode.bridge.checks.crc import crc
from leafnode.config.crc_catalog import CATALOG
from leafnode.config.serial_stage_options import CheckOptions
from leafnode.link import cobs
from tests.unit.bridge.framing.feeding import feed, framing_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from leafnode.bridge.reading import Framing

CRC32 = crc(CATALOG["crc32_iso_hdlc"][0])
SENSORS = 24
FRAMES = 300
FLIP = 0.01 / 8  # of a bit: one byte in a hundred
DROP = 0.002
BURST = 0.0005  # of a byte to begin one of random bytes


def seal(data: bytes) -> bytes:
    return CRC32(data).to_bytes(4, "little")


def line(text: bytes) -> bytes:
    return text + b"%08X" % CRC32(text) + b"\n"


def cobs_frame(text: bytes) -> bytes:
    sealed = text + seal(text)
    target = bytearray(cobs.encoded_bytes_max(len(sealed)))
    return bytes(target[: cobs.encode_into(bytearray(sealed), len(sealed), target, 0)]) + b"\0"


def escaped(data: bytes, marks: bytes, escape: int, mask: int) -> bytes:
    return b"".join(
        bytes((escape, byte ^ mask)) if byte in marks else bytes((byte,)) for byte in data
    )


def slip(text: bytes) -> bytes:
    sealed = (text + seal(text)).replace(b"\xdb", b"\xdb\xdd").replace(b"\xc0", b"\xdb\xdc")
    return sealed + b"\xc0"


def hdlc(text: bytes) -> bytes:
    return b"\x7e" + escaped(text + seal(text), b"\x7d\x7e", 0x7D, 0x20) + b"\x7e"


def stx(text: bytes) -> bytes:
    return b"\x02" + escaped(text, b"\x02\x03\x10", 0x10, 0) + b"\x03" + seal(text + b"\x03")


def length(text: bytes) -> bytes:
    frame = b"BM" + bytes((len(text) + 7,)) + text
    return frame + seal(frame)


def fixed(text: bytes) -> bytes:
    return b"\xaa" + text + seal(text) + b"\xab"


def start_end(text: bytes) -> bytes:
    plain = text.translate(bytes(byte | 0x80 for byte in range(256)))
    return b"<" + plain + b">" + b"%08X" % CRC32(plain)


KINDS: dict[str, tuple[Callable[[bytes], bytes], dict[str, Any], dict[str, Any], int]] = {
    # How a frame is sent, the framing's options, the check's, frames that may go with a fault.
    "line": (line, {}, {"form": "hex"}, 2),
    "cobs": (cobs_frame, {}, {}, 2),
    "slip": (slip, {}, {}, 2),
    "hdlc": (hdlc, {}, {}, 2),
    "stx_etx": (stx, {"after_end": 4}, {"at": -4}, 2),
    "length": (length, {"start": b"BM", "length_at": 2}, {"over_from": 0}, 1),
    "fixed": (fixed, {"start": b"\xaa", "end": b"\xab", "length": 18}, {}, 1),
    "start_end": (
        start_end,
        {"start": b"<", "end": b">", "after_end": 8},
        {"at": -8, "form": "hex", "over_to": -9},
        1,
    ),
}


def worn(frame: bytes, noise: random.Random) -> bytes:
    """Return what a bad cable makes of a frame."""
    out = bytearray()
    for byte in frame:
        if noise.random() < DROP:
            continue
        if noise.random() < BURST:
            out += noise.randbytes(noise.randint(1, 40))
        for bit in range(8):
            if noise.random() < FLIP:
                byte ^= 1 << bit  # noqa: PLW2901
        out.append(byte)
    return bytes(out)


def new(kind: str) -> Framing:
    _, options, check, _ = KINDS[kind]
    placed = CheckOptions("crc32", CATALOG["crc32_iso_hdlc"][0], **{"form": "little", **check})
    if not options:
        options = {"keep_first": True}
    return framing_of(kind, check=placed, max_frame_bytes=64, **options)


def pieces(stream: bytes, noise: random.Random) -> list[bytes]:
    cuts = sorted(noise.choices(range(len(stream)), k=len(stream) // 20))
    return [stream[a:b] for a, b in zip([0, *cuts], [*cuts, len(stream)], strict=True)]


@pytest.mark.faults
@pytest.mark.parametrize("kind", KINDS)
def test_noise_costs_what_it_touches_and_nothing_wrong_is_accepted(kind: str, seed: int) -> None:
    encode, _, _, share = KINDS[kind]
    for sensor in range(SENSORS // len(KINDS)):
        noise = random.Random(seed * SENSORS + sensor)
        texts = [b"%04d" % number + noise.randbytes(8) for number in range(FRAMES)]
        if kind == "line":
            texts = [text[:4] + text[4:].hex()[:8].encode() for text in texts]
        clean = [encode(text) for text in texts]
        sent = [worn(one, noise) for one in clean]
        right = {payload for one in clean for payload in feed(new(kind), one)}
        assert len(right) == FRAMES
        framing = new(kind)

        accepted = feed(framing, *pieces(b"".join([*sent, *clean[-3:]]), noise))

        untouched = sum(one == other for one, other in zip(sent, clean, strict=True)) + 3
        touched = FRAMES + 3 - untouched
        assert touched > FRAMES // 20, "the cable is bad indeed"
        assert set(accepted) <= right
        assert len(accepted) >= untouched - (share - 1) * touched
        counts = framing.counts()
        assert counts.frames == len(accepted)
        assert 0 < counts.resyncs <= touched
