"""Sensirion SCD40 and SCD41: CO2, temperature and relative humidity over I2C.

Knows commands, words with their CRC, and the conversion; not the bus. The sensor measures every 5 s
by itself; between two measurements there is nothing new. Truth: Sensirion SCD4x datasheet 1.4,
sections 3.4 to 3.6.
"""

from .crc8 import sensirion

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Protocol

    class I2cBus(Protocol):
        """An I2C bus. Both raise OSError when the device does not answer."""

        def write(self, address: int, data: bytes) -> None: ...
        def read_into(self, address: int, into: memoryview) -> None: ...


ADDRESS = 0x62
_START = b"\x21\xb1"
_DATA_READY = b"\xe4\xb8"
_READ = b"\xec\x05"
_EXECUTION_MS = 1  # of the two commands that are answered
# It measures every 5 s: after so many reads without a measurement it may have lost power.
_EMPTY_READS_MAX = 30


class Scd4x:
    """One sensor. `co2` asks it; `temperature` and `humidity` tell of the same measurement."""

    def __init__(
        self, bus: "I2cBus", wait_ms: "Callable[[int], None]", address: int = ADDRESS
    ) -> None:
        self._bus = bus
        self._wait_ms = wait_ms
        self._address = address
        self._answer = bytearray(9)
        self._started = False
        self._empty_reads = 0
        self._valid = False
        self._raw_temperature = 0
        self._raw_humidity = 0

    def sensors(self, prefix: str = "") -> "list[tuple[str, Callable[[], int | float | None]]]":
        """Return what a node reads, in the order in which it must."""
        return [
            (prefix + "co2", self.co2),
            (prefix + "temperature", self.temperature),
            (prefix + "humidity", self.humidity),
        ]

    def co2(self) -> "int | None":
        """Return parts per million, or None when no new measurement is there."""
        self._valid = False
        if not self._started or self._empty_reads >= _EMPTY_READS_MAX:
            self._start()
        if self._ask(_DATA_READY, 1)[0] & 0x07FF == 0:
            self._empty_reads += 1
            return None
        self._empty_reads = 0
        words = self._ask(_READ, 3)
        self._valid = True
        self._raw_temperature = words[1]
        self._raw_humidity = words[2]
        return words[0]

    def temperature(self) -> "float | None":
        """Return degrees Celsius of the measurement that `co2` told of."""
        return round(celsius(self._raw_temperature), 2) if self._valid else None

    def humidity(self) -> "float | None":
        """Return percent of the measurement that `co2` told of."""
        return round(percent(self._raw_humidity), 1) if self._valid else None

    def _start(self) -> None:
        self._empty_reads = 0
        try:
            self._bus.write(self._address, _START)
        except OSError:
            # It measures already, because only the board was reset, and refuses to start again.
            # Whether it is there at all, the next command tells.
            pass
        self._started = True

    def _ask(self, command: bytes, count: int) -> "list[int]":
        """Return `count` words. Raises OSError on a wrong CRC."""
        self._bus.write(self._address, command)
        self._wait_ms(_EXECUTION_MS)
        answer = memoryview(self._answer)[: 3 * count]
        self._bus.read_into(self._address, answer)
        return words(answer)


def words(data: "bytes | memoryview") -> "list[int]":
    """Return the words of an answer: two bytes and their CRC each. Raises OSError."""
    found = []
    for at in range(0, len(data), 3):
        if sensirion(data, at, at + 2) != data[at + 2]:
            raise OSError("SCD4x: wrong CRC")
        found.append(data[at] << 8 | data[at + 1])
    return found


def celsius(raw: int) -> float:
    return -45 + 175 * raw / 65535


def percent(raw: int) -> float:
    return 100 * raw / 65535
