"""leafnode.server.views: what would take long is told in several turns of the loop."""

from __future__ import annotations

import asyncio
import random
from typing import Any

import bcrypt
import pytest

from leafnode.auth.identity import ConnectionType, LoginRefused, PeerFacts
from leafnode.clock import SystemClock
from leafnode.config.account_options import AccountOptions, ServiceExport
from leafnode.config.listener_options import Websocket, WebsocketAuthorization
from leafnode.config.options import HostPort, Options
from leafnode.limits import BCRYPT_THREADS_MAX
from leafnode.monitor.accountz import accountz, accstatz
from leafnode.monitor.options import AccountzOptions, AccstatzOptions
from leafnode.monitor.steps import COUNTS_PER_TURN
from leafnode.protocol.info import Connect
from leafnode.routing.sublist import Sublist
from leafnode.server.accounts import Accounts
from leafnode.server.server import Seams, Server
from leafnode.server.views import views_of
from leafnode.server.websocket_port import bind_websocket
from leafnode.slices import finish


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


async def test_counters_of_an_account_are_read_without_what_it_is_made_of(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    account = AccountOptions("A", service_exports=(ServiceExport("s"),))
    chance, clock = random.Random(1), SystemClock()
    server = Server(Options(accounts=(account,)), Seams(clock, chance, chance.randbytes))
    views = views_of(server, HostPort("", 0))
    asked: list[str] = []
    monkeypatch.setattr(Accounts, "in_force", lambda _, name: asked.append(name) or account)
    monkeypatch.setattr(Sublist, "fanout", lambda _: asked.append("fanout") or (0, 0))

    finish(accstatz(views, clock, AccstatzOptions(include_unused=True)))
    assert asked == []

    answer: Any = finish(accountz(views, clock, AccountzOptions(account="A")))
    detail = answer["account_detail"]
    assert [one["subject"] for one in detail["exports"]] == ["s"]
    assert detail["complete"] is True
    assert set(asked) == {"A", "fanout"}


async def test_a_server_without_jetstream_has_nothing_to_count_there() -> None:
    chance = random.Random(1)
    server = Server(Options(), Seams(SystemClock(), chance, chance.randbytes))
    views = views_of(server, HostPort("", 0))

    assert finish(views.jetstream()) is None
    assert finish(views.own()).jetstream is None


async def test_who_waited_for_another_turn_is_counted() -> None:
    chance = random.Random(1)
    server = Server(Options(), Seams(SystemClock(), chance, chance.randbytes))
    views = views_of(server, HostPort("", 0))

    server.turn.wait_for(lambda: None)
    for _ in range(2):
        server.turn.wait_unread(lambda: None, 0)

    net = finish(views.own()).net
    assert (net.turns_yielded, net.reads_deferred) == (1, 2)
    assert (views.ports_deferred(), views.ports_lost()) == (0, 0)


@pytest.mark.real_loop
async def test_logins_of_the_websocket_listener_s_own_count_and_end_with_the_server_s() -> None:
    chance = random.Random(1)
    digest = bcrypt.hashpw(b"secret", bcrypt.gensalt(4)).decode()
    own = WebsocketAuthorization(user="ann", password=digest)
    websocket = Websocket("127.0.0.1", -1, no_tls=True, authorization=own)
    server = Server(Options(websocket=websocket), Seams(SystemClock(), chance, chance.randbytes))
    views = views_of(server, HostPort("", 0))
    await bind_websocket(server, websocket)
    server.listeners.close_all()
    authenticator, facts = server.websocket_authenticator, PeerFacts(ConnectionType.WEBSOCKET)
    assert authenticator is not None

    refused = authenticator.check(Connect(user="ann", password="wrong"), facts)
    assert isinstance(refused, asyncio.Future)
    with pytest.raises(LoginRefused):
        await refused
    assert finish(views.own()).clients.logins_refused == 1

    ann = Connect(user="ann", password="secret")
    answers = [authenticator.check(ann, facts) for _ in range(BCRYPT_THREADS_MAX + 1)]
    assert views.queues()["password checks"] == len(answers)

    server.authenticator.close()
    waiting = [answer for answer in answers if isinstance(answer, asyncio.Future)]
    await asyncio.wait(waiting)
    assert isinstance(waiting[-1].exception(), LoginRefused)
