"""A board under MicroPython, the `leafnode` process and nats.py: asked, told, answered, reloaded.

Everything is real but the cable, which is a pty.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import pty
import signal
import subprocess
import tty
from typing import TYPE_CHECKING
from urllib.request import urlopen

import nats
import nats.errors

from tests.firmware.interpreter import DEVICE_PATHS, environment, micropython
from tests.firmware.test_talk_on_a_pty import BOARD
from tests.hub.process import free_ports
from tests.interop.test_command import START_S, leafnode, wait_until_ready

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator
    from pathlib import Path

    from nats.aio.client import Client

CONFIG = """
listen: 127.0.0.1:{port}
http: 127.0.0.1:{http}
jetstream {{ store_dir: "{store}" }}
accounts {{ PLANT {{
  jetstream: enabled
  users: [ {{ user: u, password: p }} ]
  default_permissions {{ publish {{ deny: "{denied}" }} }}
}} }}
serial {{ account: PLANT, ports [ {{
  device: "{device}", name: hall, framing: link, codec: text, subject: "factory.{{device}}.{{name}}"
  {messages}
}} ] }}
"""
MESSAGES = 'messages { subscribe: "cmd.{device}.{name}", request: "svc.{name}" }'


@contextlib.asynccontextmanager
async def client(port: int) -> AsyncIterator[Client]:
    connected = await nats.connect(
        f"nats://u:p@127.0.0.1:{port}", allow_reconnect=False, connect_timeout=10
    )
    try:
        yield connected
    finally:
        await connected.close()


async def until(true: Callable[[], bool]) -> None:
    async with asyncio.timeout(START_S):
        while not true():  # noqa: ASYNC110 -- another process does it
            await asyncio.sleep(0.02)


@contextlib.contextmanager
def board(tmp_path: Path) -> Iterator[str]:
    """A board at one end of a pty; gives the path of the other end."""
    script = tmp_path / "board.py"
    script.write_text(BOARD.format(window=4, crc16=False))
    master, slave = pty.openpty()
    tty.setraw(slave)
    process = subprocess.Popen(
        [micropython(), str(script)],
        stdin=master,
        stdout=master,
        stderr=subprocess.DEVNULL,
        env=environment(*DEVICE_PATHS),
    )
    try:
        yield os.ttyname(slave)
    finally:
        process.kill()
        process.wait()
        os.close(master)
        os.close(slave)


def test_a_board_is_a_service_of_its_account_until_a_reload_takes_that_away(tmp_path: Path) -> None:
    port, http = free_ports(2)
    config = tmp_path / "x.conf"

    def write(device: str, messages: str, denied: str = "nothing") -> None:
        config.write_text(
            CONFIG.format(
                port=port,
                http=http,
                store=tmp_path / "data",
                device=device,
                messages=messages,
                denied=denied,
            )
        )

    def counts() -> dict[str, int]:
        with urlopen(f"http://127.0.0.1:{http}/serialz", timeout=START_S) as answer:
            row: dict[str, int] = json.load(answer)["ports"][0]
        return row

    async def story(process: subprocess.Popen[str], device: str) -> None:
        async with client(port) as nc:
            stream = nc.jetstream()
            await stream.add_stream(name="R", subjects=["factory.>"])

            async def zone(message: nats.aio.msg.Msg) -> None:
                await message.respond(b"CET")

            await nc.subscribe("svc.zone", cb=zone)
            write(device, MESSAGES)
            process.send_signal(signal.SIGHUP)
            await until(lambda: counts().get("board_subscriptions") == 2)
            for number in range(5):
                await nc.publish("cmd.n1.number", b"%d" % number)
            answer = await nc.request("cmd.n1.numbers", b"", timeout=START_S)
            assert answer.data == b"[0, 1, 2, 3, 4]"
            await until(lambda: counts()["stored"] == 1)
            stored = await stream.get_last_msg("R", "factory.n1.zone.of.the.board")
            assert stored.data == b"CET"
            assert stored.headers is not None
            assert stored.headers["Leafnode-Time"].startswith("20")

            write(device, "")
            process.send_signal(signal.SIGHUP)
            await until(lambda: counts().get("board_subscriptions") == 0)
            try:
                await nc.request("cmd.n1.numbers", b"", timeout=START_S)
            except nats.errors.NoRespondersError:
                return
            raise AssertionError("a board without a word in the configuration answered")

    with board(tmp_path) as device:
        write(device, "")
        with leafnode("-c", str(config)) as process:
            wait_until_ready(process)
            asyncio.run(story(process, device))
