"""What monitoring wants to know, as plain values and calls that return them.

The composition root fills it in. Nothing here may hold a secret: addresses come without user and
password, connections without their credentials. Truth: docs/monitoring.md.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

import msgspec

from leafnode.config.options import SYSTEM_ACCOUNT
from leafnode.metrics import Traffic
from leafnode.monitor.steps import at_once

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from leafnode.bridge.devices import Device
    from leafnode.bridge.hotplug import HotplugStatus
    from leafnode.bridge.status import PortStatus
    from leafnode.clients.facts import ClosedConnection, ConnectionFacts, SubscriptionFacts
    from leafnode.leaf.terms import LeafzRow
    from leafnode.monitor.steps import Steps
    from leafnode.routing.peer import Peer
    from leafnode.routing.subscription import Subscription
    from leafnode.store.api import StoreStats
    from leafnode.uplink.status import BudgetStatus, UplinkStatus


@dataclass(frozen=True, slots=True)
class RemoteFacts:
    """A configured remote. `urls` may hold user:password, which is cut off before it is shown."""

    local_account: str
    urls: tuple[str, ...] = field(repr=False)
    deny_imports: tuple[str, ...] = ()
    deny_exports: tuple[str, ...] = ()
    tls_timeout_ns: int = 0  # 0: no TLS of its own


class ServerFacts(msgspec.Struct, frozen=True):
    """What changes by a reload at most. `version` is the nats-server it speaks like."""

    server_id: str
    server_name: str
    version: str
    leafnode_version: str
    proto: int
    host: str  # and port: what clients are told
    port: int
    http_host: str
    http_port: int
    auth_required: bool
    auth_timeout_ns: int
    max_connections: int
    max_control_line: int
    max_payload: int
    max_pending: int
    ping_interval_ns: int
    ping_max: int
    write_deadline_ns: int
    start_ns: int  # wall time
    start_monotonic_ns: int
    config_loaded_ns: int = 0  # wall time
    write_timeout: str = ""  # close or retry, where that is set
    trusted_proxies: tuple[str, ...] = ()  # public keys
    remotes: tuple[RemoteFacts, ...] = ()
    leaf_port: LeafPortFacts | None = None  # None: no leaf is let in
    system_account: str = SYSTEM_ACCOUNT
    tags: tuple[str, ...] = ()
    metadata: dict[str, str] = msgspec.field(default_factory=dict)
    https_port: int = 0
    http_base_path: str = ""
    max_subscriptions: int = 0  # 0: no limit
    websocket: dict[str, Any] = msgspec.field(default_factory=dict)  # as /varz shows it
    tls_required: bool = False
    tls_verify: bool = False
    tls_timeout_ns: int = 2_000_000_000
    tls_not_after_s: int = 0  # until when the certificate holds; 0: there is none
    config_digest: str = ""
    trusted_operators: tuple[str, ...] = ()  # their JWTs
    trusted_claims: tuple[dict[str, Any], ...] = ()


class ServerCounters(msgspec.Struct, frozen=True):
    """What changes, at one moment."""

    connections: int = 0
    total_connections: int = 0
    leafnodes: int = 0
    subscriptions: int = 0
    in_msgs: int = 0
    in_bytes: int = 0
    out_msgs: int = 0
    out_bytes: int = 0
    in_client_msgs: int = 0
    in_client_bytes: int = 0
    out_client_msgs: int = 0
    out_client_bytes: int = 0
    slow_clients: int = 0
    slow_leafs: int = 0
    stale_clients: int = 0
    stale_leafs: int = 0
    stalls: int = 0


class ClientFaults(msgspec.Struct, frozen=True):
    """Client connections and logins that were turned away."""

    refused: int = 0  # for max_connections
    auth_failures: int = 0  # connections that ended for a refused or a missing login
    logins_refused: int = 0
    logins_overflowed: int = 0  # of these, because too many waited for a bcrypt hash
    callouts_refused: int = 0  # of these, because too many waited for an auth callout service
    closed_forgotten: int = 0  # closed connections that monitoring no longer knows
    logins_evicted: int = 0  # closed before their deadline, since too many others waited to log in


class NetFaults(msgspec.Struct, frozen=True):
    """What befell sockets, whatever speaks on them."""

    faults: int = 0  # connections closed because of our own bug
    accept_pauses: int = 0  # accepting waited for file descriptors or memory
    accepts_held: int = 0  # it waited for what connections that are gone had left
    turns_yielded: int = 0  # times that one had more to do, or to write, than fits into a turn
    reads_deferred: int = 0  # reads that waited, since others had used up their turn of the loop
    entries_refused: int = 0  # cut before their time, too many were not through TLS or PROXY
    entries_failed: int = 0  # no handshake, no certificate that holds, a broken PROXY header
    entries_overdue: int = 0
    entries_throttled: int = 0  # beyond connection_rate_limit
    websocket_refused: int = 0  # requests that were no handshake, or not welcome
    websocket_overdue: int = 0
    websocket_mistakes: int = 0  # connections ended for frames that cannot be
    websocket_evicted: int = 0  # cut before their time, too many were in their handshake


class Caches(msgspec.Struct, frozen=True):
    """Where messages go, kept for the next ones."""

    routes_bytes: int = 0  # of all connections now
    routes_evicted: int = 0  # connections whose routes made room for others'
    matches_bytes: int = 0  # of all accounts now
    matches_evicted: int = 0


class AccountFaults(msgspec.Struct, frozen=True):
    """Requests between accounts, and what is sent to very many; of all accounts together."""

    answers_dropped: int = 0  # that were not waited for any longer, for too many others
    answers_pending: int = 0  # that are waited for now
    wide_held: int = 0  # times that a connection waited for what the server sent to very many
    wide_dropped: int = 0  # news of the server itself to very many, where enough waited
    wide_pending: int = 0  # that wait for their turns now
    wide_left: int = 0  # connections that are gone with such a message on its way


class LeafPortFacts(msgspec.Struct, frozen=True):
    """The port for leafs."""

    host: str
    port: int
    auth_timeout_ns: int
    tls_timeout_ns: int
    tls_required: bool = False
    tls_verify: bool = False
    tls_not_after_s: int = 0


class LeafFaults(msgspec.Struct, frozen=True):
    """Leaf links, all remotes and all leafs below us together."""

    interest_ignored: int = 0  # LS+ for what may not be sent; of remotes, while they are up
    reconnects: int = 0
    slow_consumers: int = 0
    stale_connections: int = 0
    refused: int = 0  # leafs whose login did not hold, or for which there was no place
    logins_evicted: int = 0  # leafs that waited longest and made room


class JetStreamFaults(msgspec.Struct, frozen=True):
    """Streams and consumers that exist now, together."""

    refused: int = 0  # publishes turned away because too much waited for the disk
    dedupe_evicted: int = 0  # message ids forgotten before their time
    stream_troubles: int = 0  # times the store could not do its part
    consumer_troubles: int = 0
    clock_jumps: int = 0  # times expiry was paused because the clock jumped


class StoreView(msgspec.Struct, frozen=True):
    """The store on disk. `failed` says why it takes nothing, and is empty otherwise."""

    stats: StoreStats
    failed: str = ""


class SystemFaults(msgspec.Struct, frozen=True):
    """The system account: what its bounds held back."""

    events_dropped: int = 0  # because too many came within a second
    requests_refused: int = 0  # because too many waited for their turn


class OwnCounters(msgspec.Struct, frozen=True):
    """What every bound counts, at one moment; None for what is off."""

    clients: ClientFaults = ClientFaults()
    net: NetFaults = NetFaults()
    caches: Caches = Caches()
    accounts: AccountFaults = AccountFaults()
    leafs: LeafFaults = LeafFaults()
    jetstream: JetStreamFaults | None = None
    store: StoreView | None = None
    system: SystemFaults | None = None


class HttpFaults(msgspec.Struct):
    """Monitoring's own connections, counted where they are served."""

    refused: int = 0  # connections beyond the bound: one was cut for each
    overdue: int = 0  # connections without a whole request in time
    bad: int = 0  # requests that are no HTTP, or more of it than is taken
    faults: int = 0  # answers that failed because of our own bug


class Connection(Protocol):
    """An open connection, of a client or a leaf link. Its facts are read when they are needed."""

    peer: Peer

    def facts(self) -> ConnectionFacts: ...


class SublistView(msgspec.Struct, frozen=True):
    """The subscriptions of one account as numbers. `fanout` gives, of the results in the cache, the
    most receivers that one has, and those of all.
    """

    count: int = 0
    cached: int = 0
    inserts: int = 0
    removes: int = 0
    matches: int = 0
    hits: int = 0
    fanout: Callable[[], tuple[int, int]] = lambda: (0, 0)


class AccountParts(msgspec.Struct, frozen=True):
    """What an account is made of, as nats-server shows it."""

    mappings: dict[str, Any] = msgspec.field(default_factory=dict)
    exports: list[dict[str, Any]] = msgspec.field(default_factory=list)
    imports: list[dict[str, Any]] = msgspec.field(default_factory=list)


class AccountView(msgspec.Struct, frozen=True):
    """One account at one moment. What takes long where it has much is read when it is asked for:
    its counters are in each `$SYS` message of a connection.
    """

    name: str
    name_tag: str = ""  # empty: as the name
    is_system: bool = False
    jetstream: bool = False
    expired: bool = False
    complete: Callable[[], bool] = lambda: True
    updated_ns: int = 0  # wall time
    clients: int = 0
    leafs: int = 0
    slow_consumers: int = 0
    traffic: Traffic = msgspec.field(default_factory=Traffic)  # of everybody in it
    leaf_traffic: Traffic = msgspec.field(default_factory=Traffic)
    sublist: SublistView = SublistView()
    made_of: Callable[[], AccountParts] = AccountParts
    jwt: str = ""
    issuer_key: str = ""
    tags: tuple[str, ...] = ()
    claim: Callable[[], Steps[dict[str, Any]]] | None = None  # what the JWT says
    limits: Mapping[str, Any] = msgspec.field(default_factory=dict)  # of the JWT
    revoked_users: Mapping[str, int] = msgspec.field(default_factory=dict)  # since when, in seconds


@dataclass(frozen=True, slots=True)
class RemoteView:
    """A remote at one moment."""

    url: str = field(repr=False)
    is_connected: bool
    error: str
    disabled: bool = False
    unserved: str = ""  # of interest that the hub does not serve, though the link is up


@dataclass(frozen=True, slots=True)
class AwaitedAccount:
    """An account that cannot be had yet, in operator mode: who waits for it, and why it is not."""

    account: str
    who: str
    problem: str


@dataclass(frozen=True, slots=True)
class LeftDurable:
    """A consumer that an uplink left. `waiting`: messages that it has not acknowledged; where it
    `holds` them they stay in the stream for its sake.
    """

    account: str
    stream: str
    consumer: str
    uplink: str  # empty: the one without a name
    waiting: int
    holds: bool


class StreamView(msgspec.Struct, frozen=True):
    """One stream. `config`, `state`, `consumers` and `origins` are as the JetStream API shows them;
    each is read when it is asked for.
    """

    name: str
    created_ns: int  # wall time
    config: Callable[[], dict[str, Any]]
    state: Callable[[], dict[str, Any]]
    consumers: Callable[[], Iterator[dict[str, Any]]]  # each is read when its turn comes
    origins: Callable[[], dict[str, Any]] = dict  # `mirror` or `sources`, of who has them
    damage: str = ""  # why the stream is set aside: it takes and gives nothing, and is kept


class JetStreamAccountView(msgspec.Struct, frozen=True):
    """JetStream of one account."""

    name: str
    memory: int
    storage: int
    api_total: int
    api_errors: int
    streams: Sequence[StreamView]  # each is made when it is asked for
    reserved_memory: int = -1  # of the account's limit; -1: none
    reserved_storage: int = -1


class JetStreamView(msgspec.Struct, frozen=True):
    """JetStream of the server. `failure` says why it cannot store, and is empty otherwise."""

    max_memory: int
    max_storage: int
    store_dir: str
    domain: str
    api_level: int
    accounts: list[JetStreamAccountView]
    reserved_memory: int = 0
    reserved_storage: int = 0
    limits: dict[str, int] = {}  # as `limits { … }` has them, without what it does not say
    strict: bool = True
    failure: str = ""


class Views(msgspec.Struct, frozen=True):
    """Everything that an endpoint may ask for. What is off is None or an empty list."""

    facts: ServerFacts
    counters: Callable[[], Steps[ServerCounters]]
    connections: Callable[[], Sequence[Connection]]  # clients and leaf links, by their cid
    subscriptions: Callable[[int], Iterable[SubscriptionFacts]]  # of a client or leaf, by its cid
    closed: Callable[[], Iterable[ClosedConnection]] = list  # the oldest first
    accounts: Callable[[], list[str]] = list
    account: Callable[[str], AccountView | None] = lambda _: None
    name_tag: Callable[[str], str] = lambda name: name  # what people call an account
    all_subscriptions: Callable[[str], Iterator[Subscription]] = lambda _: iter(())
    queues: Callable[[], dict[str, int]] = dict  # what waits in each, by its name
    own: Callable[[], Steps[OwnCounters]] = lambda: at_once(OwnCounters())
    closed_entrances: Callable[[], list[str]] = list  # of those that clients come by
    warnings: Callable[[], list[str]] = list  # what is allowed and probably a slip
    leafs: Callable[[], list[LeafzRow]] = list
    remotes: Callable[[], list[RemoteView]] = list
    jetstream: Callable[[], Steps[JetStreamView | None]] = lambda: at_once(None)
    awaited: Callable[[], list[AwaitedAccount]] = list
    uplinks: Callable[[], list[UplinkStatus]] = list
    budgets: Callable[[], list[BudgetStatus]] = list
    left_durables: Callable[[], list[LeftDurable]] = list
    uplinks_refused: Callable[[], int] = int  # requests whose reply is no inbox
    ports: Callable[[], list[PortStatus]] = list
    ports_refused: Callable[[], int] = int
    ports_deferred: Callable[[], int] = int  # times that a port waited for another turn
    ports_lost: Callable[[], int] = int  # readings that went with their port
    devices: Callable[[], list[Device]] = list  # boards that said hello, by name
    hotplug: Callable[[], HotplugStatus | None] = lambda: None  # None: there is no bridge
