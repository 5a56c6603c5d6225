"""SIGKILL under publish load, again and again, then an audit of every acknowledgement.

    python -m tests.faults.kill9 --cycles 50 --seed 1

Each message has an id. What was published without seeing its ack is published again after the
restart with the same id, as a careful client does. At the end every acked message must be in the
stream exactly once, at the sequence that its ack named, unchanged, and in the order of the ids;
there is no gap. Beside it run the loads of kill9_loads: atomic and fast batches, a counter,
schedules, a mirror and a source, a consumer, a work queue (kill9_queue).
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import hashlib
import random
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import nats
from nats.js.api import ConsumerConfig, StreamConfig

from tests.faults.kill9_queue import all_loads
from tests.hub.process import free_ports

if TYPE_CHECKING:
    from nats.js.client import JetStreamContext

ROOT: Final = Path(__file__).parents[2]
STREAM: Final = "KILL9"
START_S: Final = 60.0
LOAD_S: Final = (0.05, 0.6)  # how long the load lasts before a kill
PIPELINES: Final = (1, 8, 64)  # messages on their way at a time
PAYLOAD_MAX: Final = 400
LOG_TAIL: Final = 4000


@dataclass(slots=True)
class Audit:
    """What the loop saw and what the stream holds."""

    kills: int = 0
    acked: dict[int, int] = field(default_factory=dict)  # id: sequence in its ack
    republished: int = 0
    duplicates: int = 0  # acks that said "I have it already"
    restarts_s: list[float] = field(default_factory=list)
    stored: dict[int, int] = field(default_factory=dict)  # id: sequence in the stream
    faults: list[str] = field(default_factory=list)

    def judge(self) -> list[str]:
        """Return what is wrong, empty when everything holds."""
        lost = [number for number in self.acked if number not in self.stored]
        moved = [n for n, seq in self.acked.items() if self.stored.get(n, seq) != seq]
        wrong = list(self.faults)
        if not self.acked:
            wrong.append("nothing was acked, so nothing was shown")
        if lost:
            wrong.append(f"{len(lost)} acked messages lost: {lost[:10]}")
        if moved:
            wrong.append(f"{len(moved)} messages at another sequence than acked: {moved[:10]}")
        order = sorted(self.stored, key=lambda number: self.stored[number])
        if order != sorted(order):
            wrong.append("the order of the stream is not the order of publishing")
        sequences = sorted(self.stored.values())
        if sequences != list(range(1, len(sequences) + 1)):
            wrong.append("the sequences have gaps")
        return wrong

    def summary(self) -> str:
        slowest = max(self.restarts_s, default=0.0)
        median = sorted(self.restarts_s)[len(self.restarts_s) // 2] if self.restarts_s else 0.0
        return (
            f"kills={self.kills} acked={len(self.acked)} stored={len(self.stored)} "
            f"republished={self.republished} duplicate_acks={self.duplicates} "
            f"restart_median_s={median:.2f} restart_max_s={slowest:.2f}"
        )


def payload(number: int) -> bytes:
    """Return a message's content: it can be checked, and it has any length."""
    digest = hashlib.sha256(b"%d" % number).hexdigest().encode()
    return (b"%08d:" % number + digest * 8)[: 9 + number * 31 % PAYLOAD_MAX]


class Loop:
    """One run of the harness against its own `leafnode` process."""

    def __init__(self, directory: Path, *, seed: int) -> None:
        self.audit = Audit()
        self._random = random.Random(seed)
        self._log = directory / "leafnode.log"
        self._port = free_ports(1)[0]
        self._config = directory / "leafnode.conf"
        self._config.write_text(
            f'listen: "127.0.0.1:{self._port}"\njetstream {{ store_dir: "{directory}/store" }}\n'
        )
        self._process: asyncio.subprocess.Process | None = None
        self.loads = all_loads(self._random)
        self._next = 1  # the first id that may be unacked
        self._highest = 0  # the last id ever published

    async def run(self, cycles: int) -> Audit:
        try:
            await self._start()
            client = await self._connect()
            await client.jetstream().add_stream(
                StreamConfig(name=STREAM, subjects=["kill9.>"], duplicate_window=120)
            )
            for load in self.loads:
                await load.set_up(client)
            for _ in range(cycles):
                await self._load_and_kill(client)
                began = time.monotonic()
                await self._start()
                client = await self._connect()
                self.audit.restarts_s.append(time.monotonic() - began)
                for load in self.loads:
                    await load.restarted(client)
            await self._read(client.jetstream())
            for load in self.loads:
                self.audit.faults += await load.judge(client)
            await client.close()
        finally:
            await self._kill()
        return self.audit

    async def _start(self) -> None:
        with self._log.open("ab") as output:
            self._process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "leafnode", "-c", str(self._config)),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=output,
                stderr=asyncio.subprocess.STDOUT,
                cwd=ROOT,
            )

    async def _kill(self) -> None:
        process, self._process = self._process, None
        if process is not None and process.returncode is None:
            process.kill()
            await process.wait()

    async def _connect(self) -> Any:
        """Connect as soon as the process listens; JetStream is recovered by then."""
        deadline = time.monotonic() + START_S
        while True:
            assert self._process is not None
            if self._process.returncode is not None:
                said = self._log.read_text()[-LOG_TAIL:]  # it goes with its directory
                raise RuntimeError(f"leafnode ended by itself:\n{said}")
            try:
                _, writer = await asyncio.open_connection("127.0.0.1", self._port)
            except OSError:
                if time.monotonic() > deadline:
                    raise
                await asyncio.sleep(0.02)
            else:
                writer.close()
                return await nats.connect(
                    f"nats://127.0.0.1:{self._port}",
                    allow_reconnect=False,
                    connect_timeout=START_S,
                    error_cb=_ignore,
                )

    async def _load_and_kill(self, client: Any) -> None:
        until = time.monotonic() + self._random.uniform(*LOAD_S)
        pipeline = self._random.choice(PIPELINES)
        jetstream = client.jetstream()
        running = [asyncio.create_task(self._publish(jetstream, pipeline))]
        running += [asyncio.create_task(load.run(client)) for load in self.loads]
        await asyncio.sleep(until - time.monotonic())
        while not self._has_shown() and time.monotonic() < until + START_S:  # noqa: ASYNC110
            await asyncio.sleep(0.05)
        for task in running:
            if task.done():  # nothing ends before the kill
                task.result()
        await self._kill()
        self.audit.kills += 1
        for task in running:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError, nats.errors.Error, OSError):
                await task
        with contextlib.suppress(nats.errors.Error, OSError):
            await client.close()
        await _let_go(client)

    def _has_shown(self) -> bool:
        """Say whether each load got at least one acknowledgement: not so soon on a slow machine."""
        return bool(self.audit.acked) and all(load.has_shown() for load in self.loads)

    async def _publish(self, jetstream: JetStreamContext, pipeline: int) -> None:
        """Publish pipelines of messages, each until all of it is acked."""
        while True:
            numbers = range(self._next, self._next + pipeline)
            waiting = [number for number in numbers if number not in self.audit.acked]
            sent = [self._publish_one(jetstream, number) for number in waiting]
            await asyncio.gather(*sent)
            self._next += pipeline

    async def _publish_one(self, jetstream: JetStreamContext, number: int) -> None:
        self.audit.republished += number <= self._highest
        self._highest = max(self._highest, number)
        headers = {"Nats-Msg-Id": str(number)}
        ack = await jetstream.publish("kill9.load", payload(number), headers=headers, timeout=30)
        self.audit.duplicates += bool(ack.duplicate)
        self.audit.acked[number] = ack.seq

    async def _read(self, jetstream: JetStreamContext) -> None:
        total = (await jetstream.stream_info(STREAM)).state.messages
        subscription = await jetstream.pull_subscribe(
            "", stream=STREAM, config=ConsumerConfig(ack_policy="none", inactive_threshold=30)
        )
        audit, read = self.audit, 0
        while read < total:
            for message in await subscription.fetch(min(256, total - read), timeout=60):
                read += 1
                number = int(message.data[:8])
                sequence = message.metadata.sequence.stream
                if message.data != payload(number):
                    audit.faults.append(f"changed at {sequence}")
                if number in audit.stored:
                    audit.faults.append(f"{number} twice: {audit.stored[number]} and {sequence}")
                audit.stored[number] = sequence


async def _let_go(client: Any) -> None:
    """End what nats.py leaves behind when its server is killed while it writes."""
    for subscription in tuple(client._subs.values()):
        subscription._stop_processing()
    if client._reading_task is not None:
        await asyncio.wait([client._reading_task], timeout=START_S)
        if client._reading_task.done() and not client._reading_task.cancelled():
            client._reading_task.exception()  # looked at, so that nobody reports it
    if client._transport is not None:
        client._transport.close()


async def _ignore(_: Exception) -> None:
    """The connection ends because the server was killed: expected."""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--cycles", type=int, default=50)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    print(f"kill9: cycles={arguments.cycles} seed={arguments.seed}", flush=True)
    with tempfile.TemporaryDirectory(prefix="leafnode-kill9-") as directory:
        audit = asyncio.run(Loop(Path(directory), seed=arguments.seed).run(arguments.cycles))
    print(audit.summary())
    wrong = audit.judge()
    for problem in wrong:
        print(f"FAILED: {problem}")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
