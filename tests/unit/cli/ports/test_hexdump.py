"""Bytes as people look at them."""

from datetime import UTC

from leafnode.cli.ports.hexdump import as_text, lines, moment
from leafnode.clock import NS_PER_MS, NS_PER_S


def test_sixteen_bytes_are_a_line() -> None:
    assert list(lines(b"$GPGGA,123519,4807\r\n")) == [
        "24 47 50 47 47 41 2c 31  32 33 35 31 39 2c 34 38  $GPGGA,123519,48",
        "30 37 0d 0a                                       07..",
    ]
    assert list(lines(b"")) == []


def test_a_terminal_sees_no_byte_that_it_would_obey() -> None:
    assert as_text(bytes(range(256))) == "." * 32 + bytes(range(32, 127)).decode() + "." * 129


def test_a_moment_is_the_time_of_day_with_milliseconds() -> None:
    assert moment(3661 * NS_PER_S + 7 * NS_PER_MS, UTC) == "01:01:01.007"
