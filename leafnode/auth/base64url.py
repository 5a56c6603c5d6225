"""Base 64 as nats-server reads it: the alphabet for URLs without padding, in one place the other.

What is in the wrong alphabet, or padded where it must not be, is nothing. Knows no keys, no JWTs.
Truth: Go's encoding/base64, RawURLEncoding and StdEncoding, which leave out line ends and take bits
behind the end for nothing.
"""

from __future__ import annotations

import base64
import binascii
import re
from typing import Final

_RAW_URL: Final = re.compile(r"[A-Za-z0-9_-]*")
_ILLEGAL: Final = re.compile(r"[^A-Za-z0-9_\r\n-]")
_STANDARD: Final = re.compile(r"[A-Za-z0-9+/]*={0,2}")
_LINE_ENDS: Final = str.maketrans("", "", "\r\n")
_QUANTUM: Final = 4  # characters for three bytes


def raw_url(text: str) -> bytes | None:
    """Return what `text` stands for, None for nothing."""
    chars = text.translate(_LINE_ENDS)
    if _RAW_URL.fullmatch(chars) is None:
        return None
    return _decoded(chars.replace("-", "+").replace("_", "/") + "=" * (-len(chars) % _QUANTUM))


def illegal_at(text: str) -> int:
    """Return where what `raw_url` takes for nothing stops being base 64, as Go counts it."""
    found = _ILLEGAL.search(text)
    return found.start() if found is not None else len(text) - 1


def raw_url_or_standard(text: str) -> bytes | None:
    """Return the same, or what it stands for in the standard alphabet with padding."""
    raw = raw_url(text)
    if raw is not None:
        return raw
    chars = text.translate(_LINE_ENDS)
    return _decoded(chars) if _STANDARD.fullmatch(chars) is not None else None


def _decoded(chars: str) -> bytes | None:
    try:
        return base64.b64decode(chars, validate=True)
    except binascii.Error:
        return None
