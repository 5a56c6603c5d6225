"""A hub that stands still, and what it says before it has worked off its queue."""

from __future__ import annotations

import pytest

from leafnode.clock import NS_PER_MS, NS_PER_S
from leafnode.uplink.status import Protection, State
from tests.sim.uplink_world import OPTIONS, World, numbers

WORDS = (
    "the hub answers, and has not worked off what was sent to its stream, "
    "or AGG does not take edge.ev.a"
)


def stalled(queue_ns: int) -> World:
    """One message is through; of three more nothing is heard before the uplink gives up on them."""
    world = World()
    world.start()
    world.store(b"1")
    world.clock.advance(NS_PER_S)
    world.hub.window_ns = 100 * NS_PER_MS
    world.hub.queue_ns = queue_ns
    world.store(b"2", b"3", b"4")
    world.clock.advance(OPTIONS.ack_timeout_ns + NS_PER_S)
    assert world.status.state is State.ASKING
    return world


def test_a_hub_that_stood_still_is_asked_when_it_has_worked_off_its_queue() -> None:
    world = stalled(8 * NS_PER_S)
    assert world.hub.payloads() == [b"1"]
    assert world.status.problem == f"is asking: {WORDS}"

    world.clock.advance(60 * NS_PER_S)
    world.hub.queue_ns = 0
    world.clock.advance(10 * NS_PER_S)

    assert world.hub.payloads() == numbers(1, 4)
    assert world.hub.knocks == [b"2"]
    assert world.status.counters.resent == 0
    assert (world.status.protection, world.status.problem) == (Protection.ASKED, "")


def test_one_that_never_answers_to_that_is_waited_for_so_long_and_no_longer() -> None:
    world = stalled(1000 * NS_PER_S)

    world.clock.advance(4 * OPTIONS.ack_timeout_ns + NS_PER_S)

    assert world.status.state is State.RUNNING
    assert world.status.counters.resent == 3


def test_a_link_that_breaks_while_it_is_out_is_not_tried_so_again_before_the_next_pub_ack() -> None:
    """The message that was sent again may be what the hub closes the link for: one that it has
    acknowledged is not.
    """
    world = stalled(8 * NS_PER_S)
    world.link_down()
    world.hub.queue_ns = 0
    world.link_up()
    world.clock.advance(NS_PER_S)
    assert world.status.state is State.RUNNING
    world.clock.advance(20 * NS_PER_S)
    assert world.hub.knocks == [b"1", b"2"]  # and the one that the hub worked off late

    lose_an_answer(world)
    assert world.hub.knocks == [b"1", b"2", b"5"]


def lose_an_answer(world: World) -> None:
    world.hub.loses_acks = True
    world.store(b"5")
    world.clock.advance(NS_PER_S)
    world.hub.loses_acks = False
    world.clock.advance(OPTIONS.ack_timeout_ns + NS_PER_S)


def test_nothing_is_sent_again_for_it_that_might_be_too_large() -> None:
    world = World()
    world.start()
    world.store(b"1", b"22")
    world.clock.advance(NS_PER_S)
    world.hub.max_payload = 60  # the message has room for its own headers, and for no more
    lose_an_answer(world)

    assert world.hub.knocks == []
    assert b"5" in world.hub.payloads()


def test_after_a_start_it_is_tried_four_times_with_what_the_hub_showed(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Its stream may take that subject no more: 20 s are lost four times then, and no more."""
    world = World()
    world.start()
    world.store(b"1", subject=b"ev.b")
    world.clock.advance(NS_PER_S)
    world.hub.swallows.add(b"edge.ev.b")
    world.restart()
    world.clock.advance(10 * NS_PER_S)
    for number in range(2, 20):
        world.hub.loses_acks = number < 8
        world.store(b"%d" % number)
        world.clock.advance(15 * NS_PER_S)
        world.link_down()
        world.clock.advance(5 * NS_PER_S)
        world.link_up()
    world.clock.advance(60 * NS_PER_S)

    assert world.hub.payloads() == numbers(1, 19)
    assert caplog.text.count("AGG does not take edge.ev.b") == 4


def test_the_subject_that_was_acknowledged_last_is_kept_however_like_others() -> None:
    world = World(hub_subjects=(b"edge.>",))
    world.start()
    for number, subject in enumerate((b"1.a", b"2.b", b"3.c", b"4.d", b"1.b", b"1.b")):
        world.store(b"%d" % number, subject=b"ev." + subject)
        world.clock.advance(NS_PER_S)

    assert [*world.uplink._asking._knock._samples][-1] == b"edge.ev.1.b"


@pytest.mark.parametrize(("count", "restarts"), [(1, False), (1, True), (80, False)])
def test_of_what_is_in_flight_the_shortest_that_the_hub_asks_for_asks(
    count: int, restarts: bool
) -> None:
    """What was acknowledged is asked for no more, and then the shorter in flight are not either."""
    short = [b"%d" % number for number in range(1001, 1001 + count)]
    asked = (b"edge.ev.a", b"edge.ev.b", b"edge.ev.c.*")
    world = World(hub_subjects=asked, subjects=("ev.>",))
    world.start()
    before = [b"%d.%d" % (number // 256, number) for number in range(2048)]
    for first in range(0, 2048, 256):  # as many may be in flight then
        world.store(*before[first : first + 256])
        world.clock.advance(20 * NS_PER_S)
    world.hub.ask_no_more(b"edge.ev.a")
    if restarts:
        world.restart()
        world.clock.advance(5 * NS_PER_S)
    world.hub.window_ns = 2 * NS_PER_S
    world.hub.queue_ns = 8 * NS_PER_S
    long = [b"%d" % number + b"." * 1500 for number in range(1, 10)]
    world.store(long[0], subject=b"ev.b")
    for payload in short:
        world.store(payload, subject=b"ev.c." + payload)
    world.store(*long[1:], subject=b"ev.b")
    world.clock.advance(NS_PER_S // 2)
    world.hub.ask_no_more(b"edge.ev.c.*")
    world.clock.advance(300 * NS_PER_S)

    assert sorted(world.hub.payloads()) == sorted([*before, *short, *long])
    assert world.hub.knocks
    assert set(world.hub.knocks) <= set(long)
