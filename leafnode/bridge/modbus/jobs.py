"""What a bus is asked: one or more requests to one slave, and what becomes of their answers.

Knows requests and values; not when they are sent. Truth: docs/serial/modbus.md, "Requests".
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from leafnode.bridge.modbus.values import fields_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from leafnode.bridge.modbus.plan import Block
    from leafnode.bridge.modbus.schedule import GroupState, SlaveState
    from leafnode.bridge.modbus.wire import Request, Wire


class Job:
    """Requests to one slave, one after the other. `attempts`: at the request that is next.

    `group` is what is polled, None for what somebody asked for; that has a `number`.
    """

    def __init__(
        self,
        slave: SlaveState,
        requests: Sequence[tuple[Request, str]],
        *,
        group: GroupState | None = None,
        number: int = 0,
        retries: int = 0,
    ) -> None:
        self.slave = slave
        self.group = group
        self.number = number
        self.retries = retries
        self.attempts = 0
        self.unanswered = 0  # attempts to which an answer may still come
        self.not_before_ms = 0
        self.values: list[list[int]] = []
        self._requests = requests

    @property
    def request(self) -> Request:
        return self._requests[len(self.values)][0]

    @property
    def what(self) -> str:
        """Return what the next request is about, for people."""
        return self._requests[len(self.values)][1]

    @property
    def is_done(self) -> bool:
        return len(self.values) == len(self._requests)


def reading_job(
    wire: Wire,
    slave: SlaveState,
    blocks: Sequence[Block],
    *,
    group: GroupState | None = None,
    number: int = 0,
    retries: int = 0,
) -> Job:
    """Return the job that reads these blocks."""
    address = slave.slave.address
    requests = [
        (wire.read(address, block.table, block.address, block.size), str(block)) for block in blocks
    ]
    return Job(slave, requests, group=group, number=number, retries=retries)


def fields_of_blocks(blocks: Sequence[Block], values: Sequence[Sequence[int]]) -> dict[str, object]:
    """Return the fields of all registers, in the order of their addresses."""
    fields: dict[str, object] = {}
    for block, read in zip(blocks, values, strict=True):
        for register in block.registers:
            fields |= fields_of(register, block.part(read, register))
    return fields
