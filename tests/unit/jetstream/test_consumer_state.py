"""A consumer's position as bytes."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from leafnode.errors import StoreCorrupt
from leafnode.jetstream.consumer_state import ConsumerState, decode
from leafnode.jetstream.pending import Position
from tests.sim.positions import encoded

SEQ = st.integers(min_value=0, max_value=2**50)
STATES = st.builds(
    ConsumerState,
    st.builds(Position, SEQ, SEQ),
    st.builds(Position, SEQ, SEQ),
    st.lists(st.tuples(SEQ, SEQ, SEQ.map(lambda ms: ms * 1_000_000))),
    st.dictionaries(SEQ, st.integers(2, 99)),
    st.lists(SEQ),
    SEQ.map(lambda ms: ms * 1_000_000),
)


@given(STATES)
def test_a_state_survives_its_bytes(state: ConsumerState) -> None:
    assert decode(encoded(state)) == state


def test_a_state_of_the_former_version_says_nothing_of_when_it_was_written() -> None:
    state = ConsumerState(entries=[(3, 2, 5_000_000)], written_ns=9_000_000)
    parts = msgspec.msgpack.decode(encoded(state))

    former = decode(msgspec.msgpack.encode([1, *parts[1:-1]]))

    assert former == ConsumerState(entries=[(3, 2, 5_000_000)])


def test_no_bytes_are_a_fresh_consumer() -> None:
    assert decode(b"") == ConsumerState()


def test_a_thousand_pending_messages_take_a_few_bytes_each() -> None:
    entries = [(seq, seq, 1_800_000_000_000_000_000) for seq in range(5_000, 6_000)]

    assert len(encoded(ConsumerState(entries=entries))) < 4_000


@pytest.mark.parametrize(
    "data", [b"\x00", b"junk", msgspec.msgpack.encode([9]), msgspec.msgpack.encode([1, 2, 3, 4, 5])]
)
def test_other_bytes_are_corrupt(data: bytes) -> None:
    with pytest.raises(StoreCorrupt):
        decode(data)
