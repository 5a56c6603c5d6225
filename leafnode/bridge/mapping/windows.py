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

    from leafnode.bridge.reading import Life, Reading


_KEPT: Final = b" "  # behind the subject of what a device keeps: no subject has a blank


class Gathered(NamedTuple):
    """One message's worth: the last reading of a subject, and what is made of all.

    `fields` makes it: of 128 fields that takes a while. `is_kept`: the device keeps all of them
    until it hears that they are stored. By the id of the last one they are found again.
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
        # By subject; what a device keeps has windows of its own: at the port's end it says that
        # again, and nothing else.
        self._windows: dict[bytes, _Window] = {}
        self._text_bytes = 0  # that they hold, beside numbers
        self._life: Life | None = None  # who keeps what is kept of them: one at a time

    def __len__(self) -> int:
        return len(self._windows)

    def has_room(self, subject: bytes) -> bool:
        """Say whether this subject can be gathered; if not, the windows end first."""
        if self._text_bytes >= serial_bounds.WINDOW_TEXT_BYTES_MAX:
            return False
        is_known = subject in self._windows or subject + _KEPT in self._windows
        return is_known or len(self._windows) < serial_bounds.WINDOW_SUBJECTS_MAX

    def is_for(self, life: Life | None) -> bool:
        """Say whether a reading that this one keeps can be gathered; if not, they end first."""
        return life is None or self._life in {None, life}

    def drop(self, life: Life) -> None:
        """Forget what this life of a board says again."""
        if self._life == life:
            self._windows = {key: one for key, one in self._windows.items() if not one.is_kept}
            self._text_bytes = sum(one.held for one in self._windows.values())
            self._life = None

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
        assert self.is_for(reading.life), "the windows are ended first"
        self._life = self._life or reading.life
        is_kept = reading.receipt is not None
        key = subject + _KEPT if is_kept else subject
        window = self._windows.pop(key, None) or _Window(subject, is_kept=is_kept)
        self._windows[key] = window  # the subject of the last reading is the last
        self._text_bytes += window.add(fields, len(reading.payload))
        window.reading, window.raw, window.wall_ns = reading, raw, wall_ns

    def end(self) -> list[Gathered]:
        """Return what was gathered, and begin anew. The subject of the last reading is the last, of
        the last that a device keeps if there is one.
        """
        ended, self._windows = self._windows.values(), {}
        self._text_bytes = 0
        self._life = None
        return [
            Gathered(
                window.subject,
                window.reading,
                partial(self._made, window),
                window.raw,
                window.wall_ns,
                window.is_kept,
            )
            for window in sorted(ended, key=attrgetter("is_kept"))
            if window.reading is not None and window.raw is not None
        ]

    def _made(self, window: _Window) -> dict[str, object]:
        made: dict[str, object] = {}
        for name, column in window.columns.items():
            if not column.count:
                made.setdefault(name, column.last)  # what is made goes before
                continue
            for suffix, value in self._made_of:
                made[name + suffix] = value(column)
        if self._counts:
            made["count"] = window.count
        return made


class _Window:
    __slots__ = ("columns", "count", "held", "is_kept", "raw", "reading", "subject", "wall_ns")

    def __init__(self, subject: bytes, *, is_kept: bool) -> None:
        self.subject = subject
        self.columns: dict[str, _Column] = {}
        self.count = 0
        self.held = 0  # bytes, beside numbers
        self.reading: Reading | None = None
        self.raw: Mapping[str, object] | None = None
        self.wall_ns = 0
        self.is_kept = is_kept

    def add(self, fields: Mapping[str, object], size: int) -> int:
        """Add a reading of so many bytes; return how many more are held, but for numbers."""
        self.count += 1
        held = 0
        for name, value in fields.items():
            column = self.columns.get(name)
            if column is None:
                if len(self.columns) >= serial_bounds.READING_FIELDS_MAX:
                    continue
                column = self.columns[name] = _Column()
            held += column.add(value, size)
        self.held += held
        return held


class _Column:
    """One field. `count` is 0 where its values are no numbers: then only the last one is known."""

    __slots__ = ("count", "held", "last", "least", "most", "total")

    def __init__(self) -> None:
        self.count = 0
        self.last: object = None
        self.held = 0  # bytes of it; a list or an object counts as the reading that it came in
        self.least = self.most = 0.0
        self.total = Decimal(0)

    def add(self, value: object, size: int) -> int:
        """Add a value of a reading of so many bytes; return how many more are held."""
        held = self.held
        if isinstance(value, int | float) and not isinstance(value, bool):
            self.least = min(self.least, value) if self.count else value
            self.most = max(self.most, value) if self.count else value
            self.total = added(self.total, value)
            self.count += 1
            self.last = value
            self.held = 0
        elif value is not None or not self.count:
            self.last = value
            self.held = _size(value, size)
        return self.held - held

    def mean(self) -> float:
        return max(self.least, min(self.most, mean(self.total, self.count)))


def _size(value: object, of_reading: int) -> int:
    if isinstance(value, str):
        return len(value)
    return 0 if value is None or isinstance(value, bool) else of_reading


_VALUES: Final[dict[str, Callable[[_Column], object]]] = {
    "min": attrgetter("least"),
    "max": attrgetter("most"),
    "mean": _Column.mean,
    "last": attrgetter("last"),
}
