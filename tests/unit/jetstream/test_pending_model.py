"""Ack floor, ack pending and redelivery against a naive model.

The floor follows the rule of nats-server 2.15.1 server/consumer.go, processAckMsg: a pending
message keeps the consumer sequence of its first delivery, and the floor moves over what comes next
to it. tests/conformance/jetstream plays the same on both servers (RED-11, RED-12).
"""

from __future__ import annotations

from dataclasses import dataclass

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from leafnode.jetstream.pending import Pending, Position
from tests.sim.positions import entries

WAIT_NS = 100


@dataclass
class Out:
    """One message that is out, in the model."""

    consumer_seq: int
    deadline_ns: int
    count: int = 1
    queued: bool = False


@dataclass
class Floor:
    """nats-server's rule for the floor of a consumer that acknowledges one by one."""

    consumer_seq: int = 0
    stream_seq: int = 0

    def acked(self, seq: int, first: int, out: dict[int, Out], delivered: Position) -> None:
        """A message is not in `out` any more, whose first delivery was number `first`."""
        if not out:
            self.consumer_seq, self.stream_seq = delivered
        elif first == self.consumer_seq + 1:
            self.consumer_seq, self.stream_seq = first, seq
            above = [other for other in out if other > seq]
            if above:
                self.consumer_seq = out[min(above)].consumer_seq - 1
                self.stream_seq = min(above) - 1


class PendingAgainstModel(RuleBasedStateMachine):
    """Any order of deliveries, acks, naks and waits; the model keeps a plain dict."""

    def __init__(self) -> None:
        super().__init__()
        self.pending = Pending(1, ack_wait_ns=WAIT_NS)
        self.out: dict[int, Out] = {}
        self.queue: list[int] = []
        self.now_ns = 0
        self.consumer_seq = 0
        self.stream_seq = 0
        self.floor = Floor()

    def _acked(self, seq: int) -> bool:
        known = self.out.pop(seq, None)
        if known is not None:
            delivered = Position(self.consumer_seq, self.stream_seq)
            self.floor.acked(seq, known.consumer_seq, self.out, delivered)
        return known is not None

    @rule(gap=st.integers(1, 3))
    def deliver(self, gap: int) -> None:
        self.stream_seq += gap
        self.consumer_seq += 1
        assert self.pending.deliver(self.stream_seq, self.now_ns) == self.consumer_seq
        self.out[self.stream_seq] = Out(self.consumer_seq, self.now_ns + WAIT_NS)

    @rule(data=st.data())
    def ack_any(self, data: st.DataObject) -> None:
        seq = data.draw(st.integers(0, self.stream_seq + 1))
        assert self.pending.ack(seq) == self._acked(seq)
        self._queue_follows()

    @rule(data=st.data())
    def ack_some(self, data: st.DataObject) -> None:
        seqs = data.draw(st.lists(st.integers(0, self.stream_seq + 1), max_size=6))
        assert self.pending.ack_run(seqs) == [seq for seq in seqs if self._acked(seq)]
        self._queue_follows()

    @rule(data=st.data(), delay_ns=st.sampled_from([0, 50]))
    def nak_any(self, data: st.DataObject, delay_ns: int) -> None:
        seq = data.draw(st.integers(0, self.stream_seq + 1))
        known = self.out.get(seq)
        assert self.pending.nak(seq, self.now_ns, delay_ns) == (known is not None)
        if known is not None:
            known.queued = not delay_ns
            if delay_ns:
                known.deadline_ns = self.now_ns + delay_ns
        self._queue_follows()

    @rule(by_ns=st.integers(1, 2 * WAIT_NS))
    def wait(self, by_ns: int) -> None:
        self.now_ns += by_ns
        self.pending.expire(self.now_ns)
        for known in self.out.values():
            known.queued = known.queued or known.deadline_ns <= self.now_ns
        self._queue_follows()

    def _queue_follows(self) -> None:
        """What is queued keeps its order; what was not queued before comes behind, ascending."""
        self.queue = [seq for seq in self.queue if seq in self.out and self.out[seq].queued]
        queued = {seq for seq, known in self.out.items() if known.queued}
        self.queue += sorted(queued.difference(self.queue))

    @precondition(lambda self: any(known.queued for known in self.out.values()))
    @rule()
    def redeliver(self) -> None:
        seq = self.queue[0]
        assert self.pending.next_redelivery() == seq
        self.consumer_seq += 1
        assert self.pending.redeliver(seq, self.now_ns) == self.consumer_seq
        count = self.out[seq].count + 1
        self.out[seq] = Out(self.out[seq].consumer_seq, self.now_ns + WAIT_NS, count)
        self._queue_follows()

    @invariant()
    def holds_the_same_messages(self) -> None:
        held = {seq: consumer_seq for seq, consumer_seq, _ in entries(self.pending)}
        assert held == {seq: known.consumer_seq for seq, known in self.out.items()}
        assert self.pending.queued == sum(known.queued for known in self.out.values())
        assert self.pending.redelivered == sum(known.count > 1 for known in self.out.values())

    @rule()
    def restart(self) -> None:
        kept = self.pending
        self.pending = Pending(1, ack_wait_ns=WAIT_NS)
        assert not list(self.pending.restore(*kept.kept(), entries(kept), kept.kept_counts()))
        for seq in self.queue:  # is not kept; what waited in it is overdue, or told of again
            self.pending.nak(seq, self.now_ns)

    @invariant()
    def the_floor_is_where_nats_server_has_it(self) -> None:
        assert self.pending.floor == (self.floor.consumer_seq, self.floor.stream_seq)
        assert self.pending.floor.stream_seq < min(self.out, default=self.stream_seq + 1)

    @invariant()
    def a_deadline_is_never_missed(self) -> None:
        waiting = [known.deadline_ns for known in self.out.values() if not known.queued]
        if waiting:
            due_ns = self.pending.next_deadline_ns()
            assert due_ns is not None
            assert due_ns <= min(waiting)


PendingAgainstModel.TestCase.settings = settings(max_examples=60, stateful_step_count=40)
TestPendingAgainstModel = PendingAgainstModel.TestCase
