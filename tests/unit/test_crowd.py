"""leafnode.crowd: places stay with who is at it, and nobody has more than a share."""

from __future__ import annotations

from typing import Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from leafnode.crowd import Crowd, share_of

TOTAL_MAX: Final = 8
PATIENCE_NS: Final = 100


def crowd_of(*addresses: str, now_ns: int = 0) -> Crowd[int]:
    """Return one that these came into, numbered from 0."""
    crowd: Crowd[int] = Crowd(TOTAL_MAX, PATIENCE_NS)
    for number, address in enumerate(addresses):
        assert crowd.enter(number, address, now_ns) is None
    return crowd


def test_in_a_full_crowd_there_is_no_place_for_a_newcomer_for_now() -> None:
    crowd = crowd_of(*["10.0.0.1"] * TOTAL_MAX)

    assert crowd.enter(1000, "10.0.0.1", PATIENCE_NS - 1) == 1000
    assert (list(crowd), crowd.evicted) == ([*range(TOTAL_MAX)], 1)


def test_who_was_silent_for_too_long_makes_room_oldest_first() -> None:
    crowd = crowd_of(*["10.0.0.1"] * TOTAL_MAX)

    assert crowd.enter(1000, "10.0.0.1", PATIENCE_NS) == 0
    assert crowd.enter(1001, "10.0.0.1", PATIENCE_NS) == 1
    assert list(crowd) == [*range(2, TOTAL_MAX), 1000, 1001]
    assert crowd.evicted == 2


def test_who_waits_for_us_stays_and_has_time_anew_after_it() -> None:
    crowd = crowd_of(*["10.0.0.1"] * TOTAL_MAX)
    for number in range(TOTAL_MAX - 1):
        crowd.hold(number)
    crowd.await_again(0, PATIENCE_NS)

    assert crowd.enter(1000, "10.0.0.1", PATIENCE_NS) == TOTAL_MAX - 1
    assert crowd.enter(1001, "10.0.0.1", PATIENCE_NS) == 1001
    assert crowd.enter(1002, "10.0.0.1", 2 * PATIENCE_NS) == 0


def test_an_address_with_twice_as_many_makes_room_at_once() -> None:
    crowd = crowd_of(*["10.0.0.1"] * 6, "10.0.0.2", "10.0.0.2")

    assert crowd.enter(1000, "10.0.0.2", 0) == 0
    assert crowd.enter(1001, "10.0.0.2", 0) == 1001  # four and three
    assert crowd.enter(1002, "10.0.0.3", 0) == 1


def test_of_a_greedy_address_that_waits_for_us_the_last_one_goes() -> None:
    crowd = crowd_of(*["10.0.0.1"] * TOTAL_MAX)
    for number in range(TOTAL_MAX):
        crowd.hold(number)

    assert crowd.enter(1000, "10.0.0.2", 0) == TOTAL_MAX - 1


def test_of_many_addresses_the_one_that_did_nothing_for_longest_makes_room() -> None:
    crowd = crowd_of(*[f"10.0.0.{n}" for n in range(TOTAL_MAX)])
    crowd.hold(0)
    crowd.await_again(1, 1)

    assert crowd.enter(1000, "10.0.1.1", PATIENCE_NS - 1) == 1000
    assert crowd.enter(1000, "10.0.1.1", PATIENCE_NS) == 2


def test_who_left_holds_no_place() -> None:
    crowd = crowd_of()
    for cid in range(2 * TOTAL_MAX):
        assert crowd.enter(cid, "10.0.0.1", 0) is None
        crowd.leave(cid)
        crowd.leave(cid)
        crowd.hold(cid)
        crowd.await_again(cid, 0)

    assert len(crowd) == 0


def test_who_waits_already_pushes_nobody_out() -> None:
    crowd = crowd_of(*["10.0.0.1"] * TOTAL_MAX)

    assert crowd.enter(0, "10.0.0.1", PATIENCE_NS) is None
    assert (len(crowd), crowd.evicted) == (TOTAL_MAX, 0)


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["enter", "enter", "hold", "again", "leave"]),
            st.integers(0, 12),
            st.sampled_from(["10.0.0.1", "10.0.0.2", "10.0.0.3", ""]),
        )
    )
)
def test_whatever_happens_places_are_counted_right(steps: list[tuple[str, int, str]]) -> None:
    crowd, here = crowd_of(), {}
    for now_ns, (what, who, address) in enumerate(steps):
        if what == "enter":
            out = crowd.enter(who, address, 30 * now_ns)
            here.setdefault(who, address)
            here.pop(out, None)
        elif what == "hold":
            crowd.hold(who)
        elif what == "again":
            crowd.await_again(who, 30 * now_ns)
        else:
            crowd.leave(who)
            here.pop(who, None)
        assert sorted(crowd) == sorted(here)
        assert len(here) <= TOTAL_MAX


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
    crowd = crowd_of(*[f"2001:db8::{n:x}" for n in range(TOTAL_MAX)])

    assert crowd.enter(1000, "[2001:db8::ffff]", 0) == 1000
    assert crowd.enter(1001, "2001:db8:0:1::1", 0) == 0
