"""How fast the store commits and reads, and what it writes for that.

Run `PYTHONPATH=. python tests/bench/bench_store.py`.

One stream, bodies of 128 bytes, a real loop and real threads, on the disk of the given directory.
`outstanding` publishes wait for their commit at any time; a busy loop also spins in Python.
Rates of a shared machine: trust ratios and bytes.
"""

from __future__ import annotations

import argparse
import asyncio
import shutil
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

from leafnode.clock import NS_PER_S, SystemClock
from leafnode.store.sqlite import SqliteStore, StoreSeams

if TYPE_CHECKING:
    from leafnode.errors import StoreError
    from leafnode.store.api import StoredMsg, StreamStore

BODY = bytes(range(128))


def written_bytes() -> int:
    """Return what this process had written to disk so far."""
    for line in Path("/proc/self/io").read_text().splitlines():
        if line.startswith("write_bytes:"):
            return int(line.split()[1])
    return 0


def open_store(directory: Path) -> SqliteStore:
    loop = asyncio.get_running_loop()
    seams = StoreSeams(
        clock=SystemClock(),
        schedule=loop.call_soon,
        call_soon_threadsafe=loop.call_soon_threadsafe,
        on_damage=lambda *found: sys.exit(f"damaged: {found}"),
    )
    return SqliteStore.open(directory, seams)


class Publisher:
    """Keeps so many publishes outstanding until `count` are committed."""

    def __init__(
        self, store: SqliteStore, stream: StreamStore, outstanding: int, count: int
    ) -> None:
        self.store, self.stream = store, stream
        self.count, self.left, self.acked = count, count, 0
        self.sent_ns: list[int] = []
        self.waits_ns: list[int] = []
        self.done = asyncio.Event()
        for _ in range(outstanding):
            self.publish()

    def publish(self) -> None:
        self.left -= 1
        self.sent_ns.append(time.perf_counter_ns())
        self.stream.append(b"bench.%d" % (self.left % 16), 0, BODY, time.time_ns())
        self.store.after_commit(self.committed)

    def committed(self, error: StoreError | None) -> None:
        assert error is None, error
        self.waits_ns.append(time.perf_counter_ns() - self.sent_ns[self.acked])
        self.acked += 1
        if self.left > 0:
            self.publish()
        elif self.acked == self.count:
            self.done.set()


async def closed(store: SqliteStore) -> None:
    done = asyncio.Event()
    store.close(done.set)
    await done.wait()


async def publish(directory: Path, outstanding: int, count: int) -> None:
    store = open_store(directory)
    stream = store.create_stream("BENCH", "S", b"{}", 0, 1)
    created = asyncio.Event()
    store.after_commit(lambda _: created.set())
    await created.wait()
    before, start = written_bytes(), time.perf_counter()
    publisher = Publisher(store, stream, outstanding, count)
    await publisher.done.wait()
    took = time.perf_counter() - start
    wrote = written_bytes() - before
    waits = sorted(publisher.waits_ns)
    stats = store.stats()
    await closed(store)
    size = (directory / "leafnode.db").stat().st_size
    p50, p99 = waits[len(waits) // 2] / 1e6, waits[len(waits) * 99 // 100] / 1e6
    print(
        f"publish  outstanding={outstanding:5d} rows/s={count / took:9.0f} "
        f"p50={p50:7.2f} ms p99={p99:7.2f} ms commits={stats.commits:6d} "
        f"written/row={wrote / count:7.0f} B file/row={size / count:5.0f} B"
    )


async def replay(directory: Path, *patterns: bytes, busy: bool) -> None:
    store = open_store(directory)
    stream = store.streams()[0].store
    done = asyncio.Event()
    found = 0

    def got(messages: list[StoredMsg]) -> None:
        nonlocal found
        found += len(messages)
        if messages:
            stream.read(messages[-1].seq + 1, patterns, 256, 2**20, got)
        else:
            done.set()

    start = time.perf_counter()
    stream.read(1, patterns, 256, 2**20, got)
    while not done.is_set():
        if busy:
            until = time.perf_counter_ns() + NS_PER_S // 1000
            while time.perf_counter_ns() < until:
                pass
        await asyncio.sleep(0 if busy else 0.001)
    took = time.perf_counter() - start
    await closed(store)
    rate = found / took
    print(f"replay   patterns={patterns!r} busy={busy} messages={found} messages/s={rate:9.0f}")


async def start(directory: Path) -> None:
    begin = time.perf_counter()
    store = open_store(directory)
    opened = time.perf_counter()
    state = store.streams()[0].store.state()
    await closed(store)
    print(
        f"open     messages={state.msgs} {1000 * (opened - begin):.1f} ms, "
        f"close {1000 * (time.perf_counter() - opened):.1f} ms"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--directory", type=Path, help="where to write; a temporary one without")
    parser.add_argument("--count", type=int, default=100_000)
    arguments = parser.parse_args()
    sys.setswitchinterval(0.0005)  # as the server does
    root = Path(tempfile.mkdtemp(prefix="bench-store-", dir=arguments.directory))
    try:
        for outstanding, share in ((1, 100), (10, 20), (100, 4), (1024, 1)):
            directory = root / str(outstanding)
            asyncio.run(publish(directory, outstanding, arguments.count // share))
        asyncio.run(start(directory))
        for busy in (False, True):
            asyncio.run(replay(directory, busy=busy))
        asyncio.run(replay(directory, b"bench.7", busy=False))
    finally:
        shutil.rmtree(root)


if __name__ == "__main__":
    main()
