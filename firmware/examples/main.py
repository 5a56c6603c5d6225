"""main.py of a Raspberry Pi Pico: its own temperature over UART 0 (GP0, GP1) at 115200 baud.

ESP32: use UART(1, 115200, tx=17, rx=16, timeout=0, txbuf=512), because UART 0 carries the boot
log. To use the USB cable instead, replace UartHal by UsbHal(). Truth: firmware/README.md.
"""

import machine
from hal.micropython import UartHal
from node.node import Node

_ADC = machine.ADC(4)


def temperature() -> float:
    # RP2040 datasheet 4.9.5: 0.706 V at 27 degrees, -1.721 mV per degree.
    volts = _ADC.read_u16() * 3.3 / 65535
    return round(27 - (volts - 0.706) / 0.001721, 1)


uart = machine.UART(0, 115200, timeout=0, txbuf=512)
Node(
    UartHal(uart),
    [("temperature", temperature)],
    "pico-1",
    1000,
    ring_messages=512,
    ring_bytes=16384,
).run()
