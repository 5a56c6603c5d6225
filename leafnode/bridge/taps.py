"""Who looks on at one port: what is read, sent and published is told to an inbox, within bounds.

Knows inboxes and time; not the port. A monitor that does not ask again is forgotten; what is beyond
its rate is left out and counted. Truth: docs/serial/tools.md, "port monitor".
"""

from __future__ import annotations

import base64
from dataclasses import dataclass
from typing import TYPE_CHECKING

import msgspec

from leafnode.bridge import port_bounds
from leafnode.clock import NS_PER_S

if TYPE_CHECKING:
    from collections.abc import Callable

    from leafnode.clock import Clock


@dataclass(slots=True)
class _Tap:
    until_ns: int
    allowance: int  # bytes
    filled_ns: int
    dropped: int = 0


class Taps:
    """All who look on at one port."""

    def __init__(self, clock: Clock, publish: Callable[[bytes, bytes], object]) -> None:
        self._clock = clock
        self._publish = publish
        self._taps: dict[bytes, _Tap] = {}

    def __bool__(self) -> bool:
        return bool(self._taps)

    def __len__(self) -> int:
        self._forget(self._clock.monotonic_ns())
        return len(self._taps)

    def add(self, inbox: bytes) -> bool:
        """Tell this inbox for a while, or for a while longer. False: there are too many."""
        now_ns = self._clock.monotonic_ns()
        self._forget(now_ns)
        tap = self._taps.get(inbox)
        if tap is None:
            if len(self._taps) >= port_bounds.PORT_MONITORS_MAX:
                return False
            tap = self._taps[inbox] = _Tap(0, port_bounds.PORT_MONITOR_BYTES, now_ns)
        tap.until_ns = now_ns + port_bounds.PORT_MONITOR_NS
        return True

    def remove(self, inbox: bytes) -> None:
        self._taps.pop(inbox, None)

    def read(self, data: bytes) -> None:
        """Tell what came off the wire."""
        self._tell(len(data), lambda: {"rx": _text(data)})

    def sent(self, data: bytes) -> None:
        """Tell what the device is told."""
        self._tell(len(data), lambda: {"tx": _text(data)})

    def published(self, subject: bytes, payload: bytes) -> None:
        """Tell what a reading has become."""
        shown = {"subject": subject.decode("utf-8", "replace"), "payload": _text(payload)}
        self._tell(len(payload), lambda: shown)

    def _tell(self, size: int, what: Callable[[], dict[str, str]]) -> None:
        now_ns = self._clock.monotonic_ns()
        self._forget(now_ns)
        found: dict[str, object] | None = None
        for inbox, tap in list(self._taps.items()):
            passed_ns, tap.filled_ns = now_ns - tap.filled_ns, now_ns
            refill = passed_ns * port_bounds.PORT_MONITOR_BYTES // NS_PER_S
            tap.allowance = min(tap.allowance + refill, port_bounds.PORT_MONITOR_BYTES)
            if size > tap.allowance:
                tap.dropped += size
                continue
            tap.allowance -= size
            if found is None:
                found = {"at": self._clock.wall_ns(), **what()}
            dropped, tap.dropped = tap.dropped, 0
            self._publish(inbox, msgspec.json.encode({**found, "dropped": dropped}))

    def _forget(self, now_ns: int) -> None:
        for inbox in [inbox for inbox, tap in self._taps.items() if tap.until_ns <= now_ns]:
            del self._taps[inbox]


def _text(data: bytes) -> str:
    return base64.b64encode(data).decode()
