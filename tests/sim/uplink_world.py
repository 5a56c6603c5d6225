"""An edge with one stream that an uplink sends to a hub, and time that passes when told to."""

from __future__ import annotations

import random
from datetime import UTC
from typing import TYPE_CHECKING, Any

from leafnode.clock import NS_PER_S
from leafnode.config.options import UplinkBudget, UplinkOptions, UplinkStream
from leafnode.routing.account import Account
from leafnode.routing.peer import Outbox
from leafnode.uplink.ceiling import Ceiling
from leafnode.uplink.gate import Gate
from leafnode.uplink.shared import Shared
from leafnode.uplink.stream import StreamUplink
from leafnode.uplink.uplink import Edge, Uplink
from tests.sim.clock import FakeClock
from tests.sim.hub import DUPLICATE_WINDOW_NS, FakeHub
from tests.sim.local_jetstream import LocalJetStream, SideStream

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
        dead_letter: str = "",
    ) -> None:
        self.dead_letter = dead_letter
        self.no_room = ""  # which bound on all streams refuses what comes
        self.server_name = "edge"
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
        gate = Gate(
            UplinkBudget(), window_bytes=self.options.window_bytes, zone=UTC, clock=self.clock
        )
        gate.ledger_read(gate.today[:7])
        rng = random.Random(self._runs)
        shared = Shared(
            name="",
            account=self.account,
            server_name=self.server_name,
            clock=self.clock,
            random=rng,
            link=self.hub,
            gate=gate,
            answered=set(),
            ceiling=Ceiling(),
            names=lambda _stream: {""},
            no_room=lambda _stream: self.no_room,
            after=lambda _stream, seq: self.local.after(seq),
            dead_letter=self.dead_letter,
        )
        return StreamUplink(self.options, shared)

    def start(self) -> None:
        self.uplink.start()
        self.clock.advance(NS_PER_S)

    def restart(self, *, dies: bool = False) -> None:
        """The process is stopped in order, or dies without a last word, and comes back."""
        denied, self.local.denies_streams = self.local.denies_streams, dies
        self.uplink.stop()
        self.local.denies_streams = denied
        self.local.forget_pulls()
        self.uplink = self._new()
        self.uplink.start()

    def store(self, *payloads: bytes, subject: bytes = b"ev.a") -> None:
        for payload in payloads:
            self.local.store(payload, subject)

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


class Site:
    """An edge with several streams in one uplink."""

    def __init__(self, *streams: UplinkStream, **options: Any) -> None:
        self.clock = FakeClock()
        outbox = Outbox(lambda: None)
        outbox.wake = lambda: self._soon(outbox)
        self.account = Account("$G", outbox)
        self.local = {
            one.stream: LocalJetStream(
                self.account,
                self.clock,
                name=one.stream,
                subjects=(f"{one.stream.lower()}.>",),
                siblings=tuple(two.stream for two in streams[1:]) if number == 0 else None,
            )
            for number, one in enumerate(streams)
        }
        self.hub = FakeHub(self.account, self.clock)
        self.options = UplinkOptions(streams=streams, **options)
        self.others: set[str] = set()  # names of uplinks beside this one that have its streams
        self.uplink = self._new()

    def _names(self, _stream: str) -> set[str]:
        return {self.options.name, *self.others}

    def _new(self) -> Uplink:
        return Uplink(
            self.options,
            edge=Edge(
                self.account,
                "edge",
                self._names,
                after=lambda stream, seq: self.local[stream].after(seq),
            ),
            zone=UTC,
            clock=self.clock,
            random=random.Random(1),
            link=self.hub,
        )

    def _soon(self, outbox: Outbox) -> None:
        self.clock.call_later(0, outbox.flush)

    def start(self) -> None:
        self.uplink.start()
        self.clock.advance(NS_PER_S)

    def restart(self, *, dies: bool = False) -> None:
        """The process is stopped in order, or dies without a last word, and comes back."""
        self.side_denied(denied=dies)
        self.uplink.stop()
        self.side_denied(denied=False)
        for local in self.local.values():
            local.forget_pulls()
        self.uplink = self._new()
        self.start()

    def store(self, stream: str, *payloads: bytes, subject: bytes = b"") -> None:
        for payload in payloads:
            self.local[stream].store(payload, subject or f"{stream.lower()}.a".encode())

    def link_down(self) -> None:
        self.hub.down()
        self.uplink.link_changed()

    def link_up(self) -> None:
        self.hub.up()
        self.uplink.link_changed()

    @property
    def side(self) -> dict[str, SideStream]:
        """Streams that were made through the API."""
        return next(iter(self.local.values())).side

    def side_denied(self, *, denied: bool = True) -> None:
        """Let no stream be made, and nothing be stored in those."""
        next(iter(self.local.values())).denies_streams = denied

    def status(self, stream: str) -> UplinkStatus:
        return next(one for one in self.uplink.status() if one.stream == stream)


def numbers(first: int, last: int) -> list[bytes]:
    return [b"%d" % number for number in range(first, last + 1)]
