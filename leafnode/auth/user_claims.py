"""A user's JWT judged against its account: may it come in, as whom, and until when.

Pure: claims, facts and the time are parameters. Truth: nats-server 2.15.1 server/auth.go
processClientOrLeafAuthentication; nats-io/jwt v2 user_claims.go (Validate).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from leafnode.auth import nkey, times
from leafnode.auth.account_check import permission_problems
from leafnode.auth.base64url import raw_url_or_standard
from leafnode.auth.claims import is_revoked, permissions_options
from leafnode.auth.identity import PROXY_REQUIRED, Identity, LoginRefused, connection_types
from leafnode.auth.permissions import permissions_of
from leafnode.auth.templates import filled_in, is_long
from leafnode.clock import NS_PER_S
from leafnode.errors import AuthError
from leafnode.protocol import errors

if TYPE_CHECKING:
    from leafnode.auth.claims import AccountClaims, UserClaims, UserLimits
    from leafnode.auth.identity import PeerFacts
    from leafnode.auth.trust import Trust


@dataclass(frozen=True, slots=True)
class Moment:
    """When something is judged, and by whose rules."""

    now_ns: int
    trust: Trust

    @property
    def now_s(self) -> int:
        return self.now_ns // NS_PER_S


def check_claims(user: UserClaims, moment: Moment) -> None:
    """Raise LoginRefused for what needs no account to see. Nothing here costs a lookup."""
    if not nkey.is_public_key(user.sub, "U"):
        raise LoginRefused("the subject of a user JWT is not a user's key")
    if not nkey.is_public_key(user.account, "A"):
        raise LoginRefused("account_id is not an account public key")
    if not user.holds_at(moment.now_s):
        early = user.nbf > moment.now_s
        reason = "user JWT not yet valid" if early else "user JWT no longer valid"
        if early or user.iat > moment.now_s:
            # A board without a clock of its own starts in the past.
            reason += "; it is from the future: is this machine's clock right?"
        raise LoginRefused(reason)
    _check_permissions(user.nats)


def identity_of(
    user: UserClaims,
    account: AccountClaims,
    facts: PeerFacts,
    moment: Moment,
) -> Identity:
    """Return who the user is by its JWT alone; `check_signature` is for the caller.

    Raises LoginRefused.
    """
    if not account.holds_at(moment.now_s):
        raise LoginRefused("account JWT has expired")
    limits = effective_limits(user, account, moment.trust)
    if limits.proxy_required and not facts.proxy:
        raise LoginRefused("proxy connection required", state=PROXY_REQUIRED)
    if limits.bearer_token and account.nats.limits.disallow_bearer:
        raise LoginRefused("account does not allow bearer tokens")
    kinds = connection_types(limits.allowed_connection_types)
    if limits.allowed_connection_types and facts.kind not in kinds:
        raise LoginRefused("connection type not allowed")
    if is_revoked(account.nats.revocations, user.sub, user.iat):
        raise LoginRefused("user authentication revoked")
    if not times.comes_from(limits.src, facts.ip):
        refusal = LoginRefused("address not allowed")
        refusal.error = f"Bad src Ip {facts.ip}"
        raise refusal
    until_ns = _until_ns(user, limits, moment)
    own = permissions_options(limits)
    return Identity(
        account=account.sub,
        user=user.sub,
        permissions=account.nats.default_rules if own is None else permissions_of(own),
        connection_types=kinds,
        max_subscriptions=limits.subs,
        max_payload_bytes=limits.payload,
        expires_ns=until_ns,
        key=user.sub,
        name_tag=user.name,
        tags=user.nats.tags,
        issuer=user.iss,
        issued_s=user.iat,
        is_bearer=limits.bearer_token,
        default_permissions=own is None,
        proof=account.nats.proof_of(user.iss),
    )


def check_signature(identity: Identity, facts: PeerFacts, signature: str) -> None:
    """Raise LoginRefused unless the user's key signed this connection's nonce, or need not have."""
    if identity.is_bearer:
        return
    raw = raw_url_or_standard(signature)
    if not facts.nonce or not nkey.verify(identity.key, facts.nonce, raw):
        raise LoginRefused("the signature does not hold")


def effective_limits(user: UserClaims, account: AccountClaims, trust: Trust) -> UserLimits:
    """Return what holds for a user: its own claims, or those of the key that signed it.

    Raises LoginRefused where that key may not sign for the account.
    """
    if not trust.signs_for(account, user.iss):
        raise LoginRefused("user JWT issuer is not known")
    scope = account.nats.signers.get(user.iss)
    if scope is None:
        return user.nats
    if not user.has_empty_permissions:
        raise LoginRefused("a user of a scoped signing key must not have permissions of its own")
    try:
        limits = filled_in(scope.template, user, account)
    except AuthError as err:
        raise LoginRefused(str(err)) from err
    _check_permissions(limits)
    return limits


def identity_again(identity: Identity, account: AccountClaims, moment: Moment) -> Identity:
    """Return the identity of somebody who is connected, after his account changed.

    Raises the ProtocolError that ends the connection.
    """
    if not account.holds_at(moment.now_s):
        raise errors.AccountAuthenticationExpired
    if identity.is_bearer and account.nats.limits.disallow_bearer:
        raise errors.AuthorizationViolation
    if is_revoked(account.nats.revocations, identity.key, identity.issued_s):
        raise errors.UserAuthenticationRevoked
    if identity.issuer and (
        not moment.trust.signs_for(account, identity.issuer)
        or account.nats.proof_of(identity.issuer) != identity.proof
    ):
        raise errors.CredentialsChanged
    if not identity.default_permissions:
        return identity
    return replace(identity, permissions=account.nats.default_rules)


def _until_ns(user: UserClaims, limits: UserLimits, moment: Moment) -> int:
    try:
        until_ns = times.allowed_until_ns(limits.times, limits.times_location, moment.now_ns)
    except AuthError as err:
        raise LoginRefused(str(err)) from err
    if until_ns is None:
        refusal = LoginRefused("outside connect times")
        refusal.error = "Outside connect times"
        raise refusal
    # A negative exp is long ago: nats-server lets such a user in, and out at once.
    end_ns = times.expiry_ns(user.exp, moment.now_ns)
    return min((end for end in (until_ns, end_ns) if end), default=0)


def _check_permissions(limits: UserLimits) -> None:
    """Raise LoginRefused for what the jwt library refuses, and for networks that are none."""
    for problem in permission_problems(limits):
        raise LoginRefused(f"a user JWT with an invalid subject: {problem}")
    if not all(map(times.is_network, limits.src)):
        raise LoginRefused("a user JWT with an invalid network")


def takes_long(user: UserClaims, account: AccountClaims) -> bool:
    """Say whether working out who it is takes a moment: it is for a thread then."""
    scope = account.nats.signers.get(user.iss)
    return scope is not None and is_long(scope.template, user, account)
