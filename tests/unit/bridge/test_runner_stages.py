"""Whole ports of other kinds than lines: polled, bounded by silence, gathered, filtered."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING

from leafnode.clock import NS_PER_MS, NS_PER_S
from leafnode.config.serial_stage_options import FramingOptions, MappingOptions
from tests.unit.bridge.test_presets import FRAMES
from tests.unit.bridge.world import World, line_port, run
from tests.unit.config.test_serial_framing import port

if TYPE_CHECKING:
    from leafnode.config.serial_options import SerialPort


def of_preset(text: str) -> SerialPort:
    return replace(port(text), device="/dev/fake", name="scale", subject="s.{port}")


def test_a_polled_sensor_is_asked_answers_and_is_asked_again() -> None:
    world = World(of_preset("preset: mhz19"))
    question = bytes.fromhex("ff0186000000000079")

    async def story(world: World) -> None:
        await world.opened()
        heard = b""
        while not heard:
            await world.turns(1)
            heard = world.hear()
        assert heard == question
        world.say(FRAMES["mhz19"][0])
        await world.until(lambda: world.runner.status().stored == 1)
        world.clock.advance(9 * NS_PER_S)
        await world.turns()
        assert world.hear() == b""
        world.clock.advance(1 * NS_PER_S)
        await world.turns()
        assert world.hear() == question

    run(world, story)

    assert json.loads(world.stream.payloads[0]) == {"co2": 608, "temperature": 31, "status": 0}
    units = rb'Leafnode-Units: {"co2":"ppm","temperature":"\u00b0C"}'
    assert units + b"\r\n" in world.stream.headers[0]


def test_a_silence_ends_a_frame_without_another_byte() -> None:
    idle = FramingOptions("idle", gap_ns=20 * NS_PER_MS, keep_first=True)
    world = World(line_port(framing=idle))

    async def story(world: World) -> None:
        await world.opened()
        world.say(b"fra")
        await world.until(lambda: world.runner.status().bytes_in == 3)
        world.clock.advance(19 * NS_PER_MS)
        world.say(b"me")
        await world.until(lambda: world.runner.status().bytes_in == 5)
        world.clock.advance(19 * NS_PER_MS)
        await world.turns()
        assert world.runner.status().frames == 0
        world.clock.advance(1 * NS_PER_MS)
        await world.until(lambda: world.runner.status().stored == 1)

    run(world, story)

    assert world.stream.payloads == [b"frame"]


def test_a_torn_frame_and_noise_are_counted_and_the_rest_is_stored() -> None:
    frame, fields = FRAMES["pms5003"]
    world = World(of_preset("preset: pms5003"))

    async def story(world: World) -> None:
        await world.opened()
        world.say(b"boot" + frame + frame[:11] + frame * 2)
        await world.until(lambda: world.runner.status().stored == 3)

    run(world, story)

    assert [json.loads(payload) for payload in world.stream.payloads] == [fields] * 3
    status = world.runner.status()
    assert (status.frames, status.bad, status.resyncs) == (3, 1, 1)
    assert status.noise_bytes == 4 + 11


def test_what_was_gathered_is_published_when_the_port_ends() -> None:
    gather = MappingOptions(every_ns=60 * NS_PER_S, functions=("min", "max", "count"))
    world = World(line_port(codec="csv", fields=("t",), mapping=gather))

    async def story(world: World) -> None:
        await world.opened()
        world.say(b"1\n5\n3\n")
        await world.until(lambda: world.runner.status().frames == 3)
        assert world.stream.payloads == []

    run(world, story)

    assert [json.loads(payload) for payload in world.stream.payloads] == [
        {"t_min": 1, "t_max": 5, "count": 3}
    ]
    assert world.runner.status().windows == 1


def test_what_says_nothing_new_is_counted() -> None:
    world = World(line_port(mapping=MappingOptions(ignore_repeats_ns=2 * NS_PER_S)))

    async def story(world: World) -> None:
        await world.opened()
        world.say(b"scan\nscan\nother\n")
        await world.until(lambda: world.runner.status().frames == 3)
        world.clock.advance(2 * NS_PER_S)
        world.say(b"other\n")
        await world.until(lambda: world.runner.status().stored == 3)

    run(world, story)

    assert world.stream.payloads == [b"scan", b"other", b"other"]
    assert world.runner.status().filtered == 1
