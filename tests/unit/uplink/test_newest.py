"""A stream that is sent newest first: what order the hub sees, and how a resume stays exact."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from leafnode import limits
from leafnode.clock import NS_PER_MS, NS_PER_S
from leafnode.config.options import UplinkStream
from leafnode.protocol import header
from leafnode.uplink.status import Protection, State
from tests.sim.uplink_world import OUTAGE_NS, Site, World, numbers

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.sim.clock import FakeTimer

NEWEST = UplinkStream(stream="EV", hub_stream="AGG", domain="hub", newest_first=True)
BLOCK = limits.UPLINK_BLOCK_MSGS
POLL_NS = limits.UPLINK_POLL_NS


def seqs(world: World) -> list[int]:
    return [int(payload) for payload in world.hub.payloads()]


def backlog(messages: int, **options: int) -> World:
    """A world whose link is down while so many messages come."""
    world = World(UplinkStream("EV", "AGG", "hub", newest_first=True, **options))  # type: ignore[arg-type]
    world.start()
    world.link_down()
    world.store(*numbers(1, messages))
    return world


def test_the_status_says_in_which_order() -> None:
    assert World(NEWEST).status.order == "newest_first"
    assert World(UplinkStream(stream="EV", hub_stream="AGG")).status.order == "oldest_first"


def test_a_backlog_goes_in_blocks_the_newest_first_and_ascending_within_each() -> None:
    world = backlog(150)
    world.link_up()
    world.clock.advance(5 * NS_PER_S)

    top, middle = 150 - BLOCK, 150 - 2 * BLOCK
    assert seqs(world) == [
        *range(top + 1, 151),
        *range(middle + 1, top + 1),
        *range(1, middle + 1),
    ]
    assert world.status.lag_messages == 0


def test_a_turn_of_the_loop_reads_some_messages_and_the_next_one_goes_on() -> None:
    world = backlog(1000)
    asked: list[int] = []
    call_later = world.clock.call_later

    def counting(delay_ns: int, callback: Callable[[], None]) -> FakeTimer:
        def counted() -> None:
            before = len(world.local.requests)
            callback()
            asked.append(sum("MSG.GET" in one for one in world.local.requests[before:]))

        return call_later(delay_ns, counted)

    world.clock.call_later = counting  # type: ignore[method-assign]
    world.link_up()
    world.clock.advance(60 * NS_PER_S)

    assert sorted(seqs(world)) == list(range(1, 1001))
    assert max(asked) == limits.UPLINK_READS_PER_TURN


def test_what_comes_meanwhile_goes_before_the_backlog_in_the_order_of_its_coming() -> None:
    world = backlog(1000)
    world.hub.bytes_per_s = 20_000
    world.link_up()
    world.clock.advance(2 * NS_PER_S)
    assert len(seqs(world)) < 500

    world.store(b"1001", b"1002", b"1003")
    world.clock.advance(3 * NS_PER_S)

    arrived = seqs(world)
    assert len(arrived) < 990
    assert [seq for seq in arrived if seq > 1000] == [1001, 1002, 1003]
    world.clock.advance(60 * NS_PER_S)
    assert sorted(seqs(world)) == list(range(1, 1004))


def test_while_nothing_waits_messages_arrive_in_order() -> None:
    world = World(NEWEST)
    world.start()
    for number in range(1, 20):
        world.store(b"%d" % number)
        world.clock.advance(NS_PER_S)

    assert seqs(world) == list(range(1, 20))


@pytest.mark.parametrize("restarts", [False, True])
def test_a_cut_in_the_middle_of_a_backlog_loses_and_doubles_nothing(restarts: bool) -> None:
    world = backlog(600, window_msgs=16)
    sent = 600
    for _ in range(12):
        world.link_up()
        world.clock.advance(77 * NS_PER_MS)
        if restarts:
            world.restart()
            world.clock.advance(100 * NS_PER_MS)
        world.link_down()
        world.store(*numbers(sent + 1, sent + 30))
        sent += 30
        world.clock.advance(OUTAGE_NS)
    world.link_up()
    world.clock.advance(60 * NS_PER_S)

    assert sorted(seqs(world)) == list(range(1, sent + 1))
    assert world.status.lag_messages == 0


def test_lost_pub_acks_are_found_out_by_asking() -> None:
    world = backlog(100)
    world.hub.loses_acks = True
    world.link_up()
    world.clock.advance(NS_PER_S)
    assert len(seqs(world)) > 60
    world.link_down()
    world.clock.advance(OUTAGE_NS)
    world.hub.loses_acks = False

    world.restart()
    world.link_up()
    world.clock.advance(10 * NS_PER_S)

    assert sorted(seqs(world)) == list(range(1, 101))


def test_each_message_carries_what_the_hub_has() -> None:
    world = backlog(200)
    world.link_up()
    world.clock.advance(5 * NS_PER_S)

    last = world.hub.stored[200]
    words = (header.get(last.header, b"Leafnode-In-Flight") or b"").split(b" ")
    assert len(words) == 4


def test_gaps_are_bounded_then_the_newest_one_is_filled_first() -> None:
    world = backlog(100, window_msgs=4)
    sent = 100
    for _ in range(2 * limits.UPLINK_RANGES_MAX):
        world.link_up()
        world.clock.advance(70 * NS_PER_MS)
        world.link_down()
        world.store(*numbers(sent + 1, sent + 40))
        sent += 40
        world.clock.advance(OUTAGE_NS)
    world.link_up()
    world.clock.advance(NS_PER_S)
    blocks = [
        header.get(one.header, b"Leafnode-In-Flight") or b"" for one in world.hub.stored.values()
    ]

    most = max(block.count(b"-") for block in blocks)
    assert limits.UPLINK_RANGES_MAX // 2 < most <= limits.UPLINK_RANGES_MAX + 2
    world.clock.advance(600 * NS_PER_S)
    assert sorted(seqs(world)) == list(range(1, sent + 1))


def test_messages_that_are_gone_here_are_passed_over() -> None:
    world = backlog(300)
    for seq in (*range(1, 40), *range(100, 180), 299):
        del world.local.messages[seq]

    world.link_up()
    world.clock.advance(10 * NS_PER_S)

    assert sorted(seqs(world)) == sorted(world.local.messages)
    assert world.status.lag_messages == 0


def test_holes_between_what_is_in_flight_make_no_message_longer() -> None:
    world = backlog(600)
    world.local.delete(*range(3, 600, 2))
    world.hub.rtt_ns = NS_PER_S // 5
    world.link_up()
    world.clock.advance(30 * NS_PER_S)

    assert sorted(seqs(world)) == sorted(world.local.messages)
    said = [
        header.get(one.header, b"Leafnode-In-Flight") or b"" for one in world.hub.stored.values()
    ]
    assert max(one.count(b"-") for one in said) <= 4
    assert (world.status.lag_messages, world.status.state) == (0, State.RUNNING)


def test_without_the_hubs_word_nothing_is_sent() -> None:
    world = World(NEWEST)
    world.hub.denies_questions = True
    world.store(b"1")
    world.start()
    world.clock.advance(120 * NS_PER_S)

    assert world.hub.payloads() == []
    assert world.status.protection is Protection.UNKNOWN
    assert "could not be asked" in world.status.last_error
    world.hub.denies_questions = False
    world.clock.advance(120 * NS_PER_S)
    assert world.hub.payloads() == [b"1"]


def test_a_stream_that_gives_messages_away_is_none_to_be_sent_newest_first() -> None:
    world = World(NEWEST)
    world.local.is_work_queue = True
    world.start()

    assert world.status.state is State.BLOCKED
    assert "limits retention" in world.status.last_error


def test_a_stream_that_was_sent_in_order_goes_on_newest_first_and_back_again() -> None:
    world = World()
    world.start()
    world.store(*numbers(1, 50))
    world.clock.advance(NS_PER_S)

    world.options = NEWEST
    world.restart()
    world.link_down()
    world.store(*numbers(51, 300))
    world.clock.advance(OUTAGE_NS)
    world.hub.bytes_per_s = 50_000
    world.link_up()
    world.clock.advance(400 * NS_PER_MS)
    world.link_down()
    assert 50 < len(seqs(world)) < 300
    world.clock.advance(OUTAGE_NS)

    assert max(seqs(world)) == 300
    world.options = UplinkStream(stream="EV", hub_stream="AGG", domain="hub")
    world.restart()
    world.link_up()
    world.clock.advance(20 * NS_PER_S)

    assert sorted(seqs(world)) == list(range(1, 301))


@pytest.mark.parametrize("dies", [False, True])
def test_what_went_newest_first_is_known_for_as_long_as_oldest_first_is_not_through(
    dies: bool,
) -> None:
    world = World(NEWEST)
    world.start()
    world.store(*numbers(1, 50))
    world.clock.advance(NS_PER_S)
    world.link_down()
    world.store(*numbers(51, 1500))
    world.clock.advance(OUTAGE_NS)
    world.hub.bytes_per_s = 20_000
    world.link_up()
    while len(world.hub.stored) < 500:
        world.clock.advance(NS_PER_S)
    world.options = UplinkStream(stream="EV", hub_stream="AGG", domain="hub")
    world.restart()
    while len(world.hub.stored) < 800:
        world.clock.advance(NS_PER_S)
    world.link_down()
    world.clock.advance(OUTAGE_NS)
    world.local.denies_streams = dies  # without a last word
    world.restart()
    world.local.denies_streams = False
    world.link_up()
    world.clock.advance(300 * NS_PER_S)
    for payload in (b"1501", b"1502"):
        world.store(payload)
        world.clock.advance(NS_PER_S)

    assert sorted(seqs(world)) == list(range(1, 1503))
    assert world.status.protection is Protection.ASKED
    assert header.get(world.hub.stored[1502].header, b"Leafnode-In-Flight") is None


@pytest.mark.parametrize("has_durable", [False, True])
def test_the_hubs_newest_may_be_gone_here_when_the_order_is_changed(has_durable: bool) -> None:
    oldest = UplinkStream(stream="EV", hub_stream="AGG", domain="hub")
    world = World(oldest if has_durable else NEWEST)
    world.start()
    world.store(*numbers(1, 10))
    world.clock.advance(NS_PER_S)
    world.options = NEWEST
    world.restart()
    world.store(*numbers(11, 200))
    world.clock.advance(20 * NS_PER_S)
    world.link_down()
    world.local.delete(200)
    world.clock.advance(OUTAGE_NS)

    world.options = oldest
    world.restart()
    world.store(b"201")
    world.link_up()
    world.clock.advance(20 * NS_PER_S)

    assert sorted(seqs(world)) == list(range(1, 202))
    assert world.status.protection is Protection.ASKED
    assert len(world.hub.received) == 201


def test_the_lag_counts_what_is_behind_and_its_oldest() -> None:
    world = backlog(100)
    world.clock.advance(60 * NS_PER_S)

    status = world.status
    assert status.lag_messages == 100
    assert status.lag_seconds >= 60


def test_a_stopped_uplink_leaves_no_timer() -> None:
    world = World(NEWEST)
    world.start()
    world.store(b"1")
    world.clock.advance(2 * POLL_NS)

    world.uplink.stop()
    world.clock.advance(60 * NS_PER_S)

    assert world.clock.pending() == 0


def test_a_wide_hole_is_passed_in_few_steps_and_the_order_stays() -> None:
    """As a stream with `max_msgs_per_subject: 1` has: three messages in two million sequences."""
    world = World(NEWEST)
    world.start()
    world.link_down()
    for first in (0, 1_000_000, 1_500_000):
        world.local.last_seq = first
        world.store(*numbers(first + 1, first + BLOCK + 10))
    assert world.status.lag_messages < 4 * BLOCK
    world.local.requests.clear()
    world.link_up()
    world.clock.advance(5 * NS_PER_S)

    tops = (1_500_000 + BLOCK + 10, 1_000_000 + BLOCK + 10, BLOCK + 10)
    newest = [range(top - BLOCK + 1, top + 1) for top in tops]
    assert seqs(world)[:BLOCK] == list(newest[0])
    assert sorted(seqs(world)) == sorted(world.local.messages)
    where = [seqs(world).index(top) for top in tops]
    assert where == sorted(where)
    asked = sum(verb.startswith("STREAM.MSG.GET.EV") for verb in world.local.requests)
    assert asked < len(seqs(world)) + 200
    assert world.status.lag_messages == 0


def test_the_lag_over_holes_is_never_more_than_the_stream_holds() -> None:
    world = World(NEWEST)
    world.start()
    world.link_down()
    world.store(b"1")
    world.local.last_seq = 100_000
    world.store(b"100001", b"100002")
    world.clock.advance(10 * NS_PER_S)

    assert world.status.lag_messages == 3


@pytest.mark.parametrize("pause_ns", [0, POLL_NS // 2, POLL_NS, 10 * NS_PER_S])
def test_a_stream_that_is_made_anew_is_another_however_soon(pause_ns: int) -> None:
    world = World(NEWEST)
    world.start()
    world.store(*numbers(1, 100))
    world.clock.advance(5 * NS_PER_S)
    assert seqs(world) == list(range(1, 101))

    world.local.make_anew("2026-02-02T00:00:00Z")
    world.store(*numbers(1001, 1050))
    world.clock.advance(pause_ns)
    world.store(*numbers(1051, 1150))
    world.clock.advance(10 * NS_PER_S)

    assert sorted(seqs(world)[100:]) == list(range(1001, 1151))
    assert (world.status.state, world.status.lag_messages) == (State.RUNNING, 0)
    world.link_down()
    world.clock.advance(OUTAGE_NS)
    world.link_up()
    world.clock.advance(10 * NS_PER_S)
    assert len(seqs(world)) == 250


def test_nothing_of_a_stream_that_was_made_anew_goes_for_the_backlog_of_the_former_one() -> None:
    world = backlog(600, window_msgs=16)
    world.hub.bytes_per_s = 20_000
    world.link_up()
    world.clock.advance(NS_PER_S)
    sent = len(seqs(world))
    assert 0 < sent < 300

    world.local.make_anew("2026-02-02T00:00:00Z")
    world.store(*numbers(1001, 1600))
    world.clock.advance(60 * NS_PER_S)
    world.hub.window_ns = 0
    world.link_down()
    world.link_up()
    world.clock.advance(120 * NS_PER_S)

    arrived = seqs(world)
    assert len(arrived) == len(set(arrived))
    assert sorted(seq for seq in arrived if seq > 1000) == list(range(1001, 1601))


def test_times_that_are_not_in_order_do_not_make_it_another_stream() -> None:
    """As in an archive of another server. The stream is looked at again, and that is all."""
    world = backlog(200)
    world.local.times[200] = world.local.times[1]
    world.clock.advance(NS_PER_S)
    for seq in range(100, 150):
        world.local.times[seq] += NS_PER_S
    world.link_up()
    world.clock.advance(10 * NS_PER_S)

    assert sorted(seqs(world)) == list(range(1, 201))
    assert world.status.former_error == "the link to the hub was lost"


def test_what_a_dead_run_left_in_the_queue_of_the_hub_is_there_when_it_is_asked() -> None:
    """What it had in flight lies behind nothing that the next run says of the hub, if that is told
    of it too late; it would go again when its turn in the backlog comes.
    """
    world = World(NEWEST)
    world.hub.window_ns = 5 * NS_PER_S
    world.start()
    world.store(*numbers(1, 10))
    world.clock.advance(5 * NS_PER_S)
    world.link_down()
    world.store(*numbers(11, 300))
    world.link_up()
    world.hub.queue_ns = 1500 * NS_PER_MS
    world.clock.advance(500 * NS_PER_MS)

    world.hub.bytes_per_s = 3000
    world.store(*numbers(301, 500))  # they go first
    world.restart()  # its socket is read to the end
    world.clock.advance(200 * NS_PER_S)

    assert sorted(seqs(world)) == list(range(1, 501))


def test_what_went_up_last_may_be_older_than_all_that_is_left_here() -> None:
    """It says what else the hub has, so it is no message of an older copy."""
    world = backlog(200)
    world.local.delete(*range(2, 200))
    world.link_up()
    world.clock.advance(10 * NS_PER_S)
    assert seqs(world) == [200, 1]

    world.local.delete(1)
    world.clock.advance(10 * NS_PER_S)
    world.restart()
    world.store(b"201")
    world.clock.advance(60 * NS_PER_S)

    assert seqs(world) == [200, 1, 201]
    assert (world.status.state, world.status.last_error) == (State.RUNNING, "")


@pytest.mark.parametrize("others", [0, 1, 200])
@pytest.mark.parametrize("dies", [False, True])
def test_what_the_hub_let_go_of_before_a_start_does_not_go_up_again(
    dies: bool, others: int
) -> None:
    site = Site(NEWEST)
    site.start()
    site.store("EV", *numbers(1, 100))
    site.clock.advance(64 * NS_PER_S)  # it is kept once a minute
    site.hub.stored.clear()
    site.hub.last_seq = 0  # its stream was made anew, or is as it was emptied
    for _ in range(others):
        site.hub.publish(b"edge.others", b"x")

    site.restart(dies=dies)
    site.store("EV", b"101")
    site.clock.advance(60 * NS_PER_S)

    assert site.hub.payloads() == [b"x"] * others + [b"101"]
    site.hub.stored.clear()
    site.restart(dies=True)
    site.store("EV", b"102")
    site.clock.advance(60 * NS_PER_S)
    assert site.hub.payloads() == [b"102"]
