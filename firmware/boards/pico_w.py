"""Raspberry Pi Pico W (RP2040 with a radio), MicroPython: pins by GP number, sizes of the link.

The radio takes GP23, GP24, GP25 and GP29 (ADC 3), and with its driver about 30 kB of the heap. This
node does not use it. Truth: Raspberry Pi Pico W datasheet, figure 2; hw/boards/pico_w.md (wiring).
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

LINK = {"about": "pico_w 0.1.0", "window": 4, "ring_messages": 512, "ring_bytes": 16384}
