"""A hub whose account takes less than its server says."""

from __future__ import annotations

from leafnode import limits
from leafnode.clock import NS_PER_MS, NS_PER_S
from leafnode.config.options import UplinkStream
from leafnode.uplink.ceiling import VIOLATION, Ceiling, Suspect
from leafnode.uplink.status import State
from tests.sim.uplink_world import Site

BULK = UplinkStream(stream="EV", hub_stream="AGG", domain="hub")
ALARMS = UplinkStream(stream="AL", hub_stream="AGG", domain="hub", priority=0, urgent=True)
LARGE = b"x" * 5000


def alone(stream: str, seq: int, size: int) -> Suspect:
    return Suspect(stream, seq, size, size)


def site(**options: object) -> tuple[Site, list[int]]:
    """An edge whose hub takes 2000 bytes, and when it closed the link."""
    made, cuts = Site(BULK, ALARMS, **options), list[int]()

    def violated() -> None:
        cuts.append(made.clock.monotonic_ns())
        made.uplink.link_changed(VIOLATION, made.hub.carried_bytes)
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
        bound = ceiling.violated([alone("EV", 1, 3000)], 0, 3000)

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
        assert ceiling.violated([alone("EV", seq, 3000), alone("AL", 1, 5)], 0, 9) == 0
        assert ceiling.violated([alone("EV", 9, 1000)], 0, 9) == 0
        assert ceiling.violated([], 0, 0) == 0
    assert ceiling.max_bytes(0) == 0


def test_the_bound_ends_with_its_time_and_with_a_larger_message_that_is_stored() -> None:
    ceiling = Ceiling()
    for _ in range(limits.UPLINK_CEILING_STRIKES):
        bound = ceiling.violated([alone("AL", 7, 5), alone("EV", 1, 3000)], 0, 3005)

    assert bound == ceiling.max_bytes(1) == 2999
    assert ceiling.max_bytes(limits.UPLINK_CEILING_NS) == 0
    ceiling.acked(2999)
    assert ceiling.max_bytes(1) == 2999
    ceiling.acked(3000)
    assert ceiling.max_bytes(1) == 0


def test_live_traffic_that_ends_the_link_makes_no_dead_letter_of_a_reading() -> None:
    world, _ = site(dead_letter="DEAD")
    world.store("EV", *[b"%d" % n + b"x" * 200 for n in range(4)])
    for _ in range(limits.UPLINK_CEILING_STRIKES):
        while not world.status("EV").in_flight:
            world.clock.advance(NS_PER_MS)
        world.account.publish(b"edge.live", LARGE)  # a device, once more after each connect
        world.hub.down()
        world.uplink.link_changed(VIOLATION, world.hub.carried_bytes)
        world.clock.advance(NS_PER_S)
        world.link_up()
    world.clock.advance(NS_PER_S)
    world.store("AL", b"alarm")
    world.clock.advance(NS_PER_S)

    assert world.hub.payloads() == [b"alarm"]
    assert world.status("EV").state is State.REFUSED
    assert "or by live traffic" in world.status("EV").last_error

    world.clock.advance(2 * limits.UPLINK_CEILING_DOUBT_NS)
    assert len(world.hub.payloads()) == 5
    assert world.status("EV").last_error == ""
    assert "DEAD" not in world.side


def test_where_others_sent_as_much_it_is_held_for_longer_each_time_until_it_was_alone() -> None:
    ceiling, now_ns, held = Ceiling(), 0, list[int]()
    for _ in range(9):
        for _ in range(limits.UPLINK_CEILING_STRIKES):
            bound = ceiling.violated([Suspect("EV", 1, 3000, 3200)], now_ns, 6200)
        ceiling.violated([], now_ns, 6200)  # one that nothing of ours can have brought about
        assert bound == 2999
        assert not ceiling.is_proven
        before_ns = now_ns
        while ceiling.max_bytes(now_ns):
            now_ns += limits.UPLINK_CEILING_DOUBT_NS
        held.append((now_ns - before_ns) // limits.UPLINK_CEILING_DOUBT_NS)
    assert held == [1, 2, 4, 8, 16, 32, 60, 60, 60]

    for _ in range(limits.UPLINK_CEILING_STRIKES):
        ceiling.violated([Suspect("EV", 1, 3000, 3200)], now_ns, 6199)
    assert ceiling.is_proven

    ceiling.acked(3000)
    for _ in range(limits.UPLINK_CEILING_STRIKES):
        ceiling.violated([Suspect("EV", 2, 3000, 3000)], 0, 3000)
    assert not ceiling.is_proven  # as large a one was stored over this link
    assert ceiling.max_bytes(limits.UPLINK_CEILING_DOUBT_NS) == 0


def test_what_has_the_link_closed_at_each_try_and_nothing_else_does_between_is_to_blame() -> None:
    """However much live traffic goes beside it."""

    def tried(ceiling: Ceiling, *, is_sure: bool = True) -> bool:
        for _ in range(limits.UPLINK_CEILING_STRIKES):
            ceiling.violated([Suspect("EV", 1, 3000, 3000, is_sure)], 0, 1_000_000)
        return ceiling.is_proven

    ceiling = Ceiling()
    assert [tried(ceiling) for _ in range(4)] == [False, False, False, True]
    ceiling = Ceiling()
    assert not any(tried(ceiling, is_sure=False) for _ in range(9))
    ceiling = Ceiling()
    for _ in range(9):  # another message, or none of ours, had it closed as well
        assert not tried(ceiling)
        ceiling.violated([alone("AL", 7, 100)], 0, 1_000_000)


def test_a_message_beside_heavy_live_traffic_is_a_dead_letter_in_the_end() -> None:
    world, cuts = site(dead_letter="DEAD")

    def live() -> None:
        if world.hub.is_connected():
            world.account.publish(b"edge.live", LARGE[:1900])
        world.clock.call_later(100 * NS_PER_MS, live)

    live()
    world.store("EV", LARGE, b"2")
    world.clock.advance(8 * 60 * NS_PER_S + 4 * limits.UPLINK_REFUSED_MAX_NS)

    assert [one for one in world.hub.payloads() if len(one) < 1900] == [b"2"]
    assert world.side["DEAD"].payloads() == [LARGE]
    tries = limits.UPLINK_CEILING_ROUNDS + 1
    assert len(cuts) <= tries * limits.UPLINK_CEILING_STRIKES + 1


def test_what_an_earlier_flight_sent_is_not_to_blame_for_the_end_of_this_link() -> None:
    world, _ = site()
    world.hub.loses_acks = True
    world.store("EV", LARGE[:100])
    world.clock.advance(NS_PER_S)
    world.link_down()
    assert world.hub.payloads() == [LARGE[:100]]

    for _ in range(limits.UPLINK_CEILING_STRIKES):
        world.hub.up()
        world.uplink.link_changed()  # it asks what the hub has
        world.hub.down()
        world.uplink.link_changed(VIOLATION, world.hub.carried_bytes)
    world.hub.loses_acks = False
    world.link_up()
    world.store("EV", LARGE[:200])
    world.clock.advance(NS_PER_S)

    assert world.hub.payloads() == [LARGE[:100], LARGE[:200]]


def test_a_message_that_may_be_stored_already_is_not_to_blame_for_one_behind_it() -> None:
    """The hub's stream stood still, and the link was cut: the question came too soon."""
    world, _ = site(dead_letter="DEAD")
    world.store("EV", b"0")
    world.clock.advance(NS_PER_S)
    small, more = b"s" * 305, [b"%d" % number + b"r" * 400 for number in range(5)]
    world.hub.queue_ns = 20 * NS_PER_S
    world.store("EV", small, LARGE, *more)
    world.clock.advance(1500 * NS_PER_MS)

    world.link_down()
    world.clock.advance(500 * NS_PER_MS)
    world.link_up()
    world.clock.advance(40 * NS_PER_S)
    world.hub.queue_ns = 0
    world.clock.advance(300 * NS_PER_S)

    assert world.hub.payloads() == [b"0", small, *more]
    assert [payload for _, _, payload in world.side["DEAD"].messages] == [LARGE]
