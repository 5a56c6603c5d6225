"""What a hub says of our certificate, in words: alerts of TLS, which come after the handshake.

Pure: one text in, another out. OpenSSL names them differently from version to version; the words
behind `alert` stay. Truth: RFC 8446, section 6.
"""

from __future__ import annotations

from typing import Final

_ALERTS: Final = {
    "alert certificate expired": "this remote's certificate has expired",
    "alert certificate required": "the hub demands a certificate: tls { cert_file, key_file }",
    "alert certificate revoked": "this remote's certificate is revoked",
    "alert certificate unknown": "the hub does not accept this remote's certificate",
    "alert unsupported certificate": "the hub does not accept this remote's kind of certificate",
    "alert bad certificate": "the hub does not accept this remote's certificate, or demands one",
    "alert unknown ca": "the hub does not trust who signed this remote's certificate",
}


def in_words(error: str) -> str:
    """Return what an error means, where it is an alert about our certificate; else itself."""
    for alert, words in _ALERTS.items():
        if alert in error.lower():
            return f"TLS: {words}"
    return error
