"""leafnode.cli.amounts: what is no time and no number of an option is refused, also nan."""

import click
import pytest

from leafnode.cli.amounts import BAUD, COUNT, NODE_INTERVAL, Number, Time
from leafnode.cli.ports.detect import detect
from leafnode.cli.sim.command import nmea
from leafnode.cli.store.reading import query


@pytest.mark.parametrize(
    ("text", "seconds"), [("60s", 60.0), ("1m30s", 90.0), ("1ms", 0.001), ("8784h", 8784 * 3600.0)]
)
def test_a_time_is_seconds(text: str, seconds: float) -> None:
    assert Time().convert(text, None, None) == seconds


@pytest.mark.parametrize(
    "text", ["", "5", "nan", "inf", "-1s", "0", "0s", "1ns", "8784h1s", "9999999999h", "9" * 400]
)
def test_a_time_that_is_none_or_too_short_or_too_long_is_refused(text: str) -> None:
    with pytest.raises(click.BadParameter, match=r"like 30s or 5m, 1ms to 8784h$"):
        Time().convert(text, None, None)


def test_a_bound_of_its_own_and_0_are_said() -> None:
    with pytest.raises(click.BadParameter, match=r"1ms to 72h$"):
        NODE_INTERVAL.convert("73h", None, None)
    with pytest.raises(click.BadParameter, match=r"8784h, or 0$"):
        Time(or_0=True).convert("0s", None, None)
    assert Time(or_0=True).convert("0", None, None) == 0


@pytest.mark.parametrize("text", ["nan", "-nan", "inf", "-1", "101", "1e400", "x"])
def test_no_number_is_outside_its_range(text: str) -> None:
    with pytest.raises(click.BadParameter):
        Number(0, 100).convert(text, None, None)
    assert Number(0, 100).convert("0.1", None, None) == 0.1


@pytest.mark.parametrize("text", ["0", "-5", "99999999", "99999999999999999999"])
def test_a_speed_is_one_that_a_configuration_takes(text: str) -> None:
    with pytest.raises(click.BadParameter):
        BAUD.convert(text, None, None)


def test_a_count_is_one_that_can_be_counted_to() -> None:
    with pytest.raises(click.BadParameter):
        COUNT.convert("99999999999999999999", None, None)


@pytest.mark.parametrize(
    ("command", "words"),
    [
        (detect, ["/dev/x", "--seconds", "inf"]),
        (detect, ["/dev/x", "--seconds", "nan"]),
        (detect, ["/dev/x", "--seconds", "-1"]),
        (detect, ["/dev/x", "--speed", "0"]),
        (nmea, ["--bad", "nan"]),
        (nmea, ["--every", "100h"]),
        (query, ["x", "--limit", "99999999999999999999"]),
    ],
)
def test_commands_refuse_what_they_could_not_do(command: click.Command, words: list[str]) -> None:
    with pytest.raises(click.BadParameter):
        command.main(words, standalone_mode=False)
