"""Power cuts at file level: what a store wrote is played again up to a moment, and opened.

    python -m tests.faults.powercut --cuts 3000 --seed 1

A child works on a real store under a recorder (powercut.c). For a cut after any operation, three
disks are made up: `written` has all (the process died), `synced` only what a barrier covered, and
`torn` that and a random choice of the rest, in any order, torn at sectors. Each must open whole,
with everything that was acknowledged before the cut, no atomic batch in part, and consumers'
records as the messages they were staged with. A second child is JetStream with its own features
(powercut_api.py). The last lines are control runs: with synchronous=NORMAL cuts have to find
losses, else they find nothing.
"""

from __future__ import annotations

import argparse
import os
import random
import shutil
import sqlite3
import struct
import subprocess
import sys
import tempfile
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from leafnode.errors import StoreError
from tests.faults import powercut_api
from tests.faults.preload import built, integrity_problems
from tests.sim.committer import open_store, read_all

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    Log = list[tuple[int, str, int, bytes, str]]
    Judge = Callable[[Path, list[bytes]], str]

    from tests.sim.committer import StoreWorld

NAME, CREATE, WRITE, SIZE, SYNC, SYNC_DIR, RENAME, UNLINK, PROMISE = range(1, 10)
RECORD = struct.Struct("=BIQQ")
SECTOR = 512
MODELS = ("written", "synced", "torn")
TURNS = 150
BATCH = 6  # messages of an atomic batch
STEP = 5  # a position is stored with every fifth message


@dataclass
class File:
    """What a program sees of a file, what a cut cannot take back, and the writes between."""

    seen: bytearray = field(default_factory=bytearray)
    durable: bytearray = field(default_factory=bytearray)
    pending: list[tuple[int, int, bytes]] = field(default_factory=list)


class Disk:
    """A directory whose names and bytes are as durable as the barriers made them."""

    def __init__(self) -> None:
        self.live: dict[str, File] = {}
        self.durable: dict[str, File] = {}

    def step(self, operation: int, name: str, offset: int, data: bytes, target: str) -> None:
        if operation == CREATE:
            self.live[name] = File()
        elif operation in (WRITE, SIZE):
            file = self.live.setdefault(name, File())
            change(file.seen, operation, offset, data)
            file.pending.append((operation, offset, data))
        elif operation == SYNC and name in self.live:
            file = self.live[name]
            file.durable = bytearray(file.seen)
            file.pending.clear()
            self._forget(file)
            self.durable[name] = file  # a new file's name comes with its first fsync
        elif operation == SYNC_DIR:
            self.durable = dict(self.live)
        elif operation == UNLINK:
            self.live.pop(name, None)
        elif operation == RENAME:
            self.live[target] = self.live.pop(name)

    def _forget(self, file: File) -> None:
        self.durable = {name: one for name, one in self.durable.items() if one is not file}

    def image(self, model: str, rng: random.Random) -> dict[str, bytes]:
        """Return what is there after a cut: the bytes of each file."""
        if model == "written":
            return {name: bytes(file.seen) for name, file in self.live.items()}
        if model == "synced":
            return {name: bytes(file.durable) for name, file in self.durable.items()}
        names = dict(self.durable)
        for name, file in self.live.items():
            if names.get(name) is not file and rng.random() < 0.5:  # made or renamed since
                names = {old: one for old, one in names.items() if one is not file}
                names[name] = file
        living = list(map(id, self.live.values()))
        for name, file in self.durable.items():
            if id(file) not in living and names.get(name) is file and rng.random() < 0.5:
                del names[name]
        return {name: torn(file, rng) for name, file in names.items()}


def change(image: bytearray, operation: int, offset: int, data: bytes) -> None:
    """Do one write, or one change of size, to an image."""
    if len(image) < offset:
        image.extend(bytes(offset - len(image)))
    if operation == WRITE:
        image[offset : offset + len(data)] = data
    else:
        del image[offset:]


def torn(file: File, rng: random.Random) -> bytes:
    """Return the durable bytes with some of the later writes, in any order, some cut at sectors."""
    image = bytearray(file.durable)
    chosen = [one for one in file.pending if rng.random() < 0.6]
    if rng.random() < 0.5:
        rng.shuffle(chosen)
    for operation, offset, data in chosen:
        if operation == WRITE and len(data) > SECTOR and rng.random() < 0.3:
            for at in range(0, len(data), SECTOR):
                if rng.random() < 0.5:
                    change(image, WRITE, offset + at, data[at : at + SECTOR])
        else:
            change(image, operation, offset, data)
    return bytes(image)


def record(directory: Path, mode: str, turns: int = TURNS) -> Log:
    """Let a child work on a store below `directory`, and return what it did to the disk."""
    return recorded(directory, mode, ["-m", "tests.faults.powercut_store"], [turns, BATCH, STEP])


def record_api(directory: Path, mode: str, turns: int = powercut_api.TURNS) -> Log:
    """The same of JetStream."""
    return recorded(directory, mode, ["-m", "tests.faults.powercut_api"], [turns])


def recorded(directory: Path, mode: str, program: list[str], numbers: list[int]) -> Log:
    library = built("powercut.c", directory)
    root, log = directory / f"store-{mode}", directory / f"log-{mode}"
    shutil.rmtree(root, ignore_errors=True)
    log.unlink(missing_ok=True)
    root.mkdir()
    subprocess.run(
        [sys.executable, *program, root, mode, *map(str, numbers)],
        check=True,
        stdout=subprocess.DEVNULL,
        env={**os.environ, "LD_PRELOAD": str(library), "CUT_ROOT": str(root), "CUT_LOG": str(log)},
    )
    return list(operations(log.read_bytes(), str(root)))


def operations(log: bytes, root: str) -> Iterator[tuple[int, str, int, bytes, str]]:
    """Yield operation, file below the root, offset, data, and the new name of a rename."""
    names: dict[int, str] = {0: ""}
    at = 0
    while at < len(log):
        operation, number, offset, size = RECORD.unpack_from(log, at)
        at += RECORD.size
        data = log[at : at + size] if operation in (NAME, WRITE, PROMISE) else b""
        at += len(data)
        if operation == NAME:
            names[number] = data.decode()[len(root) + 1 :]
        else:
            target = names[offset] if operation == RENAME else ""
            yield operation, names[number], offset, data, target


def cut(log: Log, cuts: int, seed: int, judge: Judge | None = None) -> tuple[list[str], int, int]:
    """Cut the power at `cuts` random moments; return the faults, the barriers and the promises."""
    rng = random.Random(seed)
    moments = Counter(rng.randrange(len(log) + 1) for _ in range(cuts - 1))
    moments[len(log)] += 1  # the end, where the most is promised
    disk, faults, barriers = Disk(), [], 0
    promised: list[bytes] = []
    judge = judge or judge_store
    memory = "/dev/shm"  # images are many and short-lived
    with tempfile.TemporaryDirectory(dir=memory if os.access(memory, os.W_OK) else None) as scratch:
        for moment in range(len(log) + 1):
            for again in range(moments[moment]):
                for model in MODELS:
                    image = disk.image(model, random.Random(f"{seed}/{moment}/{again}/{model}"))
                    problem = opened(Path(scratch) / "store", image, promised, judge)
                    faults += [f"{model}, cut {moment}, seed {seed}: {problem}"] if problem else []
            if moment < len(log):
                operation, _, _, data, _ = log[moment]
                barriers += operation in (SYNC, SYNC_DIR)
                if operation == PROMISE:
                    promised.append(data)
                else:
                    disk.step(*log[moment])
    return faults, barriers, len(promised)


def opened(directory: Path, image: dict[str, bytes], promised: list[bytes], judge: Judge) -> str:
    """Make a directory out of an image; return what is wrong with it, empty if nothing is."""
    shutil.rmtree(directory, ignore_errors=True)
    directory.mkdir(mode=0o700)
    for name, data in image.items():
        if name and not name.endswith("-shm"):
            (directory / name).write_bytes(data)
    try:
        return judge(directory, promised)
    except (StoreError, sqlite3.Error) as error:
        return f"it does not open: {error}"


def judge_store(directory: Path, promised: list[bytes]) -> str:
    acked, first = map(int, promised[-1].split(b"\n")[-2].split()) if promised else (0, 0)
    world = open_store(directory)
    try:
        return examine(world, directory, acked, first)
    finally:
        world.close()


def examine(world: StoreWorld, directory: Path, acked: int, first: int) -> str:
    streams = world.store.streams()
    if not streams:
        return f"no stream, {acked} acknowledged" if acked else ""
    stream = streams[0].store
    state = stream.state()
    if state.last_seq < acked or state.first_seq < first:
        return f"{acked} acknowledged from {first} on, it has {state.first_seq}-{state.last_seq}"
    messages = read_all(stream, world.settle, state.first_seq)
    problems = [] if len(messages) == state.msgs else [f"{len(messages)} of {state.msgs} read"]
    groups: Counter[int] = Counter()
    for message in messages:
        seq, group, filler = message.body.split(b" ")
        groups[int(group)] += 1
        if int(seq) != message.seq or filler != b"x" * (message.seq % 900):
            problems.append(f"message {message.seq} is another")
    newest = int(messages[-1].body.split(b" ")[1]) if messages else 0
    if newest and newest % 10 and groups[newest] != BATCH:
        problems.append(f"{groups[newest]} messages of atomic batch {newest}")
    states = {one.name: int(one.state) for one in world.store.consumers("A", "S")}
    if state.last_seq and states["position"] != state.last_seq - state.last_seq % STEP:
        problems.append(f"position {states['position']} with message {state.last_seq}")
    if states.get("acks", 0) > state.last_seq:
        problems.append(f"acks up to {states['acks']}, messages up to {state.last_seq}")
    problems += integrity_problems(directory / "leafnode.db")
    return "; ".join(problems + [str(one) for one in world.damage])


def main() -> int:
    parser = argparse.ArgumentParser(description="cut the power of a store, many times")
    parser.add_argument("--cuts", type=int, default=3000, help="disks to look at")
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    failed = False
    each = max(1, arguments.cuts // len(MODELS))
    with tempfile.TemporaryDirectory() as directory:
        for what, recording, judge in (
            ("the store", record, judge_store),
            ("JetStream", record_api, powercut_api.judge),
        ):
            log = recording(Path(directory), "FULL")
            faults, barriers, promises = cut(log, each, arguments.seed, judge)
            print("\n".join(faults[:20]))
            print(
                f"{what}: {len(log)} operations, {barriers} barriers, {promises} acknowledgements, "
                f"{each * len(MODELS)} cuts: {len(faults)} faults"
            )
            log = recording(Path(directory), "NORMAL")
            control, _, _ = cut(log, max(1, each // 10), arguments.seed, judge)
            print(f"control with synchronous=NORMAL: {len(control)} faults")
            failed |= bool(faults) or not control
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
