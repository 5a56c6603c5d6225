"""A stream of fifty thousand messages is taken away by nats-py and brought back, across kill -9."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any, Final

import nats
import pytest

from leafnode.jetstream.archive import ArchiveReader
from leafnode.limits import MAX_PAYLOAD_BYTES
from leafnode.store.api import StoredMsg
from tests.hub.process import Hub, nats_server_path
from tests.interop.gateway import Gateway, running_gateway

if TYPE_CHECKING:
    from pathlib import Path

    from nats.aio.client import Client

pytestmark = pytest.mark.interop

JETSTREAM: Final = 'jetstream { store_dir: "{dir}/store" }\n'
MESSAGES: Final = 50_000
CHUNK: Final = 64 * 1024  # as the nats command sends them
ANSWER_S: Final = 60
PATIENCE_S: Final = 120
TRIES: Final = 10  # a machine that stands still for 5 s is a client that went away
CONFIG: Final = {"name": "S", "subjects": ["s.>"], "allow_direct": True}


async def connect(server: Gateway | Hub) -> Client:
    return await nats.connect(server.client_url, connect_timeout=ANSWER_S)


async def ask(client: Client, endpoint: str, body: Any = None) -> Any:
    payload = b"" if body is None else json.dumps(body).encode()
    answer = await client.request(f"$JS.API.{endpoint}", payload, timeout=ANSWER_S)
    return json.loads(answer.data)


async def fill(client: Client) -> None:
    """Store messages, some with headers, take some away, and leave two consumers on their way."""
    assert "error" not in await ask(client, "STREAM.CREATE.S", CONFIG)
    for number in range(MESSAGES):
        headers = {"Nats-Msg-Id": f"id{number}"} if number % 7 == 0 else None
        await client.publish(f"s.{number % 10}", b"%d " % number * 12, headers=headers)
    await client.flush(timeout=PATIENCE_S)
    async with asyncio.timeout(PATIENCE_S):
        while (await ask(client, "STREAM.INFO.S"))["state"]["last_seq"] < MESSAGES:
            await client.flush(timeout=PATIENCE_S)
    assert (await ask(client, "STREAM.PURGE.S", {"filter": "s.7"}))["purged"] == MESSAGES // 10
    for seq in (1, 2, 4, MESSAGES // 2, MESSAGES - 1, MESSAGES):
        assert "error" not in await ask(client, "STREAM.MSG.DELETE.S", {"seq": seq})
    for name, config in (
        ("ALL", {"ack_policy": "explicit", "ack_wait": 3600 * 10**9}),
        ("SOME", {"ack_policy": "explicit", "filter_subject": "s.3", "ack_wait": 3600 * 10**9}),
    ):
        body = {"stream_name": "S", "config": {"durable_name": name, **config}}
        assert "error" not in await ask(client, f"CONSUMER.CREATE.S.{name}", body)
        await fetch(client, name)


async def fetch(client: Client, name: str) -> None:
    """Take a hundred messages and acknowledge every third."""
    stream = client.jetstream(timeout=ANSWER_S)
    sub = await stream.pull_subscribe_bind(name, "S")
    taken: list[Any] = []
    async with asyncio.timeout(PATIENCE_S):
        while len(taken) < 100:
            taken += await sub.fetch(100 - len(taken), timeout=ANSWER_S)
    for one in taken[::3]:
        await one.ack_sync(timeout=ANSWER_S)
    await sub.unsubscribe()


async def described(client: Client) -> dict[str, Any]:
    """Everything that a client can see of the stream, but for times of the server's."""
    state = (await ask(client, "STREAM.INFO.S", {"deleted_details": True}))["state"]
    seen: dict[str, Any] = {"state": state}
    for name in ("ALL", "SOME"):
        info = await ask(client, f"CONSUMER.INFO.S.{name}")
        for field in ("ts", "created"):
            info.pop(field)
        for field in ("delivered", "ack_floor"):
            info[field].pop("last_active", None)
        seen[name] = info
    for seq in (3, 8, 15, MESSAGES - 2):
        seen[f"message {seq}"] = await ask(client, "STREAM.MSG.GET.S", {"seq": seq})
    return seen


def messages(data: bytes) -> list[StoredMsg]:
    """Return the messages of an archive: through a client it would take minutes."""
    reader = ArchiveReader(message_bytes_max=MAX_PAYLOAD_BYTES)
    reader.feed(data)
    found = []
    while (record := reader.take()) is not None or reader.has_more:
        if isinstance(record, StoredMsg):
            found.append(record)
    return found


async def take(client: Client, stream: str = "S") -> list[bytes]:
    """Take a snapshot, acknowledging each chunk."""
    for _ in range(TRIES):
        inbox = client.new_inbox()
        sub = await client.subscribe(inbox)
        answer = await ask(client, f"STREAM.SNAPSHOT.{stream}", {"deliver_subject": inbox})
        assert "error" not in answer
        chunks: list[bytes] = []
        while (chunk := await sub.next_msg(timeout=ANSWER_S)).data:
            chunks.append(chunk.data)
            if chunk.reply:
                await client.publish(chunk.reply)
        await sub.unsubscribe()
        status = (chunk.headers or {}).get("Status", "204")
        if status == "204":
            return chunks
        assert status == "408"
    raise AssertionError("no snapshot came to its end")


async def begin(client: Client, config: Any) -> str:
    body = {"config": config, "state": {}}
    answer = await ask(client, f"STREAM.RESTORE.{config['name']}", body)
    assert "error" not in answer, answer
    subject: str = answer["deliver_subject"]
    return subject


async def send(client: Client, pieces: list[bytes], config: Any) -> str:
    """Begin a restore, send these pieces of an archive, and return where to send what follows."""
    for _ in range(TRIES):
        subject = await begin(client, config)
        try:
            for piece in pieces:
                answer = await client.request(subject, piece, timeout=ANSWER_S)
                assert answer.data == b""
        except nats.errors.NoRespondersError:  # it stalled
            continue
        return subject
    raise AssertionError("no restore came so far")


async def give(client: Client, pieces: list[bytes], config: Any) -> Any:
    """Restore an archive and return the last answer."""
    for _ in range(TRIES):
        subject = await send(client, pieces, config)
        try:
            answer = await client.request(subject, b"", timeout=PATIENCE_S)
        except nats.errors.NoRespondersError:  # it stalled
            continue
        return json.loads(answer.data)
    raise AssertionError("no restore came to its end")


async def first_refusal(client: Client, piece: bytes, config: Any) -> str:
    """Return what is said of an archive whose first piece is refused."""
    for _ in range(TRIES):
        subject = await begin(client, config)
        try:
            answer = await client.request(subject, piece, timeout=ANSWER_S)
        except nats.errors.NoRespondersError:  # it stalled
            continue
        text: str = json.loads(answer.data)["error"]["description"]
        return text
    raise AssertionError("no restore came so far")


def test_a_large_stream_comes_back_as_it_was_and_a_killed_restore_leaves_nothing(
    tmp_path: Path,
) -> None:
    asyncio.run(there_and_back(tmp_path))


async def there_and_back(directory: Path) -> None:
    with running_gateway(directory / "gateway", JETSTREAM) as gateway:
        client = await connect(gateway)
        await fill(client)
        before = await described(client)
        data = b"".join(await take(client))
        stored = messages(data)
        assert len(stored) == before["state"]["messages"]
        assert "error" not in await ask(client, "STREAM.DELETE.S")
        pieces = [data[start : start + CHUNK] for start in range(0, len(data), CHUNK)]
        assert len(pieces) > 50

        for count in (1, len(pieces) // 2, len(pieces)):
            await send(client, pieces[:count], CONFIG)
            client = await killed_and_started(gateway, client)
            assert (await ask(client, "STREAM.NAMES"))["streams"] is None
        # Of the one with a single chunk nothing may have been on disk yet.
        assert gateway.log.count("A restore was cut off") >= 2

        subject = await send(client, pieces, CONFIG)
        await client.publish(subject, b"", reply=client.new_inbox())
        await client.flush(timeout=ANSWER_S)
        client = await killed_and_started(gateway, client)
        if (await ask(client, "STREAM.NAMES"))["streams"] is None:
            answer = await give(client, pieces, CONFIG)
            assert answer["state"]["messages"] == before["state"]["messages"]

        client = await killed_and_started(gateway, client)
        assert await described(client) == before
        assert messages(b"".join(await take(client))) == stored
        published = await client.request("s.0", b"next", timeout=ANSWER_S)
        assert json.loads(published.data)["seq"] == MESSAGES + 1
        await client.close()


async def killed_and_started(gateway: Gateway, client: Client) -> Client:
    gateway.kill()
    await client.close()
    gateway.start()
    return await connect(gateway)


@pytest.mark.skipif(nats_server_path() is None, reason="nats-server is not installed")
def test_neither_server_takes_the_others_archive_and_an_s2_reader_finds_ours_empty(
    tmp_path: Path,
) -> None:
    asyncio.run(exchanged(tmp_path))


async def exchanged(directory: Path) -> None:
    hub = Hub(directory / "hub", JETSTREAM)
    hub.start()
    try:
        with running_gateway(directory / "gateway", JETSTREAM) as gateway:
            ours, theirs = await connect(gateway), await connect(hub)
            for client in (ours, theirs):
                assert "error" not in await ask(client, "STREAM.CREATE.S", CONFIG)
                await client.request("s.a", b"hello", timeout=ANSWER_S)
            our_archive, their_archive = await take(ours), await take(theirs)
            other = {"name": "T", "subjects": ["t"]}

            # "corrupt input" or "unsupported input" would be what its reader of S2 says.
            refused = await give(theirs, our_archive, other)
            assert refused["error"]["description"] == "restore failed: EOF"

            text = await first_refusal(ours, their_archive[0], other)
            assert text.startswith("restore failed: the archive is one of nats-server")
            for client in (ours, theirs):
                await client.close()
    finally:
        hub.stop()
