"""Patience with the hub."""

from __future__ import annotations

import base64
import gc
import random
import weakref
from datetime import UTC

import pytest

from leafnode import limits
from leafnode.clock import NS_PER_MS, NS_PER_S
from leafnode.config.options import UplinkBudget
from leafnode.routing.account import Account
from leafnode.routing.peer import Outbox
from leafnode.routing.subscription import Delivery
from leafnode.uplink.answers import Failure, HubMessage, hub_message
from leafnode.uplink.gate import Gate
from leafnode.uplink.interview import SILENCE, Interview, completed
from leafnode.uplink.ledger import QUESTIONS, Line
from leafnode.uplink.mailbox import Mailbox
from leafnode.uplink.onward import Origin, Place
from leafnode.uplink.position import Known, Position
from leafnode.uplink.resume import Resume
from tests.sim.clock import FakeClock
from tests.sim.hub import FakeHub, Stored

ORIGIN = Origin("edge", "EV", "Ab12Cd34")


class World:
    """A hub, and somebody who asks it."""

    def __init__(self, api: str = "$JS.hub.API.STREAM.MSG.GET.AGG") -> None:
        self.clock = FakeClock()
        outbox = Outbox(lambda: None)
        outbox.wake = lambda: self._soon(outbox)
        self.account = Account("$G", outbox)
        self.hub = FakeHub(self.account, self.clock)
        self.gate = Gate(UplinkBudget(), window_bytes=1024, zone=UTC, clock=self.clock)
        mailbox = Mailbox(self.account, self.clock, random.Random(1), self.hub.is_hub)
        self.interview = Interview(self.hub, self.clock, mailbox, self.gate, api)
        self.results: list[Resume | Failure] = []

    def _soon(self, outbox: Outbox) -> None:
        self.clock.call_later(0, outbox.flush)

    def begin(self) -> Resume:
        resume = Resume([["edge.ev.>"]], acked=0)
        self.interview.begin(resume, ORIGIN, self.results.append)
        return resume


def test_an_answer_ends_the_round() -> None:
    world = World()

    resume = world.begin()
    world.clock.advance(NS_PER_S)

    assert world.results == [resume]
    assert world.clock.pending() == 0


def test_a_round_that_has_nothing_to_ask_ends_in_a_later_turn() -> None:
    world, resume = World(), Resume([], acked=0)

    world.interview.begin(resume, ORIGIN, world.results.append)

    assert world.results == []
    world.clock.advance(0)
    assert (world.results, world.hub.questions) == ([resume], [])
    assert world.clock.pending() == 0


@pytest.mark.parametrize("is_answered", [True, False])
def test_what_was_asked_for_is_not_kept(is_answered: bool) -> None:
    """A search has seen up to 4,096 messages of the hub."""
    world = World()
    world.hub.loses_answers = not is_answered
    resume = weakref.ref(world.begin())
    world.clock.advance(60 * NS_PER_S)
    assert len(world.results) == 1

    world.results.clear()

    gc.collect()
    assert resume() is None


def test_a_question_that_got_lost_is_asked_again() -> None:
    world = World()
    world.hub.loses_answers = True
    resume = world.begin()
    world.clock.advance(limits.UPLINK_ASK_NS // 2)
    world.hub.loses_answers = False

    world.clock.advance(limits.UPLINK_ASK_NS)

    assert world.results == [resume]
    assert world.hub.questions[:2] == [{"last_by_subj": "edge.ev.>"}] * 2


def test_silence_ends_after_the_last_attempt() -> None:
    world = World()
    world.hub.loses_answers = True

    world.begin()
    world.clock.advance(60 * NS_PER_S)

    assert world.results == [Failure(0, "the hub does not answer")]
    assert len(world.hub.questions) == limits.UPLINK_ASK_ATTEMPTS


def test_an_error_is_named_at_the_end() -> None:
    world = World("$JS.hub.API.STREAM.MSG.GET.NOPE")

    world.begin()
    world.clock.advance(60 * NS_PER_S)

    assert world.results == [Failure(10059, "stream not found")]


def test_nobody_upstream_is_named_at_the_end() -> None:
    world = World("$JS.other.API.STREAM.MSG.GET.AGG")

    world.begin()
    world.clock.advance(60 * NS_PER_S)

    subject = "$JS.other.API.STREAM.MSG.GET.AGG"
    assert world.results == [Failure(0, f"nobody upstream takes {subject}")]


@pytest.mark.parametrize(
    ("api", "told"),
    [
        ("$JS.hub.API.STREAM.MSG.GET.NOPE", Failure(10059, "stream not found")),
        (
            "$JS.other.API.STREAM.MSG.GET.AGG",
            Failure(0, "nobody upstream takes $JS.other.API.STREAM.MSG.GET.AGG"),
        ),
    ],
)
def test_what_is_wrong_is_told_at_once_and_asked_on(api: str, told: Failure) -> None:
    world = World(api)
    failures: list[Failure] = []
    world.interview.on_trouble = failures.append

    world.begin()
    world.clock.advance(NS_PER_S // 4)

    assert failures == [told]
    assert world.results == []


def test_silence_is_told_within_five_seconds_and_not_before_three() -> None:
    world = World()
    world.hub.loses_answers = True
    failures: list[Failure] = []
    world.interview.on_trouble = failures.append

    world.begin()
    world.clock.advance(3 * NS_PER_S)
    early = list(failures)
    world.clock.advance(2 * NS_PER_S)

    assert early == []
    assert failures == [Failure(0, "the hub does not answer")]


def test_a_cancelled_round_says_nothing() -> None:
    world = World()

    world.begin()
    world.interview.cancel()
    world.clock.advance(60 * NS_PER_S)

    assert world.results == []


def test_what_is_looked_up_is_asked_for_some_at_a_time() -> None:
    world = World()
    between = 3 * limits.UPLINK_PROBES_AT_ONCE
    for _ in range(between):
        world.hub.publish(b"edge.other", b"stranger")
    block = b"NATS/1.0\r\nNats-Msg-Id: %b\r\nLeafnode-In-Flight: 4 0\r\n\r\n"
    block %= ORIGIN.msg_id(Place(4 + between))
    world.hub._store(Stored(b"edge.ev.a", block, b"9"))

    resume = world.begin()
    world.clock.advance(30_000_000)  # the answer to the question is back, no look-up is
    looked_up = sum("seq" in question for question in world.hub.questions)
    world.clock.advance(NS_PER_S)

    assert looked_up <= limits.UPLINK_PROBES_AT_ONCE
    assert world.results == [resume]
    assert sum("seq" in question for question in world.hub.questions) == between


def test_a_slow_hub_that_answers_one_after_the_other_has_the_time_it_needs() -> None:
    world = World()
    for _ in range(limits.UPLINK_PROBES_AT_ONCE):
        world.hub.publish(b"edge.other", b"stranger")
    block = b"NATS/1.0\r\nNats-Msg-Id: %b\r\nLeafnode-In-Flight: 4 1\r\n\r\n"
    block %= ORIGIN.msg_id(Place(9))
    world.hub._store(Stored(b"edge.ev.a", block, b"9"))
    world.hub.bytes_per_s = 100  # a question takes a second

    resume = world.begin()
    world.clock.advance(300 * NS_PER_S)

    assert world.results == [resume]


def test_an_answer_that_is_heard_again_has_nothing_asked_again() -> None:
    """On a slow link each question was asked twice; one storm of them all for each answer."""
    world = World()
    position = Position(floor=3, hub_seq=1)
    known = Known(position, 3, 1, ["edge.ev.a"])
    block = b"NATS/1.0\r\nNats-Msg-Id: %b\r\n\r\n"
    world.hub._store(Stored(b"edge.ev.a", block % ORIGIN.msg_id(Place(3)), b"3"))
    for _ in range(200):
        world.hub.publish(b"edge.ev.a", b"stranger")
    resume = Resume([["edge.ev.a"]], 3, known=known, doubtful=4)
    world.interview.begin(resume, ORIGIN, world.results.append)
    while not resume.open_probes:
        world.clock.advance(NS_PER_MS)
    for _ in range(20):
        world.interview._ask(b"s1", {"seq": 1})
    world.clock.advance(60 * NS_PER_S)

    assert world.results == [resume]
    assert len(world.hub.questions) <= 1 + 2 + 20 + 201


def test_many_questions_on_a_slow_link_do_not_pile_up() -> None:
    """Asked all at once and again and again they took longer than anybody waits for them."""
    world = World()
    world.hub.bytes_per_s = 2000
    resume = Resume([[f"edge.ev.{number}"] for number in range(200)], acked=0)
    world.interview.begin(resume, ORIGIN, world.results.append)
    world.hub.loses_answers = True
    world.clock.advance(10 * NS_PER_S)
    assert len(world.hub.questions) < 3 * limits.UPLINK_PROBES_AT_ONCE
    world.hub.loses_answers = False

    world.clock.advance(60 * NS_PER_S)

    assert world.results == [resume]
    assert world.hub.queued_ns_max < 5 * NS_PER_S


@pytest.mark.parametrize(("bytes_per_s", "questions"), [(200, 200), (100, 60)])
def test_a_very_slow_link_is_not_filled_with_the_same_questions(
    bytes_per_s: int, questions: int
) -> None:
    """Each pause between two answers had all that waited asked again, and made the next longer."""
    world = World()
    world.hub.bytes_per_s = bytes_per_s
    resume = Resume([[f"edge.ev.{number}"] for number in range(questions)], acked=0)
    world.interview.begin(resume, ORIGIN, world.results.append)

    world.clock.advance(900 * NS_PER_S)

    assert world.results == [resume]
    assert len(world.hub.questions) < 2 * questions


def test_nothing_is_asked_again_while_something_is_on_its_way_unless_that_takes_very_long() -> None:
    world = World()
    world.hub.loses_answers = True
    world.hub.answers_per_s, world.hub._answered_ns = 1, 10**18

    world.begin()
    world.clock.advance(limits.UPLINK_AMID_NS - NS_PER_S)
    assert (len(world.hub.questions), world.results) == (1, [])
    world.clock.advance(30 * NS_PER_S)

    assert len(world.hub.questions) == limits.UPLINK_ASK_ATTEMPTS
    assert world.results == [SILENCE]


def test_of_an_answer_that_is_too_large_the_start_says_enough() -> None:
    """nats-server 2.15.1 shows a message in this order; quotation marks in it are escaped."""
    start = (
        b'{"type":"io.nats.jetstream.api.v1.stream_msg_get_response","message":{"subject":'
        b'"edge.ev.\\",\\"data\\":\\"a","seq":7,"hdrs":"%b","data":"QUFB'
    )
    block = b"NATS/1.0\r\nNats-Msg-Id: %b\r\n\r\n" % ORIGIN.msg_id(Place(3))

    message = hub_message(completed(start % base64.b64encode(block)), ORIGIN)
    assert message == HubMessage(7, 3, None, 'edge.ev.","data":"a')
    assert isinstance(hub_message(completed(start[:100]), ORIGIN), Failure)


def test_all_of_an_answer_counts_though_only_its_start_was_kept() -> None:
    world = World()
    resume = world.begin()
    (sub,) = world.account.inboxes.values()
    subject = sub.subject.replace(b">", b"h.1.q0")
    body = b'{"message":{"subject":"edge.ev.a","seq":7,"data":"QUFB'
    delivery = Delivery(subject, [(b"", 0, body)], world.hub.peer, lost_bytes=1_000_000)

    assert sub.handler is not None
    sub.handler(delivery)

    assert (resume.strangers, resume.open_questions[0][1]) == (1, ">")
    line = world.gate.ledger.page(world.gate.today)[QUESTIONS]
    assert line.received == len(body) + 1_000_000 + limits.UPLINK_LINE_BYTES


def test_questions_and_answers_are_counted() -> None:
    world = World()
    world.hub.publish(b"edge.ev.a", b"x" * 3000)

    world.begin()
    world.clock.advance(NS_PER_S)

    line = world.gate.ledger.page(world.gate.today)[QUESTIONS]
    assert len(world.hub.questions) == 2
    assert 160 < line.sent < 200
    assert 2 * 4000 < line.received < 2 * 4200  # the message in base64
    assert line.messages == 0
    assert line == Line(0, line.sent, world.gate.ledger.bytes_of(world.gate.today) - line.sent)
