"""What waits to be sent again: the hub is asked anew before its word is too old."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from leafnode import limits
from leafnode.clock import NS_PER_S
from leafnode.config.options import UplinkBudget, UplinkStream
from leafnode.uplink.status import Protection
from tests.sim.hub import hold
from tests.sim.uplink_world import Site, World, numbers

if TYPE_CHECKING:
    from collections.abc import Callable

BULK = UplinkStream(stream="EV", hub_stream="AGG", domain="hub")


@pytest.mark.parametrize("breaks", [True, False])
def test_what_was_held_back_for_long_is_asked_about_before_it_is_sent_again(
    *, breaks: bool
) -> None:
    """What was not there when the hub was asked may have been stored since: it was proposed."""
    until, again = 8 * 60 + 2, 8 * 60 + 10  # minutes of the day
    site = Site(BULK, budget=UplinkBudget(send_windows=((0, until), (again, 24 * 60))))
    site.start()
    site.store("EV", b"0")
    site.clock.advance(117 * NS_PER_S)
    site.hub.is_alone = True
    site.store("EV", b"1")
    site.clock.advance(18 * NS_PER_S)
    assert site.status("EV").held == "the send window opens at 08:10"

    site.hub.loses_acks = True
    site.hub.commit()
    site.clock.advance(NS_PER_S)
    site.hub.loses_acks = False
    if breaks:
        site.link_down()
        site.link_up()
    site.clock.advance(600 * NS_PER_S)

    assert site.hub.payloads() == numbers(0, 1)
    assert site.status("EV").counters.resent == 0
    assert (site.status("EV").lag_messages, site.status("EV").problem) == (0, "")


def test_what_was_held_back_is_asked_about_where_others_hide_some_of_it() -> None:
    until, again = 8 * 60 + 2, 8 * 60 + 10  # minutes of the day
    site = Site(BULK, budget=UplinkBudget(send_windows=((0, until), (again, 24 * 60))))
    site.start()
    site.clock.advance(110 * NS_PER_S)
    site.hub.loses_acks = True
    site.store("EV", b"0", subject=b"ev.b")
    site.clock.advance(NS_PER_S)
    for _ in range(limits.UPLINK_PROBES_MAX + 7):
        site.hub.publish(b"edge.ev.b", b"stranger")
    site.store("EV", b"2", subject=b"ev.b")
    site.clock.advance(NS_PER_S)
    site.hub.is_alone = True
    site.store("EV", b"1")
    site.clock.advance(NS_PER_S)
    site.link_down()
    site.link_up()
    site.clock.advance(40 * NS_PER_S)
    assert site.status("EV").protection is Protection.PARTLY
    assert site.status("EV").held == "the send window opens at 08:10"

    site.hub.commit()
    site.clock.advance(NS_PER_S)
    site.hub.loses_acks = False
    site.clock.advance(600 * NS_PER_S)

    assert site.hub.payloads().count(b"1") == 1
    assert site.status("EV").lag_messages == 0


@pytest.mark.parametrize("lost", [b"0", b"1"])
@pytest.mark.parametrize("seconds", [30, 60, 120, 300])
def test_what_was_lost_goes_when_its_company_is_there(seconds: int, lost: bytes) -> None:
    """The question that is asked meanwhile begins the wait anew, once; where nothing was
    acknowledged in this run there is none.
    """
    site = Site(BULK, budget=UplinkBudget(coalesce_ns=seconds * NS_PER_S))
    site.start()
    site.hub.loses = [lost]
    for payload in (b"0", b"1"):
        site.store("EV", payload)
        site.clock.advance((seconds + 5) * NS_PER_S)

    site.clock.advance((2 * seconds + 120) * NS_PER_S)

    assert sorted(site.hub.payloads()) == numbers(0, 1)
    assert site.status("EV").problem == ""


@pytest.mark.parametrize(("rate", "size"), [(1000, 100_000), (200, 15_000), (100, 7000)])
def test_what_takes_minutes_of_a_rate_is_sent_again_once(rate: int, size: int) -> None:
    site = Site(BULK, budget=UplinkBudget(max_rate_bytes=rate))
    site.start()
    site.store("EV", b"0")
    site.clock.advance(5 * NS_PER_S)
    photo = b"p" * size
    site.hub.loses = [photo]
    site.store("EV", photo)

    site.clock.advance(400 * NS_PER_S)

    assert site.hub.payloads() == [b"0", photo]
    assert site.hub.carried_bytes < 2 * size + 2000


def test_a_word_that_took_minutes_is_asked_for_once_more() -> None:
    world = World()
    world.start()
    world.store(b"0")
    world.clock.advance(5 * NS_PER_S)
    for number in range(10):
        world.store(b"P" * 100_000, subject=b"ev.c%d" % number)
    world.clock.advance(300 * NS_PER_S)
    world.hub.answers_per_s = 5000
    world.hub.is_alone = True
    for number in range(10):
        world.store(b"%d" % number, subject=b"ev.c%d" % number)
    world.clock.advance(19 * NS_PER_S)

    world.hub.loses_acks = True
    world.hub.commit()
    world.clock.advance(NS_PER_S)
    world.hub.loses_acks = False
    world.clock.advance(900 * NS_PER_S)

    short = [one for one in world.hub.payloads() if len(one) == 1]
    assert short == [b"0", *numbers(0, 9)]


@pytest.mark.parametrize("alone_s", [12, 40])
@pytest.mark.parametrize("breaks", [True, False])
@pytest.mark.parametrize("company", [True, False])
def test_the_first_of_a_run_is_asked_about_once_more_too(
    *, company: bool, breaks: bool, alone_s: int
) -> None:
    """Nothing was acknowledged in this run, so nothing says what was worked off; time does."""
    until, again = 8 * 60 + 1, 8 * 60 + 10  # minutes of the day
    windows = ((0, until), (again, 24 * 60))
    coalesce = UplinkBudget(coalesce_ns=300 * NS_PER_S)
    site = Site(BULK, budget=coalesce if company else UplinkBudget(send_windows=windows))
    site.start()
    site.clock.advance((0 if company else 53) * NS_PER_S)
    site.hub.is_alone = True
    site.store("EV", b"1")
    site.clock.advance((302 if company else 0) * NS_PER_S + alone_s * NS_PER_S)

    site.hub.loses_acks = True
    site.hub.commit()
    site.clock.advance(NS_PER_S)
    site.hub.loses_acks = False
    if breaks:
        site.link_down()
        site.link_up()
    site.clock.advance(1200 * NS_PER_S)

    assert site.hub.payloads() == [b"1"]
    assert (site.status("EV").lag_messages, site.status("EV").problem) == (0, "")


def _doubtful(tenths: int, refusal: tuple[int, str]) -> tuple[Site, Callable[[], None]]:
    """The send window opens that long after the link came back, and the hub refuses `1`, of which
    the first sending is late: call what comes with it to have it arrive.
    """
    until, again = 8 * 60 + 2, 8 * 60 + 4  # minutes of the day
    windows = ((0, until), (again, 24 * 60))
    site = Site(BULK, budget=UplinkBudget(send_windows=windows), dead_letter="DEAD")
    site.hub.rtt_ns = 2 * NS_PER_S
    site.start()
    site.store("EV", b"0")
    site.clock.advance(100 * NS_PER_S)
    late = hold(site.hub, b"1")
    site.store("EV", b"1")
    site.clock.advance(2 * NS_PER_S)
    site.link_down()
    site.hub.refuses, site.hub.refusal = {b"1"}, refusal
    site.clock.advance(137 * NS_PER_S - tenths * NS_PER_S // 10)
    site.link_up()
    site.clock.advance(30 * NS_PER_S)
    return site, late[0]


@pytest.mark.parametrize("tenths", range(895, 935, 5))
def test_a_first_try_on_its_way_when_the_word_is_old_is_asked_about(tenths: int) -> None:
    site, arrive = _doubtful(tenths, (10077, "maximum bytes exceeded"))
    site.hub.refuses = set()
    arrive()
    site.hub.refuses = {b"1"}
    site.clock.advance(400 * NS_PER_S)
    site.hub.refuses = set()
    site.store("EV", b"2")
    site.clock.advance(600 * NS_PER_S)

    assert site.hub.payloads() == numbers(0, 2)
    assert (site.status("EV").lag_messages, site.status("EV").problem) == (0, "")


@pytest.mark.parametrize("tenths", range(895, 935, 5))
def test_a_first_try_on_its_way_when_the_word_is_old_holds_nothing_for_ever(tenths: int) -> None:
    site, _ = _doubtful(tenths, (10054, "message size exceeds maximum allowed"))
    site.store("EV", b"2")
    site.clock.advance(600 * NS_PER_S)

    assert site.hub.payloads() == [b"0", b"2"]
    assert site.status("EV").counters.dead_letters == 1
    assert (site.status("EV").lag_messages, site.status("EV").problem) == (0, "")
