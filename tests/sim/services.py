"""Accounts that share services, on a clock that moves when told to."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

from leafnode.protocol.client_info import ClientInfo
from leafnode.routing.account import Account
from leafnode.routing.service_export import Answers, ServiceExport
from leafnode.routing.services import ServiceImport, Services
from tests.sim.clock import FakeClock
from tests.sim.peers import FakePeer, outbox

if TYPE_CHECKING:
    from collections.abc import Callable

    from leafnode.clock import Timer
    from leafnode.routing.latency import Latency, Measurement
    from leafnode.routing.peer import Peer

SECOND_NS = 1_000_000_000


class World:
    """Implements services.World: accounts on a clock that moves when told to."""

    def __init__(self) -> None:
        self.clock = FakeClock()
        self.random = random.Random(1)
        self.server_name = "here"
        self.server_hash = b"hash"
        self.system: Account | None = None
        self.outbox = outbox()
        self.measurements: list[tuple[str, bytes, Measurement]] = []
        self.services: dict[str, Services] = {}

    def monotonic_ns(self) -> int:
        return self.clock.monotonic_ns()

    def wall_ns(self) -> int:
        return self.clock.wall_ns()

    def call_later(self, delay_ns: int, callback: Callable[[], None]) -> Timer:
        return self.clock.call_later(delay_ns, callback)

    def client_info(self, peer: Peer, *, detailed: bool) -> ClientInfo | None:
        assert peer.account is not None
        return ClientInfo(id=peer.cid if detailed else 0, acc=peer.account.name)

    def measured(self, exporter: Account, subject: bytes, measurement: Measurement) -> None:
        self.measurements.append((exporter.name, subject, measurement))

    def account(self, name: str) -> Account:
        if name not in self.services:
            account = Account(name, self.outbox)
            self.services[name] = account.services = Services(account, self)
        return self.services[name].account

    def export(
        self,
        name: str,
        subject: bytes,
        *,
        answers: Answers = Answers.ONE,
        latency: Latency | None = None,
    ) -> ServiceExport:
        return ServiceExport(
            self.account(name), subject, answers=answers, threshold_ns=SECOND_NS, latency=latency
        )

    def import_(
        self, name: str, export: ServiceExport, local: bytes = b"", *, share: bool = False
    ) -> None:
        self.account(name)
        mine = self.services[name]
        one = ServiceImport(mine, export, export.subject, local or export.subject, share=share)
        mine.replace_imports([*mine.imports, one])


class Pair:
    """A requester in I and a responder in E, who share the service q."""

    def __init__(self, *, answers: Answers = Answers.ONE, latency: Latency | None = None) -> None:
        self.world = World()
        self.export = self.world.export("E", b"q", answers=answers, latency=latency)
        self.world.import_("I", self.export)
        self.requester = FakePeer(self.world.account("I"), 1)
        self.requester.no_responders = True
        self.requester.subscribe(b"inbox.*", b"1")
        self.responder = FakePeer(self.world.account("E"), 2)
        self.responder.headers = False

    @property
    def importing(self) -> Services:
        return self.world.services["I"]

    @property
    def owed(self) -> int:
        return len(self.world.services["E"].responses)

    def ask(self, line: bytes = b"PUB q inbox.1 1\r\nq\r\n") -> bytes:
        """Ask, and return the reply that the responder sees."""
        self.requester.says(line)
        words = self.responder.got().split()
        return words[3] if words else b""
