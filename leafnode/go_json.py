"""JSON and quoted text as Go writes them: no blanks, and nothing in JSON that could be markup.

Knows values and text; not what is written, nor where it goes. Truth: Go's encoding/json, which
writes `<`, `>`, `&` and Unicode's own line ends as escapes in every string, and its `%q`.
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


GO_ESCAPES: Final = {
    '"': '\\"',
    "\\": "\\\\",
    "\a": "\\a",
    "\b": "\\b",
    "\f": "\\f",
    "\n": "\\n",
    "\r": "\\r",
    "\t": "\\t",
    "\v": "\\v",
}
_FIRST_RAW: Final = 0xDC00  # what `surrogateescape` makes of bytes that are no UTF-8
_LAST_RAW: Final = 0xDCFF


def quoted(text: str) -> str:
    """Return text as `%q` writes it: in quotes, and what cannot be shown by its number. Bytes that
    are no UTF-8 are expected as `surrogateescape` decodes them.
    """
    return '"' + "".join(map(_shown, text)) + '"'


def _shown(char: str) -> str:
    if char in GO_ESCAPES:
        return GO_ESCAPES[char]
    code = ord(char)
    if char.isprintable():
        return char
    if code < 0x20 or code == 0x7F or _FIRST_RAW <= code <= _LAST_RAW:
        return f"\\x{code & 0xFF:02x}"
    return f"\\u{code:04x}" if code <= 0xFFFF else f"\\U{code:08x}"
