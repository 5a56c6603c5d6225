"""leafnode.auth.static: the ways of proving who one is. Source: nats-server server/auth.go."""

from __future__ import annotations

import base64

import pytest

from leafnode.auth.authenticator import Authenticator
from leafnode.auth.certificate import Certificate
from leafnode.auth.identity import ConnectionType, Identity, LoginRefused, PeerFacts
from leafnode.auth.nkey import KeyPair
from leafnode.config.options import Authorization, Options, User
from leafnode.protocol.info import Connect

NONCE = b"EsbRnPg3CTsA6gA"
ANN = User(user="ann", password="secret")
GUEST = User(user="guest", password="guest", allowed_connection_types=("STANDARD",))
USERS = Authorization(users=(ANN, GUEST))
OPEN = Authenticator(Options(authorization=USERS, no_auth_user="guest"))
STANDARD = PeerFacts(nonce=NONCE)
WEBSOCKET = PeerFacts(nonce=NONCE, kind=ConnectionType.WEBSOCKET)


def who(authenticator: Authenticator, connect: Connect, facts: PeerFacts = STANDARD) -> str:
    """The user it is, or a dash."""
    try:
        identity = authenticator.check(connect, facts)
    except LoginRefused:
        return "-"
    assert isinstance(identity, Identity)
    return identity.user


def test_whoever_brings_nothing_is_the_no_auth_user() -> None:
    assert who(OPEN, Connect()) == "guest"
    assert who(OPEN, Connect(user="ann", password="secret")) == "ann"
    assert OPEN.admits_anonymous(STANDARD)
    assert OPEN.required
    assert not OPEN.announced


@pytest.mark.parametrize(
    "connect",
    [
        Connect(user="ann"),
        Connect(user="ann", password="wrong"),
        Connect(user="nobody", password="x"),
        Connect(password="secret"),
        Connect(auth_token="t"),
        Connect(jwt="a.b.c"),
        Connect(nkey="U"),
    ],
)
def test_whoever_brings_something_wrong_is_not_the_no_auth_user(connect: Connect) -> None:
    assert who(OPEN, connect) == "-"


def test_the_no_auth_user_is_nobody_where_it_may_not_come_in() -> None:
    assert who(OPEN, Connect(), WEBSOCKET) == "-"
    assert not OPEN.admits_anonymous(WEBSOCKET)


def test_a_listener_s_own_no_auth_user_goes_before() -> None:
    facts = PeerFacts(kind=ConnectionType.WEBSOCKET, no_auth_user="ann")

    assert who(OPEN, Connect(), facts) == "ann"


def test_without_a_no_auth_user_nobody_goes_without() -> None:
    closed = Authenticator(Options(authorization=USERS))

    assert who(closed, Connect()) == "-"
    assert not closed.admits_anonymous(STANDARD)


def test_a_user_is_refused_on_a_connection_that_it_may_not_use() -> None:
    assert who(OPEN, Connect(user="guest", password="guest")) == "guest"
    assert who(OPEN, Connect(user="guest", password="guest"), WEBSOCKET) == "-"


def test_a_mapped_certificate_is_the_user_whatever_connect_says() -> None:
    facts = PeerFacts(certificate=Certificate(emails=("ann",)), map_certificate=True)

    assert who(OPEN, Connect(user="guest", password="guest"), facts) == "ann"


def test_where_certificates_are_mapped_nothing_else_lets_in() -> None:
    unknown = PeerFacts(certificate=Certificate(emails=("bob",)), map_certificate=True)

    assert who(OPEN, Connect(user="ann", password="secret"), unknown) == "-"
    assert who(OPEN, Connect(), unknown) == "-"
    assert who(OPEN, Connect(), PeerFacts(map_certificate=True)) == "-"


def test_a_user_without_a_password_cannot_be_had_by_an_empty_one() -> None:
    only_mapped = Authenticator(Options(authorization=Authorization(users=(User(user="ann"),))))

    assert who(only_mapped, Connect(user="ann")) == "-"
    assert who(only_mapped, Connect(user="ann", password="")) == "-"


def test_a_user_behind_a_proxy_needs_one_that_is_trusted() -> None:
    proxy, stranger = KeyPair("N", bytes(32)), KeyPair("N", bytes([1]) * 32)
    user = User(user="ann", password="secret", proxy_required=True)
    authenticator = Authenticator(
        Options(authorization=Authorization(users=(user,)), trusted_proxies=(proxy.public_key,))
    )

    def login(signer: KeyPair | None, nonce: bytes = NONCE) -> str:
        sig = base64.urlsafe_b64encode(signer.sign(nonce)).decode() if signer else ""
        return who(authenticator, Connect(user="ann", password="secret", proxy_sig=sig))

    assert authenticator.nonce_required
    assert login(proxy) == "ann"
    assert login(None) == "-"
    assert login(stranger) == "-"
    assert login(proxy, b"an older nonce") == "-"


def test_a_token_or_single_user_may_need_a_proxy_too() -> None:
    for authorization in (
        Authorization(token="t", proxy_required=True),
        Authorization(user="u", password="p", proxy_required=True),
    ):
        authenticator = Authenticator(Options(authorization=authorization))

        assert who(authenticator, Connect(auth_token="t", user="u", password="p")) == "-"
