"""What a listener is configured with: TLS, WebSocket, leafs, as frozen dataclasses.

Knows names, types and defaults; not what an option does. Truth: nats-server 2.15.1 server/opts.go
TLSConfigOpts, WebsocketOpts.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from leafnode import limits
from leafnode.protocol.leaf_compression import NO_COMPRESSION, Compression

if TYPE_CHECKING:
    from leafnode.config.options import HostPort


@dataclass(frozen=True, slots=True)
class CertificatePair:
    """Paths of a certificate with its chain and of its key, both PEM."""

    cert_file: str
    key_file: str


@dataclass(frozen=True, slots=True)
class ListenerTls:
    """`tls { … }` of a listener. `ca_file` empty: the system's roots check clients.

    `pairs`: the first is shown unless another fits the name that a client asks for. `cipher_suites`
    and `curve_preferences` by Go's names, empty for ours. `handshake_first`: no INFO before TLS;
    `fallback_ns` above zero: INFO after that time of silence all the same. `pinned_certs`: hex of
    SHA-256 over the SubjectPublicKeyInfo, a client must show one of them. `rate_limit`: handshakes
    in a second, 0 for no limit.
    """

    pairs: tuple[CertificatePair, ...] = ()
    ca_file: str = ""
    verify: bool = False
    verify_and_map: bool = False
    timeout_ns: int = limits.TLS_TIMEOUT_NS
    handshake_first: bool = False
    fallback_ns: int = 0
    min_version: str = "1.2"
    cipher_suites: tuple[str, ...] = ()
    curve_preferences: tuple[str, ...] = ()
    pinned_certs: frozenset[str] = frozenset()
    rate_limit: int = 0
    where: str = field(default="", compare=False)  # file:line:column, for errors of the files


@dataclass(frozen=True, slots=True)
class LeafUser:
    """One entry of `leafnodes { authorization { users } }`. `account` empty: the global one."""

    user: str = ""
    password: str = field(default="", repr=False)
    account: str = ""
    proxy_required: bool = False


@dataclass(frozen=True, slots=True)
class LeafAuthorization:
    """`leafnodes { authorization { … } }`: with somebody in it nobody else may come as a leaf.

    `account` is that of `user` or `nkey`, and where nobody needs a login, everybody's.
    """

    user: str = ""
    password: str = field(default="", repr=False)
    nkey: str = ""
    account: str = ""
    timeout_ns: int = 0  # 0: the default
    users: tuple[LeafUser, ...] = ()
    proxy_required: bool = False

    @property
    def names(self) -> bool:
        """Whether it names somebody."""
        return bool(self.user or self.nkey or self.users)


@dataclass(frozen=True, slots=True)
class LeafListener:
    """The port for leafs that dial us. `advertise`: what they are told instead of host and port."""

    host: str = "0.0.0.0"  # noqa: S104 -- nats-server's default
    port: int = 0
    advertise: HostPort | None = None
    authorization: LeafAuthorization = LeafAuthorization()
    tls: ListenerTls | None = None
    min_version: str = ""
    compression: Compression = NO_COMPRESSION


@dataclass(frozen=True, slots=True)
class WebsocketAuthorization:
    """`websocket { authorization { … } }`: it goes before the server's own for this listener."""

    user: str = ""
    password: str = field(default="", repr=False)
    token: str = field(default="", repr=False)
    timeout_ns: int = 0  # 0: the server's


@dataclass(frozen=True, slots=True)
class Websocket:
    """`websocket { … }`. Either `tls` or `no_tls`."""

    host: str = "0.0.0.0"  # noqa: S104 -- nats-server's default
    port: int = 0
    advertise: str = ""
    no_tls: bool = False
    tls: ListenerTls | None = None
    same_origin: bool = False
    allowed_origins: tuple[str, ...] = ()  # as written
    compression: bool = False
    handshake_timeout_ns: int = limits.WEBSOCKET_HANDSHAKE_NS
    ping_interval_ns: int = 0  # 0: the server's
    jwt_cookie: str = ""
    user_cookie: str = ""
    pass_cookie: str = ""
    token_cookie: str = ""
    no_auth_user: str = ""
    authorization: WebsocketAuthorization | None = None
    headers: tuple[tuple[str, str], ...] = ()
