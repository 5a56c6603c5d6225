"""Raspberry Pi Pico and Pico H (RP2040), MicroPython: pins by GP number, sizes of the link.

Truth: Raspberry Pi Pico datasheet, figure 2 (pins); hw/boards/pico.md (wiring).
"""

# To the gateway
LINE_UART = 0
LINE_TX = 0
LINE_RX = 1
# To the sensors
I2C = 0
SDA = 4
SCL = 5
SENSOR_UART = 1
SENSOR_TX = 8
SENSOR_RX = 9
ONE_WIRE = 22
ANALOG = 26
LOOP_OHMS = 150  # 20 mA make 3.0 V
PULSE = 15
CONTACT = 14
CPU_ADC = 4  # the chip's own temperature; 0: none

# 264 kB of RAM, about 190 kB of heap: nine minutes of a reading a second, and room for sensors.
LINK = {"about": "pico 0.1.0", "window": 4, "ring_messages": 512, "ring_bytes": 16384}
