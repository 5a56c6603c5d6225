"""`leafnode device` against a running server with a board on a pty: monitor, and deploy to a port
that the server has.
"""

from __future__ import annotations

import asyncio
import os
import re
import select
import subprocess
import sys
import threading
import time
import tty
from typing import TYPE_CHECKING

import nats
import pytest

from leafnode.link.device import DeviceSession
from tests.firmware.test_deploy import Board as PaperBoard
from tests.interop.gateway import Gateway

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

CONFIG = """
jetstream {{ store_dir: "{{dir}}/js" }}
log_file: "{{dir}}/server.log"
serial {{ ports: [ {{ name: line1, device: "{device}", framing: link, codec: json,
  subject: "f.{{device}}.{{name}}" }} ] }}
"""


class Board:
    """A device on the other side of a pty that measures all the time, in a thread of its own."""

    def __init__(self, name: str) -> None:
        self._fd, self._slave = os.openpty()
        tty.setraw(self._slave)
        self.path = os.ttyname(self._slave)
        self._session = DeviceSession(name, 77, ring_messages=1000, ring_bytes=60000)
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _run(self) -> None:
        n = 0
        while not self._ended.is_set():
            now_ms = time.monotonic_ns() // 1_000_000
            if select.select([self._fd], [], [], 0.02)[0]:
                self._session.receive(os.read(self._fd, 4096), now_ms)
            n += 1
            self._session.publish("t", b'{"n":%d}' % n)
            if n % 100 == 0:  # the server logs 20 a minute
                self._session.log(4, f"line {n}")
            while data := self._session.data_to_send(now_ms):
                os.write(self._fd, data)

    def end(self) -> None:
        self._ended.set()
        self._thread.join()
        os.close(self._fd)
        os.close(self._slave)


@pytest.fixture
def world(tmp_path: Path) -> Iterator[tuple[Gateway, Board]]:
    board = Board("n1")
    gateway = Gateway(tmp_path / "edge", CONFIG.format(device=board.path))
    gateway.start()
    yield gateway, board
    gateway.stop()
    board.end()


async def add_stream(gateway: Gateway) -> None:
    async with await nats.connect(gateway.client_url) as client:
        await client.jetstream().add_stream(name="F", subjects=["f.>"])


def device(gateway: Gateway, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "leafnode", "device", *words],
        capture_output=True,
        text=True,
        timeout=60,
        cwd=gateway.directory,
        check=False,
    )


def test_monitor_shows_what_a_board_says_while_the_server_has_it(
    world: tuple[Gateway, Board],
) -> None:
    gateway, _ = world
    config = str(gateway.directory / "leafnode.conf")
    asyncio.run(add_stream(gateway))

    shown = device(gateway, "monitor", "n1", "-c", config, "--count", "60")

    lines = shown.stdout.splitlines()
    assert shown.returncode == 0, shown.stderr
    assert len(lines) == 60
    assert all(line.startswith(('f.n1.t  {"n":', "log  line ")) for line in lines)

    log = device(gateway, "monitor", "n1", "-c", config, "--subject", "not.there", "--count", "1")

    assert re.fullmatch(r"log  line \d+\n", log.stdout), log.stderr


def test_a_board_that_the_server_has_is_lent_filled_and_taken_back(tmp_path: Path) -> None:
    board = PaperBoard(tmp_path / "board")
    gateway = Gateway(tmp_path / "edge", CONFIG.format(device=board.port))
    gateway.start()
    try:
        asyncio.run(add_stream(gateway))

        filled = device(
            *(gateway, "deploy", "pico", "--port", board.port, "--server", gateway.client_url),
            *("--name", "press-4", "--interval", "50ms"),
        )

        assert filled.returncode == 0, filled.stderr
        assert filled.stdout.startswith(
            "the server lends port line1\ncopied, and the board was reset; "
        )
        shown = device(gateway, "monitor", "press-4", "-s", gateway.client_url, "--count", "5")
        assert shown.stdout.startswith('f.press-4.cpu.temperature  {"n":'), shown.stderr
    finally:
        gateway.stop()
        board.end()
