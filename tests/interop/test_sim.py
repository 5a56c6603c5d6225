"""`leafnode sim`, the command, against the bridge on real terminals."""

from __future__ import annotations

import json
import subprocess
import sys
from contextlib import ExitStack
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from tests.interop.test_bridge_pty import World
from tests.unit.config.test_serial_framing import port

if TYPE_CHECKING:
    from pathlib import Path

    from leafnode.config.serial_options import SerialPort


def simulated(stack: ExitStack, link: Path, *words: str) -> subprocess.Popen[bytes]:
    """Start a sensor; return once its terminal is there."""
    process = stack.enter_context(
        subprocess.Popen(
            [sys.executable, "-m", "leafnode", "sim", *words, "--link", str(link)],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )
    )
    stack.callback(process.terminate)
    assert process.stdout is not None
    assert process.stdout.readline().startswith(b"/dev/pts/")
    return process


def port_of(link: Path, entry: str, **changes: Any) -> SerialPort:
    options = port(entry)
    return replace(options, device=str(link), name=link.name, subject="s.{port}", **changes)


@pytest.mark.parametrize(
    ("words", "entry", "field"),
    [
        (("nmea",), "preset: nmea", "talker"),
        (("scale",), "preset: toledo", "weight"),
        (("pms5003",), "preset: pms5003", "pm2_5"),
    ],
)
def test_a_sensor_that_talks_is_read(
    tmp_path: Path, words: tuple[str, ...], entry: str, field: str
) -> None:
    link = tmp_path / words[0]
    world = World(port_of(link, entry))

    async def story() -> None:
        await world.until(lambda: world.status().stored >= 10)

    with ExitStack() as stack:
        simulated(stack, link, *words, "--every", "20ms", "--baud", "115200")
        world.run(story)

    assert all(field in json.loads(payload) for payload in world.stream.payloads)
    assert world.status().bad == 0


def test_a_scale_that_must_be_asked_is(tmp_path: Path) -> None:
    link = tmp_path / "scale"
    entry = 'framing { type: line, poll: "SI\\r\\n", poll_every: 20ms }, codec: sics'
    world = World(port_of(link, entry))

    async def story() -> None:
        await world.until(lambda: world.status().stored >= 5)

    with ExitStack() as stack:
        simulated(stack, link, "scale", "--sics", "--baud", "115200")
        world.run(story)

    assert json.loads(world.stream.payloads[0])["unit"] == "kg"


def test_a_board_on_a_bad_line_has_each_reading_stored_once(tmp_path: Path) -> None:
    link = tmp_path / "board"
    world = World(port_of(link, "framing: link, codec: json"))
    count = 60

    async def story() -> None:
        await world.until(lambda: world.status().stored >= count and process.poll() is not None)

    with ExitStack() as stack:
        process = simulated(
            stack, link, "link", "--every", "20ms", "--count", str(count), "--bad", "0.2"
        )
        world.run(story)

    numbers = [json.loads(payload)["n"] for payload in world.stream.payloads]
    assert sorted(set(numbers)) == list(range(1, count + 1))
    assert world.status().stored - world.status().duplicates == count
    assert process.returncode == 0


def test_a_meter_answers_who_polls_it_with_modbus(tmp_path: Path) -> None:
    link = tmp_path / "meter"
    entry = """framing { type: idle, gap: 5ms, keep_first: true, poll_every: 50ms
        poll: "hex:01 04 00 00 00 02 71 CB" }
        check: crc16_modbus
        codec { type: struct, format: ">3xHH", fields: [volts, amperes] }"""
    world = World(port_of(link, entry))

    async def story() -> None:
        await world.until(lambda: world.status().stored >= 3)

    with ExitStack() as stack:
        simulated(stack, link, "modbus", "--baud", "115200")
        world.run(story)

    assert 2250 <= json.loads(world.stream.payloads[0])["volts"] <= 2360
