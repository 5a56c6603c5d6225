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
# Which character a random byte is. Eight of them come five times in 256, the others four: that is
# 0.004 bits less for each.
_OF_BYTES: Final = bytes([ord(ALPHABET[byte % len(ALPHABET)]) for byte in range(256)])


def nuid(random: Random, length: int = NUID_LENGTH) -> str:
    """Return `length` random characters; 22 of them carry 130 bits.

    One draw: each asks the system, and services need a name for each request.
    """
    return random.randbytes(length).translate(_OF_BYTES).decode()


def hash8(text: str) -> str:
    """Return the 8-character hash that NATS puts into subjects for an account or consumer name.

    SHA-256, the first 8 bytes, each modulo 62. Source: nats-server server/jetstream.go getHash.
    """
    return "".join(ALPHABET[byte % 62] for byte in sha256(text.encode())[:8])
