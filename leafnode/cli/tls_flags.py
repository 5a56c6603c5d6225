"""`--tls`, `--tlscert` and the like: TLS for clients from the command line, and its help text.

Knows these flags' rules; not what TLS is made of. Truth: nats-server 2.15.1 server/opts.go
overrideTLS, measured.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from leafnode.config.listener_options import CertificatePair, ListenerTls
from leafnode.config.tls import CIPHER_SUITES, CURVES, INSECURE_SUITES, TLS13_SUITES
from leafnode.errors import LeafnodeError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from leafnode.config.options import Options

_HEAD: Final = """\
TLS for clients is set up in the block `tls` of a configuration file:

    tls {
        cert_file: "./server.pem"      # certificate with its chain, PEM
        key_file:  "./server-key.pem"  # not encrypted
        ca_file:   "./ca.pem"          # whose client certificates hold
        verify:    true                # a client must show a certificate
        # verify_and_map: true         # and the certificate names the user

        cipher_suites: [
            "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256"
            "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256"
        ]
        curve_preferences: [ "X25519" ]
    }

The flags --tls, --tlscert, --tlskey, --tlsverify and --tlscacert stand for the first four keys.
docs/configuration.md has every key. TLS 1.2 is the floor.

Cipher suites to choose from (those of TLS 1.3 are always on):
"""
_INSECURE: Final = """
With allow_insecure_cipher_suites: true also (not secure):
"""
_CURVES: Final = """
Curves to choose from:
"""


class TlsFlagError(LeafnodeError):
    """Flags that do not make TLS possible."""


@dataclass(frozen=True, slots=True)
class TlsFlags:
    """What the command line said; None where it said nothing."""

    tls: bool | None = None
    verify: bool | None = None
    cert_file: str | None = None
    key_file: str | None = None
    ca_file: str | None = None


def overlay_tls(options: Options, flags: TlsFlags) -> Options:
    """Return the options with TLS as the flags want it: what a file said of it is left out.

    Raises TlsFlagError.
    """
    if flags.tls is False:
        return replace(options, tls=None)
    if not flags.cert_file:
        raise TlsFlagError("TLS Server certificate must be present and valid")
    if not flags.key_file:
        raise TlsFlagError("TLS Server private key must be present and valid")
    tls = ListenerTls(
        pairs=(CertificatePair(flags.cert_file, flags.key_file),),
        ca_file=flags.ca_file or "",
        verify=bool(flags.verify),
    )
    return replace(options, tls=tls)


def help_text() -> str:
    """Return what `--help_tls` prints."""
    return (
        _HEAD
        + _listed(TLS13_SUITES | CIPHER_SUITES.keys())
        + _INSECURE
        + _listed(INSECURE_SUITES)
        + _CURVES
        + _listed(CURVES)
    )


def _listed(names: Iterable[str]) -> str:
    return "".join(f"    {name}\n" for name in sorted(names))
