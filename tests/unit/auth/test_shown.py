"""leafnode.auth.shown: claims as nats-server writes them."""

from __future__ import annotations

import base64

import pytest

from leafnode.auth.shown import shown_claims
from leafnode.errors import AuthError
from leafnode.slices import finish
from tests.sim.realm import NOW_S, Realm

REALM = Realm()


def test_an_account_has_its_structures_and_nothing_else_that_is_empty() -> None:
    token = REALM.account_jwt(
        exports=[{"name": "q", "subject": "q.>", "type": "service", "token_req": False}],
        signing_keys=[],
    )

    claims = finish(shown_claims(token))

    assert claims["sub"] == REALM.account.public
    assert claims["iat"] == NOW_S
    nats = claims["nats"]
    assert nats["exports"] == [{"name": "q", "subject": "q.>", "type": "service"}]
    assert nats["default_permissions"] == {"pub": {}, "sub": {}}
    assert nats["authorization"] == {}
    assert "signing_keys" not in nats
    assert nats["limits"]["conn"] == -1


def test_an_operator_has_no_structures() -> None:
    nats = finish(shown_claims(REALM.operator_jwt(tags=["t"])))["nats"]

    assert nats == {
        "type": "operator",
        "version": 2,
        "system_account": REALM.system.public,
        "tags": ["t"],
    }


def test_what_is_no_jwt_is_refused() -> None:
    for token in ("nonsense", "a.b", "a.e30.b.c", "a.W10.c", "a.!.c", "a.\xe9.c"):
        with pytest.raises(AuthError):
            finish(shown_claims(token))


def test_what_is_null_is_left_out_and_an_empty_text_within_a_list() -> None:
    body = b'{"a":null,"b":["x",null,{"c":null,"d":[1]}],"nats":null}'
    token = f"eyJ.{base64.urlsafe_b64encode(body).decode().rstrip('=')}.x"

    assert finish(shown_claims(token)) == {"b": ["x", "", {"d": [1]}], "nats": {}}


def test_large_claims_are_taken_in_slices() -> None:
    exports = [{"name": f"e{n}", "subject": f"e.{n}.>", "type": "stream"} for n in range(3000)]
    mappings = {f"m.{n}": [{"subject": "b", "weight": 100}] for n in range(1000)}
    steps = shown_claims(REALM.account_jwt(exports=exports, mappings=mappings))

    turns = 0
    try:
        while True:
            next(steps)
            turns += 1
    except StopIteration as stop:
        nats = stop.value["nats"]

    assert (nats["exports"], nats["mappings"]) == (exports, mappings)
    assert turns > 4000 // 100
