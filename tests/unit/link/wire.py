"""Words for talking about the link in tests: frames, a device and a gateway with a wire between.

Runs on CPython and MicroPython, so no pytest here.
"""

import struct

from leafnode.link import const, verbs
from leafnode.link.channel import Channel
from leafnode.link.counters import LineCounters
from leafnode.link.crc16 import crc16
from leafnode.link.device import DeviceSession
from leafnode.link.events import Reading
from leafnode.link.frame import FrameReader, FrameWriter
from leafnode.link.gateway import GatewaySession
from leafnode.link.hello import write_hello
from leafnode.link.messages import Messages

BOOT = 0x0BADCAFE & const.BOOT_ID_MAX
OTHER_BOOT = 77
START_MS = 1000


def raises(error, call, *args, **options):
    """Return the `error` that the call raises."""
    try:
        call(*args, **options)
    except error as err:
        return err
    raise AssertionError(f"{error.__name__} was not raised")


def from_device(kind, boot_id=BOOT, seq=0, ack=0, body=b"", flags=0):
    """Return one frame as a device would send it."""
    writer = FrameWriter(const.FRAME_BYTES_MAX, flags)
    writer.body[: len(body)] = body
    writer.put(kind, boot_id, seq, ack, len(body))
    return writer.take()


def from_gateway(kind, boot_id=BOOT, seq=0, ack=0, body=b""):
    """Return one frame as a gateway would send it."""
    return from_device(kind, boot_id, seq, ack, body, const.FLAG_FROM_GATEWAY)


def hello_body(
    name=b"gw", window=8, frame_bytes_max=const.FRAME_BYTES_DEFAULT, capabilities=0, tail=b""
):
    body = memoryview(bytearray(200))
    return bytes(body[: write_hello(body, window, frame_bytes_max, capabilities, name, tail)])


def frames_in(data):
    """Return (kind, boot_id, seq, ack, body) for each frame in `data`."""
    reader = FrameReader(const.FRAME_BYTES_MAX, LineCounters(), crc16)
    found = []
    at = 0
    while at < len(data):
        at = reader.feed(data, at)
        if reader.ready:
            fields = (reader.kind, reader.boot_id, reader.seq, reader.ack, bytes(reader.body))
            found.append(fields)
    return found


def kinds_in(data):
    return [frame[0] for frame in frames_in(data)]


def all_to_send(session, now_ms):
    """Return everything that is due; data_to_send gives it in small pieces."""
    sent = b""
    while True:
        data = session.data_to_send(now_ms)
        if not data:
            return sent
        sent += data


def up_device(window=4, ring_messages=64, ring_bytes=4096, **options):
    """Return a device whose HELLO was answered at START_MS."""
    device = DeviceSession("dev-1", BOOT, window, ring_messages, ring_bytes, **options)
    all_to_send(device, START_MS)
    device.receive(from_gateway(const.HELLO, body=hello_body()), START_MS)
    assert device.is_up
    return device


def up_gateway(**options):
    """Return a gateway that knows the device BOOT since START_MS and has answered."""
    gateway = GatewaySession(**options)
    gateway.receive(from_device(const.HELLO, body=hello_body(b"dev-1")), START_MS)
    all_to_send(gateway, START_MS)
    return gateway


def pub(seq, payload=b"x", ack=0, boot_id=BOOT, subject=b"t"):
    return from_device(const.PUB, boot_id, seq, ack, bytes([len(subject)]) + subject + payload)


def seqs(events):
    return [event.seq for event in events if isinstance(event, Reading)]


def ack(seq, received=None):
    return from_gateway(const.ACK, seq=seq if received is None else received, ack=seq)


def sent_seqs(device, now_ms):
    """Return the sequences of the readings that the device sends now."""
    return [f[2] for f in frames_in(all_to_send(device, now_ms)) if f[0] == const.PUB]


def new_device(**options):
    return DeviceSession("dev-1", BOOT, **options)


class Pair:
    """A device and a gateway on a perfect wire. The application commits when told to."""

    def __init__(self, device, gateway):
        self.device = device
        self.gateway = gateway
        self.now_ms = START_MS
        self.events = []

    def exchange(self, rounds=20):
        """Carry bytes both ways until both are silent."""
        for _ in range(rounds):
            up = all_to_send(self.device, self.now_ms)
            self.events += self.gateway.receive(up, self.now_ms)
            down = all_to_send(self.gateway, self.now_ms)
            self.device.receive(down, self.now_ms)
            if not up and not down:
                return
        raise AssertionError("they never stop talking")

    def commit(self):
        """Commit all that arrived."""
        for event in self.events:
            if isinstance(event, Reading):
                self.gateway.committed(event.seq, event.boot_id)

    def payloads(self):
        return [event.payload for event in self.events if isinstance(event, Reading)]


def new_pair(window=4, ring_messages=64, ring_bytes=4096, **options):
    device = DeviceSession("dev-1", BOOT, window, ring_messages, ring_bytes, **options)
    return Pair(device, GatewaySession())


EPOCH = 1  # of a device's first HELLO
CHANNEL = const.CAPABILITY_CHANNEL


def on_channel(kind, number, body=b"", epoch=EPOCH):
    """Return one frame of the channel as a gateway would send it."""
    return from_gateway(kind, body=struct.pack(verbs.CHANNEL_FORMAT, epoch, number) + body)


def from_board(kind, number, body=b"", epoch=EPOCH):
    """Return one frame of the channel as a device would send it."""
    return from_device(kind, body=struct.pack(verbs.CHANNEL_FORMAT, epoch, number) + body)


def addressed(number, subject, payload=b""):
    return bytes([number, len(subject)]) + subject + payload


def channel_frames(session, now_ms=START_MS):
    """Return (kind, number, body) of the channel's frames that are sent now."""
    frames = [f for f in frames_in(all_to_send(session, now_ms)) if f[0] >= verbs.REG]
    return [(f[0], struct.unpack("<H", f[4][1:3])[0], f[4][3:]) for f in frames]


def up_board(window=4, **bounds):
    """Return a device with a channel whose HELLO was answered at START_MS, and its messages."""
    channel = Channel(window)
    messages = Messages(channel, **bounds)
    device = DeviceSession("dev-1", BOOT, channel=channel)
    all_to_send(device, START_MS)
    hello = hello_body(capabilities=CHANNEL, tail=bytes([EPOCH, 8]))
    device.receive(from_gateway(const.HELLO, body=hello), START_MS)
    assert channel.is_open
    return device, messages


def up_channel(window=4, allows=lambda device, kind, subject: True, frame_bytes_max=256):
    """Return a gateway that knows a device with a channel, and has answered."""
    gateway = GatewaySession(allows=allows)
    hello = hello_body(b"dev-1", 8, frame_bytes_max, CHANNEL, bytes([EPOCH, window]))
    gateway.receive(from_device(const.HELLO, body=hello), START_MS)
    all_to_send(gateway, START_MS)
    assert gateway.channel.is_open
    return gateway


def new_talk(window=4, allows=lambda device, kind, subject: True, **bounds):
    """Return a pair with a channel, past its HELLO, and the device's messages."""
    channel = Channel(window)
    messages = Messages(channel, **bounds)
    device = DeviceSession("dev-1", BOOT, channel=channel)
    pair = Pair(device, GatewaySession(allows=allows))
    pair.exchange()
    pair.events = []
    return pair, messages
