"""code.py of a CircuitPython board: its own temperature over the second USB serial port.

boot.py must hold: `import usb_cdc; usb_cdc.enable(console=True, data=True)`. Truth:
firmware/README.md.
"""

import microcontroller
import supervisor
import usb_cdc
from hal.circuitpython import SerialHal
from node.node import Node


def temperature() -> float:
    return round(microcontroller.cpu.temperature, 1)


usb_cdc.data.write_timeout = 0
hal = SerialHal(usb_cdc.data, supervisor.ticks_ms)
Node(
    hal, [("temperature", temperature)], "feather-1", 1000, ring_messages=256, ring_bytes=8192
).run()
