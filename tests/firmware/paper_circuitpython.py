"""board, busio and their kin of CircuitPython, of paper: what firmware/boards opens is noted.

Runs on CPython and MicroPython. `install()` puts them where `import busio` finds them.
"""

import sys

opened = []


class Module:
    def __init__(self, **names):
        for name, value in names.items():
            setattr(self, name, value)


class Port:
    """usb_cdc.data, or a busio.UART."""

    def __init__(self):
        self.write_timeout = None
        self.incoming = b""
        self.outgoing = b""

    @property
    def in_waiting(self):
        return len(self.incoming)

    def read(self, count):
        data, self.incoming = self.incoming[:count], self.incoming[count:]
        return data

    def write(self, data):
        self.outgoing += data
        return len(data)


class I2C:
    def __init__(self, scl, sda):
        opened.append(("i2c", scl, sda))

    def try_lock(self):
        return True


class OneWire:
    def __init__(self, pin):
        opened.append(("onewire", pin))

    def reset(self):
        return True  # nobody is there


class AnalogIn:
    def __init__(self, pin):
        opened.append(("analog", pin))
        self.value = 32768


class DigitalInOut:
    def __init__(self, pin):
        self.pin = pin
        self.value = False  # the contact is closed

    def switch_to_input(self, pull):
        opened.append(("digital", self.pin, pull))


class Counter:
    def __init__(self, pin, edge):
        opened.append(("counter", pin, edge))
        self.count = 7


def uart(tx, rx, baudrate, timeout, receiver_buffer_size):
    opened.append(("uart", tx, rx, baudrate, timeout, receiver_buffer_size))
    return Port()


def install(*, second_port=True, temperature=21.46):
    """Put the modules in place; forget what was opened before. Return usb_cdc."""
    while opened:
        opened.pop()
    pins = {name: "pin " + name for name in ("TX", "RX", "SDA", "SCL", "D5", "D6", "D9", "A0")}
    usb_cdc = Module(data=Port() if second_port else None)
    modules = {
        "board": Module(**pins),
        "busio": Module(I2C=I2C, UART=uart),
        "onewireio": Module(OneWire=OneWire),
        "analogio": Module(AnalogIn=AnalogIn),
        "digitalio": Module(DigitalInOut=DigitalInOut, Pull=Module(UP="up")),
        "countio": Module(Counter=Counter, Edge=Module(FALL="fall")),
        "microcontroller": Module(
            cpu=Module(temperature=temperature, uid=b"\x01\x02\x03"), nvm=bytearray(b"\xff" * 16)
        ),
        "supervisor": Module(ticks_ms=lambda: 1234),
        "usb_cdc": usb_cdc,
    }
    for name, module in modules.items():
        sys.modules[name] = module
    return usb_cdc
