"""What monitoring sees: plain values, read from the parts that run.

Knows every part's outside; monitoring itself knows only the views. No credential passes through.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from msgspec import structs

from leafnode import __version__, limits
from leafnode.clients.facts import subscription_facts
from leafnode.clock import NS_PER_S
from leafnode.config.options import HostPort
from leafnode.go_time import format_time
from leafnode.jetstream import server_bounds
from leafnode.limits import TLS_TIMEOUT_NS, WEBSOCKET_HANDSHAKE_NS
from leafnode.metrics import Traffic
from leafnode.monitor.steps import COUNTS_PER_TURN, ROWS_PER_TURN, slices
from leafnode.monitor.text import number
from leafnode.monitor.views import (
    AccountFaults,
    Caches,
    ClientFaults,
    JetStreamFaults,
    JetStreamView,
    LeafFaults,
    NetFaults,
    OwnCounters,
    RemoteFacts,
    RemoteView,
    ServerCounters,
    ServerFacts,
    StoreView,
    SystemFaults,
    Views,
)
from leafnode.protocol.info import COMPATIBLE_VERSION, PROTOCOL_VERSION
from leafnode.server import leaf_port
from leafnode.server.features import links
from leafnode.server.lame_duck import closed_entrances
from leafnode.server.stream_views import jetstream_of
from leafnode.slices import finish

if TYPE_CHECKING:
    from collections.abc import Iterator

    from leafnode.clients.facts import SubscriptionFacts
    from leafnode.config.options import Options
    from leafnode.leaf.terms import LeafzRow
    from leafnode.monitor.steps import Steps
    from leafnode.monitor.views import AccountView, Connection
    from leafnode.routing.peer import Peer
    from leafnode.routing.subscription import Subscription
    from leafnode.server.jetstreams import JetStreams
    from leafnode.server.server import Server


def views_of(server: Server, http: HostPort) -> Views:
    """Return the calls that monitoring makes. `http` is where it really listens."""
    features = server.features
    return Views(
        facts=_facts(server, http),
        counters=lambda: _counters(server),
        connections=lambda: _connections(server),
        subscriptions=lambda cid: _subscriptions(server, cid),
        closed=lambda: server.registry.closed_ring,
        accounts=lambda: list(server.accounts),
        account=lambda name: _account(server, name),
        name_tag=lambda name: _name_tag(server, name),
        queues=lambda: _queues(server),
        all_subscriptions=lambda name: _all_subscriptions(server, name),
        own=lambda: _own(server),
        closed_entrances=lambda: closed_entrances(server),
        warnings=lambda: list(server.warnings),
        leafs=lambda: _leafs(server),
        remotes=lambda: _remotes(server),
        jetstream=lambda: _jetstream(server),
        awaited=server.awaited.rows,
        uplinks=lambda: features.uplinks.status() if features.uplinks else [],
        left_durables=lambda: features.left_durables.rows() if features.left_durables else [],
        budgets=lambda: features.uplinks.budgets() if features.uplinks else [],
        ports=lambda: features.bridge.status() if features.bridge else [],
        devices=lambda: features.bridge.devices.devices() if features.bridge else [],
        uplinks_refused=lambda: features.uplinks.replies_refused if features.uplinks else 0,
        ports_refused=lambda: features.bridge.replies_refused if features.bridge else 0,
        ports_lost=lambda: features.bridge.lost if features.bridge else 0,
        ports_deferred=lambda: features.bridge.deferred if features.bridge else 0,
        hotplug=lambda: features.bridge.hotplug.told if features.bridge else None,
    )


def _account(server: Server, name: str) -> AccountView | None:
    from leafnode.server.account_views import account_view  # only who is asked needs it

    return account_view(server, name, links(server))


def refresh(server: Server) -> None:
    """Show what a reload, or the ports that were really taken, made of the server's facts."""
    monitor, listener = server.features.monitor, server.monitor
    if monitor is not None:
        http = HostPort(listener.host, listener.port) if listener else HostPort("", 0)
        monitor.views = structs.replace(monitor.views, facts=_facts(server, http))


def _facts(server: Server, http: HostPort) -> ServerFacts:
    options = server.options
    info = server.info()
    return ServerFacts(
        server_id=server.id,
        server_name=server.name,
        version=COMPATIBLE_VERSION,
        leafnode_version=__version__,
        proto=PROTOCOL_VERSION,
        host=info.host,
        port=info.port,
        http_host=http.host,
        http_port=0 if options.https is not None else http.port,
        https_port=http.port if options.https is not None else 0,
        http_base_path=options.http_base_path,
        max_subscriptions=options.max_subscriptions,
        websocket=_websocket(server),
        tls_required=options.tls is not None and not options.allow_non_tls,
        tls_verify=options.tls is not None and options.tls.verify,
        tls_timeout_ns=options.tls.timeout_ns if options.tls is not None else TLS_TIMEOUT_NS,
        tls_not_after_s=_not_after_s(server, "clients"),
        config_digest=options.config_digest,
        **_trusted(server),
        auth_required=server.authenticator.required,
        auth_timeout_ns=options.login_timeout_ns,
        max_connections=options.max_connections,
        max_control_line=options.max_control_line_bytes,
        max_payload=options.max_payload_bytes,
        max_pending=options.max_pending_bytes,
        ping_interval_ns=options.ping_interval_ns,
        ping_max=options.ping_max,
        write_deadline_ns=options.write_deadline_ns,
        write_timeout="" if options.write_timeout == "default" else options.write_timeout,
        trusted_proxies=options.trusted_proxies,
        start_ns=server.started_wall_ns,
        start_monotonic_ns=server.started_ns,
        config_loaded_ns=server.config_loaded_ns,
        system_account="" if options.no_system_account else options.system_account,
        tags=options.server_tags,
        metadata=dict(options.server_metadata),
        remotes=_configured_remotes(options),
        leaf_port=leaf_port.facts(server, _not_after_s(server, "leafnodes")),
    )


def _configured_remotes(options: Options) -> tuple[RemoteFacts, ...]:
    return tuple(
        RemoteFacts(
            remote.account,
            remote.urls,
            remote.deny_imports,
            remote.deny_exports,
            remote.tls.timeout_ns if remote.tls is not None else 0,
        )
        for remote in (options.leafnodes.remotes if options.leafnodes is not None else ())
    )


def _websocket(server: Server) -> dict[str, object]:
    """Return the WebSocket listener's options as /varz shows them: what is not set is left out."""
    options = server.options.websocket
    if options is None:
        return {}
    port = server.websocket.port if server.websocket is not None else options.port
    handshake_ns, own = options.handshake_timeout_ns, options.authorization
    shown: dict[str, object] = {
        "host": options.host,
        "port": port,
        "advertise": options.advertise,
        "no_auth_user": options.no_auth_user,
        "jwt_cookie": options.jwt_cookie,
        "handshake_timeout": 0 if handshake_ns == WEBSOCKET_HANDSHAKE_NS else handshake_ns,
        "auth_timeout": number(own.timeout_ns / NS_PER_S) if own is not None else 0,
        "no_tls": options.no_tls,
        "same_origin": options.same_origin,
        "allowed_origins": options.allowed_origins,
        "compression": options.compression,
        "tls_map": options.tls is not None and options.tls.verify_and_map,
        "tls_pinned_certs": sorted(options.tls.pinned_certs) if options.tls is not None else [],
    }
    until_s = _not_after_s(server, "websocket")
    if until_s:
        shown["tls_cert_not_after"] = format_time(until_s * NS_PER_S)
    return {key: value for key, value in shown.items() if value}


def _not_after_s(server: Server, entrance: str) -> int:
    """Return until when the certificate shown there holds; 0 where there is none."""
    found = server.entrances.get(entrance)
    return found.tls.not_after_s if found is not None and found.tls is not None else 0


def _trusted(server: Server) -> dict[str, Any]:
    """Return the operators of operator mode, as their JWTs say it."""
    tokens = server.operator.trust.operators if server.operator is not None else ()
    if not tokens:
        return {}
    from leafnode.auth.shown import shown_claims

    claims = tuple(finish(shown_claims(token)) for token in tokens)
    return {"trusted_operators": tokens, "trusted_claims": claims}


def _counters(server: Server) -> Steps[ServerCounters]:
    registry = server.registry
    leafs, faults = links(server), _leaf_faults(server)
    clients, each = registry.traffic()
    for piece in slices(each, COUNTS_PER_TURN):
        for one in piece:
            clients.add(one)
        if len(piece) == COUNTS_PER_TURN:
            yield
    everybody, subscriptions = Traffic(), 0
    for added, account in enumerate(list(server.accounts.values()), 1):
        everybody.add(account.traffic)
        subscriptions += account.sublist.count
        if added % COUNTS_PER_TURN == 0:
            yield
    return ServerCounters(
        connections=len(registry.open),
        total_connections=registry.total,
        leafnodes=len(leafs),
        subscriptions=subscriptions,
        in_msgs=everybody.in_msgs,
        in_bytes=everybody.in_bytes,
        out_msgs=everybody.out_msgs,
        out_bytes=everybody.out_bytes,
        in_client_msgs=clients.in_msgs,
        in_client_bytes=clients.in_bytes,
        out_client_msgs=clients.out_msgs,
        out_client_bytes=clients.out_bytes,
        slow_clients=registry.slow_consumers,
        slow_leafs=faults.slow_consumers,
        stale_clients=registry.stale,
        stalls=server.turn.stalls,
        stale_leafs=faults.stale_connections,
    )


def _net_faults(server: Server) -> NetFaults:
    entries = server.entry_counters
    port = server.websocket_port
    return NetFaults(
        faults=server.turn.faults,
        accept_pauses=server.listeners.pauses,
        accepts_held=server.listeners.held,
        turns_yielded=server.turn.yields,
        reads_deferred=server.turn.deferred,
        entries_refused=entries.evicted,
        entries_failed=entries.failed,
        entries_overdue=entries.overdue,
        entries_throttled=entries.throttled,
        websocket_refused=port.refused if port is not None else 0,
        websocket_overdue=port.overdue if port is not None else 0,
        websocket_mistakes=port.mistakes if port is not None else 0,
        websocket_evicted=port.shaking.evicted if port is not None else 0,
    )


def _own(server: Server) -> Steps[OwnCounters]:
    registry, authenticator = server.registry, server.authenticator
    own = server.websocket_authenticator
    system = server.features.system
    routes, matches = server.turn.outbox.routes, server.turn.outbox.matches
    jetstream = yield from _jetstream_faults(server.features.jetstream)
    return OwnCounters(
        clients=ClientFaults(
            refused=registry.refused,
            auth_failures=registry.auth_failures,
            logins_refused=authenticator.refused + (own.refused if own is not None else 0),
            logins_overflowed=authenticator.overflowed,
            callouts_refused=server.callout.refused if server.callout is not None else 0,
            closed_forgotten=registry.closed_ring.forgotten,
            logins_evicted=registry.waiting.evicted,
        ),
        net=_net_faults(server),
        caches=Caches(routes.held_bytes, routes.evicted, matches.held_bytes, matches.evicted),
        accounts=_account_faults(server),
        leafs=_leaf_faults(server),
        jetstream=jetstream,
        store=_store(server.features.jetstream),
        system=SystemFaults(system.events.dropped, system.requests.refused) if system else None,
    )


def _account_faults(server: Server) -> AccountFaults:
    accounts = server.accounts.values()
    awaited = [account.services.awaited for account in accounts if account.services]
    backlogs = [account.backlog for account in accounts]
    answers = sum(a.dropped for a in awaited), sum(map(len, awaited))
    held, dropped = sum(b.held for b in backlogs), sum(b.dropped for b in backlogs)
    left = len(server.turn.outbox.left)
    return AccountFaults(*answers, held, dropped, sum(map(len, backlogs)), left)


def _leaf_faults(server: Server) -> LeafFaults:
    remotes, accepted = server.features.remotes, server.leafs
    ignored = sum(link.interest_ignored for link in links(server))
    slow = sum(remote.status.slow_consumers for remote in remotes)
    slow += sum(link.slow for link in links(server))
    stale = sum(remote.status.stale_connections for remote in remotes)
    refused = evicted = 0
    if accepted is not None:
        ignored += accepted.interest_ignored
        slow += accepted.slow_consumers
        stale += accepted.stale_connections
        refused, evicted = accepted.auth_failures + accepted.refused, accepted.waiting.evicted
    return LeafFaults(
        interest_ignored=ignored,
        reconnects=sum(remote.status.reconnects for remote in remotes),
        slow_consumers=slow,
        stale_connections=stale,
        refused=refused,
        logins_evicted=evicted,
    )


def _jetstream_faults(jetstream: JetStreams | None) -> Steps[JetStreamFaults | None]:
    if jetstream is None:
        return None
    streams = [one for each in jetstream.by_account.values() for one in each.streams.values()]
    refused = evicted = troubles = of_consumers = counted = 0
    for stream in streams:
        refused += stream.refused
        evicted += stream.dedupe.evicted
        troubles += stream.trouble.count
        of_consumers += sum(consumer.trouble.count for consumer in stream.consumers.values())
        counted += 1 + len(stream.consumers)
        if counted >= COUNTS_PER_TURN:
            counted = 0
            yield
    return JetStreamFaults(
        refused=refused,
        dedupe_evicted=evicted,
        stream_troubles=troubles,
        consumer_troubles=of_consumers,
        clock_jumps=jetstream.clock_jumps,
    )


def _store(jetstream: JetStreams | None) -> StoreView | None:
    if jetstream is None:
        return None
    failure = jetstream.store.failed()
    return StoreView(jetstream.store.stats(), str(failure) if failure is not None else "")


def _connections(server: Server) -> list[Connection]:
    """Return clients and leaf links in the order of their cid."""
    open_: list[Connection] = [*server.registry.open.values()]
    up = links(server)
    if up:
        open_ += up
        open_.sort(key=lambda connection: connection.peer.cid)
    return open_


def _name_tag(server: Server, name: str) -> str:
    options = server.account_set.options.get(name)
    return options.name_tag or name if options is not None else name


def _queues(server: Server) -> dict[str, int]:
    """Return what waits in each queue that the server itself works off.

    One that nats-server has, too, has its name.
    """
    queues = {
        "dirty connections": len(server.turn.outbox.dirty),
        "logins": len(server.registry.waiting),
        "password checks": server.authenticator.checks_waiting,
    }
    system, operator, jetstream = server.features.system, server.operator, server.features.jetstream
    if system is not None:
        queues["System recvQ"] = system.requests.waiting
    if operator is not None:
        queues["account lookups"] = operator.known.lookups_waiting
    if jetstream is not None:
        queues["store commits"] = jetstream.store.committer.staged_rows
    return queues


def _all_subscriptions(server: Server, name: str) -> Iterator[Subscription]:
    """Walk the subscriptions of an account, but for those that hubs have."""
    account = server.accounts.get(name)
    if account is not None:
        yield from (sub for sub in account.sublist if not sub.peer.is_leaf)


def _subscriptions(server: Server, cid: int) -> Iterator[SubscriptionFacts]:
    """Walk those that a connection has now; facts are made of what is looked at."""
    peer = _peer(server, cid)
    subs = list(peer.subs.values()) if peer is not None else []
    return map(subscription_facts, subs)


def _peer(server: Server, cid: int) -> Peer | None:
    client = server.registry.open.get(cid)
    if client is not None:
        return client.peer
    return next((link.peer for link in links(server) if link.peer.cid == cid), None)


def _leafs(server: Server) -> list[LeafzRow]:
    return [link.leafz() for link in links(server)]


def _remotes(server: Server) -> list[RemoteView]:
    if not server.features.remotes:
        return []
    from leafnode.leaf.remote import RemoteState  # a server without remotes spares itself this

    return [
        RemoteView(
            url=remote.status.url,
            is_connected=remote.status.state is RemoteState.CONNECTED,
            error=remote.status.last_error,
            disabled=remote.status.state is RemoteState.DISABLED,
            unserved=remote.status.unserved,
        )
        for remote in server.features.remotes
    ]


def _jetstream(server: Server) -> Steps[JetStreamView | None]:
    jetstream = server.features.jetstream
    if server.options.jetstream is None or jetstream is None:
        return None
    options = jetstream.options  # with the bounds that hold
    accounts, memory, storage, counted = [], 0, 0, 0
    for _, one in sorted(jetstream.by_account.items()):
        usage = yield from one.counted()
        accounts.append(jetstream_of(one, usage))
        memory += usage.reserved_memory_bytes
        storage += usage.reserved_file_bytes
        counted += len(one.streams) + limits.STREAMS_COUNTED_PER_TURN // ROWS_PER_TURN
        if counted >= limits.STREAMS_COUNTED_PER_TURN:
            counted = 0
            yield
    failure = jetstream.store.failed()
    return JetStreamView(
        max_memory=options.max_memory_bytes,
        max_storage=options.max_file_bytes,
        store_dir=options.store_dir,
        domain=options.domain,
        api_level=limits.API_LEVEL,
        limits=server_bounds.shown(options.limits),
        strict=options.strict,
        accounts=accounts,
        reserved_memory=memory,
        reserved_storage=storage,
        failure=str(failure) if failure is not None else "",
    )
