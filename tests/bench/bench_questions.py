"""The longest turn of the loop that questions over very many subjects take, in thread time.

    python -m tests.bench.bench_questions [--subjects 200000] [--storage file memory]

One account on a real store (in a file, or in memory) and a clock of its own: each callback of the
loop is measured by itself, without sockets. Two messages a subject, the subjects in random order.
"""

from __future__ import annotations

import argparse
import gc
import json
import random
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from leafnode.clock import NS_PER_MS, NS_PER_S
from leafnode.store.bounds import StoreBounds
from tests.unit.jetstream.real_world import RealWorld

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.sim.clock import FakeClock

RUN: Final = 64  # messages a turn while the stream is filled
TURNS: Final = 400  # in which what was asked comes to its end
FILTER: Final = "d.*.t"


class Turns:
    """The thread time of the longest callback of a clock."""

    def __init__(self, clock: FakeClock) -> None:
        self._clock = clock
        self.worst_ns = 0
        self._call_later = clock.call_later
        clock.call_later = self._measured  # type: ignore[method-assign]

    def _measured(self, delay_ns: int, callback: Callable[[], None]) -> Any:
        return self._call_later(delay_ns, lambda: self.take(callback))

    def take(self, one: Callable[[], object]) -> None:
        """Do this, as a turn."""
        begin = time.thread_time_ns()
        one()
        self.worst_ns = max(self.worst_ns, time.thread_time_ns() - begin)


def fill(world: RealWorld, storage: str, subjects: int) -> None:
    world.create_stream("S", subjects=["d.>"], storage=storage, allow_direct=True)
    names = [f"d.{number}.t" for number in range(subjects)] * 2
    random.Random(1).shuffle(names)
    for start in range(0, len(names), RUN):
        for name in names[start : start + RUN]:
            world.publish(name, b"x")
        if storage == "file":
            world.disk_world.settle()
        world.clock.advance(NS_PER_MS)
    world.settle()


def ask(world: RealWorld, turns: Turns, question: str, one: Callable[[], object]) -> None:
    """Print what the longest turn of this took."""
    gc.collect()
    gc.disable()
    turns.worst_ns = 0
    turns.take(one)
    for _ in range(TURNS):
        world.turns(1)
    world.clock.advance(NS_PER_S)
    gc.enable()
    sys.stdout.write(f"{turns.worst_ns / NS_PER_MS:8.1f} ms  {question}\n")
    sys.stdout.flush()


def consumer(world: RealWorld, name: str, **config: Any) -> Callable[[], object]:
    body = {
        "stream_name": "S",
        "config": {"durable_name": name, "ack_policy": "explicit", **config},
    }
    return lambda: world.request(f"$JS.API.CONSUMER.CREATE.S.{name}", json.dumps(body).encode())


def asked(world: RealWorld, endpoint: str, **body: Any) -> Callable[[], object]:
    return lambda: world.request(f"$JS.API.{endpoint}", json.dumps(body).encode() if body else b"")


def questions(world: RealWorld, subjects: int, *, restarts: bool) -> None:
    turns = Turns(world.clock)
    middle, last = subjects, {"deliver_policy": "last_per_subject"}

    def put(question: str, one: Callable[[], object]) -> None:
        ask(world, turns, question, one)

    put("a consumer with a wildcard", consumer(world, "A", filter_subject=FILTER))
    from_middle = {"deliver_policy": "by_start_sequence", "opt_start_seq": middle}
    put("another from the middle", consumer(world, "B", filter_subject=FILTER, **from_middle))
    put("last_per_subject", consumer(world, "C", filter_subject=FILTER, **last))
    put("another one", consumer(world, "D", filter_subject=FILTER, **last))
    put("last_per_subject of all", consumer(world, "E", filter_subject=">", **last))
    for name in "CDE":
        world.js.consumer("S", name).info()
    put("a purge of one message", asked(world, "STREAM.PURGE.S", filter="d.7.t", keep=1))
    for name in "ABCDE":
        put(f"info of {name}", asked(world, f"CONSUMER.INFO.S.{name}"))
    put("a purge of the first quarter", asked(world, "STREAM.PURGE.S", seq=middle // 2))
    for name in "ABCDE":
        put(f"info of {name}", asked(world, f"CONSUMER.INFO.S.{name}"))
    if restarts:
        world.restart()
        turns = Turns(world.clock)
        for name in "ABCDE":
            put(f"info of {name} behind a restart", asked(world, f"CONSUMER.INFO.S.{name}"))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--subjects", type=int, default=200_000)
    parser.add_argument("--storage", nargs="*", default=["file", "memory"])
    options = parser.parse_args()
    for storage in options.storage:
        with tempfile.TemporaryDirectory() as directory:
            world = RealWorld(Path(directory) / "store", StoreBounds())
            fill(world, storage, options.subjects)
            sys.stdout.write(f"{storage}:\n")
            questions(world, options.subjects, restarts=storage == "file")


if __name__ == "__main__":
    main()
