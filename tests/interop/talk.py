"""What programs of nats-py say to each other in tests: listeners, services, fetches, waiting."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any

from tests.interop.both import WAIT_S

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from nats.aio.client import Client
    from nats.aio.msg import Msg
    from nats.js import JetStreamContext


class Listener:
    """A subscription that keeps what it gets."""

    def __init__(self) -> None:
        self.heard: list[Msg] = []

    async def hear(self, message: Msg) -> None:
        self.heard.append(message)

    @property
    def data(self) -> list[bytes]:
        return [message.data for message in self.heard]

    @property
    def subjects(self) -> list[str]:
        return [message.subject for message in self.heard]


async def listening(nc: Client, subject: str, queue: str = "") -> Listener:
    listener = Listener()
    await nc.subscribe(subject, queue, cb=listener.hear)
    return listener


async def answering(nc: Client, subject: str, answer: Callable[[bytes], Any]) -> list[Any]:
    """Serve requests with JSON answers; return the list of what was asked."""
    asked: list[Any] = []

    async def serve(message: Msg) -> None:
        asked.append(json.loads(message.data))
        await message.respond(json.dumps(answer(message.data)).encode())

    await nc.subscribe(subject, cb=serve)
    return asked


async def ask(nc: Client, subject: str, body: Any) -> Any:
    return json.loads((await nc.request(subject, json.dumps(body).encode(), timeout=WAIT_S)).data)


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(WAIT_S):
        while not condition():  # noqa: ASYNC110 -- another process
            await asyncio.sleep(0.01)


async def until_true(condition: Callable[[], Awaitable[bool]]) -> None:
    async with asyncio.timeout(WAIT_S):
        while not await condition():  # noqa: ASYNC110 -- another process
            await asyncio.sleep(0.01)


async def fill(js: JetStreamContext, subject: str, count: int) -> None:
    for number in range(count):
        await js.publish(subject, b"%d" % number)


async def fetched(sub: JetStreamContext.PullSubscription, count: int) -> list[Msg]:
    """Fetch exactly so many, in as many goes as it takes."""
    messages: list[Msg] = []
    while len(messages) < count:
        messages += await sub.fetch(count - len(messages), timeout=WAIT_S)
    return messages
