"""A disk that fails at one call, or from one call on: what JetStream answered stays true.

    python -m tests.faults.failing --runs 2000 --seed 1

JetStream's API works on a store whose reads, writes, syncs, changes of size and openings fail as
failing.c is told, one run for each call that may fail. Whatever was answered with success has to be
there, while the disk fails, once it works again (without a restart) and after a restart. What was
answered with an error has the error of the store. The last runs are on a disk that is full.
"""

from __future__ import annotations

import argparse
import ctypes
import errno
import json
import logging
import os
import random
import shutil
import subprocess
import sys
import tempfile
from collections import Counter
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from leafnode import limits
from leafnode.clock import NS_PER_S
from leafnode.errors import StoreError
from tests.faults.preload import built, integrity_problems
from tests.sim.committer import SMALL
from tests.unit.jetstream.real_world import RealWorld

if TYPE_CHECKING:
    from tests.unit.jetstream.world import Msg

KINDS: Final = ("read", "write", "sync", "size", "open")
LASTING: Final = 10**9
TURNS: Final = 24
# Everything is read from disk, and segments end often.
BOUNDS: Final = replace(
    SMALL,
    segment_rows_max=8,
    tail_cache_bytes=0,
    segment_cache_bytes=0,
    wal_pregrow_bytes=128 * 1024,
    reserve_bytes=256 * 1024,
)
ROOM: Final = 1200 * 1024
REFUSALS: Final = {10047, 10077, 10167}  # no room, store failed, too many wait


class Fault(NamedTuple):
    """Calls of one kind fail from the `first` on, `times` of them."""

    kind: str
    first: int
    times: int
    opening: bool  # already while the store is opened


class Disk:
    """What the preloaded library offers."""

    def __init__(self) -> None:
        self._library = ctypes.CDLL(None)
        self._library.fail_seen.restype = ctypes.c_long

    def root(self, path: Path) -> None:
        self._library.fail_root(os.fsencode(path))

    def fail(self, kind: str, first: int, times: int, number: int = errno.EIO) -> None:
        self._library.fail_arm(
            KINDS.index(kind), ctypes.c_long(first), ctypes.c_long(times), number
        )

    def heal(self) -> None:
        self._library.fail_arm(-1, ctypes.c_long(0), ctypes.c_long(0), 0)
        self.room(-1)

    def room(self, size: int) -> None:
        self._library.fail_room(ctypes.c_long(size))

    def seen(self) -> int:
        return int(self._library.fail_seen())


@dataclass
class Told:
    """What clients were answered."""

    stored: dict[int, bytes] = field(default_factory=dict)
    deleted: set[int] = field(default_factory=set)
    doubtful: set[int] = field(default_factory=set)  # whose deletion was asked for
    asked: list[tuple[str, Any, list[Msg]]] = field(default_factory=list)
    errors: Counter[int] = field(default_factory=Counter)
    faults: list[str] = field(default_factory=list)

    def hear(self) -> None:
        """Take in the answers that have come."""
        waiting = []
        for what, of, answers in self.asked:
            if not answers:
                waiting.append((what, of, answers))
                continue
            answer = json.loads(answers[0].payload)
            error = answer.get("error")
            if error is not None:
                self.errors[error["err_code"]] += 1
                if error["err_code"] not in REFUSALS and what != "delete":
                    self.faults.append(f"{what} was answered {error}")
            elif what == "store":
                if answer["seq"] in self.stored:
                    self.faults.append(f"sequence {answer['seq']} was given twice")
                self.stored[answer["seq"]] = of
            elif what == "delete":
                self.deleted.add(of)
        self.asked = waiting


def fresh(directory: Path, disk: Disk) -> RealWorld:
    """Return a world with a stream, a queue and its consumer, and some messages in them."""
    shutil.rmtree(directory, ignore_errors=True)
    directory.mkdir()
    disk.root(directory)
    world = RealWorld(directory, BOUNDS)
    world.create_stream("S", subjects=["s.>"], allow_direct=True)
    world.create_stream("W", subjects=["w"], retention="workqueue")
    world.create_consumer("W", "C", ack_wait=3600 * NS_PER_S)
    return world


def work(world: RealWorld, told: Told, turns: int, size: int = 40) -> None:
    """Publish, delete, fetch and ack, and note what is answered."""
    for turn in range(turns):
        payload = b"%d " % turn + b"x" * size
        told.asked.append(("store", payload, world.request(f"s.{turn % 5}", payload)))
        told.asked.append(("queue", None, world.request("w", b"job")))
        world.settle()
        told.hear()
        if turn % 4 == 3 and told.stored:
            seq = min(told.stored.keys() - told.deleted, default=0)
            body = json.dumps({"seq": seq}).encode()
            answers = world.request("$JS.API.STREAM.MSG.DELETE.S", body)
            told.doubtful.add(seq)
            told.asked.append(("delete", seq, answers))
        if turn % 3 == 2:
            for message in world.fetch(2, "W", "C"):
                if message.reply:
                    world.publish(message.reply.decode(), b"+ACK")
        world.clock.advance(NS_PER_S // 4)
        world.settle()
        told.hear()


def missing(world: RealWorld, told: Told) -> list[str]:
    """Return what was promised and is not so."""
    faults = []
    for seq, payload in told.stored.items():
        found: list[Any] = []
        world.store.streams()[0].store.get(seq, found.append)
        world.settle()
        if not found:
            faults.append(f"message {seq} cannot be read")
        elif found[0] is None and seq not in told.deleted | told.doubtful:
            faults.append(f"message {seq} is lost")
        elif found[0] is not None and found[0].payload != payload:
            faults.append(f"message {seq} is another")
        elif found[0] is not None and seq in told.deleted:
            faults.append(f"message {seq} is back")
    return faults + [f"set aside: {problem}" for _, _, problem in world.disk_world.damage]


def recovered(world: RealWorld, disk: Disk, told: Told) -> list[str]:
    """Let the disk work again; return what is wrong before and after a restart."""
    disk.heal()
    for _ in range(4):
        world.clock.advance(limits.STORE_RETRY_MAX_NS)
        world.settle()
    told.hear()
    if world.store.failed() is not None:
        return [f"it does not come back: {world.store.failed()}"]
    faults = [f"{what} was never answered" for what, _, _ in told.asked] + missing(world, told)
    before = len(told.stored)
    work(world, told, 2)
    if len(told.stored) != before + 2:
        faults.append(f"it takes nothing: {dict(told.errors)}")
    world.restart()
    faults += missing(world, told)
    world.disk_world.close()
    return faults + integrity_problems(world.disk_world.store._path) + told.faults


def try_one(directory: Path, disk: Disk, fault: Fault) -> tuple[list[str], Counter[int]]:
    """Let one call fail, or all from one on."""
    world, told = fresh(directory, disk), Told()
    try:
        work(world, told, 4)
        disk.fail(fault.kind, fault.first, fault.times)
        if fault.opening:
            world.disk_world.close()
            world = _opened(directory, disk, told)
        work(world, told, TURNS)
        for _ in range(2):  # it tries again, and fails again if that lasts
            world.clock.advance(NS_PER_S)
            world.settle()
        return recovered(world, disk, told), told.errors
    finally:
        disk.heal()


def _opened(directory: Path, disk: Disk, told: Told) -> RealWorld:
    """Open the store; a second time when the disk works again."""
    try:
        world = RealWorld(directory, BOUNDS)
    except StoreError as error:
        told.errors[0] += 1
        if "\n" in str(error):
            told.faults.append(f"more than a line: {error}")
        disk.heal()
        world = RealWorld(directory, BOUNDS)
    if not world.ready:  # a server serves nobody before
        disk.heal()
        world.clock.advance(limits.STORE_RETRY_MAX_NS)
        world.settle()
    if not world.ready:
        told.faults.append("the start does not end")
    return world


def calls(directory: Path, disk: Disk, kind: str, *, opening: bool) -> int:
    """Return how many calls of this kind a run without a fault makes."""
    world, told = fresh(directory, disk), Told()
    work(world, told, 4)
    disk.fail(kind, LASTING, 0)
    if opening:
        world.disk_world.close()
        world = RealWorld(directory, BOUNDS)
    else:
        work(world, told, TURNS)
    seen = disk.seen()
    disk.heal()
    world.disk_world.close()
    return seen


def fill(directory: Path, disk: Disk, rng: random.Random) -> tuple[list[str], Counter[int]]:
    """Fill a small disk: refused in the server's words, removals go on, and so does all later."""
    world, told, faults = fresh(directory, disk), Told(), []
    disk.room(ROOM + rng.randrange(64 * 1024))
    for _ in range(60):
        work(world, told, 4, size=8000)
        if told.errors:
            break
    if set(told.errors) != {10047}:
        faults.append(f"a full disk is told as {dict(told.errors)}")
    faults += missing(world, told)
    acked = len(told.stored)
    for endpoint, body in (
        ("STREAM.MSG.DELETE.S", {"seq": max(told.stored)}),
        ("STREAM.PURGE.S", {"filter": "s.1"}),
        ("CONSUMER.CREATE.W.D", {"stream_name": "W", "config": {"durable_name": "D"}}),
    ):
        answer = world.api(endpoint, body)
        # A work queue has one consumer without a filter: the answer is the rules', not the disk's.
        if "error" in answer and answer["error"]["err_code"] in REFUSALS:
            faults.append(f"{endpoint} on a full disk: {answer['error']}")
    kept = {seq: payload for seq, payload in told.stored.items() if seq != max(told.stored)}
    told.stored = {seq: one for seq, one in kept.items() if int(one.split(b" ")[0]) % 5 != 1}
    world.api("STREAM.PURGE.S", {"keep": 5})
    left = sorted(told.stored)[-2:]
    told.stored = {seq: told.stored[seq] for seq in left}
    for _ in range(3):  # what was purged is room again, without anyone else giving some
        world.clock.advance(limits.STORE_RETRY_MAX_NS)
        world.settle()
    if world.store.failed() is not None:
        faults.append(f"room came back and is not taken: {world.store.failed()}")
    told.errors.clear()
    work(world, told, 2, size=100)
    if told.errors:
        faults.append(f"after the purge it says {dict(told.errors)}")
    if not acked:
        faults.append("nothing was stored, so nothing was shown")
    return faults + recovered(world, disk, told), told.errors


def run(runs: int, seed: int, root: Path) -> list[str]:
    """Try `runs` faults, chosen evenly over all calls that may fail."""
    logging.disable(logging.CRITICAL)
    disk, rng, faults = Disk(), random.Random(seed), []
    chosen: list[Fault] = []
    for opening in (False, True):
        for kind in KINDS:
            most = calls(root / "count", disk, kind, opening=opening)
            chosen += [
                Fault(kind, n, times, opening) for n in range(1, most + 1) for times in (1, LASTING)
            ]
    found: Counter[str] = Counter()
    tried = chosen if runs >= len(chosen) else rng.sample(chosen, runs)
    for fault in tried:
        problems, errors = try_one(root / "store", disk, fault)
        faults += [f"{fault}: {problem}" for problem in problems]
        found[f"{fault.kind} {'with' if errors else 'without'} an error told"] += 1
    for _ in range(max(1, runs // 30)):
        problems, _ = fill(root / "full", disk, rng)
        faults += [f"full disk: {problem}" for problem in problems]
    print(f"{len(tried)} of {len(chosen)} calls that may fail: {dict(sorted(found.items()))}")
    return faults


def lie() -> None:
    """Let the store take every commit for done: what it promises then has to be found false."""
    from leafnode.store.commit import Outcome
    from leafnode.store.writer import Writer

    Writer._undo = lambda *_: Outcome()  # type: ignore[method-assign]


def preloaded(
    runs: int, seed: int, directory: Path, *more: str
) -> subprocess.CompletedProcess[str]:
    """Run this program under the library."""
    return subprocess.run(
        [sys.executable, "-m", "tests.faults.failing", "--runs", str(runs), "--seed", str(seed),
         "--in", str(directory), *more],
        env={**os.environ, "LD_PRELOAD": str(built("failing.c", directory))},
        stdout=subprocess.PIPE,
        text=True,
        check=False,
    )  # fmt: skip


def main() -> int:
    parser = argparse.ArgumentParser(description="let calls to the disk fail, one at a time")
    parser.add_argument("--runs", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--in", dest="directory", help=argparse.SUPPRESS)
    parser.add_argument("--lie", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.directory is None:
        with tempfile.TemporaryDirectory() as directory:
            done = preloaded(arguments.runs, arguments.seed, Path(directory))
        print(done.stdout)
        return done.returncode
    if arguments.lie:
        lie()
    faults = run(arguments.runs, arguments.seed, Path(arguments.directory))
    print("\n".join(faults[:40]))
    print(f"{len(faults)} faults")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
