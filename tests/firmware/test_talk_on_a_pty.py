"""All parts of the device's link under the real MicroPython, as a process on a terminal.

Real time, so every wait is for an event and has a bound.
"""

import os
import pty
import subprocess
import tty

import pytest

from leafnode.link import verbs
from leafnode.link.events import Answer, Request, Subscribe
from leafnode.link.gateway import GatewaySession
from tests.firmware.gateway_on_a_pty import Gateway
from tests.firmware.interpreter import DEVICE_PATHS, environment, micropython

WAIT_S = 20
BOARD = """
import sys
from hal.posix import PosixHal
from link.aliases import Aliases
from link.channel import Channel
from link.clock import DeviceClock
from link.device import DeviceSession
from link.messages import Messages

hal = PosixHal()
channel = Channel({window})
clock = DeviceClock()
aliases = Aliases(channel)
messages = Messages(channel)
session = DeviceSession(
    "n1", hal.boot_id(), clock=clock, channel=channel, aliases=aliases, crc16={crc16}
)
numbers = []

def on_number(message):
    numbers.append(int(message.payload))

def on_done(message):
    return str(numbers).encode()

def on_zone(status, payload):
    global asked
    if status:
        asked = 0
    else:
        session.publish("zone.of.the.board", payload, hal.ticks_ms())

messages.subscribe("number", on_number)
messages.serve("numbers", on_done)
asked = 0
while not hal.closed:
    now_ms = hal.ticks_ms()
    data = hal.read()
    if data:
        session.receive(data, now_ms)
    if not asked and channel.is_open and clock.is_set:
        asked = messages.request("zone", b"?", 5000, on_zone, now_ms)
    out = memoryview(session.data_to_send(now_ms))
    while len(out):
        out = out[hal.write(out):]
    hal.wait(min(session.next_timeout_ms(now_ms), 50))
"""


class TalkingGateway(Gateway):
    """A gateway that also talks; what it hears beside readings is in `others`."""

    def __init__(self, fd, faults_percent=0):
        super().__init__(fd, fd, seed=5, faults_percent=faults_percent)
        self.session = GatewaySession(
            wall_ms=lambda: 1_800_000_000_000, allows=lambda device, kind, subject: True
        )

    def first(self, kind):
        return next((event for event in self.others if isinstance(event, kind)), None)


@pytest.fixture
def start(tmp_path):
    """Start a board; whatever happens, none is left behind."""
    processes, fds = [], []

    def start_board(**options):
        script = tmp_path / "board.py"
        script.write_text(BOARD.format(**options))
        master, slave = pty.openpty()
        tty.setraw(slave)
        fds.extend((master, slave))
        process = subprocess.Popen(
            [micropython(), str(script)],
            stdin=slave,
            stdout=slave,
            stderr=subprocess.PIPE,
            env=environment(*DEVICE_PATHS),
        )
        processes.append(process)
        return master

    yield start_board
    for process in processes:
        process.kill()
        process.wait()
        process.stderr.close()
    for fd in fds:
        os.close(fd)


@pytest.mark.parametrize(
    ("window", "crc16", "faults_percent"), [(4, False, 0), (1, True, 0), (8, False, 3)]
)
def test_a_board_is_told_asked_and_answered(start, window, crc16, faults_percent):
    gateway = TalkingGateway(start(window=window, crc16=crc16), faults_percent)
    channel = gateway.session.channel
    subs = {}

    def subscribed():
        subs.update({e.subject: e.sub for e in gateway.others if isinstance(e, Subscribe)})
        return len(subs) == 2 and gateway.first(Request) is not None

    assert gateway.serve(WAIT_S, subscribed)
    assert channel.reply(gateway.first(Request).request, verbs.STATUS_OK, b"CET")
    for number in range(20):
        assert channel.message(subs["number"], "number", b"%d" % number)
    assert gateway.serve(WAIT_S, lambda: channel.waiting == 0)
    assert channel.request(subs["numbers"], "numbers", b"")
    assert gateway.serve(WAIT_S, lambda: gateway.first(Answer) is not None)
    assert gateway.serve(WAIT_S, lambda: bool(gateway.stored))

    assert gateway.first(Answer).payload == str(list(range(20))).encode()
    assert gateway.payloads() == [b"CET"]
    assert gateway.stamps[0] is not None
    assert abs(gateway.stamps[0] - 1_800_000_000_000) < 60_000
