"""Logins of leafs. Source: nats-server 2.15.1 server/auth.go isLeafNodeAuthorized, measured."""

from __future__ import annotations

import asyncio
import base64
from dataclasses import replace
from typing import TYPE_CHECKING, cast

import nkeys
import pytest

from leafnode.auth.authenticator import Authenticator
from leafnode.auth.identity import ConnectionType, Identity, LoginRefused, PeerFacts
from leafnode.auth.leafs import LeafAuthenticator
from leafnode.auth.operator import OperatorMode
from leafnode.auth.resolver import MemoryResolver
from leafnode.auth.trust import Trust
from leafnode.config.listener_options import LeafAuthorization, LeafUser
from leafnode.config.options import AuthCalloutOptions, Authorization, Options, User
from leafnode.protocol.info import Connect
from tests.sim.clock import FakeClock
from tests.sim.realm import Realm

if TYPE_CHECKING:
    from asyncio import Future

NONCE = b"EsbRnPg3CTsA6gA"
FACTS = PeerFacts(kind=ConnectionType.LEAFNODE, nonce=NONCE)
PAIR = nkeys.from_seed(nkeys.encode_seed(bytes(32), nkeys.PREFIX_BYTE_USER))
KEY = PAIR.public_key.decode()


def logins(own: LeafAuthorization, authorization: Authorization | None = None) -> LeafAuthenticator:
    options = Options(authorization=authorization or Authorization())
    return LeafAuthenticator(Authenticator(options), options, own)


def admitted(judge: LeafAuthenticator, connect: Connect) -> Identity:
    found = judge.check(connect, FACTS)
    assert isinstance(found, Identity)
    return found


def test_a_single_user_gets_the_account_of_the_block() -> None:
    judge = logins(LeafAuthorization(user="u", password="p", account="A"))

    assert admitted(judge, Connect(user="u", password="p")).account == "A"
    with pytest.raises(LoginRefused):
        judge.check(Connect(user="u", password="x"), FACTS)


def test_a_key_has_to_sign_the_nonce() -> None:
    judge = logins(LeafAuthorization(nkey=KEY, account="A"))
    sig = base64.urlsafe_b64encode(PAIR.sign(NONCE)).rstrip(b"=").decode()

    assert admitted(judge, Connect(nkey=KEY, sig=sig)).account == "A"
    for wrong in (Connect(nkey=KEY), Connect(nkey=KEY, sig=sig[:-2]), Connect(user=KEY)):
        with pytest.raises(LoginRefused):
            judge.check(wrong, FACTS)


def test_users_of_the_block_shut_out_those_of_the_server() -> None:
    judge = logins(
        LeafAuthorization(users=(LeafUser("a", "pa", "A"), LeafUser("g", "pg"))),
        Authorization(user="s", password="ps"),
    )

    assert admitted(judge, Connect(user="a", password="pa")).account == "A"
    assert admitted(judge, Connect(user="g", password="pg")).account == "$G"
    with pytest.raises(LoginRefused):
        judge.check(Connect(user="s", password="ps"), FACTS)


def test_without_users_of_its_own_those_of_the_server_may_come() -> None:
    judge = logins(LeafAuthorization(account="A"), Authorization(user="s", password="ps"))

    assert judge.required
    assert admitted(judge, Connect(user="s", password="ps")).account == "$G"
    with pytest.raises(LoginRefused):
        judge.check(Connect(), FACTS)


def test_a_no_auth_user_of_the_listener_is_one_of_the_server_and_none_of_the_block() -> None:
    facts = replace(FACTS, no_auth_user="w")
    server = Authorization(users=(User("w", "p"),))

    found = logins(LeafAuthorization(), server).check(Connect(), facts)
    assert isinstance(found, Identity)
    assert found.user == "w"
    with pytest.raises(LoginRefused):
        logins(LeafAuthorization(users=(LeafUser("w", "p", "A"),)), server).check(Connect(), facts)


def test_where_nobody_logs_in_all_get_the_account_of_the_block() -> None:
    judge = logins(LeafAuthorization(account="A"))

    assert not judge.required
    assert admitted(judge, Connect(user="any", password="thing")).account == "A"
    assert judge.again(Identity(account="A"), FACTS).account == "A"


def test_a_proxy_is_asked_for_where_the_block_or_its_user_says_so() -> None:
    for own in (
        LeafAuthorization(user="u", password="p", proxy_required=True),
        LeafAuthorization(users=(LeafUser("u", "p", proxy_required=True),)),
        LeafAuthorization(users=(LeafUser("u", "p"),), proxy_required=True),
    ):
        with pytest.raises(LoginRefused, match="Authorization"):
            logins(own).check(Connect(user="u", password="p"), FACTS)


def test_nobody_comes_in_without_a_word_and_all_get_a_nonce() -> None:
    judge = logins(LeafAuthorization())

    assert judge.nonce_required
    assert not judge.admits_anonymous(FACTS)


def test_a_user_of_the_block_in_a_callout_services_account_may_not_send_it_requests() -> None:
    asked = AuthCalloutOptions(issuer="A", account="AUTH", auth_users=("s",))
    judge = logins(
        LeafAuthorization(users=(LeafUser("a", "pa", "AUTH"), LeafUser("g", "pg", "APP"))),
        Authorization(auth_callout=asked),
    )

    inside = admitted(judge, Connect(user="a", password="pa"))
    outside = admitted(judge, Connect(user="g", password="pg"))

    assert inside.permissions is not None
    assert not inside.permissions.may_publish(b"$SYS.REQ.USER.AUTH")
    assert inside.permissions.may_publish(b"other")
    assert outside.permissions is None


def test_a_reload_makes_nothing_of_the_users_of_the_block() -> None:
    """They stay those of the start: 9,000 took 50 ms of everybody else at each reload."""
    judge = logins(LeafAuthorization(users=(LeafUser("a", "pa", "A"),)))
    before = judge._own.users if judge._own is not None else None

    judge.apply(Options(trusted_proxies=("UPROXY",)))

    assert before is not None
    assert judge._own is not None
    assert judge._own.users is before
    assert admitted(judge, Connect(user="a", password="pa")).account == "A"


async def test_in_operator_mode_the_account_of_the_block_is_looked_up_at_each_login() -> None:
    """As there: a start, and what else comes in, do not wait for it."""
    realm = Realm()
    name = realm.account.public
    system = {realm.system.public: realm.account_jwt(realm.system, name="SYS")}
    resolver = MemoryResolver(system)
    trust = Trust(frozenset({realm.operator.public}), system_account=realm.system.public)
    operator = OperatorMode(trust, resolver, FakeClock(), pinned=frozenset())
    own = LeafAuthorization(user="u", password="p", account=name)
    judge = LeafAuthenticator(Authenticator(Options(), operator), Options(), own)
    anybody = LeafAuthenticator(
        Authenticator(Options(), operator), Options(), LeafAuthorization(user="u", password="p")
    )
    connect = Connect(user="u", password="p")
    assert admitted(anybody, connect).account == "$G"

    async with asyncio.TaskGroup() as tasks:
        await operator.start(tasks)
        with pytest.raises(LoginRefused) as refused:
            await cast("Future[Identity]", judge.check(connect, FACTS))
        assert refused.value.warning == "Account fetch failed: account missing"

        resolver.tokens[name] = realm.account_jwt()
        assert (await cast("Future[Identity]", judge.check(connect, FACTS))).account == name
        assert admitted(judge, connect).account == name

        await operator.known.remove(name)
        with pytest.raises(LoginRefused):
            await cast("Future[Identity]", judge.check(connect, FACTS))
    operator.close()
