"""One uplink: its streams, its gate and its ledger.

Knows which streams are configured; how one goes is in stream.py. Truth: docs/uplink.md.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, NamedTuple

from leafnode.uplink.ceiling import VIOLATION, Ceiling
from leafnode.uplink.gate import Gate
from leafnode.uplink.ledger_store import LedgerStore
from leafnode.uplink.mailbox import Mailbox
from leafnode.uplink.shared import Shared
from leafnode.uplink.status import BudgetStatus, LedgerLine
from leafnode.uplink.stream import StreamUplink

if TYPE_CHECKING:
    from collections.abc import Callable, Set
    from datetime import tzinfo
    from random import Random

    from leafnode.clock import Clock
    from leafnode.config.options import UplinkOptions
    from leafnode.routing.account import Account
    from leafnode.uplink.link import Link
    from leafnode.uplink.status import UplinkStatus

log = logging.getLogger(__name__)


class Edge(NamedTuple):
    """Where an uplink begins. `names`: which uplinks have a stream, by the configuration of now.
    `no_room`: which bound beside its own refuses what comes for a stream; empty: none. `after`:
    how many messages one holds now behind a sequence.
    """

    account: Account
    server_name: str
    names: Callable[[str], Set[str]]
    no_room: Callable[[str], str] = lambda _stream: ""
    after: Callable[[str, int], int] = lambda _stream, _seq: 0


class Uplink:
    """Start it after JetStream, stop it before; call `link_changed` whenever the leaf link did."""

    def __init__(
        self,
        options: UplinkOptions,
        *,
        edge: Edge,
        zone: tzinfo,
        clock: Clock,
        random: Random,
        link: Link,
    ) -> None:
        self.options = options
        self._link = link
        self._clock = clock
        window_bytes = max(stream.window_bytes for stream in options.streams)
        self.gate = Gate(options.budget, window_bytes=window_bytes, zone=zone, clock=clock)
        self._mailbox = Mailbox(edge.account, clock, random)
        self._store = LedgerStore(self.gate, options.name or "main", self._mailbox, clock)
        self._ceiling = Ceiling()
        shared = Shared(
            name=options.name,
            account=edge.account,
            server_name=edge.server_name,
            clock=clock,
            random=random,
            link=link,
            gate=self.gate,
            answered=set(),
            ceiling=self._ceiling,
            names=edge.names,
            no_room=edge.no_room,
            after=edge.after,
            remote=options.remote,
            dead_letter=options.dead_letter,
        )
        self._streams = [StreamUplink(stream, shared) for stream in options.streams]

    def start(self) -> None:
        self._store.start()
        for stream in self._streams:
            stream.start()

    def stop(self) -> None:
        for stream in reversed(self._streams):
            stream.stop()
        self._store.stop()
        self.gate.close()
        self._mailbox.close()

    def link_changed(self, refused: str = "", carried_bytes: int = 0) -> None:
        """Tell every stream that the link to the hub came or went.

        `refused`: the hub's words as it closed it; `carried_bytes`: of payloads, to the hub.
        """
        if refused.startswith(VIOLATION):
            self._too_large(carried_bytes)
        if self._link.is_connected():
            self._ceiling.linked()
        self.gate.link_changed()
        for stream in self._streams:
            stream.link_changed()

    def _too_large(self, carried_bytes: int) -> None:
        suspects = filter(None, (stream.suspect() for stream in self._streams))
        bound = self._ceiling.violated(suspects, self._clock.monotonic_ns(), carried_bytes)
        if bound and self._ceiling.is_proven:
            log.warning("The hub's account takes no message of more than %d bytes", bound)
        elif bound:
            what = "The hub closed the link for a message of %d bytes, or for live traffic"
            log.warning(what, bound + 1)

    def status(self) -> list[UplinkStatus]:
        """How each stream is, in the order of the configuration."""
        return [stream.status() for stream in self._streams]

    def budget(self) -> BudgetStatus:
        """What was spent of what may be spent."""
        gate, budget = self.gate, self.options.budget
        today = gate.today
        return BudgetStatus(
            name=self.options.name,
            account=self.options.account,
            remote=self.options.remote,
            connected=self._link.is_connected(),
            day=today,
            bytes_today=gate.ledger.bytes_of(today),
            bytes_month=gate.ledger.bytes_of(today[:7]),
            monthly_cap=budget.monthly_cap_bytes,
            window_bytes=gate.window_bytes,
            ledger_problem=self._store.problem,
            today=[
                LedgerLine(subject, line.messages, line.sent, line.received)
                for subject, line in sorted(gate.ledger.page(today).items())
            ],
        )
