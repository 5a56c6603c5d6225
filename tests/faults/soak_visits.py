"""What guests of a gateway do, from their login to their end, leaving nothing behind.

Each visit takes a `Place` and a source of randomness. It may go rudely: then its connection is
cut, and what it made for itself alone (ephemeral consumers, subscriptions) must go with it.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import urllib.error
import urllib.request
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

import nats
import nats.errors
import nats.micro
from nats.js.api import ConsumerConfig, DiscardPolicy, RetentionPolicy, StorageType, StreamConfig
from nats.js.errors import KeyNotFoundError

from tests.interop.barrier import settled

if TYPE_CHECKING:
    import random
    from collections.abc import AsyncIterator, Awaitable, Callable

    from nats.aio.client import Client
    from nats.aio.msg import Msg

WAIT_S: Final = 30.0
PAGES: Final = (
    "varz",
    "connz?subs=detail&auth=1&state=all",
    "subsz?subs=1",
    "leafz?subs=1",
    "accountz?acc=PLANT",
    "accstatz?unused=1",
    "jsz?acc=PLANT&streams=1&consumers=1&config=1",
    "healthz?js-enabled-only=1",
    "uplinkz",
    "serialz",
    "metrics",
    "routez",
    "gatewayz",
)


@dataclass
class Place:
    """One gateway, and what guests must know of it."""

    port: int
    websocket_port: int
    http_port: int
    pid: int
    configure: Callable[[str], None]  # writes the file that a reload reads, with this user besides
    number: int = field(default=0)

    def name(self, kind: str) -> str:
        """Return a name that nobody had before."""
        self.number += 1
        return f"{kind}{self.number}"

    @contextlib.asynccontextmanager
    async def guest(
        self, chance: random.Random, user: str = "guest", *, over: str = "nats"
    ) -> AsyncIterator[Client]:
        """Somebody who goes in order, or in the middle of a line."""
        client = await self.enter(user, over=over)
        try:
            yield client
        finally:
            transport = client._transport
            if chance.random() < 0.3 and transport is not None:
                transport.write(b"PUB half 1000\r\n" + b"x" * chance.randrange(1000))
            await client.close()
            if over == "ws" and transport is not None and transport._client is not None:
                await transport._client.close()  # nats-py leaves it open

    async def enter(self, user: str = "guest", *, over: str = "nats") -> Client:
        port = self.websocket_port if over == "ws" else self.port
        return await nats.connect(
            f"{over}://127.0.0.1:{port}",
            user=user,
            password=user,
            allow_reconnect=False,
            connect_timeout=10,
            error_cb=_keep_quiet,
        )


async def _keep_quiet(_: Exception) -> None:
    """Slow consumers and cut connections are what a visit is about; it raises what is wrong."""


async def core(place: Place, chance: random.Random) -> None:
    """Subscriptions of all kinds, queue groups, requests, headers, subjects never seen before."""
    over = chance.choice(("nats", "nats", "ws"))
    async with place.guest(chance, over=over) as one, place.guest(chance) as other:
        got = 0

        async def hear(_: Msg) -> None:
            nonlocal got
            got += 1

        async def answer(message: Msg) -> None:
            await message.respond(message.data)

        base = place.name("core")
        for number in range(chance.randrange(1, 40)):
            await one.subscribe(f"{base}.{number}.*", queue=chance.choice(("", "", "q")), cb=hear)
        await one.subscribe(f"{base}.>", cb=hear)
        await one.subscribe(f"{base}.ask", cb=answer)
        limited = await one.subscribe(f"{base}.*.end", cb=hear)
        await limited.unsubscribe(limit=3)
        await settled(one)
        for _ in range(200):
            subject = (
                f"{base}.{chance.randrange(60)}.{chance.choice(('a', 'end', place.name('x')))}"
            )
            headers = {"X-Number": "1"} if chance.random() < 0.3 else None
            await other.publish(subject, chance.randbytes(chance.randrange(300)), headers=headers)
        for _ in range(5):
            reply = await other.request(f"{base}.ask", b"q", timeout=WAIT_S)
            assert reply.data == b"q"
        with contextlib.suppress(nats.errors.NoRespondersError):
            await other.request(place.name("nobody"), b"", timeout=WAIT_S)
        await settled(one)
        assert got >= 200, f"{got} messages of 200"


async def stream(place: Place, chance: random.Random) -> None:
    """A stream of any kind, consumers of all kinds on it, and its end."""
    async with place.guest(chance) as client:
        jetstream = client.jetstream(timeout=WAIT_S)
        name = place.name("STREAM")
        kind = chance.choice(list(RetentionPolicy))
        config = StreamConfig(
            name,
            subjects=[f"{name}.>"],
            retention=kind,
            storage=chance.choice(list(StorageType)),
            max_msgs=chance.choice((-1, 100)) if kind == RetentionPolicy.LIMITS else -1,
            max_msgs_per_subject=chance.choice((-1, 3)) if kind == RetentionPolicy.LIMITS else -1,
            max_age=chance.choice((0, 60)),
            discard=DiscardPolicy.OLD,
            allow_msg_ttl=True,
            allow_direct=True,
        )
        await jetstream.add_stream(config)
        consumer = ConsumerConfig(ack_wait=5, max_ack_pending=chance.choice((50, 1000)))
        pull = await jetstream.pull_subscribe(f"{name}.>", durable="d", config=consumer)
        for number in range(150):
            headers = {"Nats-Msg-Id": f"{number}"} if chance.random() < 0.5 else {}
            if chance.random() < 0.3:
                headers["Nats-TTL"] = chance.choice(("1s", "1h"))
            await jetstream.publish_async(
                f"{name}.{number % 20}", b"m" * 100, headers=headers or None
            )
        await jetstream.publish_async_completed()
        for message in await pull.fetch(30, timeout=WAIT_S):
            await chance.choice((message.ack, message.ack, message.nak, message.term))()
        if kind == RetentionPolicy.LIMITS:
            await _read_all_ways(jetstream, name, chance)
        if chance.random() < 0.5:
            await jetstream.purge_stream(name, subject=f"{name}.1")
        await jetstream.delete_stream(name)


async def _read_all_ways(jetstream: Any, name: str, chance: random.Random) -> None:
    """Ephemeral, ordered and push consumers; some are left to their inactive threshold."""
    pull = await jetstream.pull_subscribe(
        f"{name}.2", config=ConsumerConfig(inactive_threshold=1, filter_subject=f"{name}.2")
    )
    with contextlib.suppress(nats.errors.TimeoutError):
        await pull.fetch(5, timeout=1)
    ordered = await jetstream.subscribe(f"{name}.>", ordered_consumer=True)
    for _ in range(20):
        await ordered.next_msg(timeout=WAIT_S)
    if chance.random() < 0.5:
        await ordered.unsubscribe()
    push = await jetstream.subscribe(f"{name}.3", queue="workers")
    await push.next_msg(timeout=WAIT_S)
    await push.unsubscribe()
    await jetstream.get_last_msg(name, f"{name}.4", direct=True)


async def key_value(place: Place, chance: random.Random) -> None:
    """A bucket: put, update, history, watch, delete, purge, times to live."""
    async with place.guest(chance) as client:
        jetstream = client.jetstream(timeout=WAIT_S)
        name = place.name("bucket")
        bucket = await jetstream.create_key_value(bucket=name, history=chance.choice((1, 5)))
        watcher = await bucket.watchall()
        for number in range(60):
            await bucket.put(f"k.{number % 25}", b"v" * chance.randrange(500))
        revision = await bucket.create("only", b"1")
        await bucket.update("only", b"2", last=revision)
        await bucket.delete("k.1")
        await bucket.purge("k.2")
        with contextlib.suppress(KeyNotFoundError):
            await bucket.get("k.1")
        for _ in range(30):
            await watcher.updates(timeout=WAIT_S)
        if chance.random() < 0.5:
            await watcher.stop()
        await jetstream.delete_key_value(name)


async def objects(place: Place, chance: random.Random) -> None:
    """An object of many chunks, read again, replaced and deleted."""
    async with place.guest(chance) as client:
        jetstream = client.jetstream(timeout=WAIT_S)
        name = place.name("files")
        store = await jetstream.create_object_store(name)
        data = chance.randbytes(chance.randrange(1, 500_000))
        await store.put("firmware", data)
        assert (await store.get("firmware")).data == data
        await store.put("firmware", data[:100])
        await store.delete("firmware")
        await jetstream.delete_object_store(name)


async def service(place: Place, chance: random.Random) -> None:
    """A service of the micro protocol, asked and discovered, from another account too."""
    async with place.guest(chance) as client, place.guest(chance, "visitor") as asker:

        async def answer(request: Any) -> None:
            await request.respond(request.data)

        subject = f"shared.{place.name('echo')}"
        serving = await nats.micro.add_service(client, name="echo", version="1.0.0")
        await serving.add_endpoint(name="echo", subject=subject, handler=answer)
        await settled(client)
        for _ in range(20):
            assert (await asker.request(subject, b"x", timeout=WAIT_S)).data == b"x"
        assert (await client.request("$SRV.PING", b"", timeout=WAIT_S)).data
        if chance.random() < 0.5:
            await serving.stop()


async def shared_stream(place: Place, chance: random.Random) -> None:
    """What one account says, heard in another by an import."""
    async with place.guest(chance, "visitor") as hearing:
        told = await hearing.subscribe("news.>")
        await settled(hearing)
        async with place.guest(chance) as client:
            for _ in range(50):
                await client.publish(f"news.{place.name('n')}", b"x")
            for _ in range(50):
                await told.next_msg(timeout=WAIT_S)


async def monitoring(place: Place, _: random.Random) -> None:
    """All pages once."""
    for page in PAGES:
        await asyncio.to_thread(read_page, place, page)


def read_page(place: Place, page: str) -> bytes:
    """Return a page of the monitoring port, or nothing where it says unwell."""
    url = f"http://127.0.0.1:{place.http_port}/{page}"
    try:
        with urllib.request.urlopen(url, timeout=WAIT_S) as answer:
            text: bytes = answer.read()
    except urllib.error.HTTPError as err:  # /healthz while the hub is away
        if err.code != 503:
            raise
        return b""
    return text


async def system(place: Place, chance: random.Random) -> None:
    """Questions to the server by the system account."""
    async with place.guest(chance, "admin") as client:
        for kind in ("STATSZ", "VARZ", "CONNZ", "JSZ", "HEALTHZ"):
            await client.request(f"$SYS.REQ.SERVER.PING.{kind}", b"", timeout=WAIT_S)
        answer = await client.request("$SYS.REQ.USER.INFO", b"", timeout=WAIT_S)
        assert json.loads(answer.data)["data"]["user"] == "admin"


async def reload(place: Place, _: random.Random) -> None:
    """One more user, who logs in, and goes with the next reload."""
    name = place.name("user")
    place.configure(name)
    os.kill(place.pid, signal.SIGHUP)
    client = await _let_in(place, name)
    closed = asyncio.Event()

    async def end() -> None:
        closed.set()

    client._closed_cb = end
    await client.subscribe("news.*")
    place.configure("")
    os.kill(place.pid, signal.SIGHUP)
    await asyncio.wait_for(closed.wait(), WAIT_S)
    await client.close()


async def _let_in(place: Place, user: str) -> Client:
    """Try until the reload has come. A cancellation gets lost in nats-py, so tries are counted."""
    for _ in range(int(WAIT_S / 0.1)):
        with contextlib.suppress(nats.errors.Error, OSError):
            return await place.enter(user)
        await asyncio.sleep(0.1)
    raise TimeoutError(f"{user} was never let in")


async def reopen(place: Place, _: random.Random) -> None:
    """The log file is asked for anew, as a rotation does."""
    os.kill(place.pid, signal.SIGUSR1)


async def garbage(place: Place, chance: random.Random) -> None:
    """Who does not speak the protocol, or stops in the middle of a login."""
    ports = (place.port, place.websocket_port, place.http_port)
    for _ in range(10):
        reader, writer = await asyncio.open_connection("127.0.0.1", chance.choice(ports))
        said = chance.choice(
            (
                chance.randbytes(chance.randrange(1, 5000)),
                b"CONNECT {",
                b"CONNECT {}\r\nSUB a 1\r\n",
                b'CONNECT {"user":"guest","pass":"wrong"}\r\nPING\r\n',
                b"GET / HTTP/1.1\r\nUpgrade: websocket\r\n",
                b"\x16\x03\x01\x02\x00",
                b"",
            )
        )
        with contextlib.suppress(ConnectionError, TimeoutError):
            writer.write(said)
            await writer.drain()
            if chance.random() < 0.5:
                await asyncio.wait_for(reader.read(1), 0.2)
        writer.transport.abort()


async def slow_reader(place: Place, chance: random.Random) -> None:
    """Somebody who does not read what he asked for."""
    reader, writer = await asyncio.open_connection("127.0.0.1", place.port, limit=1024)
    subject = place.name("flood")
    login = '{"user":"guest","pass":"guest","verbose":false}'
    writer.write(f"CONNECT {login}\r\nSUB {subject} 1\r\nPING\r\n".encode())
    await asyncio.wait_for(reader.readuntil(b"PONG\r\n"), WAIT_S)
    reader._transport.pause_reading()  # type: ignore[attr-defined]
    async with place.guest(chance) as client:
        for _ in range(chance.randrange(10, 60)):
            await client.publish(subject, b"x" * 200_000)
            await client.flush(WAIT_S)
        writer.transport.abort()


VISITS: Final[dict[str, Callable[[Place, random.Random], Awaitable[None]]]] = {
    "core": core,
    "stream": stream,
    "key_value": key_value,
    "objects": objects,
    "service": service,
    "shared_stream": shared_stream,
    "monitoring": monitoring,
    "system": system,
    "reload": reload,
    "reopen": reopen,
    "garbage": garbage,
    "slow_reader": slow_reader,
}
