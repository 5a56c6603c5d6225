"""The local stream as a client of JetStream sees it."""

from __future__ import annotations

import random

from leafnode.clock import NS_PER_S
from leafnode.uplink.answers import Failure
from leafnode.uplink.durable import Search
from leafnode.uplink.local import LocalState, LocalStream, Pulled
from leafnode.uplink.mailbox import Mailbox
from leafnode.uplink.owner import Owner
from leafnode.uplink.window import Budget, Entry
from tests.sim.clock import FakeClock
from tests.sim.local_jetstream import LocalJetStream
from tests.sim.peers import FakePeer, account

DURABLE = "leafnode-uplink-up-EV"


class World:
    """A local JetStream, and the uplink's view of it."""

    def __init__(self) -> None:
        self.clock = FakeClock()
        self.account = account()
        self.jetstream = LocalJetStream(self.account, self.clock)
        mailbox = Mailbox(self.account, self.clock, random.Random(1))
        search = Search(mailbox, "EV", Owner("up", "AGG@hub"), lambda: {"up"})
        self.local = LocalStream(self.account, self.clock, mailbox, stream="EV", search=search)
        self.states: list[LocalState | Failure] = []
        self.entries: list[tuple[Entry, int]] = []
        self.ends: list[Pulled] = []
        self.local.taken = lambda entry, pending: self.entries.append((entry, pending))
        self.local.ended = self.ends.append

    def open(self) -> None:
        self.local.open(16, self.states.append)


def test_opening_makes_a_durable_consumer_with_explicit_acknowledgement() -> None:
    world = World()

    world.open()

    assert world.jetstream.requests == [
        "STREAM.INFO.EV",
        "CONSUMER.NAMES.EV",
        f"CONSUMER.CREATE.EV.{DURABLE}",
    ]
    config = world.jetstream.consumers[DURABLE].config
    assert config["durable_name"] == DURABLE
    assert config["metadata"] == {"leafnode-uplink": "up", "leafnode-hub": "AGG@hub"}
    assert config["ack_policy"] == "explicit"
    assert config["max_ack_pending"] == 16
    state = world.states[0]
    assert isinstance(state, LocalState)
    assert state.stream.domain == "edge"


def test_a_jetstream_that_is_silent_is_a_failure() -> None:
    world = World()
    world.jetstream.silent = True

    world.open()
    world.clock.advance(10 * NS_PER_S)

    assert world.states == [Failure(0, "stream EV: the local JetStream does not answer")]


def test_pulled_messages_come_with_what_is_still_behind_them() -> None:
    world = World()
    world.open()
    world.jetstream.store(b"1")
    world.jetstream.store(b"2")

    world.local.pull(Budget(1, 1000))

    (entry, pending), *rest = world.entries
    assert (entry.seq, entry.subject, entry.body, pending) == (1, b"ev.a", b"1", 1)
    assert rest == []
    assert not world.local.is_pulling


def test_messages_of_another_consumer_that_are_sent_here_are_none() -> None:
    """A client names the inbox of our pull as the reply of its own; what comes is the server's."""
    world = World()
    world.open()
    world.local.pull(Budget(4, 1000))
    (pull,) = world.jetstream.consumers[DURABLE].pulls

    for whose in (b"SIDE.other", b"EV.other", b"SIDE." + DURABLE.encode()):
        reply = b"$JS.ACK." + whose + b".1.1.1.1795386260760356133.0"
        message = (b"ev.a", reply, 0, b"x")
        world.account.deliver(pull.inbox, [message], origin=world.account.answering)
    assert world.entries == []

    world.jetstream.store(b"1")
    assert [entry.body for entry, _ in world.entries] == [b"1"]


def test_no_client_is_shown_where_the_end_of_a_pull_is_told_or_can_tell_from_the_last_one() -> None:
    world = World()
    client = FakePeer(world.account)
    client.subscribe(b">", b"1")
    world.open()
    world.local.pull(Budget(4, 1000))
    (pull,) = world.jetstream.consumers[DURABLE].pulls
    assert b"CONSUMER.MSG.NEXT" in (seen := client.got())
    assert pull.inbox not in seen
    world.clock.advance(60 * NS_PER_S)
    world.local.pull(Budget(4, 1000))
    (later,) = world.jetstream.consumers[DURABLE].pulls

    gone = b"NATS/1.0 503\r\n\r\n"
    world.account.publish(pull.inbox, gone, header_size=len(gone))

    assert world.local.is_pulling
    assert later.inbox != pull.inbox


def test_a_pull_that_waits_ends_with_its_time() -> None:
    world = World()
    world.open()

    world.local.pull(Budget(1, 1000))
    assert world.local.is_pulling
    world.clock.advance(60 * NS_PER_S)

    assert world.ends == [Pulled()]


def test_a_message_that_does_not_fit_ends_the_pull_with_the_reason() -> None:
    world = World()
    world.open()
    world.jetstream.store(b"x" * 100)

    world.local.pull(Budget(5, 50))

    assert world.ends == [Pulled(too_large=True)]


def test_no_pull_asks_for_more_than_the_consumer_was_given_a_bound_for() -> None:
    world = World()
    world.jetstream.max_batch = 2
    world.open()
    world.jetstream.store(b"1")

    world.local.pull(Budget(5, 1000))

    (pull,) = world.jetstream.consumers[DURABLE].pulls
    assert (pull.batch, world.ends) == (1, [])  # of two, one came


def test_what_is_collected_comes_in_as_many_pulls_as_the_bound_makes_of_it() -> None:
    world = World()
    world.jetstream.max_batch = 2
    world.open()
    for number in range(5):
        world.jetstream.store(b"%d" % number)

    world.local.collect(5)
    world.clock.advance(NS_PER_S)

    assert [entry.body for entry, _ in world.entries] == [b"0", b"1", b"2", b"3", b"4"]
    assert not world.local.is_pulling


def test_a_pull_that_is_refused_ends_with_the_reason() -> None:
    world = World()
    world.open()
    world.jetstream.consumers[DURABLE].config["max_batch"] = 2

    world.local.pull(Budget(5, 1000))

    refusal = "the local consumer takes no pull: Exceeded MaxRequestBatch of 2"
    assert world.ends == [Pulled(refusal=refusal)]


def test_a_missing_jetstream_ends_the_pull() -> None:
    clock = FakeClock()
    acc = account()
    mailbox = Mailbox(acc, clock, random.Random(1))
    search = Search(mailbox, "EV", Owner("up", "AGG@hub"), lambda: {"up"})
    local = LocalStream(acc, clock, mailbox, stream="EV", search=search)
    ends: list[Pulled] = []
    local.ended = ends.append

    local.pull(Budget(1, 1000))

    assert ends == [Pulled(gone=True)]


def test_an_ack_goes_where_the_message_says() -> None:
    world = World()
    world.open()
    world.jetstream.store(b"1")
    world.local.pull(Budget(1, 1000))

    world.local.ack(world.entries[0][0])
    world.clock.advance(0)

    assert world.jetstream.acks == [1]
    assert world.jetstream.consumers[DURABLE].pending == {}


def test_acks_of_a_turn_go_together_and_before_the_next_look_pull_or_end() -> None:
    for step in (
        lambda world: world.clock.advance(0),
        lambda world: world.local.look(lambda _: None),
        lambda world: world.local.pull(Budget(1, 1000)),
        lambda world: world.local.close(),
    ):
        world = World()
        world.open()
        for payload in (b"1", b"2", b"3"):
            world.jetstream.store(payload)
        world.local.pull(Budget(3, 1000))
        for entry, _ in world.entries:
            world.local.ack(entry)
        assert world.jetstream.acks == []

        step(world)

        assert world.jetstream.acks == [1, 2, 3]
        world.clock.advance(NS_PER_S)
        assert world.jetstream.acks == [1, 2, 3]
