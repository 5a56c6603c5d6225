"""Readings that say nothing new are not published.

Knows values by subject (of a field: and its name), and time as a parameter; not messages. What it
remembers is bounded: of the subject that was published longest ago the last value is forgotten, and
its next reading passes.
Truth: docs/serial/mapping.md, "Fewer messages".
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, TypeGuard

from leafnode.bridge.mapping.decimals import moved
from leafnode.config import serial_bounds

if TYPE_CHECKING:
    from collections.abc import Mapping

    from leafnode.config.serial_stage_options import MappingOptions


class _Last(NamedTuple):
    """What was published last."""

    values: object
    at_ns: int


class Filters:
    """The filters of one port. `deadbands`: by the name that is published."""

    def __init__(self, options: MappingOptions, deadbands: Mapping[str, float]) -> None:
        self.active = bool(deadbands or options.min_interval_ns or options.ignore_repeats_ns)
        self._deadbands = deadbands
        self._min_interval_ns = options.min_interval_ns
        self._max_silence_ns = options.max_silence_ns
        self._repeats_ns = options.ignore_repeats_ns
        self._last: dict[bytes, _Last] = {}

    def passes(self, key: bytes, values: object, now_ns: int) -> bool:
        """Say whether this is to be published."""
        last = self._last.get(key)
        return last is None or self._is_news(last, values, now_ns - last.at_ns)

    def published(self, key: bytes, values: object, now_ns: int) -> None:
        """This is what was published last."""
        self._last.pop(key, None)
        if len(self._last) == serial_bounds.FILTER_SUBJECTS_MAX:
            del self._last[next(iter(self._last))]
        self._last[key] = _Last(values, now_ns)

    def _is_news(self, last: _Last, values: object, passed_ns: int) -> bool:
        if self._max_silence_ns and passed_ns >= self._max_silence_ns:
            return True
        if passed_ns < self._min_interval_ns:
            return False
        if passed_ns < self._repeats_ns and values == last.values:
            return False
        return not self._deadbands or self._moved(last.values, values)

    def _moved(self, before: object, now: object) -> bool:
        """Say whether a field with a deadband left it."""
        assert isinstance(before, dict), "deadbands are of fields"
        assert isinstance(now, dict), "deadbands are of fields"
        watched = [name for name in self._deadbands if name in before or name in now]
        if not watched:
            return True
        return any(
            _differs(before.get(name), now.get(name), self._deadbands[name]) for name in watched
        )


def _differs(before: object, now: object, deadband: float) -> bool:
    if _is_number(before) and _is_number(now):
        return moved(before, now, deadband)
    return before != now


def _is_number(value: object) -> TypeGuard[float]:
    return isinstance(value, int | float) and not isinstance(value, bool)
