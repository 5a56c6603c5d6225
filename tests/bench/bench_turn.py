"""Microseconds of CPU per request of the loop's thread alone: gets and puts of a bucket, publishes.

    .venv/bin/python -m tests.bench.bench_turn [rounds]

A client's bytes go through the lane into JetStream on a real SQLite store, and the answers' bytes
come out; the other threads' work is done beside the clock. No sockets, so a busy machine disturbs
less. Nothing is asserted about the figures; that each request was answered is.
"""

from __future__ import annotations

import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Final

from leafnode.limits import MAX_CONTROL_LINE_BYTES, MAX_PAYLOAD_BYTES, TURN_WORK
from leafnode.routing.lane import Lane
from leafnode.routing.subscription import Subscription
from tests.unit.jetstream.real_world import RealWorld

if TYPE_CHECKING:
    from collections.abc import Callable

KEYS: Final = 1000
TURN: Final = 64  # requests in one read
BUCKET: Final = {
    "name": "KV_b",
    "subjects": ["$KV.b.>"],
    "max_msgs_per_subject": 1,
    "discard": "new",
    "allow_rollup_hdrs": True,
    "deny_delete": True,
    "allow_direct": True,
}


class Bench:
    """One client of one server, and the loop's part of what its requests cost."""

    def __init__(self, directory: Path) -> None:
        self.world = RealWorld(directory)
        self.client = self.world.client
        self.client.headers = True
        self.account = self.world.account
        self.account.insert(Subscription(self.client, b"_INBOX.a.*", sid=b"1"))
        self.lane = Lane(
            self.client,
            max_payload_bytes=MAX_PAYLOAD_BYTES,
            max_control_line_bytes=MAX_CONTROL_LINE_BYTES,
        )
        self.answered = 0

    def turn(self, chunk: bytes) -> float:
        """Take one read; return the seconds that its handling took until bytes were ready."""
        outbox = self.account.system.outbox
        began = time.thread_time()
        self.lane.feed(chunk)
        outbox.work_left = TURN_WORK
        while self.lane.next_line() is not None or self.lane.starved:
            outbox.work_left = TURN_WORK
        spent = time.thread_time() - began
        spent += self.settle()
        self.answered += sum(part.count(b"MSG _INBOX") for part in self.client.out)
        self.client.out.clear()
        self.client.pending_bytes = 0
        outbox.flush()
        return spent

    def settle(self) -> float:
        """Let the other threads do their part; return what the loop did then."""
        return 0.0


class Counted(Bench):
    """With the threads' jobs, which run here and now, taken out of the time."""

    def settle(self) -> float:
        store = self.world.store
        apart = 0.0
        workers = (store._write_worker, store._read_worker)
        runs = [worker._run for worker in workers]

        def beside(run: Callable[..., None]) -> Callable[..., None]:
            def job(*args: object) -> None:
                nonlocal apart
                began = time.thread_time()
                run(*args)
                apart += time.thread_time() - began

            return job

        for worker, run in zip(workers, runs, strict=True):
            worker._run = beside(run)  # type: ignore[method-assign]
        began = time.thread_time()
        self.world.disk_world.settle()
        spent = time.thread_time() - began
        for worker, run in zip(workers, runs, strict=True):
            worker._run = run  # type: ignore[method-assign]
        return spent - apart


def pub(subject: str, number: int, body: bytes = b"", block: bytes = b"") -> bytes:
    head = b"%b _INBOX.a.%d " % (subject.encode(), number)
    if block:
        size = len(block) + len(body)
        return b"HPUB %b%d %d\r\n%b%b\r\n" % (head, len(block), size, block, body)
    return b"PUB %b%d\r\n%b\r\n" % (head, len(body), body)


def reads(request: Callable[[int], bytes], count: int) -> list[bytes]:
    return [
        b"".join(request(number) for number in range(start, start + TURN))
        for start in range(0, count, TURN)
    ]


BODY: Final = b"x" * 128
EXPECTED: Final = b"NATS/1.0\r\nNats-Expected-Last-Subject-Sequence: %d\r\n\r\n"
ROLLUP: Final = b"NATS/1.0\r\nKV-Operation: PURGE\r\nNats-Rollup: sub\r\n\r\n"
CASES: Final[dict[str, Callable[[int], bytes]]] = {
    "put, 1,000 keys": lambda n: pub(f"$KV.b.k{n * 7 % KEYS}", n, BODY),
    "get by key": lambda n: pub(f"$JS.API.DIRECT.GET.KV_b.$KV.b.k{n * 7 % KEYS}", n),
    "get by last_by_subj": lambda n: pub(
        "$JS.API.DIRECT.GET.KV_b", n, b'{"last_by_subj":"$KV.b.k%d"}' % (n * 7 % KEYS)
    ),
    "put with a header": lambda n: pub(
        f"$KV.b.k{n * 7 % KEYS}", n, BODY, b"NATS/1.0\r\nA: b\r\n\r\n"
    ),
    "purge a key (roll-up)": lambda n: pub(f"$KV.b.k{n * 7 % KEYS}", n, b"", ROLLUP),
    "update that is refused (expected sequence)": lambda n: pub(
        f"$KV.b.k{n * 7 % KEYS}", n, BODY, EXPECTED % (2**40)
    ),
    "publish, one subject": lambda n: pub("s.a", n, BODY),
    "publish, 1,000 subjects": lambda n: pub(f"s.k{n * 7 % KEYS}", n, BODY),
}


def main() -> None:
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 5
    with tempfile.TemporaryDirectory() as directory:
        bench = Counted(Path(directory) / "store")
        bench.world.create_stream(**BUCKET)
        bench.world.settle()
        bench.world.create_stream("S", subjects=["s.>"])
        bench.world.settle()
        for name, request in CASES.items():
            chunks = reads(request, 64 * TURN)
            best = float("inf")
            for _ in range(rounds):
                bench.answered = 0
                best = min(best, sum(map(bench.turn, chunks)))
                assert bench.answered == len(chunks) * TURN, (name, bench.answered)
            print(f"{name:45} {best / len(chunks) / TURN * 1e6:8.2f} us")


if __name__ == "__main__":
    main()
