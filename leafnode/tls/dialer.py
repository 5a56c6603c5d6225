"""The TLS of whoever dials: a remote, or the fetching of account JWTs.

Knows options, files and `ssl`; not connections. Every function blocks on files: it runs in a worker
thread, anew for each connect. TLS 1.2 is the floor, set explicitly: Python leaves it to the
library. Truth: nats-server 2.15.1 server/opts.go GenTLSConfig; Go's crypto/tls for which of several
certificates is shown.
"""

from __future__ import annotations

import ssl
from pathlib import Path
from typing import TYPE_CHECKING, Final

from leafnode.config.tls import openssl_suites
from leafnode.errors import TlsError
from leafnode.files import require_regular
from leafnode.tls import x509
from leafnode.tls.certificate_request import authorities
from leafnode.tls.curves import set_curves

if TYPE_CHECKING:
    from leafnode.config.listener_options import CertificatePair
    from leafnode.config.options import TlsOptions

_HANDSHAKE: Final = 22  # of what the callback is told: the kind of record, and the message
_CERTIFICATE_REQUEST: Final = 13
_FINISHED: Final = 20


def dialer_context(options: TlsOptions | None) -> ssl.SSLContext:
    """Return how to check whom we dial, and what we show. Raises TlsError.

    Without options: the system's roots. The host name is checked, too, unless they say `insecure`.
    """
    if options is None:
        return _context("")
    if len(options.pairs) < 2:
        return _configured(options, options.pairs[0] if options.pairs else None)
    choices = [_Choice(_configured(options, pair), _issuers(pair)) for pair in options.pairs]
    return _choosing(_configured(options, options.pairs[0]), choices)


def _context(ca_file: str) -> ssl.SSLContext:
    try:
        if ca_file:
            require_regular(ca_file)
        context = ssl.create_default_context(cafile=ca_file or None)
    except OSError as err:
        raise TlsError(ca_file or "system roots", _words(err)) from err
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.hostname_checks_common_name = False  # as Go: who has no SAN has no name
    return context


def _configured(options: TlsOptions, pair: CertificatePair | None) -> ssl.SSLContext:
    context = _context(options.ca_file)
    if options.min_version == "1.3":
        context.minimum_version = ssl.TLSVersion.TLSv1_3
    try:
        if suites := openssl_suites(options.cipher_suites):
            context.set_ciphers(suites)
        set_curves(context, options.curve_preferences)
    except (OSError, ValueError) as err:  # ssl.SSLError is an OSError
        raise TlsError("", f"cipher_suites or curve_preferences: {err}") from err
    if options.insecure:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    if pair is not None:
        try:
            require_regular(pair.cert_file)
            require_regular(pair.key_file)
            # Without a password function an encrypted key would ask on the terminal and wait.
            context.load_cert_chain(pair.cert_file, pair.key_file, password=lambda: "")
        except OSError as err:
            raise TlsError(f"{pair.cert_file}, {pair.key_file}", _words(err)) from err
    return context


class _Choice:
    """A certificate that may be shown, and who signed it and what stands between."""

    def __init__(self, context: ssl.SSLContext, issuers: frozenset[bytes]) -> None:
        self.context = context
        self.issuers = issuers


def _issuers(pair: CertificatePair) -> frozenset[bytes]:
    try:
        require_regular(pair.cert_file)
        found = x509.certificates(Path(pair.cert_file).read_text("utf-8"))
        return frozenset(map(x509.issuer, found))
    except (OSError, ValueError) as err:
        words = _words(err) if isinstance(err, OSError) else str(err)
        raise TlsError(pair.cert_file, words) from err


def _choosing(context: ssl.SSLContext, choices: list[_Choice]) -> ssl.SSLContext:
    """Let the server's wishes choose what a connection of this context shows.

    OpenSSL shows what a connection's context has, and looks once it has read all that the server
    says before Finished. Python has no callback of its own for it, but the one for every message,
    with a leading underscore since 3.8: with another context the connection gets another
    certificate, and no callback any more. Where it should be gone the first one is shown.
    """

    def read(
        connection: ssl.SSLObject,
        direction: str,
        version: int,
        content_type: int,
        message: int,
        data: bytes,
    ) -> None:
        if direction != "read" or content_type != _HANDSHAKE:
            return
        if message == _CERTIFICATE_REQUEST:
            connection.context = _chosen(data, version, choices)
        elif message == _FINISHED and connection.context is context:
            connection.context = choices[0].context

    context._msg_callback = read  # type: ignore[attr-defined]
    return context


def _chosen(request: bytes, version: int, choices: list[_Choice]) -> ssl.SSLContext:
    try:
        trusted = set(authorities(request, tls13=version >= ssl.TLSVersion.TLSv1_3))
    except ValueError:
        trusted = set()  # OpenSSL ends the handshake of who sends such, unless they are too many
    for choice in choices:
        if not trusted or choice.issuers & trusted:
            return choice.context
    return choices[0].context


def _words(err: OSError) -> str:
    return err.strerror or type(err).__name__
