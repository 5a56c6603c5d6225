"""Acknowledgements in a row give what they give message by message."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from leafnode.limits import HANDLER_RUN_MAX, TURN_WORK
from leafnode.routing.peer import Kind, Peer
from leafnode.routing.permissions import Permissions, Rules
from leafnode.routing.subscription import Subscription
from tests.sim.peers import FakePeer, account

if TYPE_CHECKING:
    from leafnode.routing.subscription import Delivery

PREFIX = b"$JS.ACK.S.C."
Seen = tuple[bytes, bytes, bytes]  # subject, reply, body


class Server:
    """Two consumers' acknowledgements, taken by the handler or, in a row, by `bulk`."""

    def __init__(self, *, bulk: bool, most: int = 1_000) -> None:
        self.account = account()
        self.seen: list[Seen] = []
        self.runs: list[int] = []
        self._most = most
        self.subs = []
        for prefix in (PREFIX, b"$JS.ACK.S.D."):
            sub = self.account.subscribe(prefix + b"*.*.*.*.*", self._on_message)
            if bulk:
                sub.bulk = lambda numbers, body, prefix=prefix: self._on_bulk(prefix, numbers, body)
            self.subs.append(sub)
        self.client = FakePeer(self.account)

    def _on_message(self, delivery: Delivery) -> None:
        self.seen += [(delivery.subject, reply, body) for reply, _, body in delivery.messages]

    def _on_bulk(self, prefix: bytes, numbers: list[bytes], body: bytes) -> int:
        taken = numbers[: self._most]
        self.runs.append(len(taken))
        self.seen += [(prefix + one, b"", body) for one in taken]
        return len(taken)

    def counters(self) -> list[int]:
        traffic, both = self.client.traffic, self.account.traffic
        delivered = [sub.delivered for sub in self.subs]
        return [traffic.in_msgs, traffic.in_bytes, both.in_msgs, both.in_bytes, *delivered]


def ack(number: int, *, payload: bytes = b"+ACK", consumer: bytes = b"C") -> bytes:
    subject = b"$JS.ACK.S.%b.1.%d.%d.1800000000000000000.7" % (consumer, number, number)
    return b"PUB %b %d\r\n%b\r\n" % (subject, len(payload), payload)


NUMBERS = st.sampled_from(
    [b"1.2.3.4.5", b"1.2.3.4", b"1.2.3.4.5.6", b"1..3.4.5", b"1.x.3.4.5", b"1.2.3.4.", b"1.2.*.4.5"]
)
SEPARATORS = st.sampled_from([b" ", b"  ", b" r ", b"   ", b"\t"])
PAYLOADS = st.sampled_from([b"+ACK", b"", b"-NAK", b"1\r\nPUB " + PREFIX + b"1.2.3.4.5 4\r\n+ACK"])


@st.composite
def messages(draw: st.DrawFn) -> bytes:
    kind = draw(st.integers(0, 5))
    if kind < 3:
        return ack(draw(st.integers(1, 12)))
    if kind == 3:
        return ack(draw(st.integers(1, 9)), consumer=b"D", payload=draw(PAYLOADS))
    payload = draw(PAYLOADS)
    if kind == 4:
        line = PREFIX + draw(NUMBERS) + draw(SEPARATORS) + b"%d" % len(payload)
        return b"PUB %b\r\n%b\r\n" % (line, payload)
    return draw(st.sampled_from([b"PUB a 1\r\nx\r\n", b"PUB a  1\r\nx\r\n", b"PING\r\n"]))


@given(st.lists(messages(), max_size=30), st.integers(1, 9), st.lists(st.integers(1, 200)))
def test_any_traffic_gives_the_same_with_and_without(
    parts: list[bytes], most: int, sizes: list[int]
) -> None:
    data = b"".join(parts)
    together, apart = Server(bulk=True, most=most), Server(bulk=False)

    for server in (together, apart):
        rest = data
        for size in sizes:
            piece, rest = rest[:size], rest[size:]
            server.client.says(piece)
        server.client.says(rest)

    assert together.seen == apart.seen
    assert together.counters() == apart.counters()
    assert together.client.got() == apart.client.got()


@pytest.mark.parametrize(
    "form", [b"PUB %b%d.1.1.1.0 4\r\n+ACK\r\n", b"PUB %b%d.1.1.1.0  0\r\n\r\n"]
)
def test_a_row_is_taken_in_few_pieces(form: bytes) -> None:
    server = Server(bulk=True)

    server.client.says(b"".join([form % (PREFIX, number) for number in range(100)]))

    assert server.runs == [HANDLER_RUN_MAX, 100 - HANDLER_RUN_MAX]
    assert server.client.traffic.in_msgs == 100


def test_who_listens_for_all_acknowledgements_gets_each() -> None:
    server = Server(bulk=True)
    reader = FakePeer(server.account, 2)
    reader.subscribe(b"$JS.ACK.>", b"1")

    server.client.says(ack(1) + ack(2))

    assert (len(server.seen), server.runs) == (2, [])
    assert reader.got().count(b"MSG ") == 2


def test_who_listens_for_one_acknowledgement_gets_it() -> None:
    server = Server(bulk=True)
    reader = FakePeer(server.account, 2)
    reader.subscribe(PREFIX + b"1.2.2.1800000000000000000.7", b"1")

    server.client.says(ack(1) + ack(2) + ack(3))

    assert len(server.seen) == 3
    assert reader.got().count(b"MSG ") == 1


def test_what_the_client_may_not_publish_is_refused_one_by_one() -> None:
    server = Server(bulk=True)
    rules = Rules([b">"], [PREFIX + b"1.2.*.*.*"])
    server.client.permissions = Permissions(rules, Rules())

    server.client.says(ack(1) + ack(2) + ack(3))

    assert [subject.split(b".")[5] for subject, _, _ in server.seen] == [b"1", b"3"]
    assert b"Permissions Violation" in server.client.got()


def test_judging_each_of_a_row_is_work_of_the_turn() -> None:
    def spent(work: int) -> int:
        server = Server(bulk=True)
        rules = Rules([b">"])
        rules.work = work
        server.client.permissions = Permissions(rules, Rules())
        server.client.says(b"".join([ack(number) for number in range(50)]))
        assert server.runs == [50]
        return TURN_WORK - server.client.outbox.work_left

    assert spent(100) - spent(0) >= 50 * 100


def test_a_fault_of_who_takes_them_is_told_to_the_accounts_owner() -> None:
    server = Server(bulk=True)
    faults: list[bytes] = []
    server.account.on_fault = lambda subject, _: faults.append(subject)

    def fail(numbers: list[bytes], body: bytes) -> int:
        raise ValueError(numbers, body)

    server.subs[0].bulk = fail
    assert server.client.says(ack(1) + ack(2) + b"PING\r\n") == [b"PING"]

    assert faults == [PREFIX + b"*.*.*.*.*"]


def told(server: Server, numbers: list[bytes]) -> list[bytes]:
    """Let the server itself acknowledge these; return what was seen of it."""
    server.account.publish_acks(numbers, b"+ACK")
    assert {(reply, body) for _, reply, body in server.seen} <= {(b"", b"+ACK")}
    return [subject for subject, _, _ in server.seen]


@given(
    st.lists(
        st.tuples(st.sampled_from([b"C", b"D", b"E"]), st.one_of(NUMBERS, st.just(b"1.9.9.9.0")))
    ),
    st.integers(0, 9),
)
def test_the_servers_own_give_the_same_with_and_without(
    acks: list[tuple[bytes, bytes]], most: int
) -> None:
    subjects = [b"$JS.ACK.S.%b.%b" % one for one in acks if b"*" not in one[1]]
    together, apart = Server(bulk=True, most=most), Server(bulk=False)

    assert told(together, subjects) == told(apart, subjects)
    assert [sub.delivered for sub in together.subs] == [sub.delivered for sub in apart.subs]


def test_the_servers_own_are_taken_in_few_pieces() -> None:
    server = Server(bulk=True)
    subjects = [b"%b1.%d.1.1.0" % (PREFIX, number) for number in range(100)]

    assert told(server, subjects) == subjects
    assert server.runs == [HANDLER_RUN_MAX, 100 - HANDLER_RUN_MAX]


@pytest.mark.parametrize("bulk", [True, False])
def test_no_leaf_hears_the_servers_own(*, bulk: bool) -> None:
    """Another gateway of a fleet may have a stream and a consumer that are called the same."""
    server = Server(bulk=bulk)
    leaf = Peer(9, Kind.LEAF, server.account.system.outbox)
    leaf.account = server.account
    for pattern in (PREFIX + b"*.*.*.*.*", b"$JS.ACK.>"):
        server.account.insert(Subscription(leaf, pattern))
    subjects = [b"%b1.%d.1.1.0" % (PREFIX, number) for number in range(5)]

    assert told(server, subjects) == subjects
    assert leaf.out == []
    assert server.runs == ([5] if bulk else [])
    server.client.says(ack(7))
    assert leaf.out != []
