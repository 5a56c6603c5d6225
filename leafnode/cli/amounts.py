"""Times and numbers that options take: each has bounds, so none is too big for its work.

Knows click; not what an amount is for. Truth: the pages of the commands below docs/.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final

import click

from leafnode.clock import NS_PER_MS, NS_PER_S
from leafnode.config.convert import parse_duration

if TYPE_CHECKING:
    from typing import Any

_HOUR_S: Final = 3600
_YEAR_S: Final = 366 * 24 * _HOUR_S  # what waits for longer is no wait
_COUNT_MAX: Final = 2**31 - 2  # SQLite fetches one row more, and counts in 32 bits

COUNT: Final = click.IntRange(1, _COUNT_MAX)
COUNT_OR_NONE: Final = click.IntRange(0, _COUNT_MAX)
BAUD: Final = click.IntRange(1, 12_000_000)  # as a port's entry takes it


class Time(click.ParamType):  # type: ignore[type-arg]  # generic since click 8.3
    """A duration such as 60s, in seconds: a millisecond at least. `or_0`: or 0."""

    name = "time"

    def __init__(self, most_s: float = _YEAR_S, *, or_0: bool = False) -> None:
        self._most_s = most_s
        self._or_0 = or_0

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        if value == "0" and self._or_0:
            return 0.0
        duration_ns = parse_duration(value)
        if duration_ns is None or not NS_PER_MS <= duration_ns <= self._most_s * NS_PER_S:
            zero = ", or 0" if self._or_0 else ""
            most = f"{self._most_s / _HOUR_S:g}h"
            self.fail(f"expected a duration like 30s or 5m, 1ms to {most}{zero}", param, ctx)
        return duration_ns / NS_PER_S


# A node compares times that wrap, right up to half of 2^29 ms (link/ticks.py).
NODE_INTERVAL: Final = Time(72 * _HOUR_S)


class Number(click.FloatRange):
    """A number of a range. nan is in none."""

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        number = float(super().convert(value, param, ctx))
        if math.isnan(number):
            self.fail("expected a number, not nan", param, ctx)
        return number
