"""A board's clock: the gateway's time, corrected by half the round trip, kept between answers.

A part of a DeviceSession; a board that needs no time leaves this module out. Knows ticks and TIME
frames; reads no clock. Truth: docs/device-link.md, "Time".
"""

import struct

from . import const
from .ticks import elapsed_ms, until_ms

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .device import DeviceSession
    from .hello import HelloBody

SYNC_MS = 300000  # a crystal of 100 ppm is 30 ms wrong after it
ASK_MS = 500
ASKS_MAX = 4  # of one round; the answer with the shortest round trip holds
ROUND_TRIP_MS_MAX = 2000  # an answer that took longer says little
_TICKS_MASK = 0x1FFFFFFF
_NO_STAMP = b"\xff" * const.STAMP_BYTES


class DeviceClock:
    """Give it to a DeviceSession as `clock`. Readings that are published with `now_ms` are stamped.

    A reading is stamped when it is measured, also before the gateway told the time: what is kept is
    the board's uptime. One that leaves before the time is known goes without a stamp.
    """

    capabilities = const.CAPABILITY_TIME | const.CAPABILITY_CLOCK

    def __init__(self) -> None:
        self.syncs = 0  # answers that set the clock
        self.error_ms = 0  # half the round trip of the answer that holds
        self.is_set = False
        self.flag = 0  # FLAG_STAMPED if the reading that `finish` had last carries a stamp
        self._up_s = 0  # uptime at _up_at_ms
        self._up_ms = 0
        self._up_at_ms: "int | None" = None
        self._offset_s = 0  # wall time at uptime 0
        self._offset_ms = 0
        self._is_up = False  # and the gateway answers
        self._asks = 0  # of this round, so far
        self._asked_ms: "int | None" = None  # the ticks of the open question
        self._ask_at_ms = 0
        self._best_ms = ROUND_TRIP_MS_MAX  # the shortest round trip of this round

    def wall_ms(self, now_ms: int) -> "int | None":
        """Return milliseconds since 1970 by the gateway's clock, or None before it told."""
        if not self.is_set:
            return None
        self._advance(now_ms)
        return (self._up_s + self._offset_s) * 1000 + self._up_ms + self._offset_ms

    # What DeviceSession calls

    def stamp(self, now_ms: "int | None") -> bytes:
        """Return this moment in uptime, for the ring. Each of its readings ends with a stamp."""
        if now_ms is None:
            return _NO_STAMP
        self._advance(now_ms)
        return struct.pack(const.TIME_FORMAT, self._up_s, self._up_ms)

    def finish(self, body: memoryview, size: int) -> int:
        """Turn the stamp at the end of a reading from uptime into wall time, or leave it out.

        Returns the reading's size; `flag` is for its frame.
        """
        at = size - const.STAMP_BYTES
        self.flag = 0
        if not (self.is_set and self._is_up) or bytes(body[at:size]) == _NO_STAMP:
            return at
        up_s, up_ms = struct.unpack_from(const.TIME_FORMAT, body, at)
        millis = up_ms + self._offset_ms
        seconds = up_s + self._offset_s + millis // 1000
        struct.pack_into(const.TIME_FORMAT, body, at, seconds & 0xFFFFFFFF, millis % 1000)
        self.flag = const.FLAG_STAMPED
        return size

    def on_up(self, hello: "HelloBody", now_ms: int) -> None:
        self._is_up = hello.capabilities & const.CAPABILITY_CLOCK != 0
        self._begin_round(now_ms)

    def on_down(self) -> None:
        self._is_up = False

    def on_frame(self, kind: int, body: memoryview, now_ms: int) -> bool:
        """Take TIME; return False for other kinds, and for a TIME that is cut."""
        if kind != const.TIME or len(body) < const.TIME_BYTES:
            return False
        if len(body) < const.TIME_BYTES + 4:
            self._on_told(body, now_ms)
        else:
            self._on_answer(body, now_ms)
        return True

    def put_next(self, session: "DeviceSession", now_ms: int) -> bool:
        """Put a question when one is due. Called in every turn, so uptime never misses a wrap."""
        self._advance(now_ms)
        if not self._is_up or until_ms(now_ms, self._ask_at_ms):
            return False
        if self._asks == ASKS_MAX:
            self._begin_round(now_ms)
        self._asks += 1
        self._asked_ms = now_ms & _TICKS_MASK
        self._ask_at_ms = now_ms + (ASK_MS if self._asks < ASKS_MAX else SYNC_MS)
        struct.pack_into("<I", session.body, 0, self._asked_ms)
        session.put(const.TIME, 4)
        return True

    def next_timeout_ms(self, now_ms: int) -> "int | None":
        return until_ms(now_ms, self._ask_at_ms) if self._is_up else None

    def _begin_round(self, now_ms: int) -> None:
        self._asks = 0
        self._asked_ms = None
        self._ask_at_ms = now_ms
        self._best_ms = ROUND_TRIP_MS_MAX

    def _on_told(self, body: memoryview, now_ms: int) -> None:
        """The gateway tells by itself: after HELLO, and when its clock was set."""
        self._set(body, now_ms, 0)
        if self._is_up:
            self._begin_round(now_ms)

    def _on_answer(self, body: memoryview, now_ms: int) -> None:
        asked_ms = struct.unpack_from("<I", body, const.TIME_BYTES)[0]
        if self._asked_ms is None or asked_ms != self._asked_ms:
            return  # to a former question: its round trip is not known
        self._asked_ms = None
        round_trip_ms = elapsed_ms(now_ms, asked_ms)
        if 0 <= round_trip_ms <= self._best_ms:
            self._best_ms = round_trip_ms
            self.error_ms = (round_trip_ms + 1) // 2
            self._set(body, now_ms, round_trip_ms // 2)

    def _set(self, body: memoryview, now_ms: int, since_ms: int) -> None:
        """Wall time was what `body` says `since_ms` ago."""
        self._advance(now_ms)
        wall_s, wall_ms = struct.unpack_from(const.TIME_FORMAT, body, 0)
        millis = wall_ms + since_ms - self._up_ms
        self._offset_s = wall_s - self._up_s + millis // 1000
        self._offset_ms = millis % 1000
        self.is_set = True
        self.syncs += 1

    def _advance(self, now_ms: int) -> None:
        """Count the uptime on before the ticks since then wrap."""
        if self._up_at_ms is None:
            self._up_at_ms = now_ms
        millis = self._up_ms + max(0, elapsed_ms(now_ms, self._up_at_ms))
        self._up_s += millis // 1000
        self._up_ms = millis % 1000
        self._up_at_ms = now_ms
