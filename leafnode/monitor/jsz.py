"""/jsz: JetStream, its accounts, streams and consumers.

Truth: measured on nats-server 2.15.1, server/monitor.go Jsz. There is no raft: this server leads
every stream, and `leader-only` and `stream-leader-only` leave nothing out.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from leafnode.clock import NS_PER_S
from leafnode.go_json import quoted
from leafnode.go_time import format_time
from leafnode.monitor.options import PAGE
from leafnode.monitor.query import BadQuery

if TYPE_CHECKING:
    from leafnode.clock import Clock
    from leafnode.monitor.options import JszOptions
    from leafnode.monitor.steps import Steps
    from leafnode.monitor.views import JetStreamAccountView, JetStreamView, StreamView, Views

UNLIMITED: Final = 2**64 - 1  # how an account without reservation shows it
_STREAMS_PER_TURN: Final = 16  # of about 50 us each on a PC, without consumers
_CONSUMERS_PER_TURN: Final = 64


def jsz(views: Views, clock: Clock, options: JszOptions) -> Steps[dict[str, object]]:
    """Raises BadQuery."""
    jetstream = yield from views.jetstream()
    head: dict[str, object] = {
        "server_id": views.facts.server_id,
        "now": format_time(clock.wall_ns()),
    }
    if jetstream is None:
        if options.leader_only:
            raise BadQuery("filtered response: not leader")
        return _disabled() | head | _NOTHING
    answer = server_stats(jetstream) | head
    answer["config"] = server_config(jetstream)
    answer["limits"] = server_limits(jetstream)
    answer |= yield from _totals(jetstream, with_leaders=options.raft)
    details: list[dict[str, object]] = []
    for account in _chosen(jetstream, options):
        detail = yield from _account(views, account, options)
        details.append(detail)
    if details:
        answer["account_details"] = details
    answer["total"] = len(jetstream.accounts)
    return answer


def jsz_account(views: Views, options: JszOptions) -> Steps[dict[str, object]]:
    """Return the detail of one account: for `$SYS.REQ.ACCOUNT.*.JSZ`. Raises BadQuery."""
    jetstream = yield from views.jetstream()
    if jetstream is None:
        raise BadQuery("jetstream not enabled")
    if views.account(options.account) is None:
        raise BadQuery(f"account {quoted(options.account)} not found")
    for account in jetstream.accounts:
        if account.name == options.account:
            return (yield from _account(views, account, options))
    raise BadQuery(f"account {quoted(options.account)} not jetstream enabled")


def _chosen(jetstream: JetStreamView, options: JszOptions) -> list[JetStreamAccountView]:
    """Return the accounts to show; one that is asked for by name and is there goes before all."""
    for account in jetstream.accounts:
        if account.name == options.account:
            return [account]
    streams = options.streams or options.consumer
    if not (options.accounts or (streams and not options.account)):
        return []
    accounts = sorted(jetstream.accounts, key=lambda account: account.name)
    limit = options.limit or PAGE
    if limit < 0:
        return accounts
    offset = max(0, options.offset)
    return accounts[offset : offset + limit]


_SYNC_INTERVAL_NS: Final = 120 * NS_PER_S
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
    """Return the configuration. `sync_always`: every PubAck comes after its fsync.

    nats-server shows its default interval beside that, where nobody waits for it, either.
    """
    config: dict[str, object] = {
        "max_memory": jetstream.max_memory,
        "max_storage": jetstream.max_storage,
        "store_dir": jetstream.store_dir,
        "sync_interval": _SYNC_INTERVAL_NS,
        "sync_always": True,
    }
    if jetstream.domain:
        config["domain"] = jetstream.domain
    return config | {"strict": True} if jetstream.strict else config


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


def server_limits(jetstream: JetStreamView) -> dict[str, object]:
    return dict(jetstream.limits)


def _totals(jetstream: JetStreamView, *, with_leaders: bool) -> Steps[dict[str, object]]:
    streams = consumers = messages = size = 0
    # Many accounts with few streams each are as many streams.
    every = (stream for account in jetstream.accounts for stream in account.streams)
    for streams, stream in enumerate(every, 1):
        state = stream.state()
        consumers += state["consumer_count"]
        messages += state["messages"]
        size += state["bytes"]
        if streams % _STREAMS_PER_TURN == 0:
            yield
    answer: dict[str, object] = {"streams": streams}
    if with_leaders and streams:
        answer["streams_leader"] = streams
    answer["consumers"] = consumers
    if with_leaders and consumers:
        answer["consumers_leader"] = consumers
    return answer | {"messages": messages, "bytes": size}


def _account(
    views: Views, account: JetStreamAccountView, options: JszOptions
) -> Steps[dict[str, object]]:
    api = (0, account.api_total, account.api_errors)
    view = views.account(account.name)
    name = (view.name_tag if view is not None else "") or account.name
    answer: dict[str, object] = {"name": name, "id": account.name}
    answer |= _stats(
        account.memory,
        account.storage,
        account.reserved_memory % 2**64,
        account.reserved_storage % 2**64,
        0,
        api,
    )
    if not (options.streams or options.consumer):
        return answer
    streams = []
    for number, stream in enumerate(account.streams, 1):
        streams.append((yield from _stream(views, stream, options)))
        if number % _STREAMS_PER_TURN == 0:
            yield
    if streams:
        answer["stream_detail"] = streams
    return answer


def _stream(views: Views, stream: StreamView, options: JszOptions) -> Steps[dict[str, object]]:
    answer: dict[str, object] = {"name": stream.name, "created": format_time(stream.created_ns)}
    # Who has leaf links is a cluster of one, by its own name, as on nats-server.
    cluster = {"name": views.facts.server_name} if views.facts.remotes else {}
    answer["cluster"] = cluster | {"leader": views.facts.server_name}
    if options.config:
        answer["config"] = stream.config()
    answer["state"] = stream.state()
    if options.consumer:
        consumers = yield from _consumers(stream, options)
        if consumers:
            answer["consumer_detail"] = consumers
    return answer | stream.origins()


def _consumers(stream: StreamView, options: JszOptions) -> Steps[list[dict[str, Any]]]:
    consumers: list[dict[str, Any]] = []
    for number, info in enumerate(stream.consumers(), 1):
        consumers.append(
            info
            if options.config
            else {key: value for key, value in info.items() if key != "config"}
        )
        if number % _CONSUMERS_PER_TURN == 0:
            yield
    return consumers
