"""Why a configuration can never work with the local stream that it names.

Pure. Truth: docs/uplink.md, "When something is in the way".
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from leafnode.protocol import subject as subjects

if TYPE_CHECKING:
    from leafnode.config.options import UplinkStream
    from leafnode.uplink.answers import StreamInfo


def unfit(options: UplinkStream, prefix: str, stream: StreamInfo) -> str:
    """Return it, or nothing. `prefix` is put before every subject."""
    first = f"{prefix}x".encode()
    if subjects.is_internal(first) or not subjects.is_valid_literal(first):
        return f"subject_prefix {prefix!r} is not the start of a stream's subject"
    if options.domain and options.domain == stream.domain:
        return f"domain {options.domain} is this server's own, not the hub's"
    retention = stream.config.retention
    if options.newest_first and retention != "limits":
        return f"newest_first needs a stream with limits retention, this one has {retention}"
    return ""
