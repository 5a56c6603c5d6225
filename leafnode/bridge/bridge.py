"""All serial ports of a configuration, each in a task of its own.

Knows the configuration and what its ports share. Truth: docs/serial.md.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from leafnode import limits
from leafnode.bridge.port import open_pyserial
from leafnode.bridge.runner import BridgeSeams, PortRunner
from leafnode.nuid import nuid

if TYPE_CHECKING:
    from random import Random

    from leafnode.bridge.port import OpenSerial
    from leafnode.bridge.status import PortStatus
    from leafnode.clock import Clock
    from leafnode.config.options import SerialOptions
    from leafnode.routing.account import Account


class Bridge:
    """The `serial { … }` block at work."""

    def __init__(
        self,
        options: SerialOptions,
        account: Account,
        clock: Clock,
        random: Random,
        *,
        max_payload_bytes: int = limits.MAX_PAYLOAD_BYTES,
        open_serial: OpenSerial = open_pyserial,
    ) -> None:
        seams = BridgeSeams(account, clock, open_serial, nuid(random), max_payload_bytes)
        self._runners = [
            PortRunner(port, seams, inbox=f"_INBOX.{nuid(random)}".encode())
            for port in options.ports
        ]

    async def run(self) -> None:
        """Serve all ports until cancelled. A port that fails disturbs no other."""
        async with asyncio.TaskGroup() as ports:
            for runner in self._runners:
                ports.create_task(runner.run())

    def status(self) -> list[PortStatus]:
        """Return how each port is now, in the order of the configuration."""
        return [runner.status() for runner in self._runners]
