"""Operator, account and user JWTs made on the fly, and the .creds file a user gets.

Enough for a hub in operator mode with a memory resolver; for tests and the demo, not for
production. The claims are version 2 of nats-io/jwt; what nats-server 2.15.1 takes.
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
from typing import TYPE_CHECKING, Any, Final

import nkeys

if TYPE_CHECKING:
    from pathlib import Path

_UNLIMITED: Final = {
    "subs": -1,
    "data": -1,
    "payload": -1,
    "imports": -1,
    "exports": -1,
    "wildcards": True,
    "conn": -1,
    "leaf": -1,
}
_JETSTREAM: Final = {"mem_storage": -1, "disk_storage": -1, "streams": -1, "consumer": -1}


class Key:
    """A fresh key pair of one role."""

    def __init__(self, role: int) -> None:
        self.seed: bytes = nkeys.encode_seed(os.urandom(32), role)
        self._pair = nkeys.from_seed(bytearray(self.seed))
        self.public: str = self._pair.public_key.decode()

    def sign(
        self, subject: str, name: str, nats: dict[str, Any], *, issued_s: int, **more: Any
    ) -> str:
        """Return a JWT over `nats` claims about `subject`, issued by this key."""
        claims = {"iat": issued_s, "iss": self.public, "name": name, "sub": subject, "nats": nats}
        claims |= more
        digest = hashlib.sha256(_json(claims)).digest()
        claims["jti"] = base64.b32encode(digest).decode().rstrip("=")
        text = f"{_b64({'typ': 'JWT', 'alg': 'ed25519-nkey'})}.{_b64(claims)}"
        signature = base64.urlsafe_b64encode(self._pair.sign(text.encode()))
        return f"{text}.{signature.decode().rstrip('=')}"


class Operator:
    """An operator with a system account and one account `APP` for everybody else.

    `limits` are those of `APP` for JetStream, if not none.
    """

    def __init__(
        self, *, now_s: int, jetstream: bool = True, limits: dict[str, Any] | None = None
    ) -> None:
        self.now_s = now_s
        self.key = Key(nkeys.PREFIX_BYTE_OPERATOR)
        self.system = Key(nkeys.PREFIX_BYTE_ACCOUNT)
        self.account = Key(nkeys.PREFIX_BYTE_ACCOUNT)
        self._jetstream = (limits or _JETSTREAM) if jetstream else {}

    def config(self) -> str:
        """Return the hub's configuration: operator, resolver and both accounts."""
        key = self.key
        operator = key.sign(
            key.public,
            "OP",
            {"type": "operator", "version": 2, "system_account": self.system.public},
            issued_s=self.now_s,
        )
        system = self._account_jwt(self.system, "SYS", _UNLIMITED)
        app = self._account_jwt(self.account, "APP", _UNLIMITED | self._jetstream)
        return "\n".join(
            [
                f"operator: {operator}",
                f"system_account: {self.system.public}",
                "resolver: MEMORY",
                "resolver_preload {",
                f"  {self.system.public}: {system}",
                f"  {self.account.public}: {app}",
                "}",
            ]
        )

    def write_creds(self, path: Path, name: str, *, permissions: Any = None, **claims: Any) -> None:
        """Write the .creds file of a new user of `APP`; `permissions` has its `pub` and `sub`."""
        user = Key(nkeys.PREFIX_BYTE_USER)
        nats = {"type": "user", "version": 2, "subs": -1, "data": -1, "payload": -1}
        nats |= permissions or {"pub": {}, "sub": {}}
        jwt = self.account.sign(user.public, name, nats, issued_s=self.now_s, **claims)
        path.write_text(
            "-----BEGIN NATS USER JWT-----\n"
            f"{jwt}\n"
            "------END NATS USER JWT------\n\n"
            "Keep this file secret: the seed below proves an identity.\n\n"
            "-----BEGIN USER NKEY SEED-----\n"
            f"{user.seed.decode()}\n"
            "------END USER NKEY SEED------\n"
        )
        path.chmod(0o600)

    def _account_jwt(self, account: Key, name: str, limits: dict[str, Any]) -> str:
        nats = {"type": "account", "version": 2, "limits": limits}
        return self.key.sign(account.public, name, nats, issued_s=self.now_s)


def user_key() -> tuple[str, str]:
    """Return the public key and the seed of a new user, for nkey authentication."""
    key = Key(nkeys.PREFIX_BYTE_USER)
    return key.public, key.seed.decode()


def _json(value: Any) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()


def _b64(value: Any) -> str:
    return base64.urlsafe_b64encode(_json(value)).decode().rstrip("=")
