"""Commands while their device is unplugged: nobody waits for ever, nobody hears another's answer.

On pseudo-terminals and in real time. The device answers after up to 8 ms and keeps what it could
not say until it is plugged in again, as one with a battery does.
`LEAFNODE_UNPLUGS=100` unplugs a hundred times instead of five.
"""

from __future__ import annotations

import asyncio
import json
import random
from dataclasses import replace
from typing import TYPE_CHECKING, Protocol

import pytest

from leafnode import limits
from leafnode.clock import NS_PER_MS, SystemClock
from leafnode.config.serial_stage_options import MessageOptions
from leafnode.link.aliases import Aliases
from leafnode.link.channel import Channel
from leafnode.link.device import DeviceSession
from leafnode.link.messages import Message, Messages
from leafnode.protocol import header
from tests.interop.test_bridge_ports import UNPLUGS
from tests.interop.test_bridge_pty import Cable, World
from tests.unit.bridge.modbus.bus import FakeSlaves
from tests.unit.bridge.modbus.bus import port as bus_port
from tests.unit.config.test_serial_framing import port

if TYPE_CHECKING:
    from pathlib import Path

    from leafnode.config.serial_options import SerialPort
    from leafnode.routing.account import Account
    from leafnode.routing.subscription import Delivery

DELAY_MS_MAX = 8
ERRORS = {429, 503, 504}  # too many, not open or lost, not in time


class Device(Protocol):
    """What hangs on the cable. `heard` counts commands."""

    heard: int
    subject: bytes

    def step(self, cable: Cable) -> None:
        """Hear and say what there is."""
        ...

    def answer(self, number: int) -> bytes:
        """Return what the answer to a command has to be."""
        ...


class Slow:
    """Says its answers some time after it was asked, or when it is plugged in again."""

    subject = b"c.scale"

    def __init__(self) -> None:
        self.heard = 0
        self._chance = random.Random(1)
        self._clock = SystemClock()
        self._answers: list[tuple[int, bytes]] = []

    def step(self, cable: Cable) -> None:
        data = cable.hear()
        for question in self.questions(data) if data else ():
            self.heard += 1
            delay_ns = self._chance.randint(0, DELAY_MS_MAX * NS_PER_MS)
            self._answers.append((self._clock.monotonic_ns() + delay_ns, self.reply(question)))
        while self._answers and self._answers[0][0] <= self._clock.monotonic_ns():
            cable.say(self._answers.pop(0)[1])

    def questions(self, data: bytes) -> list[bytes]:
        return data.split(b"\r\n")[:-1]

    def reply(self, question: bytes) -> bytes:
        return b"A " + question + b"\r\n"

    def answer(self, number: int) -> bytes:
        return b"A %d" % number


class Drive(Slow):
    """A slave of a bus: what is written is answered by its value."""

    subject = b"c.drive.speed"

    def __init__(self) -> None:
        super().__init__()
        self._slaves = FakeSlaves()
        self._slaves.set(1, 0, 0)

    def questions(self, data: bytes) -> list[bytes]:
        return [data]

    def reply(self, question: bytes) -> bytes:
        return self._slaves.answer(question)

    def answer(self, number: int) -> bytes:
        return json.dumps({"speed": number}, separators=(",", ":")).encode()


class Board:
    """A board with the device link, which serves a subject."""

    subject = b"cmd.node1.led"

    def __init__(self) -> None:
        self.heard = 0
        self._clock = SystemClock()
        channel = Channel()
        messages = Messages(channel)
        messages.serve("led", self._on_led)
        self._session = DeviceSession("node1", 77, channel=channel, aliases=Aliases(channel))

    def _on_led(self, message: Message) -> bytes:
        self.heard += 1
        return b"was " + bytes(message.payload)

    def step(self, cable: Cable) -> None:
        now_ms = self._clock.monotonic_ns() // NS_PER_MS
        self._session.receive(cable.hear(), now_ms)
        while data := self._session.data_to_send(now_ms):
            cable.say(data)

    def answer(self, number: int) -> bytes:
        return b"was %d" % number


class Askers:
    """Each asks once, and notes all that comes."""

    def __init__(self, account: Account, device: Device) -> None:
        self._account = account
        self._device = device
        self.count = 0
        self.heard: dict[int, list[tuple[int, bytes]]] = {}
        account.subscribe(b"_INBOX.me.*", self._hear)

    def ask(self) -> None:
        """Ask; where nobody serves that, the server says so itself."""
        self.count += 1
        reply = b"_INBOX.me.%d" % self.count
        if not self._account.publish(self._device.subject, b"%d" % self.count, reply=reply):
            self.heard[self.count] = [(503, b"")]

    def _hear(self, delivery: Delivery) -> None:
        number = int(delivery.subject.rsplit(b".", 1)[1])
        for _, size, body in delivery.messages:
            code = int(header.get(body[:size], b"Nats-Service-Error-Code") or b"0")
            self.heard.setdefault(number, []).append((code, body[size:]))

    def good(self) -> int:
        """Check what everybody heard; return how many heard their own answer."""
        assert sorted(self.heard) == list(range(1, self.count + 1))
        good = 0
        for number, heard in self.heard.items():
            assert len(heard) == 1, (number, heard)
            code, payload = heard[0]
            assert code in ERRORS or (code, payload) == (0, self._device.answer(number))
            good += code == 0
        return good


async def plugged_and_unplugged(world: World, cable: Cable, device: Device, askers: Askers) -> None:
    chance = random.Random(2)

    async def pump() -> None:
        while True:
            if cable.device >= 0:
                device.step(cable)
            await asyncio.sleep(0.001)

    async with asyncio.TaskGroup() as tasks:
        pumping = tasks.create_task(pump())
        for _ in range(UNPLUGS):
            await world.until(lambda: world.status().open)
            before = device.heard
            while device.heard == before:
                askers.ask()
                await asyncio.sleep(0.02)
            for _ in range(chance.randrange(4)):
                askers.ask()
                await asyncio.sleep(chance.uniform(0, DELAY_MS_MAX / 1000))
            cable.unplug()
            askers.ask()
            await world.until(lambda: not world.status().open)
            askers.ask()
            cable.plug()
        await world.until(lambda: len(askers.heard) == askers.count)
        await asyncio.sleep(0.3)  # for what should not come
        pumping.cancel()


def line_of(cable: Cable) -> SerialPort:
    commands = 'commands [ { subject: "c.{port}", timeout: 100ms } ]'
    options = port(f"framing {{ type: line, keep_first: true }}, {commands}")
    return replace(options, device=str(cable.path), name="scale", subject="s.{port}")


def bus_of(cable: Cable) -> SerialPort:
    options = bus_port(
        'timeout: 50ms, commands { subject: "c.{device}.{name}", timeout: 200ms }, '
        "slaves [ { name: drive, address: 1, writes [ { name: speed, address: 0 } ] } ]"
    )
    return replace(options, device=str(cable.path), baud=115_200)


def board_of(cable: Cable) -> SerialPort:
    options = port("framing: link")
    messages = MessageOptions(("cmd.{device}.{name}",), timeout_ns=300 * NS_PER_MS)
    return replace(
        options,
        device=str(cable.path),
        name="board",
        subject="s.{device}.{name}",
        messages=messages,
    )


@pytest.mark.parametrize(
    ("options_of", "kind"), [(line_of, Slow), (bus_of, Drive), (board_of, Board)]
)
def test_commands_of_a_device_that_is_unplugged_are_answered_once_or_told_why_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, options_of: type, kind: type
) -> None:
    monkeypatch.setattr(limits, "PORT_REOPEN_NS", NS_PER_MS)
    monkeypatch.setattr(limits, "PORT_REOPEN_MAX_NS", 2 * NS_PER_MS)
    monkeypatch.setattr(limits, "PORT_POLL_NS", 2 * NS_PER_MS)
    cable = Cable(tmp_path / "device")
    world = World(options_of(cable))
    device = kind()
    askers = Askers(world.account, device)

    world.run(lambda: plugged_and_unplugged(world, cable, device, askers))
    cable.unplug()

    assert askers.good() >= UNPLUGS // 2
    assert askers.count > 3 * UNPLUGS
    assert world.status().opens > UNPLUGS - 1
