"""Permissions of a scoped signing key, with the user's own words filled in.

`{{name()}}`, `{{subject()}}`, `{{account-name()}}`, `{{account-subject()}}`, `{{tag(x)}}` and
`{{account-tag(x)}}`; a tag with several values gives a subject for each. Pure. What cannot be
filled in allows nothing, and refuses the user where it would have denied something.
Truth: nats-server 2.15.1 server/auth.go processUserPermissionsTemplate.
"""

from __future__ import annotations

import itertools
import re
from typing import TYPE_CHECKING, Final

import msgspec

from leafnode.auth.claims import Rules
from leafnode.errors import AuthError
from leafnode.limits import (
    TEMPLATE_CHARS_AT_ONCE,
    TEMPLATE_FIELDS_AT_ONCE,
    TEMPLATE_SUBJECTS_AT_ONCE,
    TEMPLATE_SUBJECTS_MAX,
)
from leafnode.protocol import subject as subjects

if TYPE_CHECKING:
    from leafnode.auth.claims import AccountBody, AccountClaims, UserBody, UserClaims, UserLimits
    from leafnode.auth.tags import Tags

_TAG: Final = re.compile(r"(account-)?tag\((.*)\)", re.IGNORECASE | re.DOTALL)
_EVERYTHING: Final = ">"


def filled_in(template: UserLimits, user: UserClaims, account: AccountClaims) -> UserLimits:
    """Return the limits and permissions of this user. Raises AuthError."""
    values = _Values(user, account)
    return msgspec.structs.replace(
        template, pub=_rules(template.pub, values), sub=_rules(template.sub, values)
    )


def is_long(template: UserLimits, user: UserClaims, account: AccountClaims) -> bool:
    """Say whether this user's rules are too many to be worked out beside others, 1 ms and more.

    It costs no more itself: it stops as soon as there is too much of something.
    """
    pub, sub = template.pub, template.sub
    lists = (pub.allow or (), pub.deny, sub.allow or (), sub.deny)
    if sum(map(len, lists)) > TEMPLATE_SUBJECTS_AT_ONCE:
        return True
    entries = [entry for entries in lists for entry in entries]
    if sum(map(len, entries)) > TEMPLATE_CHARS_AT_ONCE:
        return True
    values, work = _Values(user, account), _Work()
    try:
        return any(work.is_too_much_with(_pieces(entry), values) for entry in entries)
    except AuthError:
        return False  # refused, and that is soon done: what comes before it is not much


class _Work:
    """What comes of a template's entries, added up."""

    def __init__(self) -> None:
        self._fields = self._subjects = self._chars = 0

    def is_too_much_with(self, pieces: list[str], values: _Values) -> bool:
        """Add an entry. Raises AuthError."""
        fields = pieces[1::2]
        self._fields += len(fields)
        if self._fields > TEMPLATE_FIELDS_AT_ONCE or any(map(values.is_slow, fields)):
            return True
        count = _expansions(fields, values)
        self._subjects += count
        if self._subjects > TEMPLATE_SUBJECTS_AT_ONCE:
            return True
        longest = sum(max(map(len, values.of(field)), default=1) for field in fields)
        self._chars += count * (sum(map(len, pieces)) + longest)
        return self._chars > TEMPLATE_CHARS_AT_ONCE


class _Values:
    """What the fields stand for."""

    def __init__(self, user: UserClaims, account: AccountClaims) -> None:
        self._single = {
            "name()": user.name,
            "subject()": user.sub,
            "account-name()": account.name,
            "account-subject()": user.nats.issuer_account,
        }
        self._tagged: dict[str, UserBody | AccountBody] = {
            "": user.nats,
            "account-": account.nats,
        }

    def is_slow(self, field: str) -> bool:
        """Say whether it takes a moment even to count the values. Raises AuthError."""
        sought = self._sought(field)
        return not isinstance(sought, str) and not sought[0].is_soon_asked

    def count(self, field: str) -> int:
        """Return how many values one field has, none for a tag that is not there. Raises
        AuthError.
        """
        sought = self._sought(field)
        return 1 if isinstance(sought, str) else sought[0].count(sought[1])

    def of(self, field: str) -> list[str]:
        """Return these values. Raises AuthError."""
        sought = self._sought(field)
        return [sought] if isinstance(sought, str) else sought[0].values(sought[1])

    def _sought(self, field: str) -> str | tuple[Tags, str]:
        """Return the one value of a field, or the tags and which of them it is about."""
        operation = field.strip()
        single = self._single.get(operation.lower())
        if single is not None:
            return single
        match = _TAG.fullmatch(operation)
        if match is None:
            raise AuthError("a template of the signing key has an unknown operation")
        return self._tagged[(match[1] or "").lower()].tags_by_name, match[2].lower()


def _rules(rules: Rules, values: _Values) -> Rules:
    allow = rules.allow and _subjects(rules.allow, values, must_hold=False)
    deny = _subjects(rules.deny, values, must_hold=True)
    if rules.allow and not allow:
        deny = (*deny, _EVERYTHING)  # an empty allow list would allow everything
    return Rules(allow, deny)


def _pieces(entry: str) -> list[str]:
    """Return the text between fields, and each second piece the inside of a field, `{{…}}`.

    A field ends at the next brace that closes. In linear time, which a search for a whole field
    is not: it goes through all that is left for each `{{` that nothing closes.
    """
    pieces: list[str] = []
    start = at = 0
    while (close := entry.find("}", at)) >= 0:
        opened = entry.find("{{", at, close)
        at = close + 1
        if opened >= 0 and opened + 2 < close and entry.startswith("}", at):
            pieces += (entry[start:opened], entry[opened + 2 : close])
            start = at = close + 2
    pieces.append(entry[start:])
    return pieces


def _expansions(fields: list[str], values: _Values) -> int:
    """Return how many subjects come of an entry with these fields, or a number that is too many.
    Raises AuthError.
    """
    count = 1
    for number in [values.count(field) for field in fields]:
        count = min(count * max(1, number), TEMPLATE_SUBJECTS_MAX + 1)
    return count


def _subjects(entries: tuple[str, ...], values: _Values, *, must_hold: bool) -> tuple[str, ...]:
    cut = [_pieces(entry) for entry in entries]
    if all(len(pieces) == 1 for pieces in cut):
        return entries
    found: list[str] = []
    for pieces in cut:
        if _expansions(pieces[1::2], values) + len(found) > TEMPLATE_SUBJECTS_MAX:
            raise AuthError("a template of the signing key stands for too many subjects")
        choices = [[piece] for piece in pieces]
        choices[1::2] = [values.of(field) or [" "] for field in pieces[1::2]]
        for subject in map("".join, itertools.product(*choices)):
            if subjects.is_valid(subject.encode("utf-8", "replace")) and " " not in subject:
                found.append(subject)
            elif must_hold:
                raise AuthError("a template of the signing key gives an invalid subject to deny")
    return tuple(found)
