"""leafnode.auth.callout: what a service is asked, and which of its answers let somebody in.

tests/interop/test_auth_callout.py asks the same service by this server and by the real one.
"""

from __future__ import annotations

import asyncio
import json
from base64 import urlsafe_b64decode
from collections.abc import Callable
from dataclasses import replace
from ssl import DER_cert_to_PEM_cert
from threading import get_ident
from typing import Any

import pytest

from leafnode.auth.callout import AskingServer, Callout, Delegation, guarded, proof_of
from leafnode.auth.certificate import Certificate
from leafnode.auth.identity import UNLIMITED, Identity, LoginRefused, PeerFacts
from leafnode.auth.nkey import CurveKeyPair, KeyPair
from leafnode.auth.user_claims import identity_of
from leafnode.limits import AUTH_TIMEOUT_NS
from leafnode.protocol.info import Connect
from leafnode.routing.permissions import Permissions, Rules
from leafnode.routing.subject_set import SubjectSet
from tests.hub.jwt import Key
from tests.sim.clock import FakeClock
from tests.sim.realm import ACCOUNT, NOW_S, USER

ISSUER = Key(ACCOUNT)
SERVER = KeyPair("N", bytes(32))
CURVE = CurveKeyPair(bytes(range(32)))
SERVICE_CURVE = CurveKeyPair(bytes(range(1, 33)))
TO = Delegation(account="AUTH", issuer=ISSUER.public)
CONNECT = Connect(user="bob", password="secret", name="till", protocol=1)
FACTS = PeerFacts(ip="10.0.0.7", cid=5)

Answer = Callable[[dict[str, Any]], bytes]


def claims_of(token: bytes) -> dict[str, Any]:
    part = token.split(b".")[1]
    found: dict[str, Any] = json.loads(urlsafe_b64decode(part + b"=" * (-len(part) % 4)))
    return found


def user_jwt(request: dict[str, Any], *, by: Key = ISSUER, **changed: Any) -> str:
    body = {"type": "user", "version": 2, "subs": -1, "data": -1, "payload": -1}
    body |= changed.pop("nats", {})
    claims = {"sub": request["nats"]["user_nkey"], "name": "bob", "aud": "APP"} | changed
    return by.sign(claims.pop("sub"), claims.pop("name"), body, issued_s=NOW_S, **claims)


def answer(request: dict[str, Any], *, by: Key = ISSUER, **changed: Any) -> bytes:
    body = {"type": "authorization_response", "version": 2}
    body |= changed.pop("nats", None) or {"jwt": user_jwt(request)}
    claims = {"sub": request["nats"]["user_nkey"], "aud": SERVER.public_key} | changed
    return by.sign(claims.pop("sub"), "x", body, issued_s=NOW_S, **claims).encode()


def decide(service: Answer, to: Delegation = TO, facts: PeerFacts = FACTS) -> Identity:
    """Ask a service about bob; it is given the request's claims."""

    async def ask(account: str, xkey: bytes, body: bytes) -> bytes:
        assert account == "AUTH"
        opened = SERVICE_CURVE.open(body, xkey.decode()) if xkey else body
        return service(claims_of(opened))

    server = AskingServer("edge", "127.0.0.1", "2.15.1", (), SERVER, CURVE, AUTH_TIMEOUT_NS)
    callout = Callout(server, ask, FakeClock(), bytes, exists=lambda name: name == "APP")
    return asyncio.run(callout.decide(to, CONNECT, facts))


def test_the_request_says_who_asks_about_whom_and_is_signed_by_the_server() -> None:
    asked: list[dict[str, Any]] = []

    decide(lambda request: asked.append(request) or answer(request))  # type: ignore[func-returns-value]

    (request,) = asked
    assert request["iss"] == request["nats"]["server_id"]["id"] == SERVER.public_key
    assert request["aud"] == "nats-authorization-request"
    assert request["exp"] == NOW_S + AUTH_TIMEOUT_NS // 1_000_000_000
    assert request["nats"]["client_info"] == {
        "host": "10.0.0.7",
        "id": 5,
        "user": "bob",
        "name": "till",
        "kind": "Client",
        "type": "nats",
    }
    assert request["nats"]["connect_opts"] == {
        "user": "bob",
        "pass": "secret",
        "name": "till",
        "protocol": 1,
    }


def test_the_request_has_the_chain_that_vouches_for_a_clients_certificate() -> None:
    asked: list[dict[str, Any]] = []
    shown = Certificate(chain=(b"own", b"authority"))
    facts = replace(
        FACTS, certificate=shown, tls_version="1.3", tls_cipher="TLS_AES_128_GCM_SHA256"
    )

    decide(lambda request: asked.append(request) or answer(request), facts=facts)  # type: ignore[func-returns-value]

    (request,) = asked
    assert request["nats"]["client_tls"] == {
        "version": "1.3",
        "cipher": "TLS_AES_128_GCM_SHA256",
        "verified_chains": [[DER_cert_to_PEM_cert(one) for one in (b"own", b"authority")]],
    }


def test_the_answer_names_account_user_and_end() -> None:
    identity = decide(
        lambda request: answer(
            request, nats={"jwt": user_jwt(request, exp=NOW_S + 60, nats={"tags": ["a:b"]})}
        )
    )

    assert (identity.account, identity.user) == ("APP", "bob")
    assert (identity.name_tag, identity.tags, identity.issuer) == ("", (), "")
    assert identity.expires_ns == (NOW_S + 60) * 1_000_000_000
    assert identity.proof == proof_of(TO)


WRONG: dict[str, Answer] = {
    "nothing": lambda _: b"",
    "nonsense": lambda _: b"eyJ.eyJ.x",
    "an error": lambda r: answer(r, nats={"error": "no"}),
    "another user's": lambda r: answer(r, sub=Key(USER).public),
    "another server's": lambda r: answer(r, aud="NOBODY"),
    "an answer that expired": lambda r: answer(r, exp=1),
    "a JWT of another": lambda r: answer(r, nats={"jwt": user_jwt(r, sub=Key(USER).public)}),
    "a JWT by another": lambda r: answer(r, nats={"jwt": user_jwt(r, by=Key(ACCOUNT))}),
    "a JWT that expired": lambda r: answer(r, nats={"jwt": user_jwt(r, exp=1)}),
    "a JWT not yet valid": lambda r: answer(r, nats={"jwt": user_jwt(r, nbf=NOW_S + 9)}),
    "an unknown account": lambda r: answer(r, nats={"jwt": user_jwt(r, aud="NOWHERE")}),
    "no account": lambda r: answer(r, nats={"jwt": user_jwt(r, aud="")}),
    "an issuer account": lambda r: answer(
        r, nats={"jwt": user_jwt(r, nats={"issuer_account": ISSUER.public})}
    ),
    "a proxy wanted": lambda r: answer(r, nats={"jwt": user_jwt(r, nats={"proxy_required": True})}),
    "another way in": lambda r: answer(
        r, nats={"jwt": user_jwt(r, nats={"allowed_connection_types": ["WEBSOCKET"]})}
    ),
}


@pytest.mark.parametrize("wrong", WRONG.values(), ids=WRONG)
def test_any_other_answer_lets_nobody_in(wrong: Answer) -> None:
    with pytest.raises(LoginRefused):
        decide(wrong)


@pytest.mark.parametrize(
    ("service", "reason"),
    [
        (
            lambda r: answer(r, nats={"jwt": user_jwt(r), "error": "no"}),
            "authorization response had validation errors: Only Error or Jwt can be set",
        ),
        (
            lambda r: answer(r, nats={"tags": ["a"]}),
            "authorization response had validation errors: Error or Jwt is required",
        ),
        (
            lambda r: answer(r, exp=NOW_S - 1),
            "authorization response had validation errors: claim is expired",
        ),
        (
            lambda r: answer(r, nbf=NOW_S + 9),
            "authorization response had validation errors: claim is not yet valid",
        ),
        (
            lambda r: answer(r, nats={"jwt": user_jwt(r, nbf=NOW_S + 9)}),
            "error validating user JWT: claim is not yet valid",
        ),
        (lambda r: user_jwt(r).encode(), "not an authorization request claim"),
    ],
)
def test_what_is_wrong_with_an_answer_is_said_as_nats_server_says_it(
    service: Answer, reason: str
) -> None:
    with pytest.raises(LoginRefused) as caught:
        decide(service)

    assert caught.value.reason == reason


def test_nobody_else_signs_an_answer_that_is_not_sealed() -> None:
    with pytest.raises(LoginRefused) as caught:
        decide(lambda request: answer(request, by=Key(ACCOUNT)))

    assert caught.value.reason == "auth callout signing key is unknown"


def test_limits_in_the_users_jwt_do_not_hold_as_on_nats_server() -> None:
    bare = {"subs": 0, "payload": 5}

    identity = decide(lambda request: answer(request, nats={"jwt": user_jwt(request, nats=bare)}))

    assert (identity.max_subscriptions, identity.max_payload_bytes) == (UNLIMITED, UNLIMITED)


def test_the_services_account_is_told_why_and_of_silence_only_that_it_was_in_vain() -> None:
    def silence(_: dict[str, Any]) -> bytes:
        raise TimeoutError

    told = {}
    for name, service in (("an error", WRONG["an error"]), ("silence", silence)):
        with pytest.raises(LoginRefused) as caught:
            decide(service)
        assert caught.value.asked == "AUTH"
        assert caught.value.warning == caught.value.told  # in the log
        told[name] = caught.value.told

    assert told == {"an error": "Auth callout service returned an error: no", "silence": ""}


def test_a_sealed_request_may_be_answered_sealed_or_not() -> None:
    to = Delegation(account="AUTH", issuer=ISSUER.public, xkey=SERVICE_CURVE.public_key)

    def sealed(request: dict[str, Any]) -> bytes:
        xkey = request["nats"]["server_id"]["xkey"]
        return SERVICE_CURVE.seal(answer(request), xkey, bytes(24))

    assert decide(sealed, to).account == decide(answer, to).account == "APP"
    with pytest.raises(LoginRefused):
        decide(lambda request: sealed(request)[:-1], to)


def test_who_shares_the_services_account_may_not_ask_the_service() -> None:
    inside = guarded(Identity(account="AUTH"), "AUTH")
    outside = Identity(account="APP")

    assert inside.permissions is not None
    assert not inside.permissions.may_publish(b"$SYS.REQ.USER.AUTH")
    assert inside.permissions.may_publish(b"a")
    assert guarded(outside, "AUTH") is outside


def test_the_ban_is_laid_on_long_permissions_without_a_look_at_each(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    own = Permissions(Rules([b">", b"a.*"], [b"no"]), Rules())
    made: list[object] = []
    monkeypatch.setattr(SubjectSet, "_fill", lambda _, patterns: made.extend(patterns) or ())

    inside = guarded(Identity(account="AUTH", permissions=own), "AUTH")

    assert made == []
    assert inside.permissions is not None
    assert not inside.permissions.may_publish(b"$SYS.REQ.USER.AUTH")
    assert not inside.permissions.may_publish(b"no")
    assert inside.permissions.may_publish(b"b")
    assert inside.permissions.subscribe is own.subscribe


def test_only_operators_accounts_may_place_users_elsewhere() -> None:
    open_to_all = Delegation(account="A", issuer="A", allowed=("*",))

    assert TO.permits(ISSUER.public)
    assert not open_to_all.permits("B")


def test_an_answer_with_many_permissions_is_worked_out_beside_the_loop(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """5,000 entries took 70 ms of everybody else."""
    at: list[int] = []

    def watched(*arguments: Any) -> Identity:
        at.append(get_ident())
        return identity_of(*arguments)

    monkeypatch.setattr("leafnode.auth.callout.identity_of", watched)
    for count in (1, 5_000):
        nats = {"pub": {"allow": [f"a.{number}.*" for number in range(count)]}}

        identity = decide(lambda request, nats=nats: many(request, nats))  # type: ignore[misc]

        assert identity.permissions is not None
        assert identity.permissions.may_publish(b"a.0.x")

    assert [one == get_ident() for one in at] == [True, False]


def many(request: dict[str, Any], nats: dict[str, Any]) -> bytes:
    return answer(request, nats={"jwt": user_jwt(request, nats=nats)})
