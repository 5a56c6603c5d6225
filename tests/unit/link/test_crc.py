"""CRC-32, ISO 3309: check value and the form for boards without binascii."""

from leafnode.link.crc import crc32, crc32_portable


def test_the_check_value_is_the_catalogued_one():
    assert crc32(b"123456789") == 0xCBF43926
    assert crc32_portable(b"123456789") == 0xCBF43926


def test_the_portable_form_agrees_with_binascii():
    data = bytearray(range(256))
    for size in (0, 1, 2, 100, 256):
        assert crc32_portable(memoryview(data)[:size]) == crc32(memoryview(data)[:size])
