"""JetStream through its API: on SQLite, on the store in memory, and a naive model, all alike.

Any list of operations, with commits that fail and restarts between them. Both servers run on one
virtual time and must give the same answers and hold the same messages, byte for byte; the model
says what they should hold. `make model` runs it for long.
"""

from __future__ import annotations

import os
import sqlite3
from typing import Any, Final

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import initialize, invariant, precondition, rule

from leafnode.clock import NS_PER_S
from leafnode.go_time import format_time
from tests.contract.stream_rules import StreamRules, letters, payloads
from tests.contract.worlds import TwoWorlds, content, messages_of, with_content
from tests.oracle.jetstream import Interest, Kept, Stream

TTL_S: Final = 60
MARKER_S: Final = 30
LONG_S: Final = 400  # longer than all of them after each other
# What a failed commit may undo: the stream's letter, and what makes the message special.
LOST: Final[dict[str, tuple[str, dict[str, str]]]] = {
    "plain": ("s", {}),
    "once": ("s", {}),
    "ages": ("s", {"Nats-TTL": f"{TTL_S}s"}),
    "rollup": ("s", {"Nats-Rollup": "sub"}),
    "schedule": ("s", {}),
    "counter": ("n", {"Nats-Incr": "+1"}),
    "interest": ("i", {}),
    "origin": ("o", {}),
}
codes = st.sampled_from([sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR_FSYNC])


class ApiMachine(TwoWorlds, StreamRules):
    """Streams S (limits), N (counters), I (interest), O with its mirror M and X that sources it."""

    ttl = f"{TTL_S}s"

    def __init__(self) -> None:
        super().__init__()
        self.interest = Interest()
        self.schedules = 0
        self.passed_s = 0
        self.acks: dict[tuple[str, int], tuple[str, str]] = {}  # reply subjects in both worlds

    @initialize(
        per_subject=st.sampled_from([-1, 1, 3]),
        max_msgs=st.sampled_from([-1, 6]),
        markers=st.booleans(),
    )
    def start(self, per_subject: int, max_msgs: int, markers: bool) -> None:
        self.s = Stream(per_subject, max_msgs, markers)
        flags = ("allow_rollup_hdrs", "allow_msg_ttl", "allow_atomic", "allow_msg_schedules")
        config: dict[str, Any] = {
            **dict.fromkeys(flags, True),
            "max_msgs_per_subject": per_subject,
            "max_msgs": max_msgs,
            "subjects": ["s.*", "due.*"],
            "subject_delete_marker_ttl": MARKER_S * NS_PER_S if markers else 0,
        }
        self.both(lambda world: world.create_stream("S", **config))
        self.both(lambda world: world.create_stream("N", allow_msg_counter=True))
        self.both(lambda world: world.create_stream("I", retention="interest"))
        self.both(lambda world: world.create_stream("O", allow_atomic=True))
        mirror, source = {"mirror": {"name": "O"}}, {"sources": [{"name": "O"}]}
        for name, more in (("M", mirror), ("X", source)):
            self.api(f"STREAM.CREATE.{name}", {"name": name, **more})
        self.pass_time(1)

    # --- S: what takes time, beside the rules for all

    @rule(letter=letters)
    def purge_key(self, letter: str) -> None:
        """As a bucket does it."""
        headers = {"KV-Operation": "PURGE", "Nats-Rollup": "sub", "Nats-TTL": f"{TTL_S}s"}
        self.put(f"s.{letter}", b"", headers)
        self.s.put(Kept(0, f"s.{letter}", b"", ages=True, quiet=True), rollup="sub")

    @rule(letter=letters, payload=payloads)
    def schedule(self, letter: str, payload: bytes) -> None:
        self.schedules += 1  # no two at one time: in which order those come is nobody's promise
        due_ns = self.disk.clock.wall_ns() + TTL_S * NS_PER_S + self.schedules * 1000
        at = format_time(due_ns)
        headers = {"Nats-Schedule": f"@at {at}", "Nats-Schedule-Target": f"due.{letter}"}

        answer = self.put(f"s.{letter}", payload, headers)

        kept = Kept(0, f"s.{letter}", payload, due=f"due.{letter}")
        assert answer["seq"] == self.s.put(kept, rollup="sub")

    # --- I: interest

    @rule(name=st.sampled_from(["C", "D"]), letter=st.sampled_from(["", "a"]))
    def create_consumer(self, name: str, letter: str) -> None:
        if name in self.interest.filters:
            return
        subject = f"i.{letter}" if letter else ""
        more = {"filter_subject": subject} if subject else {}
        self.both(
            lambda world: world.create_consumer(
                "I", name, deliver_policy="new", ack_wait=3600 * NS_PER_S, **more
            )
        )
        self.interest.create(name, subject)

    @rule(letter=letters, payload=payloads)
    def publish_interest(self, letter: str, payload: bytes) -> None:
        self.put(f"i.{letter}", payload)
        self.interest.put(f"i.{letter}", payload)

    @precondition(lambda self: self.interest.filters)
    @rule(data=st.data())
    def fetch(self, data: st.DataObject) -> None:
        name = data.draw(st.sampled_from(sorted(self.interest.filters)))
        seq = self.interest.next(name)

        heard = [
            world.fetch({"batch": 1, "no_wait": True}, "I", name)[0] for world in self.worlds()
        ]

        if seq is None:
            assert {one.status for one in heard} == {b"NATS/1.0 404 No Messages"}
            return
        assert {one.payload for one in heard} == {self.interest.messages[seq][1]}
        assert {one.reply.split(b".")[5] for one in heard} == {b"%d" % seq}
        self.acks[name, seq] = (heard[0].reply.decode(), heard[1].reply.decode())

    @precondition(lambda self: any(self.interest.pending.values()))
    @rule(data=st.data())
    def ack(self, data: st.DataObject) -> None:
        pending = [(name, seq) for name, seqs in self.interest.pending.items() for seq in seqs]
        name, seq = data.draw(st.sampled_from(sorted(pending)))
        for world, reply in zip(self.worlds(), self.acks[name, seq], strict=True):
            world.publish(reply, b"+ACK")
        self.interest.ack(name, seq)
        self.pass_time(1)  # removals follow a little later

    @precondition(lambda self: self.interest.filters)
    @rule(data=st.data())
    def delete_consumer(self, data: st.DataObject) -> None:
        name = data.draw(st.sampled_from(sorted(self.interest.filters)))
        self.api(f"CONSUMER.DELETE.I.{name}")
        self.interest.delete(name)

    # --- O, M, X: a mirror and a source

    @rule()
    def purge_origin(self) -> None:
        """Mirrors and sources keep what they have."""
        self.api("STREAM.PURGE.O")

    # --- what happens to servers

    @rule()
    def everything_ages(self) -> None:
        """Long enough for each time to live, and what follows from it."""
        self.pass_time(LONG_S)
        self.passed_s = 0
        self.s.ids.clear()  # longer than the window, too
        self.s.all_ages()
        # In which order things of one time come is nobody's promise.
        ours = messages_of(self.disk, "S")
        assert sorted(content(ours)) == sorted((m.subject, m.payload) for m in self.s.messages)
        by_content: dict[tuple[str, bytes], list[Kept]] = {}
        for kept in self.s.messages:
            by_content.setdefault((kept.subject, kept.payload), []).append(kept)
        self.s.messages = []
        for message, key in zip(ours, content(ours), strict=True):
            kept = by_content[key].pop(0)
            kept.seq = message.seq
            self.s.messages.append(kept)

    @rule()
    def restart(self) -> None:
        self.pass_time(1)  # positions are written a moment later
        for world in self.worlds():
            world.restart()
        self.pass_time(5)  # until the mirror asks again

    @rule(letter=letters, kind=st.sampled_from(sorted(LOST)), code=codes)
    def a_commit_fails(self, letter: str, kind: str, code: int) -> None:
        """What was published then is refused, and was never there."""
        stream, headers = LOST[kind]
        if kind == "once":
            self.schedules += 1
            headers = {"Nats-Msg-Id": f"lost{self.schedules}"}
        if kind == "schedule":
            at = format_time(self.disk.clock.wall_ns() + TTL_S * NS_PER_S)
            headers = {"Nats-Schedule": f"@at {at}", "Nats-Schedule-Target": f"due.{letter}"}
        self.disk.disk.fail("COMMIT", code)
        payload = b"" if kind == "counter" else b"lost"
        answer = self.disk.put(f"{stream}.{letter}", payload, headers=headers)
        self.healed()

        assert "error" in answer
        if kind == "once":
            again = self.put(f"s.{letter}", b"once", headers)
            assert "duplicate" not in again
            assert again["seq"] == self.s.put(Kept(0, f"s.{letter}", b"once"))

    @rule(letter=letters, payload=payloads, code=codes)
    def what_follows_cannot_be_written(self, letter: str, payload: bytes, code: int) -> None:
        """A mirror and a source miss nothing for that."""
        for name in "MX":
            stream: Any = self.disk.js.streams[name].store
            self.disk.disk.fail(f"INSERT INTO m{stream.id}_", code)
        answer = self.disk.put(f"o.{letter}", payload)
        assert "error" not in answer
        self.memory.publish(f"o.{letter}", payload)
        self.origin.append((f"o.{letter}", payload))
        self.healed()

    def healed(self) -> None:
        """The disk works again; the other server waits as long."""
        self.disk.heal()
        self.passed_s += 2
        self.memory.clock.advance(self.disk.clock.wall_ns() - self.memory.clock.wall_ns())
        self.pass_time(5)

    # --- the comparison

    @invariant()
    def servers_and_model_are_alike(self) -> None:
        if not self.disk.js.streams:
            return
        self.hears_what_schemas_allow()
        for name in "SNIOM":
            ours, memory = messages_of(self.disk, name), messages_of(self.memory, name)
            assert ours == memory, (name, set(ours) ^ set(memory))
            self.both(lambda world, n=name: world.api(f"STREAM.INFO.{n}"))
        # When a source's message was stored depends on the disk.
        ours, memory = (
            [one._replace(ts_ns=0) for one in messages_of(world, "X")] for world in self.worlds()
        )
        assert ours == memory
        for name in self.interest.filters:
            info = self.both(lambda world, n=name: world.info("I", n))
            assert info["num_ack_pending"] == len(self.interest.pending[name])
        found = {name: messages_of(self.disk, name) for name in "SIMX"}
        expected = [(one.seq, one.subject, one.payload) for one in self.s.messages]
        assert [(one.seq, *key) for one, key in with_content(found["S"])] == expected
        assert self.disk.js.streams["S"].store.last_seq() == self.s.last_seq
        assert {one.seq: key for one, key in with_content(found["I"])} == self.interest.messages
        assert content(found["M"]) == content(found["X"]) == self.origin

    def pass_time(self, seconds: int) -> None:
        """Let time pass; what a timer begins comes to its end before the next one.

        Nothing ages by the way: before it could, everything does.
        """
        self.passed_s += seconds
        if seconds < LONG_S and self.passed_s > TTL_S // 2:
            self.everything_ages()
        self.advance(seconds)


# The same few in each run of the suite; MODEL_EXAMPLES asks for that many others.
MORE: Final = int(os.environ.get("MODEL_EXAMPLES", "0"))
TestApiMachine = ApiMachine.TestCase
TestApiMachine.settings = settings(
    max_examples=MORE or 15,
    stateful_step_count=40 if MORE else 25,
    derandomize=not MORE,
    deadline=None,
    suppress_health_check=list(HealthCheck),
    print_blob=True,
)
