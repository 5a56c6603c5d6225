"""Voltages: any analog input as a number with a unit, and the 4 to 20 mA loop.

Knows a function that returns 0 to 65535 (machine.ADC.read_u16, or `lambda: pin.value` of an
analogio.AnalogIn); not the pin. Truth: docs.micropython.org, machine.ADC; NAMUR NE 43.
"""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

_FULL = 65535
# NE 43: 3.8 to 20.5 mA is a value; up to 3.6 and from 21 mA is a fault of sensor or wire.
_LOOP_LOW_MA = 3.6
_LOOP_HIGH_MA = 21.0


class Analog:
    """An input whose value is `offset` at 0 and `offset + span` at full scale."""

    def __init__(
        self,
        read_u16: "Callable[[], int]",
        span: float = 3.3,
        offset: float = 0.0,
        *,
        samples: int = 8,
        digits: int = 3,
    ) -> None:
        if samples < 1:
            raise ValueError("samples: at least 1")
        self._read_u16 = read_u16
        self._span = span
        self._offset = offset
        self._samples = samples
        self._digits = digits

    def value(self) -> float:
        """Return the mean of the samples."""
        total = 0
        for _ in range(self._samples):
            total += self._read_u16()
        return round(self._offset + self._span * (total / self._samples) / _FULL, self._digits)


class CurrentLoop:
    """A 4 to 20 mA transmitter over a resistor: `low` at 4 mA, `high` at 20 mA."""

    def __init__(
        self,
        read_u16: "Callable[[], int]",
        low: float,
        high: float,
        *,
        ohms: float = 150.0,
        volts: float = 3.3,
        digits: int = 2,
    ) -> None:
        self._input = Analog(read_u16, 1000 * volts / ohms, digits=6)
        self._low = low
        self._high = high
        self._digits = digits

    def milliamperes(self) -> float:
        return self._input.value()

    def value(self) -> float:
        """Return the value. Raises OSError when the current is none that a working sensor sends."""
        current = self.milliamperes()
        if not _LOOP_LOW_MA < current < _LOOP_HIGH_MA:
            raise OSError("current loop: {} mA".format(round(current, 2)))
        return round(self._low + (self._high - self._low) * (current - 4) / 16, self._digits)
