"""CircuitPython's I2C and 1-Wire as the sensors want them.

Knows busio.I2C and onewireio.OneWire; not which pins: they are passed in. Pulses:
countio.Counter's `count`, which small boards do not have. Truth: docs.circuitpython.org, busio and
onewireio.
"""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from busio import I2C
    from onewireio import OneWire


class I2cBus:
    """A busio.I2C, locked once: the node is the only one that uses it."""

    def __init__(self, i2c: "I2C") -> None:
        if not i2c.try_lock():
            raise OSError("the I2C bus is in use")
        self._i2c = i2c

    def deinit(self) -> None:
        self._i2c.unlock()

    def write(self, address: int, data: "bytes | bytearray") -> None:
        self._i2c.writeto(address, data)

    def read_into(self, address: int, into: "bytearray | memoryview") -> None:
        self._i2c.readfrom_into(address, into)

    def write_read(self, address: int, data: bytearray, into: bytearray) -> None:
        self._i2c.writeto_then_readfrom(address, data, into)


class OneWireBus:
    """An onewireio.OneWire. A pull-up of 4.7 kOhm is needed."""

    def __init__(self, wire: "OneWire") -> None:
        self._wire = wire

    def reset(self) -> bool:
        return not self._wire.reset()  # False says that somebody is there

    def read_bit(self) -> int:
        return 1 if self._wire.read_bit() else 0

    def write_bit(self, bit: int) -> None:
        self._wire.write_bit(bit != 0)
