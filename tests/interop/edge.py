"""A minimal edge for tests of the link: one account, one remote, real sockets; no client listener.

Local clients have no connection: what they would be sent is kept, and read at once.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import random
import time
from typing import TYPE_CHECKING

from leafnode.clock import NS_PER_MS, SystemClock
from leafnode.leaf.loop import LoopSubjects
from leafnode.leaf.remote import Remote, RemoteState
from leafnode.leaf.terms import LeafEnvironment
from leafnode.limits import MAX_PENDING_BYTES
from leafnode.net.dial import TcpDialer
from leafnode.net.turn import Turn
from leafnode.routing.account import Account
from leafnode.routing.peer import Kind
from tests.sim.leaf_hub import KeepingPeer

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from leafnode.config.options import LeafRemote


class Edge:
    """What the tests hold in their hands."""

    def __init__(
        self,
        options: LeafRemote,
        *,
        name: str = "edge",
        domain: str = "edge",
        reconnect_ns: int = 100 * NS_PER_MS,
        ping_interval_ns: int = 500 * NS_PER_MS,
    ) -> None:
        clock = SystemClock()
        turn = Turn(clock)
        self.turn = turn
        self.account = Account("$G", turn.outbox)
        cids = itertools.count(1)
        rng = random.Random()
        environment = LeafEnvironment(
            clock=clock,
            random=rng,
            dial=TcpDialer(turn, random=rng),
            outbox=turn.outbox,
            loop_subjects=LoopSubjects(rng),
            next_cid=lambda: next(cids),
            server_name=name,
            server_id="N" + name.upper(),
            domain=domain,
            jetstream=False,
            max_payload_bytes=1 << 20,
            max_pending_bytes=MAX_PENDING_BYTES,
            ping_interval_ns=ping_interval_ns,
            ping_max=2,
        )
        self.environment = environment
        self.remote = Remote(options, self.account, environment, reconnect_ns=reconnect_ns)

    def client(self) -> KeepingPeer:
        """A local client that already sent CONNECT."""
        return KeepingPeer(self.account, cid=1000)

    def publish(self, client: KeepingPeer, data: bytes) -> None:
        """Let a local client send protocol bytes, and write what that leads to."""
        client.says(data)
        self.turn.outbox.flush()

    def wants(self, subject: bytes) -> bool:
        """Say whether the hub asked for this subject; a local subscription to it does not count."""
        match = self.account.sublist.find(subject)
        groups = [sub for group in match.groups for sub in group.members]
        return any(sub.peer.kind is Kind.LEAF for sub in (*match.plain, *groups))

    async def linked(self) -> None:
        await until(lambda: self.remote.status.state is RemoteState.CONNECTED)

    async def error(self, words: str) -> None:
        """Return when the status shows these words."""
        await until(lambda: words in self.remote.status.last_error)


@contextlib.asynccontextmanager
async def running_edge(options: LeafRemote, **more: object) -> AsyncIterator[Edge]:
    """An edge whose remote runs for the length of the block."""
    edge = Edge(options, **more)  # type: ignore[arg-type]
    async with asyncio.TaskGroup() as group:
        task = group.create_task(edge.remote.run())
        try:
            yield edge
        finally:
            task.cancel()


async def until(true: Callable[[], object], *, timeout_s: float = 10) -> None:
    """Wait for something that another process does."""
    deadline = time.monotonic() + timeout_s
    while not true():
        assert time.monotonic() < deadline, "it did not happen in time"
        await asyncio.sleep(0.01)
