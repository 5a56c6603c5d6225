"""The check of NMEA 0183. The sentence is the example that the pages on NMEA 0183 share."""

from __future__ import annotations

import pytest

from leafnode.bridge.checks import new_check
from leafnode.config.serial_stage_options import CheckOptions

GGA = b"$GPGGA,123519,4807.038,N,01131.000,E,1,08,0.9,545.4,M,46.9,M,,*47"


def verify(sentence: bytes, *, required: bool = True) -> int:
    check = new_check(CheckOptions("nmea", required=required))
    assert check is not None
    return check.verify(sentence, 0, 0)


def test_a_right_sum_is_taken_off() -> None:
    assert verify(GGA) == 3
    assert verify(GGA.lower().replace(b"$gpgga", b"$GPGGA").replace(b"n", b"N")) == -1


def test_hexadecimal_digits_may_be_small() -> None:
    assert verify(b"$GPHDT,1.0,T*0A") == verify(b"$GPHDT,1.0,T*0a")


@pytest.mark.parametrize(
    "sentence",
    [
        GGA.replace(b"545", b"544"),
        GGA[:-1],
        GGA[:-3],
        GGA[1:],
        GGA + b"0",
        b"",
        b"$",
        b"*47",
        b"$*4x",
    ],
)
def test_a_wrong_or_missing_one_is_bad(sentence: bytes) -> None:
    assert verify(sentence) == -1


def test_where_it_is_not_required_a_sentence_without_is_taken_and_a_wrong_one_is_not() -> None:
    assert verify(GGA[:-3], required=False) == 0
    assert verify(GGA, required=False) == 3
    assert verify(GGA.replace(b"545", b"544"), required=False) == -1
    assert verify(b"boot", required=False) == -1
