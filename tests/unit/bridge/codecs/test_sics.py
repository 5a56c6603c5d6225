"""Answers of MT-SICS scales, as the reference manual (11781363) prints them for S and SI."""

from __future__ import annotations

import pytest

from leafnode.bridge.codecs.sics import decode_sics
from leafnode.bridge.reading import BadReading


@pytest.mark.parametrize(
    ("line", "weight", "unit", "stable"),
    [
        (b"S S     100.00 g", 100.0, "g", True),
        (b"S D     129.07 g", 129.07, "g", False),
        (b"S S      -0.003 kg", -0.003, "kg", True),
        (b"S S -   12.5 lb ", -12.5, "lb", True),
        (b"S S         12 PCS", 12, "PCS", True),
        (b"S S    0012.50 g", 12.5, "g", True),
    ],
)
def test_a_weight(line: bytes, weight: float, unit: str, stable: bool) -> None:
    assert decode_sics(line) == {"weight": weight, "unit": unit, "stable": stable, "load": "ok"}


@pytest.mark.parametrize(("line", "load"), [(b"S +", "over"), (b"S - ", "under")])
def test_a_scale_that_is_overloaded_has_no_weight(line: bytes, load: str) -> None:
    assert decode_sics(line) == {"weight": None, "unit": None, "stable": False, "load": load}


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"S I",
        b"ES",
        b"ET",
        b"EL",
        b"S S abc g",
        b"S S 1.2.3 g",
        b"Z A",
        b"S S" + b" " * 900 + b"1",
    ],
)
def test_other_answers_are_no_weight(line: bytes) -> None:
    with pytest.raises(BadReading):
        decode_sics(line)
