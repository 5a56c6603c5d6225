"""JWTs as NATS writes them: taken apart, their signature checked, their claims as typed values.

Every length, alphabet and kind is checked before the cryptography sees a byte, and nothing but
AuthError comes out, whose text never holds what was read. Whether a claim is *true* (who may sign
for whom, time, revocation) is for `auth.operator` and others to judge. Knows no clock.
Truth: nats-io/jwt v2 decoder.go (format versions 1 and 2), claims.go ExpectedPrefixes.
"""

from __future__ import annotations

import base64
import hashlib
import json
from itertools import zip_longest
from typing import TYPE_CHECKING, Any, Final, TypeAlias, TypeVar

import msgspec

from leafnode.auth import nkey
from leafnode.auth.base64url import illegal_at, raw_url
from leafnode.auth.claims import (
    UNLIMITED,
    AccountClaims,
    ActivationClaims,
    AuthorizationResponse,
    GenericClaims,
    OperatorClaims,
    UserClaims,
)
from leafnode.errors import AuthError, quoted
from leafnode.limits import JWT_CHARS_MAX, JWT_DEPTH_MAX

if TYPE_CHECKING:
    from collections.abc import Callable

    from leafnode.auth.claims import Claims

START: Final = "eyJ"  # what every JWT starts with: `{"`
_PARTS: Final = 3
_NKEY: Final = "ed25519-nkey"
_NKEY_OLD: Final = "ed25519"
_VERSION_MAX: Final = 2
_INT64_MIN: Final = -(2**63)
_INT64_MAX: Final = 2**63 - 1
_HEADER: Final = base64.urlsafe_b64encode(b'{"typ":"JWT","alg":"ed25519-nkey"}').rstrip(b"=")

Pairs: TypeAlias = tuple[tuple[str, Any], ...]  # what an object says, in its order

ClaimsT = TypeVar("ClaimsT", bound="Claims")

# For each type of claims: how it is read, and whose signatures it may have.
_TYPES: Final[dict[str, tuple[type[Claims], str]]] = {
    "operator": (OperatorClaims, "O"),
    "account": (AccountClaims, "AO"),
    "user": (UserClaims, "A"),
    "activation": (ActivationClaims, "AO"),
    "authorization_response": (AuthorizationResponse, "A"),
}

# Fields whose value has keys of its own, which are no names of fields, and what null is there.
_MAPS: Final[dict[str, Callable[[], object]]] = {
    "mappings": list,
    "revocations": int,
    "tiered_limits": dict,
}
_GENERIC_MAPS: Final[dict[str, Callable[[], object]]] = {"nats": type(None)}
# Fields that null takes away: pointers in Go, and networks, which may be a text.
_OPTIONAL: Final = frozenset({"resp", "service_latency", "src", "trace"})
# Fields of one word out of several, where null is none of them, whatever was said before. But for
# the type of the claims, in them or beside: there null says nothing.
_WORDS: Final = frozenset({"kind", "type"})
_TYPE: Final = "type"
_SIGNING_KEYS: Final = "signing_keys"
# Letters that Go takes for an s and a k in a name.
_FOLDED: Final = str.maketrans({"\u017f": "s", "\u212a": "k"})
_KINDS: Final = frozenset({"stream", "service"})
_SCOPE: Final = "user_scope"
_BY_HEADERS: Final = "headers"
_SIGNERS: Final = {"A": "account", "O": "operator"}


def decode(token: str, wanted: type[ClaimsT]) -> ClaimsT:
    """Return the claims of a JWT of one type whose signature holds. Raises AuthError."""
    header, body, signature = _split(token)
    algorithm = _algorithm(header)
    fields = _json_object(body, wanted)
    nats = fields.get("nats")
    nats = nats if isinstance(nats, dict) else {}
    if wanted is GenericClaims:  # they need no version: their form is that of the algorithm
        version, kind = (1 if algorithm == _NKEY_OLD else 2), ""
    else:
        version, kind = _version_and_type(fields, nats)
    _list_networks(nats)
    _check_kinds(nats, kind)
    issuer = fields.get("iss", "")
    if not isinstance(issuer, str):
        raise AuthError("the issuer of a JWT is no text")
    signed = body if version == 1 else f"{header}.{body}"
    if not nkey.verify(issuer, signed.encode(), _bytes(signature), kinds=nkey.ALL_KINDS):
        raise AuthError(f"claim failed V{version} signature verification")
    form, signers = _TYPES.get(kind, (GenericClaims, ""))
    if wanted not in {form, GenericClaims}:
        asked = wanted is AuthorizationResponse  # whose refusal has this name there, too
        name = "an authorization request" if asked else _name(wanted)
        raise AuthError(f"not {name} claim")
    if signers and not any(nkey.is_public_key(issuer, signer) for signer in signers):
        names = " ".join(_SIGNERS[signer] for signer in signers)
        raise AuthError(f"unable to validate expected prefixes - [{names}]")
    try:
        flat = fields if wanted is GenericClaims else {**fields, "nats": nats}
        return msgspec.convert(flat, wanted)
    except (msgspec.ValidationError, ValueError, RecursionError):
        # Without the cause: a decoder's message may quote what it read.
        raise AuthError(f"the claims of a JWT are malformed: {_name(wanted)}") from None


def encode(claims: dict[str, Any], key: nkey.KeyPair) -> str:
    """Return a JWT over these claims, signed with our key; `iss` and `jti` are filled in."""
    body = {**claims, "iss": key.public_key}
    digest = hashlib.sha256(msgspec.json.encode(body)).digest()
    body["jti"] = base64.b32encode(digest).rstrip(b"=").decode()
    signed = _HEADER + b"." + base64.urlsafe_b64encode(msgspec.json.encode(body)).rstrip(b"=")
    signature = base64.urlsafe_b64encode(key.sign(signed)).rstrip(b"=")
    return (signed + b"." + signature).decode()


def undecorated(text: str) -> str:
    """Return the JWT of a file, which may stand between dashed lines."""
    for line in text.splitlines():
        word = line.strip()
        if word.startswith(START):
            return word
    raise AuthError("no JWT found")


def _split(token: str) -> tuple[str, str, str]:
    if len(token) > JWT_CHARS_MAX or not token.isascii():
        raise AuthError("a JWT that is too long or has other characters than a JWT has")
    parts = token.split(".", _PARTS)
    if len(parts) != _PARTS:
        raise AuthError("expected 3 chunks")
    header, body, signature = parts
    return header, body, signature


def _algorithm(header: str) -> str:
    fields = _json_object(header)
    kind, algorithm = fields.get("typ"), fields.get("alg")
    if not isinstance(kind, str) or kind.upper() != "JWT":
        raise AuthError("the header of a JWT is of another type")
    if not isinstance(algorithm, str) or algorithm.lower() not in {_NKEY, _NKEY_OLD}:
        raise AuthError("a JWT signed with another algorithm than ed25519-nkey")
    return algorithm.lower()


def _json_object(part: str, wanted: type[Claims] | None = None) -> dict[str, Any]:
    """Return an object whose fields have the names that they have here. Raises AuthError."""
    raw = _bytes(part)
    try:
        msgspec.json.decode(raw)  # is stricter, and keeps only the last of several of one name
        fields = json.loads(raw.decode(), object_pairs_hook=tuple)
    except (ValueError, RecursionError):
        raise AuthError("a part of a JWT is not JSON") from None
    if not isinstance(fields, tuple):
        raise AuthError("a part of a JWT is not a JSON object")
    return _GoReader(
        _GENERIC_MAPS if wanted is GenericClaims else _MAPS, adds_keys=wanted is AccountClaims
    ).fields(fields)


def _bytes(part: str) -> bytes:
    raw = raw_url(part)
    if raw is None:
        raise AuthError(f"illegal base64 data at input byte {illegal_at(part)}")
    return raw


class _GoReader:
    """Turns JSON, objects as pairs, into what Go's decoder makes of it.

    A name in capitals is the field's, too. Where one comes again the last counts, but what is in an
    object is added to what one before it says, also within a list, place by place: nobody's deny
    list is lost. `maps` are fields whose keys are no names: what comes again there replaces what
    was. Null takes away a list, a map and what `_OPTIONAL` names, and nothing else; it is an empty
    word of `_WORDS`, and within a list an empty text, which allows nothing. Raises AuthError for
    what is nested deeper than claims are, and where one name has an object and something else.
    """

    def __init__(self, maps: dict[str, Callable[[], object]], *, adds_keys: bool) -> None:
        self._maps = maps
        self._adds_keys = adds_keys  # a second list of signing keys is added to the first

    def fields(
        self, pairs: Pairs, depth: int = JWT_DEPTH_MAX, before: object = None
    ) -> dict[str, Any]:
        """Return an object whose keys are names of fields."""
        clean: dict[str, Any] = before if isinstance(before, dict) else {}
        for written, item in pairs:
            name = written if written.islower() else written.translate(_FOLDED).lower()
            known = clean.get(name)
            adds = self._adds_keys and name == _SIGNING_KEYS
            if isinstance(known, str) and known not in _KINDS and _is_kind(name, depth):
                continue  # what is neither of both refuses a JWT at once, whatever comes behind
            if item is None:
                if not adds and (isinstance(known, list) or name in _OPTIONAL | self._maps.keys()):
                    clean.pop(name, None)
                elif name in _WORDS and (name != _TYPE or depth < JWT_DEPTH_MAX - 1):
                    clean[name] = ""
            elif adds and isinstance(item, list):
                clean[name] = (known or []) + self._list(item, depth - 1, [])
            else:
                clean[name] = self._value(item, depth - 1, known, self._maps.get(name))
        return clean

    def _value(
        self,
        value: object,
        depth: int,
        before: object = None,
        zero: Callable[[], object] | None = None,
    ) -> object:
        """Return one value; `zero` makes what null is in it where it is a map."""
        if depth == 0:
            raise AuthError("the claims of a JWT are nested too deep")
        if before is not None and isinstance(value, tuple) != isinstance(before, dict):
            raise AuthError("a name in the claims of a JWT stands for two kinds of values")
        if isinstance(value, tuple):
            if zero is None:
                return self.fields(value, depth, before)
            clean: dict[str, object] = before if isinstance(before, dict) else {}
            for name, item in value:
                clean[name] = zero() if item is None else self._value(item, depth - 1)
            return clean
        if isinstance(value, list):
            return self._list(value, depth, before if isinstance(before, list) else [])
        if isinstance(value, int) and not _INT64_MIN <= value <= _INT64_MAX:
            raise AuthError("a number in the claims of a JWT is too large")
        return value

    def _list(self, items: list[object], depth: int, before: list[object]) -> list[object]:
        found: list[object] = []
        for item, old in zip_longest(items, before[: len(items)]):
            if item is None:
                found.append(old if isinstance(old, str) else "")
            else:
                is_added = isinstance(item, tuple) and isinstance(old, dict)
                found.append(self._value(item, depth - 1, old if is_added else None))
        return found


def _is_kind(name: str, depth: int) -> bool:
    """Say whether it is a stream or a service that the field names: of an export or an import, or
    of an activation. It may be a field's that nobody knows, too.
    """
    in_claims = depth == JWT_DEPTH_MAX - 1
    return in_claims if name == "kind" else name == _TYPE and depth < JWT_DEPTH_MAX - 1


def _version_and_type(fields: dict[str, Any], nats: dict[str, Any]) -> tuple[int, str]:
    """Return the version of the format and the type; version 1 has its type outside of `nats`."""
    old = fields.get("type")
    if isinstance(old, str) and old:
        _migrate(nats, old)
        return 1, old
    version, kind = nats.get("version"), nats.get("type")
    if not isinstance(version, int) or isinstance(version, bool) or version < _VERSION_MAX:
        raise AuthError("claim failed V1 signature verification")  # which has another form
    if version > _VERSION_MAX:
        raise AuthError("JWT was generated by a newer version ")  # there, too
    return version, kind if isinstance(kind, str) else ""


def _migrate(nats: dict[str, Any], kind: str) -> None:
    """Bring the fields of version 1 into the form of version 2: there 0 is no limit for a user."""
    if kind != "user":
        return
    for limit in ("subs", "data", "payload"):
        nats[limit] = nats.get(limit) or UNLIMITED


def _check_kinds(nats: dict[str, Any], form: str) -> None:
    """Raise AuthError for what is neither of a stream nor of a service, and for scopes of another
    kind, as Go does while it reads; what does not say is for others to judge.
    """
    if form == "activation":
        _check_kind(nats, "kind")
    if form != "account":
        return
    for field in ("exports", "imports"):
        several = nats.get(field)
        for one in several if isinstance(several, list) else ():
            _check_kind(one, "type")
            _check_sampling(one)
    keys = nats.get(_SIGNING_KEYS)
    for key in keys if isinstance(keys, list) else ():
        if isinstance(key, dict) and key.get("kind") != _SCOPE:
            raise AuthError("unknown signing key scope %!q(<nil>)")  # nats-server's own slip


def _check_kind(one: object, name: str) -> None:
    kind = one.get(name) if isinstance(one, dict) else None
    if isinstance(kind, str) and kind not in _KINDS:
        raise AuthError(f"unknown export type {quoted(kind)}")


def _check_sampling(one: object) -> None:
    """Raise AuthError for a service whose share of measured requests is another word."""
    latency = one.get("service_latency") if isinstance(one, dict) else None
    share = latency.get("sampling") if isinstance(latency, dict) else None
    if isinstance(share, str) and share.lower() != _BY_HEADERS:
        raise AuthError("json: cannot unmarshal string into Go value of type int")


def _list_networks(nats: dict[str, Any]) -> None:
    """Make a list of `src` given as one text, for a user and for a scope's template."""
    keys = nats.get(_SIGNING_KEYS)
    scopes = [key for key in keys if isinstance(key, dict)] if isinstance(keys, list) else []
    for limits in (nats, *(scope.get("template") for scope in scopes)):
        if isinstance(limits, dict) and isinstance(networks := limits.get("src"), str):
            limits["src"] = [part.strip() for part in networks.split(",") if part.strip()]


def _name(wanted: type[Claims]) -> str:
    names: dict[type[Claims], str] = {form: kind for kind, (form, _) in _TYPES.items()}
    return names.get(wanted, "generic")
