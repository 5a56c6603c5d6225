"""A server of client connections without a process: accounts, registry, turn, memory network."""

from __future__ import annotations

import itertools
import random
from typing import TYPE_CHECKING

from leafnode.auth.authenticator import Authenticator
from leafnode.clients.greeting import server_info
from leafnode.clients.handler import ClientHandler
from leafnode.clients.registry import Registry
from leafnode.clients.seams import ClientSeams
from leafnode.config.account_options import AccountOptions
from leafnode.config.options import Options
from leafnode.net.turn import Turn
from leafnode.server.account_world import AccountSeams
from leafnode.server.accounts import Accounts
from leafnode.server.client_info import client_info
from tests.sim.clock import FakeClock
from tests.sim.network import MemoryNetwork

if TYPE_CHECKING:
    from leafnode.clients.authenticator import Authenticator as AuthenticatorSeam
    from leafnode.clock import Clock
    from leafnode.net.transport import Transport
    from leafnode.protocol.info import ServerInfo
    from leafnode.routing.account import Account
    from tests.sim.network import Link, MemoryTransport

HOST = "127.0.0.1"
PORT = 4222


class ClientServer:
    """What the composition root builds for local clients, on any clock."""

    def __init__(
        self,
        clock: Clock,
        options: Options | None = None,
        authenticator: AuthenticatorSeam | None = None,
        *,
        seed: int = 1,
    ) -> None:
        self.clock = clock
        self.options = options or Options()
        self.random = random.Random(seed)
        self.turn = Turn(clock)
        self.registry = Registry(
            max_connections=self.options.max_connections, max_closed=self.options.max_closed_clients
        )
        self.turn.outbox.on_violation = lambda peer, violation: self.registry.tell_violation(
            peer, violation, clock.monotonic_ns()
        )
        self.account_set = Accounts(self._account_seams(), self.options)
        self.accounts = self.account_set.by_name
        self.seams = ClientSeams(
            options=self.options,
            info=self._info(),
            clock=clock,
            random=self.random,
            token_bytes=self.random.randbytes,
            outbox=self.turn.outbox,
            account=self.account,
            authenticator=authenticator or Authenticator(self.options),
            registry=self.registry,
            next_cid=itertools.count(1).__next__,
        )

    def account(self, name: str = "$G") -> Account:
        if name not in self.accounts:
            self.account_set.update(AccountOptions(name))
        return self.account_set.account(name)

    def _account_seams(self) -> AccountSeams:
        registry = self.registry
        return AccountSeams(
            clock=self.clock,
            random=self.random,
            outbox=self.turn.outbox,
            server_name="sim",
            server_id="NSERVER",
            client_info=lambda peer, detailed: client_info(
                peer, registry, "sim", detailed=detailed
            ),
        )

    def new_session(self) -> ClientHandler:
        """The session factory of its listener."""
        return ClientHandler(self.seams)

    def _info(self) -> ServerInfo:
        return server_info(
            self.options,
            server_id="NSERVER",
            server_name="sim",
            port=PORT,
            auth_required=self.options.authorization.required,
        )


class RawClient:
    """The other end of a connection: bytes out, bytes in. Implements Session."""

    def __init__(self) -> None:
        self.got = bytearray()
        self.ended = False
        self.reason = ""
        self.transport: Transport | None = None

    def connected(self, transport: Transport) -> None:
        self.transport = transport

    def received(self, data: bytes) -> None:
        self.got += data

    def lost(self, reason: str) -> None:
        self.ended = True
        self.reason = reason

    def take(self) -> bytes:
        """Everything that came since the last call."""
        data = bytes(self.got)
        self.got.clear()
        return data


class SimClient:
    """A raw client of a ClientWorld, for tests that read like a protocol session."""

    def __init__(self, world: ClientWorld) -> None:
        self._world = world
        self.raw = RawClient()
        self.end: MemoryTransport
        self.link: Link
        self.end, self.link = world.network.connect(self.raw, HOST, PORT)
        self.cid = self._world.server.registry.total

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
    def handler(self) -> ClientHandler:
        """The server's side of this connection."""
        return self._world.server.registry.open[self.cid]


class ClientWorld:
    """A ClientServer on a clock that moves when told to, reached through memory."""

    def __init__(
        self, options: Options | None = None, authenticator: AuthenticatorSeam | None = None
    ) -> None:
        self.clock = FakeClock()
        self.server = ClientServer(self.clock, options, authenticator)
        self.network = MemoryNetwork(self.clock)
        self.network.listen(self.server.turn, self.server.new_session, host=HOST, port=PORT)

    def settle(self) -> None:
        """Let everything happen that needs no time."""
        self.clock.advance(0)

    def client(self, connect: bytes = b'{"verbose":false}') -> SimClient:
        """A client that has read INFO and, unless `connect` is empty, sent CONNECT."""
        client = SimClient(self)
        assert client.hears().startswith(b"INFO {"), "the greeting comes first"
        if connect:
            client.says(b"CONNECT " + connect + b"\r\n")
        return client
