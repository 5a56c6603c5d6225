"""Permissions of a scoped signing key, with the user's own words filled in.

`{{name()}}`, `{{subject()}}`, `{{account-name()}}`, `{{account-subject()}}`, `{{tag(x)}}` and
`{{account-tag(x)}}`; a tag with several values gives a subject for each. Pure. What cannot be
filled in allows nothing, and refuses the user where it would have denied something.
Truth: nats-server 2.15.1 server/auth.go processUserPermissionsTemplate.
"""

from __future__ import annotations

import itertools
import re
from math import prod
from typing import TYPE_CHECKING, Final

import msgspec

from leafnode.auth.claims import Rules
from leafnode.errors import AuthError
from leafnode.limits import TEMPLATE_SUBJECTS_AT_ONCE, TEMPLATE_SUBJECTS_MAX
from leafnode.protocol import subject as subjects

if TYPE_CHECKING:
    from leafnode.auth.claims import AccountClaims, UserClaims, UserLimits

_FIELD: Final = re.compile(r"\{\{([^}]+)\}\}")
_TAG: Final = re.compile(r"(account-)?tag\((.*)\)", re.IGNORECASE | re.DOTALL)
_EVERYTHING: Final = ">"


def filled_in(template: UserLimits, user: UserClaims, account: AccountClaims) -> UserLimits:
    """Return the limits and permissions of this user. Raises AuthError."""
    values = _Values(user, account)
    return msgspec.structs.replace(
        template, pub=_rules(template.pub, values), sub=_rules(template.sub, values)
    )


def is_long(template: UserLimits, user: UserClaims, account: AccountClaims) -> bool:
    """Say whether this user's rules are too many to be worked out beside others, 1 ms and more."""
    pub, sub = template.pub, template.sub
    lists = (pub.allow or (), pub.deny, sub.allow or (), sub.deny)
    if sum(map(len, lists)) > TEMPLATE_SUBJECTS_AT_ONCE:
        return True
    values, count = _Values(user, account), 0
    for entry in (entry for entries in lists for entry in entries):
        try:
            count += _expansions(_values_of(entry, values))
        except AuthError:
            return False  # refused, and that is soon done
    return count > TEMPLATE_SUBJECTS_AT_ONCE


class _Values:
    """What the fields stand for."""

    def __init__(self, user: UserClaims, account: AccountClaims) -> None:
        self._single = {
            "name()": user.name,
            "subject()": user.sub,
            "account-name()": account.name,
            "account-subject()": user.nats.issuer_account,
        }
        self._tags = {"": user.nats.tags, "account-": account.nats.tags}

    def of(self, field: str) -> list[str]:
        """Return the values of one field, none for a tag that is not there. Raises AuthError."""
        operation = field.strip()
        if operation.lower() in self._single:
            return [self._single[operation.lower()]]
        match = _TAG.fullmatch(operation)
        if match is None:
            raise AuthError("a template of the signing key has an unknown operation")
        start = f"{match[2].lower()}:"
        tags = self._tags[(match[1] or "").lower()]
        return [tag.removeprefix(start) for tag in tags if tag.startswith(start)]


def _rules(rules: Rules, values: _Values) -> Rules:
    allow = rules.allow and _subjects(rules.allow, values, must_hold=False)
    deny = _subjects(rules.deny, values, must_hold=True)
    if rules.allow and not allow:
        deny = (*deny, _EVERYTHING)  # an empty allow list would allow everything
    return Rules(allow, deny)


def _values_of(entry: str, values: _Values) -> list[list[str]]:
    """Return what each field of an entry stands for. Raises AuthError."""
    return [values.of(match) for match in _FIELD.findall(entry)]


def _expansions(fields: list[list[str]]) -> int:
    """Return how many subjects come of an entry with these fields."""
    return prod(max(1, len(field)) for field in fields)


def _subjects(entries: tuple[str, ...], values: _Values, *, must_hold: bool) -> tuple[str, ...]:
    if not any(_FIELD.search(entry) for entry in entries):
        return entries
    found: list[str] = []
    for entry in entries:
        fields = _values_of(entry, values)
        if _expansions(fields) + len(found) > TEMPLATE_SUBJECTS_MAX:
            raise AuthError("a template of the signing key stands for too many subjects")
        for chosen in itertools.product(*(field or [" "] for field in fields)):
            pieces = iter(chosen)
            subject = _FIELD.sub(lambda _, pieces=pieces: next(pieces), entry)  # type: ignore[misc]
            if subjects.is_valid(subject.encode("utf-8", "replace")) and " " not in subject:
                found.append(subject)
            elif must_hold:
                raise AuthError("a template of the signing key gives an invalid subject to deny")
    return tuple(found)
