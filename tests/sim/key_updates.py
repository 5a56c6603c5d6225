"""Records of TLS 1.3 as a client's OpenSSL would not send them: new keys, as many as one likes.

Made from the secret that a client's handshake logs (SSLContext.keylog_filename). Truth: RFC 8446,
5.2, 5.4, 7.1, 7.2 and 7.3.
"""

from __future__ import annotations

import hashlib
import hmac
import struct
from typing import TYPE_CHECKING, Final

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

if TYPE_CHECKING:
    from pathlib import Path

CIPHER: Final = "TLS_AES_256_GCM_SHA384"  # what both sides of a test agree on
_HANDSHAKE: Final = 22
_DATA: Final = 23
_KEY_UPDATE_REQUESTED: Final = b"\x18\0\0\x01\x01"


class Sealer:
    """Seals what a client sends behind its handshake; nothing else may send in its name."""

    def __init__(self, key_log: Path) -> None:
        lines = [line.split() for line in key_log.read_text().splitlines()]
        secrets = [
            bytes.fromhex(words[2]) for words in lines if words[0] == "CLIENT_TRAFFIC_SECRET_0"
        ]
        self._use(secrets[-1])

    def data(self, plain: bytes) -> bytes:
        """Return a record with data."""
        return self._record(plain, _DATA)

    def key_update(self, padding: int = 0) -> bytes:
        """Return a record that says: a new key from now on, and let me have one of yours."""
        record = self._record(_KEY_UPDATE_REQUESTED, _HANDSHAKE, padding)
        self._use(_expanded(self._secret, b"traffic upd", 48))
        return record

    def _use(self, secret: bytes) -> None:
        self._secret = secret
        self._key = AESGCM(_expanded(secret, b"key", 32))
        self._iv = int.from_bytes(_expanded(secret, b"iv", 12))
        self._number = 0

    def _record(self, plain: bytes, kind: int, padding: int = 0) -> bytes:
        nonce = (self._iv ^ self._number).to_bytes(12)
        self._number += 1
        head = b"\x17\x03\x03" + struct.pack(">H", len(plain) + padding + 17)
        return head + self._key.encrypt(nonce, plain + bytes([kind]) + bytes(padding), head)


def _expanded(secret: bytes, label: bytes, size: int) -> bytes:
    """HKDF-Expand-Label with no context, of one block at most."""
    name = b"tls13 " + label
    info = struct.pack(">HB", size, len(name)) + name + b"\0\x01"
    return hmac.new(secret, info, hashlib.sha384).digest()[:size]
