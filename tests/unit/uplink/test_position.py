"""What is known of the hub where nobody said anything."""

from __future__ import annotations

from leafnode.uplink.position import NOWHERE, Position
from leafnode.uplink.ranges import Ranges


def test_nothing_is_stored_where_nobody_said_so_and_no_two_share_what_is_found() -> None:
    position = Position()

    assert (position.floor, position.last, position.top) == (0, 0, NOWHERE)
    position.stored.add(1, 2)
    assert Position().stored == Ranges()
