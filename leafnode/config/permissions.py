"""`permissions { publish, subscribe, allow_responses }` of a user or as a default.

Knows the keys; not who has them nor how they are judged (routing.permissions).
Truth: nats-server 2.15.1 server/opts.go parseUserPermissions (measured).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from leafnode import limits
from leafnode.config import convert
from leafnode.config.convert import parse_duration
from leafnode.config.options import PermissionsOptions, ResponseOptions, SubjectRules
from leafnode.config.place import Block, Place, Row

if TYPE_CHECKING:
    from collections.abc import Callable

_NO_LIMIT: Final = -1
_INT32_MAX: Final = 2**31 - 1
_INT64_MAX: Final = 2**63 - 1


def permissions(place: Place) -> PermissionsOptions:
    return PermissionsOptions(**_PERMISSIONS.read(place).values)


def _rules(one: Callable[[Place], str]) -> Callable[[Place], SubjectRules]:
    """Return a converter of a subject, an array of them, or a block with allow and deny."""
    # On nats-server an empty array of what is allowed allows everything; here it is refused.
    subjects = convert.list_of(one, "subjects")
    denied = convert.list_of(one, "subjects", may_be_empty=True)
    block = Block((Row(("allow",), "allow", subjects), Row(("deny",), "deny", denied)))

    def rules(place: Place) -> SubjectRules:
        if isinstance(place.node.value, dict):
            return SubjectRules(**block.read(place).values)
        return SubjectRules(allow=subjects(place))

    return rules


def _responses(place: Place) -> ResponseOptions | None:
    value = place.node.value
    if isinstance(value, bool):
        return ResponseOptions() if value else None
    if not isinstance(value, dict):
        raise place.expected("true, false, or a block with max and expires")
    return ResponseOptions(**_RESPONSES.read(place).values)


def _max_msgs(place: Place) -> int:
    """A count; 0 is the default, below it there is no limit."""
    value = place.node.value
    if isinstance(value, int) and not isinstance(value, bool) and value < 0:
        return _NO_LIMIT
    convert_count = convert.number(1, _INT32_MAX, "a count", {0: limits.ALLOW_RESPONSES_MSGS})
    return convert_count(place)


def _expires(place: Place) -> int:
    """A duration as a string; 0 is the default, below it there is no limit."""
    text = place.node.value
    expires_ns = parse_duration(text.removeprefix("-")) if isinstance(text, str) else None
    if expires_ns is None or not isinstance(text, str):
        raise place.expected('a duration, like "2m"')
    if expires_ns == 0:
        return limits.ALLOW_RESPONSES_NS
    return _NO_LIMIT if text.startswith("-") else min(expires_ns, _INT64_MAX)


_RESPONSES: Final = Block(
    (
        Row(("max", "max_msgs", "max_messages", "max_responses"), "max_msgs", _max_msgs),
        Row(("expires", "expiration", "ttl"), "expires_ns", _expires),
    )
)
_PERMISSIONS: Final = Block(
    (
        Row(("publish", "pub", "import"), "publish", _rules(convert.subject)),
        Row(("subscribe", "sub", "export"), "subscribe", _rules(convert.subject_and_queue)),
        Row(("allow_responses", "publish_allow_responses"), "responses", _responses),
    )
)
