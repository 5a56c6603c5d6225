"""Times, durations and zones as Go names them: RFC 3339 with nanoseconds, `1m30s`, `Local`.

Pure, but for `zone_of`, which reads the machine's zones. Truth: Go's time package (Format with
RFC3339Nano, Duration.String, ParseDuration, LoadLocation).
"""

from __future__ import annotations

import os
import re
import struct
from datetime import UTC, date
from functools import cache, lru_cache
from io import BytesIO
from pathlib import Path
from time import gmtime
from typing import TYPE_CHECKING, Final

from leafnode.clock import NS_PER_S
from leafnode.limits import DURATION_CHARS_MAX, SECONDS_SHOWN_MAX

if TYPE_CHECKING:
    from datetime import tzinfo

_LOCALTIME: Final = "/etc/localtime"
ZERO_TIME: Final = "0001-01-01T00:00:00Z"
_EPOCH_DAY: Final = date(1970, 1, 1).toordinal()
ZERO_TIME_NS: Final = -62_135_596_800 * NS_PER_S  # what ZERO_TIME is on our scale
_MAX_DURATION_NS: Final = 2**63 - 1
_DIGITS_MAX: Final = len(str(_MAX_DURATION_NS))
_LAYOUT: Final = "2006-01-02T15:04:05Z07:00"
_TWO: Final = re.compile(r"\d\d", re.ASCII)
_PARTS_OF_TIME: Final = (  # Go's name of it, what it is, what stands before it, its least and most
    ("2006", re.compile(r"\d{4}", re.ASCII), "", 0, 9999),
    ("01", _TWO, "-", 1, 12),
    ("02", _TWO, "-", 0, 99),  # held against the month at last
    ("15", re.compile(r"\d\d?", re.ASCII), "T", 0, 23),
    ("04", _TWO, ":", 0, 59),
    ("05", _TWO, ":", 0, 59),
)
_OUT_OF_RANGE: Final = {"01": "month", "15": "hour", "04": "minute", "05": "second"}
_FRACTION: Final = re.compile(r"[.,](\d+)", re.ASCII)
_ZONE: Final = re.compile(r"(.)(\d\d):(\d\d)", re.ASCII | re.DOTALL)
_PART: Final = re.compile(r"(\d*)(?:\.(\d*))?(ns|us|µs|μs|ms|s|m|h)", re.ASCII)
_UNIT_NS: Final = {
    "ns": 1,
    "us": 1_000,
    "µs": 1_000,
    "μs": 1_000,
    "ms": 1_000_000,
    "s": NS_PER_S,
    "m": 60 * NS_PER_S,
    "h": 3600 * NS_PER_S,
}


def format_time(ns: int) -> str:
    """Return RFC 3339 in UTC with up to nine digits, trailing zeros gone; 0 is the zero time."""
    if ns == 0:
        return ZERO_TIME
    seconds, fraction = divmod(ns, NS_PER_S)
    if not fraction:
        return _second(seconds) + "Z"
    return f"{_second(seconds)}.{fraction:09d}".rstrip("0") + "Z"


@lru_cache(maxsize=SECONDS_SHOWN_MAX)
def _second(seconds: int) -> str:
    """Return a time without its fraction: what is stored together is asked for together."""
    year, month, day, hour, minute, second = gmtime(seconds)[:6]
    return f"{year:04d}-{month:02d}-{day:02d}T{hour:02d}:{minute:02d}:{second:02d}"


def parse_time(text: str) -> int | None:
    """Return nanoseconds since 1970, or None for what is no RFC 3339 time."""
    try:
        return read_time(text)
    except ValueError:
        return None


def read_time(text: str) -> int:
    """Return nanoseconds since 1970. Raises ValueError with what Go says of another text.

    As lenient as Go: an hour may have one digit, a comma may stand before the fraction.
    """
    left, numbers = text, []
    for name, form, before, low, high in _PARTS_OF_TIME:
        if not left.startswith(before):
            raise _no_time(text, left, before)
        left = left.removeprefix(before)
        found = form.match(left)
        if found is None:
            raise _no_time(text, left, name)
        number = int(found[0])
        left = left[found.end() :]
        if not low <= number <= high:
            raise ValueError(f"parsing time {_quoted(text)}: {_OUT_OF_RANGE[name]} out of range")
        numbers.append(number)
    year, month, day, hour, minute, second = numbers
    fraction = _FRACTION.match(left)
    left = left[fraction.end() :] if fraction else left
    offset_s, left = _zone(text, left)
    if left:
        raise ValueError(f"parsing time {_quoted(text)}: extra text: {_quoted(left)}")
    if not 1 <= day <= _days(year, month):
        raise ValueError(f"parsing time {_quoted(text)}: day out of range")
    # Go has a year 0; it is four years before the year 4, a leap year like that one.
    days = date(year or 4, month, day).toordinal() - _EPOCH_DAY - (0 if year else 1461)
    seconds = days * 86_400 + hour * 3600 + minute * 60 + second - offset_s
    return seconds * NS_PER_S + (int((fraction[1] + "0" * 9)[:9]) if fraction else 0)


def _zone(text: str, left: str) -> tuple[int, str]:
    """Return the offset at the beginning of `left` in seconds, and what follows it."""
    if left.startswith("Z"):
        return 0, left[1:]
    found = _ZONE.match(left)
    if found is None:
        raise _no_time(text, left, "Z07:00")
    hours, minutes = int(found[2]), int(found[3])
    for value, high, name in ((minutes, 60, "minute"), (hours, 24, "hour")):
        if value > high:  # Go takes these bounds themselves
            raise ValueError(f"parsing time {_quoted(text)}: time zone offset {name} out of range")
    if found[1] not in "+-":
        raise _no_time(text, left, "Z07:00")
    offset_s = (hours * 60 + minutes) * 60
    return (-offset_s if found[1] == "-" else offset_s), left[found.end() :]


def _no_time(text: str, left: str, wanted: str) -> ValueError:
    return ValueError(
        f"parsing time {_quoted(text)} as {_quoted(_LAYOUT)}: "
        f"cannot parse {_quoted(left)} as {_quoted(wanted)}"
    )


def _quoted(text: str) -> str:
    shown = "".join(
        char if " " <= char < "\x80" else "".join(f"\\x{byte:02x}" for byte in char.encode())
        for char in text.replace("\\", "\\\\").replace('"', '\\"')
    )
    return f'"{shown}"'


def format_duration(ns: int) -> str:
    """Return Go's text of a duration: `1.5s`, `10m0s`, `200ms`."""
    if ns == 0:
        return "0s"
    sign, left = ("-", -ns) if ns < 0 else ("", ns)
    if left < NS_PER_S:
        for unit, size in (("ms", 1_000_000), ("µs", 1_000), ("ns", 1)):
            if left >= size:
                return f"{sign}{_decimal(left, size)}{unit}"
    minutes, rest = divmod(left, 60 * NS_PER_S)
    text = f"{_decimal(rest, NS_PER_S)}s"
    if minutes:
        hours, minutes = divmod(minutes, 60)
        text = f"{hours}h{minutes}m{text}" if hours else f"{minutes}m{text}"
    return sign + text


def parse_duration(text: str) -> int | None:
    """Return nanoseconds of a Go duration such as `1h30m`, or None.

    None as well for what is longer than DURATION_CHARS_MAX: thousands of parts would take long.
    """
    if len(text) > DURATION_CHARS_MAX:
        return None
    sign = 1
    if text[:1] in {"+", "-"}:
        sign = -1 if text[0] == "-" else 1
        text = text[1:]
    if text == "0":
        return 0
    total = 0
    at = 0
    while at < len(text):
        match = _PART.match(text, at)
        if match is None or not (match[1] or match[2]):
            return None
        unit = _UNIT_NS[match[3]]
        whole = match[1].lstrip("0") or "0"
        digits = (match[2] or "")[:_DIGITS_MAX]  # Go drops those that it cannot hold, too
        if len(whole) > _DIGITS_MAX:
            return None
        total += int(whole) * unit + (int(digits or 0) * unit) // 10 ** len(digits)
        at = match.end()
    return sign * total if text and total <= _MAX_DURATION_NS else None


def zone_of(name: str) -> tzinfo:
    """Return a time zone by its name; `Local` is what the machine's was when first asked for.

    Raises KeyError, ValueError or OSError for one that is not there; never for `Local`.
    """
    if name == "UTC":
        return UTC
    if name == "Local":
        return _local_zone()
    from zoneinfo import ZoneInfo  # only who names a zone pays for it

    return ZoneInfo(name)


class _Finite(BytesIO):
    """A file that cannot be read beyond its end: zoneinfo looks for a line's end there for ever."""

    def read(self, size: int | None = -1, /) -> bytes:
        data = super().read(size)
        if size and not data:
            raise EOFError
        return data


@cache
def _local_zone() -> tzinfo:
    """Return what TZ names, a zone or the path of one, as Go's initLocal: UTC where it is none."""
    from zoneinfo import ZoneInfo

    name = os.environ.get("TZ", _LOCALTIME).removeprefix(":")
    try:
        if not name.startswith("/"):
            return ZoneInfo(name) if name else UTC
        return ZoneInfo.from_file(_Finite(Path(name).read_bytes()))
    except (AssertionError, EOFError, LookupError, ValueError, OSError, struct.error):
        return UTC


def _decimal(value: int, unit: int) -> str:
    whole, fraction = divmod(value, unit)
    if not fraction:
        return str(whole)
    width = len(str(unit)) - 1
    return f"{whole}.{fraction:0{width}d}".rstrip("0")


def _days(year: int, month: int) -> int:
    if month == 2:
        return 29 if year % 4 == 0 and (year % 100 != 0 or year % 400 == 0) else 28
    return 30 if month in {4, 6, 9, 11} else 31
