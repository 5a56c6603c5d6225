"""Imports of one subscription in turns: by what their shadows cost, however few they are."""

from __future__ import annotations

from itertools import pairwise

from leafnode.limits import TOKEN_WORK, TURN_WORK
from tests.sim.imports import Slices, replace_imports, stream_import
from tests.unit.routing.test_imports import World

FEW = 40  # imports, fewer than are looked at in one step
TOKENS = 1500
# Of which a turn ends with the one that goes beyond it.
_IN_A_TURN = TURN_WORK // (TOKEN_WORK * TOKENS) + 1


class LongWorld(World):
    """An account with a few imports, and a pattern of many tokens that overlaps each of them."""

    def __init__(self) -> None:
        super().__init__(*((b"a.%d.>" % number, b"in.%d.>" % number) for number in range(FEW)))
        self.slices = Slices(self.importer.system.outbox)
        self.pattern = b"in" + b".*" * (TOKENS - 1)
        self.subject = b"a.%d" + b".x" * (TOKENS - 2)

    def heard(self, number: int) -> bool:
        """Have one that is imported delivered, and say whether it came."""
        self.exporter.publish(self.subject % number)
        return bool(self.subscriber.got())


def test_who_subscribes_to_few_imports_with_a_long_pattern_is_read_on_once_all_are_in_place() -> (
    None
):
    world = LongWorld()
    subscriber = world.subscriber
    subscriber.lane.feed(b"PING\r\n")
    counts = [0]

    subscriber.subscribe(world.pattern, b"1")
    line = None
    while line is None:
        counts.append(world.exporter.sublist.count)
        subscriber.outbox.renew_work()
        line = subscriber.lane.next_line()

    assert (line, world.exporter.sublist.count) == (b"PING", FEW)
    assert max(after - before for before, after in pairwise(counts)) <= _IN_A_TURN
    assert world.heard(0)
    assert world.heard(FEW - 1)


def test_who_unsubscribes_such_a_one_gets_nothing_more_though_its_shadows_are_still_there() -> None:
    world = LongWorld()
    sub = world.subscriber.subscribe(world.pattern, b"1")
    world.subscriber.says(b"")
    assert world.heard(FEW - 1)
    counts = [world.exporter.sublist.count]

    world.slices.next()
    del world.subscriber.subs[b"1"]
    world.importer.remove(sub)
    counts.append(world.exporter.sublist.count)
    assert not any(world.heard(number) for number in range(FEW))
    while world.slices.next():
        counts.append(world.exporter.sublist.count)

    assert max(before - after for before, after in pairwise(counts)) <= _IN_A_TURN
    assert world.exporter.sublist.count == 0
    assert world.exporter.local_interest == {}


def test_who_goes_in_the_middle_of_it_leaves_no_shadow() -> None:
    world = LongWorld()
    sub = world.subscriber.subscribe(world.pattern, b"1")
    assert 0 < world.exporter.sublist.count < FEW

    del world.subscriber.subs[b"1"]
    world.importer.remove(sub)
    world.slices.all()
    world.subscriber.says(b"")

    assert world.exporter.sublist.count == 0


def test_imports_that_are_new_meet_such_a_subscription_in_turns_too() -> None:
    world = LongWorld()
    replace_imports(world.imports, [])
    world.slices.all()
    world.subscriber.subscribe(world.pattern, b"1")
    many = [stream_import(world.exporter, b"b.%d.>" % n, b"in.%d.>" % n) for n in range(FEW)]
    world.slices.next()

    replace_imports(world.imports, many)
    counts = [0, world.exporter.sublist.count]
    while world.slices.next():
        counts.append(world.exporter.sublist.count)

    assert world.exporter.sublist.count == FEW
    assert max(after - before for before, after in pairwise(counts)) <= _IN_A_TURN
