"""A copy of the store was restored: what the hub has of it is not sent again."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from leafnode import limits
from leafnode.clock import NS_PER_S
from leafnode.uplink.status import Protection, State
from tests.sim.uplink_world import OPTIONS, OUTAGE_NS, World, numbers

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.sim.local_jetstream import Archive

WAITING = 300


def copied_with_a_backlog(
    *, is_work_queue: bool = False, subjects: int = 1
) -> tuple[World, Archive]:
    """Give a world that sent a backlog of which a copy was made before."""
    world = World(replace(OPTIONS, window_msgs=16), subjects=("ev.>", "more.>"))
    world.local.is_work_queue = is_work_queue
    world.start()
    world.store(*numbers(1, 10))
    world.clock.advance(5 * NS_PER_S)
    world.link_down()
    for number in range(11, 11 + WAITING):
        world.local.store(b"%d" % number, b"ev.%d" % (number % subjects))
    world.clock.advance(NS_PER_S)
    before = world.local.archive()
    world.link_up()
    world.clock.advance(60 * NS_PER_S)
    assert len(world.hub.payloads()) == 10 + WAITING
    return world, before


def restore(world: World, before: Archive, *new: bytes) -> None:
    world.uplink.stop()
    world.clock.advance(OUTAGE_NS)
    world.local.restore(before)
    world.restart()
    world.store(*new)
    world.clock.advance(60 * NS_PER_S)


def advance_until(world: World, is_so: Callable[[], bool]) -> None:
    for _ in range(1000):
        if is_so():
            return
        world.clock.advance(NS_PER_S // 100)
    pytest.fail("it never is")


@pytest.mark.parametrize("is_work_queue", [False, True])
@pytest.mark.parametrize("later", [1, 40, 2000])
@pytest.mark.parametrize("subjects", [1, 7])
def test_a_backlog_that_went_up_after_the_copy_was_made_does_not_go_up_again(
    is_work_queue: bool, later: int, subjects: int
) -> None:
    world, before = copied_with_a_backlog(is_work_queue=is_work_queue, subjects=subjects)
    for _ in range(later):
        world.store(b"later")
    world.clock.advance(120 * NS_PER_S)
    sent = len(world.hub.payloads())

    restore(world, before, b"new 1", b"new 2")

    assert world.hub.payloads()[sent:] == [b"new 1", b"new 2"]
    assert world.status.protection is Protection.RESTORED
    assert (world.pending, world.status.lag_messages) == ([], 0)


def test_others_in_the_same_stream_are_in_nobodys_way() -> None:
    world, before = copied_with_a_backlog()
    for _ in range(2000):
        world.hub.publish(b"edge.other", b"other")
    for _ in range(100):
        world.hub.publish(b"edge.ev.0", b"other")
    world.store(b"later")
    world.clock.advance(10 * NS_PER_S)

    restore(world, before, b"new")

    there = Counter(world.hub.payloads())
    assert [one for one in numbers(1, 10 + WAITING) if there[one] != 1] == []
    assert there[b"new"] == 1


def test_what_the_hub_never_had_goes_up_and_what_it_has_beyond_that_does_not() -> None:
    world, before = copied_with_a_backlog()
    world.store(b"later")
    world.clock.advance(5 * NS_PER_S)
    half = [seq for seq, one in world.hub.stored.items() if one.payload in numbers(200, 310)]
    for seq in half:
        del world.hub.stored[seq]  # the hub has a copy of its own

    restore(world, before)

    there = Counter(world.hub.payloads())
    assert [one for one in numbers(1, 10 + WAITING) if there[one] != 1] == []


def test_a_copy_of_which_the_hub_has_nothing_goes_up_as_it_is() -> None:
    world, before = copied_with_a_backlog()
    world.store(b"later")
    world.clock.advance(5 * NS_PER_S)
    for seq in [seq for seq, one in world.hub.stored.items() if one.payload != b"later"]:
        del world.hub.stored[seq]

    restore(world, before)

    assert world.hub.payloads() == [b"later", *numbers(11, 10 + WAITING)]


def test_a_local_stream_that_does_not_answer_is_asked_again() -> None:
    world, before = copied_with_a_backlog()
    world.store(b"later")
    world.clock.advance(5 * NS_PER_S)
    world.uplink.stop()
    world.clock.advance(OUTAGE_NS)
    world.local.restore(before)
    world.hub.bytes_per_s = 2000
    world.restart()
    advance_until(world, lambda: world.status.state is State.ASKING)
    world.local.silent = True
    world.clock.advance(20 * NS_PER_S)
    world.local.silent = False
    world.hub.bytes_per_s = 0
    world.clock.advance(120 * NS_PER_S)

    assert len(world.hub.payloads()) == 11 + WAITING
    assert world.status.lag_messages == 0


def test_a_hub_that_stops_answering_in_the_middle_is_asked_again() -> None:
    world, before = copied_with_a_backlog()
    world.store(b"later")
    world.clock.advance(5 * NS_PER_S)
    world.uplink.stop()
    world.clock.advance(OUTAGE_NS)
    world.local.restore(before)
    world.hub.questions.clear()
    world.restart()
    advance_until(world, lambda: len(world.hub.questions) > 3)
    world.link_down()
    world.clock.advance(NS_PER_S)
    world.link_up()
    world.clock.advance(60 * NS_PER_S)

    assert len(world.hub.payloads()) == 11 + WAITING


def test_of_more_subjects_than_a_bound_it_is_not_found_and_said() -> None:
    world, before = copied_with_a_backlog()
    patterns = (
        *world.local.subjects,
        *(f"s{n}.>" for n in range(limits.UPLINK_PARTING_SUBJECTS_MAX)),
    )
    world.local.subjects = patterns
    world.store(b"later")
    world.clock.advance(5 * NS_PER_S)

    restore(world, before, b"new")

    assert world.hub.payloads()[-1] == b"new"
    assert world.hub.payloads().count(b"100") == 2
    assert world.status.protection is Protection.PARTLY


def test_newest_first_what_is_found_in_no_time_is_not_looked_for_again_for_an_hour(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(limits, "UPLINK_PROBES_MAX", 8)
    world = World(replace(OPTIONS, newest_first=True))
    for _ in range(400):
        world.hub.publish(b"edge.ev.a", b"other")
    world.start()
    world.store(b"1")
    searched = 8 * limits.UPLINK_PARTING_TIMES

    world.clock.advance(10 * 60 * NS_PER_S)

    assert "looking for what the hub has" in caplog.messages[0]
    assert "others publish under edge." in world.status.last_error
    assert searched < len(world.hub.questions) < 2 * searched
    world.clock.advance(3600 * NS_PER_S)
    assert len(world.hub.questions) > 2 * searched


def test_nothing_is_looked_for_where_all_that_is_here_was_acknowledged() -> None:
    """The hub's newest is older than what went here since, by a purge or as dead letters; nothing
    that is still here can be newer than both.
    """
    world = World(OPTIONS)
    world.start()
    world.store(*numbers(1, 40))
    world.clock.advance(5 * NS_PER_S)
    world.uplink.stop()
    world.store(*numbers(41, 50))
    world.local.delete(*range(1, 51))
    world.clock.advance(OUTAGE_NS)
    world.hub.questions.clear()

    world.restart()
    world.clock.advance(60 * NS_PER_S)

    assert not [one for one in world.hub.questions if "next_by_subj" in one]
    world.store(b"new")
    world.clock.advance(5 * NS_PER_S)
    assert world.hub.payloads() == [*numbers(1, 40), b"new"]
    assert world.status.protection is Protection.ASKED
