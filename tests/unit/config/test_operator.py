"""leafnode.config.operator: keys of operator mode, with nats-server's words for what cannot be."""

from __future__ import annotations

from pathlib import Path

import pytest

from leafnode.config.bind import bind
from leafnode.config.listener_options import CertificatePair
from leafnode.config.options import OperatorOptions, Options, ResolverOptions, TlsOptions
from leafnode.config.parser import parse
from leafnode.errors import ConfigError
from tests.sim.realm import Realm

NS_PER_S = 1_000_000_000
EXAMPLE = Path(__file__).parents[3] / "configs" / "examples" / "operator.conf"
REALM = Realm()
OPERATOR = f"operator: {REALM.operator_jwt()}\n"


def options(text: str) -> Options:
    return bind(parse(text, "x.conf"))


def operator(text: str) -> OperatorOptions:
    found = options(text).operator
    assert found is not None
    return found


def refused(text: str) -> str:
    with pytest.raises(ConfigError) as caught:
        options(text)
    return caught.value.problem


def test_an_operator_is_a_jwt_or_a_file_or_several() -> None:
    assert operator(OPERATOR).operators == (REALM.operator_jwt(),)
    assert operator("operator: './op.jwt'").operators == ("./op.jwt",)
    assert operator("operators: [a.jwt, b.jwt]").operators == ("a.jwt", "b.jwt")


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("MEMORY", ResolverOptions()),
        ("mem", ResolverOptions()),
        (
            "URL(http://h:9090/jwt/v1/accounts/)",
            ResolverOptions("url", url="http://h:9090/jwt/v1/accounts/"),
        ),
        ('"URL(\\"https://h/\\")"', ResolverOptions("url", url="https://h/")),
        ("{type: memory}", ResolverOptions()),
        (
            "{type: full, dir: './jwt', allow_delete: true, hard_delete: true, interval: '2m', "
            "limit: 5, timeout: '1s'}",
            ResolverOptions(
                "full",
                "./jwt",
                allow_delete=True,
                hard_delete=True,
                interval_ns=120 * NS_PER_S,
                limit=5,
                timeout_ns=NS_PER_S,
            ),
        ),
        (
            "{type: cache, dir: './jwt', ttl: '1h'}",
            ResolverOptions("cache", "./jwt", ttl_ns=3600 * NS_PER_S),
        ),
    ],
)
def test_a_resolver_has_many_forms(text: str, wanted: ResolverOptions) -> None:
    assert operator(f"{OPERATOR}resolver: {text}").resolver == wanted


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("resolver: DISK", "error parsing account resolver"),
        ("resolver: URL(ftp://h)", "error parsing account resolver"),
        ("resolver: URL(http://u:canary@h", "error parsing account resolver"),
        ("resolver: {dir: x}", "expected type"),
        ("resolver: {type: full}", "expected dir has no value"),
        ("resolver: {type: cache, dir: x, interval: '1s'}", "CACHE does not accept sync"),
        (
            "resolver: {type: cache, dir: x, allow_delete: true}",
            "CACHE does not accept allow_delete",
        ),
        ("resolver: {type: full, dir: x, ttl: '1s'}", "FULL does not accept ttl"),
        (
            "resolver: {type: full, dir: x, hard_delete: true}",
            "hard_delete has no effect without delete",
        ),
        ("resolver_preload: {x: eyJ}", "expected the public nkey of an account"),
        pytest.param(
            f"resolver_preload: {{{REALM.account.public}: x}}",
            "preload map value should be",
            id="a preload that is no JWT",
        ),
        ("trusted_keys: x", "expected the public nkey of an operator"),
        ("resolver_pinned_accounts: x", "expected the public nkey of an account"),
        ("default_sentinel: eyJ, trusted_keys: []", "default sentinel requires operators and"),
        ("default_sentinel: eyJ", "default sentinel requires operators and accounts"),
        (
            f"{OPERATOR}authorization: {{users: [{{user: a, password: b}}]}}",
            "operators do not allow users to be configured directly",
        ),
        (
            f"{OPERATOR}authorization: {{token: a}}",
            "operators do not allow users to be configured directly",
        ),
        (
            f"{OPERATOR}accounts: {{A: {{}}}}",
            "operators do not allow Accounts to be configured directly",
        ),
        (f"{OPERATOR}trusted_keys: {REALM.operator.public}", "conflicting options for"),
        (
            f"{OPERATOR}leafnodes: {{port: 1,"
            "authorization: {users: [{user: a, password: canary}]}}",
            "operator mode does not allow specifying users in leafnode config",
        ),
        (
            f"{OPERATOR}leafnodes: {{remotes: [{{url: 'leaf://a:canary@b'}}]}}",
            "operator mode requires account nkeys in remotes. Please add an `account` key",
        ),
        (
            f"{OPERATOR}leafnodes: {{port: 1, authorization: {{user: a, account: A}}}}",
            "operator mode and non account nkeys are incompatible",
        ),
    ],
)
def test_what_cannot_be_is_said(text: str, problem: str) -> None:
    found = refused(text)

    assert found.startswith(problem)
    assert "canary" not in found


def test_preloaded_and_pinned_accounts_and_trusted_keys() -> None:
    found = operator(
        f"trusted_keys: {REALM.operator.public}\nresolver: MEMORY\n"
        f"resolver_preload: {{{REALM.account.public}: {REALM.account_jwt()}}}\n"
        f"resolver_pinned_accounts: [{REALM.account.public}]\n"
        f"system_account: {REALM.system.public}\n"
    )

    assert found.trusted_keys == (REALM.operator.public,)
    assert found.preload == ((REALM.account.public, REALM.account_jwt()),)
    assert found.pinned_accounts == (REALM.account.public,)


def test_the_example_is_a_configuration() -> None:
    found = operator(EXAMPLE.read_text())

    assert found.operators == ("/etc/leafnode/operator.jwt",)
    assert found.resolver == ResolverOptions(
        "full", "/var/lib/leafnode/jwt", allow_delete=True, limit=1000
    )


def test_a_resolver_alone_is_no_operator_mode() -> None:
    preload = f"resolver_preload: {{{REALM.account.public}: {REALM.account_jwt()}}}"
    for text in ("resolver: MEMORY", "resolver: URL(http://h/)", preload):
        assert options(text).operator is None
    assert operator(f"{OPERATOR}resolver_pinned_accounts: []").pinned_accounts == ()
    assert refused("resolver: {type: full, dir: './jwt'}") == "no operator key found"


def test_the_tls_of_a_resolver_is_that_of_a_client() -> None:
    text = "resolver_tls: {ca_file: ca.pem, cert_file: c.pem, key_file: k.pem}"

    assert operator(OPERATOR + text).resolver_tls == TlsOptions(
        "ca.pem", (CertificatePair("c.pem", "k.pem"),)
    )
