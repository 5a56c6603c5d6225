"""Times that wrap at 2^29, at 2^30 (MicroPython) and not at all (a PC)."""

from leafnode.link.ticks import elapsed_ms, is_due, until_ms


def test_elapsed_is_the_plain_difference_away_from_the_wrap():
    assert elapsed_ms(1500, 1000) == 500
    assert elapsed_ms(1000, 1500) == -500
    assert elapsed_ms(7 * 10**12 + 5, 7 * 10**12) == 5


def test_elapsed_passes_the_wrap_of_each_platform():
    for period in (1 << 29, 1 << 30, 1 << 62):
        assert elapsed_ms(20, period - 30) == 50
        assert elapsed_ms(period - 30, 20) == -50


def test_a_time_is_due_from_its_own_millisecond_on():
    assert not is_due(999, 1000)
    assert is_due(1000, 1000)
    assert is_due(5, (1 << 29) - 5)


def test_until_is_never_negative():
    assert until_ms(1000, 1250) == 250
    assert until_ms(1250, 1000) == 0
    assert until_ms((1 << 30) - 10, (1 << 30) + 40) == 50
