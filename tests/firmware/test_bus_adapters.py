"""hal/bus_micropython and hal/bus_circuitpython on what the ports' documentation says of their
classes.

Runs on CPython and MicroPython.
"""

from hal import bus_circuitpython, bus_micropython

from tests.unit.link.wire import raises


class MicroPythonI2c:
    def __init__(self):
        self.calls = []

    def writeto(self, address, data, stop=True):
        self.calls.append(("write", address, bytes(data), stop))

    def readfrom_into(self, address, into):
        self.calls.append(("read", address, len(into)))
        into[0] = 7


class CircuitPythonI2c(MicroPythonI2c):
    def __init__(self):
        super().__init__()
        self.locked = False

    def try_lock(self):
        if self.locked:
            return False
        self.locked = True
        return True

    def unlock(self):
        self.locked = False

    def writeto_then_readfrom(self, address, data, into):
        self.calls.append(("write, read", address, bytes(data), len(into)))


def test_micropython_keeps_the_bus_between_a_register_and_its_value():
    i2c = MicroPythonI2c()
    bus = bus_micropython.I2cBus(i2c)
    into = bytearray(2)

    bus.write_read(0x76, b"\xd0", into)
    bus.write(0x76, b"\xf4\x27")

    assert i2c.calls == [
        ("write", 0x76, b"\xd0", False),
        ("read", 0x76, 2),
        ("write", 0x76, b"\xf4\x27", True),
    ]
    assert into[0] == 7


def test_circuitpython_locks_the_bus_once():
    i2c = CircuitPythonI2c()
    bus = bus_circuitpython.I2cBus(i2c)

    bus.write_read(0x76, b"\xd0", bytearray(1))
    bus.write(0x62, b"\x21\xb1")
    bus.read_into(0x62, bytearray(3))

    assert i2c.calls == [
        ("write, read", 0x76, b"\xd0", 1),
        ("write", 0x62, b"\x21\xb1", True),
        ("read", 0x62, 3),
    ]
    raises(OSError, bus_circuitpython.I2cBus, i2c)
    bus.deinit()
    assert not i2c.locked


class MicroPythonWire:
    def __init__(self, present):
        self.present = present
        self.bits = []

    def reset(self):
        return self.present

    def readbit(self):
        return 1

    def writebit(self, bit):
        self.bits.append(bit)


class CircuitPythonWire(MicroPythonWire):
    def reset(self):
        return not self.present

    def read_bit(self):
        return True

    def write_bit(self, bit):
        self.bits.append(bit)


def test_a_wire_says_whether_somebody_is_there():
    for present in (True, False):
        assert bus_micropython.OneWireBus(MicroPythonWire(present)).reset() is present
        assert bus_circuitpython.OneWireBus(CircuitPythonWire(present)).reset() is present


def test_bits_of_a_wire_are_numbers():
    wire = CircuitPythonWire(True)
    bus = bus_circuitpython.OneWireBus(wire)
    bus.write_bit(1)
    bus.write_bit(0)

    assert wire.bits == [True, False]
    assert bus.read_bit() << 3 == 8
    wire = MicroPythonWire(True)
    bus_micropython.OneWireBus(wire).write_bit(1)
    assert wire.bits == [1]
    assert bus_micropython.OneWireBus(wire).read_bit() == 1


class Pin:
    IRQ_FALLING = 2

    def irq(self, handler, trigger):
        assert trigger == Pin.IRQ_FALLING
        self.handler = handler


def test_pulses_are_counted_and_wrap():
    pin = Pin()
    pulses = bus_micropython.Pulses(pin)
    pin.handler(pin)
    pin.handler(pin)

    assert pulses.count() == 2
    pulses._count = pulses.MODULUS - 1
    pin.handler(pin)
    assert pulses.count() == 0
