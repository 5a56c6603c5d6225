"""Named groups become fields; what a pattern may cost is bounded before: test_pattern_cost.py."""

from __future__ import annotations

import pytest

from leafnode.bridge.codecs.regex import RegexCodec
from leafnode.bridge.reading import BadReading

CODEC = RegexCodec(r"(?P<mode>ST|US),(?P<kg>[+-]?\d+\.\d{1,4})(?: (?P<note>\w{1,5}))?", 24)


def test_groups_become_fields() -> None:
    assert CODEC(b"ST,+0.412 ok") == {"mode": "ST", "kg": 0.412, "note": "ok"}


def test_a_group_that_took_no_part_is_none() -> None:
    assert CODEC(b"US,1.5") == {"mode": "US", "kg": 1.5, "note": None}


@pytest.mark.parametrize("payload", [b"", b"xST,1.5", b"ST,1.5x ", b"ST,1,5", b"\xffST,1.5"])
def test_a_reading_that_does_not_match_whole_is_bad(payload: bytes) -> None:
    with pytest.raises(BadReading):
        CODEC(payload)


def test_a_reading_may_have_max_input_and_no_character_more() -> None:
    codec = RegexCodec("(?P<a>é*)", 4)

    assert codec("éééé".encode()) == {"a": "éééé"}
    with pytest.raises(BadReading, match="max_input"):
        codec("ééééé".encode())
