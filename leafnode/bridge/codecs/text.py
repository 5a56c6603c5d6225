"""UTF-8 text, published as it came.

Knows one payload. Truth: docs/serial.md, "Codecs".
"""

from __future__ import annotations

from leafnode.bridge.reading import BadReading


def decode_text(payload: bytes) -> str:
    """Return the payload as text. Raises BadReading for NUL bytes and for what is not UTF-8.

    Other control characters stay: a barcode scanner's GS (0x1D) separates fields.
    """
    if b"\0" in payload:
        # An idle or shorted line, or a wrong baud rate, reads as NULs.
        raise BadReading("holds a NUL byte")
    try:
        return payload.decode()
    except UnicodeDecodeError as err:
        raise BadReading(f"is not UTF-8 at byte {err.start}") from err


def encode_text(payload: bytes) -> bytes:
    """Return the payload unchanged. Raises BadReading where it is not text."""
    decode_text(payload)
    return payload
