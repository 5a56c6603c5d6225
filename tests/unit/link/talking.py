"""Requests and messages both ways on the lossy wire of `lossy`, beside the readings; both ends
crash.

Everything is numbered by the test, so that what is done twice, out of order or to the wrong one
shows. Runs on CPython and MicroPython.
"""

from leafnode.link import verbs
from leafnode.link.aliases import Aliases
from leafnode.link.channel import Channel
from leafnode.link.clock import DeviceClock
from leafnode.link.device import DeviceSession
from leafnode.link.events import Answer, Gone, Reading, Request, Subscribe, Unsubscribe
from leafnode.link.gateway import GatewaySession
from leafnode.link.messages import Messages
from tests.unit.link.lossy import World

WALL_MS = 1_800_000_000_000
SUBJECTS = ("temperature", "tank.level", "t")


class TalkWorld(World):
    """A World whose two ends also talk."""

    def __init__(self, seed, loss_percent=0, crash_permille=0, window=4, crc16=False):
        self.crc16 = crc16
        self.done = {}  # what either side asked of the other, by how often it was done
        self.asked = {}  # what the device asked, by its statuses
        self.answers = {}  # what the gateway asked, by its answers
        self.last_message = 0
        self.last_seen = 0
        self.messages_seen = 0
        self.count = 0
        self.subs = {}
        self.handed = {}  # number of the channel to what was asked
        self.replying = []
        self.wrong = []
        super().__init__(seed, loss_percent, crash_permille, window)

    def boot_device(self):
        super().boot_device()
        channel = Channel(self.window)
        self.clock = DeviceClock()
        self.messages = Messages(channel, subs_max=4, requests_max=3)
        self.device = DeviceSession(
            "dev-1",
            self.boot_id,
            self.window,
            *self.ring,
            clock=self.clock,
            channel=channel,
            aliases=Aliases(channel, 2),
            crc16=self.crc16,
        )
        self.messages.subscribe("news.*", self.on_message)
        self.messages.serve("do", self.on_request)
        self.open = []

    def boot_gateway(self):
        self.gateway = GatewaySession(
            wall_ms=lambda: WALL_MS + self.now_ms, allows=lambda device, kind, subject: True
        )
        self.pending = []
        self.forget()
        # What overtook is gone when a gateway has started; a line keeps only what is in order.
        for wire in (self.up, self.down):
            wire._frames = [frame for frame in wire._frames if frame[0] <= self.step + 1]

    def forget(self):
        self.subs = {}
        self.handed = {}
        self.replying = []

    def publish(self):
        subject = SUBJECTS[self.dice.below(3)]
        payloads = self.published[self.boot_id]
        payload = b"%d:%d:%s" % (self.boot_id, len(payloads) + 1, subject.encode())
        self.device.publish(subject, payload, self.now_ms)
        payloads.append(payload)

    # The device's program

    def on_message(self, message):
        number = int(message.payload)
        if number <= self.last_seen or message.subject != f"news.{number % 3}":
            self.wrong.append(("message", number, message.subject))
        self.last_seen = number
        self.messages_seen += 1

    def on_request(self, message):
        self.note(message.payload)
        if self.dice.hits(1, 2):
            return message.payload
        self.open.append(message)
        return None

    def ask(self):
        self.count += 1
        what = b"d%d" % self.count

        def on_reply(status, payload):
            self.asked[what].append(status)
            if status == verbs.STATUS_OK and payload != what:
                self.wrong.append(("reply", what, payload))

        if self.messages.request("svc", what, 200 + self.dice.below(3000), on_reply, self.now_ms):
            self.asked[what] = []

    # The gateway's application

    def note(self, what):
        self.done[what] = self.done.get(what, 0) + 1

    def handle(self, event):
        if isinstance(event, Reading):
            subject = event.payload.split(b":")[2].decode()
            if event.subject != subject:
                self.wrong.append(("subject", event.subject, subject))
            if event.stamp_ms is not None and event.stamp_ms > WALL_MS + self.now_ms + 2000:
                self.wrong.append(("stamp", event.stamp_ms))
        elif isinstance(event, Subscribe):
            self.subs[event.sub] = event
        elif isinstance(event, Unsubscribe):
            self.subs.pop(event.sub)
        elif isinstance(event, Gone):
            self.forget()
        elif isinstance(event, Request):
            self.note(event.payload)
            self.replying.append((self.step + self.dice.below(100), event))
        elif isinstance(event, Answer):
            what = self.handed.pop(event.request, None)
            if what is None:
                self.wrong.append(("answer", event.request))
            else:
                self.answers[what] = self.answers.get(what, 0) + 1

    def talk(self):
        dice = self.dice
        for sub in list(self.subs.values()):
            self.count += 1
            if not sub.answers and dice.hits(1, 10):
                number = self.last_message = self.last_message + 1
                self.gateway.channel.message(sub.sub, f"news.{number % 3}", b"%d" % number)
            elif sub.answers and dice.hits(1, 20):
                what = b"g%d" % self.count
                number = self.gateway.channel.request(sub.sub, "do", what)
                if number:
                    self.handed[number] = what
        for at, event in self.replying[:]:
            if at <= self.step:
                self.replying.remove((at, event))
                self.gateway.channel.reply(event.request, verbs.STATUS_OK, event.payload)
        for number in list(self.handed):
            if dice.hits(1, 200):
                self.gateway.channel.give_up(number)
                del self.handed[number]
        if dice.hits(1, 20):
            self.ask()
        if self.open and dice.hits(1, 5):
            message = self.open.pop(0)
            self.messages.answer(message.request, message.payload)

    def turn(self):
        self.step += 1
        self.now_ms += 10
        data = self.up.receive(self.step)
        cut = self.dice.below(len(data) + 1)
        for part in (data[:cut], data[cut:]):
            for event in self.gateway.receive(part, self.now_ms):
                self.handle(event)
                if isinstance(event, Reading):
                    self.pending.append((self.step + self.dice.below(20), event))
        self.commit()
        self.talk()
        self.down.send(self.gateway.data_to_send(self.now_ms), self.step)
        for event in self.gateway.take_events():
            self.handle(event)
        self.device.receive(self.down.receive(self.step), self.now_ms)
        self.up.send(self.device.data_to_send(self.now_ms), self.step)
        self.check_bounds()

    def check_bounds(self):
        channel = self.gateway.channel
        assert channel.waiting <= verbs.MESSAGES_MAX + 3 * verbs.REQUESTS_MAX
        assert len(channel._under_way) <= self.window
        assert len(channel._asked) + channel._replies <= verbs.REQUESTS_MAX
        assert len(channel._handed) <= verbs.REQUESTS_MAX
        assert len(channel.aliases) <= verbs.ALIASES_MAX
        assert len(self.messages._questions) <= 3
        assert len(self.messages._open) <= 3
        assert len(self.messages._answers) <= verbs.REQUESTS_MAX

    def check(self):
        super().check()
        assert self.wrong == []
        assert all(count == 1 for count in self.done.values()), "done twice"
        assert all(count == 1 for count in self.answers.values()), "answered twice"
        assert all(len(statuses) <= 1 for statuses in self.asked.values()), "replied to twice"
