"""The gateway's end of the link: readings in order, acks only for what the application has
committed.

Bytes and times in, events and bytes out; no clock, no I/O. One session per serial port; it
outlives any number of device boots, and a new one (after a crash of the gateway) learns all it
needs from the device. Knows sequences and timers; not streams or subjects' meaning. Truth:
docs/device-link.md, "Gateway".
"""

import struct

from . import const
from .crc16 import crc16
from .errors import InvalidName, InvalidOption
from .events import Hello, Log, Reading
from .frame import FrameReader, FrameWriter
from .gateway_channel import GatewayChannel
from .gateway_counters import GatewayCounters
from .hello import read_hello, write_hello
from .peer import Peer
from .subject import is_name, is_subject, printable
from .ticks import elapsed_ms, is_due, until_ms

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from .events import Answer, Gone, Request, Subscribe, Unsubscribe
    from .gateway_channel import Allows
    from .hello import HelloBody

    Event = Reading | Hello | Log | Subscribe | Unsubscribe | Request | Answer | Gone

_REFUSALS = {
    const.REFUSED_VERSION: b"this gateway speaks version 1 of the device link",
    const.REFUSED_HELLO: b"malformed hello or device name",
    const.REFUSED_BOOT: b"boot id was used before",
    const.REFUSED_SUBJECT: b"invalid subject",
    const.REFUSED_NAME: b"this name is not for this port",
}

RECEIPT_MS = 25  # what is not committed by then is said to be received, before it is sent again
assert RECEIPT_MS < const.RETRY_MS

_FORMER_MAX = 4  # boots that ended, whose HELLO may still be on its way
_WALL_JUMP_MS = 1000  # of the gateway's clock; smaller ones a device learns when it asks next


class GatewaySession:
    """The link on one port.

    `peer` is None until a device said HELLO. A reading ahead of the expected sequence is ignored:
    the device goes back to what is missing (go-back-N). `channel` is the way for messages and
    requests; what the device may do there, `allows` says. `admits` says whether a device may have
    its name. One that `gathers` takes readings however many before them are not committed: the
    device keeps them, and its window is of what is on its way.
    """

    def __init__(
        self,
        name: str = "gateway",
        window: int = const.WINDOW_MAX,
        *,
        wall_ms: "Callable[[], int] | None" = None,
        allows: "Allows | None" = None,
        admits: "Callable[[str], bool] | None" = None,
        gathers: bool = False,
    ) -> None:
        self._name = name.encode()
        if not is_name(self._name):
            raise InvalidName(name)
        if not 1 <= window <= const.WINDOW_MAX:
            raise InvalidOption("window", window, 1, const.WINDOW_MAX)
        self.counters = GatewayCounters()
        self.peer: "Peer | None" = None
        self._window = window
        self._wall_ms = wall_ms
        self._admits = admits
        self._gathers = gathers
        self.channel = GatewayChannel(allows)
        self._former: "list[tuple[int, int]]" = []  # boot id and when the next one came
        self._events: "list[Event]" = []  # that did not come with bytes: at most one Gone
        self._reader = FrameReader(const.FRAME_BYTES_MAX, self.counters, crc16)
        self._writer = FrameWriter(const.FRAME_BYTES_MAX, const.FLAG_FROM_GATEWAY)
        self.body = self._writer.body  # of the frame that the channel is about to put
        self._expected_seq = 1
        self._committed_seq = 0
        self._floor = 0  # what the device no longer keeps
        self._resent_flag = 0  # of the last reading taken
        self._refuse_code = 0
        self._refuse_boot_id = 0
        self._refuse_is16 = False
        self._hello_due = False
        self._time_due = False
        self._time_cookie: "int | None" = None  # of a device that asked; None: it is told unasked
        self._told_ms: "int | None" = None  # wall time less ticks, as last told
        self._ack_due = False
        self._receipt_at_ms: "int | None" = None  # when the last reading taken is spoken of
        self._pong_due = False
        # At start: a device that is up does not wait for its retry timer to learn of us.
        self._request_due = True
        self._request_boot_id = 0
        self._request_is16 = False
        self._requested_at_ms: "int | None" = None
        self._heard_at_ms = 0
        self._ping_at_ms = 0

    @property
    def uncommitted(self) -> int:
        """How many readings the application has not committed."""
        return self._expected_seq - 1 - self._settled()

    def _settled(self) -> int:
        """Return up to which reading nothing is asked of the application any more."""
        return max(self._committed_seq, self._floor)

    @property
    def heard_at_ms(self) -> int:
        """When the peer was heard last."""
        return self._heard_at_ms

    def receive(self, data: "bytes | bytearray", now_ms: int) -> "list[Event]":
        """Take bytes from the line, cut anywhere; return what happened.

        Each (boot_id, seq) comes once per session and in order, unless `rewind` asks for it again.
        """
        events = self.take_events()
        at = 0
        size = len(data)
        while at < size:
            at = self._reader.feed(data, at)
            if self._reader.ready:
                self._on_frame(now_ms, events)
        return events

    def take_events(self) -> "list[Event]":
        """Return what happened without bytes: a device that is silent for too long is Gone."""
        events = self._events
        self._events = []
        return events

    def line_lost(self) -> None:
        """The port is closed. Readings go on where they were; the channel begins anew, with a HELLO
        that is asked for as soon as the port is open again.
        """
        if self.channel.is_open and self.peer is not None:
            self._request_due = True
            self._request_boot_id = 0
            self._request_is16 = self.peer.is16
        self.channel.close(self._events)

    def forget(self, name: str) -> None:
        """Another device has this name now: who had it here says hello before anything counts."""
        if self.peer is not None and self.peer.device == name:
            self.channel.close(self._events)
            self.peer = None

    def committed(self, seq: int, boot_id: int) -> None:
        """All readings of this boot up to `seq` are on disk: ack them, drop them on the device.

        The boot id is part of the name: a commit may finish after the device has rebooted, and its
        old sequence must not ack the new boot's readings. A `seq` that this session has not
        delivered yet is taken too: after a Hello, the application may know it from its store.
        """
        if self.peer is None or boot_id != self.peer.boot_id or seq <= self._committed_seq:
            return
        self._committed_seq = seq
        self._expected_seq = max(self._expected_seq, seq + 1)
        self._ack_due = True

    def taken(self, seq: int, boot_id: int) -> None:
        """All readings of this boot up to `seq` are with the application, and not committed: what
        of it the device sends again, as behind a Hello, is known.
        """
        if self.peer is not None and boot_id == self.peer.boot_id:
            self._expected_seq = max(self._expected_seq, seq + 1)

    def rewind(self, seq: int, boot_id: int) -> None:
        """The application lost this reading: have it, and those behind it, sent again.

        Those before it are with the application, which would count them twice.
        """
        if self.peer is None or boot_id != self.peer.boot_id:
            return
        if not self._settled() < seq < self._expected_seq:
            return
        self._expected_seq = seq
        self._ack_due = True

    def data_to_send(self, now_ms: int) -> bytes:
        """Return what is due for the line, b"" when nothing is. Call again until then."""
        self._check_alive(now_ms)
        self._check_wall(now_ms)
        if self._receipt_at_ms is not None and is_due(now_ms, self._receipt_at_ms):
            self._ack_due = True
        while self._writer.has_room() and self._put_next(now_ms):
            pass
        return self._writer.take()

    def next_timeout_ms(self, now_ms: int) -> "int | None":
        """Return in how many ms data_to_send has something; None: not before bytes arrive."""
        if self._request_due or self._refuse_code:
            return 0
        if self.peer is None:
            return None
        if self._hello_due or self._time_due or self._ack_due or self._pong_due:
            return 0
        if not self.peer.alive:
            return None
        wait_ms = until_ms(now_ms, self._heard_at_ms + const.DEAD_MS)
        wait_ms = min(wait_ms, until_ms(now_ms, self._ping_at_ms))
        if self._receipt_at_ms is not None:
            wait_ms = min(wait_ms, until_ms(now_ms, self._receipt_at_ms))
        channel_ms = self.channel.next_timeout_ms(now_ms)
        return wait_ms if channel_ms is None else min(wait_ms, channel_ms)

    def put(self, kind: int, body_bytes: int) -> None:
        """Put a frame with what the first `body_bytes` of `body` hold. For the channel."""
        self._put(kind, body_bytes)

    # What arrives

    def _on_frame(self, now_ms: int, events: "list[Event]") -> None:
        frame = self._reader
        if frame.flags & const.FLAG_FROM_GATEWAY:
            self.counters.echoes += 1
            return
        if frame.kind == const.HELLO:
            self._on_hello(now_ms, events)
            return
        peer = self.peer
        if peer is None or frame.boot_id != peer.boot_id:
            self.counters.unknown_boots += 1
            self._request_hello(now_ms)
            return
        if peer.is16 != (frame.flags & const.FLAG_CRC16 != 0):
            self.counters.bad_frames += 1  # a CRC-32 frame whose flags are damaged looks like this
            return
        self._on_heard(peer, now_ms)
        self._on_floor(frame.ack)
        if peer.capabilities & const.CAPABILITY_CHANNEL and not self.channel.is_open:
            self._request_hello(now_ms)
        if frame.kind == const.PUB:
            self._on_pub(peer, now_ms, events)
        elif frame.kind == const.PING:
            self._pong_due = True
        elif frame.kind == const.LOG:
            if len(frame.body) > 0:
                events.append(Log(peer.device, frame.body[0], printable(bytes(frame.body[1:]))))
        elif frame.kind == const.TIME:
            self._on_time()
        elif frame.kind != const.PONG:
            self._on_channel_frame(now_ms, events)

    def _on_channel_frame(self, now_ms: int, events: "list[Event]") -> None:
        taken = self.channel.on_frame(self._reader.kind, self._reader.body, now_ms, events)
        if taken is None:
            self.counters.unknown_frames += 1
        elif not taken:
            self._request_hello(now_ms)

    def _on_time(self) -> None:
        if len(self._reader.body) >= 4 and self._wall_ms is not None:
            self._time_cookie = struct.unpack_from("<I", self._reader.body, 0)[0]
            self._time_due = True

    def _on_hello(self, now_ms: int, events: "list[Event]") -> None:
        boot_id = self._reader.boot_id
        floor = self._reader.ack
        hello = read_hello(self._reader.body)
        if hello is None or boot_id == 0:
            self._refuse(const.REFUSED_HELLO)
            return
        if hello.version != const.PROTOCOL_VERSION:
            self._refuse(const.REFUSED_VERSION)
            return
        if self._admits is not None and not self._admits(hello.name):
            self._refuse(const.REFUSED_NAME)
            return
        peer = self.peer
        resumed = peer is not None and peer.boot_id == boot_id and peer.device == hello.name
        if self._is_stale(boot_id, hello, now_ms, resumed=resumed):
            self.counters.stale_hellos += 1
            return
        if resumed and floor < self._floor:
            # A device never takes back what it gave up: this is another life under the same boot
            # id, and its first readings would be acked as duplicates of the last life's.
            self._refuse(const.REFUSED_BOOT)
            return
        if peer is not None and peer.boot_id != boot_id:
            self._former.insert(0, (peer.boot_id, now_ms))
            self._former = self._former[:_FORMER_MAX]
        self.peer = Peer(boot_id, hello, is16=self._reader.flags & const.FLAG_CRC16 != 0)
        self.channel.on_hello(hello, events, same_boot=resumed)
        self.counters.hellos += 1
        if resumed:
            self._on_floor(floor)
        else:
            self._floor = floor
            self._expected_seq = floor + 1
            self._committed_seq = floor
            self._resent_flag = 0
        self._on_heard(self.peer, now_ms)
        self._hello_due = True
        self._time_due = (
            self._wall_ms is not None and hello.capabilities & const.CAPABILITY_TIME != 0
        )
        self._time_cookie = None
        self._request_due = False
        self._requested_at_ms = None
        events.append(Hello(hello.name, boot_id, floor + 1, resumed=resumed))

    def _is_stale(self, boot_id: int, hello: "HelloBody", now_ms: int, *, resumed: bool) -> bool:
        """Return whether a HELLO was overtaken by a later one of the device.

        What it asked for in that life would be done again.
        """
        if resumed:
            return self.channel.is_older(hello.epoch)
        for former, since_ms in self._former:
            if former == boot_id and 0 <= elapsed_ms(now_ms, since_ms) < const.DEAD_MS:
                return True
        return False

    def _on_heard(self, peer: Peer, now_ms: int) -> None:
        peer.alive = True
        self._heard_at_ms = now_ms
        self._ping_at_ms = now_ms + const.PING_MS

    def _on_floor(self, floor: int) -> None:
        self._floor = max(self._floor, floor)
        if floor >= self._expected_seq:
            self.counters.missing += floor + 1 - self._expected_seq
            self._expected_seq = floor + 1

    def _on_pub(self, peer: Peer, now_ms: int, events: "list[Event]") -> None:
        seq = self._reader.seq
        if seq < self._expected_seq:
            self.counters.duplicates += 1
            self._ack_due = True  # tells what is committed, and what is here and waits
            return
        if seq > self._expected_seq:
            self.counters.out_of_order += 1
            return
        if self.uncommitted >= self._window and not self._gathers:
            self.counters.window_full += 1
            return
        body = bytes(self._reader.body)
        stamp_ms = None
        if self._reader.flags & const.FLAG_STAMPED and len(body) >= const.STAMP_BYTES:
            seconds, millis = struct.unpack_from(
                const.TIME_FORMAT, body, len(body) - const.STAMP_BYTES
            )
            stamp_ms = seconds * 1000 + millis
            body = body[: -const.STAMP_BYTES]
        subject_end = 1 + body[0] if body else 1
        subject = body[1:subject_end]
        if peer.capabilities & const.CAPABILITY_CHANNEL and len(body) >= 2 and body[0] == 0:
            subject_end = 2
            alias = self.channel.aliases.get(body[1])
            if alias is None:
                self.counters.unknown_aliases += 1
                self._request_hello(now_ms)
                return
            subject = alias
        elif len(subject) != subject_end - 1 or not is_subject(subject):
            self._refuse(const.REFUSED_SUBJECT)
            self.channel.close(events)
            self.peer = None
            return
        self._expected_seq = seq + 1
        self._resent_flag = self._reader.flags & const.FLAG_RESENT
        if self._receipt_at_ms is None:
            self._receipt_at_ms = now_ms + RECEIPT_MS
        self.counters.readings += 1
        reading = Reading(peer.device, peer.boot_id, seq, subject.decode(), body[subject_end:])
        reading.stamp_ms = stamp_ms
        events.append(reading)

    def _request_hello(self, now_ms: int) -> None:
        """Ask whoever sent the present frame, in its own format."""
        asked = self._requested_at_ms
        if asked is not None and 0 <= elapsed_ms(now_ms, asked) < const.HELLO_REQUEST_MS:
            return
        self._requested_at_ms = now_ms
        self._request_boot_id = self._reader.boot_id
        self._request_is16 = self._reader.flags & const.FLAG_CRC16 != 0
        self._request_due = True

    def _refuse(self, code: int) -> None:
        self.counters.refused += 1
        self._refuse_code = code
        self._refuse_boot_id = self._reader.boot_id
        self._refuse_is16 = self._reader.flags & const.FLAG_CRC16 != 0

    # What goes out

    def _check_alive(self, now_ms: int) -> None:
        peer = self.peer
        if peer is None or not peer.alive:
            return
        if elapsed_ms(now_ms, self._heard_at_ms) >= const.DEAD_MS:
            peer.alive = False
            self.counters.links_lost += 1
            self.channel.close(self._events)

    def _check_wall(self, now_ms: int) -> None:
        """Tell the device when the gateway's clock was set: a Pi starts without the time."""
        if self._wall_ms is None or self._told_ms is None or self.peer is None:
            return
        if abs(elapsed_ms(self._wall_ms() - now_ms, self._told_ms)) >= _WALL_JUMP_MS:
            self._told_ms = None
            self._time_cookie = None
            self._time_due = self.peer.capabilities & const.CAPABILITY_TIME != 0

    def _put_next(self, now_ms: int) -> bool:
        """Put the most urgent frame that is due; return whether there was one."""
        if self._refuse_code:
            self._put_refuse()
        elif self._request_due:
            self._request_due = False
            self._writer.crc16 = crc16 if self._request_is16 else None
            self._writer.put(const.HELLO_REQUEST, self._request_boot_id, 0, 0)
        elif self.peer is None:
            return False
        elif self._hello_due:
            self._put_hello(self.peer)
        elif self._time_due:
            self._time_due = False
            self._put_time(now_ms)
        elif self._pong_due:
            self._pong_due = False
            self._put(const.PONG)
        elif self._ack_due:
            self._put(const.ACK)
        elif self.peer.alive and is_due(now_ms, self._ping_at_ms):
            self._ping_at_ms = now_ms + const.PING_MS
            self._put(const.PING)
        else:
            return self.peer.alive and self.channel.put_next(self, now_ms)
        return True

    def _put(self, kind: int, body_bytes: int = 0) -> None:
        assert self.peer is not None
        # Every frame to a known boot carries both numbers.
        self._ack_due = False
        self._receipt_at_ms = None
        received = self._expected_seq - 1
        self._writer.crc16 = crc16 if self.peer.is16 else None
        self._writer.put(
            kind,
            self.peer.boot_id,
            received,
            self._committed_seq,
            body_bytes,
            self._resent_flag,
        )

    def _put_hello(self, peer: Peer) -> None:
        """Say what both ends have: a device of the first version sees the first version."""
        self._hello_due = False
        capabilities = 0
        tail = b""
        if peer.capabilities & const.CAPABILITY_CHANNEL:
            capabilities = const.CAPABILITY_CHANNEL
            tail = bytes([self.channel.epoch, const.WINDOW_MAX])
        if self._wall_ms is not None:
            capabilities |= peer.capabilities & const.CAPABILITY_CLOCK
        if self._gathers:
            capabilities |= const.CAPABILITY_GATHER
        size = write_hello(
            self.body, self._window, const.FRAME_BYTES_MAX, capabilities, self._name, tail
        )
        self._put(const.HELLO, size)

    def _put_time(self, now_ms: int) -> None:
        assert self._wall_ms is not None
        wall_ms = self._wall_ms()
        self._told_ms = wall_ms - now_ms
        seconds = wall_ms // 1000 & 0xFFFFFFFF
        size = const.TIME_BYTES
        struct.pack_into(const.TIME_FORMAT, self.body, 0, seconds, wall_ms % 1000)
        if self._time_cookie is not None:
            struct.pack_into("<I", self.body, size, self._time_cookie)
            size += 4
        self._put(const.TIME, size)

    def _put_refuse(self) -> None:
        text = _REFUSALS[self._refuse_code]
        self.body[0] = self._refuse_code
        self.body[1 : 1 + len(text)] = text
        self._writer.crc16 = crc16 if self._refuse_is16 else None
        self._writer.put(const.REFUSE, self._refuse_boot_id, 0, 0, 1 + len(text))
        self._refuse_code = 0
