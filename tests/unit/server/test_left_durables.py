"""leafnode.server.left_durables on a whole server in this process."""

from __future__ import annotations

import asyncio
import json
import random
import time
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from leafnode import limits
from leafnode.clock import SystemClock
from leafnode.config.options import (
    JetStreamOptions,
    LeafOptions,
    LeafRemote,
    Options,
    UplinkOptions,
    UplinkStream,
)
from leafnode.monitor.views import LeftDurable
from leafnode.server.server import Seams, Server
from leafnode.uplink.owner import Owner
from tests.sim.running import running

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from pathlib import Path

    from leafnode.routing.subscription import Delivery

PATIENCE_S = 30
GONE = LeafRemote(urls=("nats-leaf://127.0.0.1:1",))
UNNAMED = UplinkOptions(streams=(UplinkStream("EV"),))


class World:
    """A server that looks at once, and what its file says when it is read again."""

    def __init__(self, directory: Path) -> None:
        jetstream = JetStreamOptions(store_dir=str(directory), domain="edge")
        self.wanted = Options(
            port=-1, server_name="edge", jetstream=jetstream, leafnodes=LeafOptions((GONE,))
        )
        chance = random.Random(1)
        seams = Seams(SystemClock(), chance, chance.randbytes, load=lambda: self.wanted)
        self.server = Server(self.wanted, seams)
        self.answers: list[Any] = []

    async def ask(self, verb: str, request: object = "") -> Any:
        account = self.server.account("$G")
        self.answers.clear()
        body = json.dumps(request).encode() if request else b""
        account.publish(f"$JS.API.{verb}".encode(), body, reply=b"_INBOX.answer")
        await self.until(lambda: self.answers)
        return self.answers.pop()

    async def make(
        self, stream: str, *consumers: dict[str, object], retention: str = "interest"
    ) -> None:
        config = {"name": stream, "subjects": [f"{stream}.>"], "retention": retention}
        assert "error" not in await self.ask(f"STREAM.CREATE.{stream}", config)
        for consumer in consumers:
            config = {"ack_policy": "explicit", **consumer}
            verb = f"CONSUMER.CREATE.{stream}.{consumer['name']}"
            answer = await self.ask(verb, {"stream_name": stream, "config": config})
            assert "error" not in answer

    def note(self, delivery: Delivery) -> None:
        for _, header_size, body in delivery.messages:
            self.answers.append(json.loads(body[header_size:]))

    async def until(self, true: Callable[[], object]) -> None:
        deadline = time.monotonic() + PATIENCE_S
        while not true():
            assert time.monotonic() < deadline, "it did not happen in time"
            await asyncio.sleep(0.01)

    async def reload(self, *uplinks: UplinkOptions) -> None:
        self.wanted = replace(self.wanted, uplinks=uplinks)
        assert await self.server.reload() == ""

    def rows(self) -> list[LeftDurable]:
        left = self.server.features.left_durables
        assert left is not None
        return left.rows()

    async def looked(self) -> list[LeftDurable]:
        """Look again, and wait for the end of it."""
        left = self.server.features.left_durables
        assert left is not None
        left.look_soon()
        assert left._look is not None
        await left._look
        return left.rows()


@asynccontextmanager
async def serving(directory: Path) -> AsyncIterator[World]:
    world = World(directory)
    async with running(world.server):
        world.server.account("$G").subscribe(b"_INBOX.answer", world.note)
        yield world


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "UPLINK_LEFT_LOOK_NS", 0)


@pytest.mark.real_loop
async def test_what_an_uplink_left_is_named_with_what_waits_for_it_until_it_is_deleted(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with serving(tmp_path) as world:
        durable = {"name": "leafnode-uplink-EV", "durable_name": "leafnode-uplink-EV"}
        await world.make("EV", durable, {"name": "dashboard", "durable_name": "dashboard"})
        for _ in range(3):
            world.server.account("$G").publish(b"EV.a", b"x")

        await world.looked()
        left = LeftDurable("$G", "EV", "leafnode-uplink-EV", "", 3, holds=True)
        await world.until(lambda: world.rows() == [left])
        await world.looked()
        said = [one.getMessage() for one in caplog.records if "No uplink has" in one.getMessage()]
        assert len(said) == 1
        assert "account=$G stream=EV consumer=leafnode-uplink-EV" in said[0]

        await world.ask("CONSUMER.DELETE.EV.leafnode-uplink-EV")
        assert world.rows() == []


@pytest.mark.real_loop
@pytest.mark.parametrize(("retention", "holds"), [("limits", False), ("workqueue", True)])
async def test_a_durable_that_was_left_holds_what_waits_but_for_a_stream_with_limits(
    tmp_path: Path, retention: str, holds: bool
) -> None:
    async with serving(tmp_path) as world:
        durable = {"name": "leafnode-uplink-EV", "durable_name": "leafnode-uplink-EV"}
        await world.make("EV", durable, retention=retention)
        await world.looked()
        assert [one.holds for one in world.rows()] == [False]

        world.server.account("$G").publish(b"EV.a", b"x")

        await world.until(lambda: [one.waiting for one in world.rows()] == [1])
        assert [one.holds for one in world.rows()] == [holds]


@pytest.mark.real_loop
async def test_a_durable_is_left_when_its_stream_or_its_uplink_is_not_configured_any_more(
    tmp_path: Path,
) -> None:
    async with serving(tmp_path) as world:
        metadata = Owner("a", "AGG@hub").metadata()
        name = "leafnode-uplink-EV"
        await world.make("EV", {"name": name, "durable_name": name, "metadata": metadata})

        await world.reload(replace(UNNAMED, name="a"))
        assert await world.looked() == []

        await world.reload(replace(UNNAMED, streams=(UplinkStream("XY"),), name="a"))
        assert [row.uplink for row in await world.looked()] == ["a"]

        await world.reload(replace(UNNAMED, name="a", account="$G"))
        assert await world.looked() == []

        await world.reload()
        assert [row.consumer for row in await world.looked()] == [name]


@pytest.mark.real_loop
async def test_a_bounded_number_is_shown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "UPLINK_LEFT_MAX", 2)
    names = [f"leafnode-uplink-{one}-EV" for one in "abc"]
    async with serving(tmp_path) as world:
        await world.make("EV", *({"name": name, "durable_name": name} for name in names))

        assert len(await world.looked()) == 2
