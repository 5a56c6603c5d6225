"""CRC-16/IBM-3740: check value, and the form for boards without binascii."""

from leafnode.link.crc16 import crc16, crc16_portable


def test_the_check_value_is_the_catalogued_one():
    assert crc16(b"123456789") == 0x29B1
    assert crc16_portable(b"123456789") == 0x29B1


def test_the_portable_form_agrees_with_the_boards_own():
    data = bytearray(range(256))
    for size in (0, 1, 2, 100, 256):
        assert crc16_portable(memoryview(data)[:size]) == crc16(memoryview(data)[:size])
