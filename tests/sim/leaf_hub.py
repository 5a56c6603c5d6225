"""A scripted hub on the memory network, and an edge that dials it: the leaf link without sockets.

The hub says only what a test lets it say; what it was sent is read back as bytes.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
from random import Random
from typing import TYPE_CHECKING

from leafnode.clock import NS_PER_S
from leafnode.leaf.loop import LoopSubjects
from leafnode.leaf.remote import Remote
from leafnode.leaf.terms import LeafEnvironment
from leafnode.limits import MAX_PENDING_BYTES
from leafnode.net.turn import Turn
from leafnode.routing.account import Account
from leafnode.routing.peer import Kind
from tests.sim.loop import SimClock
from tests.sim.network import MemoryNetwork
from tests.sim.peers import FakePeer

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from leafnode.config.options import LeafRemote
    from leafnode.net.transport import Transport

INFO = (
    b'INFO {"server_id":"NH","server_name":"hub","client_id":6,"nonce":"EsbRnPg3CTsA6gA",'
    b'"headers":true,"max_payload":1048576,"info_on_connect":true,'
    b'"leafnode_urls":["hub:7422"]} \r\n'
)
INFO2 = (
    b'INFO {"server_id":"NH","server_name":"hub","headers":true,"domain":"hub","jetstream":true,'
    b'"max_payload":1048576,"connect_info":true,"remote_account":"APP",'
    b'"leafnode_urls":["hub:7422"]} \r\n'
)


class ScriptedHub:
    """Every connection that was made to one address; `greeting` and `answer` are said by itself."""

    def __init__(self, *, greeting: bytes = INFO, answer: bytes = INFO2) -> None:
        self.greeting = greeting
        self.answer = answer  # to CONNECT
        self.sessions: list[HubSession] = []

    def accept(self) -> HubSession:
        session = HubSession(self)
        self.sessions.append(session)
        return session

    @property
    def session(self) -> HubSession:
        return self.sessions[-1]

    def say(self, data: bytes) -> None:
        """Send to the connection that was made last."""
        transport = self.session.transport
        assert transport is not None
        transport.write([data])

    def got(self) -> bytes:
        """What the connection made last was sent since this was asked before."""
        got, self.session.got = self.session.got, b""
        return got


class HubSession:
    """Implements net.transport.Session for the hub's end."""

    def __init__(self, hub: ScriptedHub) -> None:
        self.transport: Transport | None = None
        self.got = b""
        self.is_lost = False
        self._hub = hub
        self._answered = False

    def connected(self, transport: Transport) -> None:
        self.transport = transport
        if self._hub.greeting:
            transport.write([self._hub.greeting])

    def received(self, data: bytes) -> None:
        assert self.transport is not None
        self.got += data
        if not self._answered and b"CONNECT {" in self.got and self._hub.answer:
            self._answered = True
            self.transport.write([self._hub.answer])

    def lost(self, reason: str) -> None:
        del reason
        self.is_lost = True


class LeafWorld:
    """One account, one remote, a memory network with a hub at hub:7422."""

    def __init__(
        self,
        options: LeafRemote,
        *,
        hub: ScriptedHub | None = None,
        reconnect_ns: int = NS_PER_S,
        max_pending_bytes: int = MAX_PENDING_BYTES,
        domain: str = "edge",
    ) -> None:
        self.clock = SimClock()
        self.turn = Turn(self.clock)
        self.network = MemoryNetwork(self.clock)
        self.network.dialing_turn = self.turn
        self.hub = hub or ScriptedHub()
        self.listen("hub")
        self.account = Account("$G", self.turn.outbox)
        cids = itertools.count(1)
        self.environment = LeafEnvironment(
            clock=self.clock,
            random=Random(1),
            dial=self.network,
            outbox=self.turn.outbox,
            loop_subjects=LoopSubjects(Random(2)),
            next_cid=lambda: next(cids),
            server_name="edge",
            server_id="NEDGE",
            domain=domain,
            jetstream=True,
            max_payload_bytes=1 << 20,
            max_pending_bytes=max_pending_bytes,
            ping_interval_ns=120 * NS_PER_S,
            ping_max=2,
        )
        self.remote = Remote(options, self.account, self.environment, reconnect_ns=reconnect_ns)
        self.client = KeepingPeer(self.account, cid=1000)

    def listen(self, host: str, hub: ScriptedHub | None = None) -> None:
        """Let a hub answer at an address."""
        self.network.listen(Turn(self.clock), (hub or self.hub).accept, host=host, port=7422)

    def publish(self, data: bytes) -> None:
        """Let the local client send protocol bytes, and write what that leads to."""
        self.client.says(data)
        self.turn.outbox.flush()

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Run the remote for the length of the block."""
        async with asyncio.TaskGroup() as group:
            task = group.create_task(self.remote.run())
            try:
                yield
            finally:
                task.cancel()


class KeepingPeer(FakePeer):
    """A local client whose bytes are kept when the turn flushes them."""

    def __init__(self, account: Account, cid: int, kind: Kind = Kind.CLIENT) -> None:
        super().__init__(account, cid, kind)
        self.kept = b""
        self.flush = self._keep

    def got(self) -> bytes:
        """Everything that was written to this client since the last call."""
        self._keep()
        kept, self.kept = self.kept, b""
        return kept

    def _keep(self) -> None:
        self.kept += b"".join(self.take())


async def turns(count: int = 20) -> None:
    """Let everything happen that needs no time to pass."""
    for _ in range(count):
        await asyncio.sleep(0)
