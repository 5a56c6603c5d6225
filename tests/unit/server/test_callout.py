"""leafnode.server.callout: its bounds; tests/interop/test_auth_callout.py has the rest."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from random import Random
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

import pytest

from leafnode.auth.identity import LoginRefused
from leafnode.clock import NS_PER_S
from leafnode.config.options import AuthCalloutOptions, Authorization, Options
from leafnode.limits import CALLOUTS_PENDING_MAX
from leafnode.routing.account import Account
from leafnode.routing.peer import Outbox
from leafnode.server.callout import Question, keys_of, needs_keys, start_callout

if TYPE_CHECKING:
    from leafnode.routing.subscription import Delivery
    from leafnode.server.server import Server

CALLOUT = Authorization(auth_callout=AuthCalloutOptions(issuer="A", auth_users=("s",)))


def question_in(account: Account) -> Question:
    server = SimpleNamespace(
        accounts={account.name: account}, random=Random(1), options=Options(authorization=CALLOUT)
    )
    return Question(cast("Server", server))


def test_keys_are_made_only_where_a_service_may_be_asked() -> None:
    assert needs_keys(Options(authorization=CALLOUT))
    assert not needs_keys(Options())


def test_a_question_has_an_inbox_of_its_own_and_the_key_in_its_header() -> None:
    account = Account("AUTH", Outbox(lambda: None))
    heard: list[bytes] = []

    def serve(delivery: Delivery) -> None:
        reply, header_size, body = delivery.messages[0]
        heard.append(body[:header_size])
        account.publish(reply, b"answer to " + body[header_size:])

    account.subscribe(b"$SYS.REQ.USER.AUTH", serve)
    question = question_in(account)

    answers = [asyncio.run(question.ask("AUTH", key, b"q")) for key in (b"", b"XKEY")]

    assert answers == [b"answer to q"] * 2
    assert heard == [b"", b"NATS/1.0\r\nNats-Server-Xkey: XKEY\r\n\r\n"]
    assert account.sublist.count == 1


@pytest.mark.parametrize(("name", "error"), [("AUTH", TimeoutError), ("NOBODY", LoginRefused)])
def test_where_no_service_is_nobody_waits_for_it(name: str, error: type[Exception]) -> None:
    question = question_in(Account("AUTH", Outbox(lambda: None)))

    with pytest.raises(error):
        asyncio.run(question.ask(name, b"", b"q"))

    assert question.pending == 0


def test_beyond_the_bound_a_login_is_refused_and_counted() -> None:
    account = Account("AUTH", Outbox(lambda: None))
    account.subscribe(b"$SYS.REQ.USER.AUTH", lambda delivery: None)
    question = question_in(account)

    async def run() -> None:
        async with asyncio.TaskGroup() as tasks:
            asking = [tasks.create_task(refused(question)) for _ in range(CALLOUTS_PENDING_MAX)]
            await asyncio.sleep(0)
            assert question.pending == CALLOUTS_PENDING_MAX
            assert question.refused == 0
            with pytest.raises(LoginRefused):
                await question.ask("AUTH", b"", b"one more")
            for task in asking:
                task.cancel()

    asyncio.run(run())

    assert question.refused == 1
    assert question.pending == 0


async def refused(question: Question) -> None:
    await question.ask("AUTH", b"", b"q")


def test_a_reload_changes_what_a_service_is_told_of_the_server() -> None:
    told: list[Any] = []
    authenticator = SimpleNamespace(delegate=lambda callout, _: told.append(callout))
    server = SimpleNamespace(
        options=Options(authorization=CALLOUT, server_tags=("old",)),
        operator=None,
        callout=None,
        name="edge",
        clock=None,
        token_bytes=bytes,
        accounts={},
        authenticator=authenticator,
        websocket_authenticator=None,
    )
    server.keys = keys_of(cast("Server", server))
    start_callout(cast("Server", server), cast("Any", None))
    question = server.callout

    later = replace(CALLOUT, timeout_ns=7 * NS_PER_S)
    server.options = Options(authorization=later, server_tags=("new",))
    start_callout(cast("Server", server), cast("Any", None))

    shown = told[-1]._server
    assert (shown.tags, shown.timeout_ns) == (("new",), 7 * NS_PER_S)
    assert server.callout is question
    assert shown.keys is server.keys.own
