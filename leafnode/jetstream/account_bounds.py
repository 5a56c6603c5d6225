"""What one account may have: `accounts.X.jetstream { … }` or the limits of its JWT, held against
what is asked for.

Knows limits and numbers; not where they come from. Truth: nats-server 2.15.1 server/jetstream.go
checkLimits, server/stream.go checkStreamCfg, server/consumer.go; measured.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from leafnode.config.account_options import ONE_SERVER
from leafnode.config.account_options import AccountJetStream as Bounds
from leafnode.jetstream.consumer_config import Most
from leafnode.jetstream.errors import js_error
from leafnode.jetstream.shared import too_much

if TYPE_CHECKING:
    from leafnode.jetstream.api_types import StreamConfig
    from leafnode.jetstream.server_bounds import ServerBounds


def check_stream(bounds: Bounds, config: StreamConfig, promised_bytes: int) -> None:
    """Refuse a stream beyond the bounds; `promised_bytes` are those of the account's others."""
    _check_tier(bounds)
    _check_max_consumers(bounds, config)
    most = _most_bytes(bounds, config)
    # A stream without a bound of its own is counted as one byte, as nats-server does.
    wanted = config.max_bytes if config.max_bytes >= 0 else 1
    if most >= 0 and wanted > most - promised_bytes:
        raise too_much(config.storage)


def check_size(bounds: Bounds, config: StreamConfig) -> None:
    """Refuse a stream that is larger than each may be, or says nothing of it where it has to."""
    if bounds.tiers and config.num_replicas > 1:
        bounds = dict(bounds.tiers).get(f"R{config.num_replicas}", bounds)
    if bounds.max_bytes_required and config.max_bytes <= 0:
        raise js_error(10113)
    in_memory = config.storage == "memory"
    largest = bounds.max_memory_stream_bytes if in_memory else bounds.max_file_stream_bytes
    if 0 < largest < config.max_bytes:
        raise js_error(10122)


def check_new(bounds: Bounds, config: StreamConfig, others: int, promised_bytes: int) -> None:
    """Refuse one stream more than the account may have, as it is asked for, before anything else
    is looked at: `others` are there beside it, to whom so much was promised. What is asked for with
    several replicas has a tier of its own, in which none is. Bytes count where a storage is named.
    """
    copies = 1 if bounds.tiers else max(1, config.num_replicas)
    if bounds.tiers and config.num_replicas > 1:
        tier = dict(bounds.tiers).get(f"R{config.num_replicas}")
        if tier is None:
            raise js_error(10120)
        bounds, others, promised_bytes = tier, 0, 0
    _check_tier(bounds)
    if 0 < bounds.max_streams <= others:
        raise js_error(10027)
    _check_max_consumers(bounds, config)
    most = _most_bytes(bounds, config)
    wanted = copies * (config.max_bytes if config.max_bytes >= 0 else 1)
    if config.storage and most >= 0 and wanted > most - promised_bytes:
        raise too_much(config.storage)


def check_consumers(bounds: Bounds, config: StreamConfig, server: ServerBounds, there: int) -> None:
    """Refuse one consumer more than a stream may have: an account's bound holds for each stream,
    the server's where there is no other.
    """
    own = [most for most in (config.max_consumers, bounds.max_consumers) if most > 0]
    if 0 < min(own, default=server.configured.default_max_consumers) <= there:
        raise js_error(10026)


def most(bounds: Bounds, server: ServerBounds) -> Most:
    """Return what any consumer may have, by the server and then by the account. Raises where the
    account may have none.
    """
    _check_tier(bounds)
    return Most((server.max_ack_pending, bounds.max_ack_pending), server.max_request_batch)


def shown(bounds: Bounds, used: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Return the bounds as `$JS.API.INFO` shows them beside what is used: limits, or tiers beside
    limits of nothing.
    """
    if not bounds.tiers:
        return {"limits": _limits(bounds)}
    tiers = {name: _NOTHING_USED | {"limits": _limits(tier)} for name, tier in bounds.tiers}
    if bounds.has_tier or used["streams"]:
        tiers[ONE_SERVER] = used | {"limits": tiers.get(ONE_SERVER, _NO_TIER)["limits"]}
    return {"limits": _NO_TIER["limits"], "tiers": dict(sorted(tiers.items()))}


def _check_tier(bounds: Bounds) -> None:
    if not bounds.has_tier:
        raise js_error(10120)


def _most_bytes(bounds: Bounds, config: StreamConfig) -> int:
    return bounds.max_memory_bytes if config.storage == "memory" else bounds.max_file_bytes


def _check_max_consumers(bounds: Bounds, config: StreamConfig) -> None:
    if 0 < bounds.max_consumers < config.max_consumers:
        raise js_error(10026)


def _limits(bounds: Bounds) -> dict[str, Any]:
    return {
        "max_memory": bounds.max_memory_bytes,
        "max_storage": bounds.max_file_bytes,
        "max_streams": bounds.max_streams,
        "max_consumers": bounds.max_consumers,
        "max_ack_pending": bounds.max_ack_pending,
        "memory_max_stream_bytes": bounds.max_memory_stream_bytes,
        "storage_max_stream_bytes": bounds.max_file_stream_bytes,
        "max_bytes_required": bounds.max_bytes_required,
    }


_NOTHING_USED: Final[dict[str, Any]] = dict.fromkeys(
    ("memory", "storage", "reserved_memory", "reserved_storage", "streams", "consumers"), 0
)
_NO_TIER: Final[dict[str, Any]] = {"limits": _limits(Bounds(0, 0, 0, 0, 0, 0, 0))}
