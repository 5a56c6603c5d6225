"""The routes that one connection keeps, by subject, within a number of bytes.  HOT

Knows routes and what they take in memory; not who builds them. Truth: docs/memory.md, "Hot path
caches"; the sizes are measured (tests/unit/routing/test_route_cache.py holds them against the
interpreter's).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from leafnode.limits import ROUTES_BYTES_MAX
from leafnode.routing.budget import Share, SharedLists
from leafnode.routing.match import WIDE, size_of_match

if TYPE_CHECKING:
    from leafnode.routing.budget import Budget
    from leafnode.routing.route import Route, Target
    from leafnode.routing.subscription import Subscription

_ROUTE_BYTES: Final = 300  # and its place in a table
_TARGET_BYTES: Final = 170  # with the list of one
_SUB_BYTES: Final = 8  # each in a list


class RouteCache(Share):
    """What is looked up stands in `plain` and `with_header`: a PUB's route, and an HPUB's."""

    __slots__ = ("_wide", "plain", "with_header")

    def __init__(self, budget: Budget) -> None:
        super().__init__(budget, ROUTES_BYTES_MAX)
        self.plain: dict[bytes, Route] = {}
        self.with_header: dict[bytes, Route] = {}
        self._wide: SharedLists[Subscription] = SharedLists()  # those of many that they share

    def keep(self, subject: bytes, route: Route) -> None:
        """Keep a route instead of the one that was there, unless it is too large for that."""
        routes = self.with_header if route.with_header else self.plain
        size = _size_of(route)
        plain = route.match.plain
        wide = _SUB_BYTES * len(plain) if len(plain) >= WIDE else 0
        if not self.make_room(size + wide):
            return
        if wide:
            size += _SUB_BYTES * self._wide.use(plain)
        before = routes.get(subject)
        if before is not None:
            size -= _size_of(before)
            if len(before.match.plain) >= WIDE:
                size -= _SUB_BYTES * self._wide.release(before.match.plain)
        routes[subject] = route
        self.hold(size)

    def drop(self) -> None:
        """Let go of all routes."""
        self.plain.clear()
        self.with_header.clear()
        self._wide.clear()


def _size_of(route: Route) -> int:
    """Return what a route takes, its match included; without a list of many that it shares."""
    size = _ROUTE_BYTES + len(route.subject) + size_of_match(route.match)
    if route.published is not route.subject:
        size += len(route.published)
    for target in route.targets:
        size += _size_of_target(target)
        if target.subs is not route.match.plain:
            size += _SUB_BYTES * len(target.subs)
    for _, members in route.groups:
        size += sum(map(_size_of_target, members))
    return size + _SUB_BYTES * len(route.handlers)


def _size_of_target(target: Target) -> int:
    return _TARGET_BYTES + len(target.prefix)
