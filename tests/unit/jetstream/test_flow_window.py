"""The window of flow control, for clients and for servers behind a thin link."""

from __future__ import annotations

from leafnode import limits
from leafnode.clock import NS_PER_S
from leafnode.jetstream.flow_window import FlowWindow


def answered_after(window: FlowWindow, seconds: float, times: int = 1) -> int:
    for _ in range(times):
        window.asked(10 * NS_PER_S)
        window.answered(10 * NS_PER_S + int(seconds * NS_PER_S))
    return window.size


def test_a_clients_window_grows_with_each_answer_however_late() -> None:
    window = FlowWindow(follows=False)

    assert window.size == limits.FLOW_WINDOW_BYTES
    assert answered_after(window, 60) == 2 * limits.FLOW_WINDOW_BYTES
    assert answered_after(window, 60, times=9) == limits.FLOW_WINDOW_BYTES_MAX


def test_one_that_follows_begins_small_and_grows_while_answers_are_quick() -> None:
    window = FlowWindow(follows=True)

    assert window.size == limits.FLOW_WINDOW_BYTES_MIN
    assert answered_after(window, 1) == 2 * limits.FLOW_WINDOW_BYTES_MIN
    assert answered_after(window, 0, times=20) == limits.FLOW_WINDOW_BYTES_MAX


def test_it_stays_where_answers_take_a_while_and_shrinks_where_they_take_long() -> None:
    window = FlowWindow(follows=True)
    grown = answered_after(window, 0.1, times=4)

    assert answered_after(window, 2) == grown
    assert answered_after(window, 4) == grown // 2
    assert answered_after(window, 4, times=9) == limits.FLOW_WINDOW_BYTES_MIN


def test_what_waits_in_front_of_a_thin_link_is_bounded_by_time() -> None:
    """40 kbit/s: an answer comes when half a window has passed the link."""
    window, bytes_per_s = FlowWindow(follows=True), 5000

    for _ in range(50):
        answered_after(window, window.size / 2 / bytes_per_s + 0.3)
        assert window.size / bytes_per_s < 7
