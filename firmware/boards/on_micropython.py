"""Opens a board's pins under MicroPython.

Knows machine; the pins come from the board's module. Each function imports what it needs, so that a
board loads no more. Truth: docs.micropython.org, machine.
"""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any


def line(board: "Any", kind: str) -> "Any":
    """Return the HAL of the link: on "usb", or on "uart" at 115200 baud."""
    if kind == "usb":
        from hal.micropython import UsbHal

        return UsbHal()
    if kind != "uart":
        raise ValueError("NODE_LINE: usb or uart")
    return _uart(board.LINE_UART, board.LINE_TX, board.LINE_RX, 115200)


def sensor_line(board: "Any", baud: int) -> "Any":
    """Return the serial line of a sensor."""
    return _uart(board.SENSOR_UART, board.SENSOR_TX, board.SENSOR_RX, baud)


def i2c(board: "Any") -> "Any":
    import machine
    from hal.bus_micropython import I2cBus

    pins = {"sda": machine.Pin(board.SDA), "scl": machine.Pin(board.SCL)}
    return I2cBus(machine.I2C(board.I2C, freq=100000, **pins))


def one_wire(board: "Any") -> "Any":
    import machine
    import onewire
    from hal.bus_micropython import OneWireBus

    return OneWireBus(onewire.OneWire(machine.Pin(board.ONE_WIRE)))


def analog(board: "Any") -> "Callable[[], int]":
    """Return a function that is 65535 at 3.3 V, which is where the sensors take full scale."""
    import machine

    pin = machine.Pin(board.ANALOG)
    attenuation = getattr(machine.ADC, "ATTN_11DB", None)
    if attenuation is None:
        read_u16: "Callable[[], int]" = machine.ADC(pin).read_u16
        return read_u16
    # ESP32: as it is at the start it ends at about 1.1 V, and its scale is the chip's own. What it
    # makes of that in microvolts is calibrated in the factory.
    adc = machine.ADC(pin, atten=attenuation)
    return lambda: min(65535, adc.read_uv() * 13107 // 660000)


def contact(board: "Any") -> "Callable[[], int]":
    """Return a function that is 1 while the contact to ground is closed."""
    import machine

    pin = machine.Pin(board.CONTACT, machine.Pin.IN, machine.Pin.PULL_UP)
    return lambda: 1 - pin.value()


def pulses(board: "Any") -> "tuple[Callable[[], int], int]":
    """Return the count of falling edges, and at what it wraps."""
    import machine
    from hal.bus_micropython import Pulses

    counter = Pulses(machine.Pin(board.PULSE, machine.Pin.IN, machine.Pin.PULL_UP))
    return counter.count, counter.MODULUS


def cpu(board: "Any") -> "Callable[[], float]":
    """Return the chip's own temperature in degrees Celsius: some degrees above the air."""
    if not board.CPU_ADC:
        import esp32

        read: "Callable[[], float]" = esp32.mcu_temperature
        return read
    import machine

    adc = machine.ADC(board.CPU_ADC)
    return lambda: rp2040_celsius(adc.read_u16())


def rp2040_celsius(read_u16: int) -> float:
    # RP2040 datasheet 4.9.5: 0.706 V at 27 degrees, -1.721 mV per degree.
    return round(27 - (read_u16 * 3.3 / 65535 - 0.706) / 0.001721, 1)


def ticks() -> "Callable[[], int]":
    from hal import clock

    ticks_ms: "Callable[[], int]" = clock.ticks_ms
    return ticks_ms


def wait() -> "Callable[[int], None]":
    from hal import clock

    sleep_ms: "Callable[[int], None]" = clock.sleep_ms
    return sleep_ms


def _uart(number: int, tx: int, rx: int, baud: int) -> "Any":
    import machine
    from hal.micropython import UartHal

    pins = {"tx": machine.Pin(tx), "rx": machine.Pin(rx)}
    return UartHal(machine.UART(number, baud, timeout=0, txbuf=512, rxbuf=512, **pins))
