"""Events of leaf sessions are plain values, and states read as words."""

from __future__ import annotations

from leafnode.protocol.leaf_events import Ended, InterestAdded, State


def test_events_compare_by_what_they_say() -> None:
    assert InterestAdded(b"a", b"", 1) == InterestAdded(b"a", b"", 1)
    assert Ended("x") != Ended("y")


def test_every_state_reads_as_words() -> None:
    assert State.AWAIT_CONNECT.value == "waiting for the leaf's CONNECT"
    assert len({state.value for state in State}) == len(State)
