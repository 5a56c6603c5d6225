"""The text dialect end to end: a sender in Python, a sketch in C++, and the gateway's framing.

The sender runs in the test; the sketch is compiled for this machine with a stand-in for Arduino.h
and runs as a process, in real time: every wait is for an event and has a bound.
"""

import importlib.util
import os
import select
import subprocess
import time
from pathlib import Path

import pytest

from leafnode.bridge.framing.text_link import TextLinkFraming
from leafnode.bridge.reading import MORE, DeviceHello, Reading
from leafnode.link import events, verbs
from tests.firmware.interpreter import ROOT, run_micropython
from tests.unit.link.lossy import Dice

WAIT_S = 20
SENDER = ROOT / "firmware/examples/text_sender.py"
SKETCH = ROOT / "firmware/examples/text_sketch/text_sketch.ino"


def sender_module():
    spec = importlib.util.spec_from_file_location("text_sender", SENDER)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def new_framing(gathers=False):
    framing = TextLinkFraming(
        name="port", msg_id_prefix=b"p.boot", max_frame_bytes=256, gathers=gathers
    )
    framing.allows = lambda device, kind, subject: True
    framing.opened(0)
    framing.receive(b"\n", 0)  # the end of a line that began before
    return framing


class Gateway:
    """The framing, and a store that keeps each id once and commits at once."""

    def __init__(self):
        self.framing = new_framing()
        self.stored = {}
        self.others = []

    def restart(self):
        self.framing = new_framing()

    def receive(self, data):
        self.framing.receive(data, 0)
        while (event := self.framing.next_event()) is not None:
            if isinstance(event, Reading):
                self.stored.setdefault(event.msg_id, event.payload)
                if event.receipt is not None:
                    self.framing.committed(event.receipt)
            elif event is not MORE:
                self.others.append(event)


def damaged(data, dice, percent):
    """Lose some lines and flip a bit in some others."""
    through = b""
    for line in data.splitlines(keepends=True):
        changed = bytearray(line)
        if dice.hits(percent, 100):
            changed[dice.below(len(changed))] ^= 1 << dice.below(7)
        if not dice.hits(percent, 100):
            through += bytes(changed)
    return through


@pytest.mark.parametrize(("seed", "percent"), [(1, 0), (2, 5), (3, 20)])
def test_a_line_that_drops_and_damages_loses_no_numbered_reading_and_doubles_none(seed, percent):
    sender = sender_module().TextSender("uno", 77, kept_max=64)
    gateway, dice = Gateway(), Dice(seed)
    now_ms, count = 0, 0
    while sender.acked < 50:
        now_ms += 10
        assert now_ms < 3_600_000
        if count < 50 and dice.hits(1, 5):
            count += 1
            sender.point("t", str(count), "C")
        if percent and dice.hits(1, 500):
            gateway.restart()
        gateway.receive(damaged(sender.data_to_send(now_ms), dice, percent))
        sender.receive(damaged(gateway.framing.data_to_send(0), dice, percent))

    assert list(gateway.stored) == [b"uno.77.%d" % number for number in range(1, 51)]
    values = [b'{"v":%d,"unit":"C"}' % number for number in range(1, 51)]
    assert list(gateway.stored.values()) == values
    assert sender.dropped == 0


def test_the_sender_goes_on_when_its_gateway_has_a_line_and_keeps_it():
    sender = sender_module().TextSender("uno", 7, kept_max=4)
    gateway = Gateway()
    gateway.framing = new_framing(gathers=True)
    now_ms = 0
    for number in range(1, 11):
        sender.point("t", str(number))
        for _ in range(4):
            now_ms += 100
            gateway.framing.receive(sender.data_to_send(now_ms), now_ms)
            while (event := gateway.framing.next_event()) is not None:
                if isinstance(event, Reading):
                    gateway.stored[event.msg_id] = event.receipt
            sender.receive(gateway.framing.data_to_send(now_ms))

    assert [*gateway.stored] == [b"uno.7.%d" % number for number in range(1, 11)]
    assert (sender.unacked, sender.acked, sender.dropped) == (4, 0, 0)
    assert sender.data_to_send(now_ms + 2000) == b""
    assert sender.data_to_send(now_ms + 3000) == sender_module().sealed(b"#10 pt t 10")
    gateway.framing.committed(gateway.stored[b"uno.7.10"])
    sender.receive(gateway.framing.data_to_send(now_ms))
    assert (sender.unacked, sender.acked) == (0, 4)


def test_the_sender_serves_and_hears():
    sender = sender_module().TextSender("uno", 77)
    gateway = Gateway()
    heard = []

    def on_message(subject, payload):
        heard.append((subject, payload))
        return "was " + payload

    sender.on_message = on_message
    sender.serve("led")
    for now_ms in range(0, 100, 10):
        gateway.receive(sender.data_to_send(now_ms))
        sender.receive(gateway.framing.data_to_send(0))
    hello, subscribe = gateway.others
    assert hello == DeviceHello("uno", 77, resumed=False)

    gateway.framing.message(subscribe.sub, "led", b"dim it")
    gateway.framing.request(subscribe.sub, "led", b"on")
    sender.receive(gateway.framing.data_to_send(0))
    gateway.receive(sender.data_to_send(100))

    assert heard == [("led", "dim it"), ("led", "on")]
    answer = gateway.others[-1]
    assert (answer.status, answer.payload) == (verbs.STATUS_OK, b"was on")


def test_a_message_that_is_no_text_costs_the_sender_nothing_else():
    """Whoever may publish to a subject of the board says what comes."""
    module = sender_module()
    sender = module.TextSender("uno", 77)
    heard = []
    sender.on_message = lambda subject, payload: heard.append(payload)
    sender.receive(module.sealed(b"ok hello"))
    sender.point("t", "1")

    lines = (b"msg led \xff", b"req 1 led \xc3(", b"msg led \xc3\xa9t\xc3\xa9", b"ok 1")
    sender.receive(b"".join(module.sealed(line) for line in lines))

    assert heard == ["\xe9t\xe9"]
    assert (sender.bad_lines, sender.acked) == (2, 1)


def test_what_the_sender_serves_is_said_until_it_is_answered():
    sender = sender_module().TextSender("uno", 77)
    gateway = Gateway()
    sender.serve("led")
    sender.serve("lamp")
    gateway.framing.allows = lambda device, kind, subject: subject == "led"
    serves = []
    for now_ms in range(0, 5000, 100):
        said = sender.data_to_send(now_ms)
        serves += [now_ms] * said.count(b"serve ")
        if len(serves) == 2:
            said = said.replace(b"serve", b"sErve")
        gateway.receive(said)
        heard = gateway.framing.data_to_send(0)
        if len(serves) == 4:
            heard = heard.replace(b"ok sub", b"ok sUb")
        sender.receive(heard)

    assert serves == [100, 100, 600, 600, 1100]
    assert [one.subject for one in gateway.others if isinstance(one, events.Subscribe)][-1] == "led"


def test_the_sender_keeps_its_bound_and_the_newest():
    sender = sender_module().TextSender("uno", 77, kept_max=3)
    for number in range(4):
        sender.point("t", str(number))

    assert (sender.unacked, sender.dropped) == (3, 1)


def test_the_sender_runs_on_a_device():
    program = (
        "from examples.text_sender import TextSender\n"
        "s = TextSender('uno', 7)\n"
        "s.point('t', '1')\n"
        "print(s.data_to_send(0))\n"
        "s.receive(b'noise\\nok hello*46\\n')\n"
        "print(s.data_to_send(10))\n"
    )

    result = run_micropython("-c", program, paths=(ROOT / "firmware",))

    assert result.stdout == "b'hello uno 7*21\\n'\nb'#1 pt t 1*73\\n'\n", result.stderr


@pytest.fixture
def sketch(tmp_path: Path):
    """The sketch as a process."""
    program = tmp_path / "sketch"
    stand_in = ROOT / "tests/firmware/arduino/Arduino.h"
    compiler = ["g++", "-x", "c++", "-Wall", "-Wextra", "-Werror"]
    subprocess.run([*compiler, "-include", stand_in, SKETCH, "-o", program], check=True)
    process = subprocess.Popen([program], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    yield process
    process.kill()
    process.wait()
    process.stdin.close()
    process.stdout.close()


def test_the_sketch_is_greeted_stored_and_switched(sketch):
    gateway = Gateway()
    asked, is_damaged = 0, False
    end = time.monotonic() + WAIT_S
    while len(gateway.stored) < 2 or not gateway.others or not is_answered(gateway):
        assert time.monotonic() < end
        if select.select([sketch.stdout], [], [], 0.01)[0]:
            said = os.read(sketch.stdout.fileno(), 4096)
            if b"serve" in said and not is_damaged:
                is_damaged, said = True, said.replace(b"serve", b"sErve")
            gateway.receive(said)
        subscribed = [e for e in gateway.others if isinstance(e, events.Subscribe)]
        if subscribed and not asked:
            asked = gateway.framing.request(subscribed[0].sub, "led", b"on")
        data = gateway.framing.data_to_send(0)
        sketch.stdin.write(data)
        sketch.stdin.flush()

    assert gateway.others[0] == DeviceHello("uno", 0, resumed=True)
    assert list(gateway.stored)[:2] == [b"p.boot.h1.1", b"p.boot.h1.2"]
    assert next(iter(gateway.stored.values())) == b'{"v":19.53,"unit":"C"}'
    assert gateway.framing.counts().bad == 0


def test_the_sketch_keeps_what_another_boards_ack_speaks_of(sketch):
    """Where it is put in another's place, that one's ack comes before its own hello is answered."""
    said = b""
    sealed = sender_module().sealed
    while b"#" not in said:  # it measures before it says hello
        assert select.select([sketch.stdout], [], [], WAIT_S)[0]
        is_first = not said
        said += os.read(sketch.stdout.fileno(), 4096)
        if is_first:
            sketch.stdin.write(sealed(b"ok 4") + sealed(b"ok hello"))
            sketch.stdin.flush()

    assert said.partition(b"#")[2].startswith(b"1 ")


def is_answered(gateway):
    return any(isinstance(e, events.Answer) and e.payload == b"on" for e in gateway.others)
