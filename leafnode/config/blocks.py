"""The blocks of a configuration: for each a table of its keys, and the rules among its values.

Knows authorization, jetstream, store, leafnodes, uplink and serial; not the options outside of
blocks and not what an option does. Truth: nats-server 2.15.1 for its keys (measured), for ours
docs/configuration.md.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from leafnode import limits
from leafnode.clock import NS_PER_S
from leafnode.config import convert, refused
from leafnode.config.lexer import quoted
from leafnode.config.options import (
    Authorization,
    JetStreamOptions,
    LeafOptions,
    LeafRemote,
    PermissionsOptions,
    SerialOptions,
    SerialPort,
    StoreOptions,
    SubjectRules,
    TlsOptions,
    UplinkOptions,
    UplinkStream,
    User,
)
from leafnode.config.place import Block, Given, Place, Row

if TYPE_CHECKING:
    from collections.abc import Callable

_BAUD_MAX: Final = 12_000_000  # the fastest USB adapters
_WINDOW_MSGS_MAX: Final = 65_536
_WINDOW_BYTES_MAX: Final = 64 * limits.MIB


def _no_duplicates(place: Place, names: list[str], what: str) -> None:
    """Raise ConfigError at the second of two equal names of an array's values."""
    seen: set[str] = set()
    for item, name in zip(place.items(what), names, strict=True):
        if name in seen:
            raise item.error(f"the {what} {quoted(name)} stands twice")
        seen.add(name)


# --- authorization


def authorization(place: Place) -> Authorization:
    given = _AUTHORIZATION.read(place)
    default: PermissionsOptions | None = given.values.pop("permissions", None)
    given.exclude("user", "users", "expected user or users, not both")
    given.exclude("token", "users", "expected token or users, not both")
    given.exclude("token", "user", "expected token or user and password, not both")
    _user_and_password(given)
    if default is not None:
        # On nats-server they are silently without effect on a single user.
        given.need("users", "users: default permissions hold only for entries of users")
        given.values["users"] = tuple(
            replace(user, permissions=user.permissions or default) for user in given.values["users"]
        )
    return Authorization(**given.values)


def _user_and_password(given: Given) -> None:
    if "user" in given.values:
        given.need("password", "a password for the user")
    if "password" in given.values:
        # nats-server takes a password alone and then lets everybody in.
        given.need("user", "a user for the password")


def _users(place: Place) -> tuple[User, ...]:
    users = tuple(_user(item) for item in place.items("users"))
    if not users:
        raise place.error("expected at least one user, got an empty array")
    _no_duplicates(place, [user.user or user.nkey for user in users], "user")
    return users


def _user(place: Place) -> User:
    given = _USER.read(place)
    for name in ("user", "password"):
        given.exclude("nkey", name, "expected nkey or user and password, not both")
    if "nkey" not in given.values:
        given.need("user", "user and password, or nkey")
        _user_and_password(given)
    return User(**given.values)


def _permissions(place: Place) -> PermissionsOptions:
    return PermissionsOptions(**_PERMISSIONS.read(place).values)


def _rules(one: Callable[[Place], str]) -> Callable[[Place], SubjectRules]:
    """Return a converter of a subject, an array of them, or a block with allow and deny."""
    # On nats-server an empty array allows everything; here it is refused.
    subjects = convert.list_of(one, "subjects")
    block = Block((Row(("allow",), "allow", subjects), Row(("deny",), "deny", subjects)))

    def rules(place: Place) -> SubjectRules:
        if isinstance(place.node.value, dict):
            return SubjectRules(**block.read(place).values)
        return SubjectRules(allow=subjects(place))

    return rules


_PERMISSIONS: Final = Block(
    (
        Row(("publish", "pub", "import"), "publish", _rules(convert.subject)),
        Row(("subscribe", "sub", "export"), "subscribe", _rules(convert.subject_without_queue)),
    ),
    refused.PERMISSIONS,
)
_USER: Final = Block(
    (
        Row(("user", "username"), "user", convert.text),
        Row(("password", "pass"), "password", convert.secret),
        Row(("nkey",), "nkey", convert.public_user_nkey),
        Row(("permissions", "permission", "authorization"), "permissions", _permissions),
    ),
    refused.USER,
)
_AUTHORIZATION: Final = Block(
    (
        Row(("user", "username"), "user", convert.text),
        Row(("password", "pass"), "password", convert.secret),
        Row(("token",), "token", convert.secret),
        Row(("users",), "users", _users),
        Row(("timeout",), "timeout_ns", convert.seconds(limits.AUTH_TIMEOUT_NS)),
        Row(
            ("default_permissions", "default_permission", "permissions"),
            "permissions",
            _permissions,
        ),
    ),
    refused.AUTHORIZATION,
)


# --- jetstream


def jetstream(place: Place) -> JetStreamOptions | None:
    """Return the options, or None where it is switched off."""
    value = place.node.value
    if isinstance(value, bool):
        return JetStreamOptions() if value else None
    if isinstance(value, str):
        word = convert.one_of("enabled", "enable", "disabled", "disable")(place)
        return JetStreamOptions() if word.startswith("enable") else None
    values = _JETSTREAM.read(place).values
    values.pop("sync", None)
    return JetStreamOptions(**values) if values.pop("enabled", True) else None


def _sync_always(place: Place) -> None:
    if place.node.value != "always":
        raise place.expected("always (an acknowledgement never leaves before its COMMIT)")


_JETSTREAM: Final = Block(
    (
        Row(("enabled", "enable"), "enabled", convert.boolean),
        Row(("store_dir", "storedir", "store"), "store_dir", convert.text),
        Row(("domain",), "domain", convert.name_of("domain")),
        Row(("max_memory_store", "max_mem_store", "max_mem"), "max_memory_bytes", convert.storage),
        Row(("max_file_store", "max_file"), "max_file_bytes", convert.storage),
        Row(("sync_interval", "sync"), "sync", _sync_always),
    ),
    refused.JETSTREAM,
)


# --- leafnodes


def leafnodes(place: Place) -> LeafOptions:
    values = _LEAFNODES.read(place).values
    values.pop("compression", None)
    # The remotes' own dial_timeout goes before that of the block around them.
    shared = (
        {"dial_timeout_ns": values.pop("dial_timeout_ns")} if "dial_timeout_ns" in values else {}
    )
    remotes = tuple(LeafRemote(**(shared | remote)) for remote in values.pop("remotes", ()))
    return LeafOptions(remotes=remotes, **values)


def _remotes(place: Place) -> tuple[dict[str, Any], ...]:
    remotes = tuple(_remote(item) for item in place.items("remotes"))
    same = [(r["urls"], r.get("credentials"), r.get("nkey")) for r in remotes]
    for index, item in enumerate(place.items("remotes")):
        if same[index] in same[:index]:
            raise item.error("a remote with the same urls and credentials stands before it")
    return remotes


def _remote(place: Place) -> dict[str, Any]:
    given = _REMOTE.read(place)
    given.need("urls", 'url, like "nats-leaf://host:7422"')
    given.exclude("credentials", "nkey", "expected credentials or nkey, not both")
    given.values.pop("compression", None)
    return given.values


def _tls(place: Place) -> TlsOptions:
    given = _TLS.read(place)
    if "cert_file" in given.values:
        given.need("key_file", "key_file beside cert_file")
    if "key_file" in given.values:
        given.need("cert_file", "cert_file beside key_file")
    return TlsOptions(**given.values)


_TLS: Final = Block(
    (
        Row(("ca_file",), "ca_file", convert.text),
        Row(("cert_file",), "cert_file", convert.text),
        Row(("key_file",), "key_file", convert.text),
        Row(("handshake_first", "first", "immediate"), "handshake_first", convert.boolean),
        Row(("timeout",), "timeout_ns", convert.seconds(limits.LEAF_CONNECT_INFO_TIMEOUT_NS)),
    ),
    refused.TLS,
)
_SUBJECTS: Final = convert.list_of(convert.subject, "subjects")
_REMOTE: Final = Block(
    (
        Row(("url", "urls"), "urls", convert.list_of(convert.leaf_url, "urls")),
        Row(("account", "local"), "account", convert.local_account),
        Row(("credentials", "creds"), "credentials", convert.text),
        Row(("nkey", "seed"), "nkey", convert.seed_path),
        Row(("tls",), "tls", _tls),
        Row(("deny_imports", "deny_import"), "deny_imports", _SUBJECTS),
        Row(("deny_exports", "deny_export"), "deny_exports", _SUBJECTS),
        Row(("no_randomize", "dont_randomize"), "no_randomize", convert.boolean),
        Row(("ignore_discovered_servers",), "ignore_discovered_servers", convert.boolean),
        Row(("disabled",), "disabled", convert.boolean),
        Row(("dial_timeout",), "dial_timeout_ns", convert.duration),
        Row(("first_info_timeout",), "first_info_timeout_ns", convert.duration),
        Row(("compression",), "compression", convert.compression_off),
    ),
    refused.REMOTE,
)
_LEAFNODES: Final = Block(
    (
        Row(
            ("reconnect", "reconnect_delay", "reconnect_interval"),
            "reconnect_ns",
            convert.duration,
        ),
        Row(("dial_timeout",), "dial_timeout_ns", convert.duration),
        Row(("compression",), "compression", convert.compression_off),
        Row(("remotes",), "remotes", _remotes),
    ),
    refused.LEAFNODES,
)


# --- store


def store(place: Place) -> StoreOptions:
    return StoreOptions(**_STORE.read(place).values)


def _commit_interval(place: Place) -> int:
    interval_ns = convert.duration(place)
    if interval_ns > limits.COMMIT_INTERVAL_MAX_NS:
        raise place.expected(f"at most {limits.COMMIT_INTERVAL_MAX_NS // NS_PER_S}s")
    return interval_ns


_STORE: Final = Block((Row(("commit_interval",), "commit_interval_ns", _commit_interval),))


# --- uplink


def uplink(place: Place) -> UplinkOptions:
    given = _UPLINK.read(place)
    given.need("streams", "streams, an array of what goes upstream")
    return UplinkOptions(**given.values)


def _uplink_streams(place: Place) -> tuple[UplinkStream, ...]:
    streams = tuple(_uplink_stream(item) for item in place.items("streams"))
    if not streams:
        raise place.error("expected at least one stream, got an empty array")
    _no_duplicates(place, [stream.stream for stream in streams], "stream")
    return streams


def _uplink_stream(place: Place) -> UplinkStream:
    given = _UPLINK_STREAM.read(place)
    given.need("stream", "stream, the name of a local stream")
    return UplinkStream(**given.values)


_STREAM_NAME: Final = convert.name_of("stream name")
_UPLINK_STREAM: Final = Block(
    (
        Row(("stream",), "stream", _STREAM_NAME),
        Row(("hub_stream",), "hub_stream", _STREAM_NAME),
        Row(("domain",), "domain", convert.name_of("domain")),
        Row(("subject_prefix",), "subject_prefix", convert.subject_prefix),
        Row(
            ("window", "window_bytes"),
            "window_bytes",
            convert.number(1, _WINDOW_BYTES_MAX, "a size"),
        ),
        Row(("window_msgs",), "window_msgs", convert.number(1, _WINDOW_MSGS_MAX, "a count")),
        Row(("ack_timeout",), "ack_timeout_ns", convert.duration),
    )
)
_UPLINK: Final = Block(
    (
        Row(("streams",), "streams", _uplink_streams),
        Row(("account",), "account", convert.local_account),
    )
)


# --- serial


def serial(place: Place) -> SerialOptions:
    given = _SERIAL.read(place)
    given.need("ports", "ports, an array of serial ports")
    return SerialOptions(**given.values)


def _serial_ports(place: Place) -> tuple[SerialPort, ...]:
    ports = tuple(_serial_port(item) for item in place.items("ports"))
    if not ports:
        raise place.error("expected at least one port, got an empty array")
    _no_duplicates(place, [port.device for port in ports], "device")
    _no_duplicates(place, [port.name for port in ports], "name")
    return ports


def _serial_port(place: Place) -> SerialPort:
    given = _SERIAL_PORT.read(place)
    given.need("device", "device, like /dev/serial/by-id/…")
    given.need("name", "name, one token that subjects and status may use")
    given.need("subject", "subject, where readings are published")
    port = SerialPort(**given.values)
    if problem := convert.template_problem(port.subject, port.name, framing=port.framing):
        raise given.places["subject"].error(problem)
    if port.codec == "csv":
        given.need("fields", "fields, the names of the columns, beside codec csv")
    elif port.fields:
        raise given.places["fields"].error("expected codec csv beside fields")
    if port.keep_first and port.framing != "line":
        raise given.places["keep_first"].error("expected framing line beside keep_first")
    return port


def _fields(place: Place) -> tuple[str, ...]:
    fields = convert.list_of(convert.text, "column names")(place)
    if isinstance(place.node.value, list):
        _no_duplicates(place, list(fields), "field")
    return fields


_SERIAL_PORT: Final = Block(
    (
        Row(("device",), "device", convert.text),
        Row(("name",), "name", convert.name_of("port name")),
        Row(("subject",), "subject", convert.text),
        Row(("baud",), "baud", convert.number(1, _BAUD_MAX, "a baud rate")),
        Row(("framing",), "framing", convert.one_of("line", "link")),
        Row(("codec",), "codec", convert.one_of("text", "json", "csv")),
        Row(("fields",), "fields", _fields),
        Row(
            ("max_frame", "max_frame_bytes"),
            "max_frame_bytes",
            convert.number(1, limits.MIB, "a size"),
        ),
        Row(("stream",), "stream", _STREAM_NAME),
        Row(("keep_first",), "keep_first", convert.boolean),
    )
)
_SERIAL: Final = Block(
    (
        Row(("ports",), "ports", _serial_ports),
        Row(("account",), "account", convert.local_account),
    )
)
