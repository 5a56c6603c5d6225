"""Pairs against the lane alone and the oracle: the same messages, counters and errors."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from leafnode.errors import ProtocolError
from leafnode.protocol.errors import MaxControlLine, MaxPayloadViolation, UnknownOperation
from leafnode.routing import lane as lane_module
from leafnode.routing.lane import Lane
from leafnode.routing.pairs import PAIRS_MIN_BYTES, Pairs
from leafnode.routing.peer import Kind
from tests.sim.peers import FakePeer, account
from tests.unit.routing.test_lane import STEPS, check_against_the_oracle, connects

if TYPE_CHECKING:
    from collections.abc import Iterator

    from leafnode.routing.account import Account


class _Fixed:
    """In place of what a lane remembers of its last read."""

    def __init__(self, *, value: bool) -> None:
        self._value = value

    def __get__(self, lane: Lane, kind: type[Lane]) -> bool:
        return self._value

    def __set__(self, lane: Lane, value: bool) -> None:
        pass


@contextmanager
def pairs(*, always: bool) -> Iterator[None]:
    """Let lanes take every read as pairs, or none."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Lane, "_varied", _Fixed(value=always))
        patch.setattr(lane_module, "PAIRS_MIN_BYTES", 0)
        yield


@pytest.fixture
def always() -> Iterator[None]:
    with pairs(always=True):
        yield


def test_a_message_that_was_looked_at_says_nothing_of_the_next_one(always: None) -> None:
    """Pairs learned the route of one whose line came first, and its verdict stayed for the next."""
    pedantic = (
        b'CONNECT {"verbose":false,"pedantic":true,"echo":true,"headers":true,'
        b'"no_responders":false}\r\n'
    )
    steps = [
        (0, b"SUB a 1\r\n", []),
        (1, b"SUB a 1\r\nPUB a 1\r\nx\r\nSUB a 1\r\nPUB a 1\r\nx\r\nPUB a 1\r\nx\r\n", [18]),
        (1, b"PUB a 1\r\nx\r\nPUB a..b 1\r\nx\r\n", []),
    ]

    check_against_the_oracle((pedantic, pedantic), steps)


def pub(subject: bytes, payload: bytes) -> bytes:
    return b"PUB %b %d\r\n%b\r\n" % (subject, len(payload), payload)


def msg(subject: bytes, payload: bytes, sid: bytes = b"1") -> bytes:
    return b"MSG %b %b %d\r\n%b\r\n" % (subject, sid, len(payload), payload)


@pytest.fixture
def world() -> Account:
    return account()


@pytest.fixture
def reader(world: Account) -> FakePeer:
    return FakePeer(world, 1)


@pytest.fixture
def publisher(world: Account) -> FakePeer:
    return FakePeer(world, 2)


# --- when


def test_a_read_is_taken_as_pairs_behind_one_whose_messages_went_to_and_fro(
    reader: FakePeer, publisher: FakePeer, monkeypatch: pytest.MonkeyPatch
) -> None:
    taken = []
    take = Pairs.take

    def spy(self: Pairs, of: Account, data: bytes, max_line: int) -> tuple[int, int, int]:
        taken.append(take(self, of, data, max_line)[1])
        return len(data), taken[-1], 0

    monkeypatch.setattr(Pairs, "take", spy)
    reader.subscribe(b"a.*", b"1")
    varied = b"".join(pub(b"a.%d" % number, b"x" * 40) for number in range(8)) * 8
    assert len(varied) > PAIRS_MIN_BYTES

    publisher.says(varied)
    assert taken == []

    publisher.says(varied)
    assert taken == [64]

    publisher.says(varied[: len(pub(b"a.0", b"x" * 40))])  # a short read is no reason to cut it
    assert taken == [64]


@pytest.mark.parametrize("payload", [b"x" * 40, b"x" * 1000])
def test_messages_of_one_subject_and_large_ones_are_none_of_its_business(
    reader: FakePeer, publisher: FakePeer, monkeypatch: pytest.MonkeyPatch, payload: bytes
) -> None:
    monkeypatch.setattr(Pairs, "take", None)
    reader.subscribe(b"a.*", b"1")
    publisher.lane.limit_payload(8000)
    read = pub(b"a.b", payload) * 64 if len(payload) < 100 else b""
    read += pub(b"a.b", b"x" * 5000) + pub(b"a.c", b"x" * 5000)

    for _ in range(3):
        publisher.says(read)

    assert reader.got().count(b"MSG ") == 3 * read.count(b"PUB ")


# --- what


@pytest.mark.usefixtures("always")
def test_each_receiver_gets_its_messages_in_order(world: Account, publisher: FakePeer) -> None:
    one, other = FakePeer(world, 3), FakePeer(world, 4)
    one.subscribe(b"a.*", b"1")
    other.subscribe(b"b.*", b"9")
    read = [(b"a.1", b"1"), (b"a.2", b"2"), (b"b.1", b"3"), (b"c", b"4"), (b"a.1", b"5")] * 2

    publisher.says(b"".join(pub(*message) for message in read) * 2)

    to_one = b"".join(msg(*message) for message in read if message[0][:1] == b"a")
    to_other = b"".join(msg(*message, sid=b"9") for message in read if message[0][:1] == b"b")
    assert one.got() == to_one * 2
    assert other.got() == to_other * 2
    assert (one.traffic.out_msgs, one.traffic.out_bytes) == (12, 12)
    assert (world.traffic.in_msgs, world.traffic.out_msgs) == (20, 16)
    assert (publisher.traffic.in_msgs, publisher.traffic.in_bytes) == (20, 20)


@pytest.mark.usefixtures("always")
@pytest.mark.parametrize(
    "payload", [b"", b"\r\n", b"\r\n\r\n", b"\r", b"\n", b"a\r\nPUB a.b 1\r\n\r"]
)
def test_a_payload_may_hold_line_ends(
    reader: FakePeer, publisher: FakePeer, payload: bytes
) -> None:
    reader.subscribe(b"a.*", b"1")

    publisher.says((pub(b"a.b", payload) + pub(b"a.c", b"x")) * 3)

    assert reader.got() == (msg(b"a.b", payload) + msg(b"a.c", b"x")) * 3


@pytest.mark.usefixtures("always")
def test_a_peer_gathers_no_more_than_it_may_have_pending(
    world: Account, reader: FakePeer, publisher: FakePeer
) -> None:
    sub = reader.subscribe(b"a.*", b"1")
    reader.max_pending_bytes = 20

    for _ in range(3):
        publisher.says(pub(b"a.b", b"x") + pub(b"a.c", b"y"))

    assert reader.got() == msg(b"a.b", b"x") + msg(b"a.c", b"y")
    assert (sub.delivered, reader.traffic.out_msgs, world.traffic.out_msgs) == (2, 2, 2)
    assert publisher.traffic.in_msgs == 6


@pytest.mark.usefixtures("always")
def test_an_unsub_limit_holds(reader: FakePeer, publisher: FakePeer) -> None:
    reader.subscribe(b"a.*", b"1").max_msgs = 3

    publisher.says((pub(b"a.b", b"x") + pub(b"a.c", b"y")) * 3)

    assert reader.got() == msg(b"a.b", b"x") + msg(b"a.c", b"y") + msg(b"a.b", b"x")


@pytest.mark.usefixtures("always")
def test_a_subscription_between_two_reads_gets_the_second(
    reader: FakePeer, publisher: FakePeer
) -> None:
    publisher.says((pub(b"a", b"x") + pub(b"b", b"y")) * 3)

    reader.subscribe(b"b", b"1")
    publisher.says(pub(b"a", b"x") + pub(b"b", b"z"))

    assert reader.got() == msg(b"b", b"z")


@pytest.mark.usefixtures("always")
@pytest.mark.parametrize(
    ("wrong", "error"),
    [
        (b"PUB a.c 1\r\nxx\r\n", UnknownOperation),
        (b"PUB a.c 2\r\nx\r\n\r\n", UnknownOperation),
        (b"PUB a.c 1025\r\n", MaxPayloadViolation),
        (b"PUB %b 1\r\nx\r\n" % (b"a." + b"c" * 513), MaxControlLine),
    ],
)
def test_what_is_wrong_is_refused_behind_what_was_right(
    reader: FakePeer, publisher: FakePeer, wrong: bytes, error: type[ProtocolError]
) -> None:
    reader.subscribe(b"a.*", b"1")
    publisher.says(pub(b"a.c", b"x") * 2)
    reader.got()

    with pytest.raises(error):
        publisher.says(pub(b"a.b", b"1") + pub(b"a.c", b"2") + wrong)

    assert reader.got() == msg(b"a.b", b"1") + msg(b"a.c", b"2")


@pytest.mark.usefixtures("always")
def test_a_payload_within_a_lower_limit_is_the_most(publisher: FakePeer) -> None:
    publisher.says(pub(b"a", b"xyz") * 2)
    publisher.lane.limit_payload(2)

    publisher.says(pub(b"a", b"xy"))
    with pytest.raises(MaxPayloadViolation):
        publisher.says(pub(b"a", b"xyz"))


@pytest.mark.usefixtures("always")
def test_a_leaf_link_says_lmsg(world: Account, reader: FakePeer) -> None:
    leaf = FakePeer(world, 3, Kind.LEAF)
    reader.subscribe(b"a.*", b"1")
    read = pub(b"a.b", b"x") + pub(b"a.c", b"y")

    assert leaf.says(read.replace(b"PUB", b"LMSG") * 2) == []

    assert reader.got() == (msg(b"a.b", b"x") + msg(b"a.c", b"y")) * 2


@pytest.mark.usefixtures("always")
def test_a_message_that_came_in_two_reads_leaves_the_next_bad_subject_to_be_told_of(
    publisher: FakePeer,
) -> None:
    publisher.pedantic = True
    publisher.says(b"PUB a 1\r\n")
    publisher.says(b"x\r\nPUB a..b 1\r\ny\r\n")

    assert publisher.got() == b"-ERR 'Invalid Publish Subject'\r\n"


# --- against the slow forms


@given(st.tuples(connects(), connects()), STEPS)
def test_any_traffic_cut_anywhere_gives_what_the_oracle_says(
    greetings: tuple[bytes, bytes], steps: list[tuple[int, bytes, list[int]]]
) -> None:
    with pairs(always=True):
        check_against_the_oracle(greetings, steps)


SUBJECTS = st.sampled_from([b"a", b"b", b"c.a", b"c.b", b"d", b"$d", b"_R_.a", b"c..a", b"a\t"])
PAYLOADS = st.one_of(
    st.binary(max_size=9),
    st.lists(st.sampled_from([b"\r\n", b"\r", b"\n", b"PUB a 1", b"x"]), max_size=6).map(b"".join),
).filter(lambda payload: b"MSG " not in payload)  # by which the outcome is cut
PATTERNS = st.sampled_from([b"a", b"b", b"c.*", b"c.a", b">"])


@given(
    st.lists(st.tuples(SUBJECTS, PAYLOADS), max_size=30),
    st.lists(st.tuples(st.integers(0, 1), PATTERNS, st.sampled_from([0, 0, 4])), max_size=3),
    st.lists(st.integers(1, 60), max_size=6),
)
def test_any_messages_lead_to_what_the_lane_alone_makes_of_them(
    published: list[tuple[bytes, bytes]],
    wanted: list[tuple[int, bytes, int]],
    cuts: list[int],
) -> None:
    def outcome(*, always: bool) -> object:
        world = account()
        readers = [FakePeer(world, 1), FakePeer(world, 2)]
        publisher = FakePeer(world, 3)
        subs = []
        for sid, (index, pattern, most) in enumerate(wanted):
            subs.append(readers[index].subscribe(pattern, b"%d" % sid))
            subs[-1].max_msgs = most
        rest = b"".join(pub(*message) for message in published)
        failed: type[ProtocolError] | None = None
        with pairs(always=always):
            for cut in [*cuts, len(rest)]:
                piece, rest = rest[:cut], rest[cut:]
                try:
                    publisher.says(piece)
                except ProtocolError as err:
                    failed = type(err)
                    break
        counted = [(peer.traffic.out_msgs, peer.traffic.out_bytes) for peer in readers]
        by_sid: dict[bytes, list[bytes]] = {}  # only within one sid is there an order
        for peer in readers:
            for message in peer.got().split(b"MSG ")[1:]:
                by_sid.setdefault(message.split(b" ")[1], []).append(message)
        came_in = (publisher.traffic.in_msgs, publisher.traffic.in_bytes)
        return by_sid, counted, came_in, [sub.delivered for sub in subs], publisher.got(), failed

    assert outcome(always=True) == outcome(always=False)
