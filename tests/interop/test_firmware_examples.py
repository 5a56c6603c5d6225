"""Each example of firmware/examples as it is shipped, under MicroPython, at the `leafnode` process.

Real are the interpreter, the server, its store and the line, which is a pty; of paper are the
modules of the chips (machine, usb_cdc). The sketch is compiled for this machine.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import pty
import subprocess
import tty
from typing import TYPE_CHECKING, Any

import nats
import pytest

from tests.firmware.interpreter import DEVICE_PATHS, ROOT, environment, micropython
from tests.interop.gateway import POLL_S, Gateway, running_gateway

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

EXAMPLES = ROOT / "firmware" / "examples"
WAIT_S = 60
READINGS = 3
CONFIG = """
jetstream { store_dir: "{dir}/data" }
serial { ports [ { name: board, device: "{dir}/board", framing: FRAMING, codec: json
  subject: "factory.{device}.{name}", messages { subscribe: "cmd.{device}.{name}" } } ] }
"""
ON_MICROPYTHON = """
from tests.firmware import paper_machine
paper_machine.install()
"""
ON_CIRCUITPYTHON = """
import select, sys, time
from tests.firmware import paper_circuitpython
class Port:
    def __init__(self):
        self.poll = select.poll()
        self.poll.register(sys.stdin, select.POLLIN)
    @property
    def in_waiting(self):
        return 1 if self.poll.poll(0) else 0
    def read(self, count):
        return sys.stdin.buffer.read(count)
    def write(self, data):
        return sys.stdout.buffer.write(data)
usb_cdc = paper_circuitpython.install(second_port=False)
def enable(console, data):
    usb_cdc.data = Port() if data else None
usb_cdc.enable = enable
import supervisor
supervisor.ticks_ms = lambda: time.ticks_ms() & 0x1FFFFFFF
"""
SENDS_TEXT = """
import select, sys, time
from examples.text_sender import TextSender
sender = TextSender("uno", 7)
sender.on_message = lambda subject, payload: subject + " is " + payload
sender.serve("led")
for value in ("21.5", "22", "-3e1"):
    sender.point("temperature", value, "C")
poll = select.poll()
poll.register(sys.stdin, select.POLLIN)
while True:
    if poll.poll(10):
        sender.receive(sys.stdin.buffer.read(1))
    sys.stdout.buffer.write(sender.data_to_send(time.ticks_ms()))
"""


def running(*names: str) -> str:
    """Return a program that runs these files, one behind the other."""
    run = "with open({0!r}) as file:\n    exec(compile(file.read(), {0!r}, 'exec'))\n"
    return "".join([run.format(name) for name in names])


@contextlib.contextmanager
def at_a_gateway(
    tmp_path: Path, framing: str, arguments: list[str], directory: Path
) -> Iterator[Gateway]:
    """Let a program have one end of a pty as stdin and stdout, and a gateway the other."""
    master, slave = pty.openpty()
    tty.setraw(slave)
    (tmp_path / "board").symlink_to(os.ttyname(slave))
    with (tmp_path / "said").open("wb") as errors:
        process = subprocess.Popen(
            arguments,
            cwd=directory,
            stdin=master,
            stdout=master,
            stderr=errors,
            env=environment(*DEVICE_PATHS, ROOT),
        )
    try:
        with running_gateway(tmp_path, CONFIG.replace("FRAMING", framing)) as gateway:
            yield gateway
    finally:
        process.kill()
        process.wait()
        os.close(master)
        os.close(slave)


def row(gateway: Gateway) -> dict[str, Any]:
    found: dict[str, Any] = gateway.get("serialz")["ports"][0]
    return found


async def stored(gateway: Gateway, count: int = READINGS) -> list[tuple[str, dict[str, Any]]]:
    """Make a stream; return subject and payload of the first messages, once there are so many."""
    client = await nats.connect(gateway.client_url, allow_reconnect=False, connect_timeout=10)
    stream = client.jetstream()
    await stream.add_stream(name="F", subjects=["factory.>"])
    async with asyncio.timeout(WAIT_S):
        while row(gateway)["stored"] < count:  # noqa: ASYNC110 -- another process does it
            await asyncio.sleep(POLL_S)
    found = [await stream.get_msg("F", seq) for seq in range(1, count + 1)]
    await client.close()
    return [(message.subject, json.loads(message.data or b"")) for message in found]


def heard(gateway: Gateway, tmp_path: Path) -> list[tuple[str, dict[str, Any]]]:
    try:
        found = asyncio.run(stored(gateway))
    except TimeoutError:
        said = (tmp_path / "said").read_text()
        pytest.fail(f"{row(gateway)}\n{gateway.log}\n{said}")
    assert (row(gateway)["bad"], row(gateway)["missing"]) == (0, 0)
    return found


@pytest.mark.parametrize("board", ["pico", "pico_w", "esp32_s3"])
def test_the_main_of_a_micropython_board_measures_and_is_stored(board: str, tmp_path: Path) -> None:
    program = ON_MICROPYTHON + running("main.py")
    celsius = 41 if board == "esp32_s3" else 27.0

    with at_a_gateway(
        tmp_path, "link", [micropython(), "-c", program], EXAMPLES / board
    ) as gateway:
        found = heard(gateway, tmp_path)
        (device,) = gateway.get("serialz")["devices"]

    name = f"{board.replace('_', '-')}-1"
    assert [subject for subject, _ in found] == [f"factory.{name}.cpu.temperature"] * READINGS
    assert [payload for _, payload in found] == [
        {"n": n, "v": pytest.approx(celsius, abs=0.5)} for n in range(1, READINGS + 1)
    ]
    assert device["about"] == f"{board} 0.1.0"


def test_boot_and_code_of_a_circuitpython_board_measure_and_are_stored(tmp_path: Path) -> None:
    program = ON_CIRCUITPYTHON + running("boot.py", "code.py")

    with at_a_gateway(
        tmp_path, "text_link", [micropython(), "-c", program], EXAMPLES / "samd21"
    ) as gateway:
        found = heard(gateway, tmp_path)

    assert found == [("factory.feather-1.cpu.temperature", {"v": 21.5})] * READINGS


def test_the_node_for_a_pc_measures_is_stored_and_ends(tmp_path: Path) -> None:
    demo = str(EXAMPLES / "demo_node.py")

    with at_a_gateway(
        tmp_path, "link", [micropython(), demo, "n1", "100", str(READINGS)], tmp_path
    ) as gateway:
        found = heard(gateway, tmp_path)

    assert [payload["n"] for _, payload in found] == [1, 2, 3]


async def asked(gateway: Gateway) -> bytes:
    client = await nats.connect(gateway.client_url, allow_reconnect=False, connect_timeout=10)
    answer = await client.request("cmd.uno.led", b"on", timeout=WAIT_S)
    await client.close()
    return answer.data


def test_the_sender_of_text_is_stored_and_answers(tmp_path: Path) -> None:
    with at_a_gateway(
        tmp_path, "text_link", [micropython(), "-c", SENDS_TEXT], tmp_path
    ) as gateway:
        found = heard(gateway, tmp_path)
        answer = asyncio.run(asked(gateway))

    assert found == [
        ("factory.uno.temperature", {"v": value, "unit": "C"}) for value in (21.5, 22, -30)
    ]
    assert answer == b"led is on"


def test_the_sketch_is_stored_and_switches_its_lamp(tmp_path: Path) -> None:
    program = tmp_path / "sketch"
    stand_in = ROOT / "tests/firmware/arduino/Arduino.h"
    sketch = EXAMPLES / "text_sketch/text_sketch.ino"
    subprocess.run(["g++", "-x", "c++", "-include", stand_in, sketch, "-o", program], check=True)

    with at_a_gateway(tmp_path, "text_link", [str(program)], tmp_path) as gateway:
        found = heard(gateway, tmp_path)
        answer = asyncio.run(asked(gateway))

    assert found == [
        ("factory.uno.temperature", {"v": value, "unit": "C"}) for value in (19.53, 20.02, 20.51)
    ]
    assert answer == b"on"
