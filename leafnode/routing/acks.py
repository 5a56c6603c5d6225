"""Acknowledgements in a row, taken from a read in one piece.  HOT

A client that works off a stream sends one line after the other that differ in five numbers only.
Knows `PUB $JS.ACK.<stream>.<consumer>.<numbers>` and who alone takes them; not what they mean.
Truth: any traffic must give what the lane gives message by message (tests/unit/routing/test_acks).
"""

from __future__ import annotations

import re
from itertools import takewhile
from typing import TYPE_CHECKING, Final

from leafnode.limits import ACKS_AT_ONCE_BYTES, HANDLER_RUN_MAX, HANDLER_WORK
from leafnode.routing.permissions import may_deliver

if TYPE_CHECKING:
    from collections.abc import Sequence

    from leafnode.routing.account import Account
    from leafnode.routing.peer import Peer
    from leafnode.routing.subscription import Subscription

ACK_LINE: Final = b"PUB $JS.ACK."
_VERB_SIZE: Final = len(b"PUB ")
_NUMBERS: Final = 5
_ONE: Final = rb"\d{1,19}(?:\.\d{1,19}){4}"
_IS_ONE: Final = re.compile(_ONE).fullmatch
_ARE_ALL: Final = re.compile(rb"%b(?: %b)*" % (_ONE, _ONE)).fullmatch


def take_acks(
    account: Account, origin: Peer, data: bytes, subject: bytes, places: tuple[int, int, int]
) -> tuple[int, int]:
    """Give acknowledgements on to who takes them; return how many, and the place behind the last.

    `places`: where the first one's line begins and ends, and where it ends itself. It has this
    subject, and no reply. 0: the lane has to look at it.
    """
    pos, line_end, end = places
    parts = subject.rsplit(b".", _NUMBERS)
    prefix = parts[0] + b"."
    sub = _taker(account, parts)
    if sub is None or sub.bulk is None or not may_deliver(sub, subject, origin):
        return 0, pos
    start = data[pos : pos + _VERB_SIZE] + prefix
    behind = data[pos + _VERB_SIZE + len(subject) : end]  # the same behind the numbers of all
    upto = max(end, pos + ACKS_AT_ONCE_BYTES)
    numbers = data[pos + len(start) : upto].split(behind + start, HANDLER_RUN_MAX)
    last, complete, _ = numbers.pop().partition(behind)
    if complete and len(numbers) < HANDLER_RUN_MAX:
        numbers.append(last)
    numbers = _usual(numbers)
    if not numbers or not _may_all(account, origin, prefix, numbers):
        return 0, pos
    taken = _give(account, origin, sub, numbers, data[line_end + 1 : end - 2])
    return taken, pos + sum(map(len, numbers[:taken])) + taken * len(behind + start)


def publish_acks(account: Account, subjects: Sequence[bytes], body: bytes) -> None:
    """Publish acknowledgements of the server itself: what one consumer takes at once, together.
    They are of consumers here, so no leaf hears them.
    """
    at = 0
    while at < len(subjects):
        taken = _publish_row(account, subjects[at : at + HANDLER_RUN_MAX], body)
        if not taken:
            break
        at += taken
    for subject in subjects[at:]:
        account.publish(subject, body, origin=account.to_itself)


def _publish_row(account: Account, subjects: Sequence[bytes], body: bytes) -> int:
    """Give those from the first on that one consumer takes at once to it; return how many."""
    parts = subjects[0].rsplit(b".", _NUMBERS)
    prefix, origin = parts[0] + b".", account.to_itself
    sub = _taker(account, parts, is_here=True)
    if sub is None or sub.bulk is None or not may_deliver(sub, subjects[0], origin):
        return 0
    row = takewhile(lambda subject: subject.startswith(prefix), subjects)
    numbers = _usual([subject[len(prefix) :] for subject in row])
    if not numbers or not _may_all(account, origin, prefix, numbers):
        return 0
    return _give(account, origin, sub, numbers, body)


def _give(
    account: Account, origin: Peer, sub: Subscription, numbers: list[bytes], body: bytes
) -> int:
    """Let the consumer take these; return how many it took."""
    assert sub.bulk is not None, "whoever calls has looked"
    try:
        taken = sub.bulk(numbers, body)
    except Exception as err:  # noqa: BLE001 -- boundary: background job, told to the owner
        account.on_fault(sub.subject, err)
        taken = len(numbers)
    sub.delivered += taken
    origin.outbox.work_left -= HANDLER_WORK * taken
    return taken


def _taker(
    account: Account, parts: Sequence[bytes], *, is_here: bool = False
) -> Subscription | None:
    """Return the only subscription to subjects that begin so, unless it has a group; `is_here`:
    besides those of leafs.
    """
    if len(parts) != _NUMBERS + 1:
        return None
    match = account.sublist.find_below(parts[0], _NUMBERS)
    if not match or match.groups:
        return None
    plain = match.plain
    if is_here:
        plain = [sub for sub in plain if not sub.peer.is_leaf]
    return plain[0] if len(plain) == 1 else None


def _usual(numbers: list[bytes]) -> list[bytes]:
    """Return those from the first on that are five numbers each."""
    if _ARE_ALL(b" ".join(numbers)):
        return numbers
    for index, one in enumerate(numbers):
        if not _IS_ONE(one):
            return numbers[:index]
    return numbers


def _may_all(account: Account, origin: Peer, prefix: bytes, numbers: list[bytes]) -> bool:
    """Say whether the origin may publish all of them, and nobody listens for one alone."""
    has_literal, permissions = account.sublist.has_literal, origin.permissions
    subjects = [prefix + one for one in numbers]
    if any(map(has_literal, subjects)):
        return False
    if permissions is None:
        return True
    origin.outbox.work_left -= permissions.publish.work * len(subjects)
    return all(map(permissions.may_publish, subjects))
