"""leafnode.auth.operator with auth.callout: accounts change while their service decides."""

from __future__ import annotations

import asyncio
import json
from base64 import urlsafe_b64decode
from typing import TYPE_CHECKING, Any

import pytest

from leafnode.auth.callout import AskingServer, Callout
from leafnode.auth.identity import Identity, LoginRefused, PeerFacts
from leafnode.auth.nkey import CurveKeyPair, KeyPair
from leafnode.auth.operator import OperatorMode
from leafnode.auth.resolver import MemoryResolver
from leafnode.auth.trust import Trust
from leafnode.clock import NS_PER_S
from leafnode.errors import ProtocolError
from leafnode.protocol.info import Connect
from tests.hub.jwt import Key
from tests.sim.clock import FakeClock
from tests.sim.realm import ACCOUNT, NOW_S, Realm, User

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

NONCE = "nonce-of-fifteen"
REALM = Realm()
OTHER = Key(ACCOUNT)
ANN = User()
OUTSIDE = {"auth_users": [User().public], "allowed_accounts": [OTHER.public]}


def operator_mode() -> OperatorMode:
    tokens = {
        REALM.account.public: REALM.account_jwt(authorization=OUTSIDE),
        OTHER.public: REALM.account_jwt(OTHER),
    }
    trust = Trust(frozenset({REALM.operator.public}))
    return OperatorMode(trust, MemoryResolver(tokens), FakeClock(), pinned=frozenset())


async def login(operator: OperatorMode, meanwhile: Callable[[], Awaitable[None]]) -> Identity:
    """Log ann in by a service that places her in `OTHER`, after something has happened."""
    server = KeyPair("N", bytes(32))

    async def ask(_account: str, _xkey: bytes, body: bytes) -> bytes:
        await meanwhile()
        asked = json.loads(urlsafe_b64decode(body.split(b".")[1] + b"=="))
        user = asked["nats"]["user_nkey"]
        limits = {"subs": -1, "data": -1, "payload": -1}
        placed = OTHER.sign(user, "ann", {"type": "user", "version": 2} | limits, issued_s=NOW_S)
        response = {"type": "authorization_response", "version": 2, "jwt": placed}
        told = REALM.account.sign(user, "x", response, issued_s=NOW_S, aud=server.public_key)
        return told.encode()

    curve = CurveKeyPair(bytes(range(32)))
    asking = AskingServer("n", "127.0.0.1", "2", (), server, curve, NS_PER_S)
    operator.callout = Callout(asking, ask, FakeClock(), bytes, lookup=operator.claims_of)
    async with asyncio.TaskGroup() as tasks:
        await operator.start(tasks)
        connect = Connect(jwt=REALM.user_jwt(ANN), sig=ANN.signer.sign(NONCE))
        answer = operator.check(connect, PeerFacts(nonce=NONCE.encode(), ip="127.0.0.1"))
        assert not isinstance(answer, Identity), "the service takes its time"
        await asyncio.wait([answer])
    return answer.result()


async def outcome(then: dict[str, Any]) -> Identity | LoginRefused:
    """What a login comes to whose account lets others decide like this by then."""
    operator = operator_mode()

    async def change() -> None:
        now = REALM.account_jwt(authorization=OUTSIDE | then)
        await operator.known.update(REALM.account.public, now)

    try:
        return await login(operator, change)
    except LoginRefused as refusal:
        return refusal


@pytest.mark.parametrize("then", [{}, {"allowed_accounts": ["*"]}])
async def test_an_account_that_still_lets_the_service_decide_takes_its_word(
    then: dict[str, Any],
) -> None:
    identity = await outcome(then)

    assert isinstance(identity, Identity)
    assert identity.account == OTHER.public


@pytest.mark.parametrize(
    ("then", "reason"),
    [
        ({"allowed_accounts": [REALM.account.public]}, f'account "{OTHER.public}" not permitted'),
        ({"allowed_accounts": [], "auth_users": []}, "auth callout violation: account has no"),
    ],
    ids=["another account", "no users"],
)
async def test_what_the_service_may_not_decide_any_more_is_refused(
    then: dict[str, Any], reason: str
) -> None:
    refusal = await outcome(then)

    assert isinstance(refusal, LoginRefused)
    assert refusal.reason.startswith(reason)
    assert (refusal.asked, refusal.told[:1]) == (REALM.account.public, "A")


async def test_an_account_that_goes_while_its_service_decides_takes_the_login_along() -> None:
    operator = operator_mode()

    async def remove() -> None:
        await operator.known.remove(REALM.account.public)

    with pytest.raises(LoginRefused):
        await login(operator, remove)


async def test_who_is_placed_in_an_account_that_goes_is_told_so_when_bound() -> None:
    operator = operator_mode()
    identity = await login(operator, lambda: asyncio.sleep(0))

    await operator.known.remove(OTHER.public)

    with pytest.raises(ProtocolError):
        operator.again(identity)
