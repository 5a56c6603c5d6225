"""/subsz: the subscriptions, as numbers and one by one.

Truth: measured on nats-server 2.15.1, server/monitor.go Subsz, server/sublist.go SublistStats.
"""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING, Final

from leafnode import limits
from leafnode.clients.facts import subscription_facts
from leafnode.go_time import format_time
from leafnode.monitor.connz import detail
from leafnode.monitor.options import page
from leafnode.monitor.query import BadQuery
from leafnode.monitor.text import number
from leafnode.protocol.subject import matches

if TYPE_CHECKING:
    from collections.abc import Iterable

    from leafnode.clock import Clock
    from leafnode.monitor.options import SubszOptions
    from leafnode.monitor.steps import Steps
    from leafnode.monitor.views import AccountView, SublistView, Views
    from leafnode.routing.subscription import Subscription

_NO_LITERALS: Final = frozenset({b"", b"*", b">"})  # a token with a blank is one, as there
_PER_TURN: Final = 200  # looked at in one turn of the loop, of about 20 us each where it is shown
_ACCOUNTS_PER_TURN: Final = 8


def subsz(views: Views, clock: Clock, options: SubszOptions) -> Steps[dict[str, object]]:
    """Raises BadQuery."""
    test = options.test.encode()
    if options.test and not set(test.split(b".")).isdisjoint(_NO_LITERALS):
        raise BadQuery(f"invalid test subject, must be valid publish subject: {options.test}")
    limit, offset = page(options.limit, options.offset, limits.MONITOR_SUBSCRIPTIONS_MAX)
    names = [name for name in views.accounts() if options.account in {"", name}]
    accounts: list[AccountView] = []
    for looked_at, name in enumerate(names, 1):
        account = views.account(name)
        if account is not None:
            accounts.append(account)
        if looked_at % _ACCOUNTS_PER_TURN == 0:
            yield
    answer: dict[str, object] = {
        "server_id": views.facts.server_id,
        "now": format_time(clock.wall_ns()),
    }
    answer |= stats([account.sublist for account in accounts])
    answer |= {"total": 0, "offset": offset, "limit": limit}
    if options.subscriptions:
        found, answer["total"] = yield from _listed(views, accounts, test, (offset, limit))
        if found:
            answer["subscriptions_list"] = found
    return answer


def stats(sublists: Iterable[SublistView]) -> dict[str, object]:
    """Return the numbers of these sublists, all together."""
    views = list(sublists)
    matches_ = sum(view.matches for view in views)
    cached = sum(view.cached for view in views)
    fanouts = [view.fanout() for view in views]
    return {
        "num_subscriptions": sum(view.count for view in views),
        "num_cache": cached,
        "num_inserts": sum(view.inserts for view in views),
        "num_removes": sum(view.removes for view in views),
        "num_matches": matches_,
        "cache_hit_rate": number(sum(view.hits for view in views) / matches_) if matches_ else 0,
        "max_fanout": max((most for most, _ in fanouts), default=0),
        "avg_fanout": number(sum(total for _, total in fanouts) / cached) if cached else 0,
    }


def _listed(
    views: Views, accounts: list[AccountView], test: bytes, wanted: tuple[int, int]
) -> Steps[tuple[list[dict[str, object]], int]]:
    """Return one page, and how many there are in all."""
    offset, limit = wanted
    total = 0
    found: list[dict[str, object]] = []
    for account in accounts:
        subs = views.all_subscriptions(account.name)
        while piece := list(islice(subs, _PER_TURN)):
            hits = [sub for sub in piece if not test or matches(sub.subject, test)]
            found += [
                detail(subscription_facts(sub, account=account.name))
                for sub in _page(hits, total, offset, offset + limit)
            ]
            total += len(hits)
            yield
    return found, total


def _page(hits: list[Subscription], start: int, first: int, end: int) -> list[Subscription]:
    """Return those of `hits`, the first of which has number `start`, from `first` to `end`."""
    return hits[max(0, first - start) : max(0, end - start)]
