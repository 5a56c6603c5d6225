"""Opens a board's pins under CircuitPython.

Knows board, busio and their kin; which pins comes from the board's module, as names. Each function
imports what it needs, so that a board loads no more. Truth: docs.circuitpython.org.
"""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any


def line(board: "Any", kind: str) -> "Any":
    """Return the HAL of the link: on "usb" (the second serial port), or on "uart" at 115200."""
    from hal.circuitpython import SerialHal

    if kind == "usb":
        import usb_cdc

        if usb_cdc.data is None:
            raise OSError("no second USB serial port: boot.py must enable it")
        usb_cdc.data.write_timeout = 0
        return SerialHal(usb_cdc.data, ticks(), boot_id)
    if kind != "uart":
        raise ValueError("NODE_LINE: usb or uart")
    return SerialHal(_uart(board.LINE_TX, board.LINE_RX, 115200), ticks(), boot_id)


def boot_id() -> int:
    """Return a random boot id, or a counted one where the board has no random numbers."""
    from hal.boot_id import random_boot_id

    number: int
    try:
        number = random_boot_id()
    except NotImplementedError:
        from hal.boot_counter import counted_boot_id

        number = counted_boot_id(_nvm(), _seed())
    return number


def sensor_line(board: "Any", baud: int) -> "Any":
    """Return the serial line of a sensor."""
    from hal.circuitpython import SerialHal

    return SerialHal(_uart(board.SENSOR_TX, board.SENSOR_RX, baud), ticks())


def i2c(board: "Any") -> "Any":
    import busio
    from hal.bus_circuitpython import I2cBus

    return I2cBus(busio.I2C(_pin(board.SCL), _pin(board.SDA)))


def one_wire(board: "Any") -> "Any":
    import onewireio
    from hal.bus_circuitpython import OneWireBus

    return OneWireBus(onewireio.OneWire(_pin(board.ONE_WIRE)))


def analog(board: "Any") -> "Callable[[], int]":
    import analogio

    pin = analogio.AnalogIn(_pin(board.ANALOG))
    return lambda: pin.value


def contact(board: "Any") -> "Callable[[], int]":
    """Return a function that is 1 while the contact to ground is closed."""
    import digitalio

    pin = digitalio.DigitalInOut(_pin(board.CONTACT))
    pin.switch_to_input(digitalio.Pull.UP)
    return lambda: 0 if pin.value else 1


def pulses(board: "Any") -> "tuple[Callable[[], int], int]":
    """Return the count of falling edges, and at what it wraps."""
    if not board.PULSE:
        raise OSError("this board counts no pulses")
    import countio

    counter = countio.Counter(_pin(board.PULSE), edge=countio.Edge.FALL)
    return lambda: counter.count, 0


def cpu(_board: "Any") -> "Callable[[], float | None]":
    """Return the chip's own temperature in degrees Celsius: some degrees above the air."""
    import microcontroller

    def temperature() -> "float | None":
        value = microcontroller.cpu.temperature
        return None if value is None else round(value, 1)

    return temperature


def ticks() -> "Callable[[], int]":
    import supervisor

    return supervisor.ticks_ms


def wait() -> "Callable[[int], None]":
    import time

    return lambda ms: time.sleep(ms / 1000)


def _pin(name: str) -> "Any":
    import board

    return getattr(board, name)


def _uart(tx: str, rx: str, baud: int) -> "Any":
    import busio

    return busio.UART(_pin(tx), _pin(rx), baudrate=baud, timeout=0, receiver_buffer_size=256)


def _nvm() -> "Any":
    import microcontroller

    return microcontroller.nvm


def _seed() -> bytes:
    """Return what differs between boards, and a little of what differs between moments."""
    import microcontroller
    import supervisor

    moment = (supervisor.ticks_ms(), int((microcontroller.cpu.temperature or 0) * 1000))
    return bytes(microcontroller.cpu.uid) + bytes([number & 0xFF for number in moment])
