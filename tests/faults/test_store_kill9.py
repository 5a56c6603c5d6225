"""SIGKILL of a process that writes to a store: every acknowledged message is there afterwards.

The child appends on a real loop with real threads and prints each sequence once its commit
returned.
"""

from __future__ import annotations

import random
import signal
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from tests.sim.committer import open_store, read_all

if TYPE_CHECKING:
    from pathlib import Path

    from leafnode.store.api import StreamStore
    from tests.sim.committer import StoreWorld

CYCLES = 20

CHILD = """
import asyncio, os, sys
from pathlib import Path
from leafnode.clock import SystemClock
from leafnode.store.bounds import StoreBounds
from leafnode.store.sqlite import SqliteStore, StoreSeams

def note(seq):
    return lambda error: os.write(1, b"%d\\n" % seq) if error is None else os._exit(9)

async def main():
    sys.setswitchinterval(0.0005)
    loop = asyncio.get_running_loop()
    seams = StoreSeams(
        clock=SystemClock(), schedule=loop.call_soon,
        call_soon_threadsafe=loop.call_soon_threadsafe, on_damage=lambda *_: os._exit(8),
    )
    bounds = StoreBounds(segment_rows_max=50, wal_pregrow_bytes=0, reserve_bytes=0)
    store = SqliteStore.open(Path(sys.argv[1]), seams, bounds)
    streams = store.streams()
    stream = streams[0].store if streams else store.create_stream("A", "S", b"{}", 0, 1)
    os.write(1, b"ready\\n")
    while True:
        if stream.last_seq() - stream.committed_seq() > 500:
            await asyncio.sleep(0.0005)
            continue
        for _ in range(7):
            seq = stream.append(b"s.%d" % (stream.last_seq() % 5), 0, b"%d" % stream.last_seq(), 0)
            store.after_commit(note(seq))
            if seq % 20 == 0:
                stream.remove([seq - 10])
        await asyncio.sleep(0)

asyncio.run(main())
"""


@pytest.mark.faults
def test_no_acknowledged_message_is_lost_by_sigkill(tmp_path: Path, seed: int) -> None:
    rng = random.Random(seed)
    acked = 0
    for cycle in range(CYCLES):
        acked = max(acked, killed_after(tmp_path, lines=rng.randrange(1, 400)))

        world = open_store(tmp_path)
        stream = world.store.streams()[0].store
        state = stream.state()
        assert state.last_seq >= acked, (
            f"cycle {cycle}: {acked} acknowledged, {state.last_seq} there"
        )
        assert set(stream.deleted(1, 10**6)) <= set(range(10, state.last_seq, 20))
        assert bodies(world, stream) == state.msgs
        assert world.damage == []
        acked = state.last_seq
        world.close()


def killed_after(directory: Path, lines: int) -> int:
    """Let a child append, kill it after so many acknowledgements; return the last of them."""
    with subprocess.Popen(
        [sys.executable, "-c", CHILD, str(directory)], stdout=subprocess.PIPE
    ) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == b"ready\n"
        output = b"".join(child.stdout.readline() for _ in range(lines))
        child.kill()
        output += child.stdout.read()
    assert child.returncode == -signal.SIGKILL
    seqs = [int(line) for line in output.split(b"\n")[:-1]]
    assert seqs == sorted(seqs)
    return seqs[-1]


def bodies(world: StoreWorld, stream: StreamStore) -> int:
    """Read every message, which verifies its checksum; return how many there are."""
    messages = read_all(stream, world.settle)
    for message in messages:
        assert message.body == b"%d" % (message.seq - 1)
    return len(messages)
