"""machine, onewire and esp32 of MicroPython, of paper: what firmware/boards opens is written down.

Runs on CPython and MicroPython. `install()` puts them where `import machine` finds them.
"""

import sys

opened = []


class Pin:
    IN = 0
    PULL_UP = 1
    IRQ_FALLING = 2

    def __init__(self, number, mode=None, pull=None):
        self.number = number
        opened.append(("pin", number, mode, pull))

    def value(self):
        return 1

    def irq(self, handler, trigger):
        opened.append(("irq", self.number, trigger))


class UART:
    def __init__(self, number, baud, timeout, txbuf, rxbuf, tx, rx):
        self.incoming = b""
        opened.append(("uart", number, baud, tx.number, rx.number, timeout))

    def any(self):
        return len(self.incoming)

    def read(self, count):
        return None

    def write(self, data):
        return len(data)


class I2C:
    def __init__(self, number, freq, sda, scl):
        opened.append(("i2c", number, sda.number, scl.number))

    def writeto(self, address, data, stop=True):
        raise OSError(5)  # nobody is there


class ADC:
    def __init__(self, pin):
        opened.append(("adc", pin.number if isinstance(pin, Pin) else pin))

    def read_u16(self):
        return 14025  # 0.706 V: 27 degrees on an RP2040


class Esp32Adc(ADC):
    """Its input is cut off where its attenuation ends. Truth: ports/esp32/machine_adc.c."""

    ATTN_0DB = 0
    ATTN_11DB = 3
    millivolts = 600

    def __init__(self, pin, *, atten=ATTN_0DB):
        ADC.__init__(self, pin)
        self._full = 3100 if atten == Esp32Adc.ATTN_11DB else 1100

    def read_u16(self):
        return min(self.millivolts, self._full) * 65535 // self._full

    def read_uv(self):
        return min(self.millivolts, self._full) * 1000


class OneWire:
    def __init__(self, pin):
        opened.append(("onewire", pin.number))

    def reset(self):
        return False


class Module:
    pass


def install():
    """Put the modules in place; forget what was opened before."""
    while opened:
        opened.pop()
    machine = Module()
    for name in ("Pin", "UART", "I2C", "ADC"):
        setattr(machine, name, globals()[name])
    onewire = Module()
    onewire.OneWire = OneWire
    esp32 = Module()
    esp32.mcu_temperature = lambda: 41
    sys.modules["machine"] = machine
    sys.modules["onewire"] = onewire
    sys.modules["esp32"] = esp32
