"""Copies and archives of other histories: what one of them stored is not taken for another's.

Each is what a reader proved. Truth: docs/uplink.md, "A copy that was restored".
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from leafnode.clock import NS_PER_S
from leafnode.go_time import format_time
from tests.sim.uplink_world import OPTIONS, OUTAGE_NS, World, numbers
from tests.unit.uplink.test_stream_restored import (
    missing_or_doubled,
    new_ones_and_a_death,
    restore,
    world_with,
)

if TYPE_CHECKING:
    from tests.sim.local_jetstream import Archive


@pytest.mark.parametrize("restarts", [False, True])
@pytest.mark.parametrize("has_consumers", [False, True])
@pytest.mark.parametrize(("there", "others"), [(20, 0), (150, 0), (150, 1), (150, 30)])
def test_newest_first_what_comes_after_an_archive_is_not_taken_for_what_went_after_it(
    there: int, others: int, has_consumers: bool, restarts: bool
) -> None:
    """The last that went up is in the archive; most of what it says to be stored is not."""
    world = World(replace(OPTIONS, newest_first=True))
    world.start()
    world.store(*numbers(1, 10))
    world.clock.advance(5 * NS_PER_S)
    world.link_down()
    world.store(*numbers(11, there))
    world.clock.advance(NS_PER_S)
    archive = world.local.archive(has_consumers=has_consumers)
    world.store(*numbers(there + 1, 210))
    world.clock.advance(NS_PER_S)
    world.link_up()
    world.clock.advance(60 * NS_PER_S)
    assert missing_or_doubled(world, *numbers(1, 210)) == []
    for _ in range(others):
        world.hub.publish(b"edge.ev.a", b"other")
    world.clock.advance(OUTAGE_NS)

    restore(world, archive)
    if restarts:
        world.restart()
    new = [b"new %d" % number for number in range(100)]
    world.store(*new)
    world.clock.advance(300 * NS_PER_S)

    assert missing_or_doubled(world, *numbers(1, 210)) == []
    # Nothing is sent, and that is said.
    assert world.status.lag_messages >= 100
    assert "a copy of the store was restored" in world.status.last_error


@pytest.mark.parametrize("is_hidden", [False, True])
def test_what_was_kept_of_another_history_is_forgotten(is_hidden: bool) -> None:
    world = World(replace(OPTIONS, window_msgs=256))
    world.start()
    world.store(*numbers(1, 10))
    world.clock.advance(5 * NS_PER_S)
    archive = world.local.archive()
    world.store(*numbers(11, 51))
    world.clock.advance(5 * NS_PER_S)
    world.restart()
    world.clock.advance(70 * NS_PER_S)
    if is_hidden:
        world.hub.publish(b"edge.ev.a", b"other")
    world.clock.advance(OUTAGE_NS)
    restore(world, archive)
    world.clock.advance(5 * NS_PER_S)
    assert missing_or_doubled(world, *new_ones_and_a_death(world)) == []


@pytest.mark.parametrize("restarts", [False, True])
@pytest.mark.parametrize("has_consumers", [False, True])
@pytest.mark.parametrize("is_work_queue", [False, True])
def test_what_an_older_copy_sent_does_not_hide_what_the_hub_has_of_a_later_one(
    is_work_queue: bool, has_consumers: bool, restarts: bool
) -> None:
    world = world_with()
    world.local.is_work_queue = is_work_queue
    older = world.local.archive(has_consumers=has_consumers)
    world.store(*numbers(11, 100))
    world.clock.advance(60 * NS_PER_S)
    world.link_down()
    world.store(*numbers(101, 210))
    world.clock.advance(NS_PER_S)
    later = world.local.archive(has_consumers=has_consumers)
    world.link_up()
    world.clock.advance(60 * NS_PER_S + OUTAGE_NS)
    restore(world, older)
    world.clock.advance(5 * NS_PER_S)
    old = [b"old %d" % number for number in range(10)]
    world.store(*old)
    world.clock.advance(60 * NS_PER_S + OUTAGE_NS)

    restore(world, later)
    if restarts:
        world.restart()
    new = [b"new %d" % number for number in range(20)]
    world.store(*new)
    world.clock.advance(300 * NS_PER_S)

    assert missing_or_doubled(world, *numbers(1, 210), *old, *new) == []
    assert "a copy of the store was restored" in world.status.last_error


@pytest.mark.parametrize("others", [0, 50])
@pytest.mark.parametrize("newest_first", [False, True])
def test_a_copy_of_before_the_name_was_kept_is_compared_all_the_same(
    newest_first: bool, others: int
) -> None:
    world = world_with(newest_first=newest_first)
    world.link_down()
    world.local.make_anew(format_time(world.clock.wall_ns()))
    world.clock.advance(10 * NS_PER_S)
    world.store(*numbers(11, 110))
    world.clock.advance(NS_PER_S)
    image, side = world.local.archive(), list(world.local.side["KV_LEAFNODE_UPLINK"].messages)
    world.link_up()
    world.clock.advance(60 * NS_PER_S)
    world.store(b"a", b"b")
    world.clock.advance(OUTAGE_NS)
    for _ in range(others):
        world.hub.publish(b"edge.ev.a", b"other")

    world.uplink.stop()
    world.local.restore(image)
    world.local.side["KV_LEAFNODE_UPLINK"].messages[:] = side
    world.restart()
    if not newest_first:
        world.store(b"new")
    world.clock.advance(60 * NS_PER_S)

    assert missing_or_doubled(world, *numbers(1, 110), b"a", b"b") == []
    if newest_first:
        assert "a copy of the store was restored" in world.status.last_error
    else:
        assert missing_or_doubled(world, b"new") == []


def test_newest_first_what_is_kept_of_a_backlog_is_not_forgotten_behind_others() -> None:
    world = World(replace(OPTIONS, newest_first=True, window_msgs=16))
    world.start()
    world.link_down()
    world.store(*numbers(1, 300))
    world.clock.advance(NS_PER_S)
    world.link_up()
    world.clock.advance(NS_PER_S // 10)
    world.link_down()
    assert 0 < len(world.hub.payloads()) < 300
    world.hub.publish(b"edge.ev.a", b"other")
    for _ in range(2):
        world.hub.loses_acks = True
        world.restart()
        world.clock.advance(OUTAGE_NS)
        world.link_up()
        world.clock.advance(5 * NS_PER_S)
        world.link_down()
    world.hub.loses_acks = False
    world.link_up()
    world.clock.advance(120 * NS_PER_S)

    assert missing_or_doubled(world, *numbers(1, 300)) == []


@pytest.mark.parametrize("restarts", [False, True])
def test_newest_first_what_was_refuted_stays_so_when_its_message_is_gone(restarts: bool) -> None:
    world = World(replace(OPTIONS, newest_first=True))
    world.start()
    world.store(*numbers(1, 10))
    world.clock.advance(5 * NS_PER_S)
    world.link_down()
    for number in range(11, 21):
        world.store(b"%d" % number, subject=b"ev.k%d" % number)
    archive = world.local.archive()
    for number in range(21, 211):
        world.store(b"%d" % number, subject=b"ev.k%d" % number)
    world.clock.advance(NS_PER_S)
    world.link_up()
    world.clock.advance(60 * NS_PER_S + OUTAGE_NS)
    restore(world, archive)
    world.local.max_per_subject = 1
    world.clock.advance(5 * NS_PER_S)
    for number in range(21, 320):
        subject = b"ev.rare%d" % number if 150 <= number < 210 else b"ev.often"
        world.store(b"new %d" % number, subject=subject)
        world.clock.advance(NS_PER_S)
    if restarts:
        world.restart()
    world.clock.advance(600 * NS_PER_S)

    assert world.status.lag_messages >= 60
    assert "a copy of the store was restored" in world.status.last_error


@pytest.mark.parametrize("newest_first", [False, True])
def test_an_image_of_before_the_stream_was_made_anew_and_before_anything_was_kept(
    newest_first: bool,
) -> None:
    world = World(replace(OPTIONS, window_msgs=16, newest_first=newest_first))
    world.hub.down()
    world.start()
    world.store(*numbers(1, 200))
    world.clock.advance(10 * NS_PER_S)
    image = world.local.archive()
    world.link_up()
    world.clock.advance(60 * NS_PER_S)
    world.local.make_anew(format_time(world.clock.wall_ns()))
    world.clock.advance(30 * NS_PER_S)
    world.store(b"a", b"b")
    world.clock.advance(OUTAGE_NS)

    world.uplink.stop()
    world.local.restore(image)
    world.local.side["KV_LEAFNODE_UPLINK"].messages.clear()
    world.restart()
    world.store(b"new")
    world.clock.advance(300 * NS_PER_S)

    assert missing_or_doubled(world, *numbers(1, 200), b"a", b"b", b"new") == []


@pytest.mark.parametrize("is_work_queue", [False, True])
def test_a_late_puback_lets_go_of_no_message_of_the_archive_that_came_back(
    is_work_queue: bool,
) -> None:
    """The consumer of the archive had given the same sequences of another history, and the uplink
    knows that its own is gone, not yet what there is now.
    """
    world = World()
    world.local.is_work_queue = is_work_queue
    world.start()
    world.link_down()
    world.store(*numbers(1, 4))
    world.clock.advance(NS_PER_S)
    archive = world.local.archive()
    world.local.make_anew(format_time(world.clock.wall_ns()))
    world.clock.advance(10 * NS_PER_S)
    world.link_up()
    world.clock.advance(10 * NS_PER_S)
    world.hub.queue_ns = NS_PER_S // 10
    world.store(b"a", b"b", b"c", b"d")
    world.clock.advance(NS_PER_S // 20)

    restore(world, archive)
    world.clock.advance(60 * NS_PER_S)

    assert missing_or_doubled(world, b"a", b"b", b"c", b"d", *numbers(1, 4)) == []


def latest_values(world: World, first: int, last: int) -> None:
    """One subject is quick, and each twentieth message is of another one that is slow."""
    for number in range(first, last + 1):
        subject = b"ev.slow%d" % (number % 400) if number % 20 == 0 else b"ev.a"
        world.store(b"%d" % number, subject=subject)
        world.clock.advance(NS_PER_S)


@pytest.mark.parametrize("ahead_s", [-(10**9), -600, 0, 600, 3 * 3600, 10**9])
@pytest.mark.parametrize("dies", [False, True])
def test_newest_first_latest_values_go_on_though_the_clock_is_wrong(
    dies: bool, ahead_s: int
) -> None:
    """The hub's newest is replaced before the hub is asked again, as is usual for such a stream."""
    world = World(replace(OPTIONS, window_msgs=64, newest_first=True))
    world.hub.ahead_ns = -ahead_s * NS_PER_S
    world.local.max_per_subject = 1
    world.start()
    latest_values(world, 1, 125)
    world.link_down()
    world.local.denies_streams = dies
    world.uplink.stop()
    world.local.denies_streams = False
    latest_values(world, 126, 135)
    world.restart()
    latest_values(world, 136, 150)
    world.link_up()
    world.clock.advance(60 * NS_PER_S)

    assert (world.status.lag_messages, world.status.last_error) == (0, "")
    there = set(world.hub.payloads())
    assert {body for _, _, body in world.local.messages.values()} <= there


def test_newest_first_short_runs_keep_how_far_they_are_so_none_is_taken_for_a_copy() -> None:
    world = World(replace(OPTIONS, window_msgs=64, newest_first=True))
    world.hub.ahead_ns = -90 * NS_PER_S
    world.local.max_per_subject = 1
    world.start()
    for run in range(12):
        latest_values(world, 30 * run + 1, 30 * run + 25)
        world.link_down()
        world.restart(dies=True)
        latest_values(world, 30 * run + 26, 30 * run + 30)
        world.link_up()
        world.clock.advance(5 * NS_PER_S)

    assert (world.status.lag_messages, world.status.last_error) == (0, "")


def test_what_was_kept_is_of_before_an_archive_though_its_message_is_here_still() -> None:
    """The hub lost that one first, so it has it behind one that came later and is not in the
    archive: up to that one all counted as stored, and the archive gave its sequence once more.
    """
    world = world_with()
    world.local.is_work_queue = True
    world.link_down()
    world.store(b"11")
    archive = world.local.archive(has_consumers=False)
    world.store(b"12")
    world.hub.loses = [b"11"]
    world.link_up()
    world.clock.advance(OUTAGE_NS)
    assert world.hub.payloads() == [*numbers(1, 10), b"12", b"11"]
    world.restart()
    world.clock.advance(5 * NS_PER_S)

    restore(world, archive)
    world.store(b"new")
    world.clock.advance(60 * NS_PER_S)

    assert missing_or_doubled(world, *numbers(1, 12), b"new") == []


def world_of_two_subjects(*, is_work_queue: bool) -> World:
    """Others hide what the hub has under one of them."""
    world = world_with()
    world.local.is_work_queue = is_work_queue
    world.local.subjects = ("ev.>", "k.>")
    world.restart()
    world.clock.advance(60 * NS_PER_S)
    return world


def hide(world: World, others: int) -> None:
    for _ in range(others):
        world.hub.publish(b"edge.ev.a", b"other")


def archive_of(world: World, *backlog: bytes) -> Archive:
    """It is made while the link is down; then all goes up, and one of others hides it."""
    world.store(*backlog)
    world.clock.advance(NS_PER_S)
    archive = world.local.archive()
    world.link_up()
    world.clock.advance(60 * NS_PER_S)
    hide(world, 1)
    world.clock.advance(OUTAGE_NS)
    return archive


@pytest.mark.parametrize("is_work_queue", [False, True])
@pytest.mark.parametrize("others", [0, 1500])
def test_what_went_up_behind_the_end_of_another_history_is_found_among_others(
    others: int, is_work_queue: bool
) -> None:
    """An archive came back before: the life that went on for longer shows its last message."""
    world = world_of_two_subjects(is_work_queue=is_work_queue)
    first = world.local.archive()
    world.store(*numbers(11, 100), subject=b"k.a")
    world.clock.advance(60 * NS_PER_S + OUTAGE_NS)
    restore(world, first)
    world.clock.advance(60 * NS_PER_S)
    hide(world, others)
    world.link_down()
    backlog = [b"backlog %d" % number for number in range(40)]
    later = archive_of(world, *backlog)

    restore(world, later)
    world.store(b"new")
    world.clock.advance(300 * NS_PER_S)

    assert missing_or_doubled(world, *numbers(1, 100), *backlog, b"new") == []


@pytest.mark.parametrize("is_work_queue", [False, True])
def test_of_a_copy_what_is_behind_too_many_others_is_found_though_an_old_one_is_shown(
    is_work_queue: bool,
) -> None:
    world = world_of_two_subjects(is_work_queue=is_work_queue)
    world.store(b"k", subject=b"k.a")
    world.clock.advance(NS_PER_S)
    hide(world, 1500)
    world.store(*numbers(11, 100))
    world.clock.advance(60 * NS_PER_S)
    world.link_down()
    copy = archive_of(world, *numbers(101, 140))

    restore(world, copy)
    world.store(b"new")
    world.clock.advance(300 * NS_PER_S)

    assert missing_or_doubled(world, *numbers(1, 140), b"k", b"new") == []


def test_what_went_up_of_a_copy_is_found_behind_an_older_life_though_nothing_is_given_yet() -> None:
    """The window is empty: the consumer of the copy gave nothing, for the link was down."""
    world = world_of_two_subjects(is_work_queue=False)
    world.clock.advance(OUTAGE_NS)
    first = world.local.archive()
    world.store(*numbers(11, 300), subject=b"k.a")
    world.clock.advance(86400 * NS_PER_S)
    restore(world, first)
    hide(world, 1500)
    world.clock.advance(60 * NS_PER_S)
    world.link_down()
    world.restart()
    world.clock.advance(5 * NS_PER_S)
    backlog = [b"backlog %d" % number for number in range(200)]
    later = archive_of(world, *backlog)

    restore(world, later)
    world.store(b"new")
    world.clock.advance(300 * NS_PER_S)

    assert missing_or_doubled(world, *numbers(1, 300), *backlog, b"new") == []


@pytest.mark.parametrize("newest_first", [False, True])
def test_without_a_copy_a_rare_message_that_shows_is_taken_for_none_of_another_history(
    newest_first: bool,
) -> None:
    """Others hide what came behind it, of which the last run heard nothing before it died."""
    world = World(replace(OPTIONS, window_msgs=64, newest_first=newest_first))
    world.local.subjects = ("ev.>", "k.>")
    world.start()
    world.store(b"1")
    world.clock.advance(20 * NS_PER_S)
    world.store(b"2", subject=b"k.a")
    world.clock.advance(5 * NS_PER_S)
    world.store(*numbers(3, 900))
    hide(world, 700)
    world.clock.advance(20 * NS_PER_S)
    if newest_first:
        world.local.delete(*list(world.local.messages)[:600])
    world.hub.loses_acks = True
    world.store(*numbers(901, 960))
    world.clock.advance(NS_PER_S)
    world.link_down()
    world.hub.loses_acks = False
    world.restart(dies=True)
    hide(world, 1)
    world.clock.advance(200 * NS_PER_S)
    world.link_up()
    world.store(b"new")
    world.clock.advance(300 * NS_PER_S)

    assert world.hub.payloads().count(b"new") == 1
    assert world.status.lag_messages == 0
    assert "copy" not in world.status.last_error
    if not newest_first:
        assert missing_or_doubled(world, *numbers(1, 960)) == []
