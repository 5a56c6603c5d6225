"""leafnode.auth.user_claims: one vector for each check. Source: nats-server server/auth.go."""

from __future__ import annotations

from typing import Any

import pytest

from leafnode.auth import jwt
from leafnode.auth.claims import AccountClaims, UserClaims
from leafnode.auth.identity import ConnectionType, Identity, LoginRefused, PeerFacts
from leafnode.auth.trust import Trust
from leafnode.auth.user_claims import (
    Moment,
    check_claims,
    check_signature,
    identity_again,
    identity_of,
)
from leafnode.errors import ProtocolError
from leafnode.protocol import errors
from tests.hub.jwt import Key
from tests.sim.clock import WALL_START_NS
from tests.sim.realm import ACCOUNT, NOW_S, Realm, User, scope

NS_PER_S = 1_000_000_000
REALM = Realm()
ANN = User()
SIGNER = Key(ACCOUNT)
NONCE = b"nonce-of-fifteen"
FACTS = PeerFacts(nonce=NONCE, ip="10.0.0.1")
MOMENT = Moment(WALL_START_NS, Trust(frozenset({REALM.operator.public})))
STRICT = Moment(
    WALL_START_NS,
    Trust(frozenset({REALM.operator.public}), strict=frozenset({REALM.operator.public})),
)


def login(
    token: str = "", moment: Moment = MOMENT, facts: PeerFacts = FACTS, **account: Any
) -> Identity:
    user = jwt.decode(token or REALM.user_jwt(ANN), UserClaims)
    check_claims(user, moment)
    claims = jwt.decode(REALM.account_jwt(**account), AccountClaims)
    return identity_of(user, claims, facts, moment)


def refused(token: str = "", moment: Moment = MOMENT, **more: Any) -> str:
    with pytest.raises(LoginRefused) as caught:
        login(token, moment, **more)
    return caught.value.reason


def test_a_user_of_the_account_is_let_in_as_its_key() -> None:
    token = REALM.user_jwt(ANN, subs=5, payload=6, pub={"allow": ["a"]}, tags=["x:y"])

    identity = login(token)

    assert (identity.account, identity.user) == (REALM.account.public, ANN.public)
    assert (identity.max_subscriptions, identity.max_payload_bytes) == (5, 6)
    assert identity.permissions is not None
    assert identity.permissions.may_publish(b"a")
    assert not identity.permissions.may_publish(b"b")
    assert (identity.name_tag, identity.tags) == ("ann", ("x:y",))
    assert identity.expires_ns == 0


def test_times_hold() -> None:
    assert "no longer" in refused(REALM.user_jwt(ANN, claims={"exp": NOW_S - 1}))
    assert "not yet" in refused(REALM.user_jwt(ANN, claims={"nbf": NOW_S + 9}))
    identity = login(REALM.user_jwt(ANN, claims={"exp": NOW_S + 5}))
    assert identity.expires_ns == (NOW_S + 5) * NS_PER_S
    assert login(REALM.user_jwt(ANN, claims={"exp": -5})).expires_ns == -5 * NS_PER_S


def test_a_clock_that_runs_behind_is_named() -> None:
    assert "clock" in refused(REALM.user_jwt(ANN, claims={"nbf": NOW_S + 9}))
    assert "clock" not in refused(REALM.user_jwt(ANN, claims={"exp": NOW_S - 1}))


def test_keys_are_of_the_right_kind() -> None:
    assert "user's key" in refused(
        REALM.account.sign(
            REALM.account.public, "x", {"type": "user", "version": 2}, issued_s=NOW_S
        )
    )
    assert "account_id" in refused(REALM.user_jwt(ANN, issuer_account=ANN.public))


def test_another_account_s_signature_is_not_this_one_s() -> None:
    assert "issuer" in refused(REALM.user_jwt(ANN, by=SIGNER, issuer_account=REALM.account.public))


def test_a_signing_key_of_the_account_may_sign() -> None:
    token = REALM.user_jwt(ANN, by=SIGNER, issuer_account=REALM.account.public)

    assert login(token, signing_keys=[SIGNER.public]).issuer == SIGNER.public


def test_strict_operators_let_only_signing_keys_sign() -> None:
    assert "issuer" in refused(moment=STRICT)
    token = REALM.user_jwt(ANN, by=SIGNER, issuer_account=REALM.account.public)
    assert login(token, STRICT, signing_keys=[SIGNER.public]).key == ANN.public


def test_a_scope_gives_its_template_and_takes_no_permissions_of_the_user() -> None:
    template = scope(SIGNER, pub={"allow": ["u.{{name()}}"]}, subs=3)

    identity = login(REALM.scoped_user_jwt(ANN, SIGNER), signing_keys=[template])

    assert identity.max_subscriptions == 3
    assert identity.permissions is not None
    assert identity.permissions.may_publish(b"u.ann")
    assert not identity.permissions.may_publish(b"u.bob")
    own = REALM.user_jwt(ANN, by=SIGNER, issuer_account=REALM.account.public)
    assert "scoped" in refused(own, signing_keys=[template])


def test_bearer_tokens_need_no_signature_unless_the_account_forbids_them() -> None:
    token = REALM.user_jwt(ANN, bearer_token=True)

    identity = login(token)

    assert identity.is_bearer
    check_signature(identity, FACTS, "")
    assert "bearer" in refused(token, limits={"disallow_bearer": True})


def test_others_need_one_over_this_nonce() -> None:
    identity = login()

    check_signature(identity, FACTS, ANN.signer.sign(NONCE.decode()))
    for signature, facts in (
        ("", FACTS),
        (ANN.signer.sign("older"), FACTS),
        (User().signer.sign(NONCE.decode()), FACTS),
        (ANN.signer.sign(""), PeerFacts()),
    ):
        with pytest.raises(LoginRefused):
            check_signature(identity, facts, signature)


def test_the_way_in_and_the_address_are_held() -> None:
    assert "type" in refused(REALM.user_jwt(ANN, allowed_connection_types=["WEBSOCKET"]))
    assert "type" in refused(REALM.user_jwt(ANN, allowed_connection_types=["telnet"]))
    both = REALM.user_jwt(ANN, allowed_connection_types=["websocket", "telnet"])
    websocket = PeerFacts(kind=ConnectionType.WEBSOCKET)
    assert login(both, facts=websocket).connection_types == {ConnectionType.WEBSOCKET}
    with pytest.raises(LoginRefused) as caught:
        login(REALM.user_jwt(ANN, src=["192.168.0.0/16"]))
    assert (caught.value.reason, caught.value.error) == (
        "address not allowed",
        f"Bad src Ip {FACTS.ip}",
    )
    assert login(REALM.user_jwt(ANN, src=["10.0.0.0/8"])).key == ANN.public
    assert "address" in refused(REALM.user_jwt(ANN, src="192.168.0.0/16,172.16.0.0/12"))
    assert login(REALM.user_jwt(ANN, src="192.168.0.0/16, 10.0.0.0/8,")).key == ANN.public


def test_times_of_the_day_end_the_connection() -> None:
    ranges = [{"start": "00:00:01", "end": "23:59:59"}]

    identity = login(REALM.user_jwt(ANN, times=ranges, times_location="UTC"))

    assert 0 < identity.expires_ns - WALL_START_NS < 86_400 * NS_PER_S
    night = [{"start": "03:00:00", "end": "03:00:01"}]
    assert "times" in refused(REALM.user_jwt(ANN, times=night, times_location="UTC"))
    assert "zone" in refused(REALM.user_jwt(ANN, times=ranges, times_location="No/Where"))


def test_a_revoked_user_is_refused() -> None:
    assert "revoked" in refused(revocations={ANN.public: NOW_S})
    assert "revoked" in refused(revocations={"*": NOW_S})
    assert login(revocations={ANN.public: NOW_S - 1}).key == ANN.public


@pytest.mark.parametrize(
    "nats",
    [
        {"pub": {"allow": ["a..b"]}},
        {"pub": {"allow": ["a b"]}},
        {"sub": {"deny": ["a b c"]}},
        {"sub": {"allow": [""]}},
        {"src": ["10.0.0.1"]},
        {"src": ["nonsense/8"]},
    ],
)
def test_claims_that_would_allow_something_else_are_refused(nats: dict[str, Any]) -> None:
    assert "invalid" in refused(REALM.user_jwt(ANN, **nats))


def test_an_entry_that_only_we_and_nats_server_find_wrong_stands_for_nothing() -> None:
    identity = login(REALM.user_jwt(ANN, pub={"allow": ["a.>.b", "c\td"]}))

    assert identity.permissions is not None
    assert not identity.permissions.may_publish(b"a.x.b")
    assert not identity.permissions.may_publish(b"other")


DENIES_X = {"pub": {"deny": ["x"]}}


def test_default_permissions_are_the_account_s() -> None:
    identity = login(default_permissions=DENIES_X)

    assert identity.default_permissions
    assert identity.permissions is not None
    assert not identity.permissions.may_publish(b"x")


# --- while connected


def again(identity: Identity, moment: Moment = MOMENT, **account: Any) -> Identity | str:
    claims = jwt.decode(REALM.account_jwt(**account), AccountClaims)
    try:
        return identity_again(identity, claims, moment)
    except ProtocolError as error:
        return type(error).__name__


def test_what_did_not_change_goes_on() -> None:
    identity = login(REALM.user_jwt(ANN, pub={"allow": ["a"]}))

    assert again(identity) == identity


def test_what_changed_ends_with_its_own_error() -> None:
    signed = login(
        REALM.user_jwt(ANN, by=SIGNER, issuer_account=REALM.account.public),
        signing_keys=[SIGNER.public],
    )
    bearer = login(REALM.user_jwt(ANN, bearer_token=True))

    assert again(signed) == errors.CredentialsChanged.__name__
    assert again(signed, signing_keys=[scope(SIGNER)]) == errors.CredentialsChanged.__name__
    assert again(login(), revocations={ANN.public: NOW_S}) == (
        errors.UserAuthenticationRevoked.__name__
    )
    assert again(bearer, limits={"disallow_bearer": True}) == errors.AuthorizationViolation.__name__
    assert again(login(), claims={"exp": NOW_S - 1}) == errors.AccountAuthenticationExpired.__name__


def test_all_users_without_permissions_of_their_own_share_those_of_the_account() -> None:
    claims = jwt.decode(REALM.account_jwt(default_permissions=DENIES_X), AccountClaims)
    users = [jwt.decode(REALM.user_jwt(User()), UserClaims) for _ in range(2)]

    first, second = (identity_of(user, claims, FACTS, MOMENT) for user in users)
    later = identity_again(first, claims, MOMENT)

    assert first.permissions is not None
    assert first.permissions is second.permissions is later.permissions


def test_new_default_permissions_reach_who_is_connected() -> None:
    changed = again(login(), default_permissions={"sub": {"deny": ["x"]}})

    assert isinstance(changed, Identity)
    assert changed.permissions is not None
    assert not changed.permissions.may_subscribe(b"x")
