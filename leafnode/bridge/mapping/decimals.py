"""Numbers as people reckon with them: in tens, so 3 times 0.1 is 0.3, and no digit is lost.

Knows numbers. Those that are given have few digits of ten, a counter of 64 bits twenty of them.
Truth: docs/serial/mapping.md, "Fields".
"""

from __future__ import annotations

from decimal import Context, Decimal
from typing import Final

# For a product of two floats. What is not finite stays so, and is no error here.
_CONTEXT: Final = Context(prec=40, traps=[])
_MEAN_DIGITS: Final = 15  # that every float has


def scaled(value: float, scale: float, offset: float) -> float:
    """Return the value times `scale`, plus `offset`."""
    return float(_CONTEXT.fma(_decimal(value), _decimal(scale), _decimal(offset)))


def unscaled(value: float, scale: float, offset: float) -> Decimal:
    """Return what `scaled` makes this value of."""
    return _CONTEXT.divide(_CONTEXT.subtract(_decimal(value), _decimal(offset)), _decimal(scale))


def added(total: Decimal, value: float) -> Decimal:
    """Return the sum, exactly."""
    return _CONTEXT.add(total, _decimal(value))


def mean(total: Decimal, count: int) -> float:
    """Return the mean of so many values."""
    return float(f"{_CONTEXT.divide(total, Decimal(count)):.{_MEAN_DIGITS}g}")


def _decimal(number: float) -> Decimal:
    """Return it as it is written: the float 0.1 is a tenth."""
    return Decimal(number) if isinstance(number, int) else Decimal(repr(number))
