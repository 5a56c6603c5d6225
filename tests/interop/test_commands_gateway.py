"""Commands through a whole gateway: who may send, another account, a reload, and nats.py.

The device is the other end of a pseudo-terminal, played by a thread.
"""

from __future__ import annotations

import asyncio
import json
import os
import select
import signal
import socket
import threading
import time
from typing import TYPE_CHECKING

import nats
import nats.errors
import pytest

from tests.interop.gateway import Gateway, running_gateway
from tests.interop.test_bridge_pty import Cable

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from nats.aio.client import Client
    from nats.aio.msg import Msg

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
WEIGH = '{ subject: "cmd.{port}.weigh", send: SI, starts: "S ", timeout: 1s }'
ZERO = '{ subject: "cmd.{port}.zero", send: Z, starts: "Z " }'


class Scale(threading.Thread):
    """Answers each line it hears."""

    def __init__(self, cable: Cable) -> None:
        super().__init__(daemon=True)
        self.cable = cable
        self.heard: list[bytes] = []
        self.weight = b"1.5"
        self.thinks = threading.Event()  # says nothing while this is set
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
                weighed = b"S S %b g\r\n" % self.weight
                while self.thinks.is_set() and not self.stopped.is_set():
                    self.stopped.wait(0.01)
                self.cable.say({b"SI": weighed, b"Z": b"Z A\r\n"}[line])


def until_open(gateway: Gateway) -> None:
    """Wait for the port: it is opened behind the start, and until then a command is refused."""
    deadline = time.monotonic() + 10
    while not gateway.get("serialz")["ports"][0]["open"]:
        assert time.monotonic() < deadline, "the port was not opened"
        time.sleep(0.01)


@pytest.fixture
def world(tmp_path: Path) -> Iterator[tuple[Gateway, Scale]]:
    cable = Cable(tmp_path / "scale")
    scale = Scale(cable)
    gateway = Gateway(tmp_path, CONFIG.replace("COMMANDS", WEIGH))
    gateway.start()
    until_open(gateway)
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


class Asked:
    """A command that its device thinks about, and what its asker heard until now."""

    def __init__(self, scale: Scale) -> None:
        self.scale = scale
        self.heard: list[tuple[str, bytes]] = []

    async def ask(self, gateway: Gateway) -> Client:
        """Ask; return when the device has it."""
        boss = await user(gateway, "boss")

        async def hear(message: Msg) -> None:
            code = (message.headers or {}).get("Nats-Service-Error-Code", "")
            self.heard.append((code, message.data))

        inbox = boss.new_inbox()
        await boss.subscribe(inbox, cb=hear)
        self.scale.thinks.set()
        await boss.publish("cmd.scale.weigh", b"", reply=inbox)
        async with asyncio.timeout(10):
            while not self.scale.heard:  # noqa: ASYNC110 -- a thread says nothing to the loop
                await asyncio.sleep(0.01)
        return boss

    async def told(self) -> None:
        async with asyncio.timeout(10):
            while not self.heard:  # noqa: ASYNC110 -- no event is as simple
                await asyncio.sleep(0.01)

    async def weigh(self, boss: Client) -> bytes:
        """Let the device say what it thought about, put something on it and weigh that."""
        self.scale.weight = b"2.5"
        self.scale.thinks.clear()
        async with asyncio.timeout(20):
            while True:
                answer = await boss.request("cmd.scale.weigh", b"", timeout=10)
                if not answer.headers:  # else the port is not open again
                    return answer.data


def test_a_reload_in_the_middle_of_a_command_is_told_and_its_answer_is_nobody_elses(
    world: tuple[Gateway, Scale],
) -> None:
    gateway, scale = world
    asked = Asked(scale)

    async def story() -> None:
        boss = await asked.ask(gateway)
        file = gateway.directory / "leafnode.conf"
        file.write_text(file.read_text().replace(WEIGH, f"{WEIGH}, {ZERO}"))
        assert gateway.process is not None
        os.kill(gateway.process.pid, signal.SIGHUP)
        await asked.told()
        assert await asked.weigh(boss) == b"S S 2.5 g"
        await boss.close()

    asyncio.run(story())

    assert asked.heard == [("503", b"")]


@pytest.mark.parametrize("is_killed", [False, True])
def test_a_restart_in_the_middle_of_a_command_is_told_and_its_answer_is_nobody_elses(
    world: tuple[Gateway, Scale], *, is_killed: bool
) -> None:
    gateway, scale = world
    heard = b""
    # A client without a library: what is said before the connection ends is all read.
    with socket.create_connection(("127.0.0.1", gateway.client_port), timeout=10) as asker:
        scale.thinks.set()
        login = b'CONNECT {"user":"boss","pass":"p","headers":true,"verbose":false}\r\n'
        asker.sendall(login + b"SUB _INBOX.x 1\r\nPUB cmd.scale.weigh _INBOX.x 0\r\n\r\n")
        deadline = time.monotonic() + 10
        while not scale.heard:
            assert time.monotonic() < deadline
            time.sleep(0.01)
        if is_killed:
            gateway.kill()
        else:
            gateway.stop()
        while data := asker.recv(65536):
            heard += data
    gateway.start()

    async def story() -> None:
        boss = await user(gateway, "boss")
        assert await Asked(scale).weigh(boss) == b"S S 2.5 g"
        await boss.close()

    asyncio.run(story())

    assert heard.count(b"MSG _INBOX.x") == (0 if is_killed else 1)
    assert (b"Nats-Service-Error-Code: 503" in heard) is not is_killed


def test_who_may_send_one_command_cannot_have_its_answer_sent_as_another(tmp_path: Path) -> None:
    """By the reply: in the device's own account, and through service imports of another."""
    cable = Cable(tmp_path / "scale")
    scale = Scale(cable)
    users = """{ user: boss, password: p }
        { user: weigher, password: p, permissions { publish { allow: "cmd.scale.weigh" } } }"""
    imports = """users [ { user: till, password: p, permissions { publish { allow: "weigh" } } } ]
        imports [ { service: { account: PLANT, subject: "cmd.scale.weigh" }, to: weigh }
                  { service: { account: PLANT, subject: "cmd.scale.zero" }, to: zero } ]"""
    config = f"""
jetstream {{ store_dir: "{{dir}}/js" }}
accounts {{
  PLANT {{ jetstream: enabled, users [ {users} ]
    exports [ {{ service: "cmd.scale.weigh" }}, {{ service: "cmd.scale.zero" }} ] }}
  SHOP {{ {imports} }}
}}
serial {{ {CONFIG.partition("serial {")[2]}"""
    config = config.replace("COMMANDS", f"{WEIGH}, {ZERO}")

    async def story() -> None:
        boss, weigher, till = [await user(gateway, name) for name in ("boss", "weigher", "till")]
        await weigher.publish("cmd.scale.weigh", b"", reply="cmd.scale.zero")
        await till.publish("weigh", b"", reply="zero")
        await weigher.flush()
        await till.flush()
        for one in (weigher, till):  # what they may, they may
            subject = "weigh" if one is till else "cmd.scale.weigh"
            assert (await one.request(subject, b"", timeout=10)).data == b"S S 1.5 g"
        assert (await boss.request("cmd.scale.zero", b"", timeout=10)).data == b"Z A"
        for one in (boss, weigher, till):
            await one.close()

    with running_gateway(
        tmp_path / "gateway", config.replace("{dir}/scale", str(cable.path))
    ) as gateway:
        until_open(gateway)
        asyncio.run(story())
        port = gateway.get("serialz")["ports"][0]
    scale.stopped.set()
    scale.join()
    cable.unplug()

    assert sorted(scale.heard) == [b"SI"] * 4 + [b"Z"]
    assert port["commands_replies_refused"] == 2
