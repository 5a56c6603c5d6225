"""Frames that bytes alone bound: finds the next one, and its place again after a wrong one.

Knows the buffer and how much work it may cost; how a frame begins and ends knows a splitter. Truth:
docs/serial/framing.md, "Finding the place again".

After a wrong frame the search goes on with the byte behind its first one: a false start in noise,
or a frame that was cut short, costs no frame behind it. A hostile line could make every byte the
start of a long wrong frame, which would be quadratic. So a rescan is paid for: each byte that comes
allows RESCAN_BYTES_PER_BYTE to be looked at again, up to a store of RESCAN_BYTES_MAX (or four
frames). Where that is used up, a wrong frame is passed over whole. And whatever is done is done in
steps of FRAME_SEARCH_STEPS places or FRAME_STEP_BYTES of a frame: between them others have turns.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple, Protocol

from leafnode.bridge.framing.frames import Frames
from leafnode.bridge.port_bounds import FRAME_SEARCH_STEPS, FRAME_STEP_BYTES
from leafnode.bridge.reading import MORE
from leafnode.config import serial_bounds

if TYPE_CHECKING:
    from collections.abc import Callable

    from leafnode.bridge.checks import Check
    from leafnode.bridge.checks.calculation import Steps
    from leafnode.bridge.reading import More, Reading
    from leafnode.config.serial_stage_options import FramingOptions

    # Returns the frame as it was meant, or None for what cannot have been one.
    Decode = Callable[[bytes], Steps[bytes | None]]

# What finding one place costs, in bytes that are looked at.
PLACE_BYTES: Final = FRAME_STEP_BYTES // FRAME_SEARCH_STEPS


class Found(NamedTuple):
    """What a splitter says of the buffer: the bytes before `start` are noise, `end` is behind it.

    `frame` is the whole frame as it was meant (unescaped); `head` and `tail` are the sizes of its
    marks. None: there is no frame, for the bytes up to `end` are noise, or malformed, or too long.
    An empty one is nothing. `retry`: where the search goes on if the check is wrong; 0: at `end`.
    `decode` makes the frame of what stands there. `unfinished`: nothing was found in as much as
    may be looked at in one go, but that what is before `start` is noise.
    """

    start: int
    end: int
    frame: bytes | None = None
    head: int = 0
    tail: int = 0
    retry: int = 0
    malformed: bool = False
    overlong: bool = False
    decode: Decode | None = None
    unfinished: bool = False


class Splitter(Protocol):
    """Finds frames. Between two calls it may remember how far it looked, counted from `at`."""

    def find(self, buffer: bytearray, at: int) -> Found | None:
        """Return what is next from `at` on, or None where more bytes are needed.

        After None, or what is unfinished, it is asked again about the same byte, at whatever index
        that is then.
        """
        ...

    def moved(self) -> None:
        """Forget how far you looked: the next question is about another byte."""
        ...

    def opened(self) -> None:
        """Forget everything: the port was opened anew."""
        ...


class SplitFraming(Frames):
    """Implements Framing by a splitter."""

    def __init__(
        self,
        splitter: Splitter,
        options: FramingOptions,
        check: Check | None,
        msg_id_prefix: bytes,
    ) -> None:
        super().__init__(options, check, msg_id_prefix)
        self._splitter = splitter
        self._at = 0
        self._credit_max = max(serial_bounds.RESCAN_BYTES_MAX, 4 * options.max_frame_bytes)
        self._credit = self._credit_max

    def opened(self, now_ms: int) -> None:
        self._buffer.clear()
        self._at = 0
        self._splitter.opened()
        self._begin(now_ms)

    def receive(self, data: bytes, now_ms: int) -> None:
        self._came(len(data), now_ms)
        self._buffer += data
        gained = serial_bounds.RESCAN_BYTES_PER_BYTE * len(data)
        self._credit = min(self._credit_max, self._credit + gained)

    def next_event(self) -> Reading | More | None:
        left = FRAME_STEP_BYTES
        while left > 0:
            if self._work is None:
                found = self._splitter.find(self._buffer, self._at)
                if found is None:
                    if self._at:
                        del self._buffer[: self._at]
                        self._at = 0
                    return None
                if found.unfinished:
                    if found.start > self._at:
                        self._splitter.moved()
                        self._skip(found.start - self._at)
                        self._at = found.start
                    return MORE
                self._splitter.moved()
                left -= PLACE_BYTES + len(found.frame or b"")
                self._work = self._taking(found)
            event = self._go_on()
            if event is not None:
                return event
        return MORE

    def _taking(self, found: Found) -> Steps[Reading | None]:
        """Take what was found; return the reading in it, if there is one."""
        self._skip(found.start - self._at)
        frame = found.frame
        if frame and found.decode is not None:
            frame = yield from found.decode(frame)
            if frame is None:
                found = found._replace(malformed=True)
            elif len(frame) > self._max_frame_bytes:
                found, frame = found._replace(overlong=True), None
        if frame is None:
            self._pass_over(found)
            return None
        if not frame:
            self._at = found.end
            return None
        reading = yield from self._judging(frame, found.head, found.tail)
        if reading is None:
            self._after_wrong(found)
        else:
            self._at = found.end
        return reading

    def _pass_over(self, found: Found) -> None:
        if found.malformed:
            self._spoilt()
        if found.overlong:
            self._too_long()
        self._skip(found.end - found.start)
        self._at = found.end

    def _after_wrong(self, found: Found) -> None:
        """Go on behind the false start; where that was done too often, behind the whole frame."""
        size = found.end - found.start
        rescan = found.retry and self._credit >= size
        self._credit -= size if rescan else 0
        end = found.retry if rescan else found.end
        self._skip(end - found.start)
        self._at = end
