"""What a remote needs to prove who it is and to check who the hub is, read anew for each connect.

Knows files and the remote's options; not connections. Every function here blocks on files: it
runs in a worker thread. Texts of errors name the file and never a secret. Truth: nats-server
2.15.1 server/leafnode.go sendLeafConnect.
"""

from __future__ import annotations

import ssl
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from leafnode.auth.creds import read_creds_file
from leafnode.auth.nkey import Signer, read_seed_file
from leafnode.config.convert import is_user_seed
from leafnode.config.tls import openssl_suites
from leafnode.errors import AuthError
from leafnode.net.tls_context import set_curves
from leafnode.protocol.leaf_op import LeafCredentials

if TYPE_CHECKING:
    from leafnode.config.options import LeafRemote, TlsOptions
    from leafnode.leaf.urls import HubUrl


@dataclass(frozen=True, slots=True)
class Login:
    """Keys and JWT of one remote, as its files had them a moment ago."""

    signer: Signer | None = None
    jwt: str = field(default="", repr=False)
    jwt_file: str = ""
    jwt_expires_s: int = 0

    def credentials(self, url: HubUrl, nonce: str) -> LeafCredentials:
        """Return what CONNECT carries for this address and this nonce."""
        signer = self.signer
        return LeafCredentials(
            user=url.user,
            password=url.password,
            auth_token=url.token,
            jwt=self.jwt,
            nkey=signer.public_key if signer is not None and not self.jwt else "",
            sig=signer.sign(nonce) if signer is not None else "",
        )


def read_login(remote: LeafRemote) -> Login:
    """Return the remote's keys. Raises AuthError."""
    if remote.credentials:
        creds = read_creds_file(remote.credentials)
        return Login(creds.signer, creds.jwt, remote.credentials, creds.expires_s)
    if remote.nkey:
        return Login(read_signer(remote.nkey))
    return Login()


def read_signer(nkey: str) -> Signer:
    """Return the key pair of a remote's `nkey`: a seed, or a file with one. Raises AuthError."""
    if is_user_seed(nkey):
        return Signer(nkey.encode(), source="leafnodes.remotes.nkey")
    return read_seed_file(nkey)


def read_tls_context(options: TlsOptions | None) -> ssl.SSLContext:
    """Return how to check the hub, and our certificate if there is one. Raises AuthError.

    Without options: the system's roots. The host name is checked, too, unless they say `insecure`,
    and TLS 1.2 is the floor.
    """
    ca_file = options.ca_file if options is not None else ""
    try:
        context = ssl.create_default_context(cafile=ca_file or None)
    except OSError as err:
        raise AuthError(f"{ca_file or 'system roots'}: {_words(err)}") from err
    context.minimum_version = ssl.TLSVersion.TLSv1_2  # Python's default leaves it to the library
    if options is not None:
        if options.min_version == "1.3":
            context.minimum_version = ssl.TLSVersion.TLSv1_3
        try:
            if suites := openssl_suites(options.cipher_suites):
                context.set_ciphers(suites)
            set_curves(context, options.curve_preferences)
        except (OSError, ValueError) as err:  # ssl.SSLError is an OSError
            raise AuthError(f"cipher_suites or curve_preferences: {err}") from err
        if options.insecure:
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
    if options is not None and options.cert_file:
        key_file = options.key_file or options.cert_file
        try:
            # Without a password function an encrypted key would ask on the terminal and wait.
            context.load_cert_chain(options.cert_file, key_file, password=lambda: "")
        except OSError as err:
            raise AuthError(f"{options.cert_file}, {key_file}: {_words(err)}") from err
    return context


def _words(err: OSError) -> str:
    return err.strerror or type(err).__name__
