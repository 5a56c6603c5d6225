"""A line has a speed, and a part of its bytes a wrong bit."""

from __future__ import annotations

from random import Random

from leafnode.cli.sim.wire import WAITING_BYTES_MAX, Wire
from leafnode.clock import NS_PER_MS, NS_PER_S


def test_bytes_go_out_as_fast_as_the_line_is() -> None:
    wire = Wire(9600, Random(1))  # 1.0416 ms a character

    assert wire.send(b"abcdef", 1000 * NS_PER_S)
    assert wire.due(1000 * NS_PER_S) == b""
    assert wire.due(1000 * NS_PER_S + 3 * NS_PER_MS) == b"ab"
    assert wire.due(1000 * NS_PER_S + 4 * NS_PER_MS) == b"c"
    assert wire.due(1001 * NS_PER_S) == b"def"


def test_a_line_that_was_idle_has_saved_no_time() -> None:
    wire = Wire(9600, Random(1))
    wire.send(b"a", 0)
    wire.due(NS_PER_S)

    wire.send(b"bcd", 60 * NS_PER_S)

    assert wire.due(60 * NS_PER_S + 2 * NS_PER_MS) == b"b"


def test_it_says_when_the_next_few_are_due() -> None:
    wire = Wire(9600, Random(1))

    assert wire.wait_ns(0) is None
    wire.send(bytes(100), 0)
    wait_ns = wire.wait_ns(0)

    assert wait_ns is not None
    assert len(wire.due(wait_ns)) == 16


def test_a_line_that_is_far_behind_takes_nothing() -> None:
    wire = Wire(50, Random(1))

    assert wire.send(bytes(WAITING_BYTES_MAX), 0)
    assert not wire.send(b"x", 0)


def test_so_many_bytes_have_one_wrong_bit_and_they_are_counted() -> None:
    wire = Wire(9600, Random(1), bad=0.1)

    through = wire.damage(bytes(10_000))

    wrong = [byte for byte in through if byte]
    assert wire.damaged == len(wrong)
    assert 900 < len(wrong) < 1100
    assert {byte.bit_count() for byte in wrong} == {1}
