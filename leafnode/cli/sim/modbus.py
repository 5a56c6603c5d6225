"""A Modbus RTU slave: an energy meter with a few registers that may be written.

Knows functions 3, 4, 6 and 16; not the line. A request that is damaged, or another slave's, gets no
answer. Truth: Modbus Application Protocol V1.1b3, sections 6 and 7; Modbus over Serial Line V1.02,
2.5.1; docs/serial/sim.md has the registers.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Final

from leafnode.bridge.checks.crc import crc
from leafnode.cli.sim.sensor import Walk
from leafnode.clock import NS_PER_MS
from leafnode.config.crc_catalog import CATALOG

if TYPE_CHECKING:
    from random import Random

_crc: Final = crc(CATALOG["crc16_modbus"][0])
_SILENCE_NS: Final = 20 * NS_PER_MS  # a new request; USB adapters cannot keep 3.5 characters
_REQUEST_MAX: Final = 256
_READ_MAX: Final = 125  # registers in one answer
_WRITE_MAX: Final = 123
_HOLDING: Final = 16
_READ_HOLDING, _READ_INPUT, _WRITE_ONE, _WRITE_MANY = 3, 4, 6, 16
_NO_FUNCTION, _NO_ADDRESS, _NO_VALUE = 1, 2, 3


class Modbus:
    """Implements Sensor."""

    subject = "sim.{port}.{device}.{name}"
    baud = 9600
    every_s: float | None = None

    def __init__(self, random: Random, slave: int = 1) -> None:
        self._slave = slave
        self.entry = f"""baud: 9600
  modbus {{ slaves [ {{ name: meter, address: {slave}
    groups [ {{ name: now, every: 1s, table: input, registers [
      {{ name: voltage, address: 0, scale: 0.1, unit: V }}
      {{ name: current, address: 1, scale: 0.01, unit: A }}
      {{ name: power, address: 2, type: f32, digits: 1, unit: W }}
      {{ name: energy, address: 4, type: u32, unit: Wh }}
      {{ name: frequency, address: 6, scale: 0.01, unit: Hz }}
      {{ name: temperature, address: 7, type: i16, scale: 0.1, unit: "°C" }}
  ] }} ] }} ] }}"""
        self._volts = Walk(random, 225, 236, 0.4)
        self._amperes = Walk(random, 0.2, 14, 0.5)
        self._celsius = Walk(random, -5, 40, 0.3)
        self._watt_hours = random.randrange(1000, 9_000_000)
        self._holding = [0] * _HOLDING
        self._request = b""
        self._heard_ns = 0

    def say(self, _: int) -> bytes:
        return b""

    def answer(self, data: bytes, now_ns: int) -> bytes:
        if now_ns - self._heard_ns > _SILENCE_NS:
            self._request = b""
        self._heard_ns = now_ns
        self._request = (self._request + data)[-_REQUEST_MAX:]
        out = b""
        while (size := _size_of(self._request)) <= len(self._request):
            request, rest = self._request[:size], self._request[size:]
            if _crc(request[:-2]) != int.from_bytes(request[-2:], "little"):
                self._request = b""  # until the next silence nobody knows where one begins
                break
            self._request = rest
            out += self._answered(request)
        return out

    def _answered(self, request: bytes) -> bytes:
        slave, function, body = request[0], request[1], request[2:-2]
        if slave == 0 and function in {_WRITE_ONE, _WRITE_MANY}:
            self._done(function, body)  # for all, and nobody answers
            return b""
        if slave != self._slave:
            return b""
        found = self._done(function, body)
        if isinstance(found, int):
            answer = bytes((slave, function | 0x80, found))
        else:
            answer = bytes((slave, function)) + found
        return answer + _crc(answer).to_bytes(2, "little")

    def _done(self, function: int, body: bytes) -> bytes | int:
        """Do what is asked; return the body of the answer, or the code of an exception."""
        if function in {_READ_HOLDING, _READ_INPUT}:
            first, count = struct.unpack(">HH", body)
            if not 1 <= count <= _READ_MAX:
                return _NO_VALUE
            registers = self._holding if function == _READ_HOLDING else self._measured()
            if first + count > len(registers):
                return _NO_ADDRESS
            values = registers[first : first + count]
            return bytes((2 * count,)) + struct.pack(f">{count}H", *values)
        if function == _WRITE_ONE:
            first, value = struct.unpack(">HH", body)
            return self._written(first, [value]) or body
        if function == _WRITE_MANY:
            first, count, size = struct.unpack_from(">HHB", body)
            if not 1 <= count <= _WRITE_MAX or size != 2 * count or len(body) != 5 + size:
                return _NO_VALUE
            return self._written(first, list(struct.unpack_from(f">{count}H", body, 5))) or body[:4]
        return _NO_FUNCTION

    def _written(self, first: int, values: list[int]) -> int:
        if first + len(values) > _HOLDING:
            return _NO_ADDRESS
        self._holding[first : first + len(values)] = values
        return 0

    def _measured(self) -> list[int]:
        volts, amperes = self._volts.next(), self._amperes.next()
        self._watt_hours += round(volts * amperes / 3600) + 1
        power = struct.unpack(">HH", struct.pack(">f", volts * amperes))
        return [
            round(volts * 10),
            round(amperes * 100),
            *power,
            self._watt_hours >> 16 & 0xFFFF,
            self._watt_hours & 0xFFFF,
            5000,
            round(self._celsius.next() * 10) & 0xFFFF,
        ]


def _size_of(request: bytes) -> int:
    """Return how long the request is that begins so; more than there is where it is not known."""
    if len(request) < 2:
        return 8
    if request[1] == _WRITE_MANY:
        return 9 + request[6] if len(request) > 6 else 9
    return 8
