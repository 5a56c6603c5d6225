"""The simulated scales are read by the presets toledo and sics."""

from __future__ import annotations

from random import Random

import pytest

from leafnode.cli.sim.scale import Platform, Sics, Toledo
from tests.unit.cli.sim.read import readings


def test_its_output_is_read_whole_and_goods_come_and_go() -> None:
    scale = Toledo(Random(1))

    found = readings(scale.entry, b"".join(scale.say(0) for _ in range(600)))

    assert len(found) == 600
    assert {one["unit"] for one in found} == {"kg"}
    stable = {one["weight"] for one in found if one["stable"]}
    assert 0 in stable
    assert 3 < len(stable) < 20
    assert any(not one["stable"] for one in found)
    assert all(0 <= one["weight"] <= 16 for one in found)


def test_it_tares_and_clears() -> None:
    scale = Toledo(Random(1))
    while (load := readings(scale.entry, scale.say(0))[0]) and not load["weight"]:
        pass

    scale.answer(b"t", 0)
    tared = readings(scale.entry, scale.say(0))[0]
    scale.answer(b"C", 0)
    cleared = readings(scale.entry, scale.say(0))[0]

    assert tared["net"]
    assert tared["tare"] > 0
    assert not cleared["net"]
    assert cleared["tare"] == 0


def test_it_answers_commands_as_they_come_in_pieces() -> None:
    scale = Sics(Random(1))

    assert scale.say(0) == b""
    assert scale.answer(b"S", 0) == b""
    data = scale.answer(b"I\r\nSI\r\n", 0)

    found = readings("framing: line, codec: sics, keep_first: true", data)
    assert len(found) == 2
    assert found[0]["unit"] == "kg"


@pytest.mark.parametrize(
    ("command", "answer"),
    [
        (b"X\r\n", b"ES\r\n"),
        (b"T\r\n", b"T S       0.00 kg\r\n"),
        (b"TAC\r\n", b"TAC A\r\n"),
        (b"I4\r\n", b'I4 A "0123456789"\r\n'),
        (b"S\r\n", b"S S       0.00 kg\r\n"),
        (b"\r\n\r\n", b""),
    ],
)
def test_a_command_has_its_answer(command: bytes, answer: bytes) -> None:
    assert Sics(Random(1)).answer(command, 0) == answer


def test_a_line_without_end_is_not_kept() -> None:
    scale = Sics(Random(1))

    for _ in range(100):
        scale.answer(bytes(1000), 0)

    assert len(scale._line) <= 64


def test_a_weight_that_moves_is_not_stable() -> None:
    platform = Platform(Random(3))

    looks = [platform.look() for _ in range(400)]

    assert {stable for _, stable in looks} == {True, False}
