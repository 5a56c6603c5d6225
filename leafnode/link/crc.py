"""CRC-32 as in zlib and Ethernet: check value 0xCBF43926 for b"123456789".

Knows bytes. `binascii.crc32` where the board has it; smaller ports (SAMD21) do without binascii.
Truth: ISO 3309, reflected polynomial 0xEDB88320.
"""

_POLYNOMIAL = 0xEDB88320


def crc32_portable(data: "bytes | bytearray | memoryview") -> int:
    """Return the same as binascii.crc32, bit by bit: no table, 8 steps per byte."""
    crc = 0xFFFFFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = (crc >> 1) ^ (_POLYNOMIAL if crc & 1 else 0)
    return crc ^ 0xFFFFFFFF


TYPE_CHECKING = False
if TYPE_CHECKING:
    from binascii import crc32 as crc32  # noqa: PLC0414 -- exported
else:
    try:
        from binascii import crc32
    except ImportError:
        crc32 = crc32_portable
