"""The ring is exact at its bounds, in count and in bytes, wherever it stands."""

from leafnode.link.ring import Ring


def record(ring, index):
    target = bytearray(64)
    return bytes(target[: ring.copy_into(index, memoryview(target))])


def test_records_come_out_in_order():
    ring = Ring(4, 32)
    ring.append(b"\x01a", b"one")
    ring.append(b"\x01b", b"")

    assert record(ring, 0) == b"\x01aone"
    assert record(ring, 1) == b"\x01b"
    ring.drop()
    assert record(ring, 0) == b"\x01b"
    assert (ring.count, ring.used_bytes) == (1, 2)


def test_the_count_bound_holds_at_max_and_one_past_it():
    ring = Ring(3, 1000)
    for _ in range(2):
        ring.append(b"x", b"")

    assert ring.has_room(1)
    ring.append(b"x", b"")
    assert not ring.has_room(1)


def test_the_byte_bound_holds_at_max_and_one_past_it():
    ring = Ring(10, 16)
    ring.append(b"12345", b"6789")

    assert ring.has_room(7)
    assert not ring.has_room(8)
    ring.append(b"1234567", b"")
    assert ring.used_bytes == 16
    assert not ring.has_room(1)


def test_every_byte_is_usable_wherever_the_ring_has_turned_to():
    for turn in range(16):
        ring = Ring(4, 16)
        ring.append(b"t" * turn, b"")
        ring.drop()

        ring.append(b"abcdefg", b"hijklmnop")

        assert ring.used_bytes == 16
        assert record(ring, 0) == b"abcdefghijklmnop"


def test_many_records_of_all_sizes_stay_what_they_were():
    ring = Ring(5, 40)
    kept = []
    for number in range(300):
        data = bytes([number % 251]) * (number % 17)
        while not ring.has_room(1 + len(data)):
            ring.drop()
            kept.pop(0)
        ring.append(b"\xee", data)
        kept.append(b"\xee" + data)

        assert [record(ring, index) for index in range(ring.count)] == kept
