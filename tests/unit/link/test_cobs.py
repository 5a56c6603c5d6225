"""COBS against the examples of Cheshire and Baker and at the edges of a full group."""

from leafnode.link import cobs


def encode(data):
    target = bytearray(cobs.encoded_bytes_max(len(data)))
    return bytes(target[: cobs.encode_into(bytearray(data), len(data), target, 0)])


def decode(data):
    target = bytearray(len(data))
    size = cobs.decode_into(bytearray(data), len(data), target)
    return bytes(target[:size]) if size >= 0 else None


EXAMPLES = (
    (b"", b"\x01"),
    (b"\x00", b"\x01\x01"),
    (b"\x00\x00", b"\x01\x01\x01"),
    (b"\x11\x22\x00\x33", b"\x03\x11\x22\x02\x33"),
    (b"\x11\x22\x33\x44", b"\x05\x11\x22\x33\x44"),
    (b"\x11\x00\x00\x00", b"\x02\x11\x01\x01\x01"),
    (b"\x01" * 253, b"\xfe" + b"\x01" * 253),
    (b"\x01" * 254, b"\xff" + b"\x01" * 254),
    (b"\x01" * 255, b"\xff" + b"\x01" * 254 + b"\x02\x01"),
    (b"\x00" + b"\x01" * 254, b"\x01\xff" + b"\x01" * 254),
    (b"\x01" * 254 + b"\x00", b"\xff" + b"\x01" * 254 + b"\x01\x01"),
    (b"\x01" * 508, b"\xff" + b"\x01" * 254 + b"\xff" + b"\x01" * 254),
)


def test_encode_gives_the_canonical_form():
    for plain, stuffed in EXAMPLES:
        assert encode(plain) == stuffed


def test_decode_is_the_inverse():
    for plain, stuffed in EXAMPLES:
        assert decode(stuffed) == plain


def test_the_longest_result_fits_the_announced_bound():
    for size in (0, 1, 253, 254, 255, 507, 508, 509, 1024):
        assert len(encode(b"\x01" * size)) <= cobs.encoded_bytes_max(size)


def test_encode_leaves_the_target_before_and_behind_alone():
    target = bytearray(b"\xaa" * 8)

    end = cobs.encode_into(bytearray(b"\x07\x00\x09"), 3, target, 2)

    assert end == 6
    assert bytes(target) == b"\xaa\xaa\x02\x07\x02\x09\xaa\xaa"


def test_decode_refuses_a_group_that_runs_past_the_end():
    assert decode(b"\x05\x11\x22") is None


def test_decode_refuses_a_zero_code():
    assert decode(b"\x02\x11\x00\x11") is None
