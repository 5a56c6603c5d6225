"""MicroPython's I2C, 1-Wire and pulse pins as the sensors want them.

Knows machine and onewire; not which pins: they are passed in. Truth: docs.micropython.org,
machine.I2C, machine.Pin; micropython-lib's onewire.
"""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


class I2cBus:
    """A machine.I2C or machine.SoftI2C."""

    def __init__(self, i2c: "Any") -> None:
        self._i2c = i2c

    def write(self, address: int, data: "bytes | bytearray") -> None:
        self._i2c.writeto(address, data)

    def read_into(self, address: int, into: "bytearray | memoryview") -> None:
        self._i2c.readfrom_into(address, into)

    def write_read(
        self, address: int, data: "bytes | bytearray", into: "bytearray | memoryview"
    ) -> None:
        # No stop condition between the two: nobody else gets the bus.
        self._i2c.writeto(address, data, False)
        self._i2c.readfrom_into(address, into)


class OneWireBus:
    """A onewire.OneWire; it sets up the pin and its pull-up (a resistor of 4.7 kOhm is needed)."""

    def __init__(self, wire: "Any") -> None:
        self._wire = wire

    def reset(self) -> bool:
        return bool(self._wire.reset())

    def read_bit(self) -> int:
        return 1 if self._wire.readbit() else 0

    def write_bit(self, bit: int) -> None:
        self._wire.writebit(bit)


class Pulses:
    """Counts falling edges of a machine.Pin by interrupt. `count` wraps at 2^30."""

    MODULUS = 0x40000000

    def __init__(self, pin: "Any") -> None:
        self._count = 0
        pin.irq(handler=self._edge, trigger=pin.IRQ_FALLING)

    def count(self) -> int:
        return self._count

    def _edge(self, _pin: "Any") -> None:
        self._count = (self._count + 1) & 0x3FFFFFFF
