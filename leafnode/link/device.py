"""The device's end of the link: keeps readings until the gateway has committed them.

Bytes and times in, bytes out; no clock, no I/O, no randomness: the caller brings `now_ms` and the
boot id. Knows sequences and timers; not what a reading means. Truth: docs/device-link.md, "Device".
"""

from . import const
from .counters import DeviceCounters
from .errors import InvalidName, InvalidOption, InvalidSubject, ReadingTooLarge
from .frame import FrameReader, FrameWriter
from .hello import read_hello, write_hello
from .ring import Ring
from .subject import is_name, is_subject, printable
from .ticks import elapsed_ms, is_due, until_ms

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .aliases import Aliases
    from .channel import Channel
    from .clock import DeviceClock
    from .frame import Crc16
    from .parts import Part

DROP_OLDEST = "drop_oldest"
REFUSE = "refuse"

# The whole state machine. HELLO: HELLO is repeated until the gateway's HELLO comes; no reading is
# sent. UP: readings flow. UP ends by a HELLO_REQUEST, a REFUSE, or DEAD_MS of silence.
_HELLO = 0
_UP = 1


class DeviceSession:
    """One boot of one device.

    `data_to_send` gives one or two frames at a time: call it again once they are written, until it
    returns nothing. `policy` says what publish does with a full ring: "drop_oldest" gives up the
    oldest unacked reading (counted in `dropped`), "refuse" returns 0 (counted in `refused`).
    `clock`, `channel` and `aliases` are for boards that use them; `crc16` is for one without
    binascii. `about` tells people which board and firmware it is, in printable ASCII.
    """

    def __init__(
        self,
        name: str,
        boot_id: int,
        window: int = 4,
        ring_messages: int = 64,
        ring_bytes: int = 4096,
        *,
        policy: str = DROP_OLDEST,
        frame_bytes_max: int = const.FRAME_BYTES_DEFAULT,
        clock: "DeviceClock | None" = None,
        channel: "Channel | None" = None,
        aliases: "Aliases | None" = None,
        crc16: bool = False,
        about: str = "",
    ) -> None:
        self._name = name.encode()
        if not is_name(self._name):
            raise InvalidName(name)
        for option, value, least, most in (
            ("boot_id", boot_id, 1, const.BOOT_ID_MAX),
            ("window", window, 1, const.WINDOW_MAX),
            ("ring_messages", ring_messages, 1, const.SEQ_MAX),
            ("ring_bytes", ring_bytes, 1, const.SEQ_MAX),
            ("frame_bytes_max", frame_bytes_max, const.FRAME_BYTES_MIN, const.FRAME_BYTES_MAX),
            ("about", len(about), 0, const.ABOUT_BYTES_MAX),
        ):
            _check(option, value, least, most)
        assert policy in (DROP_OLDEST, REFUSE)
        self.boot_id = boot_id
        self.policy = policy
        self.counters = DeviceCounters()
        self.refused_by_gateway = ""  # why, in the gateway's words; empty when it did not
        self._window_own = window
        self._window = window  # the smaller of both ends'
        self._gathers = 0  # the gateway's bit: what it has received may wait for its commit
        self._frame_bytes_max = frame_bytes_max
        self._reading_bytes_max = min(frame_bytes_max - const.OVERHEAD_BYTES, ring_bytes)
        self._ring = Ring(ring_messages, ring_bytes)
        check16 = _load_crc16() if crc16 else None
        self._reader = FrameReader(frame_bytes_max, self.counters, check16, only16=crc16)
        self._writer = FrameWriter(frame_bytes_max, 0, check16)
        self.body = self._writer.body  # of the frame that a part is about to put
        self._about = about.encode()
        self._clock = clock
        self._channel = channel
        self._aliases = aliases
        parts: "tuple[Part | None, ...]" = (clock, channel)
        self._parts = [part for part in parts if part is not None]
        if channel is not None:
            channel.frame_body_bytes = len(self.body)
        self._subject = ""  # the last one published on and its checked bytes: most devices have few
        self._subject_head = b""
        self._state = _HELLO
        self._begin_boot()
        self._begin_timers()
        self._logs: "list[tuple[int, bytes]]" = []

    @property
    def unacked(self) -> int:
        """How many readings are kept."""
        return self._ring.count

    @property
    def unacked_bytes(self) -> int:
        return self._ring.used_bytes

    @property
    def is_up(self) -> bool:
        """Whether the gateway has answered and not gone silent since."""
        return self._state == _UP

    @property
    def renew_due(self) -> bool:
        """Whether sequences run out and nothing is unacked: the time to call renew."""
        return self._last_seq >= const.SEQ_RENEW and self._ring.count == 0

    def publish(
        self, subject: str, payload: "bytes | bytearray", now_ms: "int | None" = None
    ) -> int:
        """Keep a reading for the gateway; return its sequence, or 0 when it was not taken.

        With `now_ms` and a clock it carries the time at which it was measured. Raises
        InvalidSubject, and ReadingTooLarge for what one frame or the empty ring cannot hold.
        """
        if subject != self._subject or not self._subject_head:
            self._subject_head = _subject_head(subject)
            self._subject = subject
        head = self._subject_head
        stamp = b""
        if self._clock is not None:
            stamp = self._clock.stamp(now_ms)
        size = len(head) + len(payload) + len(stamp)
        if size > self._reading_bytes_max:
            raise ReadingTooLarge(size, self._reading_bytes_max)
        if self._last_seq >= const.SEQ_MAX:
            self.counters.refused += 1
            return 0
        if self._aliases is not None:
            head = self._aliases.head(head)
            size = len(head) + len(payload) + len(stamp)
        while not self._ring.has_room(size):
            if self.policy == REFUSE:
                self.counters.refused += 1
                return 0
            self._forget(1)
            self.counters.dropped += 1
        self._ring.append(head, payload, stamp)
        self._last_seq += 1
        return self._last_seq

    def log(self, level: int, text: str) -> None:
        """Queue a line for the gateway's log; it may get lost. Levels: 3 error to 7 debug."""
        if len(self._logs) >= const.LOGS_MAX:
            self._logs.pop(0)
            self.counters.logs_dropped += 1
        size_max = self._frame_bytes_max - const.OVERHEAD_BYTES - 1
        self._logs.append((level, text.encode()[:size_max]))

    def renew(self, boot_id: int) -> None:
        """Begin a new boot id and sequence 1: sequences are bounded. Nothing may be unacked."""
        assert self._ring.count == 0
        _check("boot_id", boot_id, 1, const.BOOT_ID_MAX)
        self.boot_id = boot_id
        self._begin_boot()
        self._say_hello()

    def _begin_boot(self) -> None:
        self._floor = 0  # highest sequence that is no longer kept: acked or dropped
        self._last_seq = 0  # highest published
        self._next_seq = 1  # next to put on the wire; go-back-N moves it back
        self._sent_seq = 0  # highest ever put on the wire, or given up before
        self._received_seq = 0  # what the gateway says it holds, committed or not
        self._timed_seq = 0  # the reading whose round trip is measured; 0: none
        self._timed_twice = False  # sending went back meanwhile: which try arrived, none can tell

    def _begin_timers(self) -> None:
        self._retry_at_ms = 0  # valid while something is in flight
        self._retry_ms = const.RETRY_MS  # follows the measured round trip
        self._sureness = 0  # doubtful round trips that come until a clear one is forgotten
        self._retries = 0  # doublings of _retry_ms
        self._timed_at_ms = 0
        self._hello_at_ms: "int | None" = None  # None: at once
        self._hello_ms = const.RETRY_MS
        self._heard_at_ms = 0
        self._ping_at_ms = 0
        self._ping_due = False
        self._pong_due = False

    def receive(self, data: "bytes | bytearray", now_ms: int) -> None:
        """Take bytes from the line, cut anywhere."""
        at = 0
        size = len(data)
        while at < size:
            at = self._reader.feed(data, at)
            if self._reader.ready:
                self._on_frame(now_ms)

    def data_to_send(self, now_ms: int) -> bytes:
        """Return what is due for the line, b"" when nothing is."""
        if self._state == _UP and elapsed_ms(now_ms, self._heard_at_ms) >= const.DEAD_MS:
            self.counters.links_lost += 1
            self._say_hello()
        if self._state == _HELLO:
            self._send_hello(now_ms)
        else:
            self._send_control(now_ms)
        # Before the readings: they go by their aliases once these are known. Also while the link is
        # down: a part has times of its own.
        for part in self._parts:
            while self._writer.has_room() and part.put_next(self, now_ms):
                pass
        if self._state == _UP:
            self._send_readings(now_ms)
            self._send_logs()
        return self._writer.take()

    def next_timeout_ms(self, now_ms: int) -> "int | None":
        """Return in how many milliseconds data_to_send has something, 0 for now."""
        wait_ms = self._own_timeout_ms(now_ms)
        for part in self._parts:
            timeout_ms = part.next_timeout_ms(now_ms)
            if timeout_ms is not None:
                wait_ms = min(wait_ms, timeout_ms)
        return wait_ms

    def _own_timeout_ms(self, now_ms: int) -> int:
        if self._state == _HELLO:
            return 0 if self._hello_at_ms is None else until_ms(now_ms, self._hello_at_ms)
        if self._ping_due or self._pong_due or self._logs or self._may_send():
            return 0
        wait_ms = until_ms(now_ms, self._ping_at_ms)
        wait_ms = min(wait_ms, until_ms(now_ms, self._heard_at_ms + const.DEAD_MS))
        if self._in_flight() > 0:
            wait_ms = min(wait_ms, until_ms(now_ms, self._retry_at_ms))
        return wait_ms

    def put(self, kind: int, body_bytes: int) -> None:
        """Put a frame with what the first `body_bytes` of `body` hold. For parts."""
        self._put(kind, 0, body_bytes)

    # What arrives

    def _on_frame(self, now_ms: int) -> None:
        frame = self._reader
        if not frame.flags & const.FLAG_FROM_GATEWAY:
            self.counters.echoes += 1
            return
        if frame.boot_id != self.boot_id:
            if frame.kind == const.HELLO_REQUEST and frame.boot_id == 0:
                self._say_hello()
            else:
                self.counters.stale_frames += 1
            return
        self._heard_at_ms = now_ms
        self._ping_at_ms = now_ms + const.PING_MS
        kind = frame.kind
        if kind in (const.HELLO_REQUEST, const.REFUSE):
            # Neither knows our sequences: their header says nothing.
            self._say_hello()
            if kind == const.REFUSE:
                self._on_refuse(now_ms)
            return
        if frame.ack > self._sent_seq:
            self.counters.bad_frames += 1  # acks what was never sent: nothing of it can be believed
            return
        if kind == const.HELLO:
            self._on_hello(now_ms)
        elif kind == const.PING:
            self._pong_due = True
        elif kind not in (const.ACK, const.PONG) and not self._is_for_a_part(kind, now_ms):
            self.counters.unknown_frames += 1
            return
        self._on_ack(frame.ack, frame.seq, now_ms)

    def _is_for_a_part(self, kind: int, now_ms: int) -> bool:
        body = self._reader.body
        return any(part.on_frame(kind, body, now_ms) for part in self._parts)

    def _on_hello(self, now_ms: int) -> None:
        hello = read_hello(self._reader.body)
        if hello is None or hello.version != const.PROTOCOL_VERSION:
            self.counters.bad_frames += 1
            return
        if self._channel is not None and hello.epoch not in (0, self._channel.epoch):
            self.counters.stale_frames += 1  # to a former HELLO of ours: the next one is on its way
            return
        self.refused_by_gateway = ""
        self._window = min(self._window_own, hello.window)
        self._gathers = hello.capabilities & const.CAPABILITY_GATHER
        if self._state == _HELLO:
            self._state = _UP
            self._retries = 0
            self._timed_seq = 0
            # Go back to what this gateway does not hold: another one held what was sent before.
            self._next_seq = max(self._floor, min(self._reader.seq, self._last_seq)) + 1
            self._retry_at_ms = now_ms + self._retry_ms
            for part in self._parts:
                part.on_up(hello, now_ms)

    def _on_refuse(self, now_ms: int) -> None:
        body = bytes(self._reader.body)
        code = body[0] if body else 0
        self.refused_by_gateway = "{} (code {})".format(printable(body[1:]), code)
        self._hello_ms = const.RETRY_MS_MAX
        self._hello_at_ms = now_ms + self._hello_ms

    def _on_ack(self, ack: int, received_seq: int, now_ms: int) -> None:
        # The latest word counts, not the highest: a gateway that lost readings takes its word back.
        is_news = received_seq > self._received_seq or ack > self._floor
        self._received_seq = received_seq
        if self._timed_seq and received_seq >= self._timed_seq:
            self._on_round_trip(now_ms)
        if ack > self._floor:
            self.counters.acked += ack - self._floor
            self._forget(ack - self._floor)
        if is_news:
            self._retries = 0
            self._retry_at_ms = now_ms + self._timeout_ms()

    def _on_round_trip(self, now_ms: int) -> None:
        """Learn from a first try that arrived, however late; what was lost says nothing of time.

        Where sending went back meanwhile, the answer to that first try may have been lost. On a
        slow line all are like that until one is believed; on a bad one a clear one comes soon.
        """
        self._timed_seq = 0
        if self._timed_twice:
            self._sureness = max(self._sureness - 1, 0)
            if self._sureness or self._reader.flags & const.FLAG_RESENT:
                return
        else:
            self._sureness = const.SURENESS
        round_trip_ms = elapsed_ms(now_ms, self._timed_at_ms)
        mean_ms = (self._retry_ms + 2 * round_trip_ms + 1) // 2
        self._retry_ms = min(max(const.RETRY_MS, mean_ms), const.RETRY_MS_MAX)

    # What goes out

    def _put(self, kind: int, seq: int = 0, body_bytes: int = 0, flags: int = 0) -> None:
        self._writer.put(kind, self.boot_id, seq, self._floor, body_bytes, flags)

    def _say_hello(self) -> None:
        was_up = self._state == _UP
        self._state = _HELLO
        self._hello_ms = const.RETRY_MS
        self._hello_at_ms = None
        self._ping_due = False
        self._pong_due = False
        if was_up:
            for part in self._parts:
                part.on_down()

    def _send_hello(self, now_ms: int) -> None:
        if self._hello_at_ms is not None and not is_due(now_ms, self._hello_at_ms):
            return
        capabilities = const.CAPABILITY_LOG
        for part in self._parts:
            capabilities |= part.capabilities
        tail = b"" if self._channel is None else self._channel.hello_tail()
        if self._about:
            capabilities |= const.CAPABILITY_ABOUT
            tail += bytes([len(self._about)]) + self._about
        size = write_hello(
            self.body, self._window_own, self._frame_bytes_max, capabilities, self._name, tail
        )
        self._put(const.HELLO, 0, size)
        self.counters.hellos += 1
        self._hello_at_ms = now_ms + self._hello_ms
        self._hello_ms = min(2 * self._hello_ms, const.RETRY_MS_MAX)

    def _send_control(self, now_ms: int) -> None:
        if self._in_flight() > 0 and is_due(now_ms, self._retry_at_ms):
            self._on_retry_timeout(now_ms)
        if self._pong_due:
            self._put(const.PONG)
            self._pong_due = False
        if self._ping_due or is_due(now_ms, self._ping_at_ms):
            self._put(const.PING)
            self._ping_due = False
            self._ping_at_ms = now_ms + const.PING_MS

    def _on_retry_timeout(self, now_ms: int) -> None:
        if self._received_seq >= self._next_seq - 1:
            # All of it is at the gateway and waits for its disk: ask, rather than send it again.
            self._ping_due = True
        else:
            self._next_seq = max(self._floor, self._received_seq) + 1
            self._timed_twice = True
        if self._retry_ms << self._retries < const.RETRY_MS_MAX:
            self._retries += 1
        self._retry_at_ms = now_ms + self._timeout_ms()

    def _send_readings(self, now_ms: int) -> None:
        while self._may_send() and self._writer.has_room():
            seq = self._next_seq
            index = seq - self._floor - 1
            if self._aliases is None:
                size = self._ring.copy_into(index, self.body)
            else:
                size = self._aliases.copy_into(self._ring, index, self.body)
            flags = const.FLAG_RESENT if seq <= self._sent_seq else 0
            if self._clock is not None:
                size = self._clock.finish(self.body, size)
                flags |= self._clock.flag
            resent = flags & const.FLAG_RESENT
            self._put(const.PUB, seq, size, flags)
            if seq - 1 <= max(self._floor, self._received_seq):
                self._retry_at_ms = now_ms + self._timeout_ms()  # the first that may be lost
            self._next_seq += 1
            if resent:
                self.counters.resent += 1
                continue
            self._sent_seq = seq
            self.counters.sent += 1
            if self._timed_seq == 0:
                self._timed_seq = seq
                self._timed_twice = False
                self._timed_at_ms = now_ms

    def _send_logs(self) -> None:
        while self._logs and self._writer.has_room():
            level, text = self._logs.pop(0)
            self._writer.body[0] = level & 0xFF
            self._writer.body[1 : 1 + len(text)] = text
            self._put(const.LOG, 0, 1 + len(text))

    def _may_send(self) -> bool:
        on_way = self._in_flight()
        if self._gathers:
            on_way -= max(self._received_seq - self._floor, 0)
        return self._next_seq <= self._last_seq and on_way < self._window

    def _in_flight(self) -> int:
        return self._next_seq - 1 - self._floor

    def _timeout_ms(self) -> int:
        """Return how long to wait: where the round trip is known, what is late is lost.

        For an answer to a question, longer each time: that is the gateway's disk.
        """
        retries = self._retries
        if self._sureness and not self._ping_due:
            retries = min(retries, 1)
        return min(self._retry_ms << retries, const.RETRY_MS_MAX)

    def _forget(self, count: int) -> None:
        """Drop the `count` oldest readings: acked, or given up."""
        for _ in range(count):
            self._ring.drop()
        self._floor += count
        self._next_seq = max(self._next_seq, self._floor + 1)
        # A gateway that meets us after a drop starts from our floor: it acks what was never sent.
        self._sent_seq = max(self._sent_seq, self._floor)


def _check(option: str, value: int, least: int, most: int) -> None:
    if not least <= value <= most:
        raise InvalidOption(option, value, least, most)


def _load_crc16() -> "Crc16":
    from .crc16 import crc16

    return crc16


def _subject_head(subject: str) -> bytes:
    """Return the subject as it stands at the start of a PUB body: size, then bytes."""
    data = subject.encode()
    if not is_subject(data):
        raise InvalidSubject(subject)
    return bytes([len(data)]) + data
