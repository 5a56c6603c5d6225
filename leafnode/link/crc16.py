"""CRC-16 for boards without binascii: check value 0x29B1 for b"123456789".

Knows bytes. A board that counts in Python needs a sixth of the time of a CRC-32 by bits; the price
is that of 65,536 damaged frames one passes, where CRC-32 lets one of four billion through. Truth:
CRC-16/IBM-3740 (polynomial 0x1021, start 0xFFFF, not reflected), as binascii.crc_hqx.
"""


def crc16_portable(data: "bytes | bytearray | memoryview") -> int:
    """Return the CRC without a table: the polynomial's few bits make a byte six steps."""
    crc = 0xFFFF
    for byte in data:
        high = (crc >> 8) ^ byte
        high ^= high >> 4
        crc = ((crc << 8) ^ (high << 12) ^ (high << 5) ^ high) & 0xFFFF
    return crc


TYPE_CHECKING = False
if TYPE_CHECKING:

    def crc16(data: "bytes | bytearray | memoryview") -> int: ...
else:
    try:
        from binascii import crc_hqx

        def crc16(data):
            """Return the same as crc16_portable."""
            return crc_hqx(data, 0xFFFF)

    except ImportError:
        crc16 = crc16_portable
