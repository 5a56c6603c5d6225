"""leafnode.auth.claims: time, revocation, permissions, scopes."""

from __future__ import annotations

import msgspec
import pytest

from leafnode.auth import jwt
from leafnode.auth.claims import (
    AccountClaims,
    ActivationClaims,
    Permissions,
    Responses,
    Rules,
    UserClaims,
    UserLimits,
    is_revoked,
    permissions_options,
)
from leafnode.auth.permissions import permissions_of
from leafnode.config.options import ResponseOptions
from tests.sim.realm import NOW_S, Realm, User, scope

REALM = Realm()


def test_claims_hold_between_their_times_ends_included() -> None:
    claims = UserClaims(iss="A", nbf=NOW_S, exp=NOW_S + 10)

    assert not claims.holds_at(NOW_S - 1)
    assert claims.holds_at(NOW_S)
    assert claims.holds_at(NOW_S + 10)
    assert not claims.holds_at(NOW_S + 11)
    assert UserClaims(iss="A").holds_at(NOW_S)


@pytest.mark.parametrize("kind", [AccountClaims, ActivationClaims])
def test_an_account_and_an_activation_end_with_the_first_moment_of_their_last_second(
    kind: type[AccountClaims | ActivationClaims],
) -> None:
    claims = kind(iss="O", exp=NOW_S + 10, nbf=NOW_S)

    assert claims.holds_at(NOW_S)
    assert claims.holds_at(NOW_S + 9)
    assert claims.untimely_at(NOW_S + 10) == "claim is expired"
    assert claims.untimely_at(NOW_S - 1) == "claim is not yet valid"
    assert kind(iss="O").holds_at(NOW_S)


def test_a_revocation_counts_for_what_was_issued_until_then() -> None:
    assert is_revoked({"U": 10}, "U", 10)
    assert not is_revoked({"U": 10}, "U", 11)
    assert is_revoked({"*": 10}, "V", 9)
    assert is_revoked({"U": 5, "*": 10}, "U", 9)
    assert not is_revoked({"U": 10}, "V", 1)


def test_saying_nothing_is_not_the_same_as_allowing_nothing() -> None:
    assert permissions_options(Permissions()) is None
    options = permissions_options(Permissions(sub=Rules(deny=("a",))))
    assert options is not None
    assert options.subscribe.deny == ("a",)


def test_an_empty_allow_list_beside_a_deny_list_allows_nothing() -> None:
    read = msgspec.json.decode(
        b'{"pub":{"allow":[],"deny":["a"]},"sub":{"deny":["a"]}}', type=Permissions
    )
    permissions = permissions_of(permissions_options(read))

    assert permissions is not None
    assert not permissions.may_publish(b"b")
    assert permissions.may_subscribe(b"b")
    assert permissions_options(Permissions(pub=Rules(allow=()))) is None
    alone = permissions_of(permissions_options(Permissions(pub=Rules(()), sub=Rules(None, ("a",)))))
    assert alone is not None
    assert alone.may_publish(b"b")


def test_responses_have_nats_server_s_defaults() -> None:
    options = permissions_options(Permissions(resp=Responses()))

    assert options is not None
    assert options.responses == ResponseOptions()


def test_only_a_user_without_anything_of_its_own_fits_a_scope() -> None:
    key, user = REALM.account, User()

    scoped = jwt.decode(REALM.scoped_user_jwt(user, key), UserClaims)
    plain = jwt.decode(REALM.user_jwt(user), UserClaims)

    assert scoped.has_empty_permissions
    assert not plain.has_empty_permissions


def test_signing_keys_are_keys_or_scopes() -> None:
    token = REALM.account_jwt(signing_keys=["AAA", scope(REALM.system, pub={"allow": ["a"]})])

    signers = jwt.decode(token, AccountClaims).nats.signers

    assert signers["AAA"] is None
    found = signers[REALM.system.public]
    assert found is not None
    assert found.template.pub.allow == ("a",)
    # What a template leaves out is no limit, and what a user leaves out is none of anything.
    assert (found.template.subs, found.template.data, found.template.payload) == (-1, -1, -1)
    assert UserLimits().subs == 0


def test_what_proves_users_of_a_scope_is_made_once_for_all_of_them() -> None:
    """With a template of 9,000 entries each client took 0.5 ms at each JWT of its account."""
    token = REALM.account_jwt(signing_keys=["AAA", scope(REALM.system, pub={"allow": ["a"]})])
    body = jwt.decode(token, AccountClaims).nats

    assert body.proof_of(REALM.system.public) is body.proof_of(REALM.system.public)
    assert b'"allow":["a"]' in body.proof_of(REALM.system.public)
    assert body.proof_of("AAA") == body.proof_of("unknown") == b""
    assert body.signers is body.signers
