"""What streams and consumers may be called.

Pure. Truth: nats-server 2.15.1 server/stream.go isValidAssetName.
"""

from __future__ import annotations

from typing import Final

# What the durables of uplinks begin with. Only who is here acknowledges for them: it is this server
# itself, when the hub has the message.
UPLINK_DURABLES: Final = "leafnode-uplink-"


def is_stream_name(name: str) -> bool:
    """Say whether a stream (or consumer) may be called that."""
    return bool(name) and not any(c in ".*>\\/\0\x7f" or c <= " " for c in name)
