""".creds files: a user JWT and the seed that proves it is ours.

Knows the file's shape; does not judge the JWT, which is the hub's to do. Texts of errors name the
file and never what is in it. Truth: nats-io/jwt creds_utils.go; measured on nats-server 2.15.1: a
block stands between two lines that start with three dashes; first the JWT, then the seed.
"""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

import msgspec

from leafnode.auth.nkey import Signer, read_secret_file
from leafnode.errors import AuthError

if TYPE_CHECKING:
    from collections.abc import Iterator

_JWT_PARTS: Final = 3
_DASHES: Final = b"---"


@dataclass(frozen=True, slots=True)
class Creds:
    """What a .creds file holds. `expires_s`: the JWT's own claim, unverified; 0 is never."""

    jwt: str = field(repr=False)
    signer: Signer
    expires_s: int


class _Claims(msgspec.Struct):
    exp: int = 0


def read_creds_file(path: str) -> Creds:
    """Return what the file holds. Raises AuthError that names the file. Blocks: file access."""
    blocks = list(_blocks(read_secret_file(path)))
    if not blocks:
        raise AuthError(f"{path}: no user JWT between dashed lines: is this a .creds file?")
    if len(blocks) == 1:
        raise AuthError(f"{path}: no user seed behind the JWT: is the file complete?")
    jwt = blocks[0].decode("ascii", "replace")
    expires_s = _expires_s(jwt, path)
    return Creds(jwt, Signer(blocks[1], source=path), expires_s)


def _blocks(content: bytes) -> Iterator[bytes]:
    """Yield each line that stands alone between a dashed line that opens and one that closes."""
    inside: list[bytes] | None = None
    for line in content.splitlines():
        text = line.strip()
        if text.startswith(_DASHES):
            if inside is not None and len(inside) == 1:
                yield inside[0]
                inside = None
            else:
                inside = []
        elif text and inside is not None:
            inside.append(text)


def _expires_s(jwt: str, path: str) -> int:
    parts = jwt.split(".")
    if len(parts) != _JWT_PARTS:
        raise AuthError(f"{path}: the first block is not a JWT")
    try:
        claims = base64.urlsafe_b64decode(parts[1] + "=" * (-len(parts[1]) % 4))
        return msgspec.json.decode(claims, type=_Claims).exp
    except (binascii.Error, ValueError, RecursionError):
        # Without the cause: a decoder's message may quote what it read.
        raise AuthError(f"{path}: the user JWT is damaged") from None
