"""Maxim DS18B20: temperature over 1-Wire, one sensor or several on the wire.

Knows the sensor's commands and the search; not how a bit gets onto the wire. A conversion takes up
to 750 ms and is never waited for: each read returns what the one before it started, so a value is
as old as the node's interval. The wire to VDD is needed: on parasite power a conversion wants a
strong pull-up, which no pin here gives. Truth: Maxim 19-7487 (DS18B20), application note 187 (the
search).
"""

from .crc8 import maxim

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Protocol

    class OneWireBus(Protocol):
        """A 1-Wire bus, bit by bit; the time slots are its own."""

        def reset(self) -> bool:
            """Return whether a device is present."""
            ...

        def read_bit(self) -> int: ...
        def write_bit(self, bit: int) -> None: ...


FAMILY = 0x28
_SEARCH = 0xF0
_MATCH = 0x55
_SKIP = 0xCC
_CONVERT = 0x44
_READ_SCRATCHPAD = 0xBE
_DEVICES_MAX = 32  # of one search
_CONVERSION_MS = 750  # at 12 bits, the longest
_TICKS_MASK = 0x1FFFFFFF  # ticks wrap at a multiple of 2^29


class Ds18b20:
    """One sensor: the one with `rom`, or the only one on the wire."""

    def __init__(self, bus: "OneWireBus", ticks_ms: "Callable[[], int]", rom: bytes = b"") -> None:
        self._bus = bus
        self._ticks_ms = ticks_ms
        self._rom = rom
        self._scratchpad = bytearray(9)
        self._started = False
        self._started_at_ms = 0

    def temperature(self) -> "float | None":
        """Return degrees Celsius of the conversion that the last call started; start the next.

        None where none was started, or has not ended. Raises OSError when nobody answers or the CRC
        is wrong.
        """
        now_ms = self._ticks_ms()
        if self._started and (now_ms - self._started_at_ms) & _TICKS_MASK < _CONVERSION_MS:
            return None
        started = self._started
        self._started = False
        value = self._read() if started else None
        self._select()
        write_byte(self._bus, _CONVERT)
        self._started = True
        self._started_at_ms = now_ms
        return value

    def _read(self) -> "float | None":
        self._select()
        write_byte(self._bus, _READ_SCRATCHPAD)
        read_bytes(self._bus, self._scratchpad)
        return celsius(self._scratchpad)

    def _select(self) -> None:
        if not self._bus.reset():
            raise OSError("nobody on the 1-Wire bus")
        if not self._rom:
            write_byte(self._bus, _SKIP)
            return
        write_byte(self._bus, _MATCH)
        for byte in self._rom:
            write_byte(self._bus, byte)


def celsius(scratchpad: "bytes | bytearray") -> "float | None":
    """Return what a scratchpad says; None of one that has not converted since its power came.

    Raises OSError on a wrong CRC, and on nine zeros: a short circuit, whose CRC is right.
    """
    if maxim(scratchpad, 8) != scratchpad[8] or scratchpad[5] == 0:
        raise OSError("DS18B20: wrong CRC")
    raw = scratchpad[1] << 8 | scratchpad[0]
    if raw == 0x0550 and scratchpad[6] == 0x0C:
        # Power-up: 85 degrees with 0x0C in byte 6; 85 degrees that were measured have 0x10 there.
        return None
    if raw & 0x8000:
        raw -= 0x10000
    return raw / 16


def search(bus: "OneWireBus") -> "list[bytes]":
    """Return the ROM of each device on the wire, in the order of the search; at most 32.

    Raises OSError on a wrong CRC. An empty wire has none.
    """
    found: "list[bytes]" = []
    rom = bytearray(8)
    last = -1  # the highest bit at which the last round took 0 although devices with 1 were there
    while len(found) < _DEVICES_MAX:
        if not bus.reset():
            return found
        write_byte(bus, _SEARCH)
        last = _search_round(bus, rom, last)
        if maxim(rom, 7) != rom[7] or not any(rom):
            raise OSError("1-Wire search: wrong CRC")
        found.append(bytes(rom))
        if last < 0:
            return found
    return found


def _search_round(bus: "OneWireBus", rom: bytearray, last: int) -> int:
    """Find the next ROM; return the new `last`, -1 after the last device."""
    undecided = -1
    for at in range(64):
        bit = bus.read_bit()
        complement = bus.read_bit()
        if bit and complement:
            raise OSError("1-Wire search: a device went away")
        mask = 1 << (at & 7)
        if not bit and not complement:  # devices with 0 and with 1
            if at == last:
                bit = 1
            elif at < last:
                bit = 1 if rom[at >> 3] & mask else 0
            if not bit:
                undecided = at
        if bit:
            rom[at >> 3] |= mask
        else:
            rom[at >> 3] &= ~mask & 0xFF
        bus.write_bit(bit)
    return undecided


def write_byte(bus: "OneWireBus", byte: int) -> None:
    """Write 8 bits, the lowest first."""
    for at in range(8):
        bus.write_bit(byte >> at & 1)


def read_bytes(bus: "OneWireBus", into: bytearray) -> None:
    """Fill `into`, the lowest bit of each byte first."""
    for index in range(len(into)):
        byte = 0
        for at in range(8):
            byte |= bus.read_bit() << at
        into[index] = byte
