"""Which requests read the registers of a group: neighbours in one.

Knows tables, addresses and the largest request; not what registers mean. Truth:
docs/serial/modbus.md, "Requests".
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Sequence

    from leafnode.config.modbus_options import Register, Slave

BIT_TABLES: Final = frozenset({"coil", "discrete"})
BITS_MAX: Final = 2000  # of one request, as the protocol has it


class Block(NamedTuple):
    """One request: registers of one table that follow each other, and which of them are wanted."""

    table: str
    address: int
    size: int
    registers: tuple[Register, ...]

    def part(self, values: Sequence[int], register: Register) -> Sequence[int]:
        """Return what of the block's values is this register's."""
        at = register.address - self.address
        return values[at : at + register.size]

    def __str__(self) -> str:
        last = f" to {self.address + self.size - 1}" if self.size > 1 else ""
        return f"{self.table} {self.address}{last}"


def blocks(registers: Sequence[Register], slave: Slave) -> tuple[Block, ...]:
    """Return the requests for these registers, in the order of their addresses."""
    made: list[Block] = []
    for register in sorted(registers, key=lambda one: (one.table, one.address)):
        joined = _joined(made[-1], register, slave) if made else None
        if joined is None:
            made.append(Block(register.table, register.address, register.size, (register,)))
        else:
            made[-1] = joined
    return tuple(made)


def _joined(block: Block, register: Register, slave: Slave) -> Block | None:
    """Return the block with another register in it; None where that would not be one request."""
    end = block.address + block.size
    size = max(end, register.address + register.size) - block.address
    most = BITS_MAX if block.table in BIT_TABLES else slave.max_read
    if register.table != block.table or register.address > end + slave.coalesce or size > most:
        return None
    return Block(block.table, block.address, size, (*block.registers, register))
