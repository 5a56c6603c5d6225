"""The child of powercut.py that works on a store: it says what was promised, and dies as it is.

    python -m tests.faults.powercut_store DIRECTORY SYNCHRONOUS TURNS BATCH STEP

Each line on standard output: the newest message that is on disk, and the first one.
"""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from leafnode.clock import SystemClock
from leafnode.store import schema
from leafnode.store.bounds import StoreBounds
from leafnode.store.sqlite import SqliteStore, StoreSeams

if TYPE_CHECKING:
    from collections.abc import Callable

    from leafnode.errors import StoreError
    from leafnode.store.stream import SqliteStream


def promise(seq: int, first: int) -> Callable[[StoreError | None], None]:
    def done(error: StoreError | None) -> None:
        if error is not None:
            os._exit(9)
        os.write(1, b"%d %d\n" % (seq, first))

    return done


def add(store: SqliteStore, stream: SqliteStream, group: int, step: int) -> int:
    """Store a message of an atomic batch, 0 for none, and a position with every fifth."""
    seq = stream.last_seq() + 1
    stream.append(b"s.%d" % (seq % 7), 0, b"%d %d " % (seq, group) + b"x" * (seq % 900), 0)
    if seq % step == 0:
        store.put_consumer("A", "S", "position", 1, b"{}", b"%d" % seq)
    return seq


async def work(directory: Path, turns: int, batch: int, step: int) -> None:
    loop = asyncio.get_running_loop()
    seams = StoreSeams(
        clock=SystemClock(),
        schedule=loop.call_soon,
        call_soon_threadsafe=loop.call_soon_threadsafe,
        on_damage=lambda *_: os._exit(8),
    )
    bounds = StoreBounds(segment_rows_max=80, wal_pregrow_bytes=400_000, reserve_bytes=0)
    store = SqliteStore.open(directory, seams, bounds)
    stream = store.create_stream("A", "S", b"{}", 0, 1)
    store.put_consumer("A", "S", "position", 1, b"{}", b"0")
    store.put_consumer("A", "S", "acks", 1, b"{}", b"0")
    for turn in range(1, turns + 1):
        if turn % 3 == 0:
            store.reserve(batch, batch * 1000)
            seq = [add(store, stream, turn, step) for _ in range(batch)][-1]
        else:
            seq = [add(store, stream, 0, step) for _ in range(turn % 4 + 1)][-1]
        if turn % 10 == 0:
            stream.remove([seq - 1])
        if turn % 25 == 0:
            stream.remove_below(seq - 150)
        store.put_consumer_state("A", "S", "acks", b"%d" % seq)
        done = asyncio.Event()
        store.after_commit(promise(seq, stream.state().first_seq))
        store.after_commit(lambda _, done=done: done.set())
        await done.wait()
    os._exit(0)  # the power fails with everything as it is


def main() -> None:
    directory, mode, *numbers = sys.argv[1:]
    schema.WRITER_PRAGMAS = tuple(  # type: ignore[misc]
        one.replace("synchronous=FULL", "synchronous=" + mode).replace(
            "autocheckpoint=1000", "autocheckpoint=60"
        )
        for one in schema.WRITER_PRAGMAS
    )
    turns, batch, step = map(int, numbers)
    asyncio.run(work(Path(directory), turns, batch, step))


if __name__ == "__main__":
    main()
