"""What kill9 does with a work queue, and the list of all that runs beside the plain publishing."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

import nats
from nats.js.api import AckPolicy, ConsumerConfig

from tests.faults.kill9_loads import (
    ANSWER_S,
    Acks,
    Batches,
    Counter,
    FastBatches,
    Followers,
    Plans,
    ask,
    publish,
)

if TYPE_CHECKING:
    import random

    from tests.faults.kill9_loads import Load

WINDOW_NS: Final = 3600 * 10**9  # longer than any restart on a slow machine


@dataclass
class Queue:
    """A work queue: what was acknowledged and is gone is not stored again after a restart."""

    random: random.Random
    next: int = 1
    acked: dict[int, int] = field(default_factory=dict)  # number: sequence in its PubAck
    consumed: set[int] = field(default_factory=set)
    repeated: int = 0
    faults: list[str] = field(default_factory=list)

    async def set_up(self, client: Any) -> None:
        body: dict[str, Any] = {"name": "QUEUE", "subjects": ["queue.>"], "retention": "workqueue"}
        body["duplicate_window"] = WINDOW_NS
        await ask(client, "STREAM.CREATE.QUEUE", body)
        config = ConsumerConfig(durable_name="QUEUE", ack_policy=AckPolicy.EXPLICIT, ack_wait=30)
        await client.jetstream(timeout=ANSWER_S).add_consumer("QUEUE", config)

    async def run(self, client: Any) -> None:
        jetstream = client.jetstream(timeout=ANSWER_S)
        subscription = await jetstream.pull_subscribe_bind(durable="QUEUE", stream="QUEUE")
        while True:
            for _ in range(32):
                number, self.next = self.next, self.next + 1
                ack = await self._publish(client, number)
                self.acked[number] = ack["seq"]
            with contextlib.suppress(nats.errors.TimeoutError):
                for message in await subscription.fetch(64, timeout=2):
                    await message.ack_sync(timeout=ANSWER_S)
                    self.consumed.add(int(message.data))

    async def _publish(self, client: Any, number: int) -> dict[str, Any]:
        headers = {"Nats-Msg-Id": f"q{number}"}
        return await publish(client, f"queue.{number % 5}", b"%d" % number, headers)

    def has_shown(self) -> bool:
        return bool(self.consumed)

    async def restarted(self, client: Any) -> None:
        """Send again what was acknowledged lately, as one who never heard."""
        lately = sorted(self.acked)[-200:]
        for number in self.random.sample(lately, min(20, len(lately))):
            ack = await self._publish(client, number)
            self.repeated += 1
            self.note_repeat(number, ack)

    def note_repeat(self, number: int, ack: dict[str, Any]) -> None:
        if not ack.get("duplicate") or ack["seq"] != self.acked[number]:
            self.faults.append(f"{number} was stored at {self.acked[number]} and again: {ack}")

    async def judge(self, client: Any) -> list[str]:
        info = await ask(client, "STREAM.INFO.QUEUE")
        wrong = list(self.faults)
        if not self.repeated:
            wrong.append("nothing of the queue was repeated, so nothing was shown")
        if info["state"]["last_seq"] < max(self.acked.values(), default=0):
            wrong.append(f"the queue went back to {info['state']['last_seq']}")
        return wrong


def all_loads(random_: random.Random) -> list[Load]:
    loads: list[Load] = [Batches(random_), FastBatches(random_), Counter(), Plans(random_)]
    return [*loads, Followers(), Acks(), Queue(random_)]
