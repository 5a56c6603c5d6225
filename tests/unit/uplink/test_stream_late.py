"""What was sent, had no answer, and comes to be stored late: it is found, wherever that is."""

from __future__ import annotations

from dataclasses import replace

import pytest

from leafnode.clock import NS_PER_MS, NS_PER_S
from leafnode.config.options import UplinkBudget, UplinkStream
from tests.sim.hub import hold
from tests.sim.uplink_world import OPTIONS, Site, World, numbers


def _world(*, newest_first: bool) -> World:
    return World(replace(OPTIONS, newest_first=newest_first))


def _seconds(world: World | Site, number: int) -> None:
    for _ in range(number):
        world.clock.advance(NS_PER_S)


@pytest.mark.parametrize("dead_letter", ["", "DEAD"])
@pytest.mark.parametrize("minutes", [1, 4, 10])
def test_what_is_stored_late_behind_a_refused_one_is_not_sent_again(
    minutes: int, dead_letter: str
) -> None:
    """The hub is asked again before its word is too old, for as long as the refusal lasts."""
    world = World(dead_letter=dead_letter)
    world.start()
    world.store(b"0")
    _seconds(world, 5)
    world.hub.refuses = {b"1"}
    held = hold(world.hub, b"2")
    world.store(b"1", b"2")
    world.clock.advance(NS_PER_S // 4)
    world.link_down()
    _seconds(world, 1)
    world.link_up()
    _seconds(world, 3)

    held[0]()
    _seconds(world, minutes * 60)
    world.hub.refuses = set()
    _seconds(world, 300)

    assert sorted(world.hub.payloads()) == numbers(0, 2)
    assert (world.status.state.value, world.status.problem) == ("running", "")


@pytest.mark.parametrize("newest_first", [False, True])
@pytest.mark.parametrize("outage_s", [20, 300])
def test_what_was_sent_before_one_that_is_sent_again_may_be_stored_before_it(
    outage_s: int, *, newest_first: bool
) -> None:
    world = _world(newest_first=newest_first)
    world.start()
    world.store(b"0")
    _seconds(world, 5)
    world.hub.refuses = {b"1"}
    held = hold(world.hub, b"2")
    world.store(b"1", b"2")
    world.clock.advance(NS_PER_S // 4)
    world.link_down()
    _seconds(world, 1)
    world.hub.rtt_ns = NS_PER_S
    world.link_up()
    _seconds(world, 20)

    held[0]()
    world.hub.refuses = set()
    for _ in range(2000):
        world.clock.advance(NS_PER_S // 20)
        if b"1" in world.hub.payloads() and world.status.acked_seq >= 2:
            break
    world.link_down()  # before the answer to 2 comes
    _seconds(world, outage_s)
    world.hub.rtt_ns = NS_PER_S // 50
    world.link_up()
    _seconds(world, 300)

    assert sorted(world.hub.payloads()) == numbers(0, 2)


@pytest.mark.parametrize("newest_first", [False, True])
@pytest.mark.parametrize("number", [1, 10])
def test_what_is_proposed_at_the_hub_is_no_refusal(number: int, *, newest_first: bool) -> None:
    """Sent again it is "in process"; the site loses its link for longer than ids are remembered."""
    world = _world(newest_first=newest_first)
    world.start()
    world.store(b"0")
    _seconds(world, 5)
    world.hub.is_alone = True
    world.store(*numbers(1, number))
    _seconds(world, 9)
    assert world.status.counters.refused == 0

    world.link_down()
    world.hub.commit()
    _seconds(world, 180)
    world.link_up()
    _seconds(world, 60)

    assert world.hub.payloads() == numbers(0, number)
    assert (world.status.lag_messages, world.status.problem) == (0, "")


def test_one_of_two_sendings_that_was_refused_says_nothing_of_the_other() -> None:
    world = World()
    world.start()
    world.store(b"0")
    _seconds(world, 5)
    held = hold(world.hub, b"1")
    world.store(b"1")
    _seconds(world, 5)
    world.hub.refuses = {b"1"}  # for want of space, say
    _seconds(world, 5)
    assert world.status.state.value == "refused"

    world.link_down()
    held[0]()
    world.hub.refuses = set()
    held[0]()
    _seconds(world, 180)
    world.link_up()
    _seconds(world, 60)

    assert world.hub.payloads() == numbers(0, 1)
    assert (world.status.lag_messages, world.status.problem) == (0, "")


def test_an_alarm_whose_question_is_lost_is_not_held_by_what_others_send_later() -> None:
    alarms = UplinkStream(stream="AL", hub_stream="AGG", domain="hub", priority=0, urgent=True)
    pictures = UplinkStream(stream="EV", hub_stream="AGG", domain="hub")
    site = Site(alarms, pictures, budget=UplinkBudget())
    site.hub.bytes_per_s = 5000
    site.start()
    site.store("AL", b"a")
    site.store("EV", b"p")
    _seconds(site, 20)
    question, publication = site.hub._question, site.hub._publication
    quiet = True

    def _question(api: bytes, body: bytes):  # type: ignore[no-untyped-def]
        return None if quiet and b"edge.al" in body else question(api, body)

    def _publication(subject: bytes, block: bytes, payload: bytes):  # type: ignore[no-untyped-def]
        is_lost = quiet and subject.startswith(b"edge.al")
        return None if is_lost else publication(subject, block, payload)

    site.hub._question, site.hub._publication = _question, _publication  # type: ignore[method-assign]
    for number in range(60):
        site.store("EV", b"%d " % number + bytes(30_000))
    _seconds(site, 40)
    site.store("AL", b"alarm")
    _seconds(site, 30)
    quiet = False
    _seconds(site, 90)

    assert b"alarm" in site.hub.payloads()


@pytest.mark.parametrize("how", ["full", "denied"])
def test_what_is_refused_for_days_is_asked_about_once_more_and_no_more(how: str) -> None:
    """Its first sending had no answer; its tries since put nothing in doubt."""
    world = World()
    world.start()
    world.store(b"0")
    _seconds(world, 5)
    world.hub.loses = [b"1"]
    world.store(b"1")
    world.clock.advance(NS_PER_S // 10)
    world.link_down()
    _seconds(world, 1)
    if how == "full":
        world.hub.refuses = {b"1"}
    else:
        world.hub.denied = {b"edge.ev.a"}
    world.link_up()
    _seconds(world, 120)
    asked = len(world.hub.questions)

    _seconds(world, 3600)

    assert len(world.hub.questions) == asked
    assert world.status.state.value == "refused"


@pytest.mark.parametrize("newest_first", [False, True])
@pytest.mark.parametrize("how", ["the link", "the stream"])
def test_what_may_be_stored_late_is_no_dead_letter_yet(how: str, *, newest_first: bool) -> None:
    """The next hub of the pool takes less; what the former one was given may be stored there."""
    world = World(replace(OPTIONS, newest_first=newest_first), dead_letter="DEAD")
    world.start()
    world.store(b"0")
    _seconds(world, 5)
    long = b"x" * 1000
    held = hold(world.hub, long)
    world.store(long)
    world.clock.advance(NS_PER_S // 4)
    world.link_down()
    _seconds(world, 1)
    if how == "the link":
        world.hub.max_payload = 500
    else:
        world.hub.refuses, world.hub.refusal = {long}, (10054, "message size exceeds maximum")
    world.link_up()
    _seconds(world, 20)
    assert world.status.counters.dead_letters == 0

    world.hub.refuses = set()
    held[0]()
    _seconds(world, 300)

    assert world.hub.payloads() == [b"0", long]
    assert world.status.counters.dead_letters == 0
    assert (world.status.lag_messages, world.status.problem) == (0, "")


def test_what_is_refused_for_good_and_was_not_stored_late_is_a_dead_letter() -> None:
    world = World(dead_letter="DEAD")
    world.start()
    world.store(b"0")
    _seconds(world, 5)
    world.hub.loses = [b"1"]
    world.store(b"1", b"2")
    world.clock.advance(NS_PER_S // 10)
    world.link_down()
    world.hub.refuses, world.hub.refusal = {b"1"}, (10054, "message size exceeds maximum")
    world.link_up()

    _seconds(world, 180)

    assert world.hub.payloads() == numbers(0, 0) + numbers(2, 2)
    assert world.status.counters.dead_letters == 1
    assert (world.status.lag_messages, world.status.problem) == (0, "")


@pytest.mark.parametrize("can_ask", [False, True])
def test_where_the_hub_cannot_be_asked_what_it_refuses_for_good_is_a_dead_letter_too(
    *, can_ask: bool
) -> None:
    options = OPTIONS if can_ask else replace(OPTIONS, hub_stream="", domain="")
    world = World(options, dead_letter="DEAD")
    world.start()
    world.store(b"0")
    _seconds(world, 5)
    long = b"x" * 1000
    world.hub.loses = [long]
    world.store(long)
    world.clock.advance(NS_PER_S // 10)
    world.link_down()
    world.hub.max_payload = 500
    world.link_up()
    world.store(b"2")

    _seconds(world, 300)

    assert world.hub.payloads() == [b"0", b"2"]
    assert world.status.counters.dead_letters == 1
    assert (world.status.lag_messages, world.status.state.value) == (0, "running")


@pytest.mark.parametrize("rate", [0, 5000, 10_000])
@pytest.mark.parametrize("rtt_ms", range(300, 2200, 300))
def test_a_try_that_is_on_its_way_when_the_word_is_old_holds_nothing_for_ever(
    rtt_ms: int, rate: int
) -> None:
    world = World(dead_letter="DEAD")
    world.hub.rtt_ns, world.hub.bytes_per_s = rtt_ms * NS_PER_MS, rate
    world.start()
    world.store(b"0")
    _seconds(world, 20)
    long = b"x" * 30_000
    world.hub.loses = [long]
    world.store(long, b"2")
    _seconds(world, 1)
    world.link_down()
    world.hub.refuses, world.hub.refusal = {long}, (10054, "message size exceeds maximum")
    world.link_up()

    _seconds(world, 600)

    assert world.hub.payloads() == [b"0", b"2"]
    assert world.status.counters.dead_letters == 1
    assert (world.status.lag_messages, world.status.state.value) == (0, "running")
