"""leafnode.auth.static: the ways of proving who one is. Source: nats-server server/auth.go."""

from __future__ import annotations

import base64
from dataclasses import replace
from typing import Any

import pytest

from leafnode.auth import certificate
from leafnode.auth.authenticator import Authenticator
from leafnode.auth.certificate import Certificate
from leafnode.auth.identity import (
    PROXY_NOT_TRUSTED,
    PROXY_REQUIRED,
    REFUSED,
    ConnectionType,
    Identity,
    LoginRefused,
    PeerFacts,
    UserRemoved,
)
from leafnode.auth.nkey import KeyPair
from leafnode.config.account_options import AccountOptions
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


@pytest.mark.parametrize(
    "connect",
    [
        Connect(user="ann"),
        Connect(user="ann", password="wrong"),
        Connect(user="nobody", password="x"),
        Connect(password="secret"),
        Connect(auth_token="t"),
    ],
)
def test_whoever_brings_something_wrong_is_not_the_no_auth_user(connect: Connect) -> None:
    assert who(OPEN, connect) == "-"


def test_a_jwt_without_an_operator_and_an_nkey_where_nobody_has_one_are_nothing() -> None:
    assert who(OPEN, Connect(jwt="a.b.c", sig="s")) == "guest"
    assert who(OPEN, Connect(nkey="U")) == "guest"


def test_an_nkey_that_is_the_no_auth_user_needs_no_signature_nor_certificate() -> None:
    key = KeyPair("U", bytes(32)).public_key
    users = Authorization(users=(ANN, User(nkey=key)))
    one = Authenticator(Options(authorization=users, no_auth_user=key))

    for facts in (STANDARD, MAPPED):
        assert who(one, Connect(), facts) == key
        assert who(one, Connect(nkey=key, user="ann", password="x"), facts) == key
        assert who(one, Connect(nkey="U"), facts) == "-"
    assert one.admits_anonymous(STANDARD)
    assert not one.admits_anonymous(MAPPED)


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


MAPPED = PeerFacts(certificate=Certificate(emails=("joe",)), map_certificate=True)
BY_CERTIFICATE = Authenticator(Options(authorization=Authorization(users=(User(user="joe"), ANN))))


def test_a_mapped_certificate_is_the_user_whatever_name_or_token_connect_brings(
    caplog: pytest.LogCaptureFixture,
) -> None:
    for connect in (Connect(), Connect(user="ann"), Connect(auth_token="t"), Connect(jwt="j")):
        assert who(BY_CERTIFICATE, connect, MAPPED) == "joe"

    assert caplog.messages == ['User "ann" found in connect proto, but user required from cert']


def test_a_password_beside_a_mapped_certificate_has_to_be_the_user_s() -> None:
    ann = replace(MAPPED, certificate=Certificate(emails=("ann",)))

    assert who(BY_CERTIFICATE, Connect(user="ann", password="secret"), MAPPED) == "-"
    assert who(BY_CERTIFICATE, Connect(), ann) == "-"
    assert who(BY_CERTIFICATE, Connect(password="secret"), ann) == "ann"
    assert who(BY_CERTIFICATE, Connect(user="joe", password="secret"), ann) == "ann"


def test_the_names_of_users_are_parsed_once_and_not_at_each_login(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    parsed: list[str] = []
    parse_name = certificate.parse_name

    def noted(text: str) -> object:
        parsed.append(text)
        return parse_name(text)

    monkeypatch.setattr(certificate, "parse_name", noted)
    users = tuple(User(user=f"CN={number}") for number in range(3))
    mapping = Authenticator(Options(authorization=Authorization(users=users)))
    facts = replace(MAPPED, certificate=Certificate(subject=((("commonName", "2"),),)))

    identity = mapping.check(Connect(), facts)
    assert isinstance(identity, Identity)
    assert mapping.again(identity, facts).user == "CN=2"
    assert len(parsed) == len(users)


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

    def login(signer: KeyPair | None, nonce: bytes = NONCE, padding: str = "") -> str:
        sig = base64.urlsafe_b64encode(signer.sign(nonce)).decode() if signer else ""
        sig = sig.replace("=", padding)
        connect = Connect(user="ann", password="secret", proxy_sig=sig)
        try:
            facts = replace(STANDARD, proxy=authenticator.voucher(connect, STANDARD))
        except LoginRefused as refusal:
            return refusal.state
        return who(authenticator, connect, facts)

    assert authenticator.nonce_required
    assert login(proxy) == "ann"
    assert login(None) == "-"
    assert login(proxy, padding="=") == PROXY_NOT_TRUSTED
    assert login(stranger) == PROXY_NOT_TRUSTED
    assert login(proxy, b"an older nonce") == PROXY_NOT_TRUSTED


def test_a_token_or_single_user_may_need_a_proxy_too() -> None:
    for authorization in (
        Authorization(token="t", proxy_required=True),
        Authorization(user="u", password="p", proxy_required=True),
    ):
        authenticator = Authenticator(Options(authorization=authorization))

        assert who(authenticator, Connect(auth_token="t", user="u", password="p")) == "-"


def again(options: Options, facts: PeerFacts = STANDARD, *, before: Options | None = None) -> str:
    """Log ann in by `before`, and return who she is by `options`, or how she ends."""
    authenticator = Authenticator(before or Options(authorization=USERS))
    identity = authenticator.check(Connect(user="ann", password="secret", auth_token="t"), facts)
    assert isinstance(identity, Identity)
    authenticator.apply(options)
    try:
        return authenticator.again(identity, facts).user or "anybody"
    except UserRemoved:
        return "gone"
    except LoginRefused as refusal:
        return refusal.state


def ann_alone(user: User, **options: Any) -> Options:
    return Options(authorization=Authorization(users=(user,)), **options)


def test_a_user_that_is_the_same_as_before_holds_again() -> None:
    assert again(Options(authorization=USERS)) == "ann"
    assert again(Options()) == "gone"  # nobody has a name where nobody logs in


def test_a_user_whose_secret_or_kind_of_connection_is_another_one_does_not_hold() -> None:
    assert again(ann_alone(replace(ANN, password="other"))) == REFUSED
    assert again(ann_alone(replace(ANN, allowed_connection_types=("WEBSOCKET",)))) == REFUSED
    assert again(ann_alone(replace(ANN, allowed_connection_types=("STANDARD",)))) == "ann"
    assert again(Options(authorization=Authorization(users=(GUEST,)))) == "gone"
    elsewhere = AccountOptions("B", users=(replace(ANN, password="other"),))
    assert again(Options(accounts=(elsewhere,))) == "gone"  # comes back, and is told then
    assert again(Options(authorization=Authorization(token="t"))) == "gone"


def test_a_user_that_needs_a_proxy_now_does_not_hold_without_one() -> None:
    behind = replace(STANDARD, proxy="N1")
    needed = ann_alone(replace(ANN, proxy_required=True), trusted_proxies=("N1",))

    assert again(needed) == PROXY_REQUIRED
    assert again(needed, behind) == "ann"
    assert again(replace(needed, trusted_proxies=("N2",)), behind) == PROXY_NOT_TRUSTED
    assert again(Options(authorization=USERS), behind) == PROXY_NOT_TRUSTED


def test_a_token_holds_again_as_long_as_it_is_the_same_and_needs_no_proxy() -> None:
    before = Options(authorization=Authorization(token="t"))
    proxied = Authorization(token="t", proxy_required=True)

    assert again(before, before=before) == "anybody"
    assert again(Options(), before=before) == "anybody"
    assert again(Options(authorization=Authorization(token="u")), before=before) == REFUSED
    assert again(Options(authorization=USERS), before=before) == REFUSED
    assert again(Options(authorization=proxied), before=before) == PROXY_REQUIRED


def test_a_certificate_has_to_name_the_user_where_it_is_mapped_now() -> None:
    identity = BY_CERTIFICATE.check(Connect(), MAPPED)
    assert isinstance(identity, Identity)
    assert BY_CERTIFICATE.again(identity, MAPPED) == identity
    ann = BY_CERTIFICATE.check(Connect(user="ann", password="secret"), STANDARD)
    assert isinstance(ann, Identity)

    for who_before, facts in (
        (identity, replace(MAPPED, certificate=Certificate(emails=("ann",)))),
        (identity, replace(MAPPED, certificate=None)),
        (identity, replace(MAPPED, map_certificate=False)),
        (ann, MAPPED),
    ):
        with pytest.raises(LoginRefused):
            BY_CERTIFICATE.again(who_before, facts)


def test_the_no_auth_user_needs_no_certificate_to_hold_again() -> None:
    options = Options(
        authorization=Authorization(users=(User(user="joe"), ANN)), no_auth_user="joe"
    )
    authenticator = Authenticator(options)
    identity = authenticator.check(Connect(), STANDARD)
    assert isinstance(identity, Identity)

    assert authenticator.again(identity, STANDARD) == identity
