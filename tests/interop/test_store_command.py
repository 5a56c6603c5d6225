"""`leafnode store` beside a server that is being written to, as people type it."""

from __future__ import annotations

import asyncio
import contextlib
import json
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import nats
from nats.js.api import StreamConfig

from tests.hub.process import free_ports

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

ROOT = Path(__file__).parents[2]
PIPELINE = 50
START_S = 30
ANSWER_S = 60


async def typed(store: Path, command: str, *words: str) -> str:
    """Run one command that must succeed; return what it printed."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "leafnode", "store", command, "-s", str(store), *words),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        cwd=ROOT,
    )
    output, errors = await process.communicate()
    assert (process.returncode, errors) == (0, b""), errors.decode()
    return output.decode()


@contextlib.asynccontextmanager
async def server(store: Path, port: int) -> AsyncIterator[None]:
    config = store.with_name("leafnode.conf")
    config.write_text(f'listen: "127.0.0.1:{port}"\njetstream {{ store_dir: "{store}" }}\n')
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "leafnode", "-c", str(config)),
        stdin=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
        cwd=ROOT,
    )
    try:
        yield
    finally:
        if process.returncode is None:
            process.terminate()
        await process.wait()


async def connect(port: int) -> Any:
    """Connect as soon as the server listens; JetStream is recovered by then."""
    deadline = time.monotonic() + START_S
    while True:
        try:
            _, writer = await asyncio.open_connection("127.0.0.1", port)
        except OSError:
            assert time.monotonic() < deadline, "the server does not listen"
            await asyncio.sleep(0.02)
        else:
            writer.close()
            return await nats.connect(f"nats://127.0.0.1:{port}", connect_timeout=START_S)


class Load:
    """Publishes as fast as it is acknowledged, until told to stop."""

    def __init__(self, client: Any) -> None:
        self._jetstream = client.jetstream(timeout=ANSWER_S)
        self.acked = 0
        self.stop = False

    async def run(self) -> None:
        while not self.stop:
            numbers = range(self.acked + 1, self.acked + PIPELINE + 1)
            sent = [
                self._jetstream.publish("load.a", json.dumps({"n": n}).encode(), timeout=ANSWER_S)
                for n in numbers
            ]
            await asyncio.gather(*sent)
            self.acked += PIPELINE


def test_every_reading_command_and_a_backup_work_beside_a_server_under_load(
    tmp_path: Path,
) -> None:
    asyncio.run(beside_a_server(tmp_path / "store", tmp_path / "backup.db"))


async def beside_a_server(store: Path, backup: Path) -> None:
    port = free_ports(1)[0]
    async with server(store, port):
        client = await connect(port)
        await client.jetstream(timeout=ANSWER_S).add_stream(
            StreamConfig(name="LOAD", subjects=["load.>"])
        )
        load = Load(client)
        async with asyncio.TaskGroup() as group:
            group.create_task(load.run())
            await look(store, load)
            acked_before = load.acked
            await typed(store, "backup", str(backup))
            acked_after = load.acked
            load.stop = True
        await client.close()

    (saved,) = json.loads(await typed(backup, "ls", "--json"))
    lines = (await typed(backup, "export", "LOAD")).splitlines()
    assert acked_before <= saved["messages"] <= acked_after + PIPELINE
    assert [json.loads(line)["seq"] for line in lines] == list(range(1, saved["messages"] + 1))


async def look(store: Path, load: Load) -> None:
    """Whoever looks sees at least what was acknowledged before."""
    acked = load.acked
    (row,) = json.loads(await typed(store, "ls", "--json"))
    assert row["messages"] >= acked

    acked = load.acked
    counted = await typed(store, "query", "--json", "SELECT count(*) n, max(seq) m FROM messages")
    (found,) = json.loads(counted)
    assert found["n"] == found["m"] >= acked

    acked = load.acked
    assert len((await typed(store, "export", "LOAD")).splitlines()) >= acked

    assert "file: ok" in await typed(store, "verify")
    assert "LOAD" in await typed(store, "info", "LOAD")


def test_a_restored_store_is_served(tmp_path: Path) -> None:
    asyncio.run(served_again(tmp_path))


async def served_again(directory: Path) -> None:
    store, backup, port = directory / "store", directory / "backup.db", free_ports(1)[0]
    async with server(store, port):
        client = await connect(port)
        jetstream = client.jetstream(timeout=ANSWER_S)
        await jetstream.add_stream(StreamConfig(name="S", subjects=["s"]))
        await jetstream.publish("s", b"1")
        await typed(store, "backup", str(backup))
        await jetstream.publish("s", b"2")
        await client.close()
    await typed(store, "restore", "--force", str(backup))
    await typed(store, "compact")

    async with server(store, port):
        client = await connect(port)
        jetstream = client.jetstream(timeout=ANSWER_S)
        message = await jetstream.get_msg("S", 1)
        ack = await jetstream.publish("s", b"3")
        await client.close()

    assert message.data == b"1"
    assert ack.seq == 2
