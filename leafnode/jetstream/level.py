"""The API level: which requests are too new for this server (ADR-44).

Pure. Truth: measured on nats-server 2.15.1.
"""

from __future__ import annotations

from typing import Final

from leafnode import limits
from leafnode.protocol import header

LEVEL: Final = b"Nats-Required-Api-Level"
_DIGITS_MAX: Final = 18  # more do not fit Go's int


def level_is_met(block: bytes) -> bool:
    """Say whether a request's header block asks for no more than this server has."""
    if not block:
        return True
    value = header.get(block, LEVEL)
    if not value:
        return True
    digits = value[1:] if value[:1] in {b"+", b"-"} else value
    if not digits.isdigit() or len(digits.lstrip(b"0")) > _DIGITS_MAX:
        return False
    return value[:1] == b"-" or int(digits[-_DIGITS_MAX:]) <= limits.API_LEVEL
