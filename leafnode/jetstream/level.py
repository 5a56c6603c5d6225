"""The API level: which requests are too new for this server (ADR-44).

Pure. Truth: measured on nats-server 2.15.1.
"""

from __future__ import annotations

from typing import Final

from leafnode import limits
from leafnode.protocol import header

LEVEL: Final = b"Nats-Required-Api-Level"
_DIGITS_MAX: Final = 9


def level_is_met(block: bytes) -> bool:
    """Say whether a request's header block asks for no more than this server has."""
    if not block:
        return True
    value = header.get(block, LEVEL)
    if value is None:
        return True
    if not value.isdigit() or len(value) > _DIGITS_MAX:
        return False
    return int(value) <= limits.API_LEVEL
