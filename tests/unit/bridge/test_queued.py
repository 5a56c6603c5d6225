"""A reading in the queue of a port."""

from __future__ import annotations

from leafnode.bridge.publication import Publication
from leafnode.bridge.queued import Queued, State


def test_what_was_not_stored_waits_again_unless_it_was_given_up() -> None:
    entry = Queued(Publication(b"s", 0, b"1", None))
    entry.state = State.IN_FLIGHT

    entry.fell_through()
    assert entry.state is State.WAITING

    entry.is_given_up = True
    entry.fell_through()
    assert entry.state is State.RESOLVED
