"""The simulated receiver's sentences are read by the preset nmea."""

from __future__ import annotations

from random import Random

from leafnode.cli.sim.nmea import Nmea, sentence
from leafnode.clock import NS_PER_S
from tests.unit.cli.sim.read import readings


def test_its_sentences_are_read_whole() -> None:
    receiver = Nmea(Random(1))
    wall_ns = 1_795_000_000 * NS_PER_S

    data = b"".join(receiver.say(wall_ns + second * NS_PER_S) for second in range(60))
    found = readings(receiver.entry, b"\r\n" + data)

    assert [one["type"] for one in found[:3]] == ["GGA", "RMC", "HDT"]
    assert len(found) == 180
    assert all(53 < one["latitude"] < 54 for one in found if one["type"] == "RMC")
    assert found[1]["date"] == "2026-11-18"
    assert found[1]["time"] == "11:06:40"
    assert len({one["latitude"] for one in found if one["type"] == "RMC"}) > 50


def test_it_hears_nothing() -> None:
    assert Nmea(Random(1)).answer(b"$PSRF100,1*0E\r\n", 0) == b""


def test_a_sentence_has_the_check_of_its_body() -> None:
    assert sentence("GPGLL,5057.970,N,00146.110,E,142451,A") == (
        b"$GPGLL,5057.970,N,00146.110,E,142451,A*27\r\n"
    )
