"""leafnode.server.awaited: what waits for an account in operator mode, and begins when it comes."""

from __future__ import annotations

import asyncio
import logging
import random
import time
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from leafnode.auth.resolver import MemoryResolver
from leafnode.clock import SystemClock
from leafnode.config.listener_options import LeafAuthorization, LeafListener
from leafnode.config.options import (
    LeafOptions,
    LeafRemote,
    OperatorOptions,
    Options,
    ResolverOptions,
    UplinkOptions,
    UplinkStream,
)
from leafnode.config.serial_options import SerialOptions, SerialPort
from leafnode.limits import SYSTEM_ACCOUNT_FETCH_NS
from leafnode.monitor.views import AwaitedAccount
from leafnode.server.server import Seams, Server
from tests.sim.clock import FakeClock
from tests.sim.realm import Realm
from tests.sim.running import running

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

PATIENCE_S = 30
REALM = Realm()
NAME = REALM.account.public
PORT = SerialPort(device="/dev/no-such-port", name="p1", subject="p1.x")
SERIAL = SerialOptions((PORT,), account=NAME)
LEAFS = LeafOptions(
    listener=LeafListener("127.0.0.1", -1, authorization=LeafAuthorization("u", "p", account=NAME))
)


def options(*, is_there: bool, **blocks: object) -> Options:
    preload = {REALM.system.public: REALM.account_jwt(REALM.system, name="SYS")}
    if is_there:
        preload[NAME] = REALM.account_jwt()
    trusted = OperatorOptions(
        (REALM.operator_jwt(),),
        resolver=ResolverOptions("memory"),
        preload=tuple(preload.items()),
    )
    system = REALM.system.public
    whole = Options(port=-1, server_name="edge", operator=trusted, system_account=system)
    return replace(whole, **blocks)  # type: ignore[arg-type]


class World:
    """A server in this process, and the configuration that it reads when it reloads."""

    def __init__(self, **blocks: object) -> None:
        self._blocks = blocks
        self.wanted = options(is_there=False, **blocks)
        chance = random.Random(1)
        seams = Seams(SystemClock(), chance, chance.randbytes, load=lambda: self.wanted)
        self.server = Server(self.wanted, seams)

    async def reload(self, *, is_there: bool, **blocks: object) -> None:
        self.wanted = options(is_there=is_there, **(self._blocks | blocks))
        assert await self.server.reload() == ""

    async def until(self, true: Callable[[], object]) -> None:
        deadline = time.monotonic() + PATIENCE_S
        while not true():
            assert time.monotonic() < deadline, "it did not happen in time"
            await asyncio.sleep(0.01)


@asynccontextmanager
async def serving(**blocks: object) -> AsyncIterator[World]:
    world = World(**blocks)
    async with running(world.server):
        yield world


@pytest.mark.real_loop
async def test_serial_ports_open_when_a_reload_brings_their_account(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with serving(serial=SERIAL) as world:
        features = world.server.features
        assert features.bridge is None
        assert world.server.awaited.rows() == [
            AwaitedAccount(NAME, "serial ports", "account missing")
        ]
        said = f"account={NAME} waits=serial ports reason=account missing"
        assert [one.getMessage() for one in caplog.records if one.levelno == logging.WARNING] == [
            f"Account cannot be had yet: {said}"
        ]

        await world.reload(is_there=True)
        await world.until(lambda: features.bridge is not None)
        assert features.bridge is not None
        assert features.bridge.account is world.server.accounts[NAME]
        assert [port.name for port in features.bridge.status()] == ["p1"]
        assert world.server.awaited.rows() == []


@pytest.mark.real_loop
async def test_a_reload_may_move_ports_to_an_account_that_is_not_there_yet() -> None:
    async with serving(serial=replace(SERIAL, account="$G")) as world:
        features = world.server.features
        assert features.bridge is not None

        await world.reload(is_there=False, serial=SERIAL)
        assert features.bridge is None
        await world.reload(is_there=True, serial=SERIAL)
        await world.until(lambda: features.bridge is not None)


@pytest.mark.real_loop
async def test_who_waits_begins_with_the_options_of_the_reload_that_brings_its_account(
    caplog: pytest.LogCaptureFixture,
) -> None:
    remote = LeafRemote(urls=("nats-leaf://127.0.0.1:1",), account=NAME)
    before = UplinkOptions(streams=(UplinkStream("EV"),), account=NAME)
    after = replace(before, streams=(UplinkStream("EV2"),))
    caplog.set_level(logging.INFO)
    async with serving(leafnodes=LeafOptions((remote,)), uplinks=(before,)) as world:
        assert "Uplink waits for its account" in caplog.text

        await world.reload(is_there=True, uplinks=(after,))

        uplinks = world.server.features.uplinks
        assert uplinks is not None
        assert [one.stream for one in uplinks.status()] == ["EV2"]
        assert "Uplink is on: name=main streams=EV2" in caplog.text
        assert "Uplink is on: name=main streams=EV\n" not in caplog.text
        assert "Uplink ended" not in caplog.text


@pytest.mark.real_loop
async def test_the_status_of_an_uplink_that_waits_says_for_what_and_why() -> None:
    remote = LeafRemote(urls=("nats-leaf://127.0.0.1:1",), account=NAME)
    one = UplinkOptions(streams=(UplinkStream("EV", hub_stream="UP"),), account=NAME, name="one")
    other = UplinkOptions(streams=(UplinkStream("XY"),), name="two")
    dialed = LeafOptions((remote, LeafRemote(urls=remote.urls)))
    async with serving(leafnodes=dialed, uplinks=(one, other)) as world:
        uplinks = world.server.features.uplinks
        assert uplinks is not None

        row = next(status for status in uplinks.status() if status.uplink == "one")
        words = f"account {NAME}: account missing"
        assert (row.stream, row.hub_stream, row.prefix) == ("EV", "UP", "edge.")
        assert (row.state.value, row.last_error) == ("waiting", words)
        assert row.problem == f"is waiting: {words}"
        assert sorted(one.name for one in uplinks.budgets()) == ["one", "two"]

        await world.reload(is_there=True)
        assert {status.state.value for status in uplinks.status()} == {"opening"}


@pytest.mark.real_loop
async def test_a_port_for_leafs_without_its_account_is_no_reason_not_to_start() -> None:
    async with serving(leafnodes=LEAFS) as world:
        missing = AwaitedAccount(NAME, "port for leafs", "account missing")
        assert world.server.awaited.rows() == [missing]

        await world.reload(is_there=True)
        assert world.server.awaited.rows() == []


class Counting(MemoryResolver):
    """Counts what it is asked."""

    asked = 0

    async def fetch(self, account: str) -> str:
        self.asked += 1
        return await super().fetch(account)


@pytest.mark.parametrize(
    ("resolver", "asked"),
    [(ResolverOptions("memory"), 60), (ResolverOptions("url", url="http://127.0.0.1:1/"), 6)],
    ids=["here", "over a link"],
)
async def test_what_comes_by_no_reload_is_found_and_looked_for_no_more(
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    resolver: ResolverOptions,
    asked: int,
) -> None:
    chance = random.Random(1)
    seams = Seams(FakeClock(), chance, chance.randbytes)
    wanted = options(is_there=False, leafnodes=LEAFS)
    assert wanted.operator is not None
    trusted = replace(wanted.operator, resolver=resolver, preload=())
    server = Server(replace(wanted, operator=trusted), seams)
    assert server.operator is not None
    known = server.operator.known
    tokens = known.resolver = Counting({})
    known.on_accounts = lambda several: server.account_set.update(*several)
    span_s = 60 * SYSTEM_ACCOUNT_FETCH_NS / 1e9

    async with asyncio.TaskGroup() as tasks:
        monkeypatch.setattr(server, "_tasks", tasks)
        known.start(tasks)
        server.awaited.search()
        server.awaited.search()
        await asyncio.sleep(span_s)
        assert caplog.text.count("Account cannot be had yet") == 1
        assert tokens.asked == asked

        tokens.tokens[NAME] = REALM.account_jwt()
        await asyncio.sleep(span_s)
        assert NAME in server.accounts  # and the group ends: nothing looks any more
