"""Whatever bytes a client sends, and however they are cut: one outcome, and no fault of ours.

tests/unit/routing/test_lane.py compares well-formed traffic with the oracle; here most is not.
"""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from leafnode.config.options import (
    Authorization,
    Options,
    PermissionsOptions,
    ResponseOptions,
    SubjectRules,
    User,
)
from tests.oracle.parser import parse_deliveries
from tests.sim.clients import ClientWorld

CONNECT = b'CONNECT {"verbose":false,"pedantic":false,"headers":true,"user":"u","pass":"p"}\r\n'
RESTRICTED = PermissionsOptions(
    SubjectRules(("a", "b.>"), ("b.no",)),
    SubjectRules(("a", "b.> q.*"), ("b.x q.1",)),
    ResponseOptions(),
)
OPTIONS = [
    Options(max_payload_bytes=64, max_control_line_bytes=128),
    Options(
        max_payload_bytes=64,
        max_control_line_bytes=128,
        authorization=Authorization(users=(User("u", "p", permissions=RESTRICTED),)),
    ),
]
SUBJECT = st.sampled_from(
    [b"a", b"b.x", b"b.no", b"*", b"b.>", b"a..b", b"_INBOX.1", b"_R_.1", b"$JS.ACK.1", b"\xff"]
)
SIZES = st.sampled_from([b"0", b"1", b"5", b"64", b"65", b"-1", b"+1", b"9" * 30, b"x", b""])
MESSAGE = st.builds(
    lambda verb, subject, reply, size, body: (
        b"%b %b%b %b\r\n%b\r\n" % (verb, subject, b" " + reply if reply else b"", size, body)
    ),
    st.sampled_from([b"PUB", b"pub", b"HPUB", b"HPUB"]),
    SUBJECT,
    st.just(b"") | SUBJECT | st.just(b"12"),
    SIZES | st.just(b"12 12"),
    st.binary(max_size=5) | st.just(b"NATS/1.0\r\n\r\n"),
)
GOOD = st.builds(
    lambda subject, body: b"PUB %b %d\r\n%b\r\n" % (subject, len(body), body),
    SUBJECT,
    st.binary(max_size=8),
)
LINE = st.builds(
    lambda words: b" ".join(words) + b"\r\n",
    st.lists(
        st.sampled_from([b"SUB", b"UNSUB", b"PING", b"PONG", b"CONNECT", b"{}", b"null", b"INFO"])
        | st.sampled_from([b"+OK", b"-ERR", b"1", b"2", b"q.1", b"_sys_", b"\0", b"\x0b", b"\r"])
        | SUBJECT,
        min_size=1,
        max_size=4,
    ),
)
NOISE = st.binary(max_size=12) | st.sampled_from([b"\n", b"\r\n", b"\t", b"PUB ", b"a" * 200])
STREAMS = st.lists(GOOD | GOOD | LINE | MESSAGE | NOISE, max_size=8).map(b"".join)


def outcome(options: Options, pieces: list[bytes]) -> tuple[bytes, bool]:
    """Return what the client got, without the order of two subscriptions within a run, and
    whether it was cut.
    """
    world = ClientWorld(options)
    client = world.client(b"")
    got = client.says(CONNECT + b"SUB a 1\r\nSUB b.> q.1 2\r\nSUB a q.1 3\r\n")
    for piece in pieces:
        got += client.says(piece)
    assert world.server.turn.faults == 0, "no byte of a client may be our fault"
    deliveries = parse_deliveries(got)
    parts = sorted(repr(delivery).encode() for delivery in deliveries)
    return b"\n".join(parts), client.raw.ended


def cut(stream: bytes, sizes: list[int]) -> list[bytes]:
    pieces = []
    for size in sizes:
        pieces.append(stream[:size])
        stream = stream[size:]
    return [piece for piece in (*pieces, stream) if piece]


@pytest.mark.parametrize("options", OPTIONS, ids=["open", "restricted"])
@given(stream=STREAMS, sizes=st.lists(st.integers(1, 40), max_size=12))
def test_any_cut_of_any_bytes_gives_one_outcome(
    options: Options, stream: bytes, sizes: list[int]
) -> None:
    whole = outcome(options, [stream] if stream else [])

    assert outcome(options, cut(stream, sizes)) == whole
    assert outcome(options, [bytes([byte]) for byte in stream]) == whole


@given(stream=st.binary(max_size=200))
def test_any_bytes_before_a_login_lead_to_nothing_or_the_end(stream: bytes) -> None:
    world = ClientWorld(OPTIONS[1])
    client = world.client(b"")

    got = client.says(stream) if stream else b""

    assert world.server.turn.faults == 0
    assert got in {b"", *(b"-ERR '%b'\r\n" % text for text in REFUSALS)}
    assert b"MSG" not in got


REFUSALS = [
    b"Authorization Violation",
    b"Unknown Protocol Operation",
    b"maximum control line exceeded",
]
