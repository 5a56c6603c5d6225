"""Commands through a whole gateway: who may send, another account, a reload, and nats.py.

The device is the other end of a pseudo-terminal, played by a thread.
"""

from __future__ import annotations

import asyncio
import json
import os
import select
import signal
import threading
from typing import TYPE_CHECKING

import nats
import nats.errors
import pytest

from tests.interop.gateway import Gateway
from tests.interop.test_bridge_pty import Cable

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from nats.aio.client import Client

CONFIG = """
jetstream { store_dir: "{dir}/js" }
accounts {
  PLANT {
    jetstream: enabled
    users [ { user: boss, password: p }
            { user: viewer, password: p, permissions { publish { deny: "cmd.>" } } } ]
    exports [ { service: "cmd.scale.*" } ]
  }
  SHOP {
    users [ { user: till, password: p } ]
    imports [ { service: { account: PLANT, subject: "cmd.scale.weigh" }, to: weigh } ]
  }
}
serial { account: PLANT, ports [ {
  device: "{dir}/scale", name: scale, framing { type: line, keep_first: true }, codec: sics
  subject: "s.{port}"
  commands [ COMMANDS ]
} ] }
"""
WEIGH = '{ subject: "cmd.{port}.weigh", send: SI, starts: "S " }'
ZERO = '{ subject: "cmd.{port}.zero", send: Z, starts: "Z " }'


class Scale(threading.Thread):
    """Answers each line it hears."""

    def __init__(self, cable: Cable) -> None:
        super().__init__(daemon=True)
        self.cable = cable
        self.heard: list[bytes] = []
        self.stopped = threading.Event()
        self.start()

    def run(self) -> None:
        rest = b""
        while not self.stopped.is_set():
            if not select.select([self.cable.device], [], [], 0.05)[0]:
                continue
            *lines, rest = (rest + self.cable.hear()).split(b"\r\n")
            self.heard += lines
            for line in lines:
                self.cable.say({b"SI": b"S S 1.5 g\r\n", b"Z": b"Z A\r\n"}[line])


@pytest.fixture
def world(tmp_path: Path) -> Iterator[tuple[Gateway, Scale]]:
    cable = Cable(tmp_path / "scale")
    scale = Scale(cable)
    gateway = Gateway(tmp_path, CONFIG.replace("COMMANDS", WEIGH))
    gateway.start()
    yield gateway, scale
    gateway.stop()
    scale.stopped.set()
    scale.join()
    cable.unplug()


async def user(gateway: Gateway, name: str) -> Client:
    async def quiet(_: Exception) -> None:
        pass

    url = gateway.client_url.replace("nats://", f"nats://{name}:p@")
    return await nats.connect(url, allow_reconnect=False, error_cb=quiet)


def test_who_may_publish_may_send_and_nobody_else(world: tuple[Gateway, Scale]) -> None:
    gateway, scale = world

    async def story() -> None:
        boss, viewer, till = [await user(gateway, name) for name in ("boss", "viewer", "till")]
        assert (await boss.request("cmd.scale.weigh", b"", timeout=5)).data == b"S S 1.5 g"
        with pytest.raises(nats.errors.TimeoutError):
            await viewer.request("cmd.scale.weigh", b"", timeout=0.5)
        assert (await till.request("weigh", b"", timeout=5)).data == b"S S 1.5 g"
        with pytest.raises(nats.errors.NoRespondersError):
            await till.request("cmd.scale.weigh", b"", timeout=5)
        for one in (boss, viewer, till):
            await one.close()

    asyncio.run(story())

    assert scale.heard == [b"SI", b"SI"]
    assert gateway.get("serialz")["ports"][0]["commands_answered"] == 2


def test_a_reload_changes_what_may_be_asked(world: tuple[Gateway, Scale]) -> None:
    gateway, _ = world

    async def story() -> None:
        boss = await user(gateway, "boss")
        await boss.request("cmd.scale.weigh", b"", timeout=5)
        file = gateway.directory / "leafnode.conf"
        file.write_text(file.read_text().replace(WEIGH, ZERO))
        assert gateway.process is not None
        os.kill(gateway.process.pid, signal.SIGHUP)
        async with asyncio.timeout(10):
            while True:
                try:
                    answer = await boss.request("cmd.scale.zero", b"", timeout=5)
                except nats.errors.NoRespondersError:
                    await asyncio.sleep(0.05)
                    continue
                if not answer.headers:  # else the port is not open again
                    break
        assert answer.data == b"Z A"
        with pytest.raises(nats.errors.NoRespondersError):
            await boss.request("cmd.scale.weigh", b"", timeout=5)
        await boss.close()

    asyncio.run(story())


def test_a_command_while_the_port_is_lent_says_so(world: tuple[Gateway, Scale]) -> None:
    gateway, _ = world

    async def story() -> None:
        boss = await user(gateway, "boss")
        ports = await boss.request("$LEAFNODE.REQ.PORTS", b"", timeout=5)
        name = json.loads(ports.data)["server"]
        await boss.request(f"$LEAFNODE.REQ.{name}.PORT.scale.LEND", b'{"seconds": 60}', timeout=5)
        answer = await boss.request("cmd.scale.weigh", b"", timeout=5)
        assert (answer.headers or {})["Nats-Service-Error-Code"] == "503"
        await boss.close()

    asyncio.run(story())
