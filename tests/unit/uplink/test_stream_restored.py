"""A stream that comes back out of an archive (STREAM.RESTORE) while its uplink runs.

It has another time of creation then, as on nats-server 2.15.1, and is the stream that it was.
Truth: docs/uplink.md, "A copy that was restored".
"""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from leafnode.clock import NS_PER_S
from leafnode.go_time import format_time
from leafnode.uplink.status import Protection, State
from tests.sim.uplink_world import OPTIONS, OUTAGE_NS, World, numbers

if TYPE_CHECKING:
    from tests.sim.local_jetstream import Archive

WAITING = 200


def restore(world: World, archive: Archive) -> None:
    world.local.restore(archive, format_time(world.clock.wall_ns()))


def world_with(**options: Any) -> World:
    world = World(replace(OPTIONS, window_msgs=16, **options))
    world.start()
    world.store(*numbers(1, 10))
    world.clock.advance(5 * NS_PER_S)
    return world


def new_ones_and_a_death(world: World) -> list[bytes]:
    """Behind ten messages that came back: the hub gets none before, and sequence 51 is deleted."""
    new = [b"new %d" % number for number in range(60)]
    world.hub.loses += new
    world.store(*new)
    world.clock.advance(NS_PER_S // 2)
    world.link_down()
    world.local.delete(51)
    world.restart(dies=True)
    world.clock.advance(10 * NS_PER_S)
    world.hub.loses.clear()
    world.link_up()
    world.clock.advance(300 * NS_PER_S)
    return new[:40] + new[41:]


def missing_or_doubled(world: World, *payloads: bytes) -> list[bytes]:
    there = Counter(world.hub.payloads())
    return [one for one in payloads if there[one] != 1]


@pytest.mark.parametrize("restarts", [False, True])
@pytest.mark.parametrize("has_consumers", [False, True])
@pytest.mark.parametrize(
    ("is_work_queue", "newest_first"), [(False, False), (True, False), (False, True)]
)
def test_a_backlog_that_went_up_before_the_stream_came_back_does_not_go_up_again(
    is_work_queue: bool, newest_first: bool, has_consumers: bool, restarts: bool
) -> None:
    world = world_with(newest_first=newest_first)
    world.local.is_work_queue = is_work_queue
    world.link_down()
    world.store(*numbers(11, 10 + WAITING))
    world.clock.advance(NS_PER_S)
    archive = world.local.archive(has_consumers=has_consumers)
    world.link_up()
    world.clock.advance(60 * NS_PER_S)
    assert missing_or_doubled(world, *numbers(1, 10 + WAITING)) == []
    world.clock.advance(OUTAGE_NS)

    restore(world, archive)
    if restarts:
        world.restart()
    world.store(b"new")
    world.clock.advance(60 * NS_PER_S)

    assert missing_or_doubled(world, *numbers(1, 10 + WAITING), b"new") == []
    assert (world.status.state, world.status.lag_messages) == (State.RUNNING, 0)
    world.clock.advance(OUTAGE_NS)
    world.restart()
    world.store(b"newer")
    world.clock.advance(60 * NS_PER_S)
    assert missing_or_doubled(world, *numbers(1, 10 + WAITING), b"new", b"newer") == []


@pytest.mark.parametrize("pause_ns", [0, NS_PER_S, 10 * NS_PER_S])
@pytest.mark.parametrize("has_consumers", [False, True])
def test_what_comes_under_sequences_that_were_done_before_the_restore_goes_up(
    pause_ns: int, has_consumers: bool
) -> None:
    world = world_with()
    archive = world.local.archive(has_consumers=has_consumers)
    world.store(*numbers(11, 60))
    world.clock.advance(5 * NS_PER_S)
    world.hub.loses_acks = True
    world.store(*numbers(61, 70))
    world.clock.advance(NS_PER_S // 10)

    restore(world, archive)
    world.hub.loses_acks = False
    world.store(*[b"new %d" % number for number in range(30)])
    world.clock.advance(pause_ns)
    world.store(*[b"new %d" % number for number in range(30, 100)])
    world.clock.advance(60 * NS_PER_S)

    new = [b"new %d" % number for number in range(100)]
    assert missing_or_doubled(world, *numbers(1, 70), *new) == []
    assert (world.status.state, world.status.lag_messages) == (State.RUNNING, 0)


def test_a_refused_message_of_before_the_restore_holds_nothing() -> None:
    world = world_with()
    archive = world.local.archive()
    world.hub.refuses.add(b"bad")
    world.store(b"bad")
    world.clock.advance(5 * NS_PER_S)
    assert world.status.state is State.REFUSED

    restore(world, archive)
    world.store(b"good")
    world.clock.advance(30 * NS_PER_S)

    assert world.hub.payloads() == [*numbers(1, 10), b"good"]


def ids(world: World) -> set[bytes]:
    return {msg_id.split(b".")[2] for msg_id in world.hub.received}


def test_a_stream_that_is_made_anew_has_ids_of_its_own_and_keeps_them() -> None:
    world = world_with()
    world.clock.advance(NS_PER_S)
    world.local.make_anew(format_time(world.clock.wall_ns()))
    world.clock.advance(NS_PER_S)
    world.store(b"a", b"b")
    world.clock.advance(60 * NS_PER_S)
    assert len(ids(world)) == 2

    world.restart()
    world.store(b"c")
    world.clock.advance(60 * NS_PER_S)
    assert len(ids(world)) == 2
    assert world.hub.payloads() == [*numbers(1, 10), b"a", b"b", b"c"]


@pytest.mark.parametrize("name", ["", "a.b", "a\r\nb", "123456789", "äöü", "*"])
def test_a_name_that_is_none_is_not_taken_from_the_bucket(name: str) -> None:
    world = world_with()
    subject, header, body = world.local.side["KV_LEAFNODE_UPLINK"].messages[-1]
    wrong = body.replace(next(iter(ids(world))), name.encode())
    assert name == "" or wrong != body
    world.uplink.stop()
    world.local.side["KV_LEAFNODE_UPLINK"].messages.append((subject, header, wrong))
    world.restart()
    world.store(b"11")
    world.clock.advance(10 * NS_PER_S)

    assert world.hub.payloads() == numbers(1, 11)
    assert len(ids(world)) == 1


def test_what_a_restored_consumer_gives_before_anybody_looked_is_not_taken_for_done() -> None:
    world = World(replace(OPTIONS, window_msgs=4))
    world.start()
    world.store(*numbers(1, 10))
    world.clock.advance(5 * NS_PER_S)
    archive = world.local.archive()
    world.hub.queue_ns = NS_PER_S
    world.store(*numbers(11, 14))
    world.clock.advance(NS_PER_S // 10)
    assert not world.local.consumers["leafnode-uplink-EV"].pulls  # nobody is told of its end

    restore(world, archive)
    world.store(b"new 1", b"new 2", b"new 3", b"new 4", b"new 5")
    world.clock.advance(60 * NS_PER_S)

    assert world.hub.payloads() == [*numbers(1, 14), *(b"new %d" % one for one in range(1, 6))]


@pytest.mark.parametrize("is_work_queue", [False, True])
def test_a_puback_to_a_message_of_before_the_restore_lets_go_of_no_other(
    is_work_queue: bool,
) -> None:
    """What came under its sequence since was given to nobody: that cannot be acknowledged."""
    world = world_with()
    world.local.is_work_queue = is_work_queue
    archive = world.local.archive()
    world.store(*numbers(11, 14))
    world.clock.advance(world.hub.rtt_ns // 4)  # they are on their way

    restore(world, archive)
    world.store(b"new 1", b"new 2")
    world.clock.advance(60 * NS_PER_S)

    assert missing_or_doubled(world, b"new 1", b"new 2") == []


def test_a_puback_that_comes_after_the_restore_is_not_of_what_waits_under_its_sequence() -> None:
    """The archive's consumer had given that, and will give it again."""
    world = world_with()
    old = [b"old %d" % number for number in range(5)]
    world.hub.loses += old
    world.store(*old)
    world.clock.advance(NS_PER_S)
    archive = world.local.archive()
    world.local.make_anew(format_time(world.clock.wall_ns()))
    world.hub.loses.clear()
    world.clock.advance(300 * NS_PER_S)
    world.store(*[b"new %d" % number for number in range(16)])  # a window: nothing is pulled now
    world.clock.advance(world.hub.rtt_ns // 2)

    world.local.silent = True  # who looks is answered later than the PubAcks come
    restore(world, archive)
    world.clock.advance(world.hub.rtt_ns)
    world.local.silent = False
    world.clock.advance(300 * NS_PER_S)

    assert missing_or_doubled(world, *old) == []


def test_a_stream_that_comes_back_before_a_new_run_was_given_anything_loses_nothing() -> None:
    """The run knows nothing of its consumer but what that said when it was opened."""
    world = world_with()
    archive = world.local.archive()
    world.store(*numbers(11, 30))
    world.clock.advance(60 * NS_PER_S)
    world.hub.loses_answers = True
    world.restart()
    world.clock.advance(NS_PER_S)
    assert world.status.state is State.ASKING

    restore(world, archive)
    world.hub.loses_answers = False
    world.store(*numbers(31, 50))
    world.clock.advance(60 * NS_PER_S)

    assert missing_or_doubled(world, *numbers(1, 50)) == []


@pytest.mark.parametrize("has_consumers", [False, True])
def test_a_restored_stream_is_found_behind_what_others_stored_under_its_subjects(
    has_consumers: bool,
) -> None:
    world = world_with()
    archive = world.local.archive(has_consumers=has_consumers)
    world.store(*numbers(11, 50))
    world.clock.advance(5 * NS_PER_S)
    for _ in range(100):
        world.hub.publish(b"edge.ev.a", b"other")
    world.link_down()
    world.link_up()
    world.clock.advance(OUTAGE_NS)  # it is kept that all was there, and that is not so any more

    restore(world, archive)
    world.store(b"new")
    world.clock.advance(60 * NS_PER_S)

    assert missing_or_doubled(world, *numbers(1, 50), b"new") == []


@pytest.mark.parametrize("restarts", [False, True])
@pytest.mark.parametrize("newest_first", [False, True])
def test_others_are_in_nobodys_way_where_the_stream_is_made_anew(
    newest_first: bool, restarts: bool
) -> None:
    world = world_with(newest_first=newest_first)
    world.hub.publish(b"edge.ev.a", b"other")
    world.local.make_anew(format_time(world.clock.wall_ns()))
    world.clock.advance(10 * NS_PER_S)
    world.link_down()
    world.clock.advance(NS_PER_S)
    world.link_up()
    if restarts:
        world.restart()
    world.clock.advance(10 * NS_PER_S)
    world.store(b"new")
    world.clock.advance(10 * NS_PER_S)

    assert world.hub.payloads() == [*numbers(1, 10), b"other", b"new"]
    assert world.status.last_error == ""


@pytest.mark.parametrize("restarts", [False, True])
@pytest.mark.parametrize("newest_first", [False, True])
def test_what_never_arrived_of_a_new_stream_goes_up_beside_what_others_stored(
    newest_first: bool, restarts: bool
) -> None:
    world = world_with(newest_first=newest_first)
    world.local.make_anew(format_time(world.clock.wall_ns()))
    world.clock.advance(10 * NS_PER_S)
    world.hub.loses += [b"a", b"b"]
    world.store(b"a", b"b")
    world.clock.advance(NS_PER_S // 10)
    world.link_down()
    for _ in range(50):
        world.hub.publish(b"edge.ev.a", b"other")
    if restarts:
        world.restart()
    world.link_up()
    world.clock.advance(10 * NS_PER_S)

    assert missing_or_doubled(world, *numbers(1, 10), b"a", b"b") == []
    assert world.status.state is State.RUNNING


@pytest.mark.parametrize("restarts", [False, True])
def test_newest_first_what_is_ours_is_found_behind_others(restarts: bool) -> None:
    world = world_with(newest_first=True)
    world.link_down()
    world.store(*numbers(11, 100))
    world.link_up()
    world.clock.advance(NS_PER_S // 5)
    world.link_down()
    for _ in range(50):
        world.hub.publish(b"edge.ev.a", b"other")
    world.clock.advance(OUTAGE_NS)
    if restarts:
        world.uplink.stop()
        world.local.side["KV_LEAFNODE_UPLINK"].messages.clear()  # it is not kept how far it was
        world.restart()
    world.link_up()
    world.clock.advance(60 * NS_PER_S)

    assert missing_or_doubled(world, *numbers(1, 100)) == []
    assert world.status.lag_messages == 0


@pytest.mark.parametrize("has_consumers", [False, True])
def test_a_long_former_life_is_in_nobodys_way(has_consumers: bool) -> None:
    world = world_with()
    world.store(*[b"old"] * 3000)
    world.clock.advance(120 * NS_PER_S)
    world.local.make_anew(format_time(world.clock.wall_ns()))
    world.clock.advance(30 * NS_PER_S)
    world.link_down()
    world.store(*numbers(11, 210))
    world.clock.advance(NS_PER_S)
    archive = world.local.archive(has_consumers=has_consumers)
    world.link_up()
    world.clock.advance(60 * NS_PER_S)
    world.store(b"later")
    world.clock.advance(OUTAGE_NS)

    restore(world, archive)
    world.clock.advance(120 * NS_PER_S)

    assert missing_or_doubled(world, *numbers(1, 210), b"later") == []


@pytest.mark.parametrize("restarts", [False, True])
@pytest.mark.parametrize("has_consumers", [False, True])
@pytest.mark.parametrize("many", [20, 2000])
def test_what_was_archived_before_the_stream_was_made_anew_is_what_it_was(
    many: int, has_consumers: bool, restarts: bool
) -> None:
    world = world_with()
    world.link_down()
    world.store(*numbers(11, 210))
    world.clock.advance(NS_PER_S)
    archive = world.local.archive(has_consumers=has_consumers)
    world.link_up()
    world.clock.advance(60 * NS_PER_S)
    world.local.make_anew(format_time(world.clock.wall_ns()))
    world.clock.advance(30 * NS_PER_S)
    world.store(*[b"new %d" % number for number in range(many)])
    world.clock.advance(OUTAGE_NS)

    restore(world, archive)
    if restarts:
        world.restart()
    world.store(b"newer")
    world.clock.advance(120 * NS_PER_S)

    new = [b"new %d" % number for number in range(many)]
    assert missing_or_doubled(world, *numbers(1, 210), *new, b"newer") == []
    assert (world.status.state, world.status.lag_messages) == (State.RUNNING, 0)


@pytest.mark.parametrize("newest_first", [False, True])
def test_a_stream_that_is_made_anew_by_a_clock_that_is_ahead_is_a_new_one(
    newest_first: bool,
) -> None:
    world = world_with(newest_first=newest_first)
    world.local.make_anew(format_time(world.clock.wall_ns() + 5 * NS_PER_S))
    world.store(b"a", b"b")
    world.clock.advance(60 * NS_PER_S)

    assert missing_or_doubled(world, *numbers(1, 10), b"a", b"b") == []
    assert (world.status.state, world.status.last_error) == (State.RUNNING, "")


@pytest.mark.parametrize("has_consumers", [False, True])
def test_a_restored_stream_is_found_among_more_of_others_than_are_looked_at_one_by_one(
    has_consumers: bool,
) -> None:
    world = world_with()
    world.link_down()
    world.store(*numbers(11, 210))
    world.clock.advance(NS_PER_S)
    archive = world.local.archive(has_consumers=has_consumers)
    world.link_up()
    world.clock.advance(60 * NS_PER_S)
    for _ in range(3000):
        world.hub.publish(b"edge.ev.a", b"other")
    world.clock.advance(OUTAGE_NS)

    restore(world, archive)
    world.store(b"new")
    world.clock.advance(120 * NS_PER_S)

    assert missing_or_doubled(world, *numbers(1, 210), b"new") == []


@pytest.mark.parametrize("newest_first", [False, True])
def test_what_a_new_stream_sent_in_vain_goes_up_though_others_store_thousands(
    newest_first: bool,
) -> None:
    """It is kept before the first message goes that nothing is at the hub up to there."""
    world = world_with(newest_first=newest_first)
    for _ in range(2000):
        world.hub.publish(b"edge.ev.a", b"other")
    world.local.make_anew(format_time(world.clock.wall_ns()))
    world.clock.advance(60 * NS_PER_S)
    world.hub.loses += [b"a", b"b"]
    world.store(b"a", b"b")
    world.clock.advance(NS_PER_S // 10)
    world.link_down()
    world.restart(dies=True)
    for _ in range(1000):
        world.hub.publish(b"edge.ev.a", b"other")
    world.link_up()
    world.clock.advance(60 * NS_PER_S)

    assert missing_or_doubled(world, *numbers(1, 10), b"a", b"b") == []
    assert world.status.protection is Protection.ASKED


def test_newest_first_is_not_at_its_end_behind_thousands_of_others() -> None:
    world = world_with(newest_first=True)
    world.link_down()
    world.uplink.stop()
    world.local.side["KV_LEAFNODE_UPLINK"].messages.clear()
    for _ in range(3000):
        world.hub.publish(b"edge.ev.a", b"other")
    world.clock.advance(OUTAGE_NS)
    world.restart()
    world.store(b"a", b"b")
    world.link_up()
    world.clock.advance(600 * NS_PER_S)

    assert missing_or_doubled(world, *numbers(1, 10), b"a", b"b") == []
    assert world.status.lag_messages == 0


def test_an_archive_without_consumers_goes_up_though_the_hubs_newest_is_gone_here() -> None:
    """What its new durable has not delivered yet may be of either history."""
    world = world_with()
    archive = world.local.archive(has_consumers=False)
    world.store(*numbers(11, 60))
    world.clock.advance(70 * NS_PER_S)
    world.link_down()
    world.uplink.stop()

    restore(world, archive)
    new = [b"new %d" % number for number in range(11, 71)]
    world.store(*new)
    world.local.delete(60)
    new.remove(b"new 60")
    world.clock.advance(OUTAGE_NS)
    world.restart()
    world.link_up()
    world.clock.advance(60 * NS_PER_S)

    assert missing_or_doubled(world, *numbers(1, 60), *new) == []
    assert "a copy of the store was restored" in world.status.last_error
