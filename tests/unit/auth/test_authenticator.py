"""Logins of local clients. Source: nats-server 2.15.1 server/auth.go."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, cast

import bcrypt
import nkeys
import pytest

from leafnode.auth.authenticator import Authenticator, new_nonce
from leafnode.auth.identity import ANYBODY, Identity, LoginRefused, PeerFacts
from leafnode.auth.nkey import Signer
from leafnode.auth.secrets import Secrets
from leafnode.config.account_options import AccountOptions
from leafnode.config.options import (
    AuthCalloutOptions,
    Authorization,
    Options,
    PermissionsOptions,
    SubjectRules,
    User,
)
from leafnode.limits import BCRYPT_PENDING_ADDRESS_MAX
from leafnode.protocol.info import Connect
from tests.sim.executor import SteppedExecutor

if TYPE_CHECKING:
    from leafnode.auth.callout import Callout

SIGNER = Signer(nkeys.encode_seed(bytes(range(32)), nkeys.PREFIX_BYTE_USER), source="test")
HASH = bcrypt.hashpw(b"secret", bcrypt.gensalt(4)).decode()
NONCE = b"EsbRnPg3CTsA6gA"
FACTS = PeerFacts(nonce=NONCE)


def authenticator_of(authorization: Authorization) -> Authenticator:
    return Authenticator(Options(authorization=authorization))


PLAIN = authenticator_of(Authorization(user="ann", password="secret"))
TOKEN = authenticator_of(Authorization(token="t0ken"))
NKEY = authenticator_of(Authorization(users=(User(nkey=SIGNER.public_key),)))
HASHED = Authorization(users=(User(user="ann", password=HASH),))


def stepped() -> tuple[SteppedExecutor, Authenticator]:
    """An authenticator of a user with a hash, and what compares it when the test says so."""
    worker = SteppedExecutor()
    options = Options(authorization=HASHED)
    return worker, Authenticator(options, secrets=Secrets(lambda _: worker))


def accepted(authenticator: Authenticator, connect: Connect, facts: PeerFacts = FACTS) -> Identity:
    identity = authenticator.check(connect, facts)
    assert isinstance(identity, Identity)
    return identity


def test_without_authorization_anybody_is_let_in_whatever_connect_carries() -> None:
    authenticator = authenticator_of(Authorization())

    assert not authenticator.required
    assert accepted(authenticator, Connect(user="x", password="y", account="$SYS")) is ANYBODY


def test_the_right_password_names_the_user() -> None:
    assert accepted(PLAIN, Connect(user="ann", password="secret")).user == "ann"


def test_the_right_token_is_let_in() -> None:
    assert accepted(TOKEN, Connect(auth_token="t0ken")).account == ANYBODY.account


def test_a_signature_over_this_connections_nonce_names_the_key() -> None:
    connect = Connect(nkey=SIGNER.public_key, sig=SIGNER.sign(NONCE.decode()))

    assert accepted(NKEY, connect).user == SIGNER.public_key
    assert NKEY.nonce_required
    assert not PLAIN.nonce_required


@pytest.mark.parametrize(
    ("authenticator", "connect"),
    [
        (PLAIN, Connect()),
        (PLAIN, Connect(user="ann")),
        (PLAIN, Connect(user="ann", password="Secret")),
        (PLAIN, Connect(user="ann", password="\ud800")),
        (PLAIN, Connect(user="bob", password="secret")),
        (PLAIN, Connect(user="bob", password="")),
        (PLAIN, Connect(auth_token="secret")),
        (PLAIN, Connect(nkey=SIGNER.public_key, sig=SIGNER.sign(NONCE.decode()))),
        (PLAIN, Connect(user="ann", password="", account="$SYS", jwt="x.y.z")),
        (TOKEN, Connect()),
        (TOKEN, Connect(password="t0ken")),
        (TOKEN, Connect(auth_token="t0ken ")),
        (NKEY, Connect()),
        (NKEY, Connect(nkey=SIGNER.public_key)),
        (NKEY, Connect(nkey=SIGNER.public_key, sig=SIGNER.sign("an older nonce"))),
        (NKEY, Connect(user=SIGNER.public_key, password="")),
        (authenticator_of(Authorization(user="ann")), Connect(user="ann")),
        (
            authenticator_of(Authorization(users=(User(user="ann", password=""),))),
            Connect(user="ann"),
        ),
    ],
)
def test_anything_else_is_refused_with_one_text(
    authenticator: Authenticator, connect: Connect
) -> None:
    before = authenticator.refused

    with pytest.raises(LoginRefused) as caught:
        authenticator.check(connect, FACTS)

    assert str(caught.value) == "Authorization Violation"
    assert authenticator.refused == before + 1


def test_a_signature_over_an_empty_nonce_is_refused() -> None:
    with pytest.raises(LoginRefused):
        NKEY.check(Connect(nkey=SIGNER.public_key, sig=SIGNER.sign("")), PeerFacts())


def test_permissions_of_the_user_come_with_the_identity() -> None:
    rules = PermissionsOptions(
        publish=SubjectRules(allow=("out.>",), deny=("out.no",)),
        subscribe=SubjectRules(deny=("secret.>",)),
    )
    one = authenticator_of(Authorization(users=(User(user="u", password="p", permissions=rules),)))

    permissions = accepted(one, Connect(user="u", password="p")).permissions

    assert permissions is not None
    assert permissions.may_publish(b"out.a")
    assert not permissions.may_publish(b"out.no")
    assert not permissions.may_publish(b"else")
    assert permissions.may_subscribe(b"anything")
    assert not permissions.subscribe.allows(b"secret.a")


async def test_a_bcrypt_hash_is_checked_off_the_loop_and_answers_by_a_future() -> None:
    authenticator = authenticator_of(HASHED)

    answer = authenticator.check(Connect(user="ann", password="secret"), FACTS)

    assert isinstance(answer, asyncio.Future)
    assert not answer.done()
    assert (await answer).user == "ann"
    authenticator.close()


@pytest.mark.parametrize(
    ("user", "password"),
    [("ann", "wrong"), ("ann", ""), ("bob", "secret"), ("ann", "secret\0"), ("ann", "x" * 100)],
)
async def test_a_wrong_secret_against_a_hash_is_refused_and_an_unknown_user_takes_as_long(
    user: str, password: str
) -> None:
    authenticator = authenticator_of(HASHED)

    answer = authenticator.check(Connect(user=user, password=password), FACTS)

    assert isinstance(answer, asyncio.Future)
    with pytest.raises(LoginRefused):
        await answer
    assert authenticator.refused == 1
    authenticator.close()


async def test_a_malformed_hash_lets_nobody_in() -> None:
    authenticator = authenticator_of(Authorization(user="ann", password="$2a$04$nonsense"))

    answer = authenticator.check(Connect(user="ann", password="$2a$04$nonsense"), FACTS)

    assert isinstance(answer, asyncio.Future)
    with pytest.raises(LoginRefused):
        await answer
    authenticator.close()


async def test_as_many_logins_wait_as_the_bound_says_and_one_more_is_refused_at_once() -> None:
    worker, authenticator = stepped()
    connect = Connect(user="ann", password="secret")
    waiting = [authenticator.check(connect, FACTS) for _ in range(BCRYPT_PENDING_ADDRESS_MAX + 1)]

    with pytest.raises(LoginRefused):
        authenticator.check(connect, FACTS)

    assert authenticator.overflowed == 1
    for answer in waiting:
        assert isinstance(answer, asyncio.Future)
        while not answer.done():
            worker.step_all()
            await asyncio.sleep(0)
        assert (await answer).user == "ann"
    again = authenticator.check(connect, FACTS)
    assert isinstance(again, asyncio.Future)
    worker.step()
    assert (await again).user == "ann"


async def test_a_login_whose_connection_is_gone_makes_room_for_another() -> None:
    worker, authenticator = stepped()
    first = authenticator.check(Connect(user="ann", password="secret"), FACTS)
    answer = authenticator.check(Connect(user="ann", password="wrong"), FACTS)
    assert isinstance(first, asyncio.Future)
    assert isinstance(answer, asyncio.Future)

    answer.cancel()
    for _ in range(3):  # it is told, and what it waited for
        await asyncio.sleep(0)
    assert authenticator.checks_waiting == 1
    second = authenticator.check(Connect(user="ann", password="secret"), FACTS)

    worker.step()
    await first
    worker.step()
    assert isinstance(second, asyncio.Future)
    assert (await second).user == "ann"


async def test_closing_refuses_the_logins_that_wait() -> None:
    worker, authenticator = stepped()
    connect = Connect(user="ann", password="secret")
    done, *waiting = [authenticator.check(connect, FACTS) for _ in range(8)]
    worker.step()

    authenticator.close()

    assert isinstance(done, asyncio.Future)
    assert (await done).user == "ann"
    for answer in waiting:
        assert isinstance(answer, asyncio.Future)
        with pytest.raises(LoginRefused):
            await answer


def test_a_nonce_has_fifteen_characters_and_is_as_fresh_as_its_source() -> None:
    assert new_nonce(lambda size: bytes(range(size))) == b"AAECAwQFBgcICQo"
    assert new_nonce(lambda size: b"\xff" * size) != new_nonce(lambda size: b"\xfe" * size)


class Service:
    """A callout service that lets everybody in, and keeps what it was told."""

    def __init__(self) -> None:
        self.told: list[Connect] = []

    async def decide(self, to: object, connect: Connect, facts: PeerFacts) -> Identity:
        del to, facts
        self.told.append(connect)
        return ANYBODY


@pytest.mark.real_loop
async def test_a_callout_service_hears_of_no_jwt_where_nobody_is_trusted_to_sign_one() -> None:
    asked = AuthCalloutOptions(issuer="A", auth_users=("s",))
    authenticator = authenticator_of(Authorization(auth_callout=asked))
    service = Service()

    async with asyncio.TaskGroup() as tasks:
        authenticator.delegate(cast("Callout", service), tasks)
        answer = authenticator.check(Connect(user="bob", jwt="a.b.c"), FACTS)
        assert not isinstance(answer, Identity)
        assert await answer is ANYBODY

    assert service.told == [Connect(user="bob")]


@pytest.mark.real_loop
async def test_who_shares_a_callout_services_account_unasked_may_not_send_it_requests() -> None:
    asked = AuthCalloutOptions(
        issuer="A", account="AUTH", auth_users=("s",), allowed_accounts=("APP",)
    )
    users = (User(user="ann", password="secret"), User(user="s", password="x"))
    authenticator = Authenticator(
        Options(
            authorization=Authorization(auth_callout=asked),
            accounts=(AccountOptions("AUTH", users=users),),
        )
    )

    async with asyncio.TaskGroup() as tasks:
        authenticator.delegate(cast("Callout", Service()), tasks)
        answer = authenticator.check(Connect(user="ann", password="secret"), FACTS)
        assert not isinstance(answer, Identity)
        identity = await answer

    for one in (identity, authenticator.again(identity, FACTS)):
        assert one.account == "AUTH"
        assert one.permissions is not None
        assert not one.permissions.may_publish(b"$SYS.REQ.USER.AUTH")
