"""Flipped bits: a store with one in its files tells nothing wrong, and says what it lacks.

    python -m tests.faults.bitflip --flips 10000 --seed 1

Two stores are made, one that was closed and one whose process was killed (with a write-ahead log).
For each flip a copy gets one wrong bit, half of the time anywhere, half of the time where SQLite
keeps its own numbers; every tenth is cut short instead. The copy is then opened, read in every
way, written to, scrubbed, closed and opened again. Either it is refused, in one line and left as it
is, or each stream is whole or set aside. `leafnode store verify` has to find each that was not
whole. Only a log that is cut short, or damaged in its last transaction, looks like one that a power
cut tore: then the store is an earlier one.
"""

from __future__ import annotations

import argparse
import logging
import random
import shutil
import sys
import tempfile
from collections import Counter
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from leafnode import limits
from leafnode.errors import StoreBusy, StoreCorrupt, StoreError
from leafnode.store.inspect import Inspection
from leafnode.store.schema import FILE_NAME
from leafnode.store.verify import verify
from tests.sim.committer import SMALL, FaultyDisk, open_store, read_all

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable

    from leafnode.store.api import ConsumerRecord, StoredMsg, StreamStore
    from tests.sim.committer import StoreWorld

BOUNDS = replace(SMALL, segment_rows_max=16, tail_cache_bytes=0, segment_cache_bytes=0)
WAL_NAME = FILE_NAME + "-wal"
PAGE = 4096
WAL_HEAD, FRAME_HEAD = 32, 24
CUT_SHORT = 10  # one in so many
GET_STEP = 7
SUBJECTS = 7
Key = tuple[str, str]


class Held(NamedTuple):
    """What a stream has to be."""

    config: bytes
    created_ns: int
    first_seq: int
    last_seq: int
    messages: dict[int, StoredMsg]
    consumers: list[ConsumerRecord]


class QuickDisk(FaultyDisk):
    """A disk that nobody waits for: nothing here is about what is durable."""

    def execute(
        self, run: Callable[[str, Any], sqlite3.Cursor], sql: str, parameters: Any
    ) -> sqlite3.Cursor:
        return run(sql.replace("synchronous=FULL", "synchronous=OFF"), parameters)


def opened(directory: Path) -> StoreWorld:
    return open_store(directory, BOUNDS, disk=QuickDisk())


class Flip(NamedTuple):
    """One wrong bit in a file, or (`bit` -1) the file cut off there."""

    name: str
    offset: int
    bit: int

    def apply(self, directory: Path) -> None:
        path = directory / self.name
        with path.open("r+b") as file:
            if self.bit < 0:
                file.truncate(self.offset)
                return
            file.seek(self.offset)
            byte = file.read(1)[0]
            file.seek(self.offset)
            file.write(bytes([byte ^ 1 << self.bit]))


@dataclass
class Report:
    """What became of the flips."""

    outcomes: Counter[str] = field(default_factory=Counter)
    faults: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        outcomes = ", ".join(f"{count} {name}" for name, count in sorted(self.outcomes.items()))
        return f"{sum(self.outcomes.values())} flips: {outcomes}; {len(self.faults)} faults"


def make(root: Path) -> dict[Path, dict[Key, Held]]:
    """Make both stores; return what is in them."""
    closed, killed = root / "closed", root / "killed"
    world = opened(closed)
    work(world, 120)
    world.close()
    shutil.copytree(closed, root / "growing")
    world = opened(root / "growing")
    work(world, 60)
    shutil.copytree(root / "growing", killed)
    world.close()
    for directory in (closed, killed):
        for name in ("leafnode.lock", "leafnode.reserve", FILE_NAME + "-shm"):
            (directory / name).unlink(missing_ok=True)
    return {directory: hold(directory) for directory in (closed, killed)}


def work(world: StoreWorld, count: int) -> None:
    """Store messages one transaction at a time, with what else streams have."""
    known = {record.name: record.store for record in world.store.streams()}
    for account, name in (("A", "S"), ("A", "KV"), ("B", "S2")):
        if name not in known:
            config = b'{"name":"%s","max_msgs":1000}' % name.encode()
            known[name] = world.store.create_stream(account, name, config, 77, 1)
            world.store.put_consumer(account, name, "C", 78, b'{"durable":"C"}', b"\x01\x02\x03")
    for turn in range(count):
        for share, stream in enumerate(known.values()):
            if turn % (1 + 3 * share):
                continue
            seq = stream.last_seq() + 1
            size = 6000 if seq % 40 == 0 else seq * 13 % 500
            header = b"NATS/1.0\r\nn:%d\r\n\r\n" % seq if seq % 3 == 0 else b""
            subject = b"s.%d.x" % (seq % SUBJECTS)
            stream.append(subject, len(header), header + b"%d " % seq + b"x" * size, 10**9 + seq)
        if turn % 20 == 19:
            stream = known["S"]
            stream.remove([stream.last_seq() - 3, stream.last_seq() - 9])
        world.store.put_consumer_state("A", "S", "C", b"%d" % turn)
        world.settle()
    for stream in known.values():
        stream.remove_below(stream.state().first_seq + 5)
    world.settle()


def hold(directory: Path) -> dict[Key, Held]:
    """Return what a copy of a sound store holds."""
    copy = directory.with_name("copy")
    shutil.copytree(directory, copy)
    world = opened(copy)
    held = {}
    for record in world.store.streams():
        state = record.store.state()
        messages = {one.seq: one for one in read_all(record.store, world.settle, state.first_seq)}
        assert len(messages) == state.msgs > 0
        held[record.account, record.name] = Held(
            *(record.config, record.created_ns, state.first_seq, state.last_seq, messages),
            world.store.consumers(record.account, record.name),
        )
    world.close()
    shutil.rmtree(copy)
    return held


def flips(directory: Path, count: int, rng: random.Random) -> list[Flip]:
    """Choose what is done to the files of one store."""
    files = {
        name: (directory / name).stat().st_size
        for name in (FILE_NAME, WAL_NAME)
        if (directory / name).exists()
    }
    chosen = []
    for number in range(count):
        name = rng.choice(list(files))
        size = files[name]
        offset = rng.randrange(size)
        if number % CUT_SHORT == CUT_SHORT - 1:
            chosen.append(Flip(name, offset, -1))
            continue
        if rng.random() < 0.5:  # the head of a page, of the file, or of a frame
            head, unit = (0, PAGE) if name == FILE_NAME else (WAL_HEAD, PAGE + FRAME_HEAD)
            offset = head + rng.randrange((size - head) // unit) * unit
            offset += rng.randrange(100)
        chosen.append(Flip(name, min(offset, size - 1), rng.randrange(8)))
    return chosen


def try_all(stores: dict[Path, dict[Key, Held]], count: int, seed: int) -> Report:
    """Flip `count` bits, one at a time."""
    rng = random.Random(seed)
    report = Report()
    for directory, held in stores.items():
        for flip in flips(directory, count // len(stores), rng):
            try_one(directory, held, flip, report)
    return report


def try_one(directory: Path, held: dict[Key, Held], flip: Flip, report: Report) -> None:
    """Apply one flip to a copy and judge what the store makes of it."""
    copy = directory.with_name("flipped")
    shutil.copytree(directory, copy)
    flip.apply(copy)
    found = verified(copy)
    for name in (FILE_NAME + "-shm", WAL_NAME):  # what it left beside a store that had none
        if not (directory / name).exists():
            (copy / name).unlink(missing_ok=True)
    outcome, faults = judge(copy, held)
    if outcome == "whole" and faults and may_cut_back(directory, flip):
        shutil.rmtree(copy)
        shutil.copytree(directory, copy)
        flip.apply(copy)
        outcome, faults = "cut back", earlier(copy, held)
    elif outcome != "whole" and not found:
        faults.append(f"verify finds nothing, but it is {outcome}")
    if outcome == "whole" and found:
        outcome = "whole, but not for verify"
    report.outcomes[outcome] += 1
    if faults:
        report.faults.append(f"{directory.name}: {flip}: {outcome}: {'; '.join(faults[:3])}")
    shutil.rmtree(copy)


def may_cut_back(directory: Path, flip: Flip) -> bool:
    """Say whether this looks like a transaction that was never finished."""
    if flip.name != WAL_NAME:
        return False
    log = (directory / WAL_NAME).read_bytes()
    commits = [
        at
        for at in range(WAL_HEAD, len(log) - PAGE, PAGE + FRAME_HEAD)
        if log[at + 8 : at + 16] == log[16:24] and any(log[at + 4 : at + 8])  # salts, pages
    ]
    return flip.bit < 0 or flip.offset >= commits[-2]


def earlier(directory: Path, held: dict[Key, Held]) -> list[str]:
    """Look at a store that may lack what came last, and nothing else."""
    world = opened(directory)
    faults = [str(problem) for _, _, problem in world.damage]
    for record in world.store.streams():
        want = held[record.account, record.name].messages
        for one in read_all(record.store, world.settle):
            if want.get(one.seq, one) != one:
                faults.append(f"served another message {one.seq}")
    world.close()
    return faults


def verified(directory: Path) -> list[str]:
    """Return what `leafnode store verify` finds."""
    try:
        with Inspection(directory / FILE_NAME) as inspection:
            verdicts = [one for one in verify(inspection) if one is not None]
    except StoreError as error:
        return [str(error)]
    return [problem for one in verdicts for problem in one.problems]


def judge(directory: Path, held: dict[Key, Held]) -> tuple[str, list[str]]:
    """Return how the store fares, and what is wrong about that."""
    before = {
        name: (directory / name).read_bytes()
        for name in (FILE_NAME, WAL_NAME)
        if (directory / name).exists()
    }
    try:
        world = opened(directory)
    except StoreError as error:
        faults = [] if "\n" not in str(error) and FILE_NAME in str(error) else [f"refused: {error}"]
        for name, data in before.items():
            if name == FILE_NAME and WAL_NAME in before:
                continue  # pages of the log may have been brought over
            if (directory / name).read_bytes() != data:
                faults.append(f"{name} was changed, and refused: {error}")
        return "refused", faults
    faults = examine(world, held)
    damaged = bool(world.damage)
    use(world)
    damaged |= bool(world.damage)
    if world.store.failed() is not None:
        faults.append(f"the store failed: {world.store.failed()}")
    try:
        world.close()
        world = opened(directory)
    except StoreError as error:
        return "refused later", [f"it was opened once and then refused: {error}"]
    faults += [fault for fault in examine(world, held) if fault not in faults]
    damaged |= bool(world.damage)
    world.close()
    return "set aside" if damaged else "whole", faults


def examine(world: StoreWorld, held: dict[Key, Held]) -> list[str]:
    """Read everything in every way; nothing may differ but what is set aside."""
    faults = []
    records = {(record.account, record.name): record for record in world.store.streams()}
    for key in records.keys() - held.keys():
        if records[key].store.damage() is None:
            faults.append(f"stream {key} never was")
    for key, want in held.items():
        record = records.get(key)
        if record is None and any(one.store.damage() for one in records.values()):
            continue  # set aside under a name that is damaged
        if record is None:
            faults.append(f"stream {key} is gone")
            continue
        wrong = differences(world, record.store, want)
        if record.config != want.config or record.created_ns != want.created_ns:
            wrong.append("its configuration is another")
        if world.store.consumers(*key) != want.consumers:
            wrong.append("its consumers are others")
        # What is served wrong is a fault whatever is said later; what lacks has to be said.
        faults += [
            f"{key}: {one}"
            for one in wrong
            if one.startswith("served") or record.store.damage() is None
        ]
    return faults


def differences(world: StoreWorld, stream: StreamStore, want: Held) -> list[str]:
    wrong = []
    got = read_all(stream, world.settle, want.first_seq)
    found: list[StoredMsg | None] = []
    for seq in list(want.messages)[::GET_STEP]:
        stream.get(seq, found.append)
        world.settle()
    newest: dict[bytes, StoredMsg] = {one.subject: one for one in want.messages.values()}
    for subject, message in newest.items():
        last: list[StoredMsg | None] = []
        stream.last(subject, last.append)
        world.settle()
        found += last
        if last == [None]:
            wrong.append(f"nothing on {subject!r}")
        elif last[0] is not None and last[0].seq != message.seq:
            wrong.append(f"message {last[0].seq} is the last on {subject!r}")
    for one in [*got, *found]:
        if one is not None and want.messages.get(one.seq) not in {None, one}:
            wrong.append(f"served another message {one.seq}")
        if one is not None and one.seq not in want.messages and one.seq <= want.last_seq:
            wrong.append(f"served the removed message {one.seq}")
    there = [one for one in got if one.seq <= want.last_seq]
    if len(there) != len(want.messages) or found.count(None):
        wrong.append(f"{len(there)} of {len(want.messages)} messages")
    try:
        wrong += counted(stream, want, newest)
    except StoreCorrupt:
        world.settle()
    except StoreBusy:  # what SQLite calls malformed may be that; it is looked into
        world.settle()
        if stream.damage() is None:
            wrong.append("its counts cannot be had")
    return wrong


def counted(stream: StreamStore, want: Held, newest: dict[bytes, StoredMsg]) -> list[str]:
    """Compare what it answers from memory and from its indexes."""
    state = stream.state()
    more = state.last_seq - want.last_seq
    if (state.msgs, state.first_seq) != (len(want.messages) + more, want.first_seq):
        return [f"its state is {state}"]
    if {name for name, _ in stream.subjects(b"s.>")} != set(newest):
        return ["its subjects are others"]
    middle = (want.first_seq + want.last_seq) // 2
    expected = sum(seq >= middle for seq in want.messages)
    if stream.num_pending([], middle) != expected + more:
        return ["its counts are others"]
    subject = next(iter(newest))
    expected = sum(one.subject == subject and seq >= middle for seq, one in want.messages.items())
    return [] if stream.num_pending([subject], middle) == expected else ["its counts are others"]


def use(world: StoreWorld) -> None:
    """Write to every stream that takes it; one that needs a damaged page is set aside at the second
    failure, the others go on.
    """
    for record in world.store.streams():
        for _ in range(2):
            try:
                record.store.append(b"new", 0, b"new", 10**10)
            except StoreError:
                break
            world.settle()
            if world.store.failed() is None:
                break
            world.clock.advance(limits.STORE_RETRY_NS)
            world.settle()


def main() -> int:
    parser = argparse.ArgumentParser(description="flip bits in a store's files, one at a time")
    parser.add_argument("--flips", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    logging.disable(logging.CRITICAL)
    with tempfile.TemporaryDirectory() as directory:
        report = try_all(make(Path(directory)), arguments.flips, arguments.seed)
    print("\n".join(report.faults[:40]))
    print(report)
    return 1 if report.faults else 0


if __name__ == "__main__":
    sys.exit(main())
