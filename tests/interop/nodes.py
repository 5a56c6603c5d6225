"""Servers that let leafs in, ours and the real one, behind one face: for tests that swap them."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, Any, Protocol

import nats
import nats.errors

from tests.hub.old import old_server_path
from tests.hub.process import Hub, free_ports
from tests.interop.barrier import settled
from tests.interop.edge import until
from tests.interop.gateway import Gateway

if TYPE_CHECKING:
    import subprocess
    from collections.abc import AsyncIterator, Iterator
    from pathlib import Path

    from nats.aio.client import Client

OURS, REAL, OLD = "ours", "real", "old"
PATIENCE_S = 30.0
CONNECTS = 3


class Node(Protocol):
    """One server of either kind."""

    leaf_port: int
    process: subprocess.Popen[bytes] | None

    @property
    def client_url(self) -> str: ...

    def get(self, path: str) -> Any: ...

    def kill(self) -> None: ...

    def start(self) -> None: ...


class OurNode(Gateway):
    """This project's server with a port for leafs."""

    def __init__(self, directory: Path, config: str, leafnodes: str) -> None:
        (self.leaf_port,) = free_ports(1)
        block = f"leafnodes {{ listen: 127.0.0.1:{self.leaf_port}\n{leafnodes}\n}}\n"
        super().__init__(directory, config + "\n" + block)


@contextlib.contextmanager
def running(
    kind: str, directory: Path, name: str, config: str = "", *, leafnodes: str = ""
) -> Iterator[Node]:
    """A server with this name for the length of a with block."""
    directory = directory / name
    config = f"server_name: {name}\n{config}"
    node: OurNode | Hub
    if kind == OURS:
        node = OurNode(directory, config, leafnodes)
    else:
        node = Hub(directory, config, leafnodes=leafnodes)
        if kind == OLD:
            node.program = old_server_path() or "the nats-server 2.9 of Debian"
    node.start()
    try:
        yield node
    finally:
        node.stop()


def dials(*hubs: Node, more: str = "", userinfo: str = "", scheme: str = "nats-leaf") -> str:
    """Return the options of a leafnodes block that dials these servers."""
    return dials_port(*(hub.leaf_port for hub in hubs), more=more, userinfo=userinfo, scheme=scheme)


def dials_port(*ports: int, more: str = "", userinfo: str = "", scheme: str = "nats-leaf") -> str:
    """Return the options of a leafnodes block that dials these ports of this machine."""
    remotes = [f'{{ url: "{scheme}://{userinfo}127.0.0.1:{port}", {more} }}' for port in ports]
    return f"reconnect: 100ms, remotes: [ {', '.join(remotes)} ]"


@contextlib.asynccontextmanager
async def client_of(node: Node, **options: Any) -> AsyncIterator[Client]:
    for attempt in range(CONNECTS):
        with contextlib.suppress(*([nats.errors.Error] if attempt < CONNECTS - 1 else [])):
            client = await nats.connect(
                node.client_url, allow_reconnect=False, connect_timeout=PATIENCE_S, **options
            )
            # nats-py takes an INFO that comes before its first PONG for the PONG, and stays half
            # connected: nats-server sends one when a leaf link changes what it says of JetStream.
            if client.is_connected:
                break
            await client.close()
        await asyncio.sleep(0.2)
    try:
        yield client
    finally:
        await client.close()


def wanted(node: Node) -> list[str]:
    """What the leaf links of a server brought it, as /leafz lists it."""
    leafs = node.get("leafz?subs=1")["leafs"] or []
    return [subject for leaf in leafs for subject in leaf.get("subscriptions_list") or []]


async def linked(node: Node, count: int = 1) -> None:
    """Return when a server has so many leaf links."""
    await until(lambda: node.get("leafz")["leafnodes"] == count, timeout_s=PATIENCE_S)


async def wants(node: Node, *subjects: str) -> None:
    """Return when a server was told over its links that these are wanted."""
    await until(lambda: set(subjects) <= set(wanted(node)), timeout_s=PATIENCE_S)


async def carries(here: Client, there: Client, between: Node, subject: str) -> None:
    """Prove that a message and a request get from one client to the other.

    `between` is the server of `here`, which learns of the interest last.
    """

    async def answer(message: Any) -> None:
        await message.respond(b"pong " + message.data)

    subscription = await there.subscribe(subject)
    await there.subscribe(f"{subject}.svc", "q", cb=answer)
    await settled(there)
    await wants(between, subject, f"{subject}.svc")

    await here.publish(subject, b"hello", headers={"A": "B"})
    message = await subscription.next_msg(timeout=PATIENCE_S)
    reply = await here.request(f"{subject}.svc", b"ping", timeout=PATIENCE_S)

    assert (message.data, message.headers) == (b"hello", {"A": "B"})
    assert reply.data == b"pong ping"
