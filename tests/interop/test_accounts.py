"""Accounts of a gateway process between its clients and a real hub, and their reload by SIGHUP."""

from __future__ import annotations

import asyncio
import contextlib
import signal
from typing import TYPE_CHECKING

import nats
import pytest

from tests.hub.process import nats_server_path, running_hub
from tests.interop.barrier import settled
from tests.interop.gateway import running_gateway

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from nats.aio.client import Client
    from nats.aio.msg import Msg

pytestmark = [
    pytest.mark.interop,
    pytest.mark.real_loop,
    pytest.mark.skipif(nats_server_path() is None, reason="nats-server is not installed"),
]

IMPORTS = """imports [ { service: { account: PLANT, subject: "state.*" }, to: "plant.$1" }
                       { stream: { account: PLANT, subject: "t.>" }, prefix: in } ]"""
CONFIG = """
accounts {
  PLANT { users [ { user: plant, password: p } ]
          exports [ { service: "state.*" }, { stream: "t.>" } ] }
  OFFICE { users [ { user: office, password: p } ]
           %s }
}
"""


@contextlib.asynccontextmanager
async def client_of(url: str, **options: str) -> AsyncIterator[Client]:
    client = await nats.connect(url, allow_reconnect=False, **options)  # type: ignore[arg-type]
    try:
        yield client
    finally:
        await client.close()


async def answers(client: Client) -> None:
    async def answer(msg: Msg) -> None:
        await msg.respond(b"state of " + msg.subject.encode())

    await client.subscribe("state.*", cb=answer)
    await settled(client)


async def test_a_hub_reaches_another_account_through_the_link_s_account(tmp_path: Path) -> None:
    with running_hub(tmp_path / "hub") as hub:
        remote = f'leafnodes {{ remotes [ {{ url: "{hub.leaf_url}", account: OFFICE }} ] }}'
        with running_gateway(tmp_path / "edge", CONFIG % IMPORTS + remote) as gateway:
            async with (
                client_of(hub.client_url) as far,
                client_of(gateway.client_url, user="plant", password="p") as plant,
            ):
                await answers(plant)
                telemetry = await far.subscribe("in.>")
                await settled(far)
                async with asyncio.timeout(10):
                    while True:
                        with contextlib.suppress(nats.errors.Error):
                            reply = await far.request("plant.7", b"?", timeout=0.5)
                            break
                await plant.publish("t.a", b"21")
                message = await telemetry.next_msg(timeout=5)

    assert reply.data == b"state of state.7"
    assert (message.subject, message.data) == ("in.t.a", b"21")


async def test_imports_change_by_a_reload_without_a_new_connection(tmp_path: Path) -> None:
    with running_gateway(tmp_path / "edge", CONFIG % "") as gateway:
        async with (
            client_of(gateway.client_url, user="plant", password="p") as plant,
            client_of(gateway.client_url, user="office", password="p") as office,
        ):
            await answers(plant)
            with pytest.raises(nats.errors.NoRespondersError):
                await office.request("plant.7", b"?", timeout=5)

            file = gateway.directory / "leafnode.conf"
            file.write_text(file.read_text().replace(CONFIG % "", CONFIG % IMPORTS))
            assert gateway.process is not None
            gateway.process.send_signal(signal.SIGHUP)
            async with asyncio.timeout(10):
                while True:
                    with contextlib.suppress(nats.errors.Error):
                        reply = await office.request("plant.7", b"?", timeout=0.5)
                        break
                    await asyncio.sleep(0.02)

    assert reply.data == b"state of state.7"
