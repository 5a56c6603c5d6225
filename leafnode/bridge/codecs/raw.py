"""Bytes, published as they came. Knows nothing of them. Truth: docs/serial/codecs.md."""

from __future__ import annotations


def encode_raw(payload: bytes) -> bytes:
    """Return the payload unchanged."""
    return payload
