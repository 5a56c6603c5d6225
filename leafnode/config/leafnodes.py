"""The `leafnodes` block: hubs that are dialed, and the port for leafs that dial us.

Knows its keys and the rules among its values; opens no file. Truth: nats-server 2.15.1
server/opts.go parseLeafNodes, server/leafnode.go validateLeafNode; docs/configuration.md.
"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any, Final
from urllib.parse import unquote, urlsplit

from leafnode import limits
from leafnode.clock import NS_PER_S
from leafnode.config import convert, refused, taken, tls
from leafnode.config.authorization import login_seconds
from leafnode.config.compression import compression
from leafnode.config.listener_options import LeafAuthorization, LeafListener, LeafUser
from leafnode.config.options import HttpProxy, LeafOptions, LeafRemote, TlsOptions
from leafnode.config.place import Block, Place, Row
from leafnode.errors import quoted

_VERSION: Final = re.compile(r"v?(\d{1,9})\.(\d{1,9})\.(\d{1,9})(-.*)?")
_OLDEST: Final = (2, 8, 0)
_INSECURE: Final = (
    "TLS certificate chain and hostname of solicited leafnodes will not be verified. DO NOT USE IN "
    "PRODUCTION!"
)
_PROXY_PORTS: Final = {"http": 80, "https": 443}
_LISTENER_FIELDS: Final = (
    "host",
    "port",
    "advertise",
    "authorization",
    "tls",
    "min_version",
    "compression",
)


def leafnodes(place: Place) -> LeafOptions:
    values = _LEAFNODES.read(place).values
    own_tls = values.get("tls")
    pins = own_tls.pinned_certs if own_tls is not None else frozenset()
    # The remotes' own dial_timeout goes before that of the block around them.
    shared = (
        {"dial_timeout_ns": values.pop("dial_timeout_ns")} if "dial_timeout_ns" in values else {}
    )
    remotes = tuple(
        LeafRemote(**(shared | {"pinned_certs": _pins(remote) or pins} | remote))
        for remote in values.pop("remotes", ())
    )
    return LeafOptions(remotes=remotes, listener=_listener(values), **values)


def _pins(remote: dict[str, Any]) -> frozenset[str]:
    found: TlsOptions | None = remote.get("tls")
    return found.pinned_certs if found is not None else frozenset()


def _listener(values: dict[str, Any]) -> LeafListener | None:
    """Take what is the port's own out of the block; None: no port is given, nobody is let in."""
    convert.fold_listen(values)
    own = {name: values.pop(name) for name in _LISTENER_FIELDS if name in values}
    if not own.get("port"):
        return None
    if not own.get("authorization", LeafAuthorization()).timeout_ns and "tls" in own:
        # A handshake may take its time, and the login comes behind it.
        authorization = own.get("authorization", LeafAuthorization())
        timeout_ns = own["tls"].timeout_ns + NS_PER_S
        own["authorization"] = replace(authorization, timeout_ns=timeout_ns)
    return LeafListener(**own)


def _authorization(place: Place) -> LeafAuthorization:
    given = _AUTHORIZATION.read(place)
    if "users" in given.values:
        for name in ("user", "nkey"):
            if given.values.get(name):
                shown = "user/pass" if name == "user" else "nkey"
                raise place.error(f"can not have a single {shown} and a users array")
    return LeafAuthorization(**given.values)


def _users(place: Place) -> tuple[LeafUser, ...]:
    found = []
    names = set()
    for item in place.items("users"):
        given = _USER.read(item)
        given.need("user", "user and password")
        user = LeafUser(**given.values)
        if user.user in names:
            problem = f"duplicate user {quoted(user.user)} detected in leafnode authorization"
            raise item.error(problem)
        names.add(user.user)
        found.append(user)
    return tuple(found)


def _min_version(place: Place) -> str:
    text = convert.text(place)
    found = _VERSION.fullmatch(text)
    if found is None:
        raise place.error("invalid leafnode's minimum version: invalid semver")
    if tuple(int(number) for number in found.groups()[:3]) < _OLDEST:
        raise place.error("the minimum version should be at least 2.8.0")
    return text


def _remotes(place: Place) -> tuple[dict[str, Any], ...]:
    remotes = tuple(_remote(item) for item in place.items("remotes"))
    keys = ("urls", "account", "credentials", "nkey")
    same = [tuple(remote.get(key) for key in keys) for remote in remotes]
    for index, item in enumerate(place.items("remotes")):
        if same[index] in same[:index]:
            raise item.error("one with the same urls, account and credentials stands before it")
    return remotes


def _remote(place: Place) -> dict[str, Any]:
    given = _REMOTE.read(place)
    given.need("urls", 'url, like "nats-leaf://host:7422"')
    given.exclude("credentials", "nkey", "expected credentials or nkey, not both")
    if len({url.startswith(("ws://", "wss://")) for url in given.values["urls"]}) > 1:
        problem = "remote leaf node configuration cannot have a mix of websocket and non-websocket "
        raise given.places["urls"].error(problem + "urls")
    return given.values


def _proxy(place: Place) -> HttpProxy | None:
    given = _PROXY.read(place)
    values = given.values
    address = values.pop("url", "")
    if not address:
        return None
    host, port, user, password = address
    if bool(values.get("user")) is not bool(values.get("password")):
        raise place.error("proxy username and password must both be specified or both be empty")
    if not values.get("user"):
        values.update(user=user, password=password)
    return HttpProxy(host=host, port=port, **values)


def _proxy_url(place: Place) -> tuple[str, int, str, str] | None:
    """The address of a proxy, and its login where the URL has one. Errors show neither."""
    text = convert.or_default("", convert.secret)(place)
    if not text:
        return None
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError:
        raise place.error("invalid proxy URL") from None
    if parts.scheme not in _PROXY_PORTS:
        got = parts.scheme if "@" not in parts.scheme else "…"
        raise place.error(f"proxy URL scheme must be http or https, got: {got}")
    if not parts.hostname or convert.host_problem(parts.hostname):
        raise place.error("proxy URL must specify a host")
    if parts.scheme == "https":
        place.warn("the proxy is spoken to without TLS, as nats-server does")
    user, password = unquote(parts.username or ""), unquote(parts.password or "")
    return parts.hostname, port or _PROXY_PORTS[parts.scheme], user, password


def dialer_tls(place: Place) -> TlsOptions:
    """Return the TLS of whoever dials: a remote, or the fetching of account JWTs."""
    given = _TLS.read(place)
    tls.fold_pair(given, place)
    if given.values.get("insecure"):
        given.places["insecure"].warn(_INSECURE)
    return TlsOptions(**given.values, where=place.where)


def _first(place: Place) -> bool:
    """Whether TLS comes before the hub's INFO; a delay is a listener's matter."""
    return tls.first(place)[0]


_TLS: Final = Block(
    (
        Row(("ca_file",), "ca_file", convert.text_or("")),
        *tls.PAIR_ROWS,
        Row(("handshake_first", "first", "immediate"), "handshake_first", _first),
        Row(("timeout",), "timeout_ns", convert.seconds(limits.LEAF_CONNECT_INFO_TIMEOUT_NS)),
        Row(("min_version",), "min_version", tls.min_version),
        Row(("cipher_suites",), "cipher_suites", convert.list_of(tls.suite, "cipher suites")),
        Row(("curve_preferences",), "curve_preferences", convert.list_of(tls.curve, "curves")),
        Row(("pinned_certs",), "pinned_certs", tls.pins),
        Row(("insecure",), "insecure", convert.boolean),
    ),
    refused.TLS,
    taken.REMOTE_TLS,
)
_SUBJECTS: Final = convert.list_of(convert.subject, "subjects", may_be_empty=True)
_PROXY: Final = Block(
    (
        Row(("url",), "url", _proxy_url),
        Row(("username",), "user", convert.or_default("", convert.secret)),
        Row(("password",), "password", convert.or_default("", convert.secret)),
        Row(("timeout",), "timeout_ns", convert.interval()),
    )
)
_REMOTE: Final = Block(
    (
        Row(("url", "urls"), "urls", convert.list_of(convert.leaf_url, "urls")),
        Row(("account", "local"), "account", convert.text_or("$G")),
        Row(("credentials", "creds"), "credentials", convert.text_or("")),
        Row(("nkey", "seed"), "nkey", convert.seed),
        Row(("tls",), "tls", dialer_tls),
        Row(("deny_imports", "deny_import"), "deny_imports", _SUBJECTS),
        Row(("deny_exports", "deny_export"), "deny_exports", _SUBJECTS),
        Row(("no_randomize", "dont_randomize"), "no_randomize", convert.boolean),
        Row(("ignore_discovered_servers",), "ignore_discovered_servers", convert.boolean),
        Row(("disabled",), "disabled", convert.boolean),
        Row(("hub",), "hub", convert.boolean),
        Row(("isolate_leafnode_interest", "isolate"), "isolates", convert.boolean),
        Row(("request_isolation",), "requests_isolation", convert.boolean),
        Row(("dial_timeout",), "dial_timeout_ns", convert.interval(limits.LEAF_DIAL_TIMEOUT_NS)),
        Row(
            ("first_info_timeout",),
            "first_info_timeout_ns",
            convert.interval(limits.LEAF_FIRST_INFO_TIMEOUT_NS),
        ),
        Row(
            ("ws_compression", "ws_compress", "websocket_compress", "websocket_compression"),
            "ws_compression",
            convert.boolean,
        ),
        Row(("ws_no_masking", "websocket_no_masking"), "ws_no_masking", convert.boolean),
        Row(("proxy",), "proxy", _proxy),
        Row(("compression",), "compression", compression),
    ),
    refused.REMOTE,
    taken.REMOTE,
)
_USER: Final = Block(
    (
        Row(("user", "username"), "user", convert.text),
        Row(("password", "pass"), "password", convert.secret),
        Row(("account",), "account", convert.text_or("")),
        Row(("proxy_required",), "proxy_required", convert.boolean),
    )
)
_AUTHORIZATION: Final = Block(
    (
        Row(("user", "username"), "user", convert.text),
        Row(("password", "pass"), "password", convert.secret),
        Row(("nkey",), "nkey", convert.public_nkey("U", "user")),
        Row(("account",), "account", convert.text_or("")),
        Row(("timeout",), "timeout_ns", login_seconds(0)),
        Row(("users",), "users", _users),
        Row(("proxy_required",), "proxy_required", convert.boolean),
    )
)
_LEAFNODES: Final = Block(
    (
        Row(
            ("reconnect", "reconnect_delay", "reconnect_interval"),
            "reconnect_ns",
            convert.interval(limits.LEAF_RECONNECT_NS),
        ),
        Row(("dial_timeout",), "dial_timeout_ns", convert.interval(limits.LEAF_DIAL_TIMEOUT_NS)),
        Row(("remotes",), "remotes", _remotes),
        Row(("listen",), "listen", convert.host_port),
        Row(("host", "net"), "host", convert.host),
        Row(("port",), "port", convert.port),
        Row(("advertise", "leafnode_advertise"), "advertise", convert.advertised),
        Row(("authorization",), "authorization", _authorization),
        Row(("tls",), "tls", tls.listener_tls),
        Row(("min_version", "minimum_version"), "min_version", _min_version),
        Row(("isolate_leafnode_interest", "isolate"), "isolates", convert.boolean),
        Row(("compression",), "compression", compression),
    ),
    taken=taken.LEAFNODES,
)
