"""Pulses: energy and water meters with a pulse output, flow sensors, rain gauges, fans.

Knows a function that returns a count which may wrap, and the ticks; not the pin or its interrupt.
Truth: firmware/README.md, "Sensors".
"""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

_TICKS_MASK = 0x1FFFFFFF  # ticks wrap at a multiple of 2^29


class Counter:
    """Pulses since start, and their rate. `modulus`: at what the count wraps, 0 for never."""

    def __init__(
        self,
        count: "Callable[[], int]",
        ticks_ms: "Callable[[], int]",
        *,
        pulses_per_unit: float = 1.0,
        modulus: int = 0,
        digits: int = 3,
    ) -> None:
        if pulses_per_unit <= 0:
            raise ValueError("pulses_per_unit: more than 0")
        self._count = count
        self._ticks_ms = ticks_ms
        self._pulses_per_unit = pulses_per_unit
        self._modulus = modulus
        self._digits = digits
        self._last = count()
        self._pulses = 0  # since start, without wraps
        self._rate_pulses = 0
        self._rate_at_ms = ticks_ms()

    def total(self) -> "int | float":
        """Return units since start: whole pulses as an int."""
        self._take()
        if self._pulses_per_unit == 1:
            return self._pulses
        return round(self._pulses / self._pulses_per_unit, self._digits)

    def rate(self) -> "float | None":
        """Return units a second since the last call; None where no time has passed."""
        self._take()
        now_ms = self._ticks_ms()
        passed_ms = (now_ms - self._rate_at_ms) & _TICKS_MASK
        if passed_ms == 0:
            return None
        pulses = self._pulses - self._rate_pulses
        self._rate_pulses = self._pulses
        self._rate_at_ms = now_ms
        return round(1000 * pulses / self._pulses_per_unit / passed_ms, self._digits)

    def _take(self) -> None:
        count = self._count()
        pulses = count - self._last
        if self._modulus:
            pulses %= self._modulus
        self._last = count
        self._pulses += pulses
