"""Our side of the port for leafs without sockets, and raw leafs that read like the wire.

Local clients are those of tests.sim.clients, in the same server.
"""

from __future__ import annotations

import json
import random
from typing import TYPE_CHECKING, Any

from leafnode.auth.identity import ConnectionType
from leafnode.auth.leafs import LeafAuthenticator
from leafnode.clients.seams import ClientSeams
from leafnode.config.listener_options import LeafListener
from leafnode.leaf.accepted import AcceptedLink, LeafSeams
from leafnode.leaf.greeting import leaf_info
from leafnode.leaf.loop import LoopSubjects
from leafnode.leaf.registry import LeafRegistry
from leafnode.leaf.terms import LeafEnvironment
from leafnode.limits import AUTH_TIMEOUT_NS
from leafnode.protocol.leaf_acceptor import AcceptRules
from leafnode.protocol.leaf_session import PingRules
from tests.sim.clients import HOST, ClientWorld, RawClient

if TYPE_CHECKING:
    from leafnode.config.options import Options

LEAF_PORT = 7422
CLAIM = {"version": "2.15.1", "server_id": "NX", "name": "edge", "cluster": "edge"}
CLAIM |= {"headers": True, "remote_account": "$G", "protocol": 1}  # type: ignore[dict-item]


class LeafPortWorld(ClientWorld):
    """A server of clients and leafs on a clock that moves when told to."""

    def __init__(self, options: Options | None = None, *, cluster: str = "") -> None:
        super().__init__(options)
        server = self.server
        leafnodes = server.options.leafnodes
        self.listener = (leafnodes and leafnodes.listener) or LeafListener(
            host=HOST, port=LEAF_PORT
        )
        assert server.seams.authenticator is not None
        self.registry = LeafRegistry(self.clock)
        environment = LeafEnvironment(
            clock=self.clock,
            random=server.random,
            dial=self.network,
            outbox=server.turn.outbox,
            loop_subjects=LoopSubjects(random.Random(2)),
            next_cid=server.seams.next_cid,
            remember=server.registry.keep,
            server_name="sim",
            server_id="NSERVER",
            domain=server.seams.info.domain,
            jetstream=server.seams.info.jetstream,
            max_payload_bytes=server.options.max_payload_bytes,
            max_pending_bytes=server.options.max_pending_bytes,
            ping_interval_ns=server.options.ping_interval_ns,
            ping_max=server.options.ping_max,
            system_account=server.options.system_account,
            isolates=leafnodes is not None and leafnodes.isolates,
        )
        own = self.listener.authorization
        authenticator = LeafAuthenticator(server.seams.authenticator, server.options, own)  # type: ignore[arg-type]
        self.seams = LeafSeams(
            environment=environment,
            login=ClientSeams(
                options=server.options,
                info=server.seams.info,
                clock=self.clock,
                random=server.random,
                token_bytes=server.random.randbytes,
                outbox=server.turn.outbox,
                account=server.account,
                authenticator=authenticator,
                registry=server.registry,
                next_cid=server.seams.next_cid,
                kind=ConnectionType.LEAFNODE,
            ),
            info=leaf_info(
                server.seams.info, self.listener, port=LEAF_PORT, cluster=cluster, traces=True
            ),
            rules=AcceptRules(
                cluster=cluster,
                min_version=self.listener.min_version,
                auth_timeout_ns=own.timeout_ns or AUTH_TIMEOUT_NS,
                pings=PingRules(
                    server.options.ping_interval_ns, server.options.ping_max, may_skip=True
                ),
            ),
            registry=self.registry,
        )
        self.network.listen(
            server.turn, lambda: AcceptedLink(self.seams), host=HOST, port=LEAF_PORT
        )

    def leaf(self, **claim: Any) -> SimLeaf:
        """A leaf that has sent CONNECT with these fields, and read what that led to."""
        leaf = SimLeaf(self)
        leaf.first = leaf.says(b"CONNECT %b\r\n" % json.dumps(CLAIM | claim).encode())
        return leaf


class SimLeaf:
    """A raw leaf of a LeafPortWorld."""

    def __init__(self, world: LeafPortWorld) -> None:
        self._world = world
        self.raw = RawClient()
        self.end, self.link = world.network.connect(self.raw, HOST, LEAF_PORT)
        world.settle()
        self.greeting = self.raw.take()
        self.first = b""  # what CONNECT was answered with

    def says(self, data: bytes) -> bytes:
        """Send bytes, let everything happen that needs no time, return what came back."""
        self.end.write([data])
        self._world.settle()
        return self.raw.take()

    def hears(self) -> bytes:
        """What came without being asked for."""
        self._world.settle()
        return self.raw.take()

    @property
    def lines(self) -> list[bytes]:
        """What CONNECT was answered with, behind INFO, sorted."""
        return sorted(self.first.split(b"\r\n")[1:-1])

    @property
    def info(self) -> dict[str, Any]:
        """The INFO that answered CONNECT."""
        line = self.first.partition(b"\r\n")[0]
        assert line.startswith(b"INFO "), self.first
        answer: dict[str, Any] = json.loads(line[5:])
        return answer
