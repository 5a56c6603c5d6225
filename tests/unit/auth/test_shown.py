"""leafnode.auth.shown: claims as nats-server writes them."""

from __future__ import annotations

import pytest

from leafnode.auth.shown import shown_claims
from leafnode.errors import AuthError
from tests.sim.realm import NOW_S, Realm

REALM = Realm()


def test_an_account_has_its_structures_and_nothing_else_that_is_empty() -> None:
    token = REALM.account_jwt(
        exports=[{"name": "q", "subject": "q.>", "type": "service", "token_req": False}],
        signing_keys=[],
    )

    claims = shown_claims(token)

    assert claims["sub"] == REALM.account.public
    assert claims["iat"] == NOW_S
    nats = claims["nats"]
    assert nats["exports"] == [{"name": "q", "subject": "q.>", "type": "service"}]
    assert nats["default_permissions"] == {"pub": {}, "sub": {}}
    assert nats["authorization"] == {}
    assert "signing_keys" not in nats
    assert nats["limits"]["conn"] == -1


def test_an_operator_has_no_structures() -> None:
    nats = shown_claims(REALM.operator_jwt(tags=["t"]))["nats"]

    assert nats == {
        "type": "operator",
        "version": 2,
        "system_account": REALM.system.public,
        "tags": ["t"],
    }


def test_what_is_no_jwt_is_refused() -> None:
    with pytest.raises(AuthError):
        shown_claims("nonsense")
