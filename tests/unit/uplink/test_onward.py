"""The form of a message at the hub. Source of the header names: nats-server 2.15.1."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from leafnode.protocol import header
from leafnode.uplink.onward import InFlight, Origin, Place, in_flight_of, onward

ORIGIN = Origin("edge", "EV", "Ab12Cd34")


def test_a_message_without_header_gets_an_id_and_keeps_its_payload() -> None:
    size, body = onward(ORIGIN.msg_id(Place(7, "0aZ9k")), 0, b"21.5", ())

    assert body == b"NATS/1.0\r\nNats-Msg-Id: edge.EV.Ab12Cd34.7-0aZ9k\r\n\r\n21.5"
    assert size == len(body) - 4


def test_the_devices_own_id_is_kept_under_another_name_and_other_headers_as_they_are() -> None:
    block = b"NATS/1.0\r\nNats-Msg-Id: dev-9\r\nUnit:C\r\nX:  y \r\n\r\n"

    size, body = onward(ORIGIN.msg_id(Place(7, "0aZ9k")), len(block), block + b"1", ())

    assert body[:size] == (
        b"NATS/1.0\r\nNats-Msg-Id: edge.EV.Ab12Cd34.7-0aZ9k\r\n"
        b"Leafnode-Msg-Id: dev-9\r\nUnit:C\r\nX:  y \r\n\r\n"
    )
    assert body[size:] == b"1"


@pytest.mark.parametrize(
    "name",
    [
        b"Expected-Stream",
        b"Expected-Last-Sequence",
        b"Rollup",
        b"TTL",
        b"Batch-Id",
        b"Schedule-Next",
        b"Scheduler",
        b"Trace-Dest",
        b"Trace-Only",
        b"Trace-Hop",
        b"Trace-Origin-Account",
    ],
)
@pytest.mark.parametrize("before", [b"", b"A: b\r\n", b"\r\n", b"A: b\r\n\r\n\r\n"])
def test_what_instructed_the_local_stream_does_not_instruct_the_hubs(
    name: bytes, before: bytes
) -> None:
    """Nor behind an empty line: a stream reads its headers there, too, as nats-server does."""
    block = b"NATS/1.0\r\n" + before + b"Nats-" + name + b": v\r\n\r\n"

    size, body = onward(b"id", len(block), block, ())

    assert header.get(body[:size], b"Nats-" + name) is None
    assert header.get(body[:size], b"Leafnode-" + name) == b"v"


def test_what_is_in_flight_is_written_and_that_of_an_uplink_further_out_dropped() -> None:
    block = b"NATS/1.0\r\nLeafnode-In-Flight: 90 91\r\n\r\n"

    size, body = onward(b"id", len(block), block, [InFlight(5, 1000).line()])

    assert body[:size].count(b"Leafnode-In-Flight") == 1
    assert in_flight_of(body[:size], 9) == InFlight(5, 1000)


def test_what_stands_behind_the_end_of_the_headers_stays_there() -> None:
    """Who reads headers stops at an empty line, so none of it may become one."""
    behind = b"\r\nHidden: x\r\nNats-Trace-Dest: cmd.reboot\r\nLeafnode-In-Flight: 5 6\r\n\r\n"
    block = b"NATS/1.0\r\nA: b\r\n" + behind

    size, body = onward(b"id", len(block), block + b"1", [(b"More", b"m")])

    assert body[:size] == (
        b"NATS/1.0\r\nNats-Msg-Id: id\r\nMore: m\r\nA: b\r\n"
        b"\r\nHidden: x\r\nLeafnode-Trace-Dest: cmd.reboot\r\n\r\n"
    )
    assert body[size:] == b"1"


@pytest.mark.parametrize("value", [b"", b"5", b"5 ", b"x 1", b"9 1", b"-1 1", b"1" * 30 + b" 1"])
def test_an_in_flight_header_that_cannot_be_is_ignored(value: bytes) -> None:
    block = b"NATS/1.0\r\nLeafnode-In-Flight: " + value + b"\r\n\r\n"

    assert in_flight_of(block, 9) is None


@pytest.mark.parametrize(
    "msg_id",
    [
        b"",
        b"7",
        b"edge.EV.7",
        b"edge.EV.Ab12Cd34.",
        b"edge.EV.Ab12Cd34.x",
        b"edge.EV.Ab12Cd34.7-",
        b"edge.EV.Ab12Cd34.7-0a.Z9",
        b"edge.EX.Ab12Cd34.7",
    ],
)
def test_an_id_of_somebody_else_names_no_sequence(msg_id: bytes) -> None:
    assert ORIGIN.place_of(msg_id) is None


@given(st.integers(1, 2**64 - 1), st.integers(0, 2**63))
def test_an_id_names_its_message_again(seq: int, stored_ns: int) -> None:
    place = Place.of(seq, stored_ns)

    assert ORIGIN.place_of(ORIGIN.msg_id(place)) == place
    assert ORIGIN.place_of(ORIGIN.msg_id(Place(seq))) == Place(seq)
    assert Place.of(seq, stored_ns + 1) != place


def visible(block: bytes) -> list[bytes]:
    """Return the lines that who reads headers sees."""
    return block.partition(b"\r\n\r\n")[0].split(b"\r\n")[1:]


PIECES = [b"\r\n", b"\r\n\r\n", b"\r", b"\n", b"A: b", b"Nats-", b":", b" "]


@given(
    st.one_of(st.binary(max_size=200), st.lists(st.sampled_from(PIECES)).map(b"".join)),
    st.binary(max_size=50),
)
def test_whatever_a_device_wrote_the_block_has_our_id_first_and_ends_where_it_did(
    junk: bytes, payload: bytes
) -> None:
    block = b"NATS/1.0\r\n" + junk + b"\r\n\r\n"

    size, body = onward(b"id", len(block), block + payload, ())

    assert body[:size].endswith(b"\r\n\r\n")
    assert visible(body[:size]) == [b"Nats-Msg-Id: id", *visible(block)]
    assert header.get(body[:size], b"Nats-Msg-Id") == b"id"
    assert body[size:] == payload
