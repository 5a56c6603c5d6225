"""Numbers as people reckon with them: in tens, so 3 times 0.1 is 0.3, and no digit is lost.

Knows numbers. Those that are given have few digits of ten, a counter of 64 bits twenty of them.
Truth: docs/serial/mapping.md, "Fields".
"""

from __future__ import annotations

import math
from decimal import Context, Decimal
from typing import Final

# For a product of two floats. What is not finite stays so, and is no error here.
_CONTEXT: Final = Context(prec=40, traps=[])
# Sums and differences are exact: floats begin 308 places before the point, and end 343 behind it.
_EXACT: Final = Context(prec=700, traps=[])
_MEAN: Final = Context(prec=15, traps=[])  # digits that every float has


def scaled(value: float, scale: float, offset: float) -> float:
    """Return the value times `scale`, plus `offset`."""
    return float(_CONTEXT.fma(_decimal(value), _decimal(scale), _decimal(offset)))


def unscaled(value: float, scale: float, offset: float) -> Decimal:
    """Return what `scaled` makes this value of."""
    return _CONTEXT.divide(_CONTEXT.subtract(_decimal(value), _decimal(offset)), _decimal(scale))


def added(total: Decimal, value: float) -> Decimal:
    """Return the sum, exactly."""
    return _EXACT.add(total, _decimal(value))


def mean(total: Decimal, count: int) -> float:
    """Return the mean of so many values; the last digit may be beyond the greatest of them."""
    return float(_MEAN.divide(total, count))


def moved(before: float, now: float, distance: float) -> bool:
    """Say whether a value moved at all, and as far as this: 21.7 is 0.2 from 21.5."""
    if before == now:
        return False
    if not (math.isfinite(before) and math.isfinite(now)):
        return True
    return _EXACT.subtract(_decimal(now), _decimal(before)).copy_abs() >= _decimal(distance)


def _decimal(number: float) -> Decimal:
    """Return it as it is written: the float 0.1 is a tenth."""
    return Decimal(number) if isinstance(number, int) else Decimal(repr(number))
