"""The two 8-bit CRCs of sensors, bit by bit: no table, for the few bytes that they guard.

Knows bytes. Truth: Sensirion's datasheets (polynomial 0x31, starts at 0xFF) and Maxim's application
note 27 (the same polynomial from the other end, starts at 0).
"""


def sensirion(data: "bytes | bytearray | memoryview", start: int = 0, end: int = 2) -> int:
    """Return the CRC of `data[start:end]`: most significant bit first, polynomial 0x31."""
    crc = 0xFF
    for index in range(start, end):
        crc ^= data[index]
        for _ in range(8):
            crc = ((crc << 1) ^ 0x31 if crc & 0x80 else crc << 1) & 0xFF
    return crc


def maxim(data: "bytes | bytearray | memoryview", size: int) -> int:
    """Return the CRC of the first `size` bytes: least significant bit first, 0x31 mirrored."""
    crc = 0
    for index in range(size):
        crc ^= data[index]
        for _ in range(8):
            crc = (crc >> 1) ^ 0x8C if crc & 1 else crc >> 1
    return crc
