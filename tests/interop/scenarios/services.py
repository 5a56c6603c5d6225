"""A service of the scenarios, and how it is found across servers that learn of it one by one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tests.interop.barrier import settled
from tests.interop.nodes import PATIENCE_S
from tests.interop.scenarios.streams import eventually

if TYPE_CHECKING:
    from nats.aio.client import Client


async def reaches(client: Client, subject: str) -> None:
    """Return when a request is answered. Interest takes a moment through a cluster."""

    async def answered() -> bool:
        return (await client.request(subject, b"?", timeout=1)).data == b"here"

    await eventually(answered, timeout_s=PATIENCE_S, why=f"nobody answers {subject}")


async def serve(client: Client, subject: str, queue: str = "") -> list[Any]:
    """Answer requests; return the list of what was asked."""
    asked: list[Any] = []

    async def answer(message: Any) -> None:
        asked.append(message)
        await message.respond(b"here")

    await client.subscribe(subject, queue, cb=answer)
    await settled(client)
    return asked
