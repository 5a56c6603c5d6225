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
    is no field.
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
class Write:
    """What a command may write: `count` values of a register, each within `least` and `most`.

    `multiple`: by function 15 or 16 also where one register or coil is written.
    """

    register: Register
    count: int = 1
    least: float | None = None
    most: float | None = None
    multiple: bool = False


@dataclass(frozen=True, slots=True)
class BusCommandOptions:
    """`commands` of a bus. `subject` has the places {port}, {device} and {name}: a group or a
    write. `timeout_ns`: how long a command may take in all.
    """

    subject: str
    timeout_ns: int = 5 * NS_PER_S


@dataclass(frozen=True, slots=True)
class Slave:
    """One device on the bus, or with address 0 all of them. `coalesce`: so many registers that
    nobody wants may be read between two that are wanted; `max_read`: the most of one request.
    """

    name: str
    address: int
    groups: tuple[Group, ...] = ()
    writes: tuple[Write, ...] = ()
    coalesce: int = 0
    max_read: int = 125


@dataclass(frozen=True, slots=True)
class ModbusOptions:
    """`modbus { … }`. `gap_ns` 0: 3.5 characters. `echo`: what we send comes back to us.
    `turnaround_ns`: what slaves get to do what all of them were told.
    """

    slaves: tuple[Slave, ...]
    timeout_ns: int = 500 * NS_PER_MS
    retries: int = 1
    gap_ns: int = 0
    backoff_ns: int = 1 * NS_PER_S
    backoff_max_ns: int = 30 * NS_PER_S
    echo: bool = False
    turnaround_ns: int = 100 * NS_PER_MS
    commands: BusCommandOptions | None = None
