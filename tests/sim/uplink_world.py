"""An edge with one stream that an uplink sends to a hub, and time that passes when told to."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

from leafnode.clock import NS_PER_S
from leafnode.config.options import UplinkStream
from leafnode.routing.account import Account
from leafnode.routing.peer import Outbox
from leafnode.uplink.stream import StreamUplink
from tests.sim.clock import FakeClock
from tests.sim.hub import DUPLICATE_WINDOW_NS, FakeHub
from tests.sim.local_jetstream import LocalJetStream

if TYPE_CHECKING:
    from leafnode.uplink.status import UplinkStatus

OPTIONS = UplinkStream(stream="EV", hub_stream="AGG", domain="hub")
OUTAGE_NS = DUPLICATE_WINDOW_NS + 60 * NS_PER_S


class World:
    """An edge with one stream, a hub behind a link, and time that passes when told to."""

    def __init__(
        self,
        options: UplinkStream = OPTIONS,
        *,
        subjects: tuple[str, ...] = ("ev.>",),
        hub_subjects: tuple[bytes, ...] = (b"edge.>",),
    ) -> None:
        self.clock = FakeClock()
        outbox = Outbox(lambda: None)
        outbox.wake = lambda: self._soon(outbox)
        self.account = Account("$G", outbox)
        self.options = options
        self.local = LocalJetStream(self.account, self.clock, subjects=subjects)
        self.hub = FakeHub(self.account, self.clock, subjects=hub_subjects)
        self._runs = 0
        self.uplink = self._new()

    def _soon(self, outbox: Outbox) -> None:
        self.clock.call_later(0, outbox.flush)

    def _new(self) -> StreamUplink:
        self._runs += 1
        return StreamUplink(
            self.options,
            account=self.account,
            server_name="edge",
            consumer="leafnode-uplink-EV",
            clock=self.clock,
            random=random.Random(self._runs),
            link=self.hub,
        )

    def start(self) -> None:
        self.uplink.start()
        self.clock.advance(NS_PER_S)

    def restart(self) -> None:
        """The process dies and comes back; the store is what it was."""
        self.uplink.stop()
        self.local.forget_pulls()
        self.uplink = self._new()
        self.uplink.start()

    def store(self, *payloads: bytes) -> None:
        for payload in payloads:
            self.local.store(payload)

    def link_down(self) -> None:
        self.hub.down()
        self.uplink.link_changed()

    def link_up(self) -> None:
        self.hub.up()
        self.uplink.link_changed()

    @property
    def status(self) -> UplinkStatus:
        return self.uplink.status()

    @property
    def pending(self) -> list[int]:
        return sorted(self.local.consumers["leafnode-uplink-EV"].pending)


def numbers(first: int, last: int) -> list[bytes]:
    return [b"%d" % number for number in range(first, last + 1)]
