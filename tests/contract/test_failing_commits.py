"""JetStream on a disk whose commits fail: what was refused did nothing, what was acknowledged is
there.

Any operations, several in a commit, and commits that fail from some one on. Beside it a server in
memory does what the first one acknowledged, and nothing else: after each failure, and after a
crash, both hold the same. Removals go two messages at a time, so that most take several commits.
`make model` runs it for long.
"""

from __future__ import annotations

import json
import os
import sqlite3
from typing import TYPE_CHECKING, Any, Final

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from leafnode import limits
from leafnode.clock import NS_PER_S
from leafnode.go_time import format_time
from tests.contract.failing_ops import (
    SOON,
    Op,
    codes,
    consumer,
    held,
    names,
    several,
    stream,
)
from tests.contract.worlds import TwoWorlds, messages_of

if TYPE_CHECKING:
    from leafnode.store.api import StoredMsg
    from tests.unit.jetstream.world import Msg, World

TURN: Final = 2  # messages that one slice of a removal takes
BUSY: Final = 10167
REMOVALS: Final = ("$JS.API.STREAM.MSG.DELETE.", "$JS.API.STREAM.PURGE.")
TOLD: Final = ("seq", "duplicate", "val", "count", "purged")
AGED_S: Final = 400  # longer than any time to live, and than the duplicate window
FRESH_S: Final = 60  # as long nothing is old enough to go


class FailingCommits(TwoWorlds, RuleBasedStateMachine):
    """The streams of failing_ops.py, M (a mirror of O) and S (which sources it)."""

    def __init__(self) -> None:
        super().__init__()
        self.before = limits.PURGE_TURN_MSGS, limits.PURGE_TURN_ROWS, limits.LET_GO_MSGS
        limits.PURGE_TURN_MSGS = limits.PURGE_TURN_ROWS = limits.LET_GO_MSGS = TURN  # type: ignore[misc]
        self.schedules = 0
        self.fresh_since_ns = 0

    def teardown(self) -> None:
        limits.PURGE_TURN_MSGS, limits.PURGE_TURN_ROWS, limits.LET_GO_MSGS = self.before  # type: ignore[misc]
        super().teardown()

    @initialize()
    def start(self) -> None:
        for name in "LIQ":
            self.do(stream("CREATE", name))
            for one in "CD":
                self.do(consumer(one, name, "create"))
        self.both(lambda world: world.create_stream("N", allow_msg_counter=True))
        self.both(lambda world: world.create_stream("F", allow_batched=True))
        self.both(lambda world: world.create_stream("O", allow_atomic=True))
        for name, more in (("M", {"mirror": {"name": "O"}}), ("S", {"sources": [{"name": "O"}]})):
            self.api(f"STREAM.CREATE.{name}", {"name": name, **more})
        flags = ("allow_rollup_hdrs", "allow_msg_ttl", "allow_msg_schedules")
        config = {
            "subjects": ["t.*", "plan.*", "due.*"],
            "subject_delete_marker_ttl": 30 * NS_PER_S,
        }
        self.both(lambda world: world.create_stream("T", **dict.fromkeys(flags, True), **config))
        self.advance(1)
        self.fresh_since_ns = self.disk.clock.wall_ns()

    # --- what clients do

    @rule(groups=several)
    def all_is_well(self, groups: list[list[Op]]) -> None:
        for ops in self.timed(groups):
            for op in ops:
                self.do(op)

    @rule(
        groups=several,
        together=st.booleans(),
        code=codes,
        spared=st.integers(0, 4),
    )
    def commits_fail(self, groups: list[list[Op]], together: bool, code: int, spared: int) -> None:
        """From one on, until the disk works again."""
        told = self.asked(self.timed(groups), code, spared, together=together)
        self.healed()
        self.follow(told, together=together)

    @rule(seconds=st.integers(0, AGED_S // 8), code=codes, spared=st.integers(0, 3))
    def it_ages(self, seconds: int, code: int, spared: int) -> None:
        """All times come: to live, of markers, of schedules. Meanwhile commits fail for a while."""
        self.advance(seconds)
        self.disk.disk.fail("COMMIT", code, spared=spared)
        for _ in range(30):
            self.disk.clock.advance(NS_PER_S)
            self.disk.turns(2)
        self.healed()
        self.advance(AGED_S)
        self.fresh_since_ns = self.disk.clock.wall_ns()

    @rule(groups=several, spared=st.integers(0, 6))
    def it_crashes(self, groups: list[list[Op]], spared: int) -> None:
        """After some commits the process ends. What it was at then may be done, or not."""
        groups = self.timed(groups)
        self.advance(1)  # positions are written a moment later
        self.disk.disk.fail("COMMIT", sqlite3.SQLITE_IOERR_FSYNC, spared=spared)
        doubtful: list[Op] = []
        for ops in groups:
            answers = [self.ask(self.disk, op) for op in ops]
            self.disk.turns()
            if not answers[-1]:
                doubtful = ops
                break
            self.follow([(ops, answers)])
        self.disk.die()
        self.wait()
        self.restart_memory()
        self.catch_up()
        if doubtful and self.difference() is not None:  # then all of it is done
            for op in doubtful:
                self.ask(self.memory, op)
            self.wait()
            self.restart_memory()
            self.catch_up()

    @rule(
        of=held,
        name=names,
        count=st.integers(1, 4),
        acked=st.integers(0, 4),
        fails=st.booleans(),
        code=codes,
    )
    def fetch(self, of: str, name: str, count: int, acked: int, fails: bool, code: int) -> None:
        """Some of what is delivered is acknowledged, until that is confirmed."""
        heard = []
        for world in self.worlds():
            found = world.fetch({"batch": count, "no_wait": True}, of, name)
            self.wait()
            heard.append([one for one in found if one.reply])
        ours, theirs = ([one.reply.split(b".")[5:7] for one in each] for each in heard)
        assert ours == theirs
        if fails:
            self.disk.disk.fail("COMMIT", code)
            told = [
                self.ack(self.disk, one)
                for one in heard[0][:acked]
                if self.leaves_something_to_commit(of, name, one)
            ]
            self.disk.turns()
            self.healed()
            assert not any(told) or of == "L"
        for world, each in zip(self.worlds(), heard, strict=True):
            told = [self.ack(world, one) for one in each[:acked]]
            self.wait()
            assert all(told)
        self.advance(1)  # removals follow a little later

    # --- how

    def leaves_something_to_commit(self, of: str, name: str, one: Msg) -> bool:
        """Not where a consumer that is kept in memory is done with what another one waits for."""
        seq, others = int(one.reply.split(b".")[5]), self.disk.js.streams[of].consumers.items()
        waits = [other.pending.floor.stream_seq < seq for each, other in others if each != name]
        return name != "E" or not any(waits)

    def do(self, op: Op) -> None:
        """Do it on both, undisturbed."""
        ours, memory = (self.ask(world, op) for world in self.worlds())
        self.wait()
        if self.told(ours) == BUSY:  # a total is read back after a commit that failed
            ours = self.ask(self.disk, op)
            self.wait()
        assert self.told(ours) == self.told(memory), op

    def ack(self, world: World, one: Msg) -> list[Msg]:
        return world.request(one.reply.decode(), b"+ACK")

    def ask(self, world: World, op: Op) -> list[Msg]:
        if op.reply:
            heard = world.listen(op.reply)
            world.publish(op.subject, op.body, reply=op.reply)
            return heard
        return world.request(op.subject, op.body, headers=dict(op.headers) or None)

    def told(self, answers: list[Msg]) -> Any:
        """What matters of an answer; None: there is none."""
        if not answers:
            return None
        answer = json.loads(answers[-1].payload or b"{}")
        if "error" in answer:
            return answer["error"]["err_code"]
        # In which order things of one time come is nobody's promise.
        keys = TOLD if answer.get("stream") != "T" else ("stream",)
        return {key: answer[key] for key in keys if key in answer}

    def timed(self, groups: list[list[Op]]) -> list[list[Op]]:
        """Give schedules their time, no two the same. Nothing ages by the way: before it could,
        everything does.
        """
        now_ns = self.disk.clock.wall_ns()
        if now_ns - self.fresh_since_ns > FRESH_S * NS_PER_S:
            self.advance(AGED_S)
            now_ns = self.fresh_since_ns = self.disk.clock.wall_ns()
        return [[self.due(op, now_ns) for op in ops] for ops in groups]

    def due(self, op: Op, now_ns: int) -> Op:
        headers = dict(op.headers)
        if headers.get("Nats-Schedule") != SOON:
            return op
        self.schedules += 1
        due_ns = now_ns + 2 * FRESH_S * NS_PER_S + self.schedules * 1000
        headers["Nats-Schedule"] = f"@at {format_time(due_ns)}"
        return op._replace(headers=tuple(headers.items()))

    def asked(
        self, groups: list[list[Op]], code: int, spared: int, *, together: bool
    ) -> list[tuple[list[Op], list[list[Msg]]]]:
        """Ask one server, whose commits fail from some one on."""
        self.disk.disk.fail("COMMIT", code, spared=spared)
        told = []
        for ops in groups:
            told.append((ops, [self.ask(self.disk, op) for op in ops]))
            if not together:
                self.disk.turns(2)
        self.disk.turns()
        return told

    def follow(
        self, told: list[tuple[list[Op], list[list[Msg]]]], *, together: bool = False
    ) -> None:
        """Do in memory what was acknowledged. How much was left for a removal depends on how far
        the one before it had come, where both were asked for together.
        """
        for ops, answers in told:
            ours = self.told(answers[-1])
            if not isinstance(ours, int) and ours is not None:
                theirs = [self.ask(self.memory, op) for op in ops]
                self.wait()
                if not (together and ops[-1].subject.startswith(REMOVALS)):
                    assert self.told(theirs[-1]) == ours, (ops, ours)

    def healed(self) -> None:
        self.disk.heal()
        self.wait()
        self.catch_up()

    def catch_up(self) -> None:
        """Until mirrors and sources have asked again."""
        self.advance(10)
        self.wait()

    def wait(self) -> None:
        """Until nothing goes on any more, at one time on both."""
        late = self.disk.clock.wall_ns() - self.memory.clock.wall_ns()
        self.memory.clock.advance(max(0, late))
        self.disk.clock.advance(max(0, -late))
        for _ in range(40):
            self.disk.settle()
            self.memory.clock.advance(0)

    def restart_memory(self) -> None:
        """Start again without the positions that were not written yet; with those of consumers
        that had followed a removal, where the other server followed it after its start.
        """
        followed = {
            f"{stream.name} {one.name}": (stream.name, one.name, one.keeper.position())
            for stream in self.memory.js.streams.values()
            for one in stream.consumers.values()
            if one.keeper.persists
        }
        self.memory.restart()
        self.wait()
        late = [followed[key] for key in self.difference() or () if key in followed]
        for stream_name, name, state in late:
            self.memory.store.put_consumer_state("$G", stream_name, name, state)
        if late:
            self.memory.restart()
            self.wait()

    # --- the comparison

    @invariant()
    def both_hold_the_same(self) -> None:
        if self.disk.js.streams:
            difference = self.difference()
            assert difference is None, difference

    def difference(self) -> Any:
        ours, memory = self.held(self.disk), self.held(self.memory)
        if ours == memory:
            return None
        return {
            key: (ours.get(key), memory.get(key))
            for key in sorted({*ours, *memory})
            if ours.get(key) != memory.get(key)
        }

    def held(self, world: World) -> dict[str, Any]:
        """All that a server has, as far as both can have it."""
        found: dict[str, Any] = {}
        for name in world.js.streams:
            info = world.api(f"STREAM.INFO.{name}")
            state = info["state"]
            numbers = {key: state.get(key) for key in ("messages", "first_seq", "last_seq")}
            messages = shown(messages_of(world, name), in_order=name != "T")
            if name == "T":
                del numbers["first_seq"]
            config = {key: value for key, value in info["config"].items() if key != "storage"}
            found[name] = config, numbers, messages
            answer = world.api(f"CONSUMER.LIST.{name}")
            for one in answer["consumers"]:
                keys = ("config", "num_ack_pending", "num_pending", "paused")
                place = one["delivered"]["consumer_seq"], one["ack_floor"]["consumer_seq"]
                found[f"{name} {one['name']}"] = place, {key: one.get(key) for key in keys}
        return found


def shown(messages: list[StoredMsg], *, in_order: bool) -> list[StoredMsg]:
    if in_order:
        return [one._replace(ts_ns=0) for one in messages]
    return sorted(one._replace(seq=0, ts_ns=0) for one in messages)


# The same few in each run of the suite; MODEL_EXAMPLES asks for that many others.
MORE: Final = int(os.environ.get("MODEL_EXAMPLES", "0"))
TestFailingCommits = FailingCommits.TestCase
TestFailingCommits.settings = settings(
    max_examples=MORE or 20,
    stateful_step_count=30 if MORE else 12,
    derandomize=not MORE,
    deadline=None,
    suppress_health_check=list(HealthCheck),
    print_blob=True,
)


@settings(
    max_examples=MORE or 10,
    derandomize=not MORE,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)
@given(groups=several, lost=several, together=st.booleans())
def test_what_was_done_though_it_failed_is_the_same_after_a_restart(
    groups: list[list[Op]], lost: list[list[Op]], together: bool
) -> None:
    """Whatever comes of it: a commit may be called a failure and be on disk."""
    machine = FailingCommits()
    try:
        machine.start()
        machine.all_is_well(groups)
        machine.disk.disk.lies = True
        machine.asked(machine.timed(lost), sqlite3.SQLITE_IOERR_FSYNC, 0, together=together)
        machine.healed()
        machine.advance(1)  # positions are written a moment later
        before = machine.held(machine.disk)

        machine.disk.restart()
        machine.disk.turns()
        machine.catch_up()

        in_memory = {name for name in before if name.endswith(" E")}
        kept = {name: of for name, of in before.items() if name not in in_memory}
        assert machine.held(machine.disk) == kept
    finally:
        machine.teardown()
