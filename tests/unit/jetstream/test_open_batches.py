"""leafnode.jetstream.open_batches: so many and no more, until nothing comes."""

from __future__ import annotations

from leafnode.clock import NS_PER_S
from leafnode.jetstream.open_batches import OpenBatches, Tally
from tests.sim.clock import FakeClock

IDLE = 10 * NS_PER_S
BOUNDS = (2, 3)


def test_a_stream_and_a_server_have_so_many() -> None:
    clock, tally = FakeClock(), Tally()
    one: OpenBatches[int] = OpenBatches(clock, tally, lambda: IDLE)
    other: OpenBatches[int] = OpenBatches(clock, tally, lambda: IDLE)

    assert [one.add(name, 1, BOUNDS) for name in "abc"] == [True, True, False]
    assert [other.add(name, 1, BOUNDS) for name in "ab"] == [True, False]
    one.drop("a")
    one.drop("a")
    assert (tally.count, len(one), one.get("a")) == (2, 1, None)
    assert other.add("b", 1, BOUNDS)
    one.clear()
    other.clear()
    assert tally.count == 0


def test_the_silent_one_ends_and_the_others_do_not() -> None:
    clock, tally = FakeClock(), Tally()
    ended: list[tuple[str, int]] = []
    batches: OpenBatches[int] = OpenBatches(
        clock, tally, lambda: IDLE, lambda name, batch: ended.append((name, batch))
    )
    batches.add("a", 1, BOUNDS)
    batches.add("b", 2, BOUNDS)
    clock.advance(6 * NS_PER_S)
    batches.keep("a", 3)

    clock.advance(5 * NS_PER_S)
    assert ended == [("b", 2)]
    assert batches.items() == [("a", 3)]
    clock.advance(5 * NS_PER_S)
    assert ended == [("b", 2), ("a", 3)]
    assert tally.count == 0


def test_one_that_is_opened_after_all_have_ended_has_its_full_time() -> None:
    clock = FakeClock()
    batches: OpenBatches[int] = OpenBatches(clock, Tally(), lambda: IDLE)
    batches.add("a", 1, BOUNDS)
    clock.advance(9 * NS_PER_S)
    batches.drop("a")
    batches.add("b", 1, BOUNDS)

    clock.advance(9 * NS_PER_S)
    assert batches.get("b") == 1
    clock.advance(1 * NS_PER_S)
    assert batches.get("b") is None
