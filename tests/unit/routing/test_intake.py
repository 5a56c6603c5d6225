"""leafnode.routing.intake: subjects that change as a whole, however many turns."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from leafnode.limits import INTAKE_WAITING_MAX, TURN_WORK
from leafnode.protocol.subject import matches
from leafnode.routing.account import Account
from leafnode.routing.imports import StreamImports
from leafnode.routing.intake import Intake
from tests.sim.imports import Slices, replace_imports, stream_import
from tests.sim.peers import FakePeer, outbox

if TYPE_CHECKING:
    from leafnode.routing.subscription import Delivery

MANY = 300
# None overlap, as those of a stream do not; each set overlaps the others.
SETS = [
    [b"in.*.%d" % number for number in range(10)],
    [b"in.*.%d" % number for number in range(5, 15)],
    [b"in.>"],
    [b"in.7.*", b"here.>"],
    [],
]


class World:
    """An account that imports from many of another's subjects, and what a part of it takes in."""

    def __init__(self, imports: int = MANY) -> None:
        shared = outbox()
        self.exporter, self.importer = Account("E", shared), Account("I", shared)
        many = [
            stream_import(self.exporter, b"a.%d.*" % one, b"in.%d.*" % one)
            for one in range(imports)
        ]
        StreamImports(self.importer, many).start()
        self.there, self.here = FakePeer(self.exporter, 1), FakePeer(self.importer, 2)
        self.slices = Slices(shared)
        self.outbox = shared
        self.heard: list[bytes] = []
        self.intake = Intake(self.importer, "S", self._took)

    def _took(self, run: Delivery) -> None:
        self.heard += [run.subject] * len(run.messages)

    def publish(self, subject: bytes) -> None:
        """Publish under the importer's name, here or in the other account."""
        if subject.startswith(b"in."):
            self.there.says(b"PUB a%b 0\r\n\r\n" % subject[2:])
        self.here.says(b"PUB %b 0\r\n\r\n" % subject)


def test_few_imports_are_no_reason_to_wait() -> None:
    world = World(5)

    world.intake.change([b"in.*.1", b"here"])
    assert not world.intake.is_changing
    world.publish(b"in.4.1")
    world.publish(b"here")
    world.intake.change([b"in.>"])
    world.publish(b"in.4.1")
    world.publish(b"here")

    assert world.heard == [b"in.4.1", b"in.4.1", b"here", b"in.4.1", b"in.4.1"]
    assert {sub.stream for sub in world.importer.sublist} == {"S"}
    world.intake.close()
    assert (world.exporter.sublist.count, world.importer.sublist.count) == (0, 0)
    assert (world.exporter.local_interest, world.importer.local_interest) == ({}, {})


def test_where_imports_are_many_no_turn_is_long() -> None:
    world = World()

    world.intake.change(SETS[0])
    assert world.outbox.work_left > -2 * TURN_WORK
    while world.intake.is_changing:
        world.slices.next()
        assert world.outbox.work_left > -2 * TURN_WORK
    assert world.exporter.sublist.count == MANY * len(SETS[0])
    world.intake.close()
    assert world.outbox.work_left > -3 * TURN_WORK
    while world.slices.next():
        assert world.outbox.work_left > -3 * TURN_WORK

    assert (world.exporter.sublist.count, world.importer.sublist.count) == (0, 0)


CHANGE = st.tuples(st.just("change"), st.integers(0, len(SETS) - 1))
TURNS = st.tuples(st.just("turns"), st.sampled_from([1, 3, 40]))
PUBLISH = st.tuples(
    st.just("publish"), st.sampled_from([b"in.7.7", b"in.299.12", b"in.7.3", b"here.1", b"in.9"])
)


@given(st.lists(CHANGE | TURNS | PUBLISH, max_size=30))
@settings(max_examples=40, deadline=None)
def test_each_message_is_taken_in_once_by_the_subjects_that_hold(
    steps: list[tuple[str, int | bytes]],
) -> None:
    world = World()
    holds: list[bytes] = []
    wanted: list[bytes] = []

    def settled() -> None:
        nonlocal holds
        holds = wanted

    expected: Counter[bytes] = Counter()
    for what, value in steps:
        if isinstance(value, bytes):
            world.publish(value)
            both = 2 if value.startswith((b"in.7.", b"in.299.")) else 1
            expected[value] += both * sum(matches(one, value) for one in holds)
        elif what == "change":
            wanted = SETS[value]
            world.intake.change(wanted)
            if not world.intake.is_changing:
                settled()
            elif not world.intake.is_full:
                world.intake.when_settled(settled)
        else:
            for _ in range(value):
                world.slices.next()
        assert +Counter(world.heard) == +expected

    world.slices.all()
    assert holds == wanted
    assert {sub.subject for sub in world.importer.sublist} == set(wanted)
    world.intake.close()
    world.slices.all()
    assert (world.exporter.sublist.count, world.importer.sublist.count) == (0, 0)
    assert (world.exporter.local_interest, world.importer.local_interest) == ({}, {})


@pytest.mark.parametrize("turns", [0, 1, 5])
def test_one_that_closes_meanwhile_leaves_nothing_and_tells_who_waits(turns: int) -> None:
    world = World()
    told: list[str] = []
    world.intake.change(SETS[0])
    world.intake.when_settled(lambda: told.append("waited"))
    for _ in range(turns):
        world.slices.next()

    world.intake.close()
    assert told == ["waited"]
    world.publish(b"in.0.0")
    world.slices.all()
    world.intake.when_settled(lambda: told.append("asked later"))
    world.publish(b"in.0.0")

    assert told == ["waited", "asked later"]
    assert world.heard == []
    assert (world.exporter.sublist.count, world.importer.sublist.count) == (0, 0)


def test_imports_that_are_replaced_meanwhile_are_those_that_bring_messages() -> None:
    world = World()
    world.intake.change(SETS[0])
    world.slices.next()
    imports = world.importer.stream_imports
    assert imports is not None

    replace_imports(
        imports,
        [stream_import(world.exporter, b"b.%d.*" % one, b"in.%d.*" % one) for one in range(MANY)],
    )
    world.slices.all()
    world.there.says(b"PUB a.299.9 0\r\n\r\nPUB b.299.9 0\r\n\r\n")

    assert world.heard == [b"in.299.9"]
    assert world.exporter.sublist.count == MANY * len(SETS[0])


def test_it_is_full_where_as_many_wait_as_may() -> None:
    world = World()
    world.intake.change(SETS[0])
    for _ in range(INTAKE_WAITING_MAX):
        assert not world.intake.is_full
        world.intake.when_settled(lambda: None)

    assert world.intake.is_full
    world.slices.all()
    assert not world.intake.is_full


def test_nobody_responds_where_all_still_sleep() -> None:
    world = World()
    world.here.no_responders = True
    world.here.subscribe(b"reply", b"1")
    world.intake.change([b"here", *SETS[0]])

    world.here.says(b"PUB here reply 0\r\n\r\n")
    assert b"503" in world.here.got()
    world.slices.all()
    world.here.says(b"PUB here reply 0\r\n\r\n")
    assert (world.here.got(), world.heard) == (b"", [b"here"])
