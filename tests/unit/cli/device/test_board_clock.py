"""leafnode.cli.device.board_clock: a board's seconds against ours."""

import pytest

from leafnode.cli.device.board_clock import READ, NoClock, offset_ms, setting

NS = 1_000_000_000


def test_a_board_that_counts_from_1970_or_2000_is_understood() -> None:
    assert offset_ms("leafnode-clock 1970 1000\n", 1000 * NS) == 0
    assert offset_ms("noise\nleafnode-clock 2000 10\n", (946_684_800 + 10) * NS) == 0


def test_an_offset_is_positive_for_a_board_that_is_ahead() -> None:
    assert offset_ms("leafnode-clock 1970 1005", 1000 * NS) == 5000
    assert offset_ms("leafnode-clock 1970 1000", 1000 * NS + 250_000_000) == -250


@pytest.mark.parametrize(
    "printed", ["", "leafnode-clock", "leafnode-clock 1970 x", "leafnode-clock 1980 5"]
)
def test_an_answer_without_a_time_is_an_error(printed: str) -> None:
    with pytest.raises(NoClock):
        offset_ms(printed, 0)


def test_a_clock_is_set_at_the_turn_of_the_second_behind_its_aim() -> None:
    # 2026-11-27 22:00:00.250 UTC, a Friday
    assert setting(1_795_816_800 * NS + 250_000_000) == (
        "import machine, time\n"
        "time.sleep(0.750)\n"
        "machine.RTC().datetime((2026, 11, 27, 4, 22, 0, 1, 0))\n"
    )
    compile(READ, "read", "exec")
