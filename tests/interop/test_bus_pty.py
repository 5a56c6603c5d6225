"""Modbus over real terminals with pymodbus's own server at the other end, and noise between."""

from __future__ import annotations

import asyncio
import json
import os
import random
import subprocess
import sys
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from tests.interop.test_bridge_pty import Cable, World
from tests.unit.bridge.modbus.bus import port
from tests.unit.bridge.requester import Requester

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

BAUD = 115_200
MAP = """registers [
    { name: first, address: 0 }, { name: second, address: 1, table: input }
    { name: voltage, address: 100, type: f32, unit: V }
    { name: make, address: 102, type: string, length: 4 }
    { name: door, table: coil, address: 3 }, { name: lamp, table: discrete, address: 4 } ]"""


def slave(number: int, every: str = "50ms") -> str:
    return (
        f"{{ name: m{number}, address: {number}, groups [ {{ name: g, every: {every}, {MAP} }} ] }}"
    )


class Wire:
    """Two terminals and what carries bytes between them, which may change them."""

    def __init__(self, directory: Path) -> None:
        self.master = Cable(directory / "master")
        self.slaves = Cable(directory / "slaves")
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tests.interop.modbus_slaves", self.slaves.path, str(BAUD)]
        )
        self.spoil: Callable[[bytes], bytes] = lambda data: data

    def carry(self) -> None:
        loop = asyncio.get_running_loop()
        for one, other in ((self.master, self.slaves), (self.slaves, self.master)):
            loop.add_reader(one.device, self._pass_on, one, other)

    def _pass_on(self, one: Cable, other: Cable) -> None:
        os.write(other.device, self.spoil(one.hear()))

    def close(self) -> None:
        self.process.kill()
        self.process.wait()
        self.master.unplug()
        self.slaves.unplug()


@pytest.fixture
def wire(tmp_path: Path) -> Iterator[Wire]:
    made = Wire(tmp_path)
    yield made
    made.close()


def world_of(wire: Wire, modbus: str) -> World:
    options = replace(port(modbus), device=str(wire.master.path), baud=BAUD)
    return World(options)


def expected(number: int) -> dict[str, object]:
    return {
        "door": True,
        "lamp": False,
        "first": 1000 * number,
        "voltage": 230.1,
        "make": "LEAF",
        "second": 1000 * number + 1,
    }


def test_every_kind_of_register_is_read_from_pymodbus(wire: Wire) -> None:
    nobody = slave(9).replace("m9", "nobody")
    world = world_of(wire, f"timeout: 200ms, slaves [ {slave(1)}, {slave(2)}, {nobody} ]")

    async def story() -> None:
        wire.carry()
        await world.until(
            lambda: len(set(world.stream.subjects)) == 2 and world.status().stored >= 20
        )

    world.run(story)

    got = {
        subject: json.loads(payload)
        for subject, payload in zip(world.stream.subjects, world.stream.payloads, strict=True)
    }
    assert got == {b"s.m1.g": expected(1), b"s.m2.g": expected(2)}
    one, two, nobody = world.status().slaves
    assert (one["failing"], two["failing"], one["exceptions"]) == (False, False, 0)
    # pymodbus says so of an address that nobody has.
    assert nobody["last_error"] == "exception 4 (the device failed) at coil 3"


def test_what_is_written_is_read_back_from_pymodbus(wire: Wire) -> None:
    writes = """writes [ { name: first_, address: 0 }, { name: lamp_, table: coil, address: 3 }
        { name: two, address: 10, count: 2 }, { name: volts, address: 100, type: f32 }
        { name: lamps, table: coil, address: 4, count: 3 }, { name: none, address: 500 } ]"""
    one = slave(1).removesuffix("}") + f", {writes} }}"
    world = world_of(wire, f'commands {{ subject: "c.{{name}}" }}, slaves [ {one} ]')
    requester = Requester(world.account)
    asked = (
        (b"first_", b"4711"), (b"lamp_", b"false"), (b"two", b"[1, 2]"), (b"volts", b"12.5"),
        (b"lamps", b"[true, false, true]"), (b"none", b"1"), (b"g", b""),
    )  # fmt: skip

    async def story() -> None:
        wire.carry()
        await world.until(lambda: world.status().stored >= 1)
        for count, (name, payload) in enumerate(asked, 1):
            requester.ask(b"c." + name, payload)
            await world.until(lambda wanted=count: len(requester.heard) == wanted)

    world.run(story)

    *written, refused, read = requester.heard
    assert {heard.code for heard in written} == {0}
    assert refused.code == 502
    changed = {"first": 4711, "door": False, "voltage": 12.5}
    assert json.loads(read.payload) == expected(1) | changed


def test_with_one_byte_in_a_hundred_spoilt_no_wrong_value_is_stored(wire: Wire) -> None:
    world = world_of(
        wire, f"timeout: 100ms, backoff: 100ms, slaves [ {slave(1, '10ms')}, {slave(2, '10ms')} ]"
    )
    dice = random.Random(7)

    def spoil(data: bytes) -> bytes:
        return bytes(
            byte ^ (1 << dice.randrange(8)) if dice.random() < 0.01 else byte for byte in data
        )

    wire.spoil = spoil

    async def story() -> None:
        wire.carry()
        await world.until(lambda: world.status().stored >= 60)

    world.run(story)

    wrong = [
        payload
        for subject, payload in zip(world.stream.subjects, world.stream.payloads, strict=True)
        if json.loads(payload) != expected(int(subject[3:4]))
    ]
    assert wrong == []
    status = world.status()
    assert status.bad + status.modbus["timeouts"] > 0
    assert status.modbus["retries"] > 0
