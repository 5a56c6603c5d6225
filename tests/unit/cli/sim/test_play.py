"""A sensor speaks at its pace, answers, and ends when its time or number is over."""

from __future__ import annotations

from random import Random
from typing import TYPE_CHECKING

from leafnode.cli.sim.play import Player
from leafnode.cli.sim.pms5003 import Pms5003
from leafnode.cli.sim.scale import Sics
from leafnode.cli.sim.wire import Wire
from leafnode.clock import NS_PER_S
from tests.sim.clock import FakeClock
from tests.unit.cli.sim.world import FakeTerminal

if TYPE_CHECKING:
    from leafnode.cli.sim.sensor import Sensor


def played(
    sensor: Sensor, *, count: int = 0, for_s: float | None = None
) -> tuple[Player, FakeTerminal]:
    clock = FakeClock()
    terminal = FakeTerminal(clock)
    until_ns = None if for_s is None else clock.monotonic_ns() + int(for_s * NS_PER_S)
    wire = Wire(sensor.baud, Random(1))
    return Player(sensor, wire, terminal, clock, count=count, until_ns=until_ns), terminal


def test_it_speaks_at_its_pace_and_ends_after_so_many_times() -> None:
    player, terminal = played(Pms5003(Random(1)), count=5)
    begun_ns = terminal.clock.monotonic_ns()

    player.run()

    lasted_ns = terminal.clock.monotonic_ns() - begun_ns
    assert player.played.said == 5
    assert player.played.sent_bytes == 5 * 32
    assert 4 * NS_PER_S < lasted_ns < 4.2 * NS_PER_S
    # 32 characters take 33 ms at 9600 baud, and come in pieces.
    firsts = [at for at, data in terminal.heard if data.startswith(b"BM")]
    assert [round((at - begun_ns) / NS_PER_S) for at in firsts] == [0, 1, 2, 3, 4]
    assert len(terminal.heard) > 5


def test_its_time_ends_it() -> None:
    player, terminal = played(Pms5003(Random(1)), for_s=10)
    begun_ns = terminal.clock.monotonic_ns()

    player.run()

    assert terminal.clock.monotonic_ns() - begun_ns == 10 * NS_PER_S
    assert player.played.said == 10


def test_nothing_is_said_while_nobody_hears_it() -> None:
    player, terminal = played(Pms5003(Random(1)), for_s=10)
    terminal.is_heard = False

    player.run()

    assert player.played.said == 0
    assert terminal.heard == []


def test_what_nobody_takes_is_lost_and_counted() -> None:
    player, terminal = played(Pms5003(Random(1)), count=2)
    terminal.takes = 0

    player.run()

    assert (player.played.sent_bytes, player.played.lost_bytes) == (0, 64)


def test_one_that_answers_only_says_nothing_by_itself() -> None:
    player, terminal = played(Sics(Random(1)), count=2)
    terminal.to_say = [b"", b"SI\r\n", b"", b"TAC\r\n"]

    player.run()

    assert b"".join(data for _, data in terminal.heard) == b"S S       0.00 kg\r\nTAC A\r\n"
    assert (player.played.said, player.played.answered) == (0, 2)
    assert player.played.heard_bytes == 9


def test_whoever_stops_it_ends_it() -> None:
    player, terminal = played(Pms5003(Random(1)))
    until_ns = terminal.clock.monotonic_ns() + 3 * NS_PER_S
    player._stopped = lambda: terminal.clock.monotonic_ns() >= until_ns

    player.run()

    assert player.played.said == 3
