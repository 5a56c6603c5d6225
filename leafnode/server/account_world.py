"""What accounts, and the services that they share, see of the server.

Knows the server's clock, its name and where measurements go; not which accounts there are.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from leafnode.nuid import hash8, nuid
from leafnode.server import latency

if TYPE_CHECKING:
    from collections.abc import Callable
    from random import Random

    from leafnode.clock import Clock, Timer
    from leafnode.protocol.client_info import ClientInfo
    from leafnode.routing.account import Account
    from leafnode.routing.latency import Measurement
    from leafnode.routing.peer import Outbox, Peer


@dataclass(frozen=True, slots=True)
class AccountSeams:
    """What accounts need of the server."""

    clock: Clock
    random: Random
    outbox: Outbox
    server_name: str
    server_id: str
    client_info: Callable[[Peer, bool], ClientInfo | None]  # the bool: with all details
    on_fault: Callable[[bytes, Exception], None] | None = None


class World:
    """What services see of the server. Implements routing.services.World."""

    def __init__(self, seams: AccountSeams) -> None:
        self._seams = seams
        self.random = seams.random
        self.server_name = seams.server_name
        self.server_hash = hash8(seams.server_id).encode()
        self.system: Account | None = None

    def monotonic_ns(self) -> int:
        return self._seams.clock.monotonic_ns()

    def wall_ns(self) -> int:
        return self._seams.clock.wall_ns()

    def call_later(self, delay_ns: int, callback: Callable[[], None]) -> Timer:
        return self._seams.clock.call_later(delay_ns, callback)

    def client_info(self, peer: Peer, *, detailed: bool) -> ClientInfo | None:
        return self._seams.client_info(peer, detailed)

    def measured(self, exporter: Account, subject: bytes, measurement: Measurement) -> None:
        event_id = nuid(self.random)
        body = latency.encode(measurement, event_id=event_id, now_wall_ns=self.wall_ns())
        if exporter.takes_news(subject):
            exporter.announce(subject, body)
