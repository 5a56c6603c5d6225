"""What one side may learn of a client: `Nats-Request-Info`, service latency, `$SYS` events.

A shape for JSON and nothing else. Truth: nats-server 2.15.1 server/events.go ClientInfo; the order
of the fields is its order.
"""

from __future__ import annotations

import msgspec

from leafnode import go_json


class ClientInfo(msgspec.Struct, omit_defaults=True, frozen=True):
    """One client. Without its consent `acc` and `rtt` (ns) are all that others see."""

    start: str = ""
    host: str = ""
    id: int = 0
    acc: str = ""
    svc: str = ""  # the account whose import brought the request further
    user: str = ""
    name: str = ""
    lang: str = ""
    ver: str = ""
    rtt: int = 0
    server: str = ""
    cluster: str = ""
    alts: list[str] = []
    stop: str = ""
    jwt: str = ""
    issuer_key: str = ""
    name_tag: str = ""
    tags: list[str] = []
    kind: str = ""
    client_type: str = ""
    client_id: str = ""
    nonce: str = ""
    reply: str = ""


def encode(info: ClientInfo) -> bytes:
    """Return the JSON text, in one line."""
    return go_json.encode(info)
