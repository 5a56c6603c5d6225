"""Replies that a gateway has wrapped: what clients see of them, and the way back.

Where a request comes from another cluster, and the interest in its answer may not be known here
yet, a hub's reply names the way: `_GR_.<cluster>.<server>.<reply>`. Clients see the reply alone and
answer it; for a while what they say there goes the way that the request named. Knows subjects, and
times, accounts and sides of links that it is given; not links. Truth: nats-server 2.15.1
server/gateway.go trackGWReply, server/client.go deliverMsg and handleGWReplyMap.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING, Final, NamedTuple, Protocol

from leafnode.limits import GATEWAY_REPLY_NS, OPEN_REPLIES_BYTES_MAX

if TYPE_CHECKING:
    from collections.abc import Callable

    from leafnode.routing.account import Account
    from leafnode.routing.peer import LeafSide, Peer
    from leafnode.routing.route import Route
    from leafnode.routing.route_cache import RouteCache

WRAPPED: Final = b"_GR_."
ALL_WRAPPED: Final = b"_GR_.>"  # what a hub with gateways subscribes to, as its key, too
_WAY_BYTES: Final = 19  # _GR_.<6 of the cluster's hash>.<6 of the server's hash>.
_ENTRY_BYTES: Final = 320  # beside the characters of both subjects (measured: 320 at most)
_FORGOTTEN_AT_ONCE: Final = 16


def unrouted(reply: bytes) -> bytes:
    """Return the reply that was asked for, without the way to it."""
    if reply.startswith(WRAPPED) and len(reply) > _WAY_BYTES:
        return reply[_WAY_BYTES:]
    return reply


class Way(NamedTuple):
    """Where an answer goes, of a request that came then: to `reply`, by links of this account that
    lead to this side.
    """

    came_ns: int
    reply: bytes
    account: Account
    side: LeafSide


class AwaitedElsewhere:
    """The replies of one client that are awaited in another cluster, oldest first.

    True while there are any: each subject that the client publishes has to be looked up.
    """

    __slots__ = ("_known", "held_bytes")

    def __init__(self) -> None:
        self._known: OrderedDict[bytes, Way] = OrderedDict()  # by the reply as the client sees it
        self.held_bytes = 0

    def __len__(self) -> int:
        return len(self._known)

    def __contains__(self, subject: bytes) -> bool:
        return subject in self._known

    def add(self, way: Way) -> None:
        """Note a wrapped reply that the client gets now."""
        shown = unrouted(way.reply)
        if shown in self._known:
            self._forget(shown)
        self.forget_expired(way.came_ns)
        self._known[shown] = way
        self.held_bytes += _size_of(way.reply)
        while self.held_bytes > OPEN_REPLIES_BYTES_MAX:
            self._forget(next(iter(self._known)))

    def way_to(self, subject: bytes, now_ns: int) -> Way | None:
        """Return where an answer to this subject goes; None: by interest, as everything else."""
        self.forget_expired(now_ns)
        found = self._known.get(subject)
        if found is None or now_ns - found.came_ns > GATEWAY_REPLY_NS:
            return None
        return found

    def forget_expired(self, now_ns: int) -> None:
        """Forget a few: more than come, and no more than a message has the time for."""
        for _ in range(_FORGOTTEN_AT_ONCE):
            if not self._known:
                return
            shown, way = next(iter(self._known.items()))
            if now_ns - way.came_ns <= GATEWAY_REPLY_NS:
                return
            self._forget(shown)

    def _forget(self, shown: bytes) -> None:
        self.held_bytes -= _size_of(self._known.pop(shown).reply)


class Routes(Protocol):
    """Where a route is looked up by its subject: a dict, mostly."""

    def get(self, subject: bytes, /) -> Route | None: ...


class _OtherRoutes:
    """None for a reply that is awaited; what else is not there yet is learned."""

    __slots__ = ("_awaited", "_kept", "_learn", "_one_off")

    def __init__(
        self,
        awaited: AwaitedElsewhere,
        kept: dict[bytes, Route],
        learn: Callable[[bytes], Route | None],
        one_off: tuple[bytes, ...],
    ) -> None:
        self._one_off = one_off
        self._awaited = awaited
        self._kept = kept
        self._learn = learn

    def get(self, subject: bytes, /) -> Route | None:
        if subject in self._awaited:
            return None
        route = self._kept.get(subject)
        if route is None and not subject.startswith(self._one_off):
            route = self._learn(subject)
        return route


def other_routes(
    awaited: AwaitedElsewhere,
    peer: Peer,
    kept: RouteCache,
    learn: Callable[[Account, bytes, bool], Route | None],
    one_off: tuple[bytes, ...],
) -> tuple[Routes, Routes]:
    """Return the routes of what this client publishes beside answers that are awaited elsewhere:
    of a PUB, and of an HPUB. What begins as one of `one_off` comes once, and none is learned.
    """
    account = peer.account
    assert account is not None, "it publishes"
    awaited.forget_expired(peer.outbox.now[0])

    def plain(subject: bytes) -> Route | None:
        return learn(account, subject, False)  # noqa: FBT003 -- without a header

    def with_header(subject: bytes) -> Route | None:
        return learn(account, subject, True)  # noqa: FBT003 -- with one

    return (
        _OtherRoutes(awaited, kept.plain, plain, one_off),
        _OtherRoutes(awaited, kept.with_header, with_header, one_off),
    )


def _size_of(reply: bytes) -> int:
    return _ENTRY_BYTES + 2 * len(reply)
