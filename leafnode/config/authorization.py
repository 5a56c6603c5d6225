"""Who may connect and what they may do: `authorization`, its users and their permissions.

Knows the keys and the rules among their values; `accounts` has the same users. It does not know how
somebody is checked. Truth: nats-server 2.15.1 server/opts.go parseAuthorization (measured).
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

from leafnode.clock import NS_PER_S
from leafnode.config import convert
from leafnode.config.options import (
    GLOBAL_ACCOUNT,
    AuthCalloutOptions,
    Authorization,
    PermissionsOptions,
    User,
)
from leafnode.config.permissions import permissions
from leafnode.config.place import Block, Given, Place, Row, no_duplicates, shown
from leafnode.errors import quoted

if TYPE_CHECKING:
    from collections.abc import Callable

    from leafnode.config.options import Options

_LOGIN_MAX_NS: Final = 60 * NS_PER_S


def authorization(place: Place) -> Authorization:
    given = _AUTHORIZATION.read(place)
    default: PermissionsOptions | None = given.values.pop("permissions", None)
    given.exclude("user", "users", "expected user or users, not both")
    given.exclude("token", "users", "expected token or users, not both")
    given.exclude("token", "user", "expected token or user and password, not both")
    if "user" in given.values:
        given.need("password", "a password for the user")
    if "users" in given.values:
        # Beside users it lets nobody in: the manual of NATS has one there as a variable, `PASS`.
        given.values.pop("password", None)
    _user_for_password(given)
    if default is not None:
        # On nats-server they are silently without effect on a single user.
        given.need("users", "users: default permissions hold only for entries of users")
        given.values["users"] = tuple(
            replace(user, permissions=user.permissions or default) for user in given.values["users"]
        )
    return Authorization(**given.values)


def _user_for_password(given: Given) -> None:
    if "password" in given.values and "user" not in given.values:
        # nats-server takes a password alone and then lets everybody in.
        raise given.places["password"].error("expected a user for the password")


def users_of(options: Options) -> tuple[User, ...]:
    """Return all users that a configuration names."""
    of_accounts = (user for account in options.accounts for user in account.users)
    return (*options.authorization.users, *of_accounts)


def trusted_proxies(place: Place) -> tuple[str, ...]:
    """The keys of `proxies { trusted [{key}] }`."""
    values = _PROXIES.read(place).values
    trusted: tuple[str, ...] = values.get("trusted", ())
    return trusted


def _trusted(place: Place) -> tuple[str, ...]:
    return tuple(_trusted_key(item) for item in place.items("proxies"))


def _trusted_key(place: Place) -> str:
    given = _TRUSTED.read(place)
    given.need("key", "key, the public nkey of the proxy")
    key: str = given.values["key"]
    return key


def users(place: Place) -> tuple[User, ...]:
    found = tuple(user(item) for item in place.items("users"))
    if not found:
        raise place.error("expected at least one user, got an empty array")
    no_duplicates(place, [user.user or user.nkey for user in found], "user")
    return found


def user(place: Place) -> User:
    """One user. Whether it may go without a password the whole configuration decides."""
    given = _USER.read(place)
    for name in ("user", "password"):
        given.exclude("nkey", name, "expected nkey or user and password, not both")
    if "nkey" not in given.values:
        given.need("user", "user and password, or nkey")
        _user_for_password(given)
    return User(**given.values)


def _auth_callout(place: Place) -> AuthCalloutOptions:
    given = _AUTH_CALLOUT.read(place)
    given.need("issuer", "issuer, the public key of the account whose answers count")
    given.need("auth_users", "auth_users: the callout service's own logins")
    return AuthCalloutOptions(**given.values)


def check_callout(options: Options, given: Given) -> None:
    """Check that the accounts and users that an auth callout names exist. Raises ConfigError."""
    callout = options.authorization.auth_callout
    if callout is None:
        return
    where = given.places["authorization"]
    accounts = {account.name for account in options.accounts}
    for name in callout.allowed_accounts:
        if name not in accounts:
            problem = (
                f"auth_callout allowed account {quoted(name)} not found in configured accounts"
            )
            raise where.error(problem)
    if callout.account not in accounts | {GLOBAL_ACCOUNT, options.system_account}:
        raise where.error(f"authorization callout account {quoted(callout.account)} not valid")
    known = {name for user in users_of(options) for name in (user.user, user.nkey)}
    for name in callout.auth_users:
        if name not in known | {options.authorization.user}:
            raise where.error(f"authorization callout user {quoted(name)} not valid")


def _connection_types(place: Place) -> tuple[str, ...]:
    if isinstance(place.node.value, str):
        return (_connection_type(place),)
    return tuple(_connection_type(item) for item in place.items("connection types"))


def _connection_type(place: Place) -> str:
    value = place.node.value
    if not isinstance(value, str) or value.upper() not in _CONNECTION_TYPES:
        raise place.error(f"unknown connection type {shown(place.node)}")
    return value.upper()


_CONNECTION_TYPES: Final = frozenset(
    ["STANDARD", "WEBSOCKET", "LEAFNODE", "LEAFNODE_WS", "MQTT", "MQTT_WS", "IN_PROCESS"]
)
_USER: Final = Block(
    (
        Row(("user", "username"), "user", convert.text),
        Row(("password", "pass"), "password", convert.secret),
        Row(("nkey",), "nkey", convert.public_nkey("U", "user")),
        Row(
            ("allowed_connection_types", "connection_types", "clients"),
            "allowed_connection_types",
            _connection_types,
        ),
        Row(("proxy_required",), "proxy_required", convert.boolean),
        Row(("permissions", "permission", "authorization"), "permissions", permissions),
    ),
)
_AUTH_CALLOUT: Final = Block(
    (
        Row(("issuer",), "issuer", convert.public_nkey("A", "account")),
        Row(("account", "acc"), "account", convert.text),
        Row(("auth_users", "users"), "auth_users", convert.list_of(convert.text, "users")),
        Row(("xkey", "key"), "xkey", convert.public_nkey("X", "curve key")),
        Row(
            ("allowed_accounts",),
            "allowed_accounts",
            convert.list_of(convert.text, "accounts"),
        ),
    ),
)


def login_seconds(default_ns: int) -> Callable[[Place], int]:
    """Return a converter of how long a login may take: more than a minute is a slip, as there."""
    read = convert.seconds(default_ns)

    def take(place: Place) -> int:
        value_ns = read(place)
        if value_ns > _LOGIN_MAX_NS:
            raise place.expected("at most 60 seconds")
        return value_ns

    return take


_TRUSTED: Final = Block((Row(("key", "public_key"), "key", convert.any_public_nkey),))
_PROXIES: Final = Block((Row(("trusted",), "trusted", _trusted),))
_AUTHORIZATION: Final = Block(
    (
        Row(("user", "username"), "user", convert.text),
        Row(("password", "pass"), "password", convert.secret),
        Row(("token",), "token", convert.secret),
        Row(("users",), "users", users),
        Row(("timeout",), "timeout_ns", login_seconds(0)),
        Row(
            ("default_permissions", "default_permission", "permissions"),
            "permissions",
            permissions,
        ),
        Row(("proxy_required",), "proxy_required", convert.boolean),
        Row(("auth_callout", "auth_hook"), "auth_callout", _auth_callout),
    ),
)
