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
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from leafnode import limits
from leafnode.clock import NS_PER_S
from tests.contract.worlds import TwoWorlds, messages_of

if TYPE_CHECKING:
    from tests.unit.jetstream.world import Msg, World

TURN: Final = 2  # messages that one slice of a removal takes
HOUR_NS: Final = 3600 * NS_PER_S
RETENTION: Final = dict.fromkeys("LXY", "limits") | {"I": "interest", "Q": "workqueue"}
BUSY: Final = 10167
TOLD: Final = ("seq", "duplicate", "val", "count", "purged")


class Op(NamedTuple):
    """Something that a client asks for."""

    subject: str
    body: bytes = b""
    headers: tuple[tuple[str, str], ...] = ()


def put(stream: str, letter: str, body: bytes = b"x", /, **headers: str) -> Op:
    named = tuple((f"Nats-{name.replace('_', '-')}", value) for name, value in headers.items())
    return Op(f"{stream}.{letter}", body, named)


def api(endpoint: str, body: Any = None) -> Op:
    return Op(f"$JS.API.{endpoint}", b"" if body is None else json.dumps(body).encode())


def stream(action: str, name: str, **config: Any) -> Op:
    flags = ("allow_rollup_hdrs", "allow_atomic", "allow_direct")
    body = {"name": name, "subjects": [f"{name.lower()}.>"], "retention": RETENTION[name]}
    return api(f"STREAM.{action}.{name}", body | dict.fromkeys(flags, True) | config)


def consumer(name: str, stream: str, action: str, **config: Any) -> Op:
    if stream == "Q":  # no two may want the same
        config["filter_subject"] = {"C": "q.a", "D": "q.b", "E": "q.c"}[name]
    config |= {"name": name, "ack_policy": "explicit", "ack_wait": HOUR_NS}
    if name == "E":
        config |= {"mem_storage": True, "inactive_threshold": 24 * HOUR_NS}
    else:
        config["durable_name"] = name
    body = {"stream_name": stream, "action": action, "config": config}
    return api(f"CONSUMER.CREATE.{stream}.{name}", body)


def batch(stream: str, letters: list[str]) -> list[Op]:
    ops = [
        put(stream, letter, Batch_Id="b", Batch_Sequence=str(number))
        for number, letter in enumerate(letters, start=1)
    ]
    last = ops[-1]
    return [*ops[:-1], last._replace(headers=(*last.headers, ("Nats-Batch-Commit", "1")))]


letters = st.sampled_from("abc")
codes = st.sampled_from([sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR_FSYNC])
held = st.sampled_from("LIQ")
names = st.sampled_from("CDE")


def published() -> st.SearchStrategy[Op]:
    of = held.map(str.lower)
    rollups = st.sampled_from(["sub", "sub", "all"])
    return st.one_of(
        st.builds(put, of, letters),
        st.builds(put, of, letters),
        st.builds(put, of, letters, Msg_Id=st.sampled_from(["one", "two", "three"])),
        st.builds(put, of, letters, Expected_Last_Sequence=st.integers(0, 9).map(str)),
        st.builds(put, st.just("l"), st.sampled_from("abc*"), Rollup=rollups),
        st.builds(put, st.just("n"), letters, st.just(b""), Incr=st.integers(1, 9).map(str)),
    )


def removed() -> st.SearchStrategy[Op]:
    def purge(stream: str, letter: str, more: dict[str, int]) -> Op:
        only = {"filter": f"{stream.lower()}.{letter}"} if letter else {}
        return api(f"STREAM.PURGE.{stream}", {**only, **more})

    def delete(stream: str, seq: int) -> Op:
        return api(f"STREAM.MSG.DELETE.{stream}", {"seq": seq})

    some = st.sampled_from([{}, {}, {"keep": 1}, {"keep": 3}, {"seq": 6}])
    return st.one_of(
        st.builds(delete, held, st.integers(1, 12)),
        st.builds(purge, held, st.sampled_from(["", "a", "b", "*"]), some),
    )


def streams() -> st.SearchStrategy[Op]:
    config = {
        "max_msgs_per_subject": st.sampled_from([-1, -1, 1, 2]),
        "max_msgs": st.sampled_from([-1, -1, 4]),
        "description": st.sampled_from(["", "one", "two"]),
    }
    return st.one_of(
        st.builds(stream, st.just("CREATE"), st.sampled_from("XY"), **config),
        st.builds(stream, st.just("UPDATE"), st.sampled_from("LIQXY"), **config),
        st.sampled_from("XYLIQ").map(lambda name: api(f"STREAM.DELETE.{name}")),
    )


def consumers() -> st.SearchStrategy[Op]:
    def of(action: str, stream: str, name: str, body: dict[str, Any]) -> Op:
        return api(f"CONSUMER.{action}.{stream}.{name}", body)

    until = [{}, {"pause_until": "2999-01-01T00:00:00Z"}]
    return st.one_of(
        st.builds(
            consumer,
            names,
            held,
            st.sampled_from(["create", "", "update"]),
            filter_subject=st.sampled_from(["", "*.a", "*.b"]),
            max_ack_pending=st.sampled_from([3, 1000]),
            description=st.sampled_from(["", "one"]),
        ),
        st.builds(of, st.just("DELETE"), held, names, st.just({})),
        st.builds(of, st.just("PAUSE"), held, names, st.sampled_from(until)),
        st.builds(of, st.just("RESET"), held, names, st.sampled_from([{}, {"seq": 1}, {"seq": 3}])),
    )


singles = st.one_of(published(), published(), removed(), streams(), consumers())
batches = st.builds(batch, st.sampled_from("li"), st.lists(letters, min_size=1, max_size=4))
several = st.lists(st.one_of(*[singles.map(lambda op: [op])] * 3, batches), min_size=1, max_size=5)


class FailingCommits(TwoWorlds, RuleBasedStateMachine):
    """Streams L (limits), I (interest), Q (a work queue), N (counters); X and Y come and go."""

    def __init__(self) -> None:
        super().__init__()
        self.before = limits.PURGE_TURN_MSGS
        limits.PURGE_TURN_MSGS = TURN  # type: ignore[misc]

    def teardown(self) -> None:
        limits.PURGE_TURN_MSGS = self.before  # type: ignore[misc]
        super().teardown()

    @initialize()
    def start(self) -> None:
        for name in "LIQ":
            self.do(stream("CREATE", name))
            for one in "CD":
                self.do(consumer(one, name, "create"))
        self.both(lambda world: world.create_stream("N", allow_msg_counter=True))

    # --- what clients do

    @rule(groups=several)
    def all_is_well(self, groups: list[list[Op]]) -> None:
        for ops in groups:
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
        told = self.asked(groups, code, spared, together=together)
        self.healed()
        self.follow(told)

    @rule(groups=several, spared=st.integers(0, 6))
    def it_crashes(self, groups: list[list[Op]], spared: int) -> None:
        """After some commits the process ends. What it was at then may be done, or not."""
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
        if doubtful and self.difference() is not None:  # then all of it is done
            for op in doubtful:
                self.ask(self.memory, op)
            self.wait()
            self.restart_memory()

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
            told = [self.ack(self.disk, one) for one in heard[0][:acked]]
            self.disk.turns()
            self.healed()
            assert not any(told) or of == "L"
        for world, each in zip(self.worlds(), heard, strict=True):
            told = [self.ack(world, one) for one in each[:acked]]
            self.wait()
            assert all(told)
        self.advance(1)  # removals follow a little later

    # --- how

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
        return world.request(op.subject, op.body, headers=dict(op.headers) or None)

    def told(self, answers: list[Msg]) -> Any:
        """What matters of an answer; None: there is none."""
        if not answers:
            return None
        answer = json.loads(answers[0].payload or b"{}")
        if "error" in answer:
            return answer["error"]["err_code"]
        return {key: answer[key] for key in TOLD if key in answer}

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

    def follow(self, told: list[tuple[list[Op], list[list[Msg]]]]) -> None:
        """Do in memory what was acknowledged."""
        for ops, answers in told:
            ours = self.told(answers[-1])
            if not isinstance(ours, int) and ours is not None:
                theirs = [self.ask(self.memory, op) for op in ops]
                self.wait()
                assert self.told(theirs[-1]) == ours, (ops, ours)

    def healed(self) -> None:
        self.disk.heal()
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
            f"{stream.name} {one.name}": (stream.name, one.name, one.keeper.encoded())
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
            messages = [one._replace(ts_ns=0) for one in messages_of(world, name)]
            config = {key: value for key, value in info["config"].items() if key != "storage"}
            found[name] = config, numbers, messages
            answer = world.api(f"CONSUMER.LIST.{name}")
            for one in answer["consumers"]:
                keys = ("config", "num_ack_pending", "num_pending", "paused")
                place = one["delivered"]["consumer_seq"], one["ack_floor"]["consumer_seq"]
                found[f"{name} {one['name']}"] = place, {key: one.get(key) for key in keys}
        return found


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
        machine.asked(lost, sqlite3.SQLITE_IOERR_FSYNC, 0, together=together)
        machine.healed()
        machine.advance(1)  # positions are written a moment later
        before = machine.held(machine.disk)

        machine.disk.restart()
        machine.disk.turns()

        in_memory = {name for name in before if name.endswith(" E")}
        kept = {name: of for name, of in before.items() if name not in in_memory}
        assert machine.held(machine.disk) == kept
    finally:
        machine.teardown()
