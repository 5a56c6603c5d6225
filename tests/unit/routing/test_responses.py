"""leafnode.routing.responses: who was asked may answer, so often and so long."""

from itertools import pairwise

from leafnode import limits
from leafnode.routing.permissions import Permissions, ResponseRule, Rules
from leafnode.routing.responses import OpenReplies
from tests.sim.peers import FakePeer, account


class Time:
    now_ns = 0

    def __call__(self) -> int:
        return self.now_ns


def test_one_answer_is_allowed_to_each_request() -> None:
    replies = OpenReplies(ResponseRule(1, 0), Time())
    replies.add(b"_INBOX.1")

    assert replies.take(b"_INBOX.1")
    assert not replies.take(b"_INBOX.1")
    assert not replies.take(b"_INBOX.2")


def test_a_repeated_request_may_be_answered_again() -> None:
    replies = OpenReplies(ResponseRule(1, 0), Time())
    replies.add(b"r")
    replies.take(b"r")
    replies.add(b"r")

    assert replies.take(b"r")


def test_no_limit_is_no_limit() -> None:
    replies = OpenReplies(ResponseRule(0, 0), Time())
    replies.add(b"r")

    assert all(replies.take(b"r") for _ in range(100))


def test_an_answer_may_come_up_to_the_end_of_the_time_and_no_later() -> None:
    time = Time()
    replies = OpenReplies(ResponseRule(0, 10), time)
    replies.add(b"r")

    time.now_ns = 10
    assert replies.take(b"r")
    time.now_ns = 11
    assert not replies.take(b"r")
    assert len(replies) == 0


def test_expired_ones_make_room_by_themselves() -> None:
    time = Time()
    replies = OpenReplies(ResponseRule(1, 10), time)
    replies.add(b"old")

    time.now_ns = 11
    replies.add(b"new")

    assert len(replies) == 1
    assert replies.dropped == 0


def test_many_that_expired_together_are_forgotten_a_few_at_a_time_and_hold_no_longer() -> None:
    time = Time()
    replies = OpenReplies(ResponseRule(1, 10), time)
    for number in range(limits.OPEN_REPLIES_MAX):
        replies.add(b"%d" % number)
    time.now_ns = 11

    left = []
    while len(replies) > len(left) + 1:
        replies.add(b"new.%d" % len(left))
        left.append(len(replies))

    steps = [before - after for before, after in pairwise([limits.OPEN_REPLIES_MAX, *left])]
    assert 0 < max(steps) < 32
    assert not replies.take(b"%d" % (limits.OPEN_REPLIES_MAX - 1))
    assert all(replies.take(b"new.%d" % number) for number in range(len(left)))
    assert replies.dropped == replies.held_bytes == 0


def test_what_expired_and_makes_room_for_a_long_one_is_not_counted_as_dropped() -> None:
    time = Time()
    replies = OpenReplies(ResponseRule(1, 10), time)
    while replies.dropped == 0:
        replies.add(b"%d" % len(replies))
    time.now_ns = 11

    replies.add(b"r" * (limits.OPEN_REPLIES_BYTES_MAX // 2))

    assert replies.dropped == 1


def test_the_oldest_makes_room_beyond_the_bound() -> None:
    replies = OpenReplies(ResponseRule(0, 0), Time())
    for number in range(limits.OPEN_REPLIES_MAX):
        replies.add(b"%d" % number)
    assert replies.dropped == 0

    replies.add(b"one more")

    assert len(replies) == limits.OPEN_REPLIES_MAX
    assert replies.dropped == 1
    assert not replies.take(b"0")
    assert replies.take(b"1")


def test_the_bytes_of_long_subjects_are_bounded_and_counted() -> None:
    replies = OpenReplies(ResponseRule(1, 0), Time())
    subjects = [b"%d.%b" % (number, b"r" * 3900) for number in range(5000)]
    for subject in [*subjects, *subjects[-100:]]:
        replies.add(subject)

    taken = sum(map(replies.take, subjects))

    assert taken == limits.OPEN_REPLIES_BYTES_MAX // len(subjects[-1] + bytes(290))
    assert replies.dropped == 5000 - taken
    assert replies.held_bytes == len(replies) == 0


def responder(rule: ResponseRule) -> FakePeer:
    peer = FakePeer(account())
    peer.permissions = Permissions(Rules([b"open"]), Rules(), rule)
    peer.open_replies = OpenReplies(rule, Time())
    peer.subscribe(b"q", b"1")
    return peer


def test_every_way_of_delivery_lets_the_receiver_answer() -> None:
    for send in ("lane", "publish", "deliver", "group"):
        peer = responder(ResponseRule(1, 0))
        if send == "lane":
            FakePeer(peer.account, 2).says(b"PUB q r 0\r\n\r\n")
        elif send == "publish":
            peer.account.publish(b"q", reply=b"r")
        elif send == "group":
            peer.subscribe(b"g", b"2", b"queue")
            FakePeer(peer.account, 2).says(b"PUB g r 0\r\n\r\n")
        else:
            peer.account.deliver(b"q", [(b"stored", b"r", 0, b"")])
        peer.got()

        peer.says(b"PUB r 0\r\n\r\n")
        assert peer.got() == b"", send
        peer.says(b"PUB r 0\r\n\r\n")
        assert b"-ERR 'Permissions Violation" in peer.got(), send


def test_a_reply_that_is_allowed_anyway_is_not_counted() -> None:
    peer = responder(ResponseRule(1, 0))

    FakePeer(peer.account, 2).says(b"PUB q open 0\r\n\r\n")

    assert peer.open_replies is not None
    assert len(peer.open_replies) == 0
