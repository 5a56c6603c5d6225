"""Bosch BME280: temperature, pressure and relative humidity over I2C.

Knows registers and the compensation; not the bus. The sensor measures by itself twice a second, so
a read never waits. The compensation is the datasheet's floating-point one: the integer one needs 64
bits, which a small board does not have. In floats of 32 bits it is off by less than 0.1 Pa, in
CircuitPython's of 30 bits by less than 0.5 Pa (tests/firmware/test_sensors_single.py); the sensor's
own noise is 1.3 Pa. Truth: Bosch BST-BME280-DS002, sections 4.2, 5.4 and 8.1.
"""

import struct

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Protocol

    class I2cBus(Protocol):
        """An I2C bus. Both raise OSError when the device does not answer."""

        def write(self, address: int, data: bytes) -> None: ...
        def write_read(self, address: int, data: bytearray, into: bytearray) -> None: ...


ADDRESS = 0x76  # SDO to ground; 0x77 with SDO high
_CHIP_ID = 0x60
_REG_ID = 0xD0
_REG_CALIBRATION = 0x88  # T1 to P9, one byte that means nothing, H1
_REG_HUMIDITY = 0xE1  # H2 to H6
_REG_STATUS = 0xF3  # then ctrl_meas, config, one byte, and the 8 bytes of data
_STATUS_COPYING = 0x01  # calibration is being copied after a reset

_CTRL_HUM = 0x01  # humidity once
_CTRL_MEAS = 0x27  # temperature once, pressure once, normal mode
_CONFIG = 0x80  # 500 ms between measurements, no filter

_T_NONE = 0x80000  # a register's value before its first measurement
_H_NONE = 0x8000


class Bme280:
    """One sensor. `temperature` measures; `pressure` and `humidity` tell of that measurement."""

    def __init__(self, bus: "I2cBus", address: int = ADDRESS) -> None:
        self._bus = bus
        self._address = address
        self._register = bytearray(1)
        self._data = bytearray(12)
        self._t = (0, 0, 0)
        self._p: "tuple[int, ...]" = ()
        self._h: "tuple[int, ...]" = ()
        self._fine = 0.0  # the datasheet's t_fine: temperature for the other two
        self._ready = False  # calibrated and measuring
        self._valid = False  # _data holds a measurement

    def sensors(self, prefix: str = "") -> "list[tuple[str, Callable[[], int | float | None]]]":
        """Return what a node reads, in the order in which it must."""
        return [
            (prefix + "temperature", self.temperature),
            (prefix + "pressure", self.pressure),
            (prefix + "humidity", self.humidity),
        ]

    def temperature(self) -> "float | None":
        """Measure; return degrees Celsius, or None before the sensor's first measurement."""
        self._valid = False
        if not self._ready:
            self._start()
        self._read(_REG_STATUS, self._data)
        if self._data[1] != _CTRL_MEAS:
            self._ready = False  # it lost power meanwhile, and everything that was set
            return None
        raw = self._raw(7)
        if raw == _T_NONE:
            return None
        self._valid = True
        self._fine = fine_temperature(raw, self._t)
        return round(self._fine / 5120, 2)

    def pressure(self) -> "float | None":
        """Return hectopascal of the last measurement, None without one."""
        raw = self._raw(4)
        if not self._valid or raw == _T_NONE:
            return None
        return round(pressure_pa(raw, self._p, self._fine) / 100, 2)

    def humidity(self) -> "float | None":
        """Return percent of the last measurement, None without one."""
        raw = self._data[10] << 8 | self._data[11]
        if not self._valid or raw == _H_NONE:
            return None
        return round(humidity_percent(raw, self._h, self._fine), 1)

    def _start(self) -> None:
        """Read the calibration and let it measure. Raises OSError."""
        one = bytearray(1)
        self._read(_REG_ID, one)
        if one[0] != _CHIP_ID:
            raise OSError("no BME280: chip id {}".format(hex(one[0])))
        self._read(_REG_STATUS, one)
        if one[0] & _STATUS_COPYING:
            raise OSError("BME280 is starting")
        first = bytearray(26)
        self._read(_REG_CALIBRATION, first)
        second = bytearray(7)
        self._read(_REG_HUMIDITY, second)
        self._t, self._p, self._h = calibration(first, second)
        # ctrl_hum takes effect with the next write of ctrl_meas.
        for register, value in ((0xF5, _CONFIG), (0xF2, _CTRL_HUM), (0xF4, _CTRL_MEAS)):
            self._bus.write(self._address, bytes((register, value)))
        self._ready = True

    def _read(self, register: int, into: bytearray) -> None:
        self._register[0] = register
        try:
            self._bus.write_read(self._address, self._register, into)
        except OSError:
            self._ready = False  # whoever comes back may be another sensor
            raise

    def _raw(self, at: int) -> int:
        data = self._data
        return data[at] << 12 | data[at + 1] << 4 | data[at + 2] >> 4


def calibration(
    first: "bytes | bytearray", second: "bytes | bytearray"
) -> "tuple[tuple[int, int, int], tuple[int, ...], tuple[int, ...]]":
    """Return (T1..T3, P1..P9, H1..H6) of the registers from 0x88 and from 0xE1."""
    words = struct.unpack_from("<HhhHhhhhhhhh", first, 0)
    h2, h3, e4, e5, e6, h6 = struct.unpack_from("<hBbBbb", second, 0)
    # H4 and H5 have 12 bits and share the byte E5; their upper bytes carry the sign.
    humidity = (first[25], h2, h3, e4 * 16 + (e5 & 0x0F), e6 * 16 + (e5 >> 4), h6)
    return (words[0], words[1], words[2]), words[3:], humidity


def fine_temperature(raw: int, t: "tuple[int, int, int]") -> float:
    """Return the temperature in 1/5120 degrees Celsius."""
    near = (raw / 16384 - t[0] / 1024) * t[1]
    far = raw / 131072 - t[0] / 8192
    return near + far * far * t[2]


def pressure_pa(raw: int, p: "tuple[int, ...]", fine: float) -> float:
    """Return pascal; 0.0 where the calibration would divide by zero."""
    p1, p2, p3, p4, p5, p6, p7, p8, p9 = p
    x = fine / 2 - 64000
    y = x * x * p6 / 32768 + x * p5 * 2
    y = y / 4 + p4 * 65536
    x = (p3 * x * x / 524288 + p2 * x) / 524288
    x = (1 + x / 32768) * p1
    if x == 0:
        return 0.0
    pressure = (1048576 - raw - y / 4096) * 6250 / x
    x = p9 * pressure * pressure / 2147483648.0
    y = pressure * p8 / 32768
    return pressure + (x + y + p7) / 16


def humidity_percent(raw: int, h: "tuple[int, ...]", fine: float) -> float:
    """Return percent, 0 to 100."""
    h1, h2, h3, h4, h5, h6 = h
    x = fine - 76800
    x = (raw - (h4 * 64 + h5 / 16384 * x)) * (
        h2 / 65536 * (1 + h6 / 67108864 * x * (1 + h3 / 67108864 * x))
    )
    x = x * (1 - h1 * x / 524288)
    return min(max(x, 0.0), 100.0)
