"""The `websocket` block: its keys, and what must hold among them.

Knows names, origins and headers; opens no file. Truth: nats-server 2.15.1 server/opts.go
parseWebsocket, server/websocket.go validateWebsocketOptions; docs/configuration.md.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from leafnode import limits
from leafnode.config import convert
from leafnode.config.listener_options import Websocket, WebsocketAuthorization
from leafnode.config.place import Block, Row
from leafnode.config.tls import listener_tls
from leafnode.errors import quoted

if TYPE_CHECKING:
    from collections.abc import Sequence

    from leafnode.config.options import User
    from leafnode.config.place import Place

_HEADER_NAME: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_COOKIE_NAME: Final = _HEADER_NAME
_OWN_HEADERS: Final = frozenset(
    {"host", "content-length", "connection", "upgrade", "nats-no-masking"}
)
_DEFAULT_PORTS: Final = {"http": 80, "https": 443}


def websocket(place: Place) -> Websocket | None:
    """Return the options, or None where no port is given: then nothing else matters.

    Raises ConfigError.
    """
    given = _WEBSOCKET.read(place)
    values = given.values
    convert.fold_listen(values)
    if not values.get("port"):
        return None
    if values.get("tls") is None and not values.get("no_tls"):
        raise place.error("websocket requires TLS configuration")
    return Websocket(**values)


def check_login(own: Websocket, where: Place, users: Sequence[User], *, has_jwts: bool) -> None:
    """Check the block's login against the users of the file. Raises ConfigError."""
    name = own.no_auth_user
    if name and not any(name in {user.user, user.nkey} for user in users):
        problem = f'no_auth_user: "{name}" not present as user or nkey in authorization block'
        raise where.node.error("websocket.no_auth_user", problem)
    login = own.authorization
    if users and login is not None and (login.user or login.token):
        kind = "username" if login.user else "token"
        problem = f"websocket authentication {kind} not compatible with presence of users/nkeys"
        raise where.node.error("websocket.authorization", problem)
    if own.jwt_cookie and not has_jwts:
        problem = "trusted operators or trusted keys configuration is required for JWT cookies"
        raise where.node.error("websocket.jwt_cookie", problem)


def _authorization(place: Place) -> WebsocketAuthorization:
    given = _AUTHORIZATION.read(place)
    given.exclude("token", "user", "expected token or user and password, not both")
    if "user" in given.values:
        given.need("password", "a password for the user")
    if "password" in given.values:
        given.need("user", "a user for the password")
    return WebsocketAuthorization(**given.values)


def origin_of(text: str) -> tuple[str, str, int]:
    """Return scheme, host and port of an allowed origin. Raises ValueError."""
    parts = urlsplit(text)
    port = parts.port
    if parts.scheme not in _DEFAULT_PORTS:
        raise ValueError(": allowed origins must be absolute URLs with http or https scheme")
    if not parts.hostname:
        raise ValueError(": host is required")
    return parts.scheme, parts.hostname, _DEFAULT_PORTS[parts.scheme] if port is None else port


def _origin(place: Place) -> str:
    text = convert.text(place)
    try:
        origin_of(text)
    except ValueError as error:
        why = str(error) if str(error).startswith(": ") else ""  # urlsplit's words say less
        raise place.error(f"unable to parse allowed origin {quoted(text)}{why}") from None
    return text


def _origins(place: Place) -> tuple[str, ...]:
    if isinstance(place.node.value, list):
        return tuple(_origin(item) for item in place.items("origins"))
    return (_origin(place),)


def _headers(place: Place) -> tuple[tuple[str, str], ...]:
    found = []
    for name, node in place.entries().items():
        where = place.child(name, node)
        lower = name.lower()
        if lower in _OWN_HEADERS:
            raise where.error(f"invalid header {quoted(name)} not allowed")
        if lower.startswith("sec-websocket-"):
            raise where.error(f'invalid header {quoted(name)}, "Sec-WebSocket-" prefix not allowed')
        if not _HEADER_NAME.fullmatch(name):
            raise where.error(f"{quoted(name)} is no name of a header")
        value = convert.text(where)
        if not value.isascii():
            raise where.expected("a header's value in ASCII")
        found.append((name, value))
    return tuple(found)


def _cookie(place: Place) -> str:
    name = convert.text_or("")(place)
    if name and not _COOKIE_NAME.fullmatch(name):
        raise place.expected("the name of a cookie")
    return name


def _advertised(place: Place) -> str:
    """As it is written: nobody is told of it here, and it has to be an address all the same."""
    convert.advertised(place)
    return convert.text_or("")(place)


_AUTHORIZATION: Final = Block(
    (
        Row(("user", "username"), "user", convert.text),
        Row(("password", "pass"), "password", convert.secret),
        Row(("token",), "token", convert.secret),
        Row(("timeout",), "timeout_ns", convert.seconds(0)),
    )
)
_WEBSOCKET: Final = Block(
    (
        Row(("listen",), "listen", convert.host_port),
        Row(("host", "net"), "host", convert.host),
        Row(("port",), "port", convert.port),
        Row(("advertise",), "advertise", _advertised),
        Row(("no_tls",), "no_tls", convert.boolean),
        Row(("tls",), "tls", listener_tls),
        Row(("same_origin",), "same_origin", convert.boolean),
        Row(
            (
                *("allowed_origins", "allowed_origin", "allow_origins", "allow_origin"),
                *("origins", "origin"),
            ),
            "allowed_origins",
            _origins,
        ),
        Row(("compression", "compress"), "compression", convert.boolean),
        Row(
            ("handshake_timeout",),
            "handshake_timeout_ns",
            convert.seconds(limits.WEBSOCKET_HANDSHAKE_NS),
        ),
        Row(("ping_interval",), "ping_interval_ns", convert.interval()),
        Row(("jwt_cookie",), "jwt_cookie", _cookie),
        Row(("user_cookie",), "user_cookie", _cookie),
        Row(("pass_cookie",), "pass_cookie", _cookie),
        Row(("token_cookie",), "token_cookie", _cookie),
        Row(("no_auth_user",), "no_auth_user", convert.text_or("")),
        Row(("authorization", "authentication"), "authorization", _authorization),
        Row(("headers",), "headers", _headers),
    )
)
