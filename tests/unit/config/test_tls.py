"""leafnode.config.tls: the block of a listener, and what is refused at its line."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from leafnode import limits
from leafnode.clock import NS_PER_MS, NS_PER_S
from leafnode.config.bind import bind
from leafnode.config.listener_options import CertificatePair, ListenerTls
from leafnode.config.parser import parse
from leafnode.errors import ConfigError

if TYPE_CHECKING:
    from leafnode.config.options import Options

PAIR = 'cert_file: "s.crt", key_file: "s.key"'


def options(text: str) -> Options:
    return bind(parse(text, "t.conf", env={}, read=lambda path: path))


def tls(text: str) -> ListenerTls:
    found = options(f"tls {{ {PAIR}, {text} }}").tls
    assert found is not None
    return found


def test_a_pair_alone_has_every_default() -> None:
    assert options(f"tls {{ {PAIR} }}").tls == ListenerTls((CertificatePair("s.crt", "s.key"),))
    assert options("").tls is None


def test_every_key_fills_its_field() -> None:
    found = tls(
        'ca_file: "ca.pem", verify: true, timeout: 3, min_version: "1.3", insecure: true, '
        "cipher_suites: [TLS_AES_128_GCM_SHA256], curve_preferences: [X25519], "
        f'pinned_certs: ["{"AB" * 32}"], connection_rate_limit: 10'
    )

    assert found == ListenerTls(
        pairs=(CertificatePair("s.crt", "s.key"),),
        ca_file="ca.pem",
        verify=True,
        timeout_ns=3 * NS_PER_S,
        min_version="1.3",
        cipher_suites=("TLS_AES_128_GCM_SHA256",),
        curve_preferences=("X25519",),
        pinned_certs=frozenset({"ab" * 32}),
        rate_limit=10,
    )


def test_verify_and_map_verifies() -> None:
    assert tls("verify_and_map: true").verify
    assert tls("verify_and_map: true").verify_and_map
    assert not tls("verify_and_map: false").verify


@pytest.mark.parametrize(
    ("value", "first", "fallback_ns"),
    [
        ("true", True, 0),
        ('"on"', True, 0),
        ("false", False, 0),
        ('"off"', False, 0),
        ('"auto"', True, limits.TLS_FALLBACK_NS),
        ('"auto_fallback"', True, limits.TLS_FALLBACK_NS),
        ('"300ms"', True, 300 * NS_PER_MS),
    ],
)
@pytest.mark.parametrize("key", ["handshake_first", "first", "immediate"])
def test_handshake_first_is_a_bool_a_word_or_a_duration(
    key: str, value: str, first: bool, fallback_ns: int
) -> None:
    found = tls(f"{key}: {value}")

    assert (found.handshake_first, found.fallback_ns) == (first, fallback_ns)


def test_several_certificates_are_kept_in_order() -> None:
    text = "tls { certs: [ {cert_file: a, key_file: b}, {cert_file: c, key_file: d} ] }"

    found = options(text).tls

    assert found is not None
    assert found.pairs == (CertificatePair("a", "b"), CertificatePair("c", "d"))


def test_the_port_may_speak_plain_and_take_a_proxy() -> None:
    found = options("allow_non_tls: true, proxy_protocol: true")

    assert (found.allow_non_tls, found.proxy_protocol) == (True, True)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("tls {}", "expected cert_file and key_file"),
        ("tls { cert_file: a }", "missing 'key_file' in TLS configuration"),
        ("tls { key_file: a }", "missing 'cert_file' in TLS configuration"),
        (f"tls {{ {PAIR}, certs: [{{cert_file: a, key_file: b}}] }}", "cannot combine"),
        (f"tls {{ {PAIR}, certs: [{{cert_file: a}}] }}", "expected cert_file and key_file"),
        (f"tls {{ {PAIR}, min_version: '1.1' }}", "unsupported TLS version: TLS 1.1"),
        (f"tls {{ {PAIR}, min_version: 1.2 }}", 'expected "1.2" or "1.3"'),
        (f"tls {{ {PAIR}, cipher_suites: [NULL_MD5] }}", "unrecognized cipher NULL_MD5"),
        (f"tls {{ {PAIR}, cipher_suites: [] }}", "at least one"),
        (f"tls {{ {PAIR}, cipher_suites: [TLS_RSA_WITH_RC4_128_SHA] }}", "OpenSSL has it no more"),
        (
            f"tls {{ {PAIR}, cipher_suites: [TLS_RSA_WITH_AES_128_GCM_SHA256] }}",
            "without 'allow_insecure_cipher_suites' option set: TLS_RSA_WITH_AES_128_GCM_SHA256",
        ),
        (f"tls {{ {PAIR}, curve_preferences: [P1] }}", "unrecognized curve preference P1"),
        (f"tls {{ {PAIR}, pinned_certs: ['12'] }}", "does not look like hex-encoded sha256"),
        (f"tls {{ {PAIR}, handshake_first: soon }}", 'expected true, false, "auto" or a duration'),
        (f"tls {{ {PAIR}, cert_store: WindowsCurrentUser }}", "Windows"),
        (f"tls {{ {PAIR}, ocsp_peer: true }}", "not supported"),
        (f"tls {{ {PAIR}, unknown: 1 }}", "unknown field"),
    ],
)
def test_what_cannot_be_is_refused_with_its_place(text: str, problem: str) -> None:
    with pytest.raises(ConfigError, match=r"^t\.conf:1:\d+: tls") as caught:
        options(text)

    assert problem in str(caught.value)


def test_insecure_suites_are_taken_where_they_are_allowed() -> None:
    found = tls(
        "cipher_suites: [TLS_RSA_WITH_AES_128_GCM_SHA256], allow_insecure_cipher_suites: true"
    )

    assert found.cipher_suites == ("TLS_RSA_WITH_AES_128_GCM_SHA256",)
