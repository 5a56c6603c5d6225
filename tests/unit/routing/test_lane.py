"""Lane and session against the oracle: any traffic, cut anywhere, gives what the slow form says."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from leafnode.limits import ROUTES_BYTES_MAX
from leafnode.protocol.errors import (
    MaxControlLine,
    MaxPayloadViolation,
    ParserError,
    UnknownOperation,
)
from leafnode.routing.peer import Kind
from leafnode.routing.permissions import ResponseRule
from leafnode.routing.responses import OpenReplies
from tests.oracle import server as oracle
from tests.sim.clients import ClientWorld, SimClient
from tests.sim.peers import FakePeer, account

# --- one lane at a time


def test_a_message_is_routed_and_another_line_is_returned_in_order() -> None:
    world = account()
    reader, publisher = FakePeer(world, 1), FakePeer(world, 2)
    reader.subscribe(b"a", b"1")

    lines = publisher.says(b"PING\r\nPUB a 2\r\nhi\r\nSUB b 7\r\n")

    assert lines == [b"PING", b"SUB b 7"]
    assert reader.got() == b"MSG a 1 2\r\nhi\r\n"


def test_everything_before_a_returned_line_was_delivered() -> None:
    world = account()
    reader, publisher = FakePeer(world, 1), FakePeer(world, 2)
    reader.subscribe(b"a", b"1")
    publisher.lane.feed(b"PUB a 1\r\nx\r\nPUB a 1\r\ny\r\nPING\r\nPUB a 1\r\nz\r\n")

    assert publisher.lane.next_line() == b"PING"

    assert reader.got() == b"MSG a 1 1\r\nx\r\nMSG a 1 1\r\ny\r\n"


def test_a_payload_may_hold_what_looks_like_operations() -> None:
    world = account()
    peer = FakePeer(world)
    peer.subscribe(b"a", b"1")

    assert peer.says(b"PUB a 13\r\nPING\r\nPUB a 1\r\n") == []

    assert peer.got() == b"MSG a 1 13\r\nPING\r\nPUB a 1\r\n"


def test_a_message_cut_into_single_bytes_arrives_whole() -> None:
    world = account()
    peer = FakePeer(world)
    peer.subscribe(b"a", b"1")

    for byte in b"PUB a r 5\r\nhello\r\nPUB a r 5\r\nworld\r\n":
        assert peer.says(bytes([byte])) == []

    assert peer.got() == b"MSG a 1 r 5\r\nhello\r\nMSG a 1 r 5\r\nworld\r\n"


@pytest.mark.parametrize("size", [4096, 4097, 5000])
def test_a_large_size_that_comes_again_in_a_later_read_is_read_alike(size: int) -> None:
    world = account()
    peer = FakePeer(world)
    peer.lane.limit_payload(8192)
    peer.subscribe(b"a", b"1")
    replies: list[bytes] = []
    world.subscribe(b"a", lambda delivery: replies.extend(m[0] for m in delivery.messages))
    plain = b"PUB a %d\r\n%b\r\n" % (size, b"x" * size)
    with_reply = b"PUB a r %d\r\n%b\r\n" % (size, b"y" * size)

    for message in (plain, plain, with_reply, plain):
        assert peer.says(message[:100]) == []
        assert peer.says(message[100:]) == []

        assert peer.got() == message.replace(b"PUB a ", b"MSG a 1 ")
    assert replies == [b"", b"", b"r", b""]


def test_a_large_size_read_before_is_refused_once_the_limit_is_lower() -> None:
    world = account()
    peer = FakePeer(world)
    peer.lane.limit_payload(5000)
    message = b"PUB a 5000\r\n%b\r\n" % (b"x" * 5000)
    peer.says(message * 2)

    peer.lane.limit_payload(4999)

    with pytest.raises(MaxPayloadViolation):
        peer.says(message)


def test_a_subscription_made_between_equal_messages_gets_the_second() -> None:
    world = account()
    reader, publisher = FakePeer(world, 1), FakePeer(world, 2)
    publisher.says(b"PUB a 1\r\nx\r\n" * 3)

    reader.subscribe(b"a", b"1")
    publisher.says(b"PUB a 1\r\ny\r\n")

    assert reader.got() == b"MSG a 1 1\r\ny\r\n"


@pytest.mark.parametrize("pattern", [b"a", b"*", b">"])
def test_a_subscription_removed_between_equal_messages_gets_only_the_first(pattern: bytes) -> None:
    world = account()
    reader, publisher = FakePeer(world, 1), FakePeer(world, 2)
    sub = reader.subscribe(pattern, b"1")
    publisher.says(b"PUB a 1\r\nx\r\n")

    world.remove(sub)
    publisher.says(b"PUB a 1\r\ny\r\n")

    assert reader.got() == b"MSG a 1 1\r\nx\r\n"


def test_options_that_change_hold_after_a_reset() -> None:
    world = account()
    peer = FakePeer(world)
    peer.subscribe(b"a", b"1")
    peer.says(b"PUB a 1\r\nx\r\n")
    peer.got()

    peer.echo = False
    peer.lane.reset()
    peer.says(b"PUB a 1\r\ny\r\n")

    assert peer.got() == b""


def test_more_subjects_than_the_cache_holds_are_routed_all_the_same() -> None:
    world = account()
    reader, publisher = FakePeer(world, 1), FakePeer(world, 2)
    reader.subscribe(b">", b"1")
    count = ROUTES_BYTES_MAX // 500

    # Each twice in a row, for a subject seen once gets no route.
    publisher.says(b"".join(b"PUB s.%d 1\r\nx\r\n" % number * 2 for number in range(count)))

    assert reader.got().count(b"MSG s.") == 2 * count
    assert len(publisher.lane._routes.plain) < count
    assert publisher.lane._routes.held_bytes <= ROUTES_BYTES_MAX


def test_a_payload_at_the_limit_passes_and_one_byte_more_does_not() -> None:
    world = account()
    peer = FakePeer(world)
    peer.subscribe(b"a", b"1")
    size = 1024  # FakePeer's limit

    peer.says(b"PUB a %d\r\n%b\r\n" % (size, bytes(size)))

    assert len(peer.got()) > size
    with pytest.raises(MaxPayloadViolation):
        peer.says(b"PUB a %d\r\n" % (size + 1))


def test_arguments_at_the_limit_pass_and_one_byte_more_does_not() -> None:
    world = account()
    peer = FakePeer(world)
    room = 512 - len(b" 0")  # FakePeer's limit

    assert peer.says(b"PUB %b 0\r\n\r\n" % (b"a" * room)) == []

    with pytest.raises(MaxControlLine):
        peer.says(b"PUB %b 0\r\n\r\n" % (b"a" * (room + 1)))


def test_a_line_without_end_is_refused_before_it_is_large() -> None:
    world = account()
    peer = FakePeer(world)

    assert peer.says(b"SUB ") == []
    for _ in range(5):
        assert peer.says(b"x" * 100) == []
    with pytest.raises(MaxControlLine):
        peer.says(b"x" * 100)


@pytest.mark.parametrize("start", [b"\0", b"X", b"PUX", b"PINK", b" PING", b"LMSG a"])
def test_the_start_of_no_operation_is_refused_without_waiting_for_its_line(start: bytes) -> None:
    with pytest.raises(UnknownOperation):
        FakePeer(account()).says(start)


@pytest.mark.parametrize("start", [b"X", b"SUX", b"UN "])
def test_a_long_line_that_starts_no_operation_is_unknown_before_it_is_too_long(
    start: bytes,
) -> None:
    with pytest.raises(UnknownOperation):
        FakePeer(account()).says(start + b"x" * 600 + b"\r\n")


@pytest.mark.parametrize("line", [b"connect {", b"PUB", b"HPUB a", b"UNSUB 1", b"+O", b"-ERR x"])
def test_the_start_of_an_operation_is_waited_for(line: bytes) -> None:
    peer = FakePeer(account())

    for byte in line:
        assert peer.says(bytes([byte])) == []


def test_messages_before_a_malformed_one_are_delivered() -> None:
    world = account()
    reader, publisher = FakePeer(world, 1), FakePeer(world, 2)
    reader.subscribe(b"a", b"1")

    with pytest.raises(UnknownOperation):
        publisher.says(b"PUB a 1\r\nx\r\nPUB a 1\r\nx\r\nPUB a 1\r\nxx\r\n")

    assert reader.got() == b"MSG a 1 1\r\nx\r\n" * 2


def test_bytes_after_a_message_never_pass_for_its_line() -> None:
    world = account()
    peer = FakePeer(world)
    peer.subscribe(b"a", b"1")
    peer.says(b"PUB a 1\r\nx\r\n")
    peer.got()

    lines = peer.says(b"\0" * 10 + b"\r\n\r\n")

    assert lines == [b"\0" * 10, b""]
    assert peer.got() == b""


@pytest.mark.parametrize(
    "line",
    [b"PUB  a 1", b"PUB a  1", b"PUB a 1 ", b"PUB\ta 1", b"PUB a\t1", b"PUB \ta 1", b"pub a 1"],
)
def test_a_subject_seen_for_the_first_time_may_be_spelled_unusually(line: bytes) -> None:
    world = account()
    reader, publisher = FakePeer(world, 1), FakePeer(world, 2)
    reader.subscribe(b"a", b"1")

    assert publisher.says(line + b"\r\nx\r\n") == []

    assert reader.got() == b"MSG a 1 1\r\nx\r\n"


@pytest.mark.parametrize("size", [b"1", b"01", b"0", b"00"])
@pytest.mark.parametrize("chunk", [1, 99])
def test_what_goes_one_by_one_keeps_the_spelling_of_its_size(size: bytes, chunk: int) -> None:
    world = account()
    reader, publisher = FakePeer(world, 1), FakePeer(world, 2)
    reader.subscribe(b"a", b"1")
    reader.open_replies = OpenReplies(ResponseRule(1, 0), lambda: 0)  # the replies are noted
    line = b"PUB a r.1 %b\r\n%b\r\n" % (size, b"x" * int(size))
    publisher.says(line)
    publisher.says(line)  # its subject has a route from now on
    reader.got()

    for start in range(0, len(line), chunk):
        assert publisher.says(line[start : start + chunk]) == []

    assert reader.got() == b"MSG a 1 r.1 %b\r\n%b\r\n" % (size, b"x" * int(size))
    assert publisher.traffic.in_msgs == 3


@pytest.mark.parametrize(
    "line",
    [
        b"PUB a",
        b"PUB a -1",
        b"PUB a +1",
        b"PUB a 1x",
        b"PUB a b c 1",
        b"PUB a 1234567890",
        b"HPUB a 1",
        b"HPUB a 3 2",
        b"HPUB a b c 1 2",
    ],
)
def test_a_malformed_message_line_is_a_parser_error(line: bytes) -> None:
    with pytest.raises(ParserError):
        FakePeer(account()).says(line + b"\r\n")


def test_incoming_traffic_is_counted_for_peer_and_account() -> None:
    world = account()
    peer = FakePeer(world)

    peer.says(b"PUB a 2\r\nhi\r\n" * 3 + b"PUB b r 3\r\nfoo\r\n")

    assert (peer.traffic.in_msgs, peer.traffic.in_bytes) == (4, 9)
    assert (world.traffic.in_msgs, world.traffic.in_bytes) == (4, 9)


def test_no_line_of_a_peer_without_account_is_a_message() -> None:
    peer = FakePeer(account())
    peer.account = None

    assert peer.says(b"PUB a 0\r\n") == [b"PUB a 0"]


def test_a_leaf_lane_takes_leaf_messages_and_returns_what_a_client_would_send() -> None:
    world = account()
    reader, leaf = FakePeer(world, 1), FakePeer(world, 2, Kind.LEAF)
    reader.subscribe(b"a", b"1")

    lines = leaf.says(b"LMSG a 2\r\nhi\r\nPUB a 0\r\n")

    assert lines == [b"PUB a 0"]
    assert reader.got() == b"MSG a 1 2\r\nhi\r\n"


# --- against the oracle

# A sid always has the same kind of subscription, so that it is clear what its deliveries must be.
QUEUES = {b"7": b"q", b"8": b"z"}
TOKENS = st.sampled_from([b"a", b"b", b"*x"])
SUBJECTS = st.lists(TOKENS, min_size=1, max_size=3).map(b".".join)
# Mostly one subject, so that caches are hit and spoiled.
PUBLISHED = st.one_of(
    st.just(b"a"), st.just(b"a"), SUBJECTS, st.sampled_from([b"a..b", b"a.*", b".a", b"b.>"])
)
LIMITED = st.sampled_from([b"a", b"a.b", b"a.*", b"*.b", b"a.>", b"a..b", b"*.*.*"])
UNLIMITED = st.sampled_from([b">", b"*", b"a.*.b", b"b.>", b"*.>", b">.a", b"b."])
REPLIES = st.sampled_from([b"", b"", b"r.1", b"r.2"])
LARGE = st.integers(21, 6000).map(lambda size: b"p" * size)
PAYLOADS = st.just(b"x") | st.binary(max_size=20) | LARGE
HEADER = b"NATS/1.0\r\nA: b\r\n\r\n"


@st.composite
def spelled(draw: st.DrawFn, words: list[bytes]) -> bytes:
    """A control line, mostly as clients write it."""
    style = draw(st.sampled_from(["usual"] * 6 + ["lower", "tabs", "blanks", "bare"]))
    verb, *arguments = words
    gap = {"tabs": b"\t", "blanks": b"  \t "}.get(style, b" ")
    end = b"\n" if style == "bare" else b"\r\n"
    return gap.join([verb.lower() if style == "lower" else verb, *arguments]) + end


@st.composite
def messages(draw: st.DrawFn) -> bytes:
    subject, reply, payload = draw(PUBLISHED), draw(REPLIES), draw(PAYLOADS)
    middle = [reply] if reply else []
    header = draw(st.sampled_from([None, None, None, b"", HEADER]))
    if header is None:
        words = [b"PUB", subject, *middle, b"%d" % len(payload)]
    else:
        payload = header + payload
        words = [b"HPUB", subject, *middle, b"%d" % len(header), b"%d" % len(payload)]
    end = draw(st.sampled_from([b"\r\n"] * 60 + [b"\n!"]))
    return (draw(spelled(words)) + payload + end) * draw(st.sampled_from([1, 1, 2, 5]))


@st.composite
def control_lines(draw: st.DrawFn) -> bytes:
    kind = draw(st.sampled_from(["sub", "sub", "unsub", "ping"]))
    if kind == "ping":
        return draw(spelled([b"PING"]))
    sid = draw(st.sampled_from([b"1", b"2", b"3", b"5", b"7", b"8"]))
    if kind == "unsub":
        most = [b"%d" % draw(st.integers(0, 5))] if sid in (b"1", b"2") else []
        return draw(spelled([b"UNSUB", sid, *most]))
    queue = [QUEUES[sid]] if sid in QUEUES else []
    patterns = LIMITED if sid in (b"1", b"2") else UNLIMITED
    subject = b"r.*" if sid == b"5" else draw(patterns)
    return draw(spelled([b"SUB", subject, *queue, sid]))


@st.composite
def connects(draw: st.DrawFn) -> bytes:
    headers = draw(st.sampled_from([True, True, False]))
    options = {
        "verbose": draw(st.sampled_from([False, False, False, True])),
        "pedantic": draw(st.sampled_from([False, False, False, True])),
        "echo": draw(st.booleans()),
        "headers": headers,
        "no_responders": headers and draw(st.booleans()),
    }
    fields = ",".join(f'"{name}":{str(value).lower()}' for name, value in options.items())
    return b"CONNECT {" + fields.encode() + b"}\r\n"


OPERATIONS = st.one_of(messages(), messages(), control_lines(), control_lines(), connects())
# Whole operations of one client, and where the bytes are cut on their way.
STEPS = st.lists(
    st.tuples(
        st.integers(0, 1),
        st.lists(OPERATIONS, min_size=1, max_size=6).map(b"".join),
        st.lists(st.integers(1, 40), max_size=8),
    ),
    max_size=12,
)


def pieces(stream: bytes, sizes: list[int]) -> list[bytes]:
    """Cut a stream: each size is a piece, and the rest is one more."""
    cut = []
    for size in sizes:
        cut.append(stream[:size])
        stream = stream[size:]
    return [piece for piece in (*cut, stream) if piece]


@given(st.tuples(connects(), connects()), STEPS)
def test_any_traffic_cut_anywhere_gives_what_the_oracle_says(
    greetings: tuple[bytes, bytes], steps: list[tuple[int, bytes, list[int]]]
) -> None:
    check_against_the_oracle(greetings, steps)


def check_against_the_oracle(
    greetings: tuple[bytes, bytes], steps: list[tuple[int, bytes, list[int]]]
) -> None:
    """Let two clients say all this, and hold what they get against the oracle's answer."""
    truth = oracle.Server(2)
    world = ClientWorld()
    clients: list[SimClient] = [world.client(connect=b"") for _ in range(2)]
    got = [b"", b""]

    for index, stream, sizes in [(0, greetings[0], []), (1, greetings[1], []), *steps]:
        truth.says(index, stream)
        for piece in pieces(stream, sizes):
            got[index] += clients[index].says(piece)
        got[1 - index] += clients[1 - index].hears()

    seen = [oracle.observe(stream, QUEUES) for stream in got]
    for index, expected in enumerate(truth.clients):
        assert seen[index].lines == expected.lines
        assert seen[index].stretches == expected.stretches
        assert seen[index].statuses == truth.statuses[index]
        assert clients[index].raw.ended == expected.closed
    to_groups = Counter(payload for client in seen for payload in client.group_payloads)
    assert to_groups == truth.to_groups


@given(
    st.lists(st.one_of(messages(), control_lines()), min_size=1, max_size=8).map(b"".join),
    st.lists(st.integers(1, 30), max_size=12),
)
def test_any_chunking_gives_the_same_deliveries(stream: bytes, sizes: list[int]) -> None:
    def outcome(parts: list[bytes]) -> tuple[object, ...]:
        client = ClientWorld().client(b'{"verbose":false,"pedantic":false,"headers":true}')
        client.says(b"SUB a.> 1\r\nSUB * 2\r\n")
        seen = oracle.observe(b"".join(client.says(part) for part in parts), QUEUES)
        # Only within one sid is there an order: a run goes to one subscription after the other.
        groups = sorted(seen.group_payloads)
        return seen.lines, seen.stretches, seen.statuses, groups, client.raw.ended

    assert outcome(pieces(stream, sizes)) == outcome([stream])


def test_a_subject_seen_before_makes_no_longer_control_line_pass() -> None:
    for subject_bytes in (505, 512, 516):
        line = b"PUB a %b 1\r\nx\r\n" % (b"r" * subject_bytes)
        verdicts = []
        for before in (b"", b"PUB a 1\r\nx\r\n"):
            peer = FakePeer(account())
            try:
                verdicts.append(peer.says(before + line))
            except MaxControlLine:
                verdicts.append(MaxControlLine)
        assert verdicts[0] == verdicts[1]
