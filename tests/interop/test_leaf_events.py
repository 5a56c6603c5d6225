"""What the system account is told of a leaf link, beside a real nats-server 2.15.1 that dials the
same hub."""

from __future__ import annotations

import contextlib
import json
from typing import TYPE_CHECKING, Any

import nats
import pytest

from tests.hub.process import Hub, nats_server_path, running_hub
from tests.interop.barrier import settled
from tests.interop.edge import until
from tests.interop.gateway import Gateway, running_gateway

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from nats.aio.client import Client
    from nats.aio.msg import Msg

    Killing = Callable[[Hub, "Watcher"], Any]

pytestmark = [
    pytest.mark.interop,
    pytest.mark.real_loop,
    pytest.mark.skipif(nats_server_path() is None, reason="nats-server is not installed"),
]

PATIENCE_S = 10.0
ACCOUNTS = """
accounts { A { users: [{user: a, password: a}] }, SYS { users: [{user: sys, password: sys}] } }
system_account: SYS
"""
DIALS = 'reconnect: 200ms, remotes: [{{url: "nats-leaf://a:a@127.0.0.1:{port}", account: A}}]'


async def connect(url: str, user: str) -> Client:
    return await nats.connect(url.replace("nats://", f"nats://{user}:{user}@"), connect_timeout=10)


class Watcher:
    """A user of the system account of the server that dials."""

    def __init__(self, client: Client) -> None:
        self.client = client
        self.told: list[tuple[str, dict[str, Any]]] = []

    async def start(self) -> None:
        answer = await self.client.request("$SYS.REQ.SERVER.PING.IDZ", timeout=PATIENCE_S)
        self.id = json.loads(answer.data)["id"]
        await self.client.subscribe("$SYS.ACCOUNT.A.*", cb=self._note)
        await settled(self.client)

    async def _note(self, message: Msg) -> None:
        event = json.loads(message.data)
        if event.get("client", {}).get("kind") == "Leafnode":
            self.told.append((message.subject, event))

    async def leaf(self) -> dict[str, Any]:
        """Return the link's row once it is there and was measured."""
        rows: list[dict[str, Any]] = []
        while not rows or rows[0].get("rtt", "0s") == "0s":
            answer = await self.client.request("$SYS.REQ.SERVER.PING.LEAFZ", timeout=PATIENCE_S)
            rows = json.loads(answer.data)["data"].get("leafs") or []
        return rows[0]

    async def command(self, name: str, cid: int) -> Any:
        answer = await self.client.request(
            f"$SYS.REQ.SERVER.{self.id}.{name}", b'{"cid":%d}' % cid, timeout=PATIENCE_S
        )
        return json.loads(answer.data).get("error")


async def kick(_: Hub, watcher: Watcher) -> Any:
    """Kick the link; return what LDM of it says."""
    cid = (await watcher.leaf())["id"]
    refused = await watcher.command("LDM", cid)
    assert await watcher.command("KICK", cid) is None
    return refused


async def end_hub(hub: Hub, _: Watcher) -> None:
    hub.stop()


async def story(url: str, hub: Hub, killing: Killing) -> Any:
    """Let a link come, carry a message each way, and end; return what was told of its end."""
    watcher = Watcher(await connect(url, "sys"))
    await watcher.start()
    far, near = await connect(hub.client_url, "a"), await connect(url, "a")
    up, down = await far.subscribe("up.*"), await near.subscribe("down.*")
    await settled(far, near)
    await watcher.leaf()
    for client, subject, sub in ((near, "up", up), (far, "down", down)):
        for attempt in range(100):  # the other side may not know of the interest yet
            await client.publish(f"{subject}.{attempt}", b"12345")
            try:
                await sub.next_msg(timeout=0.1)
                break
            except nats.errors.TimeoutError:
                pass
    row = await watcher.leaf()
    await far.close()
    answer = await killing(hub, watcher)

    def ends() -> list[dict[str, Any]]:
        return [event for subject, event in watcher.told if subject.endswith(".DISCONNECT")]

    await until(ends)
    event = ends()[0]
    assert event["sent"] == {"msgs": row["in_msgs"], "bytes": row["in_bytes"]}
    assert event["received"] == {"msgs": row["out_msgs"], "bytes": row["out_bytes"]}
    assert (row["in_msgs"], row["out_msgs"]) >= (1, 1)
    assert event["client"]["rtt"] > 0
    for client in (near, watcher.client):
        await client.close()
    return answer, list(event), list(event["client"]), event["client"]["acc"], event["reason"]


async def traced(url: str, hub: Hub, headers: dict[str, str]) -> Any:
    """Publish a traced message at the hub; return what its two servers say, and who got it."""
    far, near = await connect(hub.client_url, "a"), await connect(url, "a")
    traces = await far.subscribe("t.x")
    sub = await near.subscribe("down.*")
    await settled(far, near)
    arrived = False
    while not arrived:  # the hub may not know of the interest yet
        await far.publish("down.0", b"")
        with contextlib.suppress(nats.errors.TimeoutError):
            arrived = bool(await sub.next_msg(timeout=0.1))
    await far.publish("down.1", b"hi", headers={"Nats-Trace-Dest": "t.x"} | headers)
    told = [json.loads((await traces.next_msg(timeout=PATIENCE_S)).data) for _ in range(2)]
    await far.publish("down.2", b"")
    got: list[str] = []
    while "down.2" not in got:
        got.append((await sub.next_msg(timeout=PATIENCE_S)).subject)
    for client in (far, near):
        await client.close()
    steps = [
        [
            {k: v for k, v in step.items() if k not in {"ts", "cid", "name"}}
            for step in one["events"]
        ]
        for one in told
    ]
    hops = [one["request"]["header"].get("Nats-Trace-Hop") for one in told]
    return sorted(zip(steps, hops, strict=True), key=json.dumps), "down.1" in got


@pytest.mark.parametrize("headers", [{}, {"Nats-Trace-Only": "1"}])
async def test_a_message_of_the_hub_is_traced_on_alike(
    tmp_path: Path, headers: dict[str, str]
) -> None:
    told = []
    with running_hub(tmp_path / "hub", ACCOUNTS) as hub:
        for name in ("theirs", "ours"):
            with dialing(tmp_path / name, hub, is_theirs=name == "theirs") as server:
                told.append(await traced(server.client_url, hub, headers))

    assert told[1] == told[0]
    assert told[0][1] is not bool(headers)


@contextlib.contextmanager
def dialing(directory: Path, hub: Hub, *, is_theirs: bool) -> Iterator[Hub | Gateway]:
    """A server with a leaf link to the hub."""
    dials = DIALS.format(port=hub.leaf_port)
    if is_theirs:
        with running_hub(directory, ACCOUNTS, leafnodes=dials) as theirs:
            yield theirs
    else:
        with running_gateway(directory, f"{ACCOUNTS}leafnodes {{ {dials} }}") as ours:
            yield ours


@pytest.mark.parametrize("killing", [kick, end_hub])
async def test_the_end_of_a_leaf_link_is_told_alike(tmp_path: Path, killing: Killing) -> None:
    told = []
    for name in ("theirs", "ours"):
        with (
            running_hub(tmp_path / f"hub-of-{name}", ACCOUNTS) as hub,
            dialing(tmp_path / name, hub, is_theirs=name == "theirs") as server,
        ):
            told.append(await story(server.client_url, hub, killing))

    assert told[1] == told[0]
    assert told[0][-1] == {kick: "Kicked", end_hub: "Client Closed"}[killing]
