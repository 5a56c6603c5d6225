"""leafnode.server.system on a whole server in this process: what it is asked and what it tells."""

from __future__ import annotations

import asyncio
import json
import random
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from leafnode.clock import NS_PER_MS, SystemClock
from leafnode.config.account_options import AccountOptions
from leafnode.config.listener_options import LeafListener, Websocket
from leafnode.config.options import HostPort, LeafOptions, LeafRemote, Options
from leafnode.server.server import Seams, Server
from leafnode.server.views import views_of
from tests.sim.leaf_hub import INFO, INFO2
from tests.sim.running import running

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from leafnode.routing.subscription import Delivery

PLAIN = Options(port=-1, server_name="edge")
PATIENCE_S = 10


class World:
    """A server that runs, and what its system account heard."""

    def __init__(self, options: Options) -> None:
        self.wanted = options  # what a reload finds
        chance = random.Random(1)
        seams = Seams(SystemClock(), chance, chance.randbytes, load=lambda: self.wanted)
        self.server = Server(options, seams)
        self._heard = asyncio.Queue[tuple[str, Any]]()

    def listen(self, *patterns: bytes) -> None:
        for pattern in patterns:
            self.server.account("$SYS").subscribe(pattern, self._note)

    def _note(self, delivery: Delivery) -> None:
        for _, header_size, body in delivery.messages:
            said = delivery.subject.decode(), json.loads(body[header_size:])
            self._heard.put_nowait(said)

    async def told(self, subject: str) -> Any:
        """Return the next thing that was told, which has this subject."""
        async with asyncio.timeout(PATIENCE_S):
            heard, message = await self._heard.get()
        assert heard == subject
        return message

    def rest(self) -> list[str]:
        """Return the subjects of what was told since."""
        return [self._heard.get_nowait()[0] for _ in range(self._heard.qsize())]

    async def ask(self, subject: str, body: bytes = b"", *, account: str = "$SYS") -> Any:
        answers = asyncio.Queue[bytes]()
        asked = self.server.account(account)
        inbox = asked.subscribe(
            b"_INBOX.x", lambda run: [answers.put_nowait(body) for _, _, body in run.messages]
        )
        asked.publish(subject.encode(), body, reply=b"_INBOX.x")
        async with asyncio.timeout(PATIENCE_S):
            answer = await answers.get()
        asked.unsubscribe(inbox)
        return json.loads(answer)

    async def command(self, name: str, cid: int) -> Any:
        answer = await self.ask(f"$SYS.REQ.SERVER.{self.server.id}.{name}", b'{"cid":%d}' % cid)
        return answer.get("error", {}).get("description", "done")


@asynccontextmanager
async def serving(options: Options = PLAIN) -> AsyncIterator[World]:
    world = World(options)
    async with running(world.server):
        yield world


@asynccontextmanager
async def client_of(world: World) -> AsyncIterator[asyncio.StreamReader]:
    """A client that has logged in."""
    reader, writer = await asyncio.open_connection("127.0.0.1", world.server.port)
    async with asyncio.timeout(PATIENCE_S):
        await reader.readline()
        writer.write(b'CONNECT {"verbose":false}\r\nPUB a 2\r\nhi\r\nPING\r\n')
        assert await reader.readline() == b"PONG\r\n"
        yield reader
    writer.close()


@asynccontextmanager
async def hub() -> AsyncIterator[int]:
    """The leaf port of a hub that wants `out` and sends one message."""
    over = asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(INFO)
        await reader.readuntil(b"CONNECT ")
        writer.write(INFO2 + b"LS+ out\r\nLMSG in 5\r\nhello\r\n")
        await over.wait()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        yield server.sockets[0].getsockname()[1]
        over.set()


@pytest.mark.real_loop
async def test_the_server_is_asked_by_its_id_as_soon_as_it_serves() -> None:
    async with serving() as world:
        answer = await world.ask(f"$SYS.REQ.SERVER.{world.server.id}.IDZ")

    assert (answer["name"], answer["id"]) == ("edge", world.server.id)


@pytest.mark.real_loop
async def test_without_a_system_account_nobody_is_answered() -> None:
    async with serving(replace(PLAIN, no_system_account=True)) as world:
        assert world.server.features.system is None


@pytest.mark.real_loop
async def test_a_client_is_told_of_and_kicked_by_its_cid() -> None:
    async with serving() as world:
        world.listen(b"$SYS.ACCOUNT.*.*")
        async with client_of(world) as client:
            came = await world.told("$SYS.ACCOUNT.$G.CONNECT")

            assert await world.command("KICK", came["client"]["id"]) == "done"

            went = await world.told("$SYS.ACCOUNT.$G.DISCONNECT")
            assert await client.read() == b""
        assert (went["reason"], went["sent"]) == ("Kicked", {"msgs": 1, "bytes": 2})


@pytest.mark.real_loop
async def test_a_connection_that_is_not_there_is_refused() -> None:
    async with serving() as world:
        assert await world.command("KICK", 404) == "no such client or leafnode id"
        assert await world.command("LDM", 404) == "no such client id"


@pytest.mark.real_loop
async def test_a_client_that_cannot_hear_of_lame_duck_mode_is_no_success() -> None:
    async with serving() as world:
        world.listen(b"$SYS.ACCOUNT.*.CONNECT")
        async with client_of(world):
            came = await world.told("$SYS.ACCOUNT.$G.CONNECT")

            told = await world.command("LDM", came["client"]["id"])

    assert told.startswith("client does not support Lame Duck Mode")


@pytest.mark.real_loop
async def test_a_leaf_link_is_kicked_by_its_cid_and_told_of_with_what_it_carried() -> None:
    async with linked() as (world, cid):
        assert await world.command("LDM", cid) == "no such client id"
        assert await world.command("KICK", cid) == "done"

        went = await world.told("$SYS.ACCOUNT.$G.DISCONNECT")
        again = await world.told("$SYS.ACCOUNT.$G.CONNECT")

    assert (went["client"]["kind"], went["client"]["id"]) == ("Leafnode", cid)
    assert (went["sent"], went["received"]) == ({"msgs": 1, "bytes": 5}, {"msgs": 1, "bytes": 2})
    assert went["reason"] == "Kicked"
    assert again["client"]["id"] > cid


@pytest.mark.real_loop
async def test_what_ends_with_the_server_is_told_to_nobody() -> None:
    async with linked() as (world, _), client_of(world):
        await world.told("$SYS.ACCOUNT.$G.CONNECT")
        world.listen(b"$SYS.SERVER.*.SHUTDOWN", b"$SYS.SERVER.*.LAMEDUCK")

    assert world.rest() == [f"$SYS.SERVER.{world.server.id}.SHUTDOWN"]


@pytest.mark.real_loop
async def test_lame_duck_mode_is_told() -> None:
    async with serving() as world:
        world.listen(b"$SYS.SERVER.*.LAMEDUCK")

        world.server.enter_lame_duck_mode()

        assert (await world.told(f"$SYS.SERVER.{world.server.id}.LAMEDUCK"))["name"] == "edge"


@pytest.mark.real_loop
async def test_health_names_what_lame_duck_mode_closes() -> None:
    websocket = Websocket("127.0.0.1", -1, no_tls=True)
    leafs = LeafListener("127.0.0.1", -1)
    for options, closed in (
        (PLAIN, ["server"]),
        (replace(PLAIN, websocket=websocket), ["server", "websocket"]),
        (
            replace(PLAIN, websocket=websocket, leafnodes=LeafOptions(listener=leafs)),
            ["server", "leafnode", "websocket"],
        ),
    ):
        async with serving(options) as world:
            views = views_of(world.server, HostPort("", 0))
            assert views.closed_entrances() == []

            world.server.enter_lame_duck_mode()

            assert views.closed_entrances() == closed


@pytest.mark.real_loop
async def test_statistics_come_by_themselves() -> None:
    async with serving() as world:
        world.listen(b"$SYS.SERVER.*.STATSZ")

        heartbeat = await world.told(f"$SYS.SERVER.{world.server.id}.STATSZ")

    assert list(heartbeat) == ["server", "statsz"]


@pytest.mark.real_loop
async def test_a_reload_is_asked_for_and_its_tags_and_accounts_are_there_then() -> None:
    async with serving() as world:
        world.wanted = replace(
            PLAIN, server_tags=("line:3",), accounts=(AccountOptions("A"), AccountOptions("$SYS"))
        )

        reload = await world.ask(f"$SYS.REQ.SERVER.{world.server.id}.RELOAD")
        own = await world.ask(
            "$SYS.REQ.ACCOUNT.PING.STATZ", b'{"include_unused":true}', account="A"
        )

    assert "error" not in reload
    assert own["server"]["tags"] == ["line:3"]
    assert [stat["acc"] for stat in own["data"]["account_statz"]] == ["A"]


@pytest.mark.real_loop
async def test_a_reload_that_fails_says_why() -> None:
    async with serving() as world:
        world.wanted = replace(PLAIN, server_name="other")

        reload = await world.ask(f"$SYS.REQ.SERVER.{world.server.id}.RELOAD")

    assert reload["error"]["code"] == 500
    assert "config reload not supported for ServerName" in reload["error"]["description"]


@asynccontextmanager
async def linked() -> AsyncIterator[tuple[World, int]]:
    """A server with a link that carried a message each way, and the link's cid."""
    async with hub() as port:
        remote = LeafRemote((f"nats-leaf://127.0.0.1:{port}",))
        leafs = LeafOptions(remotes=(remote,), reconnect_ns=100 * NS_PER_MS)
        async with serving(replace(PLAIN, leafnodes=leafs)) as world:
            world.listen(b"$SYS.ACCOUNT.*.CONNECT", b"$SYS.ACCOUNT.*.DISCONNECT")
            received = asyncio.Event()
            account = world.server.account("$G")
            account.subscribe(b"in", lambda _: received.set())
            came = await world.told("$SYS.ACCOUNT.$G.CONNECT")
            async with asyncio.timeout(PATIENCE_S):
                await received.wait()
            account.publish(b"out", b"hi")
            yield world, came["client"]["id"]
