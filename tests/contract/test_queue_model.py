"""Work queues and fast batches: on SQLite, on the store in memory, and naive models, all alike.

As test_api_model.py does it for the other streams, and on the same two worlds.
"""

from __future__ import annotations

import json
import os
import sqlite3
from typing import TYPE_CHECKING, Any, Final

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from leafnode.clock import NS_PER_S
from tests.contract.worlds import TwoWorlds, messages_of, with_content
from tests.oracle.jetstream import Kept, Stream
from tests.oracle.work_queue import WorkQueue

if TYPE_CHECKING:
    from tests.unit.jetstream.world import World

START, APPEND, COMMIT, EOB = range(4)
WANTS: Final = {"C": "q.a", "D": "q.b"}
letters = st.sampled_from("abc")
payloads = st.binary(max_size=8)
batches = st.lists(letters, min_size=2, max_size=5)
codes = st.sampled_from([sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR_FSYNC])


class QueueMachine(TwoWorlds, RuleBasedStateMachine):
    """Streams Q (a work queue, with consumers C and D), F (fast batches), L (changing limits)."""

    def __init__(self) -> None:
        super().__init__()
        self.queue = WorkQueue()
        self.fast = Stream()
        self.limited = Stream()
        self.batches = 0
        self.acks: dict[tuple[str, int], tuple[str, str]] = {}  # reply subjects in both worlds

    @initialize(max_msgs=st.sampled_from([-1, 6]))
    def start(self, max_msgs: int) -> None:
        self.fast = Stream(max_msgs=max_msgs)
        self.both(lambda world: world.create_stream("Q", retention="workqueue"))
        config = {"allow_batched": True, "max_msgs": max_msgs}
        self.both(lambda world: world.create_stream("F", **config))
        self.both(lambda world: world.create_stream("L"))

    # --- Q

    @rule(letter=letters, payload=payloads)
    def publish(self, letter: str, payload: bytes) -> None:
        answer = self.put(f"q.{letter}", payload)

        assert answer["seq"] == self.queue.put(f"q.{letter}", payload)

    @rule(name=st.sampled_from(sorted(WANTS)))
    def create_consumer(self, name: str) -> None:
        if name in self.queue.filters:
            return
        config = {"filter_subject": WANTS[name], "ack_wait": 3600 * NS_PER_S}
        self.both(lambda world: world.create_consumer("Q", name, **config))
        self.queue.create(name, WANTS[name])

    @precondition(lambda self: self.queue.filters)
    @rule(data=st.data())
    def fetch(self, data: st.DataObject) -> None:
        name = data.draw(st.sampled_from(sorted(self.queue.filters)))
        seq = self.queue.next(name)

        heard = [
            world.fetch({"batch": 1, "no_wait": True}, "Q", name)[0] for world in self.worlds()
        ]

        if seq is None:
            assert {one.status for one in heard} == {b"NATS/1.0 404 No Messages"}
            return
        assert {one.reply.split(b".")[5] for one in heard} == {b"%d" % seq}
        assert {one.payload for one in heard} == {self.queue.messages[seq][1]}
        self.acks[name, seq] = (heard[0].reply.decode(), heard[1].reply.decode())

    @precondition(lambda self: any(self.queue.pending.values()))
    @rule(data=st.data(), word=st.sampled_from([b"+ACK", b"+TERM"]))
    def finish(self, data: st.DataObject, word: bytes) -> None:
        pending = [(name, seq) for name, seqs in self.queue.pending.items() for seq in seqs]
        name, seq = data.draw(st.sampled_from(sorted(pending)))
        for world, reply in zip(self.worlds(), self.acks[name, seq], strict=True):
            world.publish(reply, word)
        self.queue.done(name, seq)
        self.advance(1)  # removals follow a little later

    @rule(seq=st.integers(1, 12))
    def delete(self, seq: int) -> None:
        answer = self.api("STREAM.MSG.DELETE.Q", {"seq": seq})

        assert answer.get("success", False) is self.queue.remove(seq)

    @rule()
    def purge(self) -> None:
        assert self.api("STREAM.PURGE.Q")["purged"] == self.queue.purge()

    @precondition(lambda self: self.queue.filters)
    @rule(data=st.data())
    def delete_consumer(self, data: st.DataObject) -> None:
        name = data.draw(st.sampled_from(sorted(self.queue.filters)))
        self.api(f"CONSUMER.DELETE.Q.{name}")
        self.queue.delete(name)

    # --- F

    @rule(letter_list=batches, ends=st.sampled_from([COMMIT, EOB]))
    def fast_batch(self, letter_list: list[str], ends: int) -> None:
        sent = list(enumerate(letter_list, start=1))
        answers = self.put_fast(sent, "fail", ends)

        for letter in letter_list:
            self.fast.put(Kept(0, f"f.{letter}", b"fast"))
        assert (answers[-1]["count"], answers[-1]["seq"]) == (len(letter_list), self.fast.last_seq)

    @rule(letter_list=batches, mode=st.sampled_from(["ok", "fail"]))
    def fast_batch_with_a_gap(self, letter_list: list[str], mode: str) -> None:
        """Its last message jumps: it is stored where gaps are taken, else the batch is over."""
        sent = list(enumerate(letter_list, start=1))
        sent[-1] = (sent[-1][0] + 1, letter_list[-1])
        answers = self.put_fast(sent, mode, COMMIT)

        for letter in letter_list if mode == "ok" else letter_list[:-1]:
            self.fast.put(Kept(0, f"f.{letter}", b"fast"))
        assert "gap" in {answer.get("type") for answer in answers} or mode == "fail"

    @rule(letter_list=batches)
    def fast_batch_that_is_left(self, letter_list: list[str]) -> None:
        """What was stored of it stays."""
        self.put_fast(list(enumerate(letter_list, start=1)), "ok", APPEND)
        for letter in letter_list:
            self.fast.put(Kept(0, f"f.{letter}", b"fast"))

    @rule(letter_list=batches, code=codes)
    def fast_batch_that_is_lost(self, letter_list: list[str], code: int) -> None:
        """Its commit fails: nothing of it was ever there."""
        self.disk.disk.fail("COMMIT", code)
        self.batches += 1
        answers = self.fast_on(self.disk, list(enumerate(letter_list, start=1)), "fail", COMMIT)
        self.disk.heal()
        self.memory.clock.advance(self.disk.clock.wall_ns() - self.memory.clock.wall_ns())
        self.advance(5)

        assert not any("count" in answer for answer in answers)

    # --- L

    @rule(letter=letters, payload=payloads, count=st.integers(1, 4))
    def publish_limited(self, letter: str, payload: bytes, count: int) -> None:
        for _ in range(count):
            answer = self.put(f"l.{letter}", payload)

            if self.limited.is_full():
                assert answer["error"]["err_code"] == 10077
            else:
                assert answer["seq"] == self.limited.put(Kept(0, f"l.{letter}", payload))

    @rule(max_msgs=st.sampled_from([-1, 2, 5]), refuses=st.booleans())
    def limit(self, max_msgs: int, refuses: bool) -> None:
        """What is above a limit goes, unless it is what comes that is refused."""
        config = {"max_msgs": max_msgs, "discard": "new" if refuses else "old"}
        self.api("STREAM.UPDATE.L", {"name": "L", "subjects": ["l.>"], **config})
        self.limited.limit(max_msgs, refuses=refuses)

    # --- both

    @rule()
    def restart(self) -> None:
        self.advance(1)  # positions are written a moment later
        for world in self.worlds():
            world.restart()
        self.advance(5)

    @invariant()
    def servers_and_models_are_alike(self) -> None:
        if not self.disk.js.streams:
            return
        for name in "QFL":
            assert messages_of(self.disk, name) == messages_of(self.memory, name)
            self.both(lambda world, n=name: world.api(f"STREAM.INFO.{n}"))
        for name in self.queue.filters:
            # How far a consumer has looked for more depends on what its store had at hand.
            counts = {self.counts_of(world, name) for world in self.worlds()}
            assert counts == {(len(self.queue.pending[name]), self.queue.left(name))}
        queued = with_content(messages_of(self.disk, "Q"))
        assert {one.seq: key for one, key in queued} == self.queue.messages
        for name, model in (("F", self.fast), ("L", self.limited)):
            found = [(one.seq, *key) for one, key in with_content(messages_of(self.disk, name))]
            assert found == [(one.seq, one.subject, one.payload) for one in model.messages]
        assert self.disk.js.streams["F"].store.last_seq() == self.fast.last_seq

    def counts_of(self, world: World, name: str) -> tuple[int, int]:
        info = world.info("Q", name)
        return info["num_ack_pending"], info["num_pending"]

    def put_fast(self, sent: list[tuple[int, str]], mode: str, ends: int) -> list[dict[str, Any]]:
        """Publish a batch on both; return its answers, which are the same."""
        self.batches += 1
        ours, memory = (self.fast_on(world, sent, mode, ends) for world in self.worlds())
        assert ours == memory
        return ours

    def fast_on(
        self, world: World, sent: list[tuple[int, str]], mode: str, ends: int
    ) -> list[dict[str, Any]]:
        name = f"b{self.batches}"
        heard = world.listen(f"_F.{name}.>")
        ops = [START, *[APPEND] * (len(sent) - 1)]
        if ends == COMMIT:
            ops[-1] = COMMIT
        for (seq, letter), op in zip(sent, ops, strict=True):
            world.publish(f"f.{letter}", b"fast", reply=f"_F.{name}.10.{mode}.{seq}.{op}.$FI")
        if ends == EOB:
            seq = sent[-1][0] + 1
            world.publish("f.a", b"", reply=f"_F.{name}.10.{mode}.{seq}.{EOB}.$FI")
        world.settle()
        return [json.loads(one.payload) for one in heard]


# The same few in each run of the suite; MODEL_EXAMPLES asks for that many others.
MORE: Final = int(os.environ.get("MODEL_EXAMPLES", "0"))
TestQueueMachine = QueueMachine.TestCase
TestQueueMachine.settings = settings(
    max_examples=MORE or 10,
    stateful_step_count=40 if MORE else 25,
    derandomize=not MORE,
    deadline=None,
    suppress_health_check=list(HealthCheck),
    print_blob=True,
)
