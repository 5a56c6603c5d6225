"""authorization: users, tokens, permissions. Keys as nats-server 2.15.1 has them."""

from __future__ import annotations

import pytest

from leafnode.config.bind import bind
from leafnode.config.options import Authorization, PermissionsOptions, SubjectRules, User
from leafnode.config.parser import parse
from leafnode.errors import ConfigError

ISSUER = "AAB2CB576PHBBPQ5ODORRZ2LYCMWPZGWGCN2KDK7DXOIMZASKUY3QPZV"
TLS = "tls { cert_file: a, key_file: b }"
SLOW_TLS = "tls { cert_file: a, key_file: b, timeout: 5 }"
NKEY = "UDXU4RCSJNZOIQHZNWXHXORDPRTGNJAHAHFRGZNEEJCPQTT2M7NLCNF4"


def refused(text: str) -> str:
    with pytest.raises(ConfigError) as caught:
        bind(parse(text, "x.conf"))
    return str(caught.value).removeprefix("x.conf:")


def authorization(text: str) -> Authorization:
    return bind(parse(f"authorization {{ {text} }}", "x.conf")).authorization


def test_a_single_user_a_token_or_users_may_be_required() -> None:
    assert authorization("user: a, password: b") == Authorization(user="a", password="b")
    assert authorization("username: a, pass: b") == Authorization(user="a", password="b")
    assert authorization("token: t, timeout: 0.5") == Authorization(
        token="t", timeout_ns=500_000_000
    )
    assert authorization(f"users [{{user: a, password: $2a$11$x}}, {{nkey: {NKEY}}}]").users == (
        User(user="a", password="$2a$11$x"),
        User(nkey=NKEY),
    )


@pytest.mark.parametrize(
    ("text", "publish", "subscribe"),
    [
        ("publish: a", SubjectRules(("a",)), SubjectRules()),
        ("pub: [a, b.>], sub: c", SubjectRules(("a", "b.>")), SubjectRules(("c",))),
        ("import: a, export: b", SubjectRules(("a",)), SubjectRules(("b",))),
        ('publish: {deny: ">"}', SubjectRules(deny=(">",)), SubjectRules()),
        (
            "subscribe: {allow: [a, b], deny: 'c.*'}",
            SubjectRules(),
            SubjectRules(("a", "b"), ("c.*",)),
        ),
    ],
)
def test_permissions_are_a_subject_an_array_or_allow_and_deny(
    text: str, publish: SubjectRules, subscribe: SubjectRules
) -> None:
    users = authorization(f"users [{{user: a, password: b, permissions: {{ {text} }} }}]").users

    assert users[0].permissions == PermissionsOptions(publish, subscribe)


def test_default_permissions_are_those_of_users_without_their_own() -> None:
    users = authorization(
        "default_permissions: {publish: a}, "
        "users [{user: a, password: b}, {user: c, password: d, permission: {publish: x}}]"
    ).users

    assert users[0].permissions == PermissionsOptions(publish=SubjectRules(("a",)))
    assert users[1].permissions == PermissionsOptions(publish=SubjectRules(("x",)))


def test_a_password_beside_users_may_be_a_variable_of_theirs_as_in_the_manual_of_nats() -> None:
    found = authorization("PASS: abc, users = [{user: joe, password: $PASS}]")

    assert (found.user, found.password) == ("", "")
    assert [(one.user, one.password) for one in found.users] == [("joe", "abc")]


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("user: a", "1:1: authorization: expected a password for the user"),
        ("password: a", "1:17: authorization.password: expected a user for the password"),
        ("token: t, user: a, password: b", "authorization.user: expected token or user"),
        ("users: [{user: a, password: b}], user: c, password: d", "expected user or users"),
        ("users: [{user: a, password: b}], token: t", "expected token or users, not both"),
        ("users: []", "authorization.users: expected at least one user, got an empty array"),
        ("users: {user: a}", "authorization.users: expected an array of users, got a block"),
        ("users: [a]", "authorization.users[0]: expected a block, got a string"),
        ("users: [{user: a}]", 'authorization: expected a password for the user "a"'),
        ("users: [{password: a}]", "authorization.users[0]: expected user and password, or nkey"),
        ("users: [{}]", "authorization.users[0]: expected user and password, or nkey"),
        (
            "users: [{user: a, password: b}, {user: a, password: c}]",
            'authorization.users[1]: the user "a" stands twice',
        ),
        (f"users: [{{nkey: {NKEY}, user: a, password: b}}]", "expected nkey or user and password"),
        (f"users: [{{nkey: {NKEY}, password: b}}]", "expected nkey or user and password"),
        ("users: [{nkey: UC}]", "users[0].nkey: expected the public nkey of a user"),
        ("user: a, password: ''", "authorization.password: expected a string of one line"),
        ("token: ''", "authorization.token: expected a string of one line"),
        ("user: a, password: b, permissions: {publish: a}", "default permissions hold only for"),
        (
            "users: [{user: a, password: b, permissions: {publish: []}}]",
            "publish: expected at least",
        ),
        (
            "users: [{user: a, password: b, permissions: {publish: {allow: 'a..b'}}}]",
            'users[0].permissions.publish.allow: expected a subject, got "a..b"',
        ),
        ("users: [{user: a, password: b, permissions: {pub: 'a q'}}]", "expected a subject"),
        (
            "users: [{user: a, password: b, permissions: {sub: {deny: [x, 'c d e']}}}]",
            '1:78: authorization.users[0].permissions.sub.deny[1]: expected a subject, got "c d e"',
        ),
        (
            "users: [{user: a, password: b, permissions: {pub: {allows: a}}}]",
            'unknown field "allows"',
        ),
        (
            "users: [{user: a, password: b, clients: [standard, telnet]}]",
            'users[0].clients[1]: unknown connection type "telnet"',
        ),
        ("auth_callout: {}", "auth_callout: expected issuer, the public key of the account"),
        (f"auth_callout: {{issuer: {ISSUER}}}", "expected auth_users"),
        ("auth_callout: {issuer: UA}", "issuer: expected the public nkey of an account (A…)"),
        (
            f"users: [{{user: a, password: b}}], auth_callout: {{issuer: {ISSUER}, users: [c]}}",
            'authorization callout user "c" not valid',
        ),
        (
            f"users: [{{user: a, password: b}}], auth_callout: {{issuer: {ISSUER}, users: [a], "
            "account: B}",
            'authorization callout account "B" not valid',
        ),
        (
            f"users: [{{user: a, password: b}}], auth_callout: {{issuer: {ISSUER}, users: [a], "
            "allowed_accounts: [B]}",
            'auth_callout allowed account "B" not found in configured accounts',
        ),
        ("timeout: -1", "authorization.timeout: expected a duration above zero"),
        ("timeout: 61", "authorization.timeout: expected at most 60 seconds, got 61"),
        ('timeout: "1h"', 'authorization.timeout: expected at most 60 seconds, got "1h"'),
    ],
)
def test_who_may_connect_must_be_said_without_a_gap(text: str, error: str) -> None:
    assert error in refused(f"authorization {{ {text} }}")


def test_a_user_may_be_bound_to_ways_of_connecting_and_to_a_proxy() -> None:
    (user,) = authorization(
        "users: [{user: a, password: b, allowed_connection_types: [standard, WebSocket], "
        "proxy_required: true}]"
    ).users

    assert user.allowed_connection_types == ("STANDARD", "WEBSOCKET")
    assert user.proxy_required
    (user,) = authorization("users: [{user: a, password: b, allowed_connection_types: mqtt}]").users
    assert user.allowed_connection_types == ("MQTT",)


def test_no_auth_user_is_a_user_and_may_go_without_a_password() -> None:
    options = bind(parse("no_auth_user: a, authorization: {users: [{user: a}]}", "x.conf"))

    assert options.no_auth_user == "a"


def test_an_unknown_no_auth_user_is_refused_with_nats_server_s_text() -> None:
    assert refused("no_auth_user: a") == (
        '1:1: no_auth_user: no_auth_user: "a" present, but users/nkeys are not defined'
    )
    assert refused("no_auth_user: a, authorization: {users: [{user: b, password: c}]}").endswith(
        'no_auth_user: "a" not present as user or nkey in authorization block or account '
        "configuration"
    )


def test_trusted_proxies_are_public_keys() -> None:
    options = bind(parse(f"proxies: {{trusted: [{{key: {NKEY}}}]}}", "x.conf"))

    assert options.trusted_proxies == (NKEY,)
    assert "expected key" in refused("proxies: {trusted: [{}]}")


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("", 2),
        ("authorization { token: t }", 2),
        (TLS, 3),
        (f"authorization {{ token: t, timeout: 0 }}, {TLS}", 3),
        (SLOW_TLS, 6),
        (f"authorization {{ token: t, timeout: 1 }}, {SLOW_TLS}", 1),
    ],
)
def test_a_login_may_take_longer_where_a_handshake_does(text: str, seconds: int) -> None:
    assert bind(parse(text, "x.conf")).login_timeout_ns == seconds * 1_000_000_000
