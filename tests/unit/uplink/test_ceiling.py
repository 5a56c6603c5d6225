"""A hub whose account takes less than its server says."""

from __future__ import annotations

from leafnode import limits
from leafnode.clock import NS_PER_S
from leafnode.config.options import UplinkStream
from leafnode.uplink.ceiling import VIOLATION, Ceiling
from leafnode.uplink.status import State
from tests.sim.uplink_world import Site

BULK = UplinkStream(stream="EV", hub_stream="AGG", domain="hub")
ALARMS = UplinkStream(stream="AL", hub_stream="AGG", domain="hub", priority=0, urgent=True)
LARGE = b"x" * 5000


def site(**options: object) -> tuple[Site, list[int]]:
    """An edge whose hub takes 2000 bytes, and when it closed the link."""
    made, cuts = Site(BULK, ALARMS, **options), list[int]()

    def violated() -> None:
        cuts.append(made.clock.monotonic_ns())
        made.uplink.link_changed(VIOLATION)
        made.clock.call_later(NS_PER_S, made.link_up)

    made.hub.on_violation = violated
    made.hub.account_max = 2000
    made.start()
    return made, cuts


def test_a_message_that_the_account_of_the_hub_does_not_take_is_held_and_the_link_stays() -> None:
    world, cuts = site()

    world.store("EV", b"1", b"2", LARGE, b"4")
    world.clock.advance(60 * NS_PER_S)
    world.store("AL", b"alarm")
    world.clock.advance(NS_PER_S)

    assert len(cuts) <= limits.UPLINK_CEILING_STRIKES + 1
    assert world.hub.payloads() == [b"1", b"2", b"alarm"]
    status = world.status("EV")
    assert status.state is State.REFUSED
    assert "its account's limit is less, the link ends by it" in status.last_error

    world.hub.account_max = 0
    world.clock.advance(limits.UPLINK_CEILING_NS + limits.UPLINK_REFUSED_MAX_NS)
    assert world.hub.payloads() == [b"1", b"2", b"alarm", LARGE, b"4"]


def test_an_account_that_takes_less_than_before_costs_three_links_and_not_one_a_second() -> None:
    world, cuts = site()
    world.hub.account_max = 0
    world.store("EV", LARGE)
    world.clock.advance(NS_PER_S)
    assert world.hub.payloads() == [LARGE]

    world.hub.account_max = 2000
    world.store("EV", LARGE[:4000], b"2")
    world.clock.advance(60 * NS_PER_S)
    world.store("AL", b"alarm")
    world.clock.advance(NS_PER_S)

    assert len(cuts) <= limits.UPLINK_CEILING_STRIKES + 1
    assert world.hub.payloads() == [LARGE, b"alarm"]
    assert world.status("EV").state is State.REFUSED


def test_the_same_message_twice_outweighs_a_larger_one_that_was_stored() -> None:
    ceiling = Ceiling()
    for _ in range(limits.UPLINK_CEILING_STRIKES):
        ceiling.acked(5000)
        bound = ceiling.violated([("EV", 1, 3000)], 0)

    assert bound == ceiling.max_bytes(1) == 2999
    ceiling.acked(5)  # of another stream
    assert ceiling.max_bytes(1) == 2999


def test_it_is_a_dead_letter_where_there_is_a_stream_for_them() -> None:
    world, cuts = site(dead_letter="DEAD")

    world.store("EV", b"1", LARGE, b"3", LARGE, b"5")
    world.clock.advance(60 * NS_PER_S)

    assert len(cuts) <= limits.UPLINK_CEILING_STRIKES + 1
    assert world.hub.payloads() == [b"1", b"3", b"5"]
    assert world.status("EV").counters.dead_letters == 2


def test_one_time_proves_nothing_and_neither_does_a_size_that_was_stored() -> None:
    ceiling = Ceiling()
    ceiling.acked(1000)

    for seq in range(9):  # others are to blame: each time it is another one
        assert ceiling.violated([("EV", seq, 3000), ("AL", 1, 5)], 0) == 0
        assert ceiling.violated([("EV", 9, 1000)], 0) == 0
        assert ceiling.violated([], 0) == 0
    assert ceiling.max_bytes(0) == 0


def test_the_bound_ends_with_its_time_and_with_a_larger_message_that_is_stored() -> None:
    ceiling = Ceiling()
    for _ in range(limits.UPLINK_CEILING_STRIKES):
        bound = ceiling.violated([("AL", 7, 5), ("EV", 1, 3000)], 0)

    assert bound == ceiling.max_bytes(1) == 2999
    assert ceiling.max_bytes(limits.UPLINK_CEILING_NS) == 0
    ceiling.acked(2999)
    assert ceiling.max_bytes(1) == 2999
    ceiling.acked(3000)
    assert ceiling.max_bytes(1) == 0
