"""SAMD21 (Adafruit Feather M0 Express), CircuitPython: pins by their names on the board.

32 kB of RAM, of which Python has about 20 kB: compiled modules only, and no room for the link's
(hw/measurements/firmware.csv), so a node here speaks the text dialect. Other boards with a SAMD21
have the same names where they have the pins. Truth: Adafruit Feather M0 Express pinout;
hw/boards/samd21.md (wiring).
"""

# To the gateway, when it is not the second USB serial port
LINE_TX = "TX"
LINE_RX = "RX"
# To the sensors
SDA = "SDA"
SCL = "SCL"
SENSOR_TX = "TX"  # the only UART: free when the link is on USB
SENSOR_RX = "RX"
ONE_WIRE = "D5"
ANALOG = "A0"
LOOP_OHMS = 150  # 20 mA make 3.0 V
CONTACT = "D6"
PULSE = ""  # no countio

# The text dialect is what fits: readings that are kept until they are acknowledged.
TEXT = {"keep": 16}
# The link in frames, for a build that has it frozen into flash. CRC-16: a CRC-32 in Python costs
# ten times as much.
LINK = {
    "window": 1,
    "ring_messages": 16,
    "ring_bytes": 768,
    "frame_bytes_max": 128,
    "crc16": True,
}
