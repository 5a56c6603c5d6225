"""The leafnodes block. Keys as nats-server 2.15.1 has them."""

from __future__ import annotations

import nkeys
import pytest

from leafnode.config.bind import bind
from leafnode.config.listener_options import (
    CertificatePair,
    LeafAuthorization,
    LeafListener,
    LeafUser,
)
from leafnode.config.options import (
    HostPort,
    HttpProxy,
    LeafOptions,
    LeafRemote,
    Options,
    TlsOptions,
)
from leafnode.config.parser import parse
from leafnode.errors import ConfigError
from leafnode.protocol.leaf_compression import NO_COMPRESSION

NKEY = "UCNGL4W5QX66CFX6A6DCBVDH5VOHMI7B2UZZU7TXAUQQSI2JPHULCKBR"
SEED = nkeys.encode_seed(bytes(32), nkeys.PREFIX_BYTE_USER).decode()


def options(text: str) -> Options:
    return bind(parse(text, "x.conf"))


def refused(text: str) -> str:
    with pytest.raises(ConfigError) as caught:
        options(text)
    return str(caught.value).removeprefix("x.conf:")


# --- the port for leafs


def listener(text: str, before: str = "") -> LeafListener | None:
    leafnodes = options(f"{before}\nleafnodes {{ {text} }}").leafnodes
    assert leafnodes is not None
    return leafnodes.listener


def test_without_a_port_nobody_is_let_in() -> None:
    assert listener("host: 127.0.0.1, authorization { user: a, password: b }") is None
    assert listener("port: 7422") == LeafListener(port=7422)


def test_listen_is_host_and_port_and_what_comes_later_wins() -> None:
    assert listener('listen: "127.0.0.1:7422"') == LeafListener("127.0.0.1", 7422)
    assert listener('listen: "127.0.0.1:7422", port: 1') == LeafListener("127.0.0.1", 1)
    assert listener('port: 1, listen: "127.0.0.1:7422"') == LeafListener("127.0.0.1", 7422)


def test_the_port_has_all_its_keys() -> None:
    found = listener(
        f"""
        net: 127.0.0.1, port: -1, leafnode_advertise: "hub.example:1", minimum_version: "2.10.0"
        no_advertise: true, compression: off
        authorization {{ nkey: {NKEY}, account: A, timeout: "3s", proxy_required: true }}
        """,
        "accounts { A {} }",
    )

    assert found == LeafListener(
        host="127.0.0.1",
        port=-1,
        advertise=HostPort("hub.example", 1),
        authorization=LeafAuthorization(
            nkey=NKEY, account="A", timeout_ns=3_000_000_000, proxy_required=True
        ),
        min_version="2.10.0",
    )


def test_users_have_accounts_of_their_own() -> None:
    users = "[{user: a, password: b, account: A}, {username: c, pass: d, proxy_required: on}]"
    found = listener(f"port: -1, authorization {{ users: {users} }}", "accounts { A {} }")

    assert found is not None
    assert found.authorization.users == (
        LeafUser("a", "b", "A"),
        LeafUser("c", "d", proxy_required=True),
    )


def test_with_tls_a_login_has_a_second_more_than_the_handshake() -> None:
    tls = "tls { cert_file: c, key_file: k, timeout: 4 }"
    given, default = (
        listener(f"port: -1, {tls}, {more}") for more in ("authorization { timeout: 1 }", "")
    )

    assert given is not None
    assert default is not None
    assert given.authorization.timeout_ns == 1_000_000_000
    assert default.authorization.timeout_ns == 5_000_000_000


def test_isolation_holds_for_all_links_or_for_one() -> None:
    remote_text = "url: 'nats://a', isolate: true, request_isolation: true, hub: true"
    found = options(f"leafnodes {{ isolate_leafnode_interest: on, remotes [{{{remote_text}}}] }}")

    leafnodes = found.leafnodes
    assert leafnodes is not None
    assert leafnodes.isolates
    one = leafnodes.remotes[0]
    assert (one.isolates, one.requests_isolation, one.hub) == (True, True, True)


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("min_version: '2.7.0'", "the minimum version should be at least 2.8.0"),
        ("min_version: x", "invalid leafnode's minimum version: invalid semver"),
        ("authorization { token: x }", 'unknown field "token"'),
        ("authorization { permissions {} }", 'unknown field "permissions"'),
        (
            "authorization { user: a, password: b, users: [{user: c, password: d}] }",
            "can not have a single user/pass and a users array",
        ),
        (
            f"authorization {{ nkey: {NKEY}, users: [{{user: c, password: d}}] }}",
            "can not have a single nkey and a users array",
        ),
        (
            "authorization { users: [{user: c, password: d}, {user: c, password: e}] }",
            'duplicate user "c" detected in leafnode authorization',
        ),
        ("authorization { users: [{password: d}] }", "expected user and password"),
        ("authorization { users: [{user: a, permissions: {}}] }", 'unknown field "permissions"'),
        ("authorization { account: A }", "account: expected the name of an account"),
        (
            "authorization { users: [{user: a, password: b, account: A}] }",
            "users[0].account: expected the name of an account",
        ),
        ("authorization { nkey: X }", "authorization.nkey: expected"),
        ("tls { cert_file: x }", "missing 'key_file' in TLS configuration"),
        ("isolate: 1", "isolate: expected true or false, got 1"),
        ("listen: 'a:x'", "leafnodes.listen: "),
    ],
)
def test_the_port_is_checked(text: str, error: str) -> None:
    assert error in refused(f"leafnodes {{ port: 7422, {text} }}")


# --- remotes


def remote(text: str, around: str = "") -> LeafRemote:
    leafnodes = options(f"leafnodes {{ remotes [ {{ {text} }} ]\n {around} }}").leafnodes
    assert leafnodes is not None
    return leafnodes.remotes[0]


def test_a_remote_has_all_its_keys() -> None:
    assert remote(
        """
        urls: ["nats-leaf://a", "tls://b:1"], account: "$G", creds: "x.creds", no_randomize: true
        tls { ca_file: ca, cert_file: c, key_file: k, handshake_first: true, timeout: 5 }
        deny_import: a, deny_exports: ["b", "c.>"], ignore_discovered_servers: on, disabled: true
        dial_timeout: 2s, first_info_timeout: 3s, compression: off
        """
    ) == LeafRemote(
        urls=("nats-leaf://a:7422", "tls://b:1"),
        credentials="x.creds",
        tls=TlsOptions(
            "ca", (CertificatePair("c", "k"),), handshake_first=True, timeout_ns=5_000_000_000
        ),
        deny_imports=("a",),
        deny_exports=("b", "c.>"),
        no_randomize=True,
        ignore_discovered_servers=True,
        disabled=True,
        dial_timeout_ns=2_000_000_000,
        first_info_timeout_ns=3_000_000_000,
        compression=NO_COMPRESSION,
    )


@pytest.mark.parametrize("key", ["certs", "certificates"])
def test_a_remote_may_have_several_certificates(key: str) -> None:
    text = f"{key}: [{{cert_file: a, key_file: b}}, {{cert_file: c, key_file: d}}]"

    tls = remote(f"url: 'nats://a', tls {{ {text} }}").tls

    assert tls is not None
    assert tls.pairs == (CertificatePair("a", "b"), CertificatePair("c", "d"))


@pytest.mark.parametrize("key", ["nkey", "seed"])
def test_an_nkey_is_a_seed_or_the_path_of_a_file_with_one(key: str) -> None:
    for value in ("/etc/user.nk", SEED):
        assert remote(f'url: "nats://a", {key}: "{value}"').nkey == value


@pytest.mark.parametrize(
    "seed", [SEED[:-1], SEED + "A", SEED[:-1] + "B", SEED.lower(), "SU" + "1" * 56]
)
def test_a_damaged_seed_is_refused_and_not_shown(seed: str) -> None:
    error = refused(f'leafnodes {{ remotes [ {{ url: "nats://a", nkey: {seed} }} ] }}')

    assert "leafnodes.remotes[0].nkey: expected a user's seed (SU…) or the path" in error
    assert seed not in error


def test_each_account_may_have_a_remote_to_one_hub() -> None:
    hub, accounts = 'url: "nats://a"', "accounts { A {}, B {} }\n"
    two = "leafnodes {{ remotes [ {{ {hub}, account: {one} }}, {{ {hub}, account: {other} }} ] }}"
    both = options(accounts + two.format(hub=hub, one="A", other="B"))
    twice = accounts + two.format(hub=hub, one="A", other="A")

    assert [one.account for one in both.leafnodes.remotes] == ["A", "B"]
    assert "remotes[1]: one with the same urls, account and credentials" in refused(twice)


def test_the_dial_timeout_of_a_remote_goes_before_the_common_one() -> None:
    assert remote('url: "nats://a"', "dial_timeout: 7s").dial_timeout_ns == 7_000_000_000
    assert remote('url: "nats://a", dial_timeout: 2s', "dial_timeout: 7s").dial_timeout_ns == (
        2_000_000_000
    )


@pytest.mark.parametrize("key", ["reconnect", "reconnect_delay", "reconnect_interval"])
def test_leafnodes_has_its_aliases(key: str) -> None:
    assert options(f"leaf {{ {key}: 2s }}").leafnodes == LeafOptions(reconnect_ns=2_000_000_000)


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("remotes: [{}]", 'leafnodes.remotes[0]: expected url, like "nats-leaf://host:7422"'),
        ("remotes: {url: a}", "leafnodes.remotes: expected an array of remotes, got a block"),
        (
            "remotes: [{url: 'nats://a', urls: []}]",
            "remotes[0].urls: expected at least one of urls",
        ),
        (
            "remotes: [{url: 'nats://a', credentials: a, nkey: b}]",
            "leafnodes.remotes[0].nkey: expected credentials or nkey, not both",
        ),
        (
            "remotes: [{url: 'nats://a'}, {url: 'nats://a:7422'}]",
            "leafnodes.remotes[1]: one with the same urls",
        ),
        (
            "remotes: [{url: 'nats://a', local: A}]",
            'remotes[0].local: expected the name of an account, got "A"',
        ),
        ("remotes: [{url: 'nats://a', compression: 5}]", "compression: expected a string"),
        ("remotes: [{url: 'nats://a', user: a}]", "user: not supported here: put it into the url"),
        ("remotes: [{url: 'wss://a?b'}]", 'expected a URL like "nats-leaf://host:7422", got'),
        ("remotes: [{url: 'nats://a/b'}]", 'expected a URL like "nats-leaf://host:7422", got'),
        (
            "remotes: [{urls: ['nats://a', 'wss://a']}]",
            "remotes[0].urls: remote leaf node configuration cannot have a mix of websocket",
        ),
        (
            "remotes: [{url: 'ws://a', proxy: {url: 'socks://p'}}]",
            "proxy.url: proxy URL scheme must be http or https, got: socks",
        ),
        ("remotes: [{url: 'ws://a', proxy: {url: 'http://'}}]", "proxy URL must specify a host"),
        (
            "remotes: [{url: 'ws://a', proxy: {url: 'http://p', username: u}}]",
            "remotes[0].proxy: proxy username and password must both be specified or both be empty",
        ),
        ("remotes: [{url: 'ws://a', proxy: {password: 5}}]", "password: expected a string: put"),
        ("remotes: [{url: 'nats://a', tls: true}]", "remotes[0].tls: expected a block"),
        ("remotes: [{url: 'nats://a', tls: {cert_file: a}}]", "missing 'key_file' in TLS"),
        ("remotes: [{url: 'nats://a', tls: {key_file: a}}]", "missing 'cert_file' in TLS"),
        (
            "remotes: [{url: 'nats://a', tls: {certs: [{cert_file: a}]}}]",
            "tls.certs[0]: expected cert_file and key_file",
        ),
        (
            "remotes: [{url: 'nats://a', tls: {cert_file: a, key_file: b, certs: "
            "[{cert_file: a, key_file: b}]}}]",
            "cannot combine 'cert_file' option with 'certs' option",
        ),
        (
            "remotes: [{url: 'nats://a', tls: {pinned_certs: [a]}}]",
            "pinned_certs[0]: 'pinned_certs' key \"a\" does not look like hex-encoded sha256",
        ),
        ("remotes: [{url: 'nats://a', tls: {curve_preferences: [a]}}]", "unrecognized curve"),
        ("remotes: [{url: 'nats://a', deny_exports: 'a..b'}]", "deny_exports: expected a subject"),
        ("remotes: [{url: 'nats://a', disabled: 5}]", "disabled: expected true or false, got 5"),
        ("reconnect: 1.5", "leafnodes.reconnect: expected a duration, got 1.5"),
        ("dial_timeout: -1", "leafnodes.dial_timeout: expected a duration above zero"),
    ],
)
def test_a_leafnodes_block_is_checked(text: str, error: str) -> None:
    assert error in refused(f"leafnodes {{ {text} }}")


def test_remotes_with_other_credentials_may_share_a_url() -> None:
    leafnodes = options(
        "leafnodes { remotes [{url: 'nats://a', creds: x}\n {url: 'nats://a', creds: y}] }"
    ).leafnodes

    assert leafnodes is not None
    assert [entry.credentials for entry in leafnodes.remotes] == ["x", "y"]


def test_a_remote_may_be_a_websocket_behind_a_proxy() -> None:
    leafnodes = options(
        """leafnodes { remotes [{
        url: 'wss://joe:secret@hub/some/path/', websocket_compress: true, ws_no_masking: true
        proxy { url: 'http://[::1]:3128', username: u, password: CANARY, timeout: 3s }
    }] }"""
    ).leafnodes

    assert leafnodes is not None
    (remote,) = leafnodes.remotes
    assert remote.urls == ("wss://joe:secret@hub:7422/some/path",)
    assert (remote.is_websocket, remote.ws_compression, remote.ws_no_masking) == (True, True, True)
    assert remote.proxy == HttpProxy("::1", 3128, "u", "CANARY", 3_000_000_000)
    assert "CANARY" not in repr(remote)


def test_a_proxy_may_have_its_login_in_its_url_and_no_port() -> None:
    text = "leafnodes { remotes [{ url: 'ws://hub', proxy { url: 'http://u:p%40@p' } }] }"
    leafnodes = options(text).leafnodes

    assert leafnodes is not None
    assert leafnodes.remotes[0].proxy == HttpProxy("p", 80, "u", "p@")
    none = options("leafnodes { remotes [{ url: 'ws://hub', proxy { url: '' } }] }").leafnodes
    assert none is not None
    assert none.remotes[0].proxy is None


def test_a_remote_verifies_nothing_where_it_says_so_and_that_is_warned_of() -> None:
    found = options("leafnodes { remotes [{ url: 'tls://a', tls { insecure: true } }] }")

    assert found.leafnodes is not None
    assert found.leafnodes.remotes[0].tls == TlsOptions(insecure=True)
    assert found.warnings == (
        "x.conf:1:46: leafnodes.remotes[0].tls.insecure: TLS certificate chain and hostname of "
        "solicited leafnodes will not be verified. DO NOT USE IN PRODUCTION!",
    )


def test_pins_are_those_of_the_remote_or_else_of_the_block() -> None:
    ours, theirs = "a" * 64, "b" * 64
    pair = "cert_file: c, key_file: k"
    found = options(
        f"leafnodes {{ tls {{ {pair}, pinned_certs: ['{ours}'] }}, remotes ["
        f"{{ url: 'tls://a' }}, {{ url: 'tls://b', tls {{ pinned_certs: ['{theirs}'] }} }}] }}"
    ).leafnodes

    assert found is not None
    assert [remote.pinned_certs for remote in found.remotes] == [
        frozenset({ours}),
        frozenset({theirs}),
    ]
