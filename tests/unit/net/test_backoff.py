"""leafnode.net.backoff."""

from random import Random

from leafnode.net.backoff import Backoff

SECOND = 1_000_000_000


def test_delays_double_up_to_the_longest_with_jitter_of_a_half() -> None:
    backoff = Backoff(Random(7), first_ns=SECOND, max_ns=30 * SECOND)

    delays = [backoff.delay_ns() for _ in range(8)]

    for delay, most in zip(delays, [1, 2, 4, 8, 16, 30, 30, 30], strict=True):
        assert most * SECOND // 2 <= delay <= most * SECOND
    assert backoff.attempts == 8


def test_a_success_starts_over() -> None:
    backoff = Backoff(Random(7), first_ns=SECOND, max_ns=30 * SECOND)
    for _ in range(5):
        backoff.delay_ns()

    backoff.reset()

    assert backoff.attempts == 0
    assert backoff.delay_ns() <= SECOND


def test_two_peers_that_fail_together_come_back_apart() -> None:
    one = Backoff(Random(1), first_ns=SECOND, max_ns=30 * SECOND)
    other = Backoff(Random(2), first_ns=SECOND, max_ns=30 * SECOND)

    assert one.delay_ns() != other.delay_ns()
