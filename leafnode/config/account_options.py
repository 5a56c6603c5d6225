"""What an account is made of, as frozen dataclasses: from `accounts { … }` and from account JWTs.

Knows names, types and defaults; not what an option does. Truth: nats-server 2.15.1
server/accounts.go and server/opts.go parseAccounts; server/jwt.go for what a JWT says.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from leafnode.config.options import PermissionsOptions, User
    from leafnode.config.parser import Node

UNLIMITED = -1
ONE_SERVER = "R1"  # the tier of what has no replicas
PUBLIC: None = None  # `Export.accounts` of an export that everybody may import


class ResponseType(Enum):
    """How many messages a service's answer has."""

    SINGLETON = "singleton"
    STREAM = "stream"
    CHUNKED = "chunked"


@dataclass(frozen=True, slots=True)
class LatencyOptions:
    """Where measurements of a service go. `sampling_percent` 0: only what a request's header asks
    for.
    """

    subject: str
    sampling_percent: int = 100


@dataclass(frozen=True, slots=True)
class StreamExport:
    """Subjects that other accounts may receive.

    `accounts` is PUBLIC (None) or the names of those that may import. `account_token_position`,
    from 1, is the token that must be the importer's name; 0: none. `token_required`: importers
    need an activation (JWT accounts only).
    """

    subject: str
    accounts: tuple[str, ...] | None = PUBLIC
    account_token_position: int = 0
    token_required: bool = False


@dataclass(frozen=True, slots=True)
class ServiceExport:
    """Subjects that other accounts may send requests to."""

    subject: str
    accounts: tuple[str, ...] | None = PUBLIC
    account_token_position: int = 0
    token_required: bool = False
    response_type: ResponseType = ResponseType.SINGLETON
    threshold_ns: int = 0  # how long an answer may take; 0: nats-server's default
    latency: LatencyOptions | None = None
    allow_trace: bool = False


@dataclass(frozen=True, slots=True)
class StreamImport:
    """Subjects of another account that are received here, as `to` or below `prefix`.

    `activated` says that a token of the exporter allows it (JWT accounts only).
    `node` says where the configuration asks for it, for errors about it; None for a JWT.
    """

    account: str
    subject: str
    to: str = ""
    prefix: str = ""
    allow_trace: bool = False
    activated: bool = False
    node: Node | None = field(default=None, compare=False)


@dataclass(frozen=True, slots=True)
class ServiceImport:
    """Requests on `to` (empty: on `subject`) go to another account's `subject`.

    `share`: the answering side may learn who asks. `activated` as for streams.
    """

    account: str
    subject: str
    to: str = ""
    share: bool = False
    activated: bool = False
    node: Node | None = field(default=None, compare=False)


@dataclass(frozen=True, slots=True)
class Destination:
    """One of the subjects that a mapping chooses from; `cluster` names where it holds."""

    subject: str
    weight_percent: int = 100
    cluster: str = ""


@dataclass(frozen=True, slots=True)
class Mapping:
    """What is published on `source` is routed as one of `destinations`; what their weights leave
    open is dropped.
    """

    source: str
    destinations: tuple[Destination, ...]
    node: Node | None = field(default=None, compare=False)


@dataclass(frozen=True, slots=True)
class AccountLimits:
    """Bounds of one account; -1 is unlimited. `max_payload_bytes` bounds each message."""

    max_connections: int = UNLIMITED
    max_subscriptions: int = UNLIMITED
    max_payload_bytes: int = UNLIMITED
    max_leafnodes: int = UNLIMITED


@dataclass(frozen=True, slots=True)
class AccountJetStream:
    """What one account may store; -1 is unlimited.

    `tiers`: what its JWT has instead, by number of replicas; what holds here is the one of R1.
    """

    max_memory_bytes: int = UNLIMITED
    max_file_bytes: int = UNLIMITED
    max_streams: int = UNLIMITED
    max_consumers: int = UNLIMITED
    max_ack_pending: int = UNLIMITED
    max_memory_stream_bytes: int = UNLIMITED
    max_file_stream_bytes: int = UNLIMITED
    max_bytes_required: bool = False
    tiers: tuple[tuple[str, AccountJetStream], ...] = ()

    @property
    def has_tier(self) -> bool:
        """Whether something holds for streams on one server."""
        return not self.tiers or any(name == ONE_SERVER for name, _ in self.tiers)


@dataclass(frozen=True, slots=True)
class AccountOptions:
    """One account. `default_permissions` hold for its users that have none of their own.

    `name_tag` is what people call an account whose `name` is a public key. `jetstream` None: the
    account has none. `trace_dest` is where traces of messages that carry `traceparent` go.
    """

    name: str
    users: tuple[User, ...] = ()
    stream_exports: tuple[StreamExport, ...] = ()
    service_exports: tuple[ServiceExport, ...] = ()
    stream_imports: tuple[StreamImport, ...] = ()
    service_imports: tuple[ServiceImport, ...] = ()
    mappings: tuple[Mapping, ...] = ()
    default_permissions: PermissionsOptions | None = None
    limits: AccountLimits = AccountLimits()
    jetstream: AccountJetStream | None = None
    name_tag: str = ""
    tags: tuple[str, ...] = ()
    trace_dest: str = ""
    trace_sampling_percent: int = 100
