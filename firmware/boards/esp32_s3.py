"""ESP32-S3 (DevKitC-1 and alike), MicroPython: pins by GPIO number, sizes of the link.

UART 0 (GPIO43, GPIO44) carries the boot log, so the link has UART 1. Left alone: GPIO0, 3, 45 and
46 (strapping), 19 and 20 (USB), 26 to 37 (flash and octal PSRAM). Truth: ESP32-S3 datasheet, table
2-1; hw/boards/esp32_s3.md (wiring).
"""

# To the gateway
LINE_UART = 1
LINE_TX = 17
LINE_RX = 18
# To the sensors
I2C = 0
SDA = 8
SCL = 9
SENSOR_UART = 2
SENSOR_TX = 15
SENSOR_RX = 16
ONE_WIRE = 4
ANALOG = 1
LOOP_OHMS = 130  # 20 mA make 2.6 V: the input ends at 3.1 V
PULSE = 5
CONTACT = 6
CPU_ADC = 0  # esp32.mcu_temperature instead

# 512 kB of RAM, of which MicroPython has 100 kB and more: 18 minutes of a reading a second.
LINK = {"about": "esp32_s3 0.1.0", "window": 8, "ring_messages": 1024, "ring_bytes": 32768}
