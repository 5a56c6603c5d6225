"""Whole ports of other kinds than lines: polled, bounded by silence, gathered, filtered."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from leafnode.bridge import port_bounds
from leafnode.clock import NS_PER_MS, NS_PER_S
from leafnode.config.serial_stage_options import CodecOptions, FramingOptions, MappingOptions
from tests.unit.bridge.test_presets import FRAMES
from tests.unit.bridge.world import World, line_port, run
from tests.unit.config.test_serial_framing import port

if TYPE_CHECKING:
    from pathlib import Path

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


def of_function(directory: Path, body: str, **options: Any) -> SerialPort:
    """A port whose lines go through `decode(frame)`, a real process of its own."""
    path = directory / "convert.py"
    path.write_text(f"def decode(frame):\n    {body}\n")
    codec = CodecOptions("exec", function=f"{path}:decode")
    return replace(line_port(**options), codec=codec)


def test_a_users_function_makes_messages_of_readings_in_order(tmp_path: Path) -> None:
    body = 'return {"t": int(frame)} if frame != b"-" else None'
    world = World(of_function(tmp_path, body, subject="s.{t}"))

    async def story(world: World) -> None:
        await world.opened()
        world.say(b"1\n-\nbad\n2\n3\n")
        await world.until(lambda: world.runner.status().stored == 3)

    run(world, story)

    assert [json.loads(payload) for payload in world.stream.payloads] == [
        {"t": 1},
        {"t": 2},
        {"t": 3},
    ]
    status = world.runner.status()
    assert (status.filtered, status.poison) == (1, 1)
    assert (status.function["starts"], status.function["errors"]) == (1, 1)


def test_a_payload_of_a_function_where_fields_are_needed_is_bad(tmp_path: Path) -> None:
    body = 'return frame if frame == b"x" else {"t": 1, "u": 2}'
    world = World(of_function(tmp_path, body, mapping=MappingOptions(select=("t",))))

    async def story(world: World) -> None:
        await world.opened()
        world.say(b"x\ny\n")
        await world.until(lambda: world.runner.status().stored == 1)

    run(world, story)

    assert world.stream.payloads == [b'{"t":1}']
    assert world.runner.status().poison == 1


def test_a_function_that_kills_itself_costs_its_own_frames(tmp_path: Path) -> None:
    body = 'return frame if frame != b"die" else __import__("os").abort()'
    world = World(of_function(tmp_path, body))

    async def story(world: World) -> None:
        await world.opened()
        world.say(b"a\ndie\nb\n")
        await world.until(lambda: world.runner.status().poison == 1)
        assert "it was ended by SIGABRT" in world.runner.status().last_error
        world.clock.advance(port_bounds.EXEC_RESTART_NS)
        await world.until(lambda: world.runner.status().stored == 2)

    run(world, story)

    assert world.stream.payloads == [b"a", b"b"]
    assert world.runner.status().last_error == ""


def test_a_port_whose_function_is_behind_is_not_read(tmp_path: Path) -> None:
    world = World(of_function(tmp_path, "while True: pass"))
    count = port_bounds.EXEC_QUEUE_MAX

    async def story(world: World) -> None:
        await world.opened()
        world.say(b"x\n" * (count + 10))
        await world.until(lambda: world.runner.status().paused)
        assert world.runner.status().function["queued"] == count

    run(world, story)


def test_what_a_function_says_nothing_of_is_not_gathered(tmp_path: Path) -> None:
    gather = MappingOptions(every_ns=NS_PER_S, functions=("max", "count"))
    body = 'return {"t": 1} if frame != b"-" else None'
    world = World(of_function(tmp_path, body, mapping=gather))

    async def story(world: World) -> None:
        await world.opened()
        world.say(b"1\n-\n")
        await world.until(lambda: world.runner.status().filtered == 1)
        world.clock.advance(NS_PER_S)
        await world.until(lambda: world.runner.status().stored == 1)

    run(world, story)

    assert world.stream.payloads == [b'{"t":1,"count":1}']
