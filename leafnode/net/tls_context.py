"""The TLS of a listener: files to an SSLContext, and the one that is in force.

Knows files, options and `ssl`; not connections. TLS 1.2 is the floor, set explicitly: Python leaves
it to the library. Every function blocks on files: at start, or in a worker thread for a reload.
Truth: nats-server 2.15.1 server/opts.go GenTLSConfig, server/client.go matchesPinnedCert.
"""

from __future__ import annotations

import ssl
from pathlib import Path
from typing import TYPE_CHECKING, Final

from leafnode.config.tls import TLS13_SUITES, openssl_suites
from leafnode.errors import TlsError
from leafnode.files import require_regular
from leafnode.tls import x509
from leafnode.tls.curves import set_curves

if TYPE_CHECKING:
    from leafnode.config.listener_options import CertificatePair, ListenerTls

# What OpenSSL calls a refusal, and what an operator can do about it.
_REFUSALS: Final = {
    "EE_KEY_TOO_SMALL": "the key is too small: RSA needs 1,024 bits",
    "CA_MD_TOO_WEAK": "signed with SHA-1, which OpenSSL does not take",
}
# Forward secrecy and authenticated encryption, nothing else, unless a configuration names others.
DEFAULT_CIPHERS: Final = "ECDHE+AESGCM:ECDHE+CHACHA20"
_SECURITY: Final = ":@SECLEVEL=1"  # RSA of 1,024 bits at least, as Go


class _ServerContext(ssl.SSLContext):
    """Knows until when the certificate that it shows holds: ssl does not tell."""

    not_after_s = 0


class ServerTls:
    """What one listener's handshakes are done with. `apply` changes it for those to come."""

    def __init__(self, options: ListenerTls) -> None:
        """Raise TlsError."""
        self.options = options
        self.context = _context_of(options)

    def prepare(self, options: ListenerTls) -> ssl.SSLContext:
        """Read the files of new options, for `apply`; changes nothing. Raises TlsError."""
        return _context_of(options)

    def apply(self, options: ListenerTls, context: ssl.SSLContext) -> None:
        """Use them from now on. Connections that are open stay as they are."""
        self.options = options
        self.context = context

    @property
    def not_after_s(self) -> int:
        """Until when the first certificate holds, in seconds since 1970."""
        context = self.context
        return context.not_after_s if isinstance(context, _ServerContext) else 0

    def accepts(self, certificate: bytes) -> bool:
        """Say whether a client with this certificate (DER, empty for none) may come in."""
        return is_pinned(certificate, self.options.pinned_certs)

    @property
    def warnings(self) -> tuple[str, ...]:
        """What was asked for and cannot be had."""
        wanted = self.options.curve_preferences
        if len(wanted) > 1 and not hasattr(self.context, "set_groups"):
            return (
                "tls.curve_preferences: this Python can choose one curve and not several: those of "
                "OpenSSL are used",
            )
        return ()


def _context_of(options: ListenerTls) -> ssl.SSLContext:
    """Raise TlsError, which says where the configuration has the block."""
    try:
        return server_context(options)
    except TlsError as err:
        if not options.where:  # from the command line
            raise
        raise TlsError(options.where, str(err)) from err


def is_pinned(certificate: bytes, pins: frozenset[str]) -> bool:
    """Say whether a certificate (DER, empty for none) is one of these; without any, all are."""
    if not pins:
        return True
    try:
        return bool(certificate) and x509.key_digest(certificate) in pins
    except ValueError:
        return False


def server_context(options: ListenerTls) -> ssl.SSLContext:
    """Return what a listener's handshakes are done with. Raises TlsError."""
    contexts = [(_names(pair), _context(options, pair)) for pair in options.pairs]
    if not contexts:
        raise TlsError("", "a listener needs a certificate")
    first = contexts[0][1]
    if len(contexts) > 1:
        first.sni_callback = _Chooser(contexts).choose
    return first


class _Chooser:
    """Picks the certificate that fits the name a client asks for; else the first stays."""

    def __init__(self, contexts: list[tuple[tuple[str, ...], ssl.SSLContext]]) -> None:
        self._contexts = contexts

    def choose(
        self, connection: ssl.SSLObject | ssl.SSLSocket, name: str | None, context: ssl.SSLContext
    ) -> None:
        del context
        wanted = (name or "").lower().rstrip(".")
        for names, candidate in self._contexts:
            if any(_fits(wanted, pattern) for pattern in names):
                connection.context = candidate
                return


def _fits(name: str, pattern: str) -> bool:
    if pattern.startswith("*."):
        return name.partition(".")[2] == pattern[2:]
    return name == pattern


def _context(options: ListenerTls, pair: CertificatePair) -> ssl.SSLContext:
    context = _ServerContext(ssl.PROTOCOL_TLS_SERVER)
    context.not_after_s = _not_after_s(pair)
    tls13_only = options.min_version == "1.3" or (
        bool(options.cipher_suites) and TLS13_SUITES.issuperset(options.cipher_suites)
    )
    context.minimum_version = ssl.TLSVersion.TLSv1_3 if tls13_only else ssl.TLSVersion.TLSv1_2
    context.options |= (
        ssl.OP_NO_COMPRESSION | ssl.OP_NO_RENEGOTIATION | ssl.OP_CIPHER_SERVER_PREFERENCE
    )
    try:
        suites = openssl_suites(options.cipher_suites) or DEFAULT_CIPHERS
        context.set_ciphers(suites + _SECURITY)
        set_curves(context, options.curve_preferences)
    except (ssl.SSLError, ValueError) as err:
        raise TlsError("", f"cipher_suites or curve_preferences: {_words(err)}") from err
    _load_pair(context, pair)
    if options.verify:
        context.verify_mode = ssl.CERT_REQUIRED
        # As Go has it: whoever stands in the file is trusted, be it the root or not.
        context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
        _load_roots(context, options.ca_file)
    elif options.ca_file:
        # Only read, so that a bad file is told: OpenSSL adds what a context trusts to the
        # certificates that it shows, where `cert_file` has one alone.
        _load_roots(ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), options.ca_file)
    return context


def _load_pair(context: ssl.SSLContext, pair: CertificatePair) -> None:
    try:
        require_regular(pair.cert_file)
        require_regular(pair.key_file)
        # Without a password function an encrypted key would ask on the terminal and wait.
        context.load_cert_chain(pair.cert_file, pair.key_file, password=lambda: "")
    except (OSError, ValueError) as err:
        raise TlsError(f"{pair.cert_file}, {pair.key_file}", _words(err)) from err


def _load_roots(context: ssl.SSLContext, ca_file: str) -> None:
    try:
        if ca_file:
            require_regular(ca_file)
            context.load_verify_locations(ca_file)
        else:
            context.load_default_certs(ssl.Purpose.CLIENT_AUTH)
    except OSError as err:
        raise TlsError(ca_file, _words(err)) from err


def _names(pair: CertificatePair) -> tuple[str, ...]:
    try:
        return x509.names(_certificate(pair))
    except ValueError as err:
        raise TlsError(pair.cert_file, _words(err)) from err


def _not_after_s(pair: CertificatePair) -> int:
    try:
        return x509.not_after_s(_certificate(pair))
    except ValueError as err:
        raise TlsError(pair.cert_file, _words(err)) from err


def _certificate(pair: CertificatePair) -> bytes:
    try:
        require_regular(pair.cert_file)
        return x509.first_certificate(Path(pair.cert_file).read_text("utf-8"))
    except (OSError, ValueError) as err:
        raise TlsError(pair.cert_file, _words(err)) from err


def _words(err: Exception) -> str:
    if isinstance(err, ssl.SSLError):
        return _REFUSALS.get(err.reason, err.reason) or "OpenSSL cannot read it"
    if isinstance(err, OSError):
        return err.strerror or type(err).__name__
    return str(err)
