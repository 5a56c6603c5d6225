"""What monitoring and health see of a port: counters that only go up, and a snapshot with the rest.

Knows numbers only. Truth: docs/serial.md, "What a port reports".
"""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Callable

    from leafnode.clock import Clock


@dataclass(slots=True)
class PortCounters:
    """Since start. One writer: the loop's thread."""

    stored: int = 0
    duplicates: int = 0  # of them, answered as already stored
    retried: int = 0  # publications beyond the first of a reading
    refused: int = 0  # error PubAcks, missing streams and missing answers
    poison: int = 0  # readings given up, because no attempt could store them
    filtered: int = 0  # readings that said nothing new
    windows: int = 0  # messages of gathered readings
    windows_early: int = 0  # times that windows ended since there were too many subjects
    device_logs: int = 0
    names_refused: int = 0  # hellos of boards under a name that is not theirs
    paused: int = 0  # times the port was not read because its queue was full
    opens: int = 0
    reopens: int = 0
    open_failures: int = 0


@dataclass(frozen=True, slots=True)
class PortStatus:
    """One port at one moment. `silent_ns` counts from the last byte, before that from start.

    `path` is what the device's name led to last; `lent_ns` is how long it is lent yet,
    `lent_to` who says to have it, `monitors` how many look on.
    """

    name: str
    device: str
    path: str
    open: bool
    lent_ns: int
    lent_to: str
    low_latency: bool
    monitors: int
    paused: bool
    silent_ns: int
    last_error: str
    bytes_in: int
    frames: int
    bad: int
    overlong: int
    noise_bytes: int
    missing: int
    resyncs: int
    queued: int
    queued_bytes: int
    stored: int
    duplicates: int
    retried: int
    refused: int
    poison: int
    filtered: int
    windows: int
    windows_early: int
    device_logs: int
    names_refused: int
    pauses: int
    opens: int
    reopens: int
    open_failures: int
    line: dict[str, int]  # what the driver counted, see bridge.port.LineErrors
    board: dict[str, int]  # messages and requests of a board, see bridge.board_messages
    function: dict[str, int]  # of the codec exec, see bridge.exec.function
    text: dict[str, int] = field(default_factory=dict)  # see bridge.framing.text_wrong
    commands: dict[str, int] = field(default_factory=dict)  # see bridge.commands
    modbus: dict[str, int] = field(default_factory=dict)  # of a bus, see bridge.modbus.master
    slaves: list[dict[str, object]] = field(default_factory=list)  # of a bus: each one's


_NAMES: Final = tuple(one.name for one in fields(PortStatus))


def row_of(status: PortStatus) -> dict[str, object]:
    """Return what is shown of a port; the counts of its parts stand beside the others.

    Its slaves are those of the status: a copy of them took ten times as long as all the rest.
    """
    row: dict[str, Any] = {name: getattr(status, name) for name in _NAMES}
    for part in ("board", "text", "function", "modbus", "commands"):
        counts: dict[str, int] = row.pop(part)
        row |= {f"{part}_{name}": count for name, count in counts.items()}
    row |= row.pop("line")
    if not row["slaves"]:
        del row["slaves"]
    return row


class Seldom:
    """Lets a few events of a kind through per interval, and counts those it held back."""

    def __init__(self, clock: Clock, interval_ns: int, events_max: int = 1) -> None:
        self._clock = clock
        self._interval_ns = interval_ns
        self._events_max = events_max
        self._events = 0
        self._next_ns: int | None = None
        self._held_back = 0

    def call(self, say: Callable[[int], None]) -> None:
        """Call `say` with how many events it speaks for, unless it spoke a short while ago."""
        now_ns = self._clock.monotonic_ns()
        if self._next_ns is None or now_ns >= self._next_ns:
            self._next_ns = now_ns + self._interval_ns
            self._events = 0
        if self._events == self._events_max:
            self._held_back += 1
            return
        self._events += 1
        count, self._held_back = self._held_back + 1, 0
        say(count)
