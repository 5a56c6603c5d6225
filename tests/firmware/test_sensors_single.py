"""The BME280's compensation in single precision, which is what most boards calculate in.

CPython has doubles only: a number here rounds each result to 32 bits, as a board without a double
unit does. CircuitPython and MicroPython's object model A keep 30 of them, so a second one does.
"""

import struct

import pytest
from sensors import bme280

from tests.firmware.test_sensors_i2c import H, P, T


class Single:
    """A float whose every result is rounded to `bits` bits, 32 or 30."""

    bits = 32

    def __init__(self, value):
        (word,) = struct.unpack("<I", struct.pack("<f", float(value)))
        word &= 0xFFFFFFFF << (32 - self.bits)
        (self.value,) = struct.unpack("<f", struct.pack("<I", word & 0xFFFFFFFF))

    def __float__(self):
        return self.value

    def _of(self, value):
        return type(self)(float(type(self)(float(value))))

    def __add__(self, other):
        return self._of(self.value + float(self._of(other)))

    def __sub__(self, other):
        return self._of(self.value - float(self._of(other)))

    def __rsub__(self, other):
        return self._of(float(self._of(other)) - self.value)

    def __mul__(self, other):
        return self._of(self.value * float(self._of(other)))

    def __truediv__(self, other):
        return self._of(self.value / float(self._of(other)))

    def __rtruediv__(self, other):
        return self._of(float(self._of(other)) / self.value)

    def __eq__(self, other):
        return self.value == float(other)

    def __lt__(self, other):
        return self.value < float(other)

    def __gt__(self, other):
        return self.value > float(other)

    __hash__ = None
    __radd__ = __add__
    __rmul__ = __mul__


class Boxed(Single):
    """What is left of a float in an object of 30 bits."""

    bits = 30


def calibration(kind, numbers):
    return tuple(kind(number) for number in numbers)


@pytest.mark.parametrize(("kind", "pascal"), [(Single, 0.1), (Boxed, 0.5)])
def test_the_error_of_small_floats_is_small(kind, pascal):
    worst = 0.0
    for raw_t in range(400_000, 620_000, 20_011):
        for raw_p in range(300_000, 550_000, 10_007):
            fine = bme280.fine_temperature(raw_t, T)
            exact = bme280.pressure_pa(raw_p, P, fine)
            small_fine = bme280.fine_temperature(kind(raw_t), calibration(kind, T))
            small = bme280.pressure_pa(kind(raw_p), calibration(kind, P), small_fine)
            assert abs(float(small_fine) - fine) / 5120 < 0.005
            worst = max(worst, abs(float(small) - exact))

    assert 0 < worst < pascal


@pytest.mark.parametrize("kind", [Single, Boxed])
def test_the_error_of_humidity_is_below_its_resolution(kind):
    for raw_h in range(0x5000, 0x8000, 0x0123):
        fine = 25 * 5120.0
        exact = bme280.humidity_percent(raw_h, H, fine)
        small = bme280.humidity_percent(kind(raw_h), calibration(kind, H), kind(fine))

        assert abs(float(small) - exact) < 0.01
