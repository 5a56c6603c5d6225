"""Scenario 04: accounts, imports, mappings and permissions of a real hub, and an edge of ours.

The edge has two accounts with a link each, to two accounts of the hub.
"""

from __future__ import annotations

import contextlib
import json
from typing import TYPE_CHECKING, Any

import pytest

from tests.hub.process import nats_server_path
from tests.interop.barrier import settled
from tests.interop.nodes import OURS, PATIENCE_S, REAL, client_of, linked, running, wants

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from nats.aio.client import Client

    from tests.interop.nodes import Node

pytestmark = [
    pytest.mark.interop,
    pytest.mark.real_loop,
    pytest.mark.skipif(nats_server_path() is None, reason="nats-server is not installed"),
]

HUB = """
accounts {
  A {
    users: [{user: a, password: a}]
    exports: [ {service: "svc.a"}, {stream: "st.a.>"} ]
  }
  B {
    users: [
      {user: b, password: b}
      {user: limited, password: l, permissions {
        publish { allow: ["out.>", "old.*", "svc.b", "_INBOX.>"], deny: "out.no" }
        subscribe { allow: ["in.>", "from.>", "_INBOX.>"], deny: "in.no" } } }
    ]
    imports: [
      {service: {account: A, subject: "svc.a"}, to: "svc.b"}
      {stream: {account: A, subject: "st.a.>"}, prefix: "from"}
    ]
    mappings { "old.*": "new.{{wildcard(1)}}" }
  }
}
"""
EDGE = "accounts { X { users: [{user: x, password: x}] }, Y { users: [{user: y, password: y}] } }"


def user(name: str) -> dict[str, str]:
    return {"user": name, "password": name}


@contextlib.asynccontextmanager
async def world(directory: Path) -> AsyncIterator[tuple[Node, Node]]:
    """The hub and the edge: X is linked to A without limits, Y to B as a limited user."""
    with running(REAL, directory, "hub", HUB) as hub:
        at = f"127.0.0.1:{hub.leaf_port}"
        denied = 'deny_imports: "no.in", deny_exports: "no.out"'
        remotes = f"""reconnect: 100ms, remotes: [
            {{ url: "nats-leaf://a:a@{at}", account: X, {denied} }}
            {{ url: "nats-leaf://limited:l@{at}", account: Y }} ]"""
        with running(OURS, directory, "edge", EDGE, leafnodes=remotes) as edge:
            await linked(edge, 2)
            yield hub, edge


async def heard(reader: Client, writer: Client, between: Node, subjects: list[str]) -> list[str]:
    """Publish to each of these; return what the other side's `>` gets of them.

    The last must get through: it shows that those before it had their time.
    """
    listener = await reader.subscribe(">")
    await settled(reader)
    await wants(between, ">")
    for subject in subjects:
        await writer.publish(subject, b"probe")
    await settled(writer)
    got: list[str] = []
    while not got or got[-1] != subjects[-1]:
        message = await listener.next_msg(timeout=PATIENCE_S)
        if message.data == b"probe":
            got.append(message.subject)
    await listener.unsubscribe()
    await settled(reader)
    return got


async def test_each_account_gets_what_it_may_and_neither_link_drops(tmp_path: Path) -> None:
    async with world(tmp_path) as (hub, edge):
        async with (
            client_of(hub, **user("a")) as a,
            client_of(hub, **user("b")) as b,
            client_of(edge, **user("x")) as x,
            client_of(edge, **user("y")) as y,
        ):
            silent = await b.subscribe("only.a"), await y.subscribe("only.a")
            await settled(b, y)
            assert await heard(a, x, edge, ["no.out", "only.a"]) == ["only.a"]
            assert await heard(x, a, hub, ["no.in", "only.a"]) == ["only.a"]

            may_not = ["out.no", "else", "only.a"]
            assert await heard(b, y, edge, [*may_not, "old.7", "out.1"]) == ["new.7", "out.1"]
            assert await heard(y, b, hub, ["in.no", "else", "only.a", "in.1"]) == ["in.1"]
            await settled(b, y)
            assert [one.pending_msgs for one in silent] == [1, 1]  # each its own side's alone

            await imported(a, x, y, hub, edge)

        assert edge.get("varz")["leafnode"]["leafs"]["reconnects"] == 0
        assert "Violation" not in hub.log_file.read_text()


async def imported(a: Client, x: Client, y: Client, hub: Node, edge: Node) -> None:
    """A service below A answers through B's import, and a stream of A comes to Y."""
    asked: list[tuple[str, str]] = []

    async def answer(message: Any) -> None:
        asked.append((message.subject, json.loads(message.headers["Nats-Request-Info"])["acc"]))
        await message.respond(b"done")

    await x.subscribe("svc.a", cb=answer)
    stream = await y.subscribe("from.st.a.>")
    await settled(x, y)
    await wants(hub, "svc.a", "from.st.a.>")
    await wants(edge, "svc.b", "st.a.>")
    assert (await y.request("svc.b", b"?", timeout=PATIENCE_S)).data == b"done"
    assert [subject for subject, _ in asked] == ["svc.a"]

    await x.publish("st.a.1", b"from below")
    assert (await stream.next_msg(timeout=PATIENCE_S)).subject == "from.st.a.1"
    await a.publish("st.a.2", b"from the hub")
    assert (await stream.next_msg(timeout=PATIENCE_S)).subject == "from.st.a.2"
