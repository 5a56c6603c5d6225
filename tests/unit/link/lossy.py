"""A device and a gateway on a wire that drops, doubles, damages, delays and swaps frames; both
crash.

The application stores readings with a dedupe by (boot_id, seq), as JetStream does by Nats-Msg-Id,
and commits some time later. Seeded, with a simulated clock; runs on CPython and MicroPython.
"""

from leafnode.link.device import DeviceSession
from leafnode.link.events import Reading
from leafnode.link.gateway import GatewaySession

STEP_MS = 10


class Dice:
    """A small repeatable random source, the same on both interpreters (Numerical Recipes' LCG)."""

    def __init__(self, seed):
        self._state = seed & 0xFFFFFFFF

    def below(self, bound):
        self._state = (self._state * 1664525 + 1013904223) & 0xFFFFFFFF
        return (self._state >> 8) % bound

    def hits(self, share, whole):
        return self.below(whole) < share


def worn(dice, data):
    """Return lines as they come over a bad wire: a fifth is lost or has one wrong bit of seven."""
    if not data or not dice.hits(20, 100):
        return data
    if dice.hits(1, 2):
        return b""
    damaged = bytearray(data)
    damaged[dice.below(len(damaged))] ^= 1 << dice.below(7)
    return bytes(damaged)


class Wire:
    """One direction. Frames keep their delimiters; what is damaged may lose them."""

    def __init__(self, dice, loss_percent):
        self._dice = dice
        self._loss_percent = loss_percent
        self._frames = []  # (due step, bytes)

    def send(self, data, step):
        dice = self._dice
        for stuffed in data.split(b"\x00"):
            if not stuffed:
                continue
            frame = b"\x00" + stuffed + b"\x00"
            if dice.hits(self._loss_percent, 100):
                fault = dice.below(4)
                if fault == 0:
                    continue
                if fault == 1:
                    self._frames.append((step + dice.below(30), frame))
                if fault == 2:
                    damaged = bytearray(frame)
                    for _ in range(1 + dice.below(3)):
                        damaged[dice.below(len(damaged))] ^= 1 << dice.below(8)
                    frame = bytes(damaged)
                if fault == 3:
                    self._frames.append((step + dice.below(30), b"\x00>>> boot\r\n"))
            delay = dice.below(8) if dice.hits(self._loss_percent, 100) else 0
            self._frames.append((step + delay, frame))

    def receive(self, step):
        """Return what is due, in the order of its delay."""
        due = [frame for at, frame in self._frames if at <= step]
        self._frames = [(at, frame) for at, frame in self._frames if at > step]
        return b"".join(due)


class World:
    """Runs the story and keeps the truth."""

    def __init__(
        self, seed, loss_percent=0, crash_permille=0, window=4, ring=(1024, 16384), gather_steps=0
    ):
        self.gather_steps = gather_steps
        self.dice = Dice(seed)
        self.window = window
        self.ring = ring
        self.crash_permille = crash_permille
        self.loss_percent = loss_percent
        self.now_ms = 1000
        self.step = 0
        self.boot_id = 0
        self.published = {}  # boot id -> payloads by sequence from 1
        self.acked = {}  # boot id -> highest sequence that the device saw acked
        self.store = {}  # boot id -> [(seq, payload)] in order of commit
        self.last_stored = {}  # boot id -> highest sequence stored
        self.pending = []  # (due step, Reading): given to the application, not yet committed
        self.dropped = False  # whether any boot's ring ever gave up a reading
        self.up = Wire(self.dice, loss_percent)
        self.down = Wire(self.dice, loss_percent)
        self.boot_device()
        self.boot_gateway()

    @property
    def stored(self):
        return sum([len(readings) for readings in self.store.values()])

    def boot_device(self):
        self.boot_id += 1
        self.published[self.boot_id] = []
        self.store[self.boot_id] = []
        self.last_stored[self.boot_id] = 0
        self.device = DeviceSession("dev-1", self.boot_id, self.window, *self.ring)

    def boot_gateway(self):
        """The old process is gone with all that it had not committed."""
        self.gateway = GatewaySession(gathers=self.gather_steps > 0)
        self.pending = []

    def run(self, publish_until_ms, settle_ms=120000):
        """Let readings come until `publish_until_ms`, then let a healthy wire bring in the rest."""
        end_ms = self.now_ms + publish_until_ms
        while self.now_ms < end_ms:
            if self.dice.hits(self.crash_permille, 1000):
                self.boot_device() if self.dice.hits(1, 3) else self.boot_gateway()
            if self.dice.hits(1, 3):
                self.publish()
            self.turn()
        self.up._loss_percent = self.down._loss_percent = 0
        end_ms = self.now_ms + settle_ms
        while self.device.unacked and self.now_ms < end_ms:
            self.turn()

    def publish(self):
        payloads = self.published[self.boot_id]
        payload = b"%d:%d:" % (self.boot_id, len(payloads) + 1) + bytes([self.dice.below(256)])
        self.device.publish("t", payload)
        payloads.append(payload)
        self.dropped = self.dropped or self.device.counters.dropped > 0

    def turn(self):
        """Let one step of time pass at both ends, with the bytes cut anywhere."""
        self.step += 1
        self.now_ms += STEP_MS
        data = self.up.receive(self.step)
        cut = self.dice.below(len(data) + 1)
        for part in (data[:cut], data[cut:]):
            for event in self.gateway.receive(part, self.now_ms):
                if isinstance(event, Reading):
                    self.pending.append((self.step + self.dice.below(20), event))
        self.commit()
        self.down.send(self.gateway.data_to_send(self.now_ms), self.step)
        self.device.receive(self.down.receive(self.step), self.now_ms)
        self.up.send(self.device.data_to_send(self.now_ms), self.step)

    def commit(self):
        """Store what is due, in order; now and then crash between the commit and its ack."""
        if self.gather_steps and self.step % self.gather_steps:
            return
        while self.pending and self.pending[0][0] <= self.step:
            event = self.pending.pop(0)[1]
            if event.seq > self.last_stored[event.boot_id]:
                self.last_stored[event.boot_id] = event.seq
                self.store[event.boot_id].append((event.seq, event.payload))
            if self.dice.hits(self.crash_permille, 4000):
                self.boot_gateway()
                return
            self.gateway.committed(event.seq, event.boot_id)

    def check(self):
        """Every stored reading is what was published; none is missing, doubled or out of order."""
        assert self.device.unacked == 0, "the link stalled"
        for boot_id, readings in self.store.items():
            payloads = self.published[boot_id]
            for seq, payload in readings:
                assert payload == payloads[seq - 1], "changed on the way"
            stored = [seq for seq, _ in readings]
            if self.dropped:
                assert stored == sorted(set(stored)), "doubled or out of order"
            else:
                assert stored == list(range(1, len(stored) + 1)), "lost or out of order"
        counters = self.device.counters
        last = self.published[self.boot_id]
        missing = len(last) - len(self.store[self.boot_id])
        assert missing <= counters.dropped
        assert counters.acked + counters.dropped == len(last)
