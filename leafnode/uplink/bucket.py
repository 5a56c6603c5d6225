"""The key-value bucket in which uplinks keep what has to survive a restart.

Constants. What a bucket is: ADR-8 of nats-architecture-and-design.
"""

from __future__ import annotations

from typing import Final

from leafnode import limits

BUCKET: Final = "LEAFNODE_UPLINK"
BUCKET_STREAM: Final = f"KV_{BUCKET}"
BUCKET_CONFIG: Final = {
    "name": BUCKET_STREAM,
    "description": "bytes that uplinks sent and got back, by day and subject; their prefixes",
    "subjects": [f"$KV.{BUCKET}.>"],
    "max_msgs_per_subject": 1,
    "max_bytes": limits.UPLINK_LEDGER_BYTES,
    "max_age": limits.UPLINK_LEDGER_AGE_NS,
    "discard": "old",
    "allow_rollup_hdrs": True,
    "allow_direct": True,
    "deny_delete": True,
}
