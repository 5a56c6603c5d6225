"""Consumers that uplinks left: of a name or a stream that no uplink has any more.

Knows streams from outside, and which uplinks are configured. None is deleted: an interest stream
would let go of what it waits for, and a slip in the configuration would lose it. Truth:
docs/uplink.md, "Names and durables".
"""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING

from leafnode import limits
from leafnode.clock import NS_PER_S
from leafnode.jetstream.names import UPLINK_DURABLES
from leafnode.monitor.views import LeftDurable
from leafnode.server.in_turns import walk

if TYPE_CHECKING:
    from collections.abc import Iterator

    from leafnode.jetstream.consumer import Consumer
    from leafnode.server.server import Server

log = logging.getLogger(__name__)


class LeftDurables:
    """Looks for them some time after each change: by then each uplink has found its own."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._look: asyncio.Task[None] | None = None
        self._found: dict[tuple[str, str, str], str] = {}  # account, stream, consumer -> uplink

    def look_soon(self) -> None:
        if self._look is not None:
            self._look.cancel()
        self._look = self._server.begin(self._looked(), name="left durables")

    def rows(self) -> list[LeftDurable]:
        """Return those that are still there, with what waits in their streams for nobody."""
        rows = []
        for (account, stream, name), uplink in self._found.items():
            consumer = self._consumer(account, stream, name)
            if consumer is not None:
                info = consumer.info()
                waiting = info["num_pending"] + info["num_ack_pending"]
                holds = consumer.stream.config.retention != "limits" and waiting > 0
                rows.append(LeftDurable(account, stream, name, uplink, waiting, holds))
        return rows

    async def _looked(self) -> None:
        await asyncio.sleep(limits.UPLINK_LEFT_LOOK_NS / NS_PER_S)
        before, self._found = self._found, {}
        await walk(self._server.turn.outbox, self._steps())
        for account, stream, name in self._found.keys() - before.keys():
            log.warning(
                "No uplink has this consumer any more: account=%s stream=%s consumer=%s. What it "
                "has not acknowledged waits; delete the consumer if it is not needed",
                *(account, stream, name),
            )

    def _steps(self) -> Iterator[None]:
        jetstream = self._server.features.jetstream
        for account, one in list(jetstream.by_account.items()) if jetstream is not None else ():
            for name, stream in list(one.streams.items()):
                yield
                for consumer in list(stream.visible_consumers()):
                    if consumer.name.startswith(UPLINK_DURABLES):
                        self._judge(account, name, consumer)
                        yield

    def _judge(self, account: str, stream: str, consumer: Consumer) -> None:
        from leafnode.uplink.owner import owner_of

        owner = owner_of(consumer.name, stream, consumer.config.metadata)
        if owner is None or self._is_wanted(account, stream, owner.uplink):
            return
        if len(self._found) < limits.UPLINK_LEFT_MAX:
            self._found[account, stream, consumer.name] = owner.uplink

    def _is_wanted(self, account: str, stream: str, uplink: str) -> bool:
        return any(
            one.account == account and one.name == uplink and stream == row.stream
            for one in self._server.options.uplinks
            for row in one.streams
        )

    def _consumer(self, account: str, stream: str, name: str) -> Consumer | None:
        jetstream = self._server.features.jetstream
        one = jetstream.by_account.get(account) if jetstream is not None else None
        there = one.streams.get(stream) if one is not None else None
        return there.consumers.get(name) if there is not None else None
