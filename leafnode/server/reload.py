"""Which options may change while the server runs: one table, and the difference of two
configurations.

Knows names of options and who is told of a change; not how a change is made: `server.reloader`.
Truth: nats-server 2.15.1 server/reload.go diffOptions; docs/configuration.md, "Reload".
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from enum import Enum, auto
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from leafnode.clock import NS_PER_S
from leafnode.config.listener_options import LeafListener, Websocket
from leafnode.config.options import SYSTEM_ACCOUNT, HostPort
from leafnode.errors import ReloadError
from leafnode.go_time import format_duration
from leafnode.limits import AUTH_TIMEOUT_NS

if TYPE_CHECKING:
    from leafnode.config.options import (
        AuthCalloutOptions,
        Idle,
        JetStreamOptions,
        LeafOptions,
        OperatorOptions,
        Options,
    )


class Part(Enum):
    """What has to act on a changed option; the values are in the order of acting."""

    LOG = auto()
    TLS = auto()
    ACCOUNTS = auto()
    LOGINS = auto()
    RESOLVER = auto()
    CLIENTS = auto()  # limits and times of connections, and INFO
    CONNECTIONS = auto()  # how many there may be
    FILES = auto()
    MONITOR = auto()
    JETSTREAM = auto()
    REMOTES = auto()
    UPLINKS = auto()
    SERIAL = auto()
    NOTHING = auto()  # read anew wherever it is used


class Live(NamedTuple):
    """An option that changes live. `shown` is its key in the log; secrets show no value."""

    part: Part
    shown: str
    is_secret: bool = False


class Fixed(NamedTuple):
    """An option that needs a restart. `name` is what nats-server calls it in the refusal."""

    name: str


class Derived(NamedTuple):
    """A value that follows from others: never a reason to do or to refuse anything."""


@dataclass(frozen=True, slots=True)
class Change:
    """One option that is different, and what becomes of it."""

    field: str
    live: Live


RULES: Final[dict[str, Live | Fixed | Derived]] = {
    "config_file": Derived(),
    "warnings": Derived(),
    "deprecated": Derived(),
    "config_digest": Derived(),
    "http_host_given": Derived(),
    "idle_jetstream": Derived(),
    "idle": Fixed(""),  # each value has a name of its own
    "host": Fixed("Host"),
    "port": Fixed("Port"),
    "server_name": Fixed("ServerName"),
    "max_subscriptions": Fixed("MaxSubs"),
    "max_subscription_tokens": Fixed("MaxSubTokens"),
    "no_header_support": Fixed("NoHeaderSupport"),
    "lame_duck_duration_ns": Fixed("LameDuckDuration"),
    "lame_duck_grace_period_ns": Fixed("LameDuckGracePeriod"),
    "prof_port": Fixed("ProfPort"),
    "default_js_domains": Fixed("JsAccDefaultDomain"),
    "store": Fixed("Store"),
    "client_advertise": Live(Part.CLIENTS, "client_advertise"),
    "server_tags": Live(Part.LOGINS, "tags"),  # a callout service is told
    "server_metadata": Live(Part.NOTHING, "metadata"),
    "http_base_path": Fixed("HTTPBasePath"),
    "max_closed_clients": Fixed("MaxClosedClients"),
    "proxy_protocol": Fixed("ProxyProtocol"),
    "no_system_account": Fixed("NoSystemAccount"),
    "system_account": Fixed("SystemAccount"),
    "tls": Live(Part.TLS, "tls", is_secret=True),
    "websocket": Live(Part.TLS, "websocket", is_secret=True),
    "allow_non_tls": Live(Part.TLS, "allow_non_tls"),
    "http": Live(Part.MONITOR, "http"),
    "https": Live(Part.MONITOR, "https"),
    "accounts": Live(Part.ACCOUNTS, "accounts", is_secret=True),
    "mappings": Live(Part.ACCOUNTS, "mappings", is_secret=True),
    "authorization": Live(Part.LOGINS, "authorization", is_secret=True),
    "admits_guests": Derived(),
    "no_auth_user": Live(Part.LOGINS, "no_auth_user"),
    "trusted_proxies": Live(Part.LOGINS, "proxies"),
    "operator": Live(Part.RESOLVER, "accounts", is_secret=True),
    "max_payload_bytes": Live(Part.CLIENTS, "max_payload"),
    "max_control_line_bytes": Live(Part.CLIENTS, "max_control_line"),
    "max_pending_bytes": Live(Part.CLIENTS, "max_pending"),
    "max_connections": Live(Part.CONNECTIONS, "max_connections"),
    "ping_interval_ns": Live(Part.CLIENTS, "ping_interval"),
    "ping_max": Live(Part.CLIENTS, "ping_max"),
    "write_timeout": Live(Part.CLIENTS, "write_timeout"),
    "write_deadline_ns": Live(Part.CLIENTS, "write_deadline"),
    "no_fast_producer_stall": Live(Part.CLIENTS, "no_fast_producer_stall"),
    "jetstream": Live(Part.JETSTREAM, "JetStream"),
    "leafnodes": Live(Part.REMOTES, "leafnodes", is_secret=True),
    "uplinks": Live(Part.UPLINKS, "uplink"),
    "serial": Live(Part.SERIAL, "serial", is_secret=True),
    "pid_file": Live(Part.FILES, "pid_file"),
    "ports_file_dir": Live(Part.FILES, "ports_file_dir"),
    "log_file": Live(Part.LOG, "log_file"),
    "log_size_limit_bytes": Live(Part.LOG, "log_size_limit"),
    "log_max_files": Live(Part.LOG, "log_max_num"),
    "syslog": Live(Part.LOG, "syslog"),
    "remote_syslog": Live(Part.LOG, "remote_syslog"),
    "logtime": Live(Part.LOG, "logtime"),
    "logtime_utc": Live(Part.LOG, "logtime_utc"),
    "debug": Live(Part.LOG, "debug"),
    "trace": Live(Part.LOG, "trace"),
    "trace_verbose": Live(Part.LOG, "trace_verbose"),
    "trace_headers": Live(Part.LOG, "trace_headers"),
    "max_traced_msg_bytes": Live(Part.LOG, "max_traced_msg_len"),
    "prof_block_rate": Live(Part.NOTHING, "prof_block_rate"),
}
_FREE_PORT: Final = -1
_MAPS: Final = frozenset({"default_js_domains", "FeatureFlags"})
_DURATIONS: Final = frozenset({"SyncInterval"})
_LISTS: Final = frozenset({"allowed_origins"})
# Of the port for leafs what may not change, and what nats-server calls it.
_LEAF_FIELDS: Final = {
    "host": "Host",
    "port": "Port",
    "authorization.user": "Username",
    "authorization.password": "Password",
    "authorization.nkey": "Nkey",
    "authorization.proxy_required": "ProxyRequired",
    "authorization.account": "Account",
    "authorization.users": "Users",
    "authorization.timeout_ns": "AuthTimeout",
    "tls.timeout_ns": "TLSTimeout",
    "tls.verify_and_map": "TLSMap",
    "tls.pinned_certs": "TLSPinnedCerts",
    "advertise": "Advertise",
    "min_version": "MinVersion",
}
_LEAF_SECRETS: Final = frozenset(
    {"authorization.user", "authorization.password", "authorization.users", "tls.pinned_certs"}
)
_WEBSOCKET_HIDDEN: Final = frozenset({"tls", "authorization", "headers"})  # may hold secrets


def changes(old: Options, new: Options) -> list[Change]:
    """Return what is different, in the order of acting. Raises ReloadError for what may not be."""
    found = []
    for field, rule in RULES.items():
        before, after = getattr(old, field), getattr(new, field)
        if before == after or isinstance(rule, Derived):
            continue
        if field == "port" and after == _FREE_PORT:
            continue  # it has a free one already
        if field == "idle":
            _check_idle(before, after)
            continue
        if isinstance(rule, Fixed):
            old_text, new_text = _shown(before, field), _shown(after, field)
            if field == "system_account":  # of that which nobody named nats-server says nothing
                names = (old_text, new_text)
                old_text, new_text = ("" if name == SYSTEM_ACCOUNT else name for name in names)
            raise ReloadError(f"{rule.name}: old={old_text}, new={new_text}")
        if field == "websocket":
            _check_websocket(before, after)
        if field == "leafnodes":
            _check_leaf_port(before, after)
        if field == "no_auth_user" and not (old.admits_guests or new.admits_guests):
            _check_no_auth_user(before, after, new)
        if field == "jetstream":
            _check_jetstream(before, after)
        if field == "operator":
            _check_operator(before, after)
        if field == "authorization":
            _check_callout(before.auth_callout, after.auth_callout)
        found.append(Change(field, rule))
    return sorted(found, key=lambda change: change.live.part.value)


def _check_websocket(old: Websocket | None, new: Websocket | None) -> None:
    """Its certificates may be others, and origins in another order; all else of it stays."""
    if old is None or new is None or _unchanging(old) != _unchanging(new):
        raise ReloadError(_websocket_change(old, new))
    if (old.tls is None) is not (new.tls is None):
        raise ReloadError(_websocket_change(old, new))


def _unchanging(listener: Websocket) -> Websocket:
    return replace(listener, tls=None, allowed_origins=tuple(sorted(listener.allowed_origins)))


def _check_leaf_port(old: LeafOptions | None, new: LeafOptions | None) -> None:
    """Its certificates may be others, and whether TLS comes first; all else of the port stays.

    Values are shown of what can hold no secret.
    """
    absent = LeafListener(host="")  # even a free port is a new one
    before, after = ((one.listener if one else None) or absent for one in (old, new))
    found: list[tuple[str, Any, Any]] = [
        (name, _leaf_value(before, name), _leaf_value(after, name)) for name in _LEAF_FIELDS
    ]
    was_isolating, will_isolate = (one is not None and one.isolates for one in (old, new))
    found.append(("isolates", was_isolating, will_isolate))
    for name, was, will in found:
        if was == will or (name == "port" and will == _FREE_PORT):
            continue
        called = _LEAF_FIELDS.get(name, "IsolateLeafnodeInterest")
        if name in _LEAF_SECRETS:
            raise ReloadError(f'LeafNode: field "{called}"')
        raise ReloadError(f'LeafNode: field "{called}": old={_shown(was)}, new={_shown(will)}')


def _leaf_value(listener: LeafListener, name: str) -> Any:
    outer, _, inner = name.rpartition(".")
    block = getattr(listener, outer) if outer else listener
    value = getattr(block, inner) if block is not None else None
    if not name.endswith("timeout_ns"):
        return value
    return f"{(value or AUTH_TIMEOUT_NS) / NS_PER_S:g}"  # seconds, as nats-server keeps them


def _check_idle(old: tuple[Idle, ...], new: tuple[Idle, ...]) -> None:
    """What has no effect stays what it is: nobody is to think that a change had one."""
    was, will = ({one.name: one for one in side} for side in (old, new))
    for name in was | will:
        before = was[name].value if name in was else will[name].default
        after = will[name].value if name in will else was[name].default
        if before != after:
            raise ReloadError(f"{name}: old={_shown(before, name)}, new={_shown(after, name)}")


def _websocket_change(old: Websocket | None, new: Websocket | None) -> str:
    """Name what is different in it; nats-server prints all, and passwords with it."""
    absent = Websocket()
    before, after = old or absent, new or absent
    names = [
        one.name for one in fields(absent) if getattr(before, one.name) != getattr(after, one.name)
    ]
    shown = [
        " ".join(
            name if name in _WEBSOCKET_HIDDEN else f"{name}:{_shown(getattr(side, name), name)}"
            for name in names
        )
        for side in (before, after)
    ]
    return f"Websocket: old={{{shown[0]}}}, new={{{shown[1]}}}"


def _check_no_auth_user(old: str, new: str, options: Options) -> None:
    """It may go together with its user, and nothing else: clients are who it made them."""
    users = [*options.authorization.users, *(u for a in options.accounts for u in a.users)]
    if not old or new or any(old in {user.user, user.nkey} for user in users):
        raise ReloadError(f"NoAuthUser: old={old}, new={new}")


def _check_jetstream(old: JetStreamOptions | None, new: JetStreamOptions | None) -> None:
    """It may be turned on and off; while it is on the store stays where it is."""
    if old is None or new is None:
        return
    if old.store_dir != new.store_dir:
        raise ReloadError("jetstream storage directory")
    if old.domain != new.domain:
        raise ReloadError(f"JetStreamDomain: old={old.domain}, new={new.domain}")


def _check_callout(old: AuthCalloutOptions | None, new: AuthCalloutOptions | None) -> None:
    """Who decides on logins stays: the server is the one that its requests name."""
    if old != new:
        raise ReloadError(f"AuthCallout: old={_callout(old)}, new={_callout(new)}")


def _callout(asked: AuthCalloutOptions | None) -> str:
    if asked is None:
        return "<nil>"
    users, accounts = " ".join(asked.auth_users), " ".join(asked.allowed_accounts)
    return f"&{{{asked.issuer} {asked.account} [{users}] {asked.xkey} [{accounts}]}}"


def _check_operator(old: OperatorOptions | None, new: OperatorOptions | None) -> None:
    """Where accounts come from and which are pinned may change; whom the server trusts stays."""
    before = (old.operators, old.trusted_keys) if old is not None else None
    after = (new.operators, new.trusted_keys) if new is not None else None
    if before != after:
        raise ReloadError("TrustedOperators: old=, new=")


def line(change: Change, new: Options) -> str:
    """Return what the log says of a change."""
    if change.live.is_secret:
        return f"Reloaded: {change.live.shown}"
    if change.field == "no_fast_producer_stall":
        return f"Reloaded: fast producers will {'not ' * new.no_fast_producer_stall}be stalled"
    shown = _shown(getattr(new, change.field), change.field)
    return f"Reloaded: {change.live.shown} = {shown}" if shown else f"Reloaded: {change.live.shown}"


def _shown(value: Any, name: str = "") -> str:
    """Return a value as Go prints it, as far as people look for that; `name` is its option's."""
    if name in _MAPS:
        return f"map[{' '.join(f'{key}:{_shown(one)}' for key, one in sorted(value or ()))}]"
    if (name.endswith("_ns") or name in _DURATIONS) and isinstance(value, int):
        return format_duration(value)
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str | int):
        return str(value)
    if isinstance(value, HostPort):
        return f"{value.host}:{value.port}"
    if name in _LISTS:
        return f"[{' '.join(value)}]"
    return ""
