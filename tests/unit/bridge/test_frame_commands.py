"""Commands to devices that answer in frames, over a whole port."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from random import Random
from typing import TYPE_CHECKING

import pytest

from leafnode import limits
from leafnode.bridge.bridge import Bridge
from leafnode.bridge.frame_commands import OPENING_MS, FrameCommands
from leafnode.clock import NS_PER_MS, NS_PER_S
from leafnode.config import serial_bounds
from leafnode.config.serial_options import SerialOptions
from tests.sim.clock import FakeClock
from tests.unit.bridge.fake_stream import new_account
from tests.unit.bridge.requester import Heard, Requester
from tests.unit.bridge.world import FakeLine, World, run
from tests.unit.config.test_serial_framing import port

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from leafnode.routing.subscription import Delivery

WEIGH = 'commands [ { subject: "c.{port}.weigh", send: "SI" } ]'


class Device(World):
    """A port, who asks, and the device at its other end, which the story plays."""

    def __init__(self, text: str) -> None:
        options = replace(port(text), device="/dev/fake", name="scale", subject="s.{port}")
        super().__init__(options)
        self.requester = Requester(self.account)

    def open_for_long(self) -> None:
        """A command goes at once from now on."""
        commands = self.runner._commands
        assert isinstance(commands, FrameCommands)
        commands._free_ms = 0

    async def hears(self) -> bytes:
        heard = b""
        await self.turns(3)
        while not heard:
            await self.turns(1)
            heard = self.hear()
        return heard

    async def answered(self, count: int = 1) -> None:
        await self.until(lambda: len(self.requester.heard) >= count)

    def counts(self) -> dict[str, int]:
        return self.runner.status().commands


def play(text: str, story: Callable[[Device], Awaitable[None]]) -> Device:
    world = Device(text)

    async def whole(_: World) -> None:
        await world.opened()
        world.open_for_long()
        await story(world)

    run(world, whole)
    return world


def test_a_request_is_sent_in_the_framing_and_its_answer_is_the_requesters_alone() -> None:
    async def story(world: Device) -> None:
        world.requester.ask(b"c.scale.weigh")
        assert await world.hears() == b"SI\r\n"
        world.say(b"S S     1.234 g\r\n")
        await world.answered()
        world.say(b"S S     2.000 g\r\n")
        await world.until(lambda: world.runner.status().stored == 1)

    world = play(f"framing {{ type: line, keep_first: true }}, codec: sics, {WEIGH}", story)

    assert world.requester.heard == [Heard(b"S S     1.234 g")]
    assert [json.loads(payload)["weight"] for payload in world.stream.payloads] == [2.0]


def test_an_answer_beyond_max_payload_is_not_published() -> None:
    async def story(world: Device) -> None:
        world.max_payload_bytes = 20  # a reload
        for count, answer in enumerate((b"S" * 20, b"S" * 21), 1):
            world.requester.ask(b"c.scale.weigh")
            await world.hears()
            world.say(answer + b"\r\n")
            await world.answered(count)

    world = play(f"framing {{ type: line, keep_first: true }}, {WEIGH}", story)

    error = "the answer is larger than max_payload"
    assert world.requester.heard == [Heard(b"S" * 20), Heard(b"", 502, error)]
    assert world.counts()["too_large"] == 1


def test_an_answer_may_be_decoded_as_readings_are() -> None:
    command = 'commands [ { subject: c.weigh, send: "SI", decode: true } ]'

    async def story(world: Device) -> None:
        for answer in (b"S S     1.234 g\r\n", b"what?\r\n"):
            world.requester.ask(b"c.weigh")
            await world.hears()
            world.say(answer)
            await world.answered(len(world.requester.heard) + 1)

    world = play(f"framing {{ type: line, keep_first: true }}, codec: sics, {command}", story)

    good, bad = world.requester.heard
    assert json.loads(good.payload)["weight"] == 1.234
    assert bad.code == 502
    assert world.counts()["failed"] == 1


def test_frames_that_do_not_begin_as_an_answer_are_readings() -> None:
    command = 'commands [ { subject: c.zero, send: "Z", starts: ["Z ", "ES"] } ]'

    async def story(world: Device) -> None:
        for answer in (b"Z A\r\n", b"ES\r\n"):
            world.requester.ask(b"c.zero")
            await world.hears()
            world.say(b"21.5\r\n" + answer)
            await world.answered(len(world.requester.heard) + 1)
        await world.until(lambda: world.runner.status().stored == 2)

    world = play(f"framing {{ type: line, keep_first: true }}, {command}", story)

    assert [heard.payload for heard in world.requester.heard] == [b"Z A", b"ES"]
    assert world.stream.payloads == [b"21.5", b"21.5"]


def test_one_command_is_under_way_and_the_others_wait_in_their_order() -> None:
    command = "commands [ { subject: c.q } ]"

    async def story(world: Device) -> None:
        for number in range(3):
            world.requester.ask(b"c.q", b"Q%d" % number)
        for number in range(3):
            assert await world.hears() == b"Q%d\r\n" % number
            await world.turns()
            assert world.hear() == b""
            world.say(b"A%d\n" % number)
            await world.answered(number + 1)

    world = play(f"framing {{ type: line, keep_first: true }}, {command}", story)

    assert [heard.payload for heard in world.requester.heard] == [b"A0", b"A1", b"A2"]


def test_without_an_answer_it_is_done_when_it_is_written() -> None:
    command = 'commands [ { subject: c.show, send: "D {payload}", answer: none } ]'

    async def story(world: Device) -> None:
        world.requester.ask(b"c.show", b"HELLO")
        assert await world.hears() == b"D HELLO\r\n"
        await world.answered()
        world.say(b"21.5\n")
        await world.until(lambda: world.runner.status().stored == 1)

    world = play(f"framing {{ type: line, keep_first: true }}, {command}", story)

    assert world.requester.heard == [Heard(b"")]


def test_a_late_answer_is_nobody_elses_and_no_reading() -> None:
    command = "commands [ { subject: c.q, timeout: 1s } ]"

    async def story(world: Device) -> None:
        world.requester.ask(b"c.q", b"Q1")
        await world.hears()
        world.clock.advance(NS_PER_S)
        await world.answered()
        world.requester.ask(b"c.q", b"Q2")
        await world.turns()
        assert world.hear() == b""  # the answer to Q1 may still come
        world.say(b"A1\n")
        assert await world.hears() == b"Q2\r\n"
        world.say(b"A2\n")
        await world.answered(2)
        # And without a late answer the next goes after the same time again.
        world.requester.ask(b"c.q", b"Q3")
        await world.hears()
        world.clock.advance(NS_PER_S)
        await world.answered(3)
        world.requester.ask(b"c.q", b"Q4")
        await world.turns()
        assert world.hear() == b""
        world.clock.advance(NS_PER_S)
        assert await world.hears() == b"Q4\r\n"

    world = play(f"framing {{ type: line, keep_first: true }}, {command}", story)

    assert [(heard.payload, heard.code) for heard in world.requester.heard[:3]] == [
        *((b"", 504), (b"A2", 0), (b"", 504)),
    ]
    assert world.counts()["late"] == 1
    assert world.stream.payloads == []


def test_what_the_device_repeats_is_passed_over() -> None:
    command = "commands [ { subject: c.q, echo: true } ]"

    async def story(world: Device) -> None:
        world.requester.ask(b"c.q", b"Q1")
        await world.hears()
        world.say(b"Q1\nA1\n")
        await world.answered()

    world = play(f"framing {{ type: line, keep_first: true }}, {command}", story)

    assert world.requester.heard == [Heard(b"A1")]
    assert world.stream.payloads == []


POLLED = 'framing { type: line, keep_first: true, poll: "P\\r\\n", poll_every: 2s }'


def test_a_poll_and_a_command_never_wait_for_an_answer_together() -> None:
    async def story(world: Device) -> None:
        assert await world.hears() == b"P\r\n"
        world.requester.ask(b"c.q", b"Q1")
        await world.turns()
        assert world.hear() == b""
        world.say(b"21.5\n")
        assert await world.hears() == b"Q1\r\n"
        world.clock.advance(1900 * NS_PER_MS)
        await world.turns()
        world.say(b"A1\n")
        await world.answered()
        world.clock.advance(100 * NS_PER_MS)
        assert await world.hears() == b"P\r\n"
        # A device that does not answer its poll holds a command for a second.
        world.requester.ask(b"c.q", b"Q2")
        world.clock.advance(999 * NS_PER_MS)
        await world.turns()
        assert world.hear() == b""
        world.clock.advance(1 * NS_PER_MS)
        assert await world.hears() == b"Q2\r\n"
        world.say(b"A2\n")
        await world.answered(2)

    world = play(f"{POLLED}, commands [ {{ subject: c.q }} ]", story)

    assert [heard.payload for heard in world.requester.heard] == [b"A1", b"A2"]
    assert world.stream.payloads == [b"21.5"]


def test_commands_without_end_do_not_stop_the_readings() -> None:
    async def story(world: Device) -> None:
        asked = 0
        for _ in range(60):
            while world.counts()["waiting"] < 3:
                world.requester.ask(b"c.q", b"Q")
            heard = await world.hears()
            asked += heard == b"P\r\n"
            world.clock.advance(500 * NS_PER_MS)
            world.say(b"A\n" if heard == b"Q\r\n" else b"21.5\n")
            await world.turns()
        assert asked >= 10

    world = play(f"{POLLED}, commands [ {{ subject: c.q }} ]", story)

    assert set(world.stream.payloads) == {b"21.5"}


def test_a_port_that_is_lost_or_closed_says_so_at_once() -> None:
    async def story(world: Device) -> None:
        world.requester.ask(b"c.q", b"Q1")
        await world.hears()
        world.line.unplug()
        await world.answered()
        world.requester.ask(b"c.q", b"Q2")
        await world.answered(2)

    world = play("framing: line, commands [ { subject: c.q } ]", story)

    assert [heard.code for heard in world.requester.heard] == [503, 503]
    assert "nobody knows" in world.requester.heard[0].error


def test_while_readings_wait_for_the_stream_a_command_waits_too() -> None:
    async def story(world: Device) -> None:
        world.stream.commits_at_once = False
        world.say(b"1\n" * (2 * limits.READINGS_UNCOMMITTED_MAX))
        await world.until(lambda: world.runner.status().paused)
        world.requester.ask(b"c.q", b"Q1")
        await world.turns()
        assert world.hear() == b""
        world.stream.commits_at_once = True
        world.stream.commit()
        await world.until(lambda: not world.runner.status().paused)
        assert await world.hears() == b"Q1\r\n"

    play("framing { type: line, keep_first: true }, commands [ { subject: c.q } ]", story)


@pytest.mark.parametrize(
    ("command", "payload", "problem"),
    [
        ("{ subject: c.q }", b"", "nothing to send"),
        ("{ subject: c.q }", b"Q\r\nDELETE", "holds a line end"),
        ("{ subject: c.q, payload: '(?P<n>[0-9]{1,3})', send: 'V {n}' }", b"1;OFF", "pattern"),
        ("{ subject: c.q, payload: '(?P<n>[0-9]{1,3})', send: 'V {n}' }", b"1\n", "pattern"),
        ("{ subject: c.q, payload: '(?P<n>[0-9]*)', send: 'V {n}' }", b"1" * 300, "pattern"),
        ("{ subject: c.q, payload: '(?P<n>[0-9]{1,3})', send: 'V {n}' }", b"\xff", "UTF-8"),
    ],
)
def test_what_is_not_sent(command: str, payload: bytes, problem: str) -> None:
    async def story(world: Device) -> None:
        world.requester.ask(b"c.q", payload)
        await world.answered()
        assert world.hear() == b""

    world = play(f"framing: line, commands [ {command} ]", story)

    (heard,) = world.requester.heard
    assert heard.code == 400
    assert problem in heard.error


VOLTS = "{ subject: c.q, payload: '(?P<v>[0-9.]+)(?: (?P<u>V|mV))?', send: 'V {v}{u}' }"


@pytest.mark.parametrize(
    ("command", "payload", "sent"),
    [
        (VOLTS, b"1.5 mV", b"V 1.5mV\r\n"),
        (VOLTS, b"1.5", b"V 1.5\r\n"),
        ("{ subject: c.q, send: '{\"cmd\":1,\"x\":{payload}}', line_end: \"\\n\" }", b"{payload}",
         b'{"cmd":1,"x":{payload}}\n'),
        ("{ subject: c.q, framed: false, send: \"hex:FF 01 86\" }", b"ignored", b"\xff\x01\x86"),
    ],
)  # fmt: skip
def test_what_is_sent(command: str, payload: bytes, sent: bytes) -> None:
    async def story(world: Device) -> None:
        world.requester.ask(b"c.q", payload)
        assert await world.hears() == sent

    play(f"framing: line, commands [ {command} ]", story)


def test_a_reload_answers_whoever_waits_and_takes_the_new_commands() -> None:
    line = FakeLine()
    account = new_account()
    requester = Requester(account)
    ports = [
        replace(
            port(f"framing: line, commands [ {{ subject: {subject} }} ]"),
            device="/dev/fake",
            subject="s.x",
        )
        for subject in ("c.old", "c.new")
    ]

    async def main() -> None:
        async with asyncio.TaskGroup() as tasks:
            clock = FakeClock()
            before, after = (SerialOptions(ports=(one,)) for one in ports)
            bridge = Bridge(before, account, clock, Random(1), open_serial=line.open)
            running = tasks.create_task(bridge.run())
            await until(lambda: bridge.status()[0].open)
            clock.advance(OPENING_MS * NS_PER_MS)
            requester.ask(b"c.old", b"1")
            requester.ask(b"c.old", b"2")
            assert heard() == b"1\r\n"
            await bridge.change(after)
            assert [heard.code for heard in requester.heard] == [503, 503]
            await until(lambda: bridge.status()[0].open)
            assert not requester.ask(b"c.old")
            assert requester.ask(b"c.new", b"3")
            # What the device says to the command of before is not the answer to the next one.
            assert line.device is not None
            line.device.sendall(b"1 is done\n")
            await until(lambda: bridge.status()[0].bytes_in > 0)
            clock.advance((OPENING_MS - 1) * NS_PER_MS)
            assert heard() == b""
            clock.advance(1 * NS_PER_MS)
            assert heard() == b"3\r\n"
            line.device.sendall(b"3 is done\n")
            await until(lambda: len(requester.heard) == 3)
            assert requester.heard[2] == Heard(b"3 is done")
            running.cancel()

    def heard() -> bytes:
        assert line.device is not None
        try:
            return line.device.recv(100)
        except BlockingIOError:
            return b""

    async def until(condition: Callable[[], bool]) -> None:
        while not condition():  # noqa: ASYNC110 -- simulated time
            await asyncio.sleep(0)

    asyncio.run(main())
    assert line.device is not None
    line.device.close()


SHOW = "commands [ { subject: c.show, answer: none }, { subject: c.q } ]"


def test_many_commands_in_one_turn_are_all_done_without_time_passing() -> None:
    async def story(world: Device) -> None:
        await world.hears()
        for number in range(serial_bounds.COMMANDS_WAITING_MAX):
            world.requester.ask(b"c.show", b"%d" % number)
        world.say(b"21.5\n")  # until then the poll is awaited
        await world.answered(serial_bounds.COMMANDS_WAITING_MAX)

    world = play(f"{POLLED}, {SHOW}", story)

    assert {heard.code for heard in world.requester.heard} == {0}


def test_who_asks_again_within_its_answer_is_served_in_order() -> None:
    async def story(world: Device) -> None:
        left = [b"c.show", b"c.q"]

        def again(_: object) -> None:
            if left:
                world.requester.ask(left[0], left.pop(0))

        world.account.subscribe(b"_INBOX.me.>", again)
        world.requester.ask(b"c.show", b"0")
        await world.answered(2)
        assert world.hear() == b"0\r\nc.show\r\nc.q\r\n"
        world.say(b"A\n")
        await world.answered(3)

    world = play(f"framing {{ type: line, keep_first: true }}, {SHOW}", story)

    assert world.requester.heard[2] == Heard(b"A")


def test_who_asks_again_when_it_is_too_late_waits_for_the_late_answer_too() -> None:
    async def story(world: Device) -> None:
        asked = [b"Q2"]

        def again(_: object) -> None:
            if asked:
                world.requester.ask(b"c.q", asked.pop())

        world.account.subscribe(b"_INBOX.me.>", again)
        world.requester.ask(b"c.q", b"Q1")
        await world.hears()
        world.clock.advance(NS_PER_S)
        await world.answered()
        await world.turns()
        assert world.hear() == b""
        world.say(b"A1\n")
        assert await world.hears() == b"Q2\r\n"
        world.say(b"A2\n")
        await world.answered(2)

    world = play(
        "framing { type: line, keep_first: true }, commands [ { subject: c.q, timeout: 1s } ]",
        story,
    )

    assert world.requester.heard[1] == Heard(b"A2")


@pytest.mark.parametrize("seed", range(5))
def test_whatever_the_delays_nobody_hears_anothers_answer(seed: int) -> None:
    """An answer may take longer than its timeout, by less than that again: that is waited for."""
    dice = Random(seed)
    answers: dict[int, bytes] = {}
    count = 60

    async def story(world: Device) -> None:
        def hear(delivery: Delivery) -> None:
            number = int(delivery.subject.rpartition(b".")[2])
            assert number not in answers, "one answer each"
            answers[number] = b"".join(body[size:] for _, size, body in delivery.messages)

        world.account.subscribe(b"_INBOX.it.*", hear)
        coming: list[tuple[int, bytes]] = []  # when the device says what
        asked = 0
        while len(answers) < count:
            if asked < count and asked - len(answers) < 3:
                world.requester.ask(b"c.q", b"%d" % asked, reply=b"_INBOX.it.%d" % asked)
                asked += 1
            await world.turns(3)
            now_ns = world.clock.monotonic_ns()
            for line in world.hear().split():
                delay_ns = dice.choice((0, 100, 900, 1100, 1900)) * NS_PER_MS
                coming.append((now_ns + delay_ns, line))
            for due_ns, line in list(coming):
                if due_ns <= now_ns:
                    coming.remove((due_ns, line))
                    world.say(b"A%b\n" % line)
            await world.turns(3)
            world.clock.advance(50 * NS_PER_MS)

    world = play(
        "framing { type: line, keep_first: true }, commands [ { subject: c.q, timeout: 1s } ]",
        story,
    )

    right = {number: b"A%d" % number for number in range(count)}
    assert all(answer in {b"", right[number]} for number, answer in answers.items())
    assert sum(answer == right[number] for number, answer in answers.items()) > count / 4
    assert world.counts()["late"] > 0
    assert world.stream.payloads == []
