"""leafnode.routing.match: what a result takes in memory."""

from __future__ import annotations

import pytest

from leafnode.routing.match import SUB_BYTES, WIDE, Group, Match, size_of_match
from leafnode.routing.peer import Kind, Peer
from leafnode.routing.subscription import Subscription
from tests.sim.peers import outbox


def subs(count: int) -> list[Subscription]:
    peer = Peer(1, Kind.CLIENT, outbox())
    return [Subscription(peer, b"a") for _ in range(count)]


@pytest.mark.parametrize(("plain", "counted"), [(0, 0), (WIDE - 1, WIDE - 1), (WIDE, 0)])
def test_a_long_list_is_counted_by_whoever_shares_it(plain: int, counted: int) -> None:
    empty = size_of_match(Match(0, [], []))

    assert size_of_match(Match(0, subs(plain), [])) == empty + counted * SUB_BYTES


def test_each_group_is_counted_with_its_members() -> None:
    empty = size_of_match(Match(0, [], []))
    one = size_of_match(Match(0, [], [Group(b"q", subs(1), 0)]))

    several = [Group(b"q", subs(1), 0), Group(b"r", subs(100), 0)]
    assert size_of_match(Match(0, [], several)) == 2 * one - empty + 99 * SUB_BYTES
