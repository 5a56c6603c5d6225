"""What `modbus { … }` of a serial port says, as frozen dataclasses.

Knows names, types and defaults; not what an option does. Truth: docs/serial/modbus.md.
"""

from __future__ import annotations

from dataclasses import dataclass

from leafnode.clock import NS_PER_MS, NS_PER_S


@dataclass(frozen=True, slots=True)
class Register:
    """A value in a slave's tables: where it stands, and what its bits mean.

    `size` is in registers, or in bits where the table is coil or discrete. `absent`: the bits that
    say that there is no value. `bits` names the bits of type bits from the lowest on; an empty name
    is no field. `values`: how many of them a write has.
    """

    name: str
    table: str
    address: int
    type: str = "u16"
    size: int = 1
    big_words: bool = True
    big_bytes: bool = True
    scale: float = 1
    offset: float = 0
    digits: int | None = None
    unit: str = ""
    absent: int | None = None
    bits: tuple[str, ...] = ()

    @property
    def fields(self) -> tuple[str, ...]:
        """Return the names of the fields that it becomes."""
        return tuple(name for name in self.bits if name) if self.bits else (self.name,)


@dataclass(frozen=True, slots=True)
class Group:
    """Registers that are read together and become one reading. `every_ns` 0: only when asked."""

    name: str
    every_ns: int
    registers: tuple[Register, ...]


@dataclass(frozen=True, slots=True)
class Slave:
    """One device on the bus. `coalesce`: so many registers that nobody wants may be read between
    two that are wanted; `max_read`: the most registers of one request.
    """

    name: str
    address: int
    groups: tuple[Group, ...] = ()
    coalesce: int = 0
    max_read: int = 125


@dataclass(frozen=True, slots=True)
class ModbusOptions:
    """`modbus { … }`. `gap_ns` 0: 3.5 characters. `echo`: what we send comes back to us."""

    slaves: tuple[Slave, ...]
    timeout_ns: int = 500 * NS_PER_MS
    retries: int = 1
    gap_ns: int = 0
    backoff_ns: int = 1 * NS_PER_S
    backoff_max_ns: int = 30 * NS_PER_S
    echo: bool = False
