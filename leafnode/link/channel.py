"""The device's end of the channel: small frames both ways, each taken once and in order.

A part of a DeviceSession; a board that only measures leaves this module out. Knows numbers and
timers; not what the frames mean: its sources do. An epoch is the time from one HELLO to the next:
what was not taken when it ends is forgotten, so nothing is done twice. Truth: docs/device-link.md,
"The channel".
"""

import struct

from . import const, verbs
from .errors import InvalidOption
from .ticks import elapsed_ms, is_due, until_ms

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .device import DeviceSession
    from .hello import HelloBody
    from .parts import Listener, Source


class Channel:
    """Give it to a DeviceSession as `channel`. `window`: messages in flight that this board takes.

    One frame of the device is under way at a time, so that none has to be kept for sending it
    again: its source writes it anew.
    """

    capabilities = const.CAPABILITY_CHANNEL

    def __init__(self, window: int = 4) -> None:
        if not 1 <= window <= verbs.MESSAGE_WINDOW_MAX:
            raise InvalidOption("window", window, 1, verbs.MESSAGE_WINDOW_MAX)
        self.window = window
        self.is_open = False
        self.frame_body_bytes = 0  # that a frame of the session holds; it sets this
        self.epoch = 1
        self.resent = 0
        self.repeats = 0  # frames of the gateway that were taken before
        self.strays = 0  # of another epoch, or ahead of a lost one
        self.listener: "Listener | None" = None
        self._sources: "list[Source]" = []
        self._source: "Source | None" = None  # whose frame is under way
        self._kind = 0
        self._number = 0  # of the frame under way, or the last one
        self._last_number = 0  # of the gateway's frames: taken up to here
        self._taken_due = False
        self._tries = 0  # of the frame under way
        self._first_sent_at_ms = 0
        self._send_at_ms = 0
        self._wait_ms = const.RETRY_MS
        self._base_ms = const.RETRY_MS  # follows the measured round trip

    def add(self, source: "Source") -> None:
        """Let a source use the channel. The first one goes first."""
        self._sources.append(source)

    @property
    def body_bytes_max(self) -> int:
        """What a source's frame may hold."""
        return self.frame_body_bytes - verbs.CHANNEL_BYTES

    # What DeviceSession calls

    def hello_tail(self) -> bytes:
        return bytes([self.epoch, self.window])

    def on_up(self, hello: "HelloBody", now_ms: int) -> None:  # noqa: ARG002 -- a Part's signature
        self.is_open = hello.epoch == self.epoch
        self._source = None
        self._number = 0
        self._last_number = 0
        self._taken_due = False
        if self.is_open:
            for source in self._sources:
                source.opened()

    def on_down(self) -> None:
        self.epoch = self.epoch % verbs.EPOCH_MAX + 1
        self._source = None
        if self.is_open:
            self.is_open = False
            for source in self._sources:
                source.closed()

    def on_frame(self, kind: int, body: memoryview, now_ms: int) -> bool:
        """Take a frame of the channel; return False for other kinds, and for one that is cut."""
        if not verbs.MSG <= kind <= verbs.TAKEN or len(body) < verbs.CHANNEL_BYTES:
            return False
        epoch, number = struct.unpack_from(verbs.CHANNEL_FORMAT, body, 0)
        if not self.is_open or epoch != self.epoch:
            self.strays += 1
            return True
        if kind == verbs.TAKEN:
            self._on_taken(number, body, now_ms)
            return True
        ahead = (number - self._last_number) & verbs.NUMBER_MASK
        if ahead == 1:
            self._last_number = number
            self._taken_due = True
            rest = body[verbs.CHANNEL_BYTES :]
            return self.listener is not None and self.listener.on_frame(kind, rest)
        # Before the expected one: the gateway did not hear that it is here. Behind it: one is lost.
        self._taken_due = True
        if ahead > verbs.NUMBER_MASK // 2 or ahead == 0:
            self.repeats += 1
        else:
            self.strays += 1
        return True

    def put_next(self, session: "DeviceSession", now_ms: int) -> bool:
        """Put one frame if one is due; return whether there was one."""
        if self.listener is not None:
            self.listener.on_time(now_ms)
        if not self.is_open:
            return False
        if self._taken_due:
            self._taken_due = False
            self._head(session.body, self._last_number)
            session.body[verbs.CHANNEL_BYTES] = verbs.STATUS_OK
            session.put(verbs.TAKEN, verbs.CHANNEL_BYTES + 1)
            return True
        if self._source is None and not self._begin():
            return False
        assert self._source is not None
        if self._tries == 0:
            self._first_sent_at_ms = now_ms
            self._wait_ms = self._base_ms
        elif is_due(now_ms, self._send_at_ms):
            self.resent += 1
            self._wait_ms = min(2 * self._wait_ms, const.RETRY_MS_MAX)
        else:
            return False
        self._tries += 1
        self._send_at_ms = now_ms + self._wait_ms
        self._head(session.body, self._number)
        session.put(self._kind, self._source.write_into(session.body, verbs.CHANNEL_BYTES))
        return True

    def next_timeout_ms(self, now_ms: int) -> "int | None":
        wait_ms = None
        if self.listener is not None:
            wait_ms = self.listener.next_timeout_ms(now_ms)
        if not self.is_open:
            return wait_ms
        if self._taken_due or (self._source is None and self._begin()):
            return 0
        if self._source is not None:
            send_ms = until_ms(now_ms, self._send_at_ms) if self._tries else 0
            return send_ms if wait_ms is None else min(wait_ms, send_ms)
        return wait_ms

    def _begin(self) -> bool:
        for source in self._sources:
            self._kind = source.begin()
            if self._kind:
                self._source = source
                self._number = (self._number + 1) & verbs.NUMBER_MASK
                self._tries = 0
                return True
        return False

    def _head(self, body: memoryview, number: int) -> None:
        struct.pack_into(verbs.CHANNEL_FORMAT, body, 0, self.epoch, number)

    def _on_taken(self, number: int, body: memoryview, now_ms: int) -> None:
        source = self._source
        known = self._tries > 0 and number == self._number
        if source is None or not known or len(body) <= verbs.CHANNEL_BYTES:
            self.repeats += 1
            return
        if self._tries == 1:
            mean_ms = (self._base_ms + 2 * elapsed_ms(now_ms, self._first_sent_at_ms) + 1) // 2
            self._base_ms = min(max(const.RETRY_MS, mean_ms), const.RETRY_MS_MAX)
        else:
            self._base_ms = min(2 * self._base_ms, const.RETRY_MS_MAX)
        self._source = None
        source.taken(body[verbs.CHANNEL_BYTES])
