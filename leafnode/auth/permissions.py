"""From the permissions of a configuration or a JWT to the rules that routing judges by.

Knows both forms and nothing else. Truth: nats-server 2.15.1 server/client.go setPermissions.
"""

from __future__ import annotations

import logging
import re
from typing import TYPE_CHECKING, Final

from leafnode.protocol.subject import is_valid
from leafnode.routing.permissions import Permissions, ResponseRule, Rules

if TYPE_CHECKING:
    from collections.abc import Iterable

    from leafnode.config.options import PermissionsOptions
    from leafnode.routing.subject_set import SubjectSet


log = logging.getLogger(__name__)
# What Go's strings.Fields parts words by; Python's str.split takes four characters more.
_BLANKS: Final = re.compile("[\t-\r \x85\xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000]+")


def permissions_of(options: PermissionsOptions | None) -> Permissions | None:
    """Return what a user may do; None: everything.

    An entry of a JWT that is no subject stands for nothing, as there: it neither allows nor denies.
    A list that has only such entries still is one: who may publish on nothing else on nothing.
    """
    if options is None:
        return None
    publish, subscribe = options.publish, options.subscribe
    responses = None
    if options.responses is not None:
        responses = ResponseRule(
            max_msgs=max(0, options.responses.max_msgs),
            expires_ns=max(0, options.responses.expires_ns),
        )
    return Permissions(
        # Who may answer and is told nothing else may only answer.
        publish=Rules(
            _published(publish.allow) if publish.allow or responses else None,
            _published(publish.deny, deny=True),
        ),
        subscribe=Rules(
            _subscribed(subscribe.allow) if subscribe.allow else None, _subscribed(subscribe.deny)
        ),
        responses=responses,
    )


def without_publishing(permissions: Permissions | None, denied: SubjectSet) -> Permissions:
    """Return the same permissions but for publishing on these subjects, which is denied now.

    However long the lists are, it takes no longer.
    """
    mine = permissions or Permissions(Rules(), Rules())
    return Permissions(
        publish=Rules.over(mine.publish, deny=denied, exempt=mine.publish.exempt),
        subscribe=mine.subscribe,
        responses=mine.responses,
    )


def _published(entries: Iterable[str], *, deny: bool = False) -> list[bytes]:
    """Return those that are subjects; `deny`: a queue behind one is passed over."""
    found = []
    for entry in entries:
        subject = entry.encode()
        if not is_valid(subject) and deny:
            subject = next(iter(_words(entry)), b"")
        if is_valid(subject):
            found.append(subject)
        else:
            log.debug("Permission to publish ignored, it is no subject: %r", entry)
    return found


def _subscribed(entries: Iterable[str]) -> list[bytes]:
    """Return the entries that are a subject, or a subject and a queue."""
    found = []
    for entry in entries:
        if words := _words(entry):
            found.append(b" ".join(words))
        else:
            log.debug("Permission to subscribe ignored, it is no subject: %r", entry)
    return found


def _words(entry: str) -> list[bytes]:
    """Return subject and queue, or the subject; nothing where they are none."""
    words = [word.encode() for word in _BLANKS.split(entry) if word]
    return words if len(words) <= 2 and all(map(is_valid, words)) else []
