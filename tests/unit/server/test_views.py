"""leafnode.server.views: what would take long is told in several turns of the loop."""

from __future__ import annotations

import random

from leafnode.clock import SystemClock
from leafnode.config.account_options import AccountOptions
from leafnode.config.options import HostPort, Options
from leafnode.monitor.steps import COUNTS_PER_TURN, finish
from leafnode.server.server import Seams, Server
from leafnode.server.views import views_of


async def test_the_counters_of_many_accounts_take_several_turns() -> None:
    names = [f"A{number}" for number in range(2 * COUNTS_PER_TURN)]
    chance = random.Random(1)
    server = Server(
        Options(accounts=tuple(map(AccountOptions, names))),
        Seams(SystemClock(), chance, chance.randbytes),
    )
    views = views_of(server, HostPort("", 0))
    server.account("A7").traffic.in_msgs = 3
    server.account("A2000").traffic.in_msgs = 4

    assert len(list(views.counters())) == 2
    assert finish(views.counters()).in_msgs == 7


async def test_a_server_without_jetstream_has_nothing_to_count_there() -> None:
    chance = random.Random(1)
    server = Server(Options(), Seams(SystemClock(), chance, chance.randbytes))
    views = views_of(server, HostPort("", 0))

    assert finish(views.jetstream()) is None
    assert finish(views.own()).jetstream is None
