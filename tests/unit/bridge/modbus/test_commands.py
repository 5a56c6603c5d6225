"""Commands to slaves: read now, write what may be written, and hear what became of it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from leafnode.bridge.port_bounds import SERIAL_TURN_NS
from leafnode.clock import NS_PER_MS
from leafnode.config import serial_bounds
from tests.unit.bridge.requester import Heard, Requester
from tests.unit.bridge.test_bus import BusWorld
from tests.unit.bridge.world import run

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from tests.unit.bridge.world import World

DRIVE = """commands { subject: "c.{device}.{name}" }, timeout: 200ms
    slaves [ { name: drive, address: 1
      groups [ { name: state, every: 1s, registers [ { name: hz, address: 0, scale: 0.1 } ] }
               { name: rare, registers [ { name: hours, address: 9, type: u32 } ] } ]
      writes [ { name: speed, address: 0, scale: 0.1, min: 0, max: 50 }
               { name: run, table: coil, address: 4 }, { name: rates, address: 20, count: 2 }
               { name: absent, address: 77 } ] }
      { name: all, address: 0, writes [ { name: stop, table: coil, address: 4 } ] } ]"""


class Drive(BusWorld):
    """A drive on a bus, and who asks."""

    def __init__(self, more: str = "") -> None:
        super().__init__(DRIVE + more)
        self.slaves.set(1, 0, 501)
        self.slaves.set(1, 9, 1, 2)
        self.slaves.set(1, 20, 0, 0)
        self.slaves.set(1, 4, 0, table="coil")
        self.requester = Requester(self.account)

    async def asks(self, name: bytes, payload: bytes = b"") -> Heard:
        self.requester.heard.clear()
        assert self.requester.ask(b"c." + name, payload), "no responders"
        for _ in range(1000):
            if self.requester.heard:
                return self.requester.heard[0]
            await self.pass_time(10)
        raise AssertionError("no answer")


def play(story: Callable[[Drive], Awaitable[None]], more: str = "") -> Drive:
    world = Drive(more)

    async def whole(_: World) -> None:
        await world.opened()
        await world.pass_time(400)
        await story(world)

    run(world, whole)
    return world


def test_a_group_is_read_when_asked_and_is_no_reading() -> None:
    async def story(world: Drive) -> None:
        assert json.loads((await world.asks(b"drive.state")).payload) == {"hz": 50.1}
        assert json.loads((await world.asks(b"drive.rare")).payload) == {"hours": 65538}

    world = play(story)

    assert b"s.drive.rare" not in world.stream.subjects
    assert world.runner.status().commands["answered"] == 2


def test_an_answer_beyond_max_payload_is_not_published() -> None:
    async def story(world: Drive) -> None:
        world.max_payload_bytes = len(b'{"hours":65538}')
        assert (await world.asks(b"drive.rare")).code == 0
        world.max_payload_bytes -= 1
        assert (await world.asks(b"drive.rare")).code == 502

    assert play(story).runner.status().commands["too_large"] == 1


def test_a_question_whose_port_has_to_wait_for_a_turn_is_not_dropped() -> None:
    async def story(world: Drive) -> None:
        assert world.requester.ask(b"c.drive.rare")
        while not (asked := world.hear()):
            world.clock.advance(NS_PER_MS)
            await world.turns(3)
        answer = world.slaves.answer(asked)
        turns = world.runner._turns
        turns.end(turns.begin() - SERIAL_TURN_NS)
        world.say(answer[:1])
        await world.until(lambda: turns.deferred == 1)
        world.say(answer[1:])
        await world.turns()
        assert json.loads(world.requester.heard[0].payload) == {"hours": 65538}

    play(story)


@pytest.mark.parametrize(
    ("name", "payload", "request_", "register"),
    [
        (b"drive.speed", b"12.5", (1, 6, 0, 1), (1, "holding", 0, 125)),
        (b"drive.run", b"true", (1, 5, 4, 0), (1, "coil", 4, 1)),
        (b"drive.rates", b"[3, 4]", (1, 16, 20, 2), (1, "holding", 21, 4)),
    ],
)
def test_a_value_is_written_once(
    name: bytes,
    payload: bytes,
    request_: tuple[int, int, int, int],
    register: tuple[int, str, int, int],
) -> None:
    async def story(world: Drive) -> None:
        heard = await world.asks(name, payload)
        assert heard.code == 0
        key = name.decode().rpartition(".")[2]
        assert json.loads(heard.payload) == {key: json.loads(payload)}

    world = play(story)

    written = [one[:3] for one in world.slaves.requests if one[1] not in {3, 4}]
    assert written == [request_[:3]]
    assert world.slaves.registers[register[:3]] == register[3]


def test_the_answer_is_the_value_that_the_register_has() -> None:
    async def story(world: Drive) -> None:
        assert (await world.asks(b"drive.speed", b"12.34")).payload == b'{"speed":12.3}'
        assert (await world.asks(b"drive.rates", b"[1.4, 4]")).payload == b'{"rates":[1,4]}'

    world = play(story)

    assert world.slaves.registers[(1, "holding", 0)] == 123


def test_all_slaves_are_told_and_nobody_answers() -> None:
    async def story(world: Drive) -> None:
        assert (await world.asks(b"all.stop", b"false")).payload == b'{"stop":false}'
        await world.pass_time(2000)

    world = play(story)

    assert (0, 5, 4) in [one[:3] for one in world.slaves.requests]
    assert world.runner.status().modbus["timeouts"] == 0
    assert world.runner.status().stored >= 2


@pytest.mark.parametrize(
    ("name", "payload", "code", "error"),
    [
        (b"drive.speed", b"51", 400, "at most 50"),
        (b"drive.speed", b"fast", 400, "a value in JSON"),
        (b"drive.speed", b"[" * 5000, 413, "at most 4096 bytes"),
        (b"drive.speed", b"[" * 4000, 400, "a value in JSON"),
        (b"drive.run", b"7", 400, "true or false"),
        (b"drive.rates", b"[1]", 400, "an array of 2"),
        (b"drive.state", b"5", 400, "this reads"),
        (b"drive.absent", b"5", 502, "exception 2 (illegal data address) at holding 77"),
    ],
)
def test_what_is_not_done_says_why(name: bytes, payload: bytes, code: int, error: str) -> None:
    async def story(world: Drive) -> None:
        heard = await world.asks(name, payload)
        assert (heard.code, heard.payload) == (code, b"")
        assert error in heard.error

    play(story)


def test_nothing_else_can_be_written() -> None:
    world = Drive()

    async def story(_: World) -> None:
        await world.opened()
        for name in (b"c.drive.hz", b"c.drive.hours", b"c.drive.nothing", b"c.all.speed"):
            assert not world.requester.ask(name, b"1")

    run(world, story)


def test_a_write_that_is_not_answered_is_not_tried_again() -> None:
    async def story(world: Drive) -> None:
        world.slaves.deaf.add(1)
        heard = await world.asks(b"drive.speed", b"10")
        assert heard.code == 504
        assert "no answer at holding 0" in heard.error

    world = play(story, ", retries: 5")

    assert len([one for one in world.slaves.requests if one[1] == 6]) == 1
    assert world.runner.status().commands["unanswered"] == 1


def test_a_read_is_tried_again() -> None:
    async def story(world: Drive) -> None:
        world.slaves.deaf.add(1)
        assert (await world.asks(b"drive.rare")).code == 504

    world = play(story, ", retries: 2")

    assert len([one for one in world.slaves.requests if one[2] == 9]) == 3


def test_commands_beyond_the_bound_are_refused_and_the_polls_go_on() -> None:
    async def story(world: Drive) -> None:
        for _ in range(serial_bounds.COMMANDS_WAITING_MAX + 3):
            world.requester.ask(b"c.drive.rare")
        assert [heard.code for heard in world.requester.heard] == [429] * 2
        await world.pass_time(4000)

    world = play(story)

    assert len(world.requester.heard) == serial_bounds.COMMANDS_WAITING_MAX + 3
    assert world.runner.status().stored >= 4


def test_a_port_that_is_lost_says_so() -> None:
    async def story(world: Drive) -> None:
        world.line.unplug()
        await world.until(lambda: not world.runner.status().open)
        assert (await world.asks(b"drive.rare")).code == 503

    play(story)
