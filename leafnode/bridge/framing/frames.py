"""What all framings but the device link share: frames become readings, and everything is counted.

Knows checks, ids of readings and polls; not how frames are found in the bytes, and no port. Truth:
docs/serial/framing.md.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from leafnode import limits
from leafnode.bridge.reading import MORE, FrameCounts, Reading
from leafnode.clock import NS_PER_MS
from leafnode.config import serial_bounds

if TYPE_CHECKING:
    from leafnode.bridge.checks import Check
    from leafnode.bridge.checks.calculation import Steps
    from leafnode.bridge.reading import More, Receipt
    from leafnode.config.serial_stage_options import FramingOptions

# Or until the next one is due.
_POLL_ANSWER_MS: Final = serial_bounds.POLL_ANSWER_NS // NS_PER_MS
READ_MS: Final = 100  # behind a pause, for all bytes that came meanwhile to be read
# The same where pauses come without end, and the device never stops, or frames take longer.
READ_MOST_MS: Final = 10_000
assert READ_MS + serial_bounds.COMMAND_WAIT_NS // NS_PER_MS <= READ_MOST_MS, "an answer is read"
# Whoever reads less has read all that came: a tty's line buffer holds one byte less than a read.
_NOT_ALL_BYTES: Final = limits.SERIAL_READ_BYTES // 2


class Frames:
    """Half of a Framing: all but `opened`, `receive` and `next_event`.

    `msg_id_prefix` is unique for this instance: with the count behind it, a reading
    that is published twice carries the same id twice.
    """

    def __init__(
        self,
        options: FramingOptions,
        check: Check | None,
        msg_id_prefix: bytes,
        *,
        ends_ms: int = 0,
    ) -> None:
        """`ends_ms`: so long after its bytes a frame is known to be whole, at most."""
        self.ends_ms = ends_ms
        # Behind a pause, for what came meanwhile to be frames.
        self.read_ms = min(READ_MS + ends_ms, READ_MOST_MS)
        self._buffer = bytearray()  # what is no whole frame yet
        self._max_frame_bytes = options.max_frame_bytes
        self._keep_first = options.keep_first
        self._strip = options.strip
        self._check = check
        self._msg_id_prefix = msg_id_prefix
        self._poll = options.poll
        self._poll_every_ms = max(1, options.poll_every_ns // NS_PER_MS)
        self._poll_at_ms = 0
        # Since when nothing is heard of the answer to the last poll; None: it has come.
        self._silent_ms: int | None = None
        # When it could not come any more, and since when that is read; None: it may come yet.
        self._over: tuple[int, int] | None = None
        self._read_out_ms = 0
        self._polls_held = False  # while somebody else asks
        self._held = False  # while the port is not read
        self._bytes_in = 0
        self._frames = 0
        self._bad = 0
        self._overlong = 0
        self._noise_bytes = 0
        self._resyncs = 0
        self._found = False  # a good frame, since the port was opened
        self._lost = False  # what came since then was not all frames
        self._work: Steps[Reading | None] | None = None  # on the frame that was found last

    def committed(self, receipt: Receipt) -> None:  # noqa: ARG002
        raise AssertionError("a plain frame has no receipt")

    def data_to_send(self, now_ms: int) -> bytes:
        if not self._polls or now_ms < self._poll_at_ms:
            return b""
        self._poll_at_ms = now_ms + self._poll_every_ms
        self._silent_ms, self._over = now_ms, None
        return self._poll

    @property
    def _polls(self) -> bool:
        return bool(self._poll) and not (self._polls_held or self._held)

    def next_timeout_ms(self, now_ms: int) -> int | None:
        if not self._polls:
            return None
        return max(0, self._poll_at_ms - now_ms)

    def hold_polls(self, *, on: bool) -> None:
        """Ask the device nothing while somebody else does."""
        self._polls_held = on

    def awaits_ms(self, now_ms: int) -> int:
        """Return how long an answer to the last poll is awaited yet; 0: none is."""
        if self._silent_ms is None:
            return 0
        return max(0, min(self._silent_ms + _POLL_ANSWER_MS, self._poll_at_ms) - now_ms)

    def sent(self, at_ms: int) -> None:
        """The last poll is on the wire until then, and nobody answers before."""
        self._silent_ms = at_ms

    def hold(self, *, on: bool, now_ms: int) -> None:
        """Ask nothing while the port is not read. An answer that came meanwhile is read in
        `read_ms` behind the pause, or when all that came is.
        """
        if self._over is not None and (
            self.has_read(*self._over, now_ms) if not on else not self.awaits_ms(now_ms)
        ):
            self._silent_ms = self._over = None
        elif self._silent_ms is not None and self._held and not on:
            pause_ms = min(self._poll_every_ms, _POLL_ANSWER_MS)
            left_ms = max(self._silent_ms + pause_ms - now_ms, self.read_ms)
            if left_ms == self.read_ms and self._over is None:
                self._over = self._silent_ms + pause_ms, now_ms
            self._silent_ms = now_ms + left_ms - pause_ms
            self._poll_at_ms = max(self._poll_at_ms, now_ms + left_ms)
        self._held = on

    def has_read(self, end_ms: int, since_ms: int, now_ms: int) -> bool:
        """Say whether all that came until `end_ms` was read and taken, with no half frame left; it
        was not before `since_ms`. The caller holds nothing up.
        """
        is_out = self._read_out_ms >= end_ms and not self._buffer
        return is_out or now_ms >= since_ms + READ_MOST_MS

    def counts(self) -> FrameCounts:
        return FrameCounts(
            self._bytes_in,
            self._frames,
            bad=self._bad,
            overlong=self._overlong,
            noise_bytes=self._noise_bytes,
            resyncs=self._resyncs,
        )

    def _begin(self, now_ms: int) -> None:
        """The port was opened anew: nothing is lost yet, and the device is asked at once."""
        self._found = self._lost = False
        self._work = None
        self._poll_at_ms = now_ms
        self._silent_ms = self._over = None

    def _came(self, size: int, now_ms: int) -> None:
        """So many bytes came."""
        self._bytes_in += size
        if 0 < size < _NOT_ALL_BYTES:
            self._read_out_ms = now_ms
        if size and self._silent_ms is not None:
            self._silent_ms = max(self._silent_ms, now_ms)

    def _skip(self, count: int) -> None:
        """So many bytes belong to no frame."""
        if count:
            self._noise_bytes += count
            self._lost = True

    def _spoilt(self) -> None:
        """A frame is wrong."""
        self._bad += 1
        self._lost = True

    def _too_long(self) -> None:
        self._overlong += 1
        self._lost = True

    def _judging(self, frame: bytes, head: int, tail: int) -> Steps[Reading | None]:
        """Return the reading in a frame, or None where its check is wrong."""
        taken = 0
        if self._check is not None:
            taken = yield from self._check.steps(frame, head, tail)
            if taken < 0:
                self._spoilt()
                return None
        self._resyncs += self._found and self._lost
        self._found, self._lost = True, False
        self._frames += 1
        self._silent_ms = self._over = None
        payload = frame[head : len(frame) - tail - taken] if self._strip else frame
        return Reading(b"%b.%d" % (self._msg_id_prefix, self._frames), payload)

    def _judging_whole(self, frame: bytes) -> Steps[Reading | None]:
        """The same of one whose ends are known: nothing in it is searched for another start."""
        reading = yield from self._judging(frame, 0, 0)
        if reading is None:
            self._skip(len(frame))
        return reading

    def _go_on(self) -> Reading | More | None:
        """Do one more step of the work on a frame: MORE where that was not the last."""
        assert self._work is not None, "the caller has begun it"
        try:
            next(self._work)
        except StopIteration as done:
            self._work = None
            reading: Reading | None = done.value
            return reading
        return MORE
