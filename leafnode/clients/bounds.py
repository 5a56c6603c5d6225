"""How much one client may: the smallest of what the server, its account and its user allow.

Knows numbers only; not what happens at a bound. Truth: nats-server 2.15.1 server/client.go
applyAccountLimits.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from leafnode.auth.identity import Identity
    from leafnode.config.options import Options
    from leafnode.routing.account import Limits


class Bounds(NamedTuple):
    """What holds for one client; `max_subscriptions` None: as many as it likes."""

    max_subscriptions: int | None
    max_payload_bytes: int
    max_subscription_tokens: int = 0  # 0: not bounded by the configuration


def bounds_of(options: Options, limits: Limits | None, identity: Identity | None) -> Bounds:
    """Return what holds for a client; before its login the server's bounds alone."""
    subscriptions = [options.max_subscriptions] if options.max_subscriptions else []
    payloads = [options.max_payload_bytes]
    if limits is not None:
        subscriptions.append(limits.max_subscriptions)
        payloads.append(limits.max_payload_bytes)
    if identity is not None:
        subscriptions.append(identity.max_subscriptions)
        payloads.append(identity.max_payload_bytes)
    return Bounds(
        min((one for one in subscriptions if one >= 0), default=None),
        min(one for one in payloads if one >= 0),
        options.max_subscription_tokens,
    )
