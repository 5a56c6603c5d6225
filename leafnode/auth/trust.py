"""Whom a server in operator mode trusts: operators, their signing keys, the system account.

Made once from the configuration, which it refuses with nats-server's texts. Reads operator files.
Truth: nats-server 2.15.1 server/jwt.go validateTrustedOperators, readOperatorJWT.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from leafnode.auth import jwt, nkey
from leafnode.auth.claims import AccountClaims, OperatorClaims, UserClaims
from leafnode.errors import AuthError
from leafnode.files import read_regular
from leafnode.limits import JWT_CHARS_MAX
from leafnode.protocol.info import COMPATIBLE_VERSION

if TYPE_CHECKING:
    from leafnode.config.options import OperatorOptions

_NUMBER: Final = re.compile("[0-9]{1,5}")  # of a version


@dataclass(frozen=True, slots=True)
class Trust:
    """Whose account JWTs hold. `strict`: keys of operators whose accounts must not sign users
    with their own key. `url` is where the operator says that account JWTs are.
    """

    keys: frozenset[str]
    strict: frozenset[str] = frozenset()
    operator: str = ""
    system_account: str = ""
    url: str = ""
    sentinel: str = ""
    operators: tuple[str, ...] = ()  # their JWTs

    def signs_for(self, account: AccountClaims, key: str) -> bool:
        """Say whether a key may sign what is the account's: its own, or one of its signing keys."""
        return key in account.nats.signers or (
            key == account.sub and account.iss not in self.strict
        )


def trust_of(options: OperatorOptions, system_account: str = "") -> Trust:
    """Return whom this configuration trusts. Raises AuthError. Blocks: file access."""
    tokens = tuple(_token(text) for text in options.operators)
    operators = [_operator(token) for token in tokens]
    if not operators:
        if options.default_sentinel:
            raise AuthError("default sentinel requires operators and accounts")
        return Trust(frozenset(options.trusted_keys), system_account=system_account)
    if options.trusted_keys:
        raise AuthError("conflicting options for 'TrustedKeys' and 'TrustedOperators'")
    named = system_account or (operators[0].nats.system_account if len(operators) == 1 else "")
    known = {each.nats.system_account for each in operators} - {""}
    if system_account and known and system_account not in known:
        raise AuthError("system_account in config and operator JWT must be identical")
    for each in operators:
        _check_version(each)
    keys: set[str] = set()
    strict: set[str] = set()
    for each in operators:
        own = set(each.nats.signing_keys)
        if each.nats.strict_signing_key_usage:
            strict |= own | {each.sub}
        else:
            own.add(each.sub)
        keys |= own
    for key in keys:
        if not nkey.is_public_key(key, "O"):
            raise AuthError("trusted Keys are required to be a valid public operator nkey")
    _check_sentinel(options.default_sentinel)
    url = operators[0].nats.account_server_url if len(operators) == 1 else ""
    return Trust(
        frozenset(keys),
        frozenset(strict),
        operators[0].sub,
        named,
        url,
        options.default_sentinel,
        tokens,
    )


def _token(text: str) -> str:
    """Return the JWT of an operator, which is given or in a file."""
    if not text.startswith(jwt.START):
        try:
            content = read_regular(text, JWT_CHARS_MAX)
        except (OSError, ValueError) as err:  # ValueError: a path with a NUL
            reason = getattr(err, "strerror", None) or err
            raise AuthError(f"error parsing operator JWT: open {text}: {reason}") from err
        try:
            text = jwt.undecorated(content.decode("utf-8", "replace"))
        except AuthError as err:
            raise AuthError(f"error parsing operator JWT: {err}") from err
    return text


def _operator(token: str) -> OperatorClaims:
    try:
        return jwt.decode(token, OperatorClaims)
    except AuthError as err:
        raise AuthError(f"error parsing operator JWT: {err}") from err


def _check_version(operator: OperatorClaims) -> None:
    wanted = operator.nats.assert_server_version
    if not wanted:
        return
    ours = tuple(map(int, COMPATIBLE_VERSION.split(".")))
    parts = wanted.removeprefix("v").split(".")
    if len(parts) != len(ours) or not all(map(_NUMBER.fullmatch, parts)):
        raise AuthError(f"operator expects version {wanted!r}, which is no version")
    for name, here, there in zip(("major", "minor", "update"), ours, map(int, parts), strict=True):
        if there > here:
            raise AuthError(
                f"operator {operator.sub} expected {name} version {there} > server {name} "
                f"version {here}"
            )
        if there < here:
            return


def _check_sentinel(token: str) -> None:
    if not token:
        return
    try:
        user = jwt.decode(token, UserClaims)
    except AuthError as err:
        raise AuthError("default sentinel JWT not valid") from err
    scoped = user.nats.issuer_account and user.has_empty_permissions
    if not user.nats.bearer_token and not scoped:
        raise AuthError("default sentinel must be a bearer token")
