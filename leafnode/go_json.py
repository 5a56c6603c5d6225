"""JSON as Go writes it: no blanks, and nothing in it that could be markup.

Knows values and text; not what is written, nor where it goes. Truth: Go's encoding/json, which
writes `<`, `>`, `&` and Unicode's own line ends as escapes in every string.
"""

from __future__ import annotations

from typing import Final

import msgspec

_encode: Final = msgspec.json.Encoder().encode


def encode(value: object) -> bytes:
    """Return a value as JSON."""
    return escaped(_encode(value))


def escaped(text: bytes) -> bytes:
    """Return JSON with Go's escapes: outside of strings it has none of these characters."""
    if b">" in text or b"<" in text or b"&" in text:
        text = text.replace(b"&", b"\\u0026").replace(b"<", b"\\u003c").replace(b">", b"\\u003e")
    # LINE SEPARATOR, PARAGRAPH SEPARATOR; a search for one byte is over at once.
    if b"\xe2" in text and b"\xe2\x80" in text:
        text = text.replace(b"\xe2\x80\xa8", b"\\u2028").replace(b"\xe2\x80\xa9", b"\\u2029")
    return text
