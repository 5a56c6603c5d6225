"""An operator with accounts and users on simulated time: every JWT that a test may want to bend."""

from __future__ import annotations

from typing import Any, Final

import nkeys

from leafnode.auth.nkey import Signer
from tests.hub.jwt import Key
from tests.sim.clock import WALL_START_NS

NOW_S: Final = WALL_START_NS // 1_000_000_000
NO_LIMITS: Final = {
    "subs": -1,
    "data": -1,
    "payload": -1,
    "imports": -1,
    "exports": -1,
    "wildcards": True,
    "conn": -1,
    "leaf": -1,
}
OPERATOR: Final = nkeys.PREFIX_BYTE_OPERATOR
ACCOUNT: Final = nkeys.PREFIX_BYTE_ACCOUNT
USER: Final = nkeys.PREFIX_BYTE_USER


class User:
    """A user with its key, which signs nonces."""

    def __init__(self) -> None:
        self.key = Key(USER)
        self.signer = Signer(self.key.seed, source="test")

    @property
    def public(self) -> str:
        return self.key.public


class Realm:
    """One operator and the JWTs that it and its accounts make."""

    def __init__(self) -> None:
        self.operator = Key(OPERATOR)
        self.system = Key(ACCOUNT)
        self.account = Key(ACCOUNT)

    def operator_jwt(self, **nats: Any) -> str:
        body = {"type": "operator", "version": 2, "system_account": self.system.public, **nats}
        return self.operator.sign(self.operator.public, "OP", body, issued_s=NOW_S)

    def account_jwt(
        self,
        key: Key | None = None,
        *,
        name: str = "APP",
        by: Key | None = None,
        limits: dict[str, Any] | None = None,
        claims: dict[str, Any] | None = None,
        **nats: Any,
    ) -> str:
        """The JWT of `key`, or of the realm's account; `claims` are those outside of `nats`."""
        subject = (key or self.account).public
        body = {"type": "account", "version": 2, "limits": NO_LIMITS | (limits or {}), **nats}
        signer = by or self.operator
        return signer.sign(subject, name, body, issued_s=NOW_S, **(claims or {}))

    def user_jwt(
        self,
        user: User,
        *,
        name: str = "ann",
        by: Key | None = None,
        claims: dict[str, Any] | None = None,
        **nats: Any,
    ) -> str:
        """The JWT of a user of the realm's account, signed by `by` (default: that account)."""
        body = {"type": "user", "version": 2, "subs": -1, "data": -1, "payload": -1, **nats}
        signer = by or self.account
        return signer.sign(user.public, name, body, issued_s=NOW_S, **(claims or {}))

    def scoped_user_jwt(self, user: User, by: Key, **claims: Any) -> str:
        """The JWT of a user that a scoped signing key made: without anything of its own."""
        tags = claims.pop("tags", [])
        body = {
            "type": "user",
            "version": 2,
            "issuer_account": self.account.public,
            "tags": tags,
            **claims.pop("nats", {}),
        }
        return by.sign(user.public, "ann", body, issued_s=NOW_S, **claims)


def scope(key: Key, **template: Any) -> dict[str, Any]:
    """A scoped signing key, as an account's JWT has it."""
    return {
        "kind": "user_scope",
        "key": key.public,
        "role": "r",
        "template": {"subs": -1, "data": -1, "payload": -1, **template},
    }
