"""Readings of some seconds gathered into one: least, most, mean, last, count.

Knows values by subject; not messages, and no clock: its user says when a window ends. All windows
of a port end together, so the receipt of the last reading speaks for all of them. Truth:
docs/serial/mapping.md, "Gathering".
"""

from __future__ import annotations

from decimal import Decimal
from functools import partial
from operator import attrgetter
from typing import TYPE_CHECKING, Final, NamedTuple

from leafnode.bridge.mapping.decimals import added, mean
from leafnode.config import serial_bounds

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from leafnode.bridge.reading import Reading


class Gathered(NamedTuple):
    """One message's worth: the last reading of a subject, and what is made of all.

    `fields` makes it: of 128 fields that takes a while. `is_kept`: the device keeps one of them
    until it hears that it is stored. Then `reading` is the last of those: by its id it is found
    again.
    """

    subject: bytes
    reading: Reading
    fields: Callable[[], dict[str, object]]
    raw: Mapping[str, object]
    wall_ns: int
    is_kept: bool


class Windows:
    """The windows of one port."""

    def __init__(self, functions: tuple[str, ...]) -> None:
        of_values = [function for function in functions if function != "count"] or ["last"]
        # What is behind a field's name, and its value. With one function a field keeps its name.
        self._made_of = [
            ("" if len(of_values) == 1 else f"_{function}", _VALUES[function])
            for function in of_values
        ]
        self._counts = "count" in functions
        self._windows: dict[bytes, _Window] = {}

    def __len__(self) -> int:
        return len(self._windows)

    def has_room(self, subject: bytes) -> bool:
        """Say whether this subject can be gathered; if not, the windows end first."""
        return subject in self._windows or len(self._windows) < serial_bounds.WINDOW_SUBJECTS_MAX

    def add(
        self,
        subject: bytes,
        reading: Reading,
        fields: Mapping[str, object],
        raw: Mapping[str, object],
        wall_ns: int,
    ) -> None:
        """Add a reading. `fields` are published; `raw`, by the device's names, fill templates."""
        assert self.has_room(subject), "the windows are ended first"
        window = self._windows.get(subject) or _Window()
        window.add(fields)
        window.raw, window.wall_ns = raw, wall_ns
        if reading.receipt is not None or not window.is_kept:
            self._windows.pop(subject, None)
            self._windows[subject] = window  # the subject of the last reading is the last
            window.reading, window.is_kept = reading, reading.receipt is not None

    def end(self) -> list[Gathered]:
        """Return what was gathered, and begin anew. The subject of the last reading is the last, of
        the last that a device keeps if there is one.
        """
        ended, self._windows = self._windows, {}
        return [
            Gathered(
                subject,
                window.reading,
                partial(self._made, window),
                window.raw,
                window.wall_ns,
                window.is_kept,
            )
            for subject, window in sorted(ended.items(), key=lambda one: one[1].is_kept)
            if window.reading is not None and window.raw is not None
        ]

    def _made(self, window: _Window) -> dict[str, object]:
        made: dict[str, object] = {}
        for name, column in window.columns.items():
            if not column.count:
                made[name] = column.last
                continue
            for suffix, value in self._made_of:
                made[name + suffix] = value(column)
        if self._counts:
            made["count"] = window.count
        return made


class _Window:
    __slots__ = ("columns", "count", "is_kept", "raw", "reading", "wall_ns")

    def __init__(self) -> None:
        self.columns: dict[str, _Column] = {}
        self.count = 0
        self.reading: Reading | None = None
        self.raw: Mapping[str, object] | None = None
        self.wall_ns = 0
        self.is_kept = False

    def add(self, fields: Mapping[str, object]) -> None:
        self.count += 1
        for name, value in fields.items():
            column = self.columns.get(name)
            if column is None:
                if len(self.columns) >= serial_bounds.READING_FIELDS_MAX:
                    continue
                column = self.columns[name] = _Column()
            column.add(value)


class _Column:
    """One field. `count` is 0 where its values are no numbers: then only the last one is known."""

    __slots__ = ("count", "last", "least", "most", "total")

    def __init__(self) -> None:
        self.count = 0
        self.last: object = None
        self.least = self.most = 0.0
        self.total = Decimal(0)

    def add(self, value: object) -> None:
        if isinstance(value, int | float) and not isinstance(value, bool):
            self.least = min(self.least, value) if self.count else value
            self.most = max(self.most, value) if self.count else value
            self.total = added(self.total, value)
            self.count += 1
            self.last = value
        elif value is not None or not self.count:
            self.last = value

    def mean(self) -> float:
        return max(self.least, min(self.most, mean(self.total, self.count)))


_VALUES: Final[dict[str, Callable[[_Column], object]]] = {
    "min": attrgetter("least"),
    "max": attrgetter("most"),
    "mean": _Column.mean,
    "last": attrgetter("last"),
}
