"""When a text board that nobody knows is asked who it is."""

from __future__ import annotations

from itertools import pairwise

from leafnode.bridge.framing.text_asking import Asking


def test_who_says_nothing_is_asked_when_the_port_is_opened_and_three_times_more() -> None:
    asking = Asking()
    asking.begin(1000)

    times = []
    now_ms = 1000
    while (pause_ms := asking.next_ms(now_ms)) is not None:
        now_ms += pause_ms
        times.append((now_ms, asking.asks(now_ms - 1), asking.asks(now_ms)))

    assert times == [(at, False, True) for at in (1000, 6000, 16000, 36000)]
    assert not asking.asks(10**9)


def test_who_says_lines_is_asked_seldom_and_ever_again() -> None:
    asking = Asking()
    asking.begin(0)
    asked = [second for second in range(3600) if asking.asks_behind_line(second * 1000)]

    assert asked[:7] == [0, 5, 15, 35, 75, 155, 315]
    assert {later - before for before, later in pairwise(asked[6:])} == {300}


def test_who_is_known_and_then_nobody_is_asked_behind_the_next_line() -> None:
    asking = Asking()
    asking.begin(0)
    for second in range(0, 100, 5):
        asking.asks_behind_line(second * 1000)

    asking.end()

    assert asking.next_ms(100_000) is None
    assert not asking.asks(100_000)
    assert [asking.asks_behind_line(at) for at in (100_000, 104_999, 105_000)] == [
        True,
        False,
        True,
    ]
