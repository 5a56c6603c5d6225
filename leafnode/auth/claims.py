"""The claims of operators, accounts and users as typed values, by the names that they have there.

Plain data with Go's defaults: what is left out is zero, empty or false. Knows no signatures.
Truth: nats-io/jwt v2 operator_claims.go, account_claims.go, user_claims.go, exports.go, imports.go,
activation_claims.go, authorization_claims.go.
"""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any, Final

import msgspec

from leafnode.auth.permissions import permissions_of
from leafnode.auth.tags import Tags
from leafnode.config.options import PermissionsOptions, ResponseOptions, SubjectRules

if TYPE_CHECKING:
    from leafnode.routing.permissions import Permissions as RoutingPermissions

ALL_USERS: Final = "*"  # in revocations
UNLIMITED: Final = -1
UNKNOWN: Final = "unknown"  # whether a stream or a service; what Go calls its zero


class Rules(msgspec.Struct, frozen=True):
    """What may be published, or subscribed to; `allow`: None is no list, and allows everything."""

    allow: tuple[str, ...] | None = None
    deny: tuple[str, ...] = ()


class Responses(msgspec.Struct, frozen=True):
    """How many answers to one request, within how long (nanoseconds)."""

    max: int = 0
    ttl: int = 0


class Permissions(msgspec.Struct, frozen=True):
    """What somebody may do who has nothing of its own."""

    pub: Rules = Rules()
    sub: Rules = Rules()
    resp: Responses | None = None


class TimeRange(msgspec.Struct, frozen=True):
    """From when to when of a day, `15:04:05`."""

    start: str = ""
    end: str = ""


class UserLimits(msgspec.Struct, frozen=True, kw_only=True):
    """What a user, or the template of a scope, says of permissions and limits."""

    pub: Rules = Rules()
    sub: Rules = Rules()
    resp: Responses | None = None
    src: tuple[str, ...] = ()
    times: tuple[TimeRange, ...] = ()
    times_location: str = ""
    subs: int = 0
    data: int = 0
    payload: int = 0
    bearer_token: bool = False
    allowed_connection_types: tuple[str, ...] = ()
    proxy_required: bool = False


class UserBody(UserLimits, frozen=True, kw_only=True, dict=True):
    """`nats` of a user."""

    issuer_account: str = ""
    tags: tuple[str, ...] = ()

    @cached_property
    def tags_by_name(self) -> Tags:
        """What templates look for."""
        return Tags(self.tags)


class Template(UserLimits, frozen=True, kw_only=True):
    """What the users of a scope get. A limit that it does not name is none, unlike a user's."""

    subs: int = -1
    data: int = -1
    payload: int = -1


class Scope(msgspec.Struct, frozen=True):
    """A signing key that may only make users of one template."""

    key: str
    kind: str = ""
    role: str = ""
    template: Template = Template()


class Claims(msgspec.Struct, frozen=True, kw_only=True):
    """What all claims have. Times are seconds since 1970; 0 is never."""

    iss: str
    sub: str = ""
    name: str = ""
    aud: str = ""
    iat: int = 0
    exp: int = 0
    nbf: int = 0

    def holds_at(self, now_s: int) -> bool:
        """Say whether it is neither too early nor too late for it."""
        return not self.untimely_at(now_s)

    def untimely_at(self, now_s: int) -> str:
        """Return why it does not hold at this time, in nats-io/jwt's words; empty: it does."""
        if 0 < self.exp < now_s:
            return "claim is expired"
        return "claim is not yet valid" if self.nbf > max(0, now_s) else ""


class SharedClaims(Claims, frozen=True, kw_only=True):
    """Claims that nats-server watches the end of, which it says a second earlier than of others."""

    def untimely_at(self, now_s: int) -> str:
        """Return why it does not hold at this time, in nats-io/jwt's words; empty: it does."""
        return "claim is expired" if 0 < self.exp <= now_s else super().untimely_at(now_s)


class UserClaims(Claims, frozen=True, kw_only=True):
    """A user."""

    nats: UserBody = UserBody()

    @property
    def account(self) -> str:
        """The account that the user belongs to."""
        return self.nats.issuer_account or self.iss

    @property
    def has_empty_permissions(self) -> bool:
        """Whether it leaves everything to the scope of the key that signed it."""
        own = {name: getattr(self.nats, name) for name in UserLimits.__struct_fields__}
        return UserLimits(**own) == UserLimits()


class OperatorBody(msgspec.Struct, frozen=True):
    """`nats` of an operator."""

    signing_keys: tuple[str, ...] = ()
    account_server_url: str = ""
    system_account: str = ""
    assert_server_version: str = ""
    strict_signing_key_usage: bool = False


class OperatorClaims(Claims, frozen=True, kw_only=True):
    """An operator."""

    nats: OperatorBody = OperatorBody()


class Latency(msgspec.Struct, frozen=True):
    """Where measurements of a service go; `sampling` is a percentage or `headers`."""

    sampling: int | str = 0
    results: str = ""


class Described(msgspec.Struct, frozen=True, kw_only=True):
    """What people are told of an account or an export."""

    description: str = ""
    info_url: str = ""


class ExportClaim(Described, frozen=True, kw_only=True):
    """What an account offers to others."""

    subject: str = ""
    type: str = UNKNOWN
    token_req: bool = False
    revocations: dict[str, int] = {}
    response_type: str = ""
    response_threshold: int = 0
    service_latency: Latency | None = None
    account_token_position: int = 0
    allow_trace: bool = False


class ImportClaim(msgspec.Struct, frozen=True):
    """What an account takes from another."""

    subject: str = ""
    account: str = ""
    token: str = ""
    to: str = ""
    local_subject: str = ""
    type: str = UNKNOWN
    share: bool = False
    allow_trace: bool = False


class WeightedMapping(msgspec.Struct, frozen=True):
    """One destination of a mapping; weight 0 is all of it."""

    subject: str = ""
    weight: int = 0
    cluster: str = ""


class JetStreamTier(msgspec.Struct, frozen=True):
    """What an account may store, here or in one tier."""

    mem_storage: int = 0
    disk_storage: int = 0
    streams: int = 0
    consumer: int = 0
    max_ack_pending: int = 0
    mem_max_stream_bytes: int = 0
    disk_max_stream_bytes: int = 0
    max_bytes_required: bool = False


class AccountLimitClaims(JetStreamTier, frozen=True, kw_only=True):
    """What an account may have."""

    subs: int = 0
    data: int = 0
    payload: int = 0
    imports: int = 0
    exports: int = 0
    wildcards: bool = False
    disallow_bearer: bool = False
    conn: int = 0
    leaf: int = 0
    tiered_limits: dict[str, JetStreamTier] = {}


class ExternalAuthorization(msgspec.Struct, frozen=True):
    """Who decides on an account's logins outside of the server."""

    auth_users: tuple[str, ...] = ()
    allowed_accounts: tuple[str, ...] = ()
    xkey: str = ""


class TraceClaim(msgspec.Struct, frozen=True):
    """Where traces of an account's messages go."""

    dest: str = ""
    sampling: int = 0


class AccountBody(Described, frozen=True, kw_only=True, dict=True):
    """`nats` of an account. `signing_keys` are keys, or scopes with a key in them."""

    imports: tuple[ImportClaim, ...] = ()
    exports: tuple[ExportClaim, ...] = ()
    limits: AccountLimitClaims = AccountLimitClaims()
    signing_keys: tuple[str | Scope, ...] = ()
    revocations: dict[str, int] = {}
    default_permissions: Permissions = Permissions()
    mappings: dict[str, tuple[WeightedMapping, ...]] = {}
    authorization: ExternalAuthorization = ExternalAuthorization()
    trace: TraceClaim | None = None
    cluster_traffic: str = ""
    tags: tuple[str, ...] = ()

    @cached_property
    def default_rules(self) -> RoutingPermissions | None:
        """What users without permissions of their own may do; None: everything. Made once: there
        may be thousands of entries, and all of these users share it.
        """
        return permissions_of(permissions_options(self.default_permissions))

    @cached_property
    def signers(self) -> dict[str, Scope | None]:
        """Who may sign users, each with its scope, if it has one."""
        return {
            key.key if isinstance(key, Scope) else key: key if isinstance(key, Scope) else None
            for key in self.signing_keys
        }

    @cached_property
    def tags_by_name(self) -> Tags:
        """What templates look for, for all users: there may be thousands."""
        return Tags(self.tags)

    @cached_property
    def _proofs(self) -> dict[str, bytes]:
        return {}

    def proof_of(self, key: str) -> bytes:
        """Return what a user of this signing key is proved by as long as its scope says the same:
        made once for all of them, since a template may be long.
        """
        scope = self.signers.get(key)
        if scope is None:
            return b""
        if key not in self._proofs:
            self._proofs[key] = msgspec.json.encode(scope)
        return self._proofs[key]


class AccountClaims(SharedClaims, frozen=True, kw_only=True):
    """An account."""

    nats: AccountBody = AccountBody()


class ActivationBody(msgspec.Struct, frozen=True):
    """`nats` of an activation: which export somebody may import."""

    subject: str = ""
    kind: str = UNKNOWN
    issuer_account: str = ""


class ActivationClaims(SharedClaims, frozen=True, kw_only=True):
    """An activation token."""

    nats: ActivationBody = ActivationBody()


class ResponseBody(msgspec.Struct, frozen=True):
    """`nats` of the answer of an auth callout service."""

    jwt: str = ""
    error: str = ""
    issuer_account: str = ""


class AuthorizationResponse(Claims, frozen=True, kw_only=True):
    """The answer of an auth callout service."""

    nats: ResponseBody = ResponseBody()


class GenericClaims(Claims, frozen=True, kw_only=True):
    """Any other claims, like a request to delete accounts."""

    nats: dict[str, Any] = {}


def permissions_options(claims: UserLimits | Permissions) -> PermissionsOptions | None:
    """Return what claims allow, in the form of a configuration; None: they say nothing."""
    pub, sub, resp = claims.pub, claims.sub, claims.resp
    if not (pub.allow or pub.deny or sub.allow or sub.deny or resp):
        return None
    responses = None
    if resp is not None:
        default = ResponseOptions()
        responses = ResponseOptions(
            max_msgs=resp.max or default.max_msgs, expires_ns=resp.ttl or default.expires_ns
        )
    return PermissionsOptions(
        publish=_subject_rules(pub),
        subscribe=_subject_rules(sub),
        responses=responses,
    )


def _subject_rules(rules: Rules) -> SubjectRules:
    """An allow list with nothing in it allows nothing beside a deny list, and all without one."""
    if rules.allow == () and rules.deny:
        return SubjectRules(("",), rules.deny)  # an entry that stands for nothing
    return SubjectRules(rules.allow or (), rules.deny)


def is_revoked(revocations: dict[str, int], key: str, issued_s: int) -> bool:
    """Say whether what was issued then to this key does not hold any more."""
    return any(name in revocations and revocations[name] >= issued_s for name in (key, ALL_USERS))
