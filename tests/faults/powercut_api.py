"""Power cuts under JetStream's own features: what the child of powercut.py does, and its judge.

The child runs JetStream's API on a store, on virtual time, and writes a line for each promise: the
answer that a client got. The judge starts JetStream on what a cut left, lets time pass, and holds
the streams to the promises: plain messages with a limit of one a subject, atomic batches, counters,
schedules, a work queue with its acks, messages whose end leaves a marker, a mirror and a source.
"""

from __future__ import annotations

import json
import os
import sys
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from leafnode.clock import NS_PER_S
from leafnode.go_time import format_time
from leafnode.protocol import header
from leafnode.store import schema
from tests.sim.committer import SMALL, read_all
from tests.unit.jetstream.real_world import RealWorld

if TYPE_CHECKING:
    from leafnode.store.api import StoredMsg

BOUNDS: Final = replace(SMALL, segment_rows_max=24)
TURNS: Final = 40
BATCH: Final = 4
TTL_S: Final = 3600  # of messages and of what marks their end
DUE_S: Final = 10
SETTLE_S: Final = 60
STREAMS: Final[dict[str, dict[str, Any]]] = {
    "O": {"subjects": ["o.>"], "allow_atomic": True},
    "M": {"mirror": {"name": "O"}},
    "X": {"sources": [{"name": "O"}]},
    "N": {"subjects": ["n.>"], "allow_msg_counter": True},
    "D": {"subjects": ["d.>", "due.>"], "allow_msg_schedules": True},
    "W": {"subjects": ["w"], "retention": "workqueue"},
    "T": {
        "subjects": ["t.>"],
        "allow_msg_ttl": True,
        "subject_delete_marker_ttl": TTL_S * NS_PER_S,
        "allow_rollup_hdrs": True,
    },
}


def promise(*what: object) -> None:
    os.write(1, json.dumps(what).encode() + b"\n")


def work(directory: Path, mode: str, turns: int) -> None:
    """Be the child."""
    schema.WRITER_PRAGMAS = tuple(  # type: ignore[misc]
        one.replace("synchronous=FULL", "synchronous=" + mode).replace(
            "autocheckpoint=1000", "autocheckpoint=60"
        )
        for one in schema.WRITER_PRAGMAS
    )
    world = RealWorld(directory, BOUNDS)
    for name, config in STREAMS.items():
        answer = world.api(f"STREAM.CREATE.{name}", {"name": name, **config})
        assert "error" not in answer, answer
    world.create_consumer("W", "C", ack_wait=3600 * NS_PER_S)
    promise("made", world.clock.wall_ns())
    world.clock.advance(NS_PER_S)
    world.settle()
    for turn in range(1, turns + 1):
        promise("time", world.clock.wall_ns())
        _publish(world, turn)
        if turn % 2:
            _batch(world, turn)
        _acks(world)
        world.clock.advance(NS_PER_S)
        world.settle()
    os._exit(0)  # the power fails with everything as it is


def _publish(world: RealWorld, turn: int) -> None:
    body = b"%d " % turn + b"x" * (turn * 37 % 300)
    answer = world.put(f"o.{turn % 5}", body)
    promise("o", answer["seq"], body.decode())
    answer = world.put(f"n.{turn % 2}", headers={"Nats-Incr": f"+{turn}"})
    promise("n", answer["seq"], answer["val"])
    at = format_time(world.clock.wall_ns() + DUE_S * NS_PER_S)
    headers = {"Nats-Schedule": f"@at {at}", "Nats-Schedule-Target": f"due.{turn}"}
    world.put(f"d.{turn}", b"due", headers=headers)
    promise("d", turn)
    answer = world.put("w", b"job %d" % turn)
    promise("w", answer["seq"])
    world.put(f"t.{turn}", b"ages", headers={"Nats-TTL": f"{TTL_S}s"})
    promise("t", turn)


def _batch(world: RealWorld, turn: int) -> None:
    answer: dict[str, Any] = {}
    for number in range(1, BATCH + 1):
        headers = {"Nats-Batch-Id": f"b{turn}", "Nats-Batch-Sequence": str(number)}
        if number == BATCH:
            headers["Nats-Batch-Commit"] = "1"
        answers = world.request("o.b", b"batch %d %d" % (turn, number), headers=headers)
        world.settle()
        if answers and answers[0].payload:
            answer = json.loads(answers[0].payload)
    promise("b", answer["seq"], turn)


def _acks(world: RealWorld) -> None:
    for message in world.fetch(1, "W", "C"):
        if not message.reply:
            continue
        reply = message.reply.decode()
        answers = world.request(reply, b"+ACK")
        world.settle()
        if answers:  # confirmed: it is on disk
            promise("a", int(reply.split(".")[-4]))


def judge(directory: Path, promises: list[bytes]) -> str:
    """Start JetStream on what is in the directory; return what is wrong, empty if nothing is."""
    told = [json.loads(line) for data in promises for line in data.splitlines()]
    now_ns = max((one[1] for one in told if one[0] in {"made", "time"}), default=0)
    world = RealWorld(directory, BOUNDS, wall_ns=now_ns)
    try:
        if not any(one[0] == "made" for one in told):
            return ""
        for seconds in (*[5] * (SETTLE_S // 5), TTL_S, 1, 1):
            world.clock.advance(seconds * NS_PER_S)
            world.settle()
        return "; ".join(_wrong(world, told))
    finally:
        world.disk_world.close()


def _wrong(world: RealWorld, told: list[list[Any]]) -> list[str]:
    held = {record.name: record.store for record in world.store.streams()}
    if held.keys() != STREAMS.keys():
        return [f"there are {sorted(held)}"]
    messages = {name: _all(world, name) for name in held}
    by_seq = {name: {one.seq: one for one in found} for name, found in messages.items()}
    wrong = [f"{name}: {problem}" for _, name, problem in world.disk_world.damage]
    for what, *of in told:
        if what == "o" and (
            of[0] not in by_seq["O"] or by_seq["O"][of[0]].payload.decode() != of[1]
        ):
            wrong.append(f"message {of[0]} is acknowledged and lost")
        elif what == "n" and _total(by_seq["N"].get(of[0])) != of[1]:
            wrong.append(f"total {of[1]} at {of[0]} is acknowledged and lost")
        elif what == "b" and by_seq["O"].get(of[0], None) is None:
            wrong.append(f"batch {of[1]} is acknowledged and lost")
        elif what == "a" and of[0] in by_seq["W"]:
            wrong.append(f"job {of[0]} is there, its ack was confirmed")
    wrong += _batches(messages["O"]) + _totals(messages["N"])
    wrong += _due(messages["D"], {of[0] for what, *of in told if what == "d"})
    acked = {of[0] for what, *of in told if what == "a"}
    jobs = {of[0] for what, *of in told if what == "w"}
    fetched = held["W"].state().first_seq  # acks that were not confirmed may count
    wrong += [f"job {seq} is lost" for seq in jobs - acked - by_seq["W"].keys() if seq >= fetched]
    for turn in (of[0] for what, *of in told if what == "t"):
        left = [one for one in messages["T"] if one.subject == b"t.%d" % turn]
        if len(left) != 1 or b"Nats-Marker-Reason: MaxAge" not in left[0].header:
            wrong.append(f"t.{turn} aged and left {left}")
    origin = [one.payload for one in messages["O"]]
    if [(one.seq, one.payload) for one in messages["M"]] != [
        (one.seq, one.payload) for one in messages["O"]
    ]:
        wrong.append(f"the mirror has {len(messages['M'])} of {len(origin)}")
    if [one.payload for one in messages["X"]] != origin:
        wrong.append(f"the source has {len(messages['X'])} of {len(origin)}")
    return wrong


def _all(world: RealWorld, name: str) -> list[StoredMsg]:
    store = next(one.store for one in world.store.streams() if one.name == name)
    return read_all(store, world.settle)


def _total(message: StoredMsg | None) -> str:
    return "" if message is None else json.loads(message.payload)["val"]


def _batches(messages: list[StoredMsg]) -> list[str]:
    parts = Counter(one.payload.split()[1] for one in messages if one.payload.startswith(b"batch"))
    return [
        f"{count} messages of batch {turn!r}" for turn, count in parts.items() if count != BATCH
    ]


def _totals(messages: list[StoredMsg]) -> list[str]:
    """Each total is the one before it and what was added."""
    totals: Counter[bytes] = Counter()
    wrong = []
    for one in messages:
        added = dict(header.parse(one.header))[b"Nats-Incr"]
        totals[one.subject] += int(added)
        if int(_total(one)) != totals[one.subject]:
            wrong.append(f"total {_total(one)} at {one.seq}, not {totals[one.subject]}")
    return wrong


def _due(messages: list[StoredMsg], promised: set[int]) -> list[str]:
    """All schedules have come by now, once."""
    came = Counter(int(one.subject.split(b".")[1]) for one in messages if one.subject[:2] == b"du")
    twice = sorted(turn for turn, count in came.items() if count > 1)
    wrong = [f"schedules came twice: {twice}"] if twice else []
    never = sorted(promised - came.keys())
    return wrong + ([f"schedules never came: {never}"] if never else [])


if __name__ == "__main__":
    work(Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]))
