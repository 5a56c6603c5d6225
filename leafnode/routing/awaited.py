"""The answers that one account waits for: who asked whom, and what gives way beyond the bounds.

Knows requesters and services as keys, and replies; not how a request travels. nats-server has no
bound. Truth: nats-server 2.15.1 server/accounts.go checkForReverseEntry; limits.py.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Final, Generic, TypeVar

from leafnode.limits import (
    PENDING_RESPONSE_BYTES,
    PENDING_RESPONSES_EXPORT_MAX,
    PENDING_RESPONSES_MAX,
    PENDING_RESPONSES_REQUESTER_MAX,
    RESPONSES_ENDED_PER_TURN,
)
from leafnode.routing import latency as measure
from leafnode.slices import in_slices

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from leafnode.routing.owed import Response
    from leafnode.routing.peer import Peer
    from leafnode.routing.service_export import ServiceExport
    from leafnode.routing.sublist import Sublist

Holder = TypeVar("Holder")
Key = TypeVar("Key")
_WILDCARDS: Final = frozenset({b"*", b">"})


class Ranking(Generic[Holder]):
    """How much each holder has, so that who has most is found at once."""

    __slots__ = ("_counts", "_levels", "_most", "total")

    def __init__(self) -> None:
        self.total = 0
        self._counts: dict[Holder, int] = {}
        self._levels: dict[int, dict[Holder, None]] = {}  # who has so much
        self._most = 0

    def add(self, holder: Holder, count: int = 1) -> None:
        """Give a holder so many more; below zero: take so many from one that has them."""
        levels = self._levels
        before = self._counts.get(holder, 0)
        now = before + count
        self.total += count
        if before:
            level = levels[before]
            del level[holder]
            if not level:
                del levels[before]
        if now:
            self._counts[holder] = now
            if now in levels:
                levels[now][holder] = None
            else:
                levels[now] = {holder: None}
        else:
            del self._counts[holder]
        if now > self._most:
            self._most = now
        elif before == self._most and before not in levels:
            # Who had one more than all others has as much as they, or nobody has any.
            self._most = now if count == -1 else max(levels, default=0)

    def first(self) -> Holder:
        """Return who has most; of several the one that has had so much for longest."""
        return next(iter(self._levels[self._most]))


class Awaited:
    """What one account waits for. Bounded for each requester, for each service, and in all.

    One with long subjects or headers counts as several: what is bounded is memory.
    """

    __slots__ = (
        "_answers",
        "_by_export",
        "_by_requester",
        "_call_later",
        "_count",
        "_doubtful",
        "_exports",
        "_is_looking",
        "_sublist",
        "_to",
        "dropped",
    )

    def __init__(
        self, sublist: Sublist, call_later: Callable[[int, Callable[[], None]], object]
    ) -> None:
        self._sublist = sublist
        self._call_later = call_later
        self.dropped = 0  # that had to make room
        self._count = 0
        # Of each requester and service, the one that waits longest first.
        self._answers: dict[tuple[Peer, ServiceExport], dict[Response, None]] = {}
        self._exports: Ranking[ServiceExport] = Ranking()
        self._by_export: dict[ServiceExport, Ranking[Peer]] = {}
        self._by_requester: dict[Peer, Ranking[ServiceExport]] = {}
        # By all but the last token of the reply, because inboxes end in a wildcard, and by reply.
        self._to: dict[bytes, dict[bytes, dict[Response, None]]] = {}
        self._doubtful: dict[bytes, None] = {}  # subjects of subscriptions that ended
        self._is_looking = False

    def __len__(self) -> int:
        return self._count

    def add(self, response: Response) -> None:
        """Wait for one more. Where it is one too many, the oldest of whoever has most gives way."""
        requester, export = response.requester, response.export
        response.units = units = 1 + _size(response) // PENDING_RESPONSE_BYTES
        while (surplus := self._surplus(requester, export, units)) is not None:
            self.dropped += 1
            surplus.end(measure.TIMED_OUT)
        self._count += 1
        self._answers.setdefault((requester, export), {})[response] = None
        self._exports.add(export, units)
        by_export = self._by_export.get(export)
        if by_export is None:
            by_export = self._by_export[export] = Ranking()
        by_export.add(requester, units)
        by_requester = self._by_requester.get(requester)
        if by_requester is None:
            by_requester = self._by_requester[requester] = Ranking()
        by_requester.add(export, units)
        replies = self._to.setdefault(parent_of(response.to), {})
        replies.setdefault(response.to, {})[response] = None

    def remove(self, response: Response) -> None:
        """It came, or never will."""
        requester, export = response.requester, response.export
        several = self._answers[requester, export]
        del several[response]
        if not several:
            del self._answers[requester, export]
        self._count -= 1
        self._exports.add(export, -response.units)
        _take(self._by_export, export, requester, response.units)
        _take(self._by_requester, requester, export, response.units)
        parent = parent_of(response.to)
        replies = self._to[parent]
        del replies[response.to][response]
        if not replies[response.to]:
            del replies[response.to]
        if not replies:
            del self._to[parent]

    def touch(self, response: Response) -> None:
        """A part of it came: it waits for the next from now on."""
        several = self._answers[response.requester, response.export]
        del several[response]
        several[response] = None

    def _surplus(self, requester: Peer, export: ServiceExport, units: int) -> Response | None:
        """Return what gives way before so much more is waited for; None: there is room."""
        by_requester = self._by_requester.get(requester)
        by_export = self._by_export.get(export)
        if by_requester and by_requester.total + units > PENDING_RESPONSES_REQUESTER_MAX:
            pair = requester, by_requester.first()
        elif by_export and by_export.total + units > PENDING_RESPONSES_EXPORT_MAX:
            pair = by_export.first(), export
        elif self._count and self._exports.total + units > PENDING_RESPONSES_MAX:
            most = self._exports.first()
            pair = self._by_export[most].first(), most
        else:
            return None
        return next(iter(self._answers[pair]))

    # --- interest in answers

    def interest_lost(self, subject: bytes) -> None:
        """A subscription ended: nobody waits for the answers that only it would have got.

        They are looked for in turns of their own, once for all that ended until then.
        """
        if not self._to:
            return
        parent = parent_of(subject)
        replies = self._to.get(parent)
        if replies is None or not (subject in replies or subject[len(parent) :] in _WILDCARDS):
            return
        if self._sublist.has(subject):
            return
        self._doubtful[subject] = None
        if not self._is_looking:
            self._is_looking = True
            look = partial(in_slices, self._call_later, self._unwanted(), RESPONSES_ENDED_PER_TURN)
            self._call_later(0, look)

    def _unwanted(self) -> Iterator[None]:
        """End what nobody waits for any more, in steps."""
        while self._doubtful:
            subject = next(iter(self._doubtful))
            del self._doubtful[subject]
            parent = parent_of(subject)
            replies = self._to.get(parent, {})
            for reply in [subject] if subject in replies else list(replies):
                yield
                match = self._sublist.find_inbox(reply)
                if match.plain or match.groups or match.is_wide:
                    continue
                for response in list(self._to.get(parent, {}).get(reply, ())):
                    response.end(measure.INTEREST_LOST)
                    yield
        self._is_looking = False


def parent_of(subject: bytes) -> bytes:
    """Return all but the last token."""
    return subject[: subject.rfind(b".") + 1]


def _size(response: Response) -> int:
    """Return the bytes that a requester makes an answer hold until it comes."""
    headers = response.headers.items()
    kept = sum(len(name) + sum(map(len, values)) for name, values in headers) if headers else 0
    return len(response.to) + len(response.asked) + len(response.reply) + kept


def _take(rankings: dict[Key, Ranking[Holder]], key: Key, holder: Holder, units: int) -> None:
    ranking = rankings[key]
    ranking.add(holder, -units)
    if not ranking.total:
        del rankings[key]
