"""What a configuration says, as frozen dataclasses with nats-server's option names.

Knows names, types and defaults; not what an option does. Truth: nats-server 2.15.1 server/opts.go
for its keys, docs/configuration.md for ours.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, NamedTuple

from leafnode import limits
from leafnode.clock import NS_PER_S
from leafnode.protocol.leaf_compression import FAR_COMPRESSION, Compression

if TYPE_CHECKING:
    from leafnode.config.account_options import AccountOptions, Mapping
    from leafnode.config.listener_options import (
        CertificatePair,
        LeafListener,
        ListenerTls,
        Websocket,
    )
    from leafnode.config.serial_options import SerialOptions

GLOBAL_ACCOUNT: Final = "$G"
SYSTEM_ACCOUNT: Final = "$SYS"  # what it is called where nobody names it
_NO_LIMIT: Final = 2**31 - 1  # of connections: file descriptors end first


@dataclass(frozen=True, slots=True)
class HostPort:
    """An address to listen on. Port -1 takes a free one."""

    host: str
    port: int


@dataclass(frozen=True, slots=True)
class SubjectRules:
    """Allow and deny lists of subject patterns. An empty `allow` allows all but `deny`.

    For subscriptions an entry may be `subject queue`, with one blank.
    """

    allow: tuple[str, ...] = ()
    deny: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ResponseOptions:
    """`allow_responses`: how many answers to one request, and for how long. -1: no limit."""

    max_msgs: int = limits.ALLOW_RESPONSES_MSGS
    expires_ns: int = limits.ALLOW_RESPONSES_NS


@dataclass(frozen=True, slots=True)
class PermissionsOptions:
    """What a user may publish and subscribe to.

    With `responses` and no `publish.allow` nothing but answers may be published.
    """

    publish: SubjectRules = SubjectRules()
    subscribe: SubjectRules = SubjectRules()
    responses: ResponseOptions | None = None


@dataclass(frozen=True, slots=True)
class User:
    """One entry of `users`. `password` may be a bcrypt hash, or empty where a certificate or a
    proxy tells who it is.
    """

    user: str = ""
    password: str = field(default="", repr=False)
    nkey: str = ""
    permissions: PermissionsOptions | None = None
    allowed_connection_types: tuple[str, ...] = ()  # empty: all of them
    proxy_required: bool = False


@dataclass(frozen=True, slots=True)
class AuthCalloutOptions:
    """`auth_callout { … }`: who decides on logins outside of this server, and how it is asked.

    `issuer` is the account key that signs the answers, `xkey` the curve key that requests are
    encrypted for. `auth_users` are judged here. `allowed_accounts` empty: users of all accounts
    are asked about.
    """

    issuer: str
    auth_users: tuple[str, ...]
    account: str = "$G"
    xkey: str = ""
    allowed_accounts: tuple[str, ...] = ()

    def concerns(self, account: str) -> bool:
        """Say whether the service decides on users that the configuration knows in this account."""
        allowed = self.allowed_accounts
        return account == "$G" or not allowed or account in allowed


@dataclass(frozen=True, slots=True)
class Authorization:
    """Who may connect. All empty: everybody."""

    user: str = ""
    password: str = field(default="", repr=False)
    token: str = field(default="", repr=False)
    users: tuple[User, ...] = ()
    timeout_ns: int = 0  # 0: the default, see `Options.login_timeout_ns`
    auth_callout: AuthCalloutOptions | None = None
    proxy_required: bool = False

    @property
    def required(self) -> bool:
        return bool(self.user or self.token or self.users)


@dataclass(frozen=True, slots=True)
class ResolverOptions:
    """`resolver`: where account JWTs come from. `kind` is memory, full, cache or url.

    `limit` 0: the kind's own; `ttl_ns` 0: cached without end.
    """

    kind: str = "memory"
    directory: str = ""
    url: str = field(default="", repr=False)  # may hold user:password
    allow_delete: bool = False
    hard_delete: bool = False
    limit: int = 0
    ttl_ns: int = 0
    interval_ns: int = limits.RESOLVER_INTERVAL_NS
    timeout_ns: int = limits.ACCOUNT_FETCH_TIMEOUT_NS


@dataclass(frozen=True, slots=True)
class OperatorOptions:
    """Operator mode. `operators` are JWTs or paths of files with one.

    `preload` has account JWTs by the account's key; `pinned_accounts` empty: all accounts.
    """

    operators: tuple[str, ...] = ()
    trusted_keys: tuple[str, ...] = ()
    resolver: ResolverOptions | None = None
    resolver_tls: TlsOptions | None = None
    preload: tuple[tuple[str, str], ...] = ()
    pinned_accounts: tuple[str, ...] = ()
    default_sentinel: str = field(default="", repr=False)
    where: str = field(default="", compare=False)  # file:line:column of `operators`


@dataclass(frozen=True, slots=True)
class JetStreamLimits:
    """`jetstream { limits { … } }`; 0 is nats-server's default, which is none for what is no batch.

    `default_max_consumers`: of a stream where neither it nor its account says something; 0 or -1
    is any number. `max_ha_assets` is of clusters: shown, without effect.
    """

    max_request_batch: int = 0
    max_ack_pending: int = 0
    max_ha_assets: int = 0
    duplicate_window_ns: int = 0
    batches_of_stream: int = 0
    batches: int = 0
    batch_msgs: int = 0
    batch_timeout_ns: int = 0
    default_max_consumers: int = limits.CONSUMERS_PER_STREAM_MAX


@dataclass(frozen=True, slots=True)
class JetStreamOptions:
    """`jetstream { … }`. `max_file_bytes` and `max_memory_bytes`: -1 is unlimited. `strict`: a
    request with a field that is unknown is refused.
    """

    store_dir: str = "./data"
    domain: str = ""
    max_memory_bytes: int = -1
    max_file_bytes: int = -1
    limits: JetStreamLimits = field(default_factory=JetStreamLimits)
    strict: bool = True
    enabled: bool = True


@dataclass(frozen=True, slots=True)
class StoreOptions:
    """`store { … }`. `commit_interval_ns` gathers batches for that long, to spare a card.

    Acknowledgements wait for their COMMIT all the same. 0: a batch leaves when the disk is free.
    `scrub_rate`: bytes a second of what is stored are read to find damage; 0: none.
    """

    commit_interval_ns: int = 0
    scrub_rate: int = limits.STORE_SCRUB_RATE


@dataclass(frozen=True, slots=True)
class TlsOptions:
    """TLS of whoever dials. `ca_file` empty: the system's roots.

    `pairs`: shown is the first that comes from an authority which the other side names, else the
    first. Empty: nothing is shown.
    """

    ca_file: str = ""
    pairs: tuple[CertificatePair, ...] = ()
    handshake_first: bool = False
    timeout_ns: int = limits.LEAF_CONNECT_INFO_TIMEOUT_NS
    min_version: str = "1.2"
    cipher_suites: tuple[str, ...] = ()  # by Go's names; empty: OpenSSL's own list
    curve_preferences: tuple[str, ...] = ()
    pinned_certs: frozenset[str] = frozenset()  # see ListenerTls; empty: any that is verified
    insecure: bool = False  # nothing is verified, nor the host's name
    where: str = field(default="", compare=False)  # file:line:column, for errors of the files


@dataclass(frozen=True, slots=True)
class HttpProxy:
    """An HTTP proxy by which a remote is dialed. `timeout_ns` 0: as long as a dial may take."""

    host: str
    port: int
    user: str = ""
    password: str = field(default="", repr=False)
    timeout_ns: int = 0

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


@dataclass(frozen=True, slots=True)
class LeafRemote:
    """One entry of `leafnodes { remotes }`: a hub, reached through any of `urls`."""

    urls: tuple[str, ...] = field(repr=False)  # may hold user:password
    account: str = "$G"
    credentials: str = ""  # path of a .creds file
    nkey: str = field(default="", repr=False)  # a seed, or the path of a file with one
    tls: TlsOptions | None = None
    deny_imports: tuple[str, ...] = ()
    deny_exports: tuple[str, ...] = ()
    no_randomize: bool = False
    ignore_discovered_servers: bool = False
    disabled: bool = False
    hub: bool = False  # who is dialed is the spoke
    isolates: bool = False  # the hub is not told what leafs below us want
    requests_isolation: bool = False  # nor we what other leafs of the hub want
    dial_timeout_ns: int = limits.LEAF_DIAL_TIMEOUT_NS
    first_info_timeout_ns: int = limits.LEAF_FIRST_INFO_TIMEOUT_NS
    ws_compression: bool = False
    compression: Compression = FAR_COMPRESSION
    ws_no_masking: bool = False  # the hub is asked whether frames may go unmasked
    proxy: HttpProxy | None = None
    pinned_certs: frozenset[str] = frozenset()  # those of its `tls`, else of the port for leafs

    @property
    def is_websocket(self) -> bool:
        return self.urls[0].startswith(("ws://", "wss://"))


@dataclass(frozen=True, slots=True)
class LeafOptions:
    """`leafnodes { … }`. `listener` None: no leaf is let in. `isolates` holds for every link."""

    remotes: tuple[LeafRemote, ...] = ()
    reconnect_ns: int = limits.LEAF_RECONNECT_NS
    listener: LeafListener | None = None
    isolates: bool = False


@dataclass(frozen=True, slots=True)
class UplinkStream:
    """One local stream to push upstream.

    `hub_stream` is read once after each connect to learn where to go on; empty: status says that
    only the hub's duplicate window protects. `subject_prefix` empty: `<server_name>.`. `urgent`:
    held neither by send windows nor by the monthly cap nor by coalescing.
    """

    stream: str
    hub_stream: str = ""
    domain: str = ""  # the hub's JetStream domain
    subject_prefix: str = ""
    window_bytes: int = limits.UPLINK_WINDOW_BYTES
    window_msgs: int = limits.UPLINK_WINDOW_MSGS
    ack_timeout_ns: int = limits.UPLINK_ACK_TIMEOUT_NS
    priority: int = 5  # 0 goes first, 9 last
    urgent: bool = False
    newest_first: bool = False
    subject_transforms: tuple[tuple[str, str], ...] = ()  # source, destination; then the prefix


@dataclass(frozen=True, slots=True)
class UplinkBudget:
    """What an uplink may spend; 0: no bound. Spans of `send_windows` are minutes of the day."""

    max_rate_bytes: int = 0  # a second
    monthly_cap_bytes: int = 0
    send_windows: tuple[tuple[int, int], ...] = ()
    send_above_bytes: int = 0  # outside of the windows, too, when so much waits
    coalesce_ns: int = 0
    coalesce_bytes: int = limits.UPLINK_COALESCE_BYTES
    time_zone: str = "UTC"
    ledger_tokens: int = 1  # of a subject, that have a line of their own


@dataclass(frozen=True, slots=True)
class UplinkOptions:
    """One `uplink { … }`: store and forward to one hub.

    `remote` is a URL of the remote that leads there; empty: any of the account.
    """

    streams: tuple[UplinkStream, ...] = ()
    account: str = "$G"
    name: str = ""
    remote: str = ""
    dead_letter: str = ""  # the local stream for what the hub refuses; empty: it is held
    budget: UplinkBudget = UplinkBudget()


class Idle(NamedTuple):
    """A value that is taken without effect and, as on nats-server, stays what it is.

    `name` is what nats-server calls it, `default` what it is where the file does not say.
    """

    name: str
    value: object
    default: object


@dataclass(frozen=True, slots=True)
class Options:
    """One whole configuration: a file, the flags laid over it, the defaults below both."""

    config_file: str = ""
    host: str = "127.0.0.1"
    port: int = 4222
    server_name: str = ""
    client_advertise: HostPort | None = None  # what INFO says instead of host and port
    http: HostPort | None = None
    https: HostPort | None = None  # with the certificate of `tls`; not beside http
    http_base_path: str = ""  # before every path of monitoring, like /nats
    max_closed_clients: int = limits.MAX_CLOSED_CLIENTS
    http_host_given: bool = False  # else monitoring follows the host of the clients' listener
    authorization: Authorization = Authorization()
    no_auth_user: str = ""  # who somebody without credentials is
    trusted_proxies: tuple[str, ...] = ()  # public keys
    accounts: tuple[AccountOptions, ...] = ()
    mappings: tuple[Mapping, ...] = ()  # of the global account
    system_account: str = SYSTEM_ACCOUNT
    no_system_account: bool = False
    admits_guests: bool = False  # into $G: only the system account has users
    tls: ListenerTls | None = None  # of the listener for clients
    allow_non_tls: bool = False
    websocket: Websocket | None = None
    proxy_protocol: bool = False
    operator: OperatorOptions | None = None  # operator mode: users have JWTs
    max_payload_bytes: int = limits.MAX_PAYLOAD_BYTES
    max_control_line_bytes: int = limits.MAX_CONTROL_LINE_BYTES
    max_pending_bytes: int = limits.MAX_PENDING_BYTES
    max_connections: int = limits.MAX_CONNECTIONS  # -1: no limit
    max_subscription_tokens: int = 0  # of a SUB's subject; 0: limits.MAX_SUBJECT_TOKENS
    max_subscriptions: int = limits.MAX_SUBSCRIPTIONS_PER_CONNECTION
    ping_interval_ns: int = limits.PING_INTERVAL_NS
    ping_max: int = limits.PING_MAX
    write_deadline_ns: int = limits.WRITE_DEADLINE_NS
    write_timeout: str = "default"  # close, retry; default is close for clients
    no_fast_producer_stall: bool = False
    no_header_support: bool = False
    jetstream: JetStreamOptions | None = None
    idle_jetstream: JetStreamOptions | None = None  # what the file says of one that is off
    default_js_domains: tuple[tuple[str, str], ...] | None = None  # account, domain
    store: StoreOptions = StoreOptions()
    leafnodes: LeafOptions | None = None
    uplinks: tuple[UplinkOptions, ...] = ()
    serial: SerialOptions | None = None
    server_tags: tuple[str, ...] = ()
    server_metadata: tuple[tuple[str, str], ...] = ()
    lame_duck_duration_ns: int = limits.LAME_DUCK_DURATION_NS
    lame_duck_grace_period_ns: int = limits.LAME_DUCK_GRACE_PERIOD_NS
    pid_file: str = ""
    ports_file_dir: str = ""
    log_file: str = ""
    log_size_limit_bytes: int = 0  # 0: the log file is never rotated
    log_max_files: int = 0  # with the one that is written; 0: all are kept
    syslog: bool = False
    remote_syslog: str = ""
    logtime: bool = True
    logtime_utc: bool = False
    debug: bool = False
    trace: bool = False
    trace_verbose: bool = False  # trace also shows clients of the system account
    max_traced_msg_bytes: int = 0  # of one payload; 0: limits.TRACED_BYTES_MAX
    prof_port: int = 0  # taken and not opened: there is no Go runtime to profile
    prof_block_rate: int = 0
    idle: tuple[Idle, ...] = ()  # what is taken without effect
    trace_headers: bool = False  # a trace shows headers and no payloads
    config_digest: str = field(default="", compare=False)  # of the file, as it was written
    warnings: tuple[str, ...] = ()  # what is allowed but probably a slip; said once at start
    # What nats-server warns of, and -t refuses; said once at start.
    deprecated: tuple[str, ...] = field(default=(), compare=False)

    @property
    def login_timeout_ns(self) -> int:
        """How long a login may take. By default longer with TLS, as on nats-server: whoever needs
        long for a handshake is slow at what follows.
        """
        if self.authorization.timeout_ns:
            return self.authorization.timeout_ns
        return limits.AUTH_TIMEOUT_NS if self.tls is None else self.tls.timeout_ns + NS_PER_S

    @property
    def connections_max(self) -> int:
        """How many connections there may be at once."""
        return self.max_connections if self.max_connections >= 0 else _NO_LIMIT
