"""A whole port that is a Modbus bus: polled, stored, held, lost and opened again."""

from __future__ import annotations

import json
import logging
from dataclasses import replace
from typing import TYPE_CHECKING

from leafnode import limits
from leafnode.clock import NS_PER_MS, NS_PER_S
from tests.unit.bridge.modbus.bus import FakeSlaves, port, slave
from tests.unit.bridge.world import World, run

if TYPE_CHECKING:
    import pytest

VOLTAGE = "{ name: voltage, address: 0, scale: 0.1, unit: V }"
METER = f"slaves [ {slave('meter', 1, VOLTAGE)} ]"


class BusWorld(World):
    """A port and the slaves at its other end, which answer at once."""

    def __init__(self, modbus: str, more: str = "", **changes: str) -> None:
        super().__init__(replace(port(modbus, more), **changes))  # type: ignore[arg-type]
        self.slaves = FakeSlaves()
        self.slaves.set(1, 0, 2301)

    async def pass_time(self, duration_ms: int, step_ms: int = 10) -> None:
        for _ in range(0, duration_ms, step_ms):
            self.clock.advance(step_ms * NS_PER_MS)
            await self.turns(3)
            if self.line.device is not None and (asked := self.hear()):
                answer = self.slaves.answer(asked)
                if answer:
                    self.say(answer)
                await self.turns(3)


def test_registers_become_stored_messages() -> None:
    world = BusWorld(METER)

    async def story(_: World) -> None:
        await world.opened()
        await world.pass_time(2600)
        await world.until(lambda: world.runner.status().stored == 3)

    run(world, story)

    assert world.stream.subjects == [b"s.meter.g"] * 3
    assert json.loads(world.stream.payloads[0]) == {"voltage": 230.1}
    assert b'Leafnode-Units: {"voltage":"V"}\r\n' in world.stream.headers[0]
    assert len(set(world.stream.ids)) == 3
    status = world.runner.status()
    assert status.modbus["polls"] == 3
    assert status.slaves[0]["answers"] == 3
    assert status.frames == 3


def test_each_register_may_be_a_message_with_its_unit() -> None:
    registers = f"{VOLTAGE}, {{ name: run, table: coil, address: 3 }}"
    world = BusWorld(f"slaves [ {slave('meter', 1, registers)} ]", subject="s.{device}.{field}")
    world.slaves.set(1, 3, 1, table="coil")

    async def story(_: World) -> None:
        await world.opened()
        await world.pass_time(900)
        await world.until(lambda: world.runner.status().stored == 2)

    run(world, story)

    messages = dict(zip(world.stream.subjects, map(json.loads, world.stream.payloads), strict=True))
    assert messages == {
        b"s.meter.voltage": {"value": 230.1, "unit": "V"},
        b"s.meter.run": {"value": True},
    }


def test_a_deadband_holds_for_registers_as_for_other_fields() -> None:
    world = BusWorld(METER, "mapping { fields { voltage { deadband: 1 } } }")

    async def story(_: World) -> None:
        await world.opened()
        await world.pass_time(1600)
        world.slaves.set(1, 0, 2305)
        await world.pass_time(1000)
        world.slaves.set(1, 0, 2400)
        await world.pass_time(1000)

    run(world, story)

    assert [json.loads(payload)["voltage"] for payload in world.stream.payloads] == [230.1, 240.0]
    assert world.runner.status().filtered >= 2


def test_while_nothing_can_be_stored_nothing_is_asked_and_nobody_is_to_blame() -> None:
    world = BusWorld(METER.replace("every: 1s", "every: 10ms"))
    world.stream.commits_at_once = False

    async def story(_: World) -> None:
        await world.opened()
        for _ in range(200):
            await world.pass_time(100)
            if world.runner.status().paused:
                break
        assert world.runner.status().queued == limits.READINGS_UNCOMMITTED_MAX
        asked = world.runner.status().modbus["polls"]
        await world.pass_time(1000)
        assert world.runner.status().modbus["polls"] == asked
        world.stream.commits_at_once = True
        world.stream.commit()
        await world.pass_time(2000)
        assert world.runner.status().modbus["polls"] > asked

    run(world, story)

    assert world.runner.status().modbus["timeouts"] == 0


def test_a_slave_that_does_not_answer_is_in_the_log_once(caplog: pytest.LogCaptureFixture) -> None:
    world = BusWorld(METER)
    world.slaves.deaf.add(1)
    caplog.set_level(logging.INFO)

    async def story(_: World) -> None:
        await world.opened()
        await world.pass_time(10_000, 50)
        assert world.runner.status().slaves[0]["problem"] == "no answer at holding 0"
        world.slaves.deaf.clear()
        await world.pass_time(10_000, 50)
        assert world.runner.status().slaves[0]["problem"] == ""

    run(world, story)

    said = [record.getMessage() for record in caplog.records if "Modbus" in record.getMessage()]
    assert said == [
        "Modbus: not read: port=bus slave=meter reason=no answer at holding 0",
        "Modbus: read again: port=bus slave=meter",
    ]
    assert world.runner.status().slaves[0]["last_error"] == "no answer at holding 0"


def test_a_port_that_was_lost_goes_on_where_it_was() -> None:
    world = BusWorld(METER)

    async def story(_: World) -> None:
        await world.opened()
        await world.pass_time(1600)
        world.line.unplug()
        await world.until(lambda: not world.runner.status().open)
        while not world.runner.status().open:
            world.clock.advance(1 * NS_PER_S)
            await world.turns(3)
        await world.pass_time(1600)

    run(world, story)

    assert len(world.stream.payloads) >= 3
    assert len(set(world.stream.ids)) == len(world.stream.ids)
    assert world.runner.status().slaves[0]["timeouts"] == 0
