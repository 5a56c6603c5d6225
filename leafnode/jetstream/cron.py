"""Cron patterns of six fields, seconds first: when such a pattern is due next.

Pure: time and time zone are parameters. `*`, `?`, numbers, names of months and days, ranges, steps
and lists. A day matches by its number or its weekday, unless one of the two is `*`.
Truth: nats-server 2.15.1 server/scheduler.go parseCron, measured; why it is not a library:
docs/adr/0016-cron.md.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final

from leafnode.limits import CRON_CHARS_MAX

if TYPE_CHECKING:
    from datetime import tzinfo

_MONTH_NAMES: Final = "JAN FEB MAR APR MAY JUN JUL AUG SEP OCT NOV DEC"
_MONTHS: Final = {name: n for n, name in enumerate(_MONTH_NAMES.split(), 1)}
_DAYS: Final = {name: n for n, name in enumerate(("SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"))}
# (lowest, highest, names) of seconds, minutes, hours, days, months, weekdays
_FIELDS: Final[tuple[tuple[int, int, dict[str, int]], ...]] = (
    (0, 59, {}),
    (0, 59, {}),
    (0, 23, {}),
    (1, 31, {}),
    (1, 12, _MONTHS),
    (0, 6, _DAYS),
)
_YEARS_MAX: Final = 5  # a day that does not come within them (31 February) never comes


class CronError(ValueError):
    """A pattern that is none."""


@dataclass(frozen=True, slots=True)
class Cron:
    """A pattern: what each field allows."""

    seconds: frozenset[int]
    minutes: frozenset[int]
    hours: frozenset[int]
    days: frozenset[int]
    months: frozenset[int]
    weekdays: frozenset[int]
    any_day: bool
    any_weekday: bool

    def next_after(self, moment: datetime) -> datetime | None:
        """Return the first moment after this one, in its time zone, or None for none."""
        zone = moment.tzinfo
        one = _later(moment.replace(microsecond=0), seconds=1)
        last_year = one.year + _YEARS_MAX
        while one.year <= last_year:
            if one.month not in self.months:
                one = _month_after(one)
            elif not self._has_day(one):
                one = _midnight(one + timedelta(days=1), zone)
            elif one.hour not in self.hours:
                one = _later(one.replace(minute=0, second=0), hours=1)
            elif one.minute not in self.minutes:
                one = _later(one.replace(second=0), minutes=1)
            elif one.second not in self.seconds:
                one = _later(one, seconds=1)
            else:
                return one
        return None

    def _has_day(self, one: datetime) -> bool:
        by_number = one.day in self.days
        by_weekday = one.isoweekday() % 7 in self.weekdays
        if self.any_day or self.any_weekday:
            return by_number and by_weekday
        return by_number or by_weekday


def parse(pattern: str) -> Cron:
    """Return what a pattern means. Raises CronError."""
    parts = pattern.split() if len(pattern) <= CRON_CHARS_MAX else []
    if len(parts) != len(_FIELDS):
        raise CronError(pattern)
    seconds, minutes, hours, days, months, weekdays = (
        _field(part, *bounds) for part, bounds in zip(parts, _FIELDS, strict=True)
    )
    any_day, any_weekday = (_has_star(part) for part in (parts[3], parts[5]))
    return Cron(
        *(seconds, minutes, hours, days, months, weekdays),
        any_day=any_day,  # any number: the weekday alone decides
        any_weekday=any_weekday,
    )


def _field(text: str, low: int, high: int, names: dict[str, int]) -> frozenset[int]:
    found: set[int] = set()
    for part in filter(None, text.split(",")):
        span, slash, step_text = part.partition("/")
        step = _number(step_text, {}) if slash else 1
        if span in {"*", "?"}:
            first, last = low, high
        else:
            start, dash, end = span.partition("-")
            first = _number(start, names)
            last = _number(end, names) if dash else high if slash else first
        if not (low <= first <= last <= high) or step < 1:
            raise CronError(text)
        found.update(range(first, last + 1, step))
    if not found:  # it would be looked for second by second
        raise CronError(text)
    return frozenset(found)


def _has_star(text: str) -> bool:
    """Say whether a field names every day by a star; one with a step names some."""
    return any(part in {"*", "?", "*/1", "?/1"} for part in text.split(","))


def _number(text: str, names: dict[str, int]) -> int:
    if text.upper() in names:
        return names[text.upper()]
    if not text.isascii() or not text.isdigit() or len(text.lstrip("0")) > 4:
        raise CronError(text)
    return int(text)


def _later(moment: datetime, **by: int) -> datetime:
    """Return a later moment in the same zone; an hour that is skipped there is, and one that comes
    twice comes twice.
    """
    return (moment.astimezone(UTC) + timedelta(**by)).astimezone(moment.tzinfo)


def _midnight(moment: datetime, zone: tzinfo | None) -> datetime:
    return datetime(moment.year, moment.month, moment.day, tzinfo=zone)


def _month_after(moment: datetime) -> datetime:
    year, month = divmod(moment.year * 12 + moment.month, 12)
    return datetime(year, month + 1, 1, tzinfo=moment.tzinfo)
