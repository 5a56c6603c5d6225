"""Plays every row of the state tables of docs/device-link.md: the page is the specification."""

import struct

from leafnode.link import const, verbs
from leafnode.link.aliases import Aliases
from leafnode.link.channel import Channel
from leafnode.link.clock import DeviceClock
from leafnode.link.crc16 import crc16
from leafnode.link.device import DeviceSession
from leafnode.link.frame import FrameWriter
from leafnode.link.gateway import RECEIPT_MS, GatewaySession
from leafnode.link.messages import Messages
from tests.unit.link.wire import (
    BOOT,
    CHANNEL,
    OTHER_BOOT,
    START_MS,
    addressed,
    all_to_send,
    from_board,
    from_device,
    from_gateway,
    hello_body,
    kinds_in,
    on_channel,
    pub,
)

PAGE = "docs/device-link.md"
NOW_MS = START_MS + 40  # nothing is due by itself
KINDS = {
    "HELLO": const.HELLO,
    "HELLO_REQUEST": const.HELLO_REQUEST,
    "PUB": const.PUB,
    "ACK": const.ACK,
    "PING": const.PING,
    "PONG": const.PONG,
    "LOG": const.LOG,
    "TIME": const.TIME,
    "REFUSE": const.REFUSE,
    "REG": verbs.REG,
    "SUB": verbs.SUB,
    "UNSUB": verbs.UNSUB,
    "MSG": verbs.MSG,
    "REQ": verbs.REQ,
    "REP": verbs.REP,
    "TAKEN": verbs.TAKEN,
}
OK = bytes([verbs.STATUS_OK])
OTHER_CRC = FrameWriter(256, 0, crc16)
OTHER_CRC.put(const.PONG, BOOT, 0, 3)
OTHER_CRC = OTHER_CRC.take()


def rows_of(title):
    """Return (event, cells) of the table under the heading `title`, and its states."""
    with open(PAGE, encoding="utf-8") as page:  # noqa: PTH123 -- MicroPython
        section = page.read().split("\n### " + title + "\n")[1].split("\n#")[0]
    lines = [line for line in section.split("\n") if line.startswith("| ")]
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    states = [head.split(" ")[1] for head in cells[0][1:]]
    return states, [(row[0], row[1:]) for row in cells[1:]]


def expected(cell):
    """Return (kinds, state, counter or "") of a cell."""
    rest, _, counter = cell.replace("`", "").partition(" · ")
    sends, _, state = rest.partition(" → ")
    kinds = [] if sends == "nothing" else [KINDS[word] for word in sends.split(", ")]
    return kinds, state, counter


def play(title, scene):
    """Play each cell of a table in a scene of its own."""
    states, rows = rows_of(title)
    assert sorted(name for name, _ in rows) == sorted(scene.events)
    for name, cells in rows:
        assert len(cells) == len(states)
        for state, cell in zip(states, cells):  # noqa: B905 -- MicroPython
            kinds, next_state, counter = expected(cell)
            stage = scene(state)
            assert stage.state() == state, (name, state)
            before = stage.count(counter) if counter else 0

            stage.now_ms = NOW_MS
            scene.events[name](stage)
            sent = [kind for kind in kinds_in(stage.sent()) if kind in stage.named]

            seen = f"{name} in {state}: {sent} {stage.state()}"
            assert sent == kinds, seen
            assert stage.state() == next_state, seen
            if counter:
                assert stage.count(counter) > before, seen


def damaged(frame):
    changed = bytearray(frame)
    changed[-3] ^= 4
    return bytes(changed)


class Side:
    """A session in a state, and what it is asked for."""

    def hear(self, data):
        self.session.receive(data, self.now_ms)

    def sent(self):
        return all_to_send(self.session, self.now_ms)

    def count(self, counter):
        for counted in self.counted():
            if hasattr(counted, counter):
                return getattr(counted, counter)
        raise AssertionError(counter)

    def counted(self):
        return (self.session.counters,)


# Device


class Device(Side):
    """A device in a state, with a subscription and, where the channel is open, an open request."""

    named = tuple(KINDS.values())
    clock = False

    def __init__(self, state):
        self.build()
        all_to_send(self.session, START_MS)
        if state == "UP":
            self.hear(self.hello(1))
            all_to_send(self.session, START_MS)

    def build(self):
        self.now_ms = START_MS
        self.channel = Channel()
        self.aliases = Aliases(self.channel)
        self.messages = Messages(self.channel)
        self.session = DeviceSession(
            "dev-1",
            BOOT,
            ring_messages=4,
            channel=self.channel,
            clock=DeviceClock() if self.clock else None,
        )

    def state(self):
        return "UP" if self.session.is_up else "HELLO"

    def hello(self, epoch, capabilities=CHANNEL):
        tail = bytes([epoch, 8]) if capabilities else b""
        return from_gateway(const.HELLO, body=hello_body(capabilities=capabilities, tail=tail))

    def fill(self):
        for _ in range(5):
            self.session.publish("t", b"")
        # The window is 4, so that one reading is ever sent for the full ring's newest.
        self.session._window = 1

    def reading(self, received):
        """Let a reading be sent and, if `received` is 1, be heard of."""
        self.session.publish("t", b"")
        all_to_send(self.session, START_MS)
        if self.session.is_up:
            self.session.receive(from_gateway(const.ACK, seq=received), START_MS)
        self.now_ms = START_MS + 60


class DeviceWithClock(Device):
    clock = True


def time_of(device):
    device.hear(from_gateway(const.TIME, body=bytes(6)))


def time_with_a_clock(device):
    other = DeviceWithClock(device.state())
    all_to_send(other.session, NOW_MS)
    time_of(other)
    assert other.session.counters.unknown_frames == 0
    assert other.session._clock.is_set


def later(stage, ms):
    stage.now_ms = START_MS + ms


Device.events = {
    "HELLO of this epoch": lambda d: d.hear(d.hello(d.channel.epoch)),
    "HELLO of another epoch": lambda d: d.hear(d.hello(9)),
    "HELLO of another version": lambda d: d.hear(from_gateway(const.HELLO, body=b"\x02")),
    "HELLO that is malformed": lambda d: d.hear(from_gateway(const.HELLO, body=b"\x01")),
    "HELLO_REQUEST for this boot": lambda d: d.hear(from_gateway(const.HELLO_REQUEST)),
    "HELLO_REQUEST for boot 0": lambda d: d.hear(from_gateway(const.HELLO_REQUEST, 0)),
    "any frame for another boot": lambda d: d.hear(from_gateway(const.PING, OTHER_BOOT)),
    "REFUSE": lambda d: d.hear(from_gateway(const.REFUSE, body=b"\x01no")),
    "ACK": lambda d: d.hear(from_gateway(const.ACK)),
    "an ack of what was never sent": lambda d: d.hear(from_gateway(const.ACK, ack=9)),
    "PING": lambda d: d.hear(from_gateway(const.PING)),
    "PONG": lambda d: d.hear(from_gateway(const.PONG)),
    "TIME, with a clock": time_with_a_clock,
    "TIME, without a clock": time_of,
    "a frame of the channel": lambda d: d.hear(on_channel(verbs.MSG, 1, addressed(9, b"x"))),
    "an unknown kind": lambda d: d.hear(from_gateway(0x7F)),
    "its own echo": lambda d: d.hear(from_device(const.HELLO, body=hello_body())),
    "a damaged frame": lambda d: d.hear(damaged(from_gateway(const.PING))),
    "bytes of no frame": lambda d: d.hear(b"\x00>>> boot\r\n\x00"),
    "program: publish": lambda d: d.session.publish("t", b""),
    "program: publish, the ring is full": lambda d: d.fill(),
    "program: log": lambda d: d.session.log(6, "x"),
    "program: renew": lambda d: d.session.renew(OTHER_BOOT),
    "50 ms": lambda d: later(d, 50),
    "the retry interval, the gateway lacks readings": lambda d: d.reading(0),
    "the retry interval, the gateway has not committed": lambda d: d.reading(1),
    "2 s of silence": lambda d: later(d, const.PING_MS),
    "6 s of silence": lambda d: later(d, const.DEAD_MS),
}


class DeviceTalk(Device):
    """The same device, looked at for its channel."""

    named = tuple(range(verbs.REG, verbs.TAKEN + 1))

    def __init__(self, state):
        self.build()
        self.session._aliases = self.aliases
        self.sub = self.messages.serve("led", self.on_request)
        self.later = False
        self.question = 0
        all_to_send(self.session, START_MS)
        if state == "CLOSED":
            return
        self.hear(self.hello(1))
        self.take_all()
        self.question = self.messages.request("q", b"", 500, self.on_reply, START_MS)
        self.take_all()
        self.hear(on_channel(verbs.MSG, 1, addressed(self.sub, b"led")))
        self.take_all()
        if state == "BUSY":
            self.messages.subscribe("more", self.on_request)
            all_to_send(self.session, START_MS)

    def on_request(self, message):
        return None if self.later else b"done"

    def on_reply(self, status, payload):
        pass

    def take_all(self):
        for _ in range(5):
            all_to_send(self.session, START_MS)
            self.hear(on_channel(verbs.TAKEN, self.channel._number, OK))

    def state(self):
        if not self.channel.is_open:
            return "CLOSED"
        return "IDLE" if self.channel._source is None else "BUSY"

    def counted(self):
        return (self.channel, self.messages)

    def req(self):
        body = struct.pack("<H", 7) + addressed(self.sub, b"led")
        self.hear(on_channel(verbs.REQ, 2, body))

    def req_later(self):
        self.later = True
        self.req()

    def rep(self, number):
        self.hear(on_channel(verbs.REP, 2, struct.pack(verbs.REPLY_FORMAT, number, 0)))

    def msg(self, number, sub=None, epoch=1):
        body = addressed(self.sub if sub is None else sub, b"led")
        self.hear(on_channel(verbs.MSG, number, body, epoch))

    def taken(self, number):
        self.hear(on_channel(verbs.TAKEN, number, OK))

    def ask(self):
        self.messages.request("q", b"", 100, self.on_reply, self.now_ms)


DeviceTalk.events = {
    "HELLO, the gateway has a channel": lambda d: (
        d.hear(d.hello(1)),
        d.state() == "IDLE" and d.take_all(),
    ),
    "HELLO, the gateway has none": lambda d: d.hear(d.hello(1, 0)),
    "the link goes down": lambda d: d.hear(from_gateway(const.HELLO_REQUEST)),
    "program: subscribe": lambda d: d.messages.subscribe("new", d.on_request),
    "program: unsubscribe": lambda d: d.messages.unsubscribe(d.sub),
    "program: request": lambda d: d.ask(),
    "program: publish on a new subject": lambda d: d.session.publish("new", b""),
    "MSG, the next": lambda d: d.msg(2),
    "MSG, taken before": lambda d: d.msg(1),
    "MSG, ahead of a lost one": lambda d: d.msg(3),
    "MSG of another epoch": lambda d: d.msg(2, epoch=9),
    "MSG for no subscription": lambda d: d.msg(2, sub=99),
    "REQ, answered at once": lambda d: d.req(),
    "REQ, answered later": lambda d: d.req_later(),
    "REP that is waited for": lambda d: d.rep(d.question),
    "REP that nobody waits for": lambda d: d.rep(99),
    "TAKEN of what is under way": lambda d: d.taken(d.channel._number),
    "TAKEN of another number": lambda d: d.taken(99),
    "the resend interval": lambda d: later(d, 60),
    "the timeout of a request": lambda d: later(d, 500),
}


# Gateway


class Gateway(Side):
    """A gateway in a state. The device's floor is 3 and reading 4 is not committed."""

    named = tuple(KINDS.values())
    caps = CHANNEL | const.CAPABILITY_TIME | const.CAPABILITY_CLOCK

    def __init__(self, state):
        self.now_ms = START_MS
        self.wall = 1_800_000_000_000
        self.allowed = True
        self.session = GatewaySession(
            wall_ms=lambda: self.wall + self.now_ms, allows=lambda *asked: self.allowed
        )
        self.channel = self.session.channel
        all_to_send(self.session, START_MS)
        if state == "UNKNOWN":
            return
        self.hear(self.hello(OTHER_BOOT) + self.hello() + pub(4, ack=3))
        all_to_send(self.session, START_MS)
        if state == "SILENT":
            self.now_ms = START_MS + const.DEAD_MS
            all_to_send(self.session, self.now_ms)

    def state(self):
        if self.session.peer is None:
            return "UNKNOWN"
        return "UP" if self.session.peer.alive else "SILENT"

    def hello(self, boot_id=BOOT, epoch=2, floor=3):
        body = hello_body(b"dev-1", capabilities=self.caps, tail=bytes([epoch, 4]))
        return from_device(const.HELLO, boot_id, 0, floor, body)

    def window_full(self):
        for seq in range(5, 13):
            self.hear(pub(seq, ack=3))

    def hear_and_wait(self, data):
        self.hear(data)
        self.now_ms += RECEIPT_MS

    def set_clock(self):
        self.wall += 3_600_000


def frame(kind, seq=0, floor=3, body=b"", boot_id=BOOT):
    return from_device(kind, boot_id, seq, floor, body)


Gateway.events = {
    "HELLO of another boot": lambda g: g.hear(g.hello(5)),
    "HELLO of this boot and epoch": lambda g: g.hear(g.hello()),
    "HELLO of this boot, the next epoch": lambda g: g.hear(g.hello(epoch=3)),
    "HELLO of this boot, a former epoch": lambda g: g.hear(g.hello(epoch=1)),
    "HELLO of a boot that just ended": lambda g: g.hear(g.hello(OTHER_BOOT)),
    "HELLO of this boot, a lower floor": lambda g: g.hear(g.hello(epoch=3, floor=2)),
    "HELLO of another version": lambda g: g.hear(frame(const.HELLO, body=b"\x02")),
    "HELLO that is malformed": lambda g: g.hear(frame(const.HELLO, body=b"\x01")),
    "any frame of another boot": lambda g: g.hear(frame(const.PONG, boot_id=5)),
    "PUB, the expected": lambda g: g.hear(pub(5, ack=3)),
    "PUB, before it": lambda g: g.hear(pub(4, ack=3)),
    "PUB, behind it": lambda g: g.hear(pub(6, ack=3)),
    "PUB beyond the window": lambda g: g.window_full(),
    "PUB by an unknown alias": lambda g: g.hear(frame(const.PUB, 5, body=b"\x00\x09x")),
    "PUB on an invalid subject": lambda g: g.hear(pub(5, ack=3, subject=b"a b")),
    "a floor ahead of the expected": lambda g: g.hear(frame(const.PONG, floor=9)),
    "PING": lambda g: g.hear(frame(const.PING)),
    "PONG": lambda g: g.hear(frame(const.PONG)),
    "LOG": lambda g: g.hear(frame(const.LOG, body=b"\x06x")),
    "TIME": lambda g: g.hear(frame(const.TIME, body=bytes(4))),
    "a frame of the channel": lambda g: g.hear(from_board(verbs.SUB, 1, b"\x01\x00x", 2)),
    "an unknown kind": lambda g: g.hear(frame(0x7F)),
    "a frame with the other CRC": lambda g: g.hear(OTHER_CRC),
    "its own echo": lambda g: g.hear(from_gateway(const.PING)),
    "a damaged frame": lambda g: g.hear(damaged(frame(const.PING))),
    "bytes of no frame": lambda g: g.hear(b"\x00>>> boot\r\n\x00"),
    "application: committed": lambda g: g.session.committed(4, BOOT),
    "application: committed, of another boot": lambda g: g.session.committed(4, OTHER_BOOT),
    "application: rewind": lambda g: g.session.rewind(4, BOOT),
    "the port is lost": lambda g: g.session.line_lost(),
    "the gateway's clock is set": lambda g: g.set_clock(),
    "25 ms after a reading that was expected": lambda g: g.hear_and_wait(pub(5, ack=3)),
    "2 s of silence": lambda g: later(g, const.PING_MS),
    "6 s of silence": lambda g: later(g, const.DEAD_MS),
}


class GatewayTalk(Gateway):
    """The same gateway, looked at for its channel."""

    named = tuple(range(verbs.REG, verbs.TAKEN + 1)) + (const.HELLO_REQUEST,)  # noqa: RUF005
    caps = CHANNEL

    def __init__(self, state):
        super().__init__("UP")
        self.board(verbs.SUB, 1, b"\x01\x01led")
        self.board(verbs.REQ, 2, b"\x07\x00\xe8\x03\x01q")
        self.handed = self.channel.request(1, "led", b"")
        all_to_send(self.session, START_MS)
        self.board(verbs.TAKEN, 1, OK)
        self.board(verbs.REG, 3, b"\x01aa")
        all_to_send(self.session, START_MS)
        if state == "BUSY":
            self.channel.message(1, "led", b"on")
        if state == "CLOSED":
            self.session.line_lost()
        all_to_send(self.session, START_MS)

    def board(self, kind, number, body=b"", epoch=2):
        self.hear(from_board(kind, number, body, epoch))

    def state(self):
        if not self.channel.is_open:
            return "CLOSED"
        return "BUSY" if self.channel.waiting else "IDLE"

    def counted(self):
        return (self.channel.counters,)

    def forbidden(self):
        self.allowed = False
        self.board(verbs.SUB, 4, b"\x02\x00x")

    def rep(self, number):
        self.board(verbs.REP, 4, struct.pack(verbs.REPLY_FORMAT, number, 0))


GatewayTalk.events = {
    "HELLO of the next epoch": lambda g: g.hear(g.hello(epoch=3)),
    "HELLO of this epoch, again": lambda g: g.hear(g.hello()),
    "HELLO of another boot": lambda g: g.hear(g.hello(5)),
    "HELLO without a channel": lambda g: g.hear(frame(const.HELLO, body=hello_body(b"dev-1"))),
    "SUB, the next": lambda g: g.board(verbs.SUB, 4, b"\x02\x00x"),
    "SUB, taken before": lambda g: g.board(verbs.SUB, 3, b"\x02\x00x"),
    "SUB, ahead of a lost one": lambda g: g.board(verbs.SUB, 5, b"\x02\x00x"),
    "SUB of another epoch": lambda g: g.board(verbs.SUB, 4, b"\x02\x00x", 9),
    "SUB that is not allowed": lambda g: g.forbidden(),
    "UNSUB": lambda g: g.board(verbs.UNSUB, 4, b"\x01"),
    "REG": lambda g: g.board(verbs.REG, 4, b"\x02bb"),
    "REG of another subject": lambda g: g.board(verbs.REG, 4, b"\x01bb"),
    "REQ": lambda g: g.board(verbs.REQ, 4, b"\x08\x00\xe8\x03\x01q"),
    "REP that is waited for": lambda g: g.rep(g.handed),
    "REP that nobody waits for": lambda g: g.rep(99),
    "TAKEN of what is under way": lambda g: g.board(verbs.TAKEN, 2, OK),
    "TAKEN of another number": lambda g: g.board(verbs.TAKEN, 99, OK),
    "application: message": lambda g: g.channel.message(1, "led", b"on"),
    "application: message, too large": lambda g: g.channel.message(1, "led", bytes(300)),
    "application: request": lambda g: g.channel.request(1, "led", b"on"),
    "application: reply": lambda g: g.channel.reply(7, verbs.STATUS_OK),
    "the resend interval": lambda g: later(g, 60),
    "the port is lost": lambda g: g.session.line_lost(),
    "6 s of silence": lambda g: later(g, const.DEAD_MS),
}


def test_the_devices_link_is_as_its_table_says():
    play("Device: the link", Device)


def test_the_devices_channel_is_as_its_table_says():
    play("Device: the channel", DeviceTalk)


def test_the_gateways_link_is_as_its_table_says():
    play("Gateway: the link", Gateway)


def test_the_gateways_channel_is_as_its_table_says():
    play("Gateway: the channel", GatewayTalk)


# Worked frames


def test_the_worked_frames_of_the_page_are_what_is_sent():
    with open(PAGE, encoding="utf-8") as page:  # noqa: PTH123 -- MicroPython
        lines = page.read().split("\n")
    plains = [bytes_of(line) for line in lines if line.startswith("plain ")]
    wires = [bytes_of(line) for line in lines if line.startswith("wire ")]
    assert len(plains) == len(wires) == 11

    for plain, wire in zip(plains, wires):  # noqa: B905 -- MicroPython
        is16 = plain[1] & const.FLAG_CRC16
        body = plain[const.HEADER_BYTES : -2 if is16 else -4]
        kind, flags, boot_id, seq, ack = struct.unpack(const.HEADER_FORMAT, plain[:14])
        writer = FrameWriter(256, flags, crc16 if is16 else None)
        writer.body[: len(body)] = body
        writer.put(kind, boot_id, seq, ack, len(body))

        assert writer.take() == wire
        assert bytes(writer._frame[: len(plain)]) == plain


def bytes_of(line):
    digits = "".join(line.split(" ")[1:])
    return bytes([int(digits[at : at + 2], 16) for at in range(0, len(digits), 2)])
