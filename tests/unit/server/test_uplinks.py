"""leafnode.server.uplinks on a whole server in this process: reload, status subjects, links."""

from __future__ import annotations

import asyncio
import json
import random
import time
from contextlib import asynccontextmanager
from dataclasses import replace
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

import pytest

from leafnode.clock import SystemClock
from leafnode.config.account_options import AccountJetStream, AccountOptions
from leafnode.config.options import (
    JetStreamOptions,
    LeafOptions,
    LeafRemote,
    Options,
    UplinkBudget,
    UplinkOptions,
    UplinkStream,
)
from leafnode.routing.permissions import Permissions, Rules
from leafnode.server.server import Seams, Server
from leafnode.server.uplinks import HubLinks, after, no_room
from tests.sim.running import running

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from pathlib import Path

    from leafnode.leaf.remote import Remote
    from leafnode.routing.subscription import Delivery

PATIENCE_S = 30
GONE = LeafRemote(urls=("nats-leaf://127.0.0.1:1",))
ONE = UplinkOptions(streams=(UplinkStream("EV"),))


def edge(directory: Path, *uplinks: UplinkOptions) -> Options:
    return Options(
        port=-1,
        server_name="edge",
        jetstream=JetStreamOptions(store_dir=str(directory), domain="edge"),
        leafnodes=LeafOptions((GONE,)),
        uplinks=uplinks,
    )


class World:
    """A server, and what its configuration's file says when it is read again."""

    def __init__(self, options: Options) -> None:
        self.wanted = options
        chance = random.Random(1)
        seams = Seams(SystemClock(), chance, chance.randbytes, load=lambda: self.wanted)
        self.server = Server(options, seams)
        self.heard: list[tuple[str, Any]] = []

    def listen(self, pattern: bytes) -> None:
        self.server.account("$G").subscribe(pattern, self._note)

    def _note(self, delivery: Delivery) -> None:
        for _, header_size, body in delivery.messages:
            self.heard.append((delivery.subject.decode(), json.loads(body[header_size:])))

    async def until(self, true: Callable[[], object]) -> None:
        deadline = time.monotonic() + PATIENCE_S
        while not true():
            assert time.monotonic() < deadline, "it did not happen in time"
            await asyncio.sleep(0.01)

    async def reload(self, *uplinks: UplinkOptions) -> None:
        self.wanted = replace(self.wanted, uplinks=uplinks)
        assert await self.server.reload() == ""


@asynccontextmanager
async def serving(options: Options) -> AsyncIterator[World]:
    world = World(options)
    async with running(world.server):
        yield world


def names(world: World) -> list[str]:
    uplinks = world.server.features.uplinks
    return [status.stream for status in uplinks.status()] if uplinks is not None else []


@pytest.mark.real_loop
async def test_a_change_is_said_and_whoever_asks_is_answered(tmp_path: Path) -> None:
    async with serving(edge(tmp_path, ONE)) as world:
        world.listen(b"$LEAFNODE.UPLINK.>")
        await world.reload(replace(ONE, name="main"))
        await world.until(lambda: world.heard)
        subject, said = world.heard[-1]
        assert subject == "$LEAFNODE.UPLINK.edge.EV"
        assert (said["server"], said["stream"], said["state"]) == ("edge", "EV", "opening")

        world.listen(b"_INBOX.answer")
        world.listen(b"other.answer")
        addresses = (b"$LEAFNODE.REQ.UPLINKZ", b"$LEAFNODE.REQ.edge.UPLINKZ")
        for number, address in enumerate(addresses, start=1):
            world.heard.clear()
            world.server.account("$G").publish(address, reply=b"other.answer")
            world.server.account("$G").publish(address, reply=b"_INBOX.answer")
            (answer,) = (body for name, body in world.heard if name.endswith("answer"))
            assert answer["server"] == "edge"
            assert answer["streams"][0]["stream"] == "EV"
            assert answer["uplinks"][0]["connected"] is False
            assert answer["replies_refused"] == number

        uplinks = world.server.features.uplinks
        assert uplinks is not None
        await world.reload()
        assert uplinks.replies_refused == 2


@pytest.mark.real_loop
async def test_whoever_asks_hears_of_no_other_account(tmp_path: Path) -> None:
    of_a = replace(ONE, account="A", name="a")
    of_b = UplinkOptions(streams=(UplinkStream("XY"),), account="B", name="b")
    accounts = (AccountOptions("A"), AccountOptions("B"))
    async with serving(replace(edge(tmp_path, of_a, of_b), accounts=accounts)) as world:
        account = world.server.account("A")
        account.subscribe(b"_INBOX.answer", world._note)
        account.publish(b"$LEAFNODE.REQ.UPLINKZ", reply=b"_INBOX.answer")

        ((_, answer),) = world.heard
        assert [row["stream"] for row in answer["streams"]] == ["EV"]
        assert [row["name"] for row in answer["uplinks"]] == ["a"]


@pytest.mark.real_loop
async def test_a_reload_adds_changes_and_ends_uplinks(tmp_path: Path) -> None:
    two = UplinkOptions(streams=(UplinkStream("XY"),), name="two")
    async with serving(edge(tmp_path)) as world:
        assert names(world) == []

        await world.reload(ONE, two)
        assert names(world) == ["EV", "XY"]
        uplinks = world.server.features.uplinks
        assert uplinks is not None
        kept = uplinks._running[0]

        slower = replace(two, budget=UplinkBudget(max_rate_bytes=10))
        await world.reload(ONE, slower)
        assert names(world) == ["EV", "XY"]
        assert uplinks._running[0] is kept
        assert uplinks.budgets()[1].name == "two"

        await world.reload()
        assert names(world) == []
        interest = [subject for subject, _ in world.server.account("$G").local_interest]
        assert not any(subject.startswith(b"$LEAFNODE.") for subject in interest)


ROOM = {
    (-1, "file"): "max_file_store 1000 of this server",
    (-1, "memory"): "max_memory_store 1000 of this server",
    (500, "file"): "max_store 500 of the account",
    (500, "memory"): "max_memory 500 of the account",
}


@pytest.mark.real_loop
@pytest.mark.parametrize("storage", ["file", "memory"])
@pytest.mark.parametrize("own_bytes", [-1, 500])
async def test_a_backlog_that_fills_what_all_streams_may_hold_is_told(
    tmp_path: Path, own_bytes: int, storage: str
) -> None:
    options = edge(tmp_path, replace(ONE, account="A"))
    assert options.jetstream is not None
    bounded = replace(options.jetstream, max_file_bytes=1000, max_memory_bytes=1000)
    own = AccountJetStream(max_memory_bytes=own_bytes, max_file_bytes=own_bytes)
    accounts = (AccountOptions("A", jetstream=own),)
    async with serving(replace(options, jetstream=bounded, accounts=accounts)) as world:
        jetstream = world.server.features.jetstream
        account = world.server.account("A")
        config = {"name": "EV", "subjects": ["ev.>"], "storage": storage}
        account.subscribe(b"answer", world._note)
        account.publish(b"$JS.API.STREAM.CREATE.EV", json.dumps(config).encode(), reply=b"answer")
        await world.until(lambda: world.heard)
        assert no_room(jetstream, "A", "EV") == ""

        for _ in range(2):
            account.publish(b"ev.a", b"x" * (400 if own_bytes > 0 else 1000))

        assert no_room(jetstream, "A", "EV") == ROOM[own_bytes, storage]
        assert no_room(jetstream, "A", "XY") == no_room(None, "A", "EV") == ""
        assert after(jetstream, "A", "XY", 0) == after(None, "A", "EV", 0) == 0
        stored = after(jetstream, "A", "EV", 0)
        assert [after(jetstream, "A", "EV", stored - 1), after(jetstream, "A", "EV", 9)] == [1, 0]


def remote(account: str, *urls: str, max_payload: int = 0) -> Remote:
    hub = SimpleNamespace(max_payload=max_payload)
    link = SimpleNamespace(linked_ns=1, session=SimpleNamespace(hub=hub)) if max_payload else None
    made = SimpleNamespace(
        account=SimpleNamespace(name=account), options=LeafRemote(urls=urls), link=link
    )
    return cast("Remote", made)


def test_only_the_remote_that_is_named_says_whether_the_hub_is_there() -> None:
    down = remote("A", "tls://u:p@one:7422", "tls://one-b:7422")
    up = remote("A", "tls://two:7422", max_payload=100)
    other = remote("B", "tls://two:7422", max_payload=50)
    remotes = [down, up, other]

    one = HubLinks(remotes, "A", "tls://one-b:7422")
    two = HubLinks(remotes, "A", "tls://two:7422")
    either = HubLinks(remotes, "A")

    assert [links.is_connected() for links in (one, two, either)] == [False, True, True]
    assert HubLinks(remotes, "A", "tls://one:7422").leads_by(down)
    assert not two.leads_by(other)
    assert either.max_payload_bytes() == 100
    assert one.max_payload_bytes() == 0


def test_a_hub_that_does_not_answer_is_doubted_on_each_link_that_leads_to_it() -> None:
    doubted: list[tuple[str, int]] = []
    up, other = remote("A", "tls://two:7422", max_payload=1), remote("B", "tls://x", max_payload=1)
    for name, one in (("up", up), ("other", other)):
        peer = SimpleNamespace(outbox=SimpleNamespace(now=(7, 8)))
        peer.caught_up = lambda since_ns, name=name: doubted.append((name, since_ns))
        cast("SimpleNamespace", one.link).peer = peer
    remotes = [remote("A", "tls://one:7422"), up, other]

    HubLinks(remotes, "A").doubt()

    assert doubted == [("up", 7)]


def test_something_is_on_its_way_where_one_of_the_links_that_lead_there_says_so() -> None:
    first, second = remote("A", "tls://one:7422", max_payload=1), remote("A", "x", max_payload=1)
    cast("SimpleNamespace", first.link).is_amid = False
    cast("SimpleNamespace", second.link).is_amid = True

    assert HubLinks([first, second], "A").is_amid()
    assert not HubLinks([first], "A").is_amid()


def test_what_the_hub_lets_pass_is_what_one_of_its_links_does() -> None:
    deaf, open_ = remote("A", "tls://one:7422", max_payload=1), remote("A", "x", max_payload=1)
    denied = Permissions(publish=Rules(deny=[b"_INBOX.>"]), subscribe=Rules(deny=[b"$JS.>"]))
    for one, permissions in ((deaf, denied), (open_, None)):
        cast("SimpleNamespace", one.link).peer = SimpleNamespace(permissions=permissions)

    alone, both, none = (HubLinks(all_, "A") for all_ in ([deaf], [deaf, open_], []))

    assert not alone.lets_in(b"_INBOX.a.b")
    assert not alone.lets_out(b"$JS.hub.API.INFO")
    assert alone.lets_in(b"a")
    assert alone.lets_out(b"a")
    for links in (both, none):
        assert links.lets_in(b"_INBOX.a.b")
        assert links.lets_out(b"$JS.hub.API.INFO")
