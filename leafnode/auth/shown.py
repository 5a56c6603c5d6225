"""The claims of JWTs as monitoring shows them: `decoded_jwt`, `trusted_operators_claim`.

Reads JWTs that were verified before, and judges nothing. Truth: measured on nats-server 2.15.1,
which writes them anew from nats-io/jwt's structures: what is empty is left out, but for structures.
"""

from __future__ import annotations

from typing import Any, Final

from leafnode.auth import jwt

_STRUCTURES: Final = {
    "account": ("limits", "default_permissions", "authorization"),
}
_RULES: Final = ("pub", "sub")


def shown_claims(token: str) -> dict[str, Any]:
    """Return a JWT's claims. Raises AuthError for what is no JWT."""
    claims = _without_empty(jwt.raw_claims(token))
    nats = claims.setdefault("nats", {})
    for name in _STRUCTURES.get(nats.get("type", ""), ()):
        nats.setdefault(name, {})
    if "default_permissions" in nats:
        for rules in _RULES:
            nats["default_permissions"].setdefault(rules, {})
    return claims


def _without_empty(fields: dict[str, Any]) -> dict[str, Any]:
    """Leave out what Go's encoding/json leaves out."""
    shown = {key: _shown(value) for key, value in fields.items()}
    return {key: value for key, value in shown.items() if value}


def _shown(value: Any) -> Any:
    if isinstance(value, dict):
        return _without_empty(value)
    if isinstance(value, list):
        return [_shown(item) for item in value]
    return value
