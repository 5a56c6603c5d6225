"""How many messages an origin sends at once follows how quickly they came. Ours."""

from __future__ import annotations

import pytest

from leafnode import limits
from leafnode.clock import NS_PER_MS, NS_PER_S
from leafnode.jetstream.origin_pace import OriginPace

MANY = 100_000


def windows(pace: OriginPace, *took_ms: int, now_ns: int = 0) -> list[int]:
    """Return how many are asked for after each of these windows, all of them full."""
    found = []
    for each_ms in took_ms:
        pace.asked(now_ns)
        pace.began(MANY, now_ns)
        now_ns += each_ms * NS_PER_MS
        before = pace.most
        assert pace.ended(before, now_ns) == (pace.most != before)
        found.append(pace.most)
    return found


def test_a_quick_link_soon_brings_as_much_as_its_server_likes() -> None:
    assert windows(OriginPace(is_free=False), 1, 3, 20, 500) == [32, 256, 0, 0]


def test_a_window_that_takes_its_time_is_kept() -> None:
    assert windows(OriginPace(is_free=False), 600, 2900, 501) == [4, 4, 4]


def test_a_window_that_takes_long_is_halved_and_not_made_larger_for_a_minute() -> None:
    pace = OriginPace(is_free=False)

    assert windows(pace, 100, 6000, 3500, 2000) == [32, 16, 8, 8]
    assert windows(pace, 100, now_ns=50 * NS_PER_S) == [8]
    assert windows(pace, 100, now_ns=5 * NS_PER_S + limits.ORIGIN_GROWS_NS * 2) == [64]


def test_large_messages_come_two_at_a_time_at_least() -> None:
    assert windows(OriginPace(is_free=False), 13_000, 3300, 3300) == [2, 2, 2]


@pytest.mark.parametrize(("pending", "count"), [(2, 4), (MANY, 3)])
@pytest.mark.parametrize("took_ns", [0, 10 * NS_PER_S])
def test_a_window_that_waited_for_messages_says_nothing(
    pending: int, count: int, took_ns: int
) -> None:
    pace = OriginPace(is_free=False)
    pace.began(pending, 0)

    assert not pace.ended(count, took_ns)
    assert pace.most == limits.ORIGIN_AT_ONCE


def test_what_a_lost_packet_held_back_is_not_quick() -> None:
    pace = OriginPace(is_free=False)
    pace.asked(0)
    pace.began(MANY, 7 * NS_PER_S)

    assert not pace.ended(4, 7 * NS_PER_S)


def test_a_way_of_half_a_second_is_no_slowness() -> None:
    pace = OriginPace(is_free=False)
    pace.asked(0)
    pace.began(MANY, 600 * NS_PER_MS)

    assert pace.ended(4, 630 * NS_PER_MS)


def test_of_another_link_nothing_is_known() -> None:
    pace = OriginPace(is_free=False)
    windows(pace, 1, 1, 1)

    pace.begin()

    assert pace.most == limits.ORIGIN_AT_ONCE


def test_who_may_send_as_it_likes_does_so_over_any_link() -> None:
    pace = OriginPace(is_free=False)

    pace.free()
    pace.begin()

    assert windows(pace, 1, 20_000) == [0, 0]
    assert OriginPace(is_free=True).most == 0


def test_a_server_that_bounds_windows_is_asked_for_its_own_until_the_next_link() -> None:
    pace = OriginPace(is_free=False)
    windows(pace, 1, 1)

    assert pace.is_too_large()
    assert pace.most == 0
    assert not pace.is_too_large()
    pace.begin()
    assert windows(pace, 1, 1, 1) == [32, 256, 0]


def test_a_stream_that_bounds_windows_and_wants_one_gets_the_last_that_it_took() -> None:
    pace = OriginPace(is_free=False)
    windows(pace, 1, 1)

    assert pace.is_too_large()
    assert pace.is_needed()
    assert windows(pace, 1, 4000, 1, now_ns=0) == [32, 16, 16]
    assert windows(pace, 1, 1, now_ns=10 * limits.ORIGIN_GROWS_NS) == [32, 32]


def test_a_stream_that_allows_fewer_than_our_first_window_is_read_one_by_one() -> None:
    pace = OriginPace(is_free=False)

    assert pace.is_too_large()
    assert pace.is_needed()
    assert windows(pace, 1, 4000, 1) == [1, 1, 1]


def test_a_server_that_allows_none_of_our_windows_is_asked_once_for_its_own() -> None:
    pace = OriginPace(is_free=False)
    for _ in range(2):
        assert pace.is_too_large()
        pace.is_needed()

    assert pace.most == 0
    assert not pace.is_too_large()
    assert not pace.is_needed()
