"""Comparing times that wrap. The link does it here and nowhere else.

Knows numbers; reads no clock. The period is 2^29 ms (CircuitPython's supervisor.ticks_ms);
MicroPython's 2^30 and 2^62 are multiples of it, so any of them may be passed. Two times compare
right when they are less than half a period (3.1 days) apart; a timer that may be older than that
must be disarmed instead.
"""

_PERIOD_MASK = 0x1FFFFFFF
_HALF = 0x10000000


def elapsed_ms(now_ms: int, then_ms: int) -> int:
    """Return how long after `then_ms` it is, negative while `then_ms` is still to come."""
    return ((now_ms - then_ms + _HALF) & _PERIOD_MASK) - _HALF


def is_due(now_ms: int, at_ms: int) -> bool:
    """Return whether `at_ms` has come."""
    return elapsed_ms(now_ms, at_ms) >= 0


def until_ms(now_ms: int, at_ms: int) -> int:
    """Return how long to wait for `at_ms`, 0 when it has come."""
    return max(0, -elapsed_ms(now_ms, at_ms))
