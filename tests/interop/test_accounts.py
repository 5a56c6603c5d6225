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


STREAM = """
jetstream { store_dir: "%s" }
accounts {
  PLANT { jetstream: enabled, users [ { user: plant, password: p } ]
          exports [ { service: "$JS.API.>", response: stream }, { service: "$JS.ACK.>" }
                    { service: "in.>" } ] }
  OFFICE { users [ { user: office, password: p } ]
           imports [ { service: { account: PLANT, subject: "$JS.API.>" }, to: "plant.API.>" }
                     { service: { account: PLANT, subject: "$JS.ACK.>" } }
                     { service: { account: PLANT, subject: "in.>" } } ] }
}
"""


async def test_another_account_s_stream_is_written_to_and_pulled_from(tmp_path: Path) -> None:
    config = STREAM % (tmp_path / "js")
    with running_gateway(tmp_path / "edge", config) as gateway:
        async with client_of(gateway.client_url, user="office", password="p") as office:
            stream = office.jetstream(prefix="plant.API", timeout=10)
            await stream.add_stream(name="S", subjects=["in.>"])
            for number in range(3):
                await stream.publish(f"in.{number}", b"%d" % number)
            pull = await stream.pull_subscribe("in.>", "C", "S")
            fetched = await pull.fetch(3, timeout=10)
            for message in fetched:
                await message.ack_sync(timeout=10)
            info = await stream.consumer_info("S", "C")

    assert [(one.subject, one.data, one.headers) for one in fetched] == [
        (f"in.{number}", b"%d" % number, None) for number in range(3)
    ]
    assert info.ack_floor is not None
    assert (info.ack_floor.stream_seq, info.num_ack_pending) == (3, 0)
