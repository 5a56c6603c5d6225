"""Who somebody is and where from: what a login sees of a connection, and what comes out of it.

Plain values. Knows neither how somebody is checked nor the connection itself: `clients.login` fills
in the facts. Truth: nats-server 2.15.1 server/auth.go, server/client.go fillClientInfo.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING, Final

from leafnode.errors import AuthError
from leafnode.routing.account import GLOBAL_ACCOUNT

if TYPE_CHECKING:
    from collections.abc import Iterable

    from leafnode.auth.certificate import Certificate
    from leafnode.routing.permissions import Permissions

UNLIMITED: Final = -1
# What nats-server calls the end of a connection whose login did not hold.
REFUSED: Final = "Authentication Failure"
PROXY_REQUIRED: Final = "Proxy Required"
PROXY_NOT_TRUSTED: Final = "Proxy Not Trusted"


class ConnectionType(Enum):
    """How somebody came in, by the names that configurations and JWTs use."""

    STANDARD = "STANDARD"
    WEBSOCKET = "WEBSOCKET"
    LEAFNODE = "LEAFNODE"
    LEAFNODE_WS = "LEAFNODE_WS"
    MQTT = "MQTT"
    MQTT_WS = "MQTT_WS"
    IN_PROCESS = "IN_PROCESS"


@dataclass(frozen=True, slots=True)
class PeerFacts:
    """What a login may know of the connection it comes from.

    `nonce` is what INFO asked to be signed, empty for nothing. `certificate` is the client's own,
    verified by TLS; `map_certificate` says that it names the user (`verify_and_map`).
    `no_auth_user` is the listener's own, which goes before the server's. `proxy` is the key of the
    trusted proxy that vouched for the connection, empty for none.
    """

    nonce: bytes = b""
    kind: ConnectionType = ConnectionType.STANDARD
    ip: str = ""
    cid: int = 0
    certificate: Certificate | None = None
    map_certificate: bool = False
    tls_version: str = ""
    tls_cipher: str = ""
    no_auth_user: str = ""
    proxy: str = ""


@dataclass(frozen=True, slots=True)
class Identity:
    """Who logged in, and what that allows (permissions None: everything; limits -1: none).

    `expires_ns` is wall time, 0 for never. `key` is the user's public key, `issuer` the account
    key that signed a JWT, `issued_s` when. `proof` is equal for two identities that the same
    secret proves: a reload keeps those. `default_permissions`: they are the account's, not the
    user's own. `jwt` is what CONNECT brought, for monitoring: none that lets anybody in who
    reads it (a bearer's), and none of more than SHOWN_JWT_CHARS_MAX.
    """

    account: str = GLOBAL_ACCOUNT
    user: str = ""
    permissions: Permissions | None = None
    connection_types: frozenset[ConnectionType] = frozenset()
    max_subscriptions: int = UNLIMITED
    max_payload_bytes: int = UNLIMITED
    expires_ns: int = 0
    key: str = ""
    name_tag: str = ""
    tags: tuple[str, ...] = ()
    issuer: str = ""
    issued_s: int = 0
    is_bearer: bool = False
    default_permissions: bool = False
    proof: bytes = field(default=b"", repr=False)
    jwt: str = field(default="", repr=False)


ANYBODY: Final = Identity()


class LoginRefused(AuthError):  # noqa: N818 -- what happened, not what is wrong
    """Credentials that do not hold. One text for every reason: it must teach nothing.

    `reason` is for the log, `state` is what monitoring calls such an end. `asked` is the account
    that hears of it, and `told` what it hears: whose service was to decide, or where somebody was
    who is let in no more; empty: where those are who are nobody yet. `warning` and `error` are
    lines of the log besides: on what an operator has to look into, and on this client.
    """

    def __init__(self, reason: str = "", *, state: str = REFUSED) -> None:
        super().__init__(reason)
        self.reason = reason
        self.state = state
        self.asked = ""
        self.told = state
        self.warning = self.error = ""

    def __str__(self) -> str:
        return "Authorization Violation"


class LoginsOverflowed(LoginRefused):
    """Too many logins are being checked: nobody knows whether this one would hold."""


class UserRemoved(LoginRefused):
    """Nobody has that name any more: nats-server ends such a connection without a word."""


def connection_types(names: Iterable[str]) -> frozenset[ConnectionType]:
    """Return the types that are known by these names, in any case."""
    known = ConnectionType.__members__
    return frozenset(known[name.upper()] for name in names if name.upper() in known)
