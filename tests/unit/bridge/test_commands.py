"""The row of commands of one port: one under way, a bounded number behind it."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

import pytest

from leafnode.bridge import port_bounds
from leafnode.bridge.answer_bound import AnswerBound
from leafnode.bridge.commands import CommandQueue, Order, Refused
from leafnode.clock import NS_PER_S
from leafnode.config import serial_bounds
from tests.sim.clock import FakeClock
from tests.unit.bridge.fake_stream import new_account
from tests.unit.bridge.requester import Heard, Requester
from tests.unit.routing.test_services import World as Imported

if TYPE_CHECKING:
    from leafnode.routing.account import Account


class Row:
    """A queue and who asks."""

    def __init__(self, account: Account | None = None, *, more: int = 0) -> None:
        self.account = account or new_account()
        self.clock = FakeClock()
        self.changes = 0
        self.expired: list[bytes] = []
        subjects = {b"c.a": (self._prepare, 2 * NS_PER_S), b"c.b": (self._prepare, NS_PER_S)}
        subjects |= {b"c.%d" % number: (self._prepare, NS_PER_S) for number in range(more)}
        self.queue: CommandQueue[bytes] = CommandQueue(
            self.account,
            self.clock,
            subjects,
            bound=AnswerBound("p", self.clock, lambda: 5),
            changed=self._changed,
            expired=self._expired,
        )
        self.requester = Requester(self.account)
        self.queue.start()
        self.queue.opened()

    def _prepare(self, payload: bytes) -> bytes:
        if payload == b"bad":
            raise Refused(400, "no")
        return payload

    def _changed(self) -> None:
        self.changes += 1

    def _expired(self, order: Order[bytes]) -> None:
        self.expired.append(order.work)

    def begin(self) -> bytes:
        order = self.queue.begin()
        assert order is not None
        return order.work


def test_commands_go_one_behind_the_other_and_each_is_answered() -> None:
    row = Row()
    row.requester.ask(b"c.a", b"1")
    row.requester.ask(b"c.b", b"2")
    assert row.changes == 2

    assert row.begin() == b"1"
    row.queue.finish(b"one")
    assert row.begin() == b"2"
    row.queue.fail(502, "would not")

    assert row.requester.heard == [Heard(b"one"), Heard(b"", 502, "would not")]
    assert row.queue.begin() is None
    counts = row.queue.counts()
    assert (counts["received"], counts["answered"], counts["failed"]) == (2, 1, 1)


def test_what_the_server_answers_somewhere_is_no_command() -> None:
    """Who may ask a stream for a message has it sent to any subject: with the server's rights."""
    row = Row()

    row.account.answer(b"c.a", b"1")
    row.account.deliver(b"c.b", [(b"c.b", b"", 0, b"2")], origin=row.account.answering)
    row.account.deliver(b"c.b", [(b"s", b"", 0, b"2")])
    assert row.queue.begin() is None
    assert row.queue.counts()["replies_refused"] == 2

    row.account.deliver(b"c.b", [(b"c.b", b"", 0, b"3")])  # a consumer's own deliver subject
    assert row.begin() == b"3"


def test_an_answer_beyond_max_payload_is_an_error_and_the_next_command_may_begin() -> None:
    row = Row()
    row.requester.ask(b"c.a", b"1")
    row.requester.ask(b"c.a", b"2")

    row.begin()
    row.queue.finish(b"12345")
    row.begin()
    row.queue.finish(b"123456")

    error = "the answer is larger than max_payload"
    assert row.requester.heard == [Heard(b"12345"), Heard(b"", 502, error)]
    assert row.queue.current is None
    counts = row.queue.counts()
    assert (counts["answered"], counts["failed"], counts["too_large"]) == (1, 1, 1)


def test_at_the_bound_one_more_is_refused() -> None:
    row = Row()
    for _ in range(serial_bounds.COMMANDS_WAITING_MAX):
        row.requester.ask(b"c.a")
    assert row.requester.heard == []

    row.requester.ask(b"c.a")

    assert row.requester.heard == [Heard(b"", 429, "too many commands wait for the port")]
    assert row.queue.counts()["waiting"] == serial_bounds.COMMANDS_WAITING_MAX
    row.begin()
    row.requester.ask(b"c.a")
    assert len(row.requester.heard) == 1
    assert row.queue.counts()["refused"] == 1


def test_each_command_is_paid_for_also_one_that_is_refused() -> None:
    row = Row()
    outbox = row.account.system.outbox
    count = serial_bounds.COMMANDS_WAITING_MAX + 10

    before = outbox.work_left
    for _ in range(count):
        row.requester.ask(b"c.a")

    assert before - outbox.work_left >= count * port_bounds.REQUEST_WORK


def test_what_is_too_large_or_wrong_is_refused_and_takes_no_place() -> None:
    row = Row()
    row.requester.ask(b"c.a", b"x" * serial_bounds.COMMAND_BYTES_MAX)
    row.requester.ask(b"c.a", b"x" * (serial_bounds.COMMAND_BYTES_MAX + 1))
    row.requester.ask(b"c.a", b"bad")

    assert [heard.code for heard in row.requester.heard] == [413, 400]
    assert row.queue.waiting == 1


def test_what_is_not_answered_in_time_ends_and_the_next_may_begin() -> None:
    row = Row()
    row.requester.ask(b"c.b", b"1")
    row.begin()

    row.clock.advance(NS_PER_S - 1)
    assert row.requester.heard == []
    row.clock.advance(1)

    assert [heard.code for heard in row.requester.heard] == [504]
    assert row.expired == [b"1"]
    assert row.queue.current is None
    assert row.queue.counts()["unanswered"] == 1
    assert row.changes == 2


def test_what_waited_too_long_is_never_sent() -> None:
    row = Row()
    row.requester.ask(b"c.a", b"1")
    row.clock.advance(serial_bounds.COMMAND_WAIT_NS - 1)
    row.requester.ask(b"c.a", b"2")
    row.clock.advance(1)

    assert [heard.code for heard in row.requester.heard] == [503]
    assert row.begin() == b"2"


def test_a_port_that_closes_ends_all_and_one_that_is_closed_takes_none() -> None:
    row = Row()
    for payload in (b"1", b"2"):
        row.requester.ask(b"c.a", payload)
    row.begin()

    row.queue.closed()
    row.requester.ask(b"c.a", b"3")

    lost, waited, late = row.requester.heard
    assert (lost.code, waited.code, late.code) == (503, 503, 503)
    assert "nobody knows" in lost.error
    assert waited.error == late.error == "the port is not open"
    row.clock.advance(10 * NS_PER_S)
    assert len(row.requester.heard) == 3
    row.queue.opened()
    assert row.queue.begin() is None


def test_behind_the_end_nobody_responds() -> None:
    row = Row()
    row.queue.end()

    assert not row.requester.ask(b"c.a")


def test_very_many_subjects_are_listened_to_in_turns() -> None:
    per_turn = port_bounds.COMMAND_SUBJECTS_PER_TURN
    row = Row(more=2 * per_turn)
    counts = []
    for _ in range(4):
        counts.append(len(row.queue._subs))
        row.clock.advance(0)

    assert counts[0] == per_turn
    assert counts[-1] == 2 * per_turn + 2
    row.requester.ask(b"c.%d" % (2 * per_turn - 1), b"1")
    assert row.begin() == b"1"


def test_a_port_that_ends_before_it_listens_to_all_listens_to_none() -> None:
    row = Row(more=2 * port_bounds.COMMAND_SUBJECTS_PER_TURN)

    row.queue.end()
    row.clock.advance(0)

    assert not row.queue._subs
    assert row.clock.pending() == 0
    row.requester.ask(b"c.%d" % port_bounds.COMMAND_SUBJECTS_PER_TURN, b"1")
    assert row.queue.waiting == 0


def test_an_answer_goes_to_inboxes_alone() -> None:
    """Else one command would send another one, or write what its sender may not."""
    row = Row()
    heard: list[object] = []
    for subject in (b"$JS.API.>", b"other.>"):
        row.account.subscribe(subject, heard.append)
    for reply in (b"c.b", b"$JS.API.STREAM.PURGE.R", b"other.x"):
        row.requester.ask(b"c.a", b"1", reply=reply)
        row.begin()
        row.queue.finish(b"x")
        row.requester.ask(b"c.a", b"bad", reply=reply)
        row.requester.ask(b"c.a", b"1", reply=reply)
        row.begin()
        row.queue.fail(502, "x")

    counts = row.queue.counts()
    assert (counts["received"], counts["waiting"], heard) == (9, 0, [])
    assert counts["replies_refused"] == 9


def test_without_a_requester_it_is_done_all_the_same() -> None:
    row = Row()
    row.requester.ask(b"c.a", b"1", reply=b"")
    row.requester.ask(b"c.a", b"2", reply=b"$JS.ACK.s.c.1.1.1.1.0")
    heard: list[object] = []
    row.account.subscribe(b"$JS.ACK.>", heard.append)

    assert row.begin() == b"1"
    row.queue.finish(b"x")
    assert row.begin() == b"2"
    row.queue.fail(502, "x")

    assert row.requester.heard == []
    assert heard == []


@pytest.mark.parametrize("hops", [1, 2])
def test_an_answer_through_service_imports_becomes_no_other_command(hops: int) -> None:
    """Who may send one imported command names another as the reply: it would be sent by imports."""
    world = Imported()
    row = Row(world.account("A"))
    names = ["A", "B", "C"][: hops + 1]
    for exporter, importer in pairwise(names):
        for subject in (b"c.a", b"c.b"):
            world.import_(importer, world.export(exporter, subject))
    asker = world.account(names[-1])

    asker.publish(b"c.a", b"1", reply=b"c.b")
    row.begin()
    row.queue.finish(b"zero")

    counts = row.queue.counts()
    assert (counts["received"], counts["replies_refused"]) == (1, 1)
    requester = Requester(asker)
    requester.ask(b"c.a", b"2")
    row.begin()
    row.queue.finish(b"two")
    assert requester.heard == [Heard(b"two")]
