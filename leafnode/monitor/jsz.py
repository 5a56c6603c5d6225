"""/jsz: JetStream, its accounts, streams and consumers.

Truth: measured on nats-server 2.15.1.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from leafnode.jetstream.go_time import format_time
from leafnode.monitor.connz import page

if TYPE_CHECKING:
    from leafnode.clock import Clock
    from leafnode.monitor.query import Query
    from leafnode.monitor.views import JetStreamAccountView, JetStreamView, StreamView, Views

UNLIMITED: Final = 2**64 - 1  # how an account without reservation shows it


def jsz(views: Views, clock: Clock, query: Query) -> dict[str, object]:
    """Raises BadQuery."""
    with_consumers = query.flag("consumers")
    with_streams = query.flag("streams") or with_consumers
    with_config = query.flag("config")
    with_accounts = query.flag("accounts") or with_streams
    limit, offset = page(query)
    jetstream = views.jetstream()
    head: dict[str, object] = {
        "server_id": views.facts.server_id,
        "now": format_time(clock.wall_ns()),
    }
    if jetstream is None:
        return _disabled() | head | _NOTHING
    answer = server_stats(jetstream) | head
    answer["config"] = server_config(jetstream)
    answer["limits"] = {}
    answer |= _totals(jetstream)
    wanted = query.text("acc")
    chosen = [account for account in jetstream.accounts if wanted in {"", account.name}]
    if with_accounts or wanted:
        details = [
            _account(account, streams=with_streams, consumers=with_consumers, config=with_config)
            for account in chosen[offset : offset + limit]
        ]
        if details:
            answer["account_details"] = details
    answer["total"] = len(jetstream.accounts)
    return answer


_NOTHING: Final[dict[str, object]] = {
    "disabled": True,
    "config": {"max_memory": 0, "max_storage": 0},
    "streams": 0,
    "consumers": 0,
    "messages": 0,
    "bytes": 0,
    "total": 0,
}


def _disabled() -> dict[str, object]:
    return _stats(0, 0, 0, 0, 0, (0, 0, 0))


def server_config(jetstream: JetStreamView) -> dict[str, object]:
    """Return the configuration. `sync_always`: every PubAck comes after its fsync."""
    config: dict[str, object] = {
        "max_memory": jetstream.max_memory,
        "max_storage": jetstream.max_storage,
        "store_dir": jetstream.store_dir,
        "sync_interval": 0,
        "sync_always": True,
    }
    if jetstream.domain:
        config["domain"] = jetstream.domain
    return config | {"strict": True}


def server_stats(jetstream: JetStreamView) -> dict[str, object]:
    api = (
        jetstream.api_level,
        sum(account.api_total for account in jetstream.accounts),
        sum(account.api_errors for account in jetstream.accounts),
    )
    return _stats(
        sum(account.memory for account in jetstream.accounts),
        sum(account.storage for account in jetstream.accounts),
        jetstream.reserved_memory,
        jetstream.reserved_storage,
        len(jetstream.accounts),
        api,
    )


def _stats(
    memory: int,
    storage: int,
    reserved_memory: int,
    reserved_storage: int,
    accounts: int,
    api: tuple[int, int, int],
) -> dict[str, object]:
    level, total, errors = api
    return {
        "memory": memory,
        "storage": storage,
        "reserved_memory": reserved_memory,
        "reserved_storage": reserved_storage,
        "accounts": accounts,
        "ha_assets": 0,
        "api": {"level": level, "total": total, "errors": errors},
    }


def _totals(jetstream: JetStreamView) -> dict[str, object]:
    streams = [stream for account in jetstream.accounts for stream in account.streams]
    return {
        "streams": len(streams),
        "consumers": sum(stream.state["consumer_count"] for stream in streams),
        "messages": sum(stream.state["messages"] for stream in streams),
        "bytes": sum(stream.state["bytes"] for stream in streams),
    }


def _account(
    account: JetStreamAccountView, *, streams: bool, consumers: bool, config: bool
) -> dict[str, object]:
    api = (0, account.api_total, account.api_errors)
    answer: dict[str, object] = {"name": account.name, "id": account.name}
    answer |= _stats(account.memory, account.storage, UNLIMITED, UNLIMITED, 0, api)
    if streams and account.streams:
        answer["stream_detail"] = [
            _stream(stream, consumers=consumers, config=config) for stream in account.streams
        ]
    return answer


def _stream(stream: StreamView, *, consumers: bool, config: bool) -> dict[str, object]:
    answer: dict[str, object] = {"name": stream.name, "created": stream.created}
    if config:
        answer["config"] = stream.config
    answer["state"] = stream.state
    if consumers:
        details = [_consumer(info, config=config) for info in stream.consumers()]
        if details:
            answer["consumer_detail"] = details
    return answer


def _consumer(info: dict[str, Any], *, config: bool) -> dict[str, Any]:
    return info if config else {key: value for key, value in info.items() if key != "config"}
