"""What runs beside the plain publishing of kill9: features that must survive a SIGKILL whole.

Each load works while the server lives, forgets nothing of what it saw, and judges at the end what
the streams hold. An answer that did not come leaves both open, one that came does not.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final, Protocol

import nats
from nats.js.api import AckPolicy, ConsumerConfig

if TYPE_CHECKING:
    import random
    from collections.abc import AsyncIterator, Iterable

    from nats.aio.msg import Msg

ORIGIN: Final = "KILL9"
ANSWER_S: Final = 30.0
SETTLE_S: Final = 180.0  # until mirrors have caught up and schedules have come, on a slow machine
FETCH: Final = 256
UNKNOWN_BATCH: Final = 10208


class Load(Protocol):
    """One feature under load."""

    async def set_up(self, client: Any) -> None:
        """Make its streams, once."""

    async def run(self, client: Any) -> None:
        """Work until cancelled or the connection is gone."""

    def has_shown(self) -> bool:
        """Say whether something was acknowledged."""

    async def restarted(self, client: Any) -> None:
        """Look at once after a restart."""

    async def judge(self, client: Any) -> list[str]:
        """Return what is wrong at the end."""


async def ask(client: Any, subject: str, body: Any = None) -> dict[str, Any]:
    """Ask the JetStream API."""
    payload = json.dumps(body).encode() if body is not None else b""
    answer = await client.request(f"$JS.API.{subject}", payload, timeout=ANSWER_S)
    found: dict[str, Any] = json.loads(answer.data)
    assert "error" not in found, found
    return found


async def publish(
    client: Any, subject: str, payload: bytes, headers: dict[str, str]
) -> dict[str, Any]:
    """Publish and return the PubAck, which may be empty or an error."""
    answer = await client.request(subject, payload, headers=headers, timeout=ANSWER_S)
    found: dict[str, Any] = json.loads(answer.data or b"{}")
    assert "error" not in found, found
    return found


async def messages(client: Any, stream: str) -> AsyncIterator[Msg]:
    """Read a whole stream."""
    jetstream = client.jetstream(timeout=ANSWER_S)
    left = (await jetstream.stream_info(stream)).state.messages
    config = ConsumerConfig(ack_policy=AckPolicy.NONE, inactive_threshold=300)
    subscription = await jetstream.pull_subscribe("", stream=stream, config=config)
    while left:
        for message in await subscription.fetch(min(FETCH, left), timeout=ANSWER_S):
            left -= 1
            yield message
    await subscription.unsubscribe()


def seq_of(message: Msg) -> int:
    return int(message.metadata.sequence.stream)


@dataclass
class Batches:
    """Atomic batches: whole or absent, and there when acknowledged."""

    random: random.Random
    next: int = 1
    acked: dict[int, int] = field(default_factory=dict)  # batch: sequence of its last message
    size: dict[int, int] = field(default_factory=dict)

    async def set_up(self, client: Any) -> None:
        await ask(
            client,
            "STREAM.CREATE.ATOMIC",
            {"name": "ATOMIC", "subjects": ["atomic.>"], "allow_atomic": True},
        )

    async def run(self, client: Any) -> None:
        while True:
            batch, self.next = self.next, self.next + 1
            size = self.size[batch] = self.random.randint(2, 40)
            for number in range(1, size):
                # Not waited for: it is the last one that counts.
                await client.publish(
                    f"atomic.{number % 3}",
                    b"%d %d" % (batch, number),
                    headers={"Nats-Batch-Id": f"b{batch}", "Nats-Batch-Sequence": str(number)},
                )
            headers = {
                "Nats-Batch-Id": f"b{batch}",
                "Nats-Batch-Sequence": str(size),
                "Nats-Batch-Commit": "1",
            }
            ack = await publish(client, "atomic.0", b"%d %d" % (batch, size), headers)
            self.acked[batch] = ack["seq"]

    def has_shown(self) -> bool:
        return bool(self.acked)

    async def restarted(self, client: Any) -> None:
        pass

    async def judge(self, client: Any) -> list[str]:
        found = [
            (seq_of(message), *map(int, message.data.split()))
            async for message in messages(client, "ATOMIC")
        ]
        return judge_batches(found, self.acked, self.size)


def judge_batches(
    found: list[tuple[int, int, int]], acked: dict[int, int], size: dict[int, int]
) -> list[str]:
    """`found`: sequence, batch, number in the batch."""
    by_batch: dict[int, list[tuple[int, int]]] = {}
    for seq, batch, number in found:
        by_batch.setdefault(batch, []).append((seq, number))
    wrong = []
    for batch, members in by_batch.items():
        first = members[0][0]
        if members != [(first + n, n + 1) for n in range(size[batch])]:
            wrong.append(f"batch {batch} of {size[batch]} is not whole: {members[:5]}")
    for batch, seq in acked.items():
        if batch not in by_batch or by_batch[batch][-1][0] != seq:
            wrong.append(f"batch {batch}, acked at {seq}, is lost or elsewhere")
    if not acked:
        wrong.append("no batch was acked, so nothing was shown")
    return wrong


@dataclass
class FastBatches:
    """Fast batches without gaps: what a flow ack or a PubAck says is stored is there, in order."""

    random: random.Random
    next: int = 1
    promised: dict[int, int] = field(default_factory=dict)  # batch: so many messages of it
    done: set[int] = field(default_factory=set)

    async def set_up(self, client: Any) -> None:
        config = {"name": "FAST", "subjects": ["fast.>"], "allow_batched": True}
        await ask(client, "STREAM.CREATE.FAST", config)

    async def run(self, client: Any) -> None:
        while True:
            batch, self.next = self.next, self.next + 1
            answers = await client.subscribe(f"_FAST.{batch}.>")
            size = self.random.randint(2, 60)
            for number in range(1, size + 1):
                op = 0 if number == 1 else 1 if number < size else 2
                reply = f"_FAST.{batch}.8.fail.{number}.{op}.$FI"
                await client.publish(f"fast.{number % 3}", b"%d %d" % (batch, number), reply=reply)
            while batch not in self.done:
                answer = await answers.next_msg(timeout=ANSWER_S)
                self.note_answer(batch, json.loads(answer.data))
            await answers.unsubscribe()

    def note_answer(self, batch: int, answer: dict[str, Any]) -> None:
        if answer.get("error", {}).get("err_code") == UNKNOWN_BATCH:
            self.done.add(batch)  # this machine stood still for ten seconds
            return
        assert answer.get("type") == "ack" or "count" in answer, answer
        if "count" in answer:
            self.done.add(batch)
        self.promised[batch] = answer["count"] if "count" in answer else answer["seq"]

    def has_shown(self) -> bool:
        return any(self.promised.values())

    async def restarted(self, client: Any) -> None:
        pass

    async def judge(self, client: Any) -> list[str]:
        found: dict[int, list[int]] = {}
        async for message in messages(client, "FAST"):
            batch, number = map(int, message.data.split())
            found.setdefault(batch, []).append(number)
        return judge_fast(found, self.promised)


def judge_fast(found: dict[int, list[int]], promised: dict[int, int]) -> list[str]:
    """`found`: the numbers of each batch, as they are stored."""
    wrong = []
    for batch, numbers in found.items():
        if numbers != list(range(1, len(numbers) + 1)):
            wrong.append(f"fast batch {batch} has a gap or a double: {numbers}")
    for batch, count in promised.items():
        if len(found.get(batch, ())) < count:
            wrong.append(f"fast batch {batch} has {len(found.get(batch, ()))} of {count} promised")
    if not any(promised.values()):
        wrong.append("nothing of a fast batch was promised, so nothing was shown")
    return wrong


@dataclass
class Counter:
    """A counter: each total follows from the one before, and an acknowledged one stays."""

    acked: dict[int, int] = field(default_factory=dict)  # sequence: total
    sent: int = 0

    async def set_up(self, client: Any) -> None:
        await ask(
            client,
            "STREAM.CREATE.COUNT",
            {"name": "COUNT", "subjects": ["count"], "allow_msg_counter": True},
        )

    async def run(self, client: Any) -> None:
        while True:
            self.sent += 1
            ack = await publish(client, "count", b"", {"Nats-Incr": "+3"})
            self.acked[ack["seq"]] = int(ack["val"])

    def has_shown(self) -> bool:
        return bool(self.acked)

    async def restarted(self, client: Any) -> None:
        pass

    async def judge(self, client: Any) -> list[str]:
        totals = {
            seq_of(message): int(json.loads(message.data)["val"])
            async for message in messages(client, "COUNT")
        }
        return judge_counter(totals, self.acked, self.sent)


def judge_counter(totals: dict[int, int], acked: dict[int, int], sent: int) -> list[str]:
    """Each message adds 3."""
    wrong = [f"total {t} at {seq}" for seq, t in totals.items() if t != 3 * seq]
    lost = [seq for seq, total in acked.items() if totals.get(seq) != total]
    wrong += [f"the acked total at {seq} is gone" for seq in lost]
    if not len(acked) <= len(totals) <= sent:
        wrong.append(f"{len(totals)} additions of {sent}, {len(acked)} of them acked")
    if not acked:
        wrong.append("no addition was acked, so nothing was shown")
    return wrong


@dataclass
class Plans:
    """Schedules: each comes once, one that was acknowledged does come."""

    random: random.Random
    next: int = 1
    acked: set[int] = field(default_factory=set)

    async def set_up(self, client: Any) -> None:
        config = {"subjects": ["plan.>", "due.>"], "allow_msg_schedules": True}
        await ask(client, "STREAM.CREATE.PLAN", {"name": "PLAN", **config})

    async def run(self, client: Any) -> None:
        while True:
            number, self.next = self.next, self.next + 1
            due = datetime.now(UTC) + timedelta(seconds=self.random.uniform(0.01, 2))
            headers = {
                "Nats-Schedule": f"@at {due:%Y-%m-%dT%H:%M:%S.%fZ}",
                "Nats-Schedule-Target": f"due.{number}",
            }
            await publish(client, f"plan.{number}", b"%d" % number, headers)
            self.acked.add(number)
            await asyncio.sleep(0.02)

    def has_shown(self) -> bool:
        return bool(self.acked)

    async def restarted(self, client: Any) -> None:
        pass

    async def judge(self, client: Any) -> list[str]:
        found: list[int] = []
        deadline = time.monotonic() + SETTLE_S
        while time.monotonic() < deadline:
            info = await ask(client, "STREAM.INFO.PLAN", {"subjects_filter": "plan.>"})
            if not info["state"].get("subjects"):
                break
            await asyncio.sleep(0.2)
        async for message in messages(client, "PLAN"):
            if message.subject.startswith("plan."):
                return [f"{message.subject} never came"]
            found.append(int(message.data))
        return judge_plans(found, self.acked)


def judge_plans(found: list[int], acked: set[int]) -> list[str]:
    twice = sorted({number for number in found if found.count(number) > 1})
    lost = sorted(acked - set(found))
    wrong = [f"schedules came twice: {twice[:10]}"] if twice else []
    wrong += [f"acked schedules never came: {lost[:10]}"] if lost else []
    if not acked:
        wrong.append("no schedule was acked, so nothing was shown")
    return wrong


@dataclass
class Followers:
    """A mirror and a source of the stream that is published to: no gap, nothing twice."""

    async def set_up(self, client: Any) -> None:
        await ask(client, "STREAM.CREATE.MIR", {"name": "MIR", "mirror": {"name": ORIGIN}})
        await ask(client, "STREAM.CREATE.SRC", {"name": "SRC", "sources": [{"name": ORIGIN}]})

    async def run(self, client: Any) -> None:
        await asyncio.Event().wait()

    def has_shown(self) -> bool:
        return True

    async def restarted(self, client: Any) -> None:
        pass

    async def judge(self, client: Any) -> list[str]:
        origin = [(seq_of(one), one.data) async for one in messages(client, ORIGIN)]
        deadline = time.monotonic() + SETTLE_S
        for name in ("MIR", "SRC"):
            while time.monotonic() < deadline:
                info = await ask(client, f"STREAM.INFO.{name}")
                if info["state"]["messages"] >= len(origin):
                    break
                await asyncio.sleep(0.1)
        mirrored = [(seq_of(one), one.data) async for one in messages(client, "MIR")]
        sourced = [one.data async for one in messages(client, "SRC")]
        return judge_followers(origin, mirrored, sourced)


def judge_followers(
    origin: list[tuple[int, bytes]], mirrored: list[tuple[int, bytes]], sourced: list[bytes]
) -> list[str]:
    wrong = []
    for name, found, expected in (
        ("mirror", mirrored, origin),
        ("source", sourced, [data for _, data in origin]),
    ):
        if found != expected:
            at = next(
                (n for n, (a, b) in enumerate(zip(found, expected, strict=False)) if a != b),
                min(len(found), len(expected)),
            )
            wrong.append(
                f"the {name} has {len(found)} of {len(expected)}, and differs from {at} on"
            )
    return wrong


@dataclass
class Acks:
    """A consumer: its floor is never ahead of what was acked, what was confirmed stays so."""

    sent: set[int] = field(default_factory=set)
    confirmed: set[int] = field(default_factory=set)
    delivered: set[int] = field(default_factory=set)
    faults: list[str] = field(default_factory=list)

    async def set_up(self, client: Any) -> None:
        config = ConsumerConfig(
            durable_name="ACKS", ack_policy=AckPolicy.EXPLICIT, ack_wait=1, max_ack_pending=64
        )
        await client.jetstream(timeout=ANSWER_S).add_consumer(ORIGIN, config)

    async def run(self, client: Any) -> None:
        subscription = await self._bound(client)
        while True:
            await self._take(subscription)

    async def _bound(self, client: Any) -> Any:
        jetstream = client.jetstream(timeout=ANSWER_S)
        return await jetstream.pull_subscribe_bind(durable="ACKS", stream=ORIGIN)

    async def _take(self, subscription: Any) -> int:
        """Fetch, and acknowledge each: mostly without waiting, sometimes until it is on disk."""
        with contextlib.suppress(nats.errors.TimeoutError):
            for message in await subscription.fetch(32, timeout=2):
                self.note_delivery(seq_of(message))
                self.sent.add(seq_of(message))
                if seq_of(message) % 7 == 0:
                    await message.ack_sync(timeout=ANSWER_S)
                    self.confirmed.add(seq_of(message))
                else:
                    await message.ack()
        return len(self.delivered)

    def note_delivery(self, seq: int) -> None:
        if seq in self.confirmed:
            self.faults.append(f"{seq} was delivered again after its ack was confirmed")
        self.delivered.add(seq)

    def has_shown(self) -> bool:
        return bool(self.confirmed)

    async def restarted(self, client: Any) -> None:
        info = await ask(client, f"CONSUMER.INFO.{ORIGIN}.ACKS")
        self.note_floor(info["ack_floor"]["stream_seq"])

    def note_floor(self, floor: int) -> None:
        unsent = sorted(set(range(1, floor + 1)) - self.sent)
        if unsent:
            self.faults.append(f"the ack floor is {floor}, no ack was sent for {unsent[:5]}")

    async def judge(self, client: Any) -> list[str]:
        last = (await client.jetstream(timeout=ANSWER_S).stream_info(ORIGIN)).state.last_seq
        subscription = await self._bound(client)
        deadline = time.monotonic() + SETTLE_S
        info: dict[str, Any] = {}
        while time.monotonic() < deadline:
            await self._take(subscription)
            info = await ask(client, f"CONSUMER.INFO.{ORIGIN}.ACKS")
            if info["ack_floor"]["stream_seq"] >= last:
                break
        wrong = list(self.faults)
        if info["ack_floor"]["stream_seq"] != last:
            wrong.append(f"the ack floor is {info['ack_floor']} of {last}")
        return wrong + judge_acks(self.delivered, last)


def judge_acks(delivered: Iterable[int], last: int) -> list[str]:
    missing = sorted(set(range(1, last + 1)) - set(delivered))
    return [f"{len(missing)} messages were never delivered: {missing[:10]}"] if missing else []
