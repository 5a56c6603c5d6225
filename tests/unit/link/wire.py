"""Words for talking about the link in tests: frames, a device and a gateway with a wire between.

Runs on CPython and MicroPython, so no pytest here.
"""

from leafnode.link import const
from leafnode.link.counters import LineCounters
from leafnode.link.device import DeviceSession
from leafnode.link.events import Reading
from leafnode.link.frame import FrameReader, FrameWriter
from leafnode.link.gateway import GatewaySession
from leafnode.link.hello import write_hello

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
    reader = FrameReader(const.FRAME_BYTES_MAX, LineCounters())
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
