"""What the scenarios do with JetStream: numbered messages, origins elsewhere, and what arrived."""

from __future__ import annotations

import asyncio
import contextlib
import json
import time
from typing import TYPE_CHECKING, Any, Final

import nats.errors
import nats.js.errors

from tests.interop.nodes import PATIENCE_S

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from nats.aio.client import Client

ARRIVAL_S: Final = 150.0  # a reader whose request went ahead of the link asks again after 40 s
ANSWER_S: Final = 2.0  # a request may meet a leader that has just gone
AT_ONCE: Final = 100


async def eventually(true: Callable[[], Awaitable[object]], *, timeout_s: float, why: str) -> None:
    """Wait for something that other processes do. No answer is no yet."""
    deadline = time.monotonic() + timeout_s
    while True:
        with contextlib.suppress(nats.errors.Error):
            if await true():
                return
        assert time.monotonic() < deadline, why
        await asyncio.sleep(0.05)


async def ask(client: Client, subject: str, body: Any = None) -> dict[str, Any]:
    """Return the JSON answer to a request, which may be an error."""
    data = b"" if body is None else json.dumps(body).encode()
    answer: dict[str, Any] = json.loads(
        (await client.request(subject, data, timeout=PATIENCE_S)).data
    )
    return answer


async def made(client: Client, name: str, *, domain: str = "", **config: Any) -> None:
    """Create a stream. A cluster that is choosing a leader is asked again, as operators do."""
    api = f"$JS.{domain}.API" if domain else "$JS.API"

    async def create() -> bool:
        data = json.dumps({"name": name, **config}).encode()
        answer = await client.request(f"{api}.STREAM.CREATE.{name}", data, timeout=ANSWER_S)
        error = json.loads(answer.data).get("error")
        assert error is None or error["code"] == 503, error
        return error is None

    await eventually(create, timeout_s=ARRIVAL_S, why=f"{name} cannot be made")


def elsewhere(name: str, domain: str) -> dict[str, Any]:
    """Return the stream of another domain, as a mirror or a source names it."""
    return {"name": name, "external": {"api": f"$JS.{domain}.API", "deliver": ""}}


async def publish(client: Client, subject: str, numbers: range, *, size: int = 0) -> None:
    """Publish numbers, filled up to a size, and return when each is acknowledged."""
    js = client.jetstream()
    for start in range(0, len(numbers), AT_ONCE):
        async with asyncio.TaskGroup() as group:
            for number in numbers[start : start + AT_ONCE]:
                payload = b"%d" % number
                group.create_task(
                    js.publish(subject, payload.ljust(size), timeout=PATIENCE_S)  # type: ignore[arg-type]
                )


async def state(client: Client, stream: str) -> dict[str, Any]:
    """Return the state of a stream."""
    answer = await client.request(f"$JS.API.STREAM.INFO.{stream}", b"", timeout=ANSWER_S)
    found: dict[str, Any] = json.loads(answer.data)["state"]
    return found


async def arrived(client: Client, stream: str, count: int) -> None:
    """Return when a stream has so many messages."""

    async def there() -> bool:
        return bool((await state(client, stream))["messages"] >= count)

    await eventually(there, timeout_s=ARRIVAL_S, why=f"{stream} does not get {count} messages")


async def contents(client: Client, stream: str) -> list[Any]:
    """Return all messages of a stream in order.

    One by one, of its leader alone: a consumer of a replicated stream needs a leader of its own,
    and where a node is dead and the machine busy that is long in coming.
    """
    found = await state(client, stream)
    sequences = range(found["first_seq"], found["last_seq"] + 1)
    messages: list[Any] = []
    for start in range(0, len(sequences), AT_ONCE):
        async with asyncio.TaskGroup() as group:
            tasks = [
                group.create_task(_message(client, stream, seq))
                for seq in sequences[start : start + AT_ONCE]
            ]
        messages += [task.result() for task in tasks if task.result() is not None]
    return messages


async def _message(client: Client, stream: str, seq: int) -> Any:
    """Return one message or None; a leader that has just gone is asked again."""
    messages: list[Any] = []

    async def got() -> bool:
        try:
            messages.append(await client.jetstream(timeout=PATIENCE_S).get_msg(stream, seq))
        except nats.js.errors.NotFoundError:
            messages.append(None)  # it was deleted
        return True

    await eventually(got, timeout_s=ARRIVAL_S, why=f"{stream} has no message {seq}")
    return messages[0]


async def numbers(client: Client, stream: str) -> list[int]:
    """Return the numbers in a stream in order."""
    return [int(message.data) for message in await contents(client, stream)]


async def origin_sequences(client: Client, stream: str, origin: str) -> list[int]:
    """Return the sequences at the origin, in the order in which they were taken from there."""
    headers = [message.headers["Nats-Stream-Source"] for message in await contents(client, stream)]
    words = [header.split() for header in headers]
    return [int(word[1]) for word in words if word[0].split(":")[0] == origin]
