"""What a remote needs to prove who it is, read anew for each connect.

Knows files and the remote's options; not connections. Every function here blocks on files: it
runs in a worker thread. Texts of errors name the file and never a secret. Truth: nats-server
2.15.1 server/leafnode.go sendLeafConnect.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from leafnode.auth.creds import read_creds_file
from leafnode.auth.nkey import Signer, read_seed_file
from leafnode.config.convert import is_user_seed
from leafnode.protocol.leaf_op import LeafCredentials

if TYPE_CHECKING:
    from leafnode.config.options import LeafRemote
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
