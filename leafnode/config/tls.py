"""The `tls` block of a listener, and what it shares with that of whoever dials.

Knows names and formats; opens no file. Truth: nats-server 2.15.1 server/opts.go parseTLS,
GenTLSConfig; docs/configuration.md.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from leafnode import limits
from leafnode.config import convert, refused, taken
from leafnode.config.listener_options import CertificatePair, ListenerTls
from leafnode.config.place import Block, Row
from leafnode.errors import quoted

if TYPE_CHECKING:
    from leafnode.config.place import Given, Place

_PIN: Final = re.compile(r"[0-9a-fA-F]{64}")
_VERSIONS: Final = frozenset({"1.2", "1.3"})
_OLD_VERSIONS: Final = frozenset({"1.0", "1.1"})
_RATE_MAX: Final = 2**63 - 1

# Go's name of a suite: OpenSSL's. Those of TLS 1.3 are always on, in both.
TLS13_SUITES: Final = frozenset(
    {"TLS_AES_128_GCM_SHA256", "TLS_AES_256_GCM_SHA384", "TLS_CHACHA20_POLY1305_SHA256"}
)
CIPHER_SUITES: Final = {
    "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256": "ECDHE-ECDSA-AES128-GCM-SHA256",
    "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384": "ECDHE-ECDSA-AES256-GCM-SHA384",
    "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256": "ECDHE-RSA-AES128-GCM-SHA256",
    "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384": "ECDHE-RSA-AES256-GCM-SHA384",
    "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256": "ECDHE-ECDSA-CHACHA20-POLY1305",
    "TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256": "ECDHE-RSA-CHACHA20-POLY1305",
    "TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA": "ECDHE-ECDSA-AES128-SHA",
    "TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA": "ECDHE-ECDSA-AES256-SHA",
    "TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA": "ECDHE-RSA-AES128-SHA",
    "TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA": "ECDHE-RSA-AES256-SHA",
}
# What Go has for old peers, too: only with allow_insecure_cipher_suites.
INSECURE_SUITES: Final = {
    "TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA256": "ECDHE-ECDSA-AES128-SHA256",
    "TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA256": "ECDHE-RSA-AES128-SHA256",
    "TLS_RSA_WITH_AES_128_GCM_SHA256": "AES128-GCM-SHA256",
    "TLS_RSA_WITH_AES_256_GCM_SHA384": "AES256-GCM-SHA384",
    "TLS_RSA_WITH_AES_128_CBC_SHA256": "AES128-SHA256",
    "TLS_RSA_WITH_AES_128_CBC_SHA": "AES128-SHA",
    "TLS_RSA_WITH_AES_256_CBC_SHA": "AES256-SHA",
}
# OpenSSL no longer builds these.
_GONE_SUITES: Final = frozenset(
    {
        "TLS_RSA_WITH_RC4_128_SHA",
        "TLS_RSA_WITH_3DES_EDE_CBC_SHA",
        "TLS_ECDHE_ECDSA_WITH_RC4_128_SHA",
        "TLS_ECDHE_RSA_WITH_RC4_128_SHA",
        "TLS_ECDHE_RSA_WITH_3DES_EDE_CBC_SHA",
    }
)
_SUITES: Final = CIPHER_SUITES | INSECURE_SUITES
_GO_NAMES: Final = {theirs: ours for ours, theirs in _SUITES.items()}
# Go's name of a curve: OpenSSL's.
CURVES: Final = {
    "X25519": "X25519",
    "CurveP256": "prime256v1",
    "CurveP384": "secp384r1",
    "CurveP521": "secp521r1",
    "X25519MLKEM768": "X25519MLKEM768",
    "SecP256r1MLKEM768": "SecP256r1MLKEM768",
    "SecP384r1MLKEM1024": "SecP384r1MLKEM1024",
}


def openssl_suites(names: tuple[str, ...]) -> str:
    """Return the suites below TLS 1.3 that Go's names stand for, as OpenSSL wants them."""
    return ":".join(_SUITES[name] for name in names if name in _SUITES)


def go_suite(name: str) -> str:
    """Return Go's name of a suite that OpenSSL calls so; of one that is not known here its own."""
    return _GO_NAMES.get(name, name)


def listener_tls(place: Place) -> ListenerTls:
    """Return the options of a block. Raises ConfigError."""
    given = _LISTENER.read(place)
    values = given.values
    fold_pair(given, place)
    if not values.get("pairs"):
        raise place.error("expected cert_file and key_file: a server shows a certificate")
    _check_suites(given)
    if "handshake_first" in values:
        values["handshake_first"], values["fallback_ns"] = values["handshake_first"]
    if values.get("verify_and_map"):
        values["verify"] = True
    return ListenerTls(**values, where=place.where)


def fold_pair(given: Given, place: Place) -> None:
    """Make `pairs` of `cert_file` and `key_file`, which stand for one. Raises ConfigError."""
    values = given.values
    for name, other in (("cert_file", "key_file"), ("key_file", "cert_file")):
        if name in values and other not in values:
            raise place.error(f"missing '{other}' in TLS configuration")
    given.exclude("pairs", "cert_file", "cannot combine 'cert_file' option with 'certs' option")
    if "cert_file" in values:
        values["pairs"] = (CertificatePair(values.pop("cert_file"), values.pop("key_file")),)


def _check_suites(given: Given) -> None:
    allowed = given.values.pop("allow_insecure", False)
    insecure = [n for n in given.values.get("cipher_suites", ()) if n in INSECURE_SUITES]
    if insecure and not allowed:
        raise given.places["cipher_suites"].error(
            "insecure cipher suites configured without 'allow_insecure_cipher_suites' option set: "
            + ", ".join(insecure)
        )


def suite(place: Place) -> str:
    """Go's name of a cipher suite that OpenSSL has, too."""
    name = convert.text(place)
    if name in _GONE_SUITES:
        raise place.error(f"{name} is not supported: OpenSSL has it no more")
    if name not in TLS13_SUITES and name not in CIPHER_SUITES and name not in INSECURE_SUITES:
        raise place.error(f"unrecognized cipher {name}")
    return name


def curve(place: Place) -> str:
    name = convert.text(place)
    if name not in CURVES:
        raise place.error(f"unrecognized curve preference {name}")
    return name


def _pin(place: Place) -> str:
    entry = convert.text(place)
    if not _PIN.fullmatch(entry):
        raise place.error(
            f"'pinned_certs' key {quoted(entry)} does not look like hex-encoded sha256 of DER "
            "encoded SubjectPublicKeyInfo"
        )
    return entry.lower()


def pins(place: Place) -> frozenset[str]:
    return frozenset(_pin(item) for item in place.items("pinned certificates"))


def min_version(place: Place) -> str:
    """The lowest version of TLS; below 1.2 nothing is spoken, there as here."""
    value = place.node.value
    if isinstance(value, str) and value in _OLD_VERSIONS:
        raise place.error(f"unsupported TLS version: TLS {value}")
    if not isinstance(value, str) or value not in _VERSIONS:
        raise place.expected('"1.2" or "1.3"')
    return value


def first(place: Place) -> tuple[bool, int]:
    """Whether TLS comes before INFO, and after how much silence INFO is sent all the same."""
    value = place.node.value
    if isinstance(value, bool):
        return value, 0
    word = value.lower() if isinstance(value, str) else ""
    if word in {"true", "on"}:
        return True, 0
    if word in {"false", "off"}:
        return False, 0
    if word in {"auto", "auto_fallback"}:
        return True, limits.TLS_FALLBACK_NS
    delay_ns = convert.parse_duration(value) if isinstance(value, str) else None
    if delay_ns is None:
        raise place.expected('true, false, "auto" or a duration')
    return True, delay_ns


def _pairs(place: Place) -> tuple[CertificatePair, ...]:
    found = []
    for item in place.items("certificates"):
        given = _PAIR.read(item)
        given.need("cert_file", "cert_file and key_file")
        given.need("key_file", "cert_file and key_file")
        found.append(CertificatePair(**given.values))
    return tuple(found)


_PAIR: Final = Block(
    (Row(("cert_file",), "cert_file", convert.text), Row(("key_file",), "key_file", convert.text))
)
PAIR_ROWS: Final = (
    Row(("cert_file",), "cert_file", convert.text),
    Row(("key_file",), "key_file", convert.text),
    Row(("certs", "certificates"), "pairs", _pairs),
)
_LISTENER: Final = Block(
    (
        *PAIR_ROWS,
        Row(("ca_file",), "ca_file", convert.text_or("")),
        Row(("verify",), "verify", convert.boolean),
        Row(("verify_and_map",), "verify_and_map", convert.boolean),
        Row(("timeout",), "timeout_ns", convert.seconds(limits.TLS_TIMEOUT_NS)),
        Row(("handshake_first", "first", "immediate"), "handshake_first", first),
        Row(("min_version",), "min_version", min_version),
        Row(("cipher_suites",), "cipher_suites", convert.list_of(suite, "cipher suites")),
        Row(("allow_insecure_cipher_suites",), "allow_insecure", convert.boolean),
        Row(("curve_preferences",), "curve_preferences", convert.list_of(curve, "curves")),
        Row(("pinned_certs",), "pinned_certs", pins),
        Row(
            ("connection_rate_limit",),
            "rate_limit",
            convert.number(0, _RATE_MAX, "a count of handshakes in a second"),
        ),
    ),
    refused.TLS,
    taken.LISTENER_TLS,
)
