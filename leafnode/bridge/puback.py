"""What a stream answers to a reading, as far as a port wants to know it.

Knows bytes; not readings. Truth: nats-server 2.15.1 server/jetstream_api.go JSPubAckResponse.
"""

from __future__ import annotations

from typing import Final

import msgspec

from leafnode.protocol import header

# JetStream refusals of the message itself: the next attempt would be refused as well.
# 10054 message size exceeds maximum allowed, 10097 header size exceeds maximum allowed of 64k.
POISON_ERR_CODES: Final = frozenset({10054, 10097})
_STATUS: Final = header.VERSION + b" "


class PubError(msgspec.Struct):
    """Why it is not stored."""

    code: int = 0
    err_code: int = 0
    description: str = ""

    @property
    def is_poison(self) -> bool:
        """Whether it never will be."""
        return self.err_code in POISON_ERR_CODES


class PubAck(msgspec.Struct):
    """Stored, where there is no error, and a sequence."""

    stream: str = ""
    seq: int = 0
    duplicate: bool = False
    error: PubError | None = None


_PUB_ACK: Final = msgspec.json.Decoder(PubAck)


def status(block: bytes, payload: bytes) -> str:
    """Return the status that is all of an answer; empty: it is none."""
    if payload or not block.startswith(_STATUS):
        return ""
    return block[len(_STATUS) :].partition(b"\r\n")[0].decode(errors="replace")


def decoded(payload: bytes) -> PubAck | None:
    """Return the answer, or None where it is no stream's."""
    try:
        return _PUB_ACK.decode(payload)
    except (msgspec.DecodeError, RecursionError):
        return None
