"""What an acknowledgement does, and what it leaves alone when the store refuses."""

from __future__ import annotations

from typing import Any

import pytest

from leafnode import limits
from leafnode.errors import StoreCorrupt, StoreFailed
from leafnode.jetstream.pending import Pending
from leafnode.nuid import hash8
from leafnode.routing.peer import Kind
from tests.sim.peers import FakePeer
from tests.unit.jetstream.world import Msg, World


def work_queue(**consumer: Any) -> tuple[World, list[Msg]]:
    world = World()
    world.create_stream(retention="workqueue")
    for _ in range(3):
        world.publish("s.a", b"x")
    world.create_consumer(**consumer)
    return world, world.fetch({"batch": 3, "expires": 10**9})


def test_an_ack_removes_from_a_work_queue() -> None:
    world, messages = work_queue()

    world.publish(messages[2].reply.decode(), b"+ACK")

    assert world.state()["messages"] == 2


@pytest.mark.parametrize("said", [b"", b"+ACK", b"+TERM", b"-NAK"])
@pytest.mark.parametrize(("name", "is_heard"), [("leafnode-uplink-S", False), ("C", True)])
def test_a_leaf_acknowledges_for_any_consumer_but_an_uplinks(
    name: str, said: bytes, *, is_heard: bool
) -> None:
    """What its user may publish does not bind it there, as on nats-server; and what the hub does
    not have would leave the stream.
    """
    world = World()
    world.create_stream(retention="workqueue")
    for _ in range(2):
        world.publish("s.a", b"x")
    world.create_consumer(name=name)
    replies = [one.reply for one in world.fetch({"batch": 2, "expires": 10**9}, name=name)]
    longer = replies[1].replace(b"$JS.ACK.", b"$JS.ACK._.%b." % hash8("$G").encode()) + b".x"
    leaf, link = FakePeer(world.account, 9, Kind.LEAF), FakePeer(world.account, 10, Kind.LEAF)
    pending = world.js.streams["S"].consumers[name].pending

    for subject in (replies[0], longer):
        leaf.says(b"LMSG %b %d\r\n%b\r\n" % (subject, len(said), said))

    assert (len(pending) - pending.queued == 0) is is_heard
    assert (len(pending) - pending.queued == 2) is not is_heard
    keys = world.account.wanted_by_others
    assert bool(keys((b"$JS.ACK.S.%b.*.*.*.*.*" % name.encode(), b""), link.leaf)) is is_heard


@pytest.mark.parametrize("payload", [b"+ACK", b"+TERM"])
def test_an_ack_that_the_store_refuses_leaves_the_message_pending(payload: bytes) -> None:
    world, messages = work_queue()
    world.store.error = StoreFailed("fsync failed")

    world.publish(messages[0].reply.decode(), payload)
    world.store.error = None

    info = world.info()
    assert (info["num_ack_pending"], info["ack_floor"]["stream_seq"]) == (3, 0)
    world.publish(messages[0].reply.decode(), payload)
    assert world.info()["num_ack_pending"] == 2


def test_an_ack_on_a_damaged_work_queue_does_not_end_the_publishers_connection() -> None:
    world, messages = work_queue()
    world.store.stores["$G", "S"].damaged = StoreCorrupt("bad")

    assert world.request(messages[0].reply.decode(), b"+ACK") == []
    assert world.js.streams["S"].consumers["C"].trouble.count == 1


def test_many_acks_of_a_turn_are_one_pump() -> None:
    world, messages = work_queue()
    pumps: list[int] = []
    consumer = world.js.streams["S"].consumers["C"]
    consumer.pump = lambda: pumps.append(1)  # type: ignore[method-assign]

    for message in messages:
        world.publish(message.reply.decode(), b"+ACK")
    assert pumps == []
    world.clock.advance(0)

    assert pumps == [1]


@pytest.mark.parametrize(
    "subject",
    [
        b"$JS.ACK.S.C.1.x.1.1.0",
        b"$JS.ACK.S.C.1.-1.1.1.0",
        b"$JS.ACK.S.C..1.1.1.0",
        b"$JS.ACK.S.C.1.99.99.1.0",
        b"$JS.ACK.S.C.1.99999999999999999999.1.1.0",
    ],
)
def test_a_subject_that_names_no_delivery_does_nothing(subject: bytes) -> None:
    world, _ = work_queue()

    assert world.request(subject.decode(), b"+ACK") == []
    assert world.info()["num_ack_pending"] == 3


def test_the_long_form_with_domain_and_account_is_taken_too() -> None:
    world, messages = work_queue()
    numbers = messages[0].reply.decode().removeprefix("$JS.ACK.S.C.")
    pattern = next(
        subject.decode()
        for subject, _ in world.account.local_interest
        if subject.startswith(b"$JS.ACK._.")
    )

    world.publish(pattern.removesuffix("*.*.*.*.>") + numbers, b"+ACK")

    assert world.info()["num_ack_pending"] == 2


class Fetched:
    """A client that fetched five messages and acknowledges in one write."""

    def __init__(self, *, retention: str = "limits", **consumer: Any) -> None:
        self.world = World()
        self.world.create_stream(retention=retention)
        self.world.create_consumer(**consumer)
        for _ in range(5):
            self.world.publish("s.a", b"x")
        self.replies = [one.reply for one in self.world.fetch({"batch": 5, "expires": 10**9})]
        self.client = FakePeer(self.world.account, 99)

    def acks(self, *payloads: bytes) -> None:
        lines = [
            b"PUB %b %d\r\n%b\r\n" % (reply, len(payload), payload)
            for reply, payload in zip(self.replies, payloads, strict=False)
        ]
        self.client.says(b"".join(lines))

    @property
    def out(self) -> tuple[int, int, int]:
        info = self.world.info()
        floor, left = info["ack_floor"]["stream_seq"], self.world.state()["messages"]
        return info["num_ack_pending"], floor, left


@pytest.mark.parametrize("payload", [b"", b"+ACK", b"+OK"])
@pytest.mark.parametrize("retention", ["limits", "workqueue", "interest"])
def test_acks_in_one_write_are_taken_together(
    retention: str, payload: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    fetched = Fetched(retention=retention)
    runs: list[int] = []
    ack_run = Pending.ack_run

    def noted(pending: Pending, seqs: list[int]) -> list[int]:
        runs.append(len(seqs))
        return ack_run(pending, seqs)

    monkeypatch.setattr(Pending, "ack_run", noted)
    fetched.acks(*[payload] * 3)

    assert fetched.out == (2, 3, 5 if retention == "limits" else 2)
    assert runs == [3]


@pytest.mark.parametrize("payload", [b"-NAK", b"+TERM", b"+WPI", b"what"])
def test_what_is_no_plain_ack_keeps_its_meaning_in_one_write(payload: bytes) -> None:
    fetched = Fetched()

    fetched.acks(b"+ACK", b"+ACK", *[payload] * 3)

    assert fetched.out[0] == (0 if payload == b"+TERM" else 3)


def test_an_ack_of_everything_before_is_no_row() -> None:
    fetched = Fetched(ack_policy="all")

    fetched.replies = fetched.replies[3:]
    fetched.acks(b"+ACK")

    assert fetched.out[:2] == (1, 4)


def test_acks_in_one_write_that_the_store_refuses_leave_all_pending() -> None:
    fetched = Fetched(retention="workqueue")
    fetched.world.store.error = StoreFailed("fsync failed")

    fetched.acks(*[b"+ACK"] * 3)
    fetched.world.store.error = None

    assert fetched.out == (5, 0, 5)


def test_the_same_ack_twice_in_one_write_counts_once() -> None:
    fetched = Fetched(retention="workqueue")
    fetched.replies = [fetched.replies[0]] * 2 + fetched.replies[1:]

    fetched.acks(*[b"+ACK"] * 3)

    assert fetched.out == (3, 2, 3)


def many_out(
    monkeypatch: pytest.MonkeyPatch, retention: str, count: int = 10
) -> tuple[World, list[Msg]]:
    """A consumer that acknowledges all before, with more out than a turn takes."""
    name = "ACKED_TURN_MSGS" if retention == "limits" else "PURGE_TURN_MSGS"
    monkeypatch.setattr(limits, name, 2)
    world = World()
    world.create_stream(retention=retention)
    world.create_consumer(ack_policy="all")
    for _ in range(count):
        world.publish("s.a", b"x")
    return world, world.fetch({"batch": count, "expires": 10**9})


@pytest.mark.parametrize("retention", ["limits", "interest"])
def test_an_ack_of_very_many_takes_turns_and_is_answered_at_the_end(
    monkeypatch: pytest.MonkeyPatch, retention: str
) -> None:
    world, messages = many_out(monkeypatch, retention)
    pending = world.js.streams["S"].consumers["C"].pending

    answers = world.request(messages[6].reply.decode(), b"+ACK")
    left = [len(pending)]
    while not answers:
        world.clock.turn()
        left.append(len(pending))

    assert left == [8, 6, 4, 3]
    info = world.info()
    assert info["ack_floor"] | {"last_active": ""} == {
        "consumer_seq": 7,
        "stream_seq": 7,
        "last_active": "",
    }
    assert world.state()["messages"] == (10 if retention == "limits" else 3)


def test_what_is_acknowledged_meanwhile_is_done_behind_it(monkeypatch: pytest.MonkeyPatch) -> None:
    world, messages = many_out(monkeypatch, "interest")
    first = world.request(messages[5].reply.decode(), b"+ACK")
    second = world.request(messages[8].reply.decode(), b"+ACK")
    world.publish(messages[1].reply.decode(), b"+ACK")  # is covered
    beyond = messages[9].reply.decode().replace(".10.10.", ".50.50.")
    world.publish(beyond, b"+TERM")
    world.settle()

    assert (len(first), len(second)) == (1, 1)
    assert len(world.js.streams["S"].consumers["C"].pending) == 1
    assert world.state()["messages"] == 1


def test_an_ack_that_the_store_refuses_half_way_is_not_answered(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    world, messages = many_out(monkeypatch, "interest")
    answers = world.request(messages[9].reply.decode(), b"+ACK")
    world.store.error = StoreFailed("fsync failed")
    world.settle()
    world.store.error = None
    world.settle()

    assert answers == []
    assert len(world.js.streams["S"].consumers["C"].pending) == 8
    again = world.request(messages[9].reply.decode(), b"+ACK")
    world.settle()
    assert (len(again), world.info()["num_ack_pending"]) == (1, 0)


def test_a_consumer_that_is_deleted_meanwhile_acknowledges_no_more(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    world, messages = many_out(monkeypatch, "limits")
    answers = world.request(messages[9].reply.decode(), b"+ACK")
    world.api("CONSUMER.DELETE.S.C")
    world.settle()

    assert answers == []


def test_no_more_wait_for_an_ack_of_very_many_than_may(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "CONFIRMATIONS_MAX", 1)
    world, messages = many_out(monkeypatch, "limits")
    first, second = (world.request(messages[9].reply.decode(), b"+ACK") for _ in range(2))
    world.settle()

    assert (len(first), len(second)) == (1, 0)
    assert world.js.streams["S"].consumers["C"].keeper.unconfirmed == 1


@pytest.mark.parametrize("others", [0, 1, 2])
@pytest.mark.parametrize("first", ["delivered once", "delivered again"])
def test_acks_of_very_many_in_one_turn_do_what_they_do_one_after_the_other(
    monkeypatch: pytest.MonkeyPatch, first: str, others: int
) -> None:
    found: list[tuple[object, ...]] = []
    for is_apart in (True, False):
        world, messages = many_out(monkeypatch, "limits", 20)
        consumer = world.js.streams["S"].consumers["C"]
        again = messages[5 if first == "delivered once" else 11].reply.decode()
        world.publish(again, b"-NAK")
        world.settle()
        (twice,) = world.fetch({"batch": 1, "expires": 10**9})
        order = [messages[11], twice] if first == "delivered once" else [twice, messages[13]]
        for message in [*order, *messages[-others:]][: 2 + others]:
            world.publish(message.reply.decode(), b"+ACK")
            if is_apart:
                world.settle()
        world.settle()
        found.append((consumer.pending.floor, consumer.pending.seqs()))

    assert found[0] == found[1]


@pytest.mark.parametrize("consumer_seq", [5, 9, 50])
def test_a_consumer_sequence_that_is_not_the_messages_own_does_not_stop_it_half_way(
    monkeypatch: pytest.MonkeyPatch, consumer_seq: int
) -> None:
    found = []
    for most in (2, 20):
        world, messages = many_out(monkeypatch, "limits")
        monkeypatch.setattr(limits, "ACKED_TURN_MSGS", most)
        forged = messages[8].reply.replace(b".9.9.", b".9.%d." % consumer_seq)
        answers = world.request(forged.decode(), b"+ACK")
        world.settle()
        pending = world.js.streams["S"].consumers["C"].pending
        found.append((len(answers), pending.floor, pending.seqs()))

    assert found[0] == found[1] == (1, (min(consumer_seq, 10), 9), [10])


def test_a_consumer_that_starts_over_meanwhile_delivers_all_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    world, messages = many_out(monkeypatch, "limits")
    answers = world.request(messages[9].reply.decode(), b"+ACK")
    world.request("$JS.API.CONSUMER.RESET.S.C", b'{"seq":1}')
    again = world.fetch({"batch": 10, "expires": 10**9})
    world.settle()

    assert answers == []
    assert len(again) == 10
    assert world.info()["num_ack_pending"] == 10
