"""How many bytes a second may leave."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from leafnode.clock import NS_PER_MS, NS_PER_S
from leafnode.uplink.rate import Rate


def test_one_second_of_bytes_goes_at_once_and_the_next_has_to_wait() -> None:
    rate = Rate(1000)
    assert rate.wait_ns(0, 600) == 0
    rate.spend(0, 600)
    rate.spend(0, 400)

    assert rate.wait_ns(0, 100) == 100 * NS_PER_MS
    assert rate.wait_ns(100 * NS_PER_MS, 100) == 0


def test_a_message_larger_than_a_second_goes_when_nothing_else_did_and_is_paid_for_then() -> None:
    rate = Rate(1000)
    assert rate.wait_ns(0, 5000) == 0

    rate.spend(0, 5000)

    assert rate.wait_ns(0, 1) == 4 * NS_PER_S + NS_PER_MS


@given(st.lists(st.tuples(st.integers(0, NS_PER_S), st.integers(1, 5000)), max_size=50))
def test_never_more_than_the_rate_and_one_second_leaves(
    sends: list[tuple[int, int]],
) -> None:
    rate, now_ns, sent = Rate(1000), 0, 0
    for pause_ns, size in sends:
        now_ns += pause_ns
        now_ns += rate.wait_ns(now_ns, size)
        assert rate.wait_ns(now_ns, size) == 0
        rate.spend(now_ns, size)
        sent += size
        assert (sent - max(size, 1000)) * NS_PER_S <= 1000 * now_ns
