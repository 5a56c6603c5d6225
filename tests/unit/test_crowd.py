"""leafnode.crowd: places go to who comes last, and nobody has more than a share."""

from __future__ import annotations

from typing import Final

import pytest

from leafnode.crowd import Crowd, share_of

TOTAL_MAX: Final = 8
ADDRESS_MAX: Final = 4


def test_at_the_bound_of_an_address_its_oldest_makes_room() -> None:
    crowd: Crowd[int] = Crowd(TOTAL_MAX, ADDRESS_MAX)
    for cid in range(ADDRESS_MAX):
        assert crowd.enter(cid, "10.0.0.1") is None
    assert crowd.enter(1000, "10.0.0.2") is None

    assert crowd.enter(1001, "10.0.0.1") == 0
    assert crowd.enter(1002, "10.0.0.1") == 1
    assert crowd.evicted == 2


def test_at_the_bound_of_all_the_oldest_makes_room() -> None:
    crowd: Crowd[int] = Crowd(TOTAL_MAX, ADDRESS_MAX)
    for cid in range(TOTAL_MAX):
        assert crowd.enter(cid, f"10.0.0.{cid % 250}") is None

    assert crowd.enter(1000, "10.0.1.1") == 0
    assert len(crowd) == TOTAL_MAX


def test_who_left_holds_no_place() -> None:
    crowd: Crowd[int] = Crowd(TOTAL_MAX, ADDRESS_MAX)
    for cid in range(2 * TOTAL_MAX):
        assert crowd.enter(cid, "10.0.0.1") is None
        crowd.leave(cid)
        crowd.leave(cid)

    assert len(crowd) == 0


def test_who_waits_already_pushes_nobody_out() -> None:
    crowd: Crowd[int] = Crowd(TOTAL_MAX, ADDRESS_MAX)
    for cid in range(ADDRESS_MAX):
        crowd.enter(cid, "10.0.0.1")

    assert crowd.enter(0, "10.0.0.1") is None
    assert (len(crowd), crowd.evicted) == (ADDRESS_MAX, 0)


@pytest.mark.parametrize(
    ("address", "share"),
    [
        ("", ""),
        ("192.0.2.1", "192.0.2.1"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("[::ffff:192.0.2.1]", "192.0.2.1"),
        ("2001:db8::1", "2001:db8::/64"),
        ("[2001:db8:0:0:ffff::1]", "2001:db8::/64"),
        ("2001:db8:0:1::1", "2001:db8:0:1::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("::1", "::/64"),
        ("no:address", "no:address"),
    ],
)
def test_the_share_of_an_address_is_its_network_where_it_is_ipv6(address: str, share: str) -> None:
    assert share_of(address) == share


def test_a_network_of_ipv6_has_the_share_of_one_address() -> None:
    crowd: Crowd[int] = Crowd(TOTAL_MAX, ADDRESS_MAX)
    for cid in range(ADDRESS_MAX):
        assert crowd.enter(cid, f"2001:db8::{cid:x}") is None

    assert crowd.enter(1000, "2001:db8:0:1::1") is None
    assert crowd.enter(1001, "[2001:db8::ffff]") == 0


def test_no_address_is_no_share() -> None:
    crowd: Crowd[int] = Crowd(TOTAL_MAX, ADDRESS_MAX)
    for cid in range(TOTAL_MAX):
        assert crowd.enter(cid, "") is None

    assert crowd.enter(1000, "") == 0
    assert list(crowd) == [*range(1, TOTAL_MAX), 1000]
