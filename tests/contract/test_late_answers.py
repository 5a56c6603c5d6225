"""Reads and commits that take their time, while the stream goes on: nobody misses what is there.

Keys are overwritten and never deleted, so each question about one has an answer; other messages
come and go. The reader's and the writer's thread do a job when the machine says so. At the end all
come back, and nothing else happens: what waits has to be delivered all the same.
"""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule

from leafnode.store.bounds import StoreBounds
from tests.sim.committer import SMALL, HeldExecutor
from tests.unit.jetstream.real_world import RealWorld

if TYPE_CHECKING:
    from tests.unit.jetstream.world import Msg

KEYS: Final = 4
DIRECT: Final = "$JS.API.DIRECT.GET.S"
keys = st.integers(0, KEYS - 1)
others = st.sampled_from("abc")
counts = st.integers(1, 3)


class Asked(NamedTuple):
    """A question about keys, and what was acknowledged of each when it was asked."""

    keys: list[int]
    acked: dict[int, int]
    answers: list[Msg]


class LateMachine(RuleBasedStateMachine):
    """Stream S with keys `s.k.<n>` and others `s.o.<letter>`; consumers of all, and of the last."""

    def __init__(self) -> None:
        super().__init__()
        self.root = Path(tempfile.mkdtemp(prefix="leafnode-late-"))
        self.asked: list[Asked] = []
        self.puts: list[tuple[int, list[Msg]]] = []
        self.acked: dict[int, int] = {}

    @initialize(
        per=counts,
        rows=st.sampled_from([3, 7]),
        tail=st.sampled_from([0, 700]),
        others=st.lists(others, max_size=12),
    )
    def start(self, per: int, rows: int, tail: int, others: list[str]) -> None:
        bounds = StoreBounds(
            wal_pregrow_bytes=0,
            reserve_bytes=0,
            tail_cache_bytes=tail,
            hot_cache_bytes=tail,
            segment_cache_bytes=300,
            segment_rows_max=rows,
            segment_span_max=20,
        )
        self.world = RealWorld(self.root, bounds)
        self.world.create_stream(
            max_msgs_per_subject=per, allow_direct=True, allow_rollup_hdrs=True
        )
        for letter in others:
            self.world.put(f"s.o.{letter}")
        for number in range(KEYS):
            self.acked[number] = self.world.put(f"s.k.{number}")["seq"]
        self.world.restart()  # nothing of it is in memory
        self.reads, self.commits = held(self.world)
        self.all = self.consume("A", deliver_policy="all")
        self.last = self.consume("L", deliver_policy="last_per_subject", filter_subject="s.>")

    def consume(self, name: str, **config: Any) -> list[Msg]:
        """Make a push consumer, and return the list that its messages will be put into."""
        heard = self.world.listen(f"D.{name}")
        config |= {"durable_name": name, "deliver_subject": f"D.{name}", "ack_policy": "none"}
        body = json.dumps({"stream_name": "S", "config": config}).encode()
        self.world.request(f"$JS.API.CONSUMER.CREATE.S.{name}", body)
        return heard

    # --- what happens

    @rule(key=keys, count=counts)
    def put(self, key: int, count: int) -> None:
        for _ in range(count):
            self.puts.append((key, self.world.request(f"s.k.{key}", b"v")))

    @rule(key=keys)
    def roll_up(self, key: int) -> None:
        headers = {"Nats-Rollup": "sub"}
        self.puts.append((key, self.world.request(f"s.k.{key}", b"v", headers=headers)))

    @rule(letter=others)
    def put_other(self, letter: str) -> None:
        self.world.publish(f"s.o.{letter}")

    @rule(letter=others)
    def delete_other(self, letter: str) -> None:
        seq = self.world.js.streams["S"].store.last_of(b"s.o." + letter.encode())
        self.world.request("$JS.API.STREAM.MSG.DELETE.S", json.dumps({"seq": seq}).encode())

    @rule(letter=others)
    def purge_other(self, letter: str) -> None:
        body = json.dumps({"filter": f"s.o.{letter}"}).encode()
        self.world.request("$JS.API.STREAM.PURGE.S", body)

    @rule()
    def purge_front(self) -> None:
        """What is before the first key goes, as limits take it."""
        states = dict(self.world.js.streams["S"].store.subjects(b"s.k.*"))
        body = json.dumps({"seq": min(one.first_seq for one in states.values())}).encode()
        self.world.request("$JS.API.STREAM.PURGE.S", body)

    @rule(key=keys)
    def get(self, key: int) -> None:
        self.ask([key], f"{DIRECT}.s.k.{key}")

    @rule()
    def get_all(self) -> None:
        self.ask(list(range(KEYS)), DIRECT, {"multi_last": ["s.k.*"]})

    @rule()
    def get_last(self) -> None:
        self.ask([], DIRECT, {"last_by_subj": "s.k.*"})

    def ask(self, about: list[int], subject: str, body: Any = None) -> None:
        payload = b"" if body is None else json.dumps(body).encode()
        self.asked.append(Asked(about, dict(self.acked), self.world.request(subject, payload)))

    @rule(reads=st.integers(0, 2), commits=st.integers(0, 2))
    def go_on(self, reads: int, commits: int) -> None:
        """The threads do some of what waits for them."""
        for executor, most in ((self.reads, reads), (self.commits, commits)):
            for _ in range(min(most, len(executor.jobs))):
                executor.jobs.popleft()()
        self.turn()

    def turn(self) -> None:
        turn(self.world)
        for key, answers in self.puts:
            if answers:
                self.acked[key] = max(self.acked[key], json.loads(answers[0].payload)["seq"])
        self.puts = [(key, answers) for key, answers in self.puts if not answers]

    # --- and how it has to end

    def teardown(self) -> None:
        try:
            if self.acked:
                self.end()
                self.world.disk_world.close()
        finally:
            shutil.rmtree(self.root)

    def end(self) -> None:
        for _ in range(100):
            self.go_on(1, 1)
        for _ in range(10):
            self.go_on(99, 99)
        self.reads.inline = self.commits.inline = True
        store = self.world.js.streams["S"].store
        assert store.damage() is None
        for asked in self.asked:
            self.answered(asked)
        live = store.live(1, 10_000)
        all_seqs, last_seqs = _delivered(self.all), _delivered(self.last)
        assert all_seqs == sorted({*all_seqs})
        assert last_seqs == sorted({*last_seqs})
        assert {*live} <= {*all_seqs}
        assert {*store.last_seqs(b"s.k.*")} <= {*last_seqs}

    def answered(self, asked: Asked) -> None:
        found = {
            _field(one, b"Nats-Subject"): int(_field(one, b"Nats-Sequence"))
            for one in asked.answers
            if b"Nats-Sequence" in one.block
        }
        assert found, asked
        if asked.keys:
            assert sorted(found) == [f"s.k.{key}" for key in asked.keys]
        else:  # the newest of all
            assert max(found.values()) >= max(asked.acked.values())
        for key in asked.keys:
            assert found[f"s.k.{key}"] >= asked.acked[key]


def test_what_was_deleted_does_not_come_out_of_an_older_answer(tmp_path: Path) -> None:
    """The reader has read a message, and its answer comes when the deletion is on disk and told;
    meanwhile the consumer asked for it again.
    """
    world = RealWorld(tmp_path, replace(SMALL, tail_cache_bytes=0, hot_cache_bytes=0))
    world.create_stream()
    for key in "abac":
        world.put(f"s.k.{key}")
    world.restart()
    reads, commits = held(world)
    heard = world.listen("D.L")
    config = {"durable_name": "L", "deliver_subject": "D.L", "deliver_policy": "last_per_subject"}
    config |= {"filter_subject": "s.>", "ack_policy": "none"}
    body = {"stream_name": "S", "config": config}
    world.request("$JS.API.CONSUMER.CREATE.S.L", json.dumps(body).encode())
    for _ in range(5):
        commits.release()
        turn(world)

    reads.release()
    late = world.disk_world.turns.hold_results(world.disk_world.store._read_worker)
    told = world.request("$JS.API.STREAM.MSG.DELETE.S", b'{"seq":2}')
    for _ in range(5):
        commits.release()
        turn(world)
    assert b'"success":true' in told[0].payload
    world.js.streams["S"].consumers["L"].pump()
    for one in late:
        one()
    for _ in range(5):
        turn(world)
        reads.release()

    assert _delivered(heard) == [3, 4]


def held(world: RealWorld) -> tuple[HeldExecutor, HeldExecutor]:
    """Hold back what the reader and the writer are given to do; return whose jobs those are."""
    store = world.disk_world.store
    reads, commits = HeldExecutor(), HeldExecutor()
    store._read_worker._executor, store._write_worker._executor = reads, commits
    return reads, commits


def turn(world: RealWorld) -> None:
    world.disk_world.turns.run()
    world.clock.turn()


def _field(message: Msg, name: bytes) -> str:
    return message.block.split(name + b": ")[1].split(b"\r\n")[0].decode()


def _delivered(heard: list[Msg]) -> list[int]:
    return [int(message.reply.split(b".")[5]) for message in heard]


# The same few in each run of the suite; MODEL_EXAMPLES asks for that many others.
MORE: Final = int(os.environ.get("MODEL_EXAMPLES", "0"))
TestLateMachine = LateMachine.TestCase
TestLateMachine.settings = settings(
    max_examples=MORE or 25,
    stateful_step_count=60 if MORE else 40,
    derandomize=not MORE,
    deadline=None,
    suppress_health_check=list(HealthCheck),
    print_blob=True,
)
