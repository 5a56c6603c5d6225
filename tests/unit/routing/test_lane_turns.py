"""A lane whose turn ends before what was read is delivered: the rest comes in the next ones."""

from __future__ import annotations

from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from leafnode.limits import (
    GROUP_TARGETS_MAX,
    HANDLER_RUN_MAX,
    RECEIVERS_MAX,
    RUN_WORK,
    TURN_WORK,
    WORK_BYTES,
)
from leafnode.protocol.errors import UnknownOperation
from leafnode.routing.permissions import Permissions, Rules
from tests.sim.peers import FakePeer, account


def one_turn(publisher: FakePeer, data: bytes = b"") -> bytes | None:
    if data:
        publisher.lane.feed(data)
    publisher.outbox.work_left = TURN_WORK
    return publisher.lane.next_line()


def fan(count: int) -> tuple[FakePeer, FakePeer]:
    world = account()
    reader, publisher = FakePeer(world, 1), FakePeer(world, 2)
    for number in range(count):
        reader.subscribe(b"fan", b"%d" % number)
    return reader, publisher


def numbered(count: int) -> bytes:
    return b"".join(b"PUB fan 4\r\n%04d\r\n" % number for number in range(count))


def payloads(got: bytes, sid: bytes) -> list[int]:
    return [int(part[:4]) for part in got.split(b"MSG fan %b 4\r\n" % sid)[1:]]


def test_a_turn_delivers_no_more_than_its_work_and_the_next_ones_the_rest() -> None:
    reader, publisher = fan(1000)

    assert one_turn(publisher, numbered(500) + b"PING\r\n") is None
    assert publisher.lane.starved
    first = reader.traffic.out_msgs
    lines = publisher.says(b"")

    assert 0 < first <= TURN_WORK
    assert lines == [b"PING"]
    got = reader.got()
    assert all(payloads(got, b"%d" % sid) == list(range(500)) for sid in (0, 500, 999))


@pytest.mark.parametrize("wild", [b"fan", b"*", b">"])
def test_of_messages_that_wait_for_a_turn_who_unsubscribes_gets_none(wild: bytes) -> None:
    reader, publisher = fan(1000)
    other = FakePeer(reader.account, 3)
    sub = other.subscribe(wild, b"x")
    one_turn(publisher, numbered(500))
    before = other.got()

    other.account.remove(sub)
    publisher.says(b"")

    assert 0 < len(payloads(before, b"x")) < 500
    assert other.got() == b""
    assert payloads(reader.got(), b"7") == list(range(500))


def test_messages_that_wait_for_a_turn_are_judged_by_what_holds_then() -> None:
    reader, publisher = fan(1000)
    one_turn(publisher, numbered(500))
    before = len(payloads(reader.got(), b"7"))

    publisher.permissions = Permissions(Rules(deny=(b"fan",)), Rules())
    publisher.lane.reset()
    publisher.says(b"")

    assert 0 < before < 500
    assert reader.got() == b""
    assert publisher.got().count(b"Permissions Violation") == 500 - before


def test_what_is_malformed_is_refused_once_the_messages_before_it_were_delivered() -> None:
    reader, publisher = fan(1000)
    publisher.lane.feed(numbered(500) + b"PUB fan 4\r\n00000\r\n")

    with pytest.raises(UnknownOperation):  # noqa: PT012 -- in which of the turns does not matter
        while one_turn(publisher) is None:
            assert publisher.lane.starved

    assert payloads(reader.got(), b"7") == list(range(500))


def test_a_part_of_the_server_gets_few_messages_at_once() -> None:
    world = account()
    publisher = FakePeer(world, 1)
    runs: list[int] = []
    world.subscribe(b"fan", lambda delivery: runs.append(len(delivery.messages)))

    publisher.says(numbered(500))

    assert sum(runs) == 500
    assert max(runs) <= HANDLER_RUN_MAX


@pytest.mark.parametrize(
    "line", [b"PUB f.%d 1\r\nx\r\n", b"HPUB f.%d 12 13\r\nNATS/1.0\r\n\r\nx\r\n"]
)
def test_subjects_that_come_once_end_a_turn_too(line: bytes) -> None:
    world = account()
    reader, publisher = FakePeer(world, 1), FakePeer(world, 2)
    for number in range(1000):
        reader.subscribe(b"f.*", b"%d" % number)

    one_turn(publisher, b"".join(line % number for number in range(300)))
    first = reader.traffic.out_msgs
    publisher.says(b"")

    assert first <= 4000
    assert reader.traffic.out_msgs == 300_000


@given(st.lists(st.sampled_from([b"a", b"b.c", b"b.d", b"e"]), max_size=60), st.integers(1, 400))
def test_turns_of_any_size_give_the_same(subjects: list[bytes], work: int) -> None:
    streams = []
    for left in (TURN_WORK, work):
        world = account()
        reader, publisher = FakePeer(world, 1), FakePeer(world, 2)
        for sid, subject in enumerate([b"a", b"b.*", b">", b"e"]):
            reader.subscribe(subject, b"%d" % sid)
        reader.subscribe(b"b.*", b"q", b"group")
        data = b"".join(
            b"PUB %b %d\r\n%d\r\n" % (subject, len(b"%d" % n), n)
            for n, subject in enumerate(subjects)
        )
        publisher.lane.feed(data + b"PING\r\n")
        lines = []
        for _ in range(1000):
            publisher.outbox.work_left = left
            line = publisher.lane.next_line()
            if line is not None:
                lines.append(line)
            elif not publisher.lane.starved:
                break
        assert lines == [b"PING"]
        parts = sorted(part for part in reader.got().split(b"MSG "))
        streams.append(parts)
        assert publisher.traffic.in_msgs == len(subjects)

    assert streams[0] == streams[1]


@pytest.mark.parametrize("rounds", [1, 3])
@pytest.mark.parametrize("empty", [False, True])
def test_looking_for_receivers_ends_a_turn_too(rounds: int, *, empty: bool) -> None:
    world = account()
    reader, publisher = FakePeer(world, 1), FakePeer(world, 2)
    for number, tokens in enumerate(product([b"*", b"a"], repeat=10)):
        reader.subscribe(b".".join([*tokens, b"z"]), b"%d" % number)
    body = b"" if empty else b"12345678"
    pub = b"PUB %bq%d %d\r\n%b\r\n"
    data = b"".join(pub % (b"a." * 10, number, len(body), body) for number in range(100))
    for _ in range(rounds - 1):  # then the subjects are known, and their routes are not
        publisher.says(data)
    reader.subscribe(b"spoils.*", b"x")
    before = publisher.traffic.in_msgs

    one_turn(publisher, data)
    first = publisher.traffic.in_msgs - before
    publisher.says(b"")

    assert publisher.traffic.in_msgs - before == 100
    assert first < 10


def group(members: int) -> tuple[FakePeer, FakePeer]:
    world = account()
    reader, publisher = FakePeer(world, 1), FakePeer(world, 2)
    for number in range(members):
        reader.subscribe(b"f.*", b"%d" % number, b"q")
    return reader, publisher


@pytest.mark.parametrize("rounds", [1, 2, 3])
def test_finding_a_large_group_ends_a_turn_too(rounds: int) -> None:
    members = 4000
    reader, publisher = group(members)
    data = b"".join(b"PUB f.%d 1\r\nx\r\n" % number for number in range(100))
    for _ in range(rounds - 1):  # then the subjects are known
        publisher.says(data)
    reader.subscribe(b"f.>", b"spoils", b"q")
    before = publisher.traffic.in_msgs

    one_turn(publisher, data)
    first = publisher.traffic.in_msgs - before
    publisher.says(b"")

    assert first <= TURN_WORK // members + 1
    assert publisher.traffic.in_msgs - before == 100
    assert reader.traffic.out_msgs == 100 * rounds


@pytest.mark.parametrize("members", [GROUP_TARGETS_MAX, GROUP_TARGETS_MAX + 1, 4000])
@pytest.mark.parametrize("verbose", [False, True])
def test_each_message_to_a_group_is_work_for_one_receiver(members: int, *, verbose: bool) -> None:
    reader, publisher = group(members)
    publisher.verbose = verbose
    publisher.says(b"PUB f.1 1\r\nx\r\n" * 3)
    turns = 0

    publisher.lane.feed(b"PUB f.1 1\r\nx\r\n" * 3000)
    while one_turn(publisher) is None and publisher.lane.starved:
        turns += 1

    assert reader.traffic.out_msgs == 3003
    assert members * RUN_WORK // TURN_WORK <= turns <= 3000 * 2 * (RUN_WORK + 32) // TURN_WORK
    shares = [sub.delivered for sub in reader.subs.values()]
    assert max(shares) - min(shares) <= 1


@pytest.mark.parametrize("subject", [b"fan", b"f" * 400])
def test_what_no_run_carries_gets_on_however_much_a_turn_takes(subject: bytes) -> None:
    world = account()
    reader, plain, publisher = (FakePeer(world, cid) for cid in (1, 2, 3))
    for number in range(RECEIVERS_MAX - 1):
        reader.subscribe(subject, b"%d" % number)
    plain.headers = False  # a header is cut off for it, so that no run carries the message
    plain.subscribe(subject, b"1")
    publisher.lane.feed(b"HPUB %b 12 13\r\nNATS/1.0\r\n\r\nx\r\n" % subject * 3)

    turns = 0
    while plain.traffic.out_msgs < 3:
        turns += 1
        assert turns < 10
        one_turn(publisher)

    assert reader.traffic.out_msgs == 3 * (RECEIVERS_MAX - 1)


def test_a_requester_whom_nobody_answers_waits_until_its_own_subscription_is_found() -> None:
    world = account()
    requester, other = FakePeer(world, 1), FakePeer(world, 2)
    requester.no_responders = True
    for number in range(4000):
        other.subscribe(b"r.*", b"%d" % number)
    requester.subscribe(b"r.*", b"x")

    one_turn(requester, b"PUB nobody r.1 0\r\n\r\n" * 100)
    first = requester.got().count(b"503")
    requester.says(b"")

    assert 0 < first <= TURN_WORK // 4000 + 1
    assert first + requester.got().count(b"503") == 100


SMALL, SHARED = 100, 3000


@pytest.mark.parametrize("size", [SMALL, SHARED])
@pytest.mark.parametrize("general", [False, True])
def test_a_peer_gathers_no_more_than_it_may_have_pending(size: int, *, general: bool) -> None:
    world = account()
    reader, publisher = FakePeer(world, 1), FakePeer(world, 2)
    publisher.lane.limit_payload(4096)
    publisher.verbose = general
    for number in range(50):
        reader.subscribe(b"fan", b"%d" % number)
    reader.max_pending_bytes = 20 * size
    message = b"PUB fan %d\r\n%b\r\n" % (size, b"x" * size)

    for _ in range(3):
        publisher.says(message)

    assert 20 * size < reader.pending_bytes < 24 * size
    assert reader.pending_bytes == len(reader.got())
    assert reader.traffic.out_msgs < 24


def test_a_subject_seen_once_adds_no_more_than_a_peer_may_have_pending() -> None:
    world = account()
    reader, publisher = FakePeer(world, 1), FakePeer(world, 2)
    reader.subscribe(b"one.*", b"1")
    reader.max_pending_bytes = 1000

    publisher.says(b"".join(b"PUB one.%03d 100\r\n%0100d\r\n" % (n, n) for n in range(100)))

    assert 1000 < reader.pending_bytes < 1200


def test_long_starts_of_lines_are_work_like_payload() -> None:
    world = account()
    reader, publisher = FakePeer(world, 1), FakePeer(world, 2)
    reader.subscribe(b"a", b"s" * 4000)

    one_turn(publisher, b"PUB a 0\r\n\r\n" * 20_000)

    assert publisher.lane.starved
    assert reader.pending_bytes < 2 * TURN_WORK * WORK_BYTES
    publisher.says(b"")
    assert reader.traffic.out_msgs == 20_000
