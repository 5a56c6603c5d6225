"""An account whose `max_file` or `max_mem` is used up, here and on nats-server."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any, Final

import pytest

from tests.hub.process import nats_server_path
from tests.interop.both import JETSTREAM, WAIT_S, client, two_servers

if TYPE_CHECKING:
    from pathlib import Path

    from nats.aio.client import Client

pytestmark = [
    pytest.mark.interop,
    pytest.mark.real_loop,
    pytest.mark.skipif(nats_server_path() is None, reason="nats-server is not installed"),
]

CONFIG: Final = f"""{JETSTREAM}
accounts {{ A {{ users: [{{ user: a, password: x }}]
    jetstream {{ max_file: 3000, max_mem: 3000 }} }} }}
"""


class Asking:
    """One client, and what it is told."""

    def __init__(self, connection: Client) -> None:
        self._connection = connection

    async def api(self, endpoint: str, **body: Any) -> dict[str, Any]:
        answer = await self._connection.request(
            f"$JS.API.{endpoint}", json.dumps(body).encode() if body else b"", timeout=WAIT_S
        )
        said: dict[str, Any] = json.loads(answer.data)
        return said

    async def create(self, name: str, storage: str, **fields: Any) -> None:
        config = {"name": name, "subjects": [f"{name.lower()}.>"], "storage": storage, **fields}
        assert "error" not in await self.api(f"STREAM.CREATE.{name}", **config)

    async def publish(self, subject: str, size: int, **headers: str) -> object:
        """Return the sequence of a message, the number of the error, or nothing."""
        named = {f"Nats-{name.replace('_', '-')}": value for name, value in headers.items()}
        answer = await self._connection.request(
            subject, b"x" * size, timeout=WAIT_S, headers=named or None
        )
        if not answer.data:
            return None
        said = json.loads(answer.data)
        return said["error"] if "error" in said else said["seq"]

    async def take(self, name: str) -> None:
        """Fetch the next message of a work queue and acknowledge it."""
        queue = await self._connection.jetstream().pull_subscribe("", "C", stream=name)
        (message,) = await queue.fetch(1, timeout=WAIT_S)
        await message.ack_sync(timeout=WAIT_S)
        await queue.unsubscribe()

    async def held(self, name: str) -> object:
        state = (await self.api(f"STREAM.INFO.{name}"))["state"]
        return state["messages"], state["bytes"], state["last_seq"]

    async def messages(self, name: str, *, least: int = 0) -> int:
        """Return how many a stream holds, when it is so many."""
        for _ in range(400):
            count: int = (await self.api(f"STREAM.INFO.{name}"))["state"]["messages"]
            if count >= least:
                return count
            await asyncio.sleep(0.05)
        raise AssertionError(f"{name} never held {least} messages")


async def _alike(tmp_path: Path, storage: str, program: Any) -> object:
    with two_servers(tmp_path, CONFIG) as servers:
        told = []
        for server in servers:
            async with client(server, user="a", password="x") as connection:
                told.append(await program(Asking(connection), storage))
    assert told[0] == told[1]
    return told[0]


async def _one_by_one(ask: Asking, storage: str) -> object:
    await ask.create("S", storage, max_msgs=50)
    sizes = [400] * 9 + [300, 200, 100, 50, 25, 12, 6, 3]
    found = [await ask.publish("s.a", size) for size in sizes]
    found.append(await ask.publish("s.a", 100, Msg_Id="one"))
    found.append(await ask.held("S"))
    await ask.api("STREAM.MSG.DELETE.S", seq=2)
    found += [await ask.publish("s.a", size, Msg_Id=f"id{size}") for size in (450, 300, 300)]
    found.append(await ask.held("S"))
    await ask.api("STREAM.PURGE.S")
    found += [await ask.publish("s.a", size) for size in (100, 5000, 100)]
    return found, await ask.held("S")


async def _pipelined(ask: Asking, storage: str) -> object:
    """What a limit drops makes room for what comes with it."""
    await ask.create("S", storage, max_msgs=2)
    found = await asyncio.gather(*(ask.publish("s.a", 800) for _ in range(12)))
    return found, await ask.held("S")


async def _acknowledged(ask: Asking, storage: str) -> object:
    """What an acknowledgement lets go makes room for the message that comes next."""
    await ask.create("S", storage, retention="workqueue")
    found = [await ask.publish("s.a", 800) for _ in range(4)]
    for _ in range(5):
        await ask.take("S")
        found += [await ask.publish("s.a", 800) for _ in range(2)]
    return found, await ask.held("S")


async def _refused_members(ask: Asking, storage: str) -> object:
    """Each message of a batch is looked at when it comes, whatever the batch is."""
    await ask.create("S", storage, allow_atomic=True, allow_batched=True)
    found = [await ask.publish("s.a", 1000) for _ in range(2)]
    for stream in ("s.a", "s.b"):
        seq = {"Batch_Id": stream, "Batch_Sequence": "1"}
        found.append(await ask.publish(stream, 900, **seq))
        found.append(await ask.publish(stream, 100, **seq))
        more = {"Batch_Id": stream, "Batch_Sequence": "2", "Batch_Commit": "1"}
        found.append(await ask.publish(stream, 100, **more))
    return found, await ask.held("S")


async def _of_an_origin(ask: Asking, storage: str) -> object:
    """What is sourced is refused as what is published is, and comes when there is room."""
    other = "memory" if storage == "file" else "file"
    await ask.create("O", other)
    await ask.create("F", storage)
    await ask.create("S", storage, subjects=[], sources=[{"name": "O"}])
    found = [await ask.publish("f.a", 1000) for _ in range(2)]
    found += [await ask.publish("o.a", 300) for _ in range(4)]
    await ask.messages("S", least=2)
    await asyncio.sleep(0.5)
    found.append(await ask.messages("S"))
    await ask.api("STREAM.PURGE.F")
    found.append(await ask.messages("S", least=4))
    return found


@pytest.mark.parametrize("storage", ["file", "memory"])
@pytest.mark.parametrize(
    "program", [_one_by_one, _pipelined, _acknowledged, _refused_members, _of_an_origin]
)
async def test_a_used_up_account_refuses_alike(tmp_path: Path, storage: str, program: Any) -> None:
    await _alike(tmp_path, storage, program)
