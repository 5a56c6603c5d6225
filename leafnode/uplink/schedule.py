"""Send windows: the times of day at which a metered link may be used.

Pure: wall time is a parameter. Truth: docs/uplink.md, "What may be sent now".
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, tzinfo
from typing import Final, NamedTuple

from leafnode.clock import NS_PER_S

_MINUTES_OF_DAY: Final = 24 * 60
_NS_PER_MINUTE: Final = 60 * NS_PER_S


class Span(NamedTuple):
    """From one minute of the day to another, which is not in it any more. It may cross midnight."""

    first: int
    end: int

    def holds(self, minute: int) -> bool:
        if self.first < self.end:
            return self.first <= minute < self.end
        return minute >= self.first or minute < self.end


class Schedule:
    """Spans of a day in a time zone. No span: always open."""

    def __init__(self, spans: tuple[Span, ...], zone: tzinfo = UTC) -> None:
        self._spans = spans
        self._zone = zone

    def wait_ns(self, wall_ns: int) -> int:
        """Return 0 while it is open, else how long it is until it opens."""
        if not self._spans or self._is_open(wall_ns):
            return 0
        now = local_time(wall_ns, self._zone)
        minute = now.hour * 60 + now.minute
        minutes = min((span.first - minute) % _MINUTES_OF_DAY for span in self._spans)
        opens_ns = wall_ns - wall_ns % _NS_PER_MINUTE + minutes * _NS_PER_MINUTE
        shift = _offset(local_time(opens_ns, self._zone)) - _offset(now)
        opens_ns -= shift * NS_PER_S  # summer time began or ends in between
        while opens_ns <= wall_ns or not self._is_open(opens_ns):
            opens_ns += _NS_PER_MINUTE  # a span that begins in the hour that is left out
        return opens_ns - wall_ns

    def _is_open(self, wall_ns: int) -> bool:
        now = local_time(wall_ns, self._zone)
        minute = now.hour * 60 + now.minute
        return any(span.holds(minute) for span in self._spans)


def _offset(moment: datetime) -> int:
    offset = moment.utcoffset()
    assert offset is not None, "it was made with a zone"
    return int(offset.total_seconds())


def local_time(wall_ns: int, zone: tzinfo) -> datetime:
    return datetime.fromtimestamp(wall_ns // NS_PER_S, zone)


def until_next_month_ns(wall_ns: int, zone: tzinfo) -> int:
    """Return how long this month lasts yet; never 0."""
    now = local_time(wall_ns, zone)
    first = (now.replace(day=1) + timedelta(days=32)).replace(
        day=1, hour=0, minute=0, second=0, microsecond=0
    )
    return max(NS_PER_S, int(first.timestamp()) * NS_PER_S - wall_ns)
