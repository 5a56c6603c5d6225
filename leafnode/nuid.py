"""Unique names: 22 characters of base 62, as NATS ids look.

Knows an injected random source, nothing else. Truth: nats-io/nuid (the alphabet and the length).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from leafnode.sha256 import sha256

if TYPE_CHECKING:
    from random import Random

ALPHABET: Final = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
NUID_LENGTH: Final = 22


def nuid(random: Random, length: int = NUID_LENGTH) -> str:
    """Return `length` random characters; 22 of them carry 131 bits."""
    return "".join(random.choices(ALPHABET, k=length))


def hash8(text: str) -> str:
    """Return the 8-character hash that NATS puts into subjects for an account or consumer name.

    SHA-256, the first 8 bytes, each modulo 62. Source: nats-server server/jetstream.go getHash.
    """
    return "".join(ALPHABET[byte % 62] for byte in sha256(text.encode())[:8])
