"""What both ends of a leaf connection share. Source: nats-server 2.15.1 server/leafnode.go,
server/client.go processPingTimer; measured on its binary."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from leafnode.clock import NS_PER_S
from leafnode.protocol.errors import StaleConnection
from leafnode.protocol.leaf_acceptor import AcceptingSession, AcceptRules
from leafnode.protocol.leaf_dialer import DialingSession, LeafSettings
from leafnode.protocol.leaf_events import Ended, InterestAdded, InterestRemoved, State
from leafnode.protocol.leaf_op import LeafCredentials
from leafnode.protocol.leaf_session import LINKED, LeafSession, PingRules
from tests.unit.protocol.test_leaf_acceptor import INFO

if TYPE_CHECKING:
    from collections.abc import Callable

GREETING = b'INFO {"client_id":6,"info_on_connect":true,"leafnode_urls":["a:1"]}\r\n'


def dialed() -> LeafSession:
    settings = LeafSettings(
        name="edge",
        server_id="N",
        account="$G",
        sign=lambda _: LeafCredentials(),
        loop_subject=b"$LDS.own",
        ping_interval_ns=2 * NS_PER_S,
    )
    one = DialingSession(settings)
    one.begin(0)
    one.receive(GREETING + b'INFO {"connect_info":true}\r\n', 0)
    return drained(one)


def accepted() -> LeafSession:
    pings = PingRules(interval_ns=2 * NS_PER_S, may_skip=True)
    one = AcceptingSession(INFO, AcceptRules(pings=pings), now_ns=0)
    one.receive(b"CONNECT {}\r\n", 0)
    one.accept(one.answer("$G"), b"$LDS.own", 0)
    return drained(one)


def drained(one: LeafSession) -> LeafSession:
    one.data_to_send()
    one.events()
    assert one.state is State.LINKED
    return one


BOTH = pytest.mark.parametrize("make", [dialed, accepted])


@BOTH
def test_interest_comes_and_goes(make: type[LeafSession]) -> None:
    one = make()

    one.receive_line(b"LS+ a", 0)
    one.receive_line(b"LS+ a q 3", 0)
    one.receive_line(b"LS- a q", 0)

    assert one.events() == [
        InterestAdded(b"a", b"", 1),
        InterestAdded(b"a", b"q", 3),
        InterestRemoved(b"a", b"q"),
    ]


@BOTH
def test_a_silent_peer_is_asked_and_then_left(make: type[LeafSession]) -> None:
    one = make()

    for at_s in (1, 3, 5):
        one.timer_due(at_s * NS_PER_S)

    assert one.data_to_send() == b"PING\r\nPING\r\n-ERR 'Stale Connection'\r\n"
    assert one.events() == [Ended("2 PINGs went unanswered", StaleConnection)]
    assert one.stale


@BOTH
def test_a_peer_whose_answer_waits_here_is_not_silent(make: type[LeafSession]) -> None:
    one = make()

    for at_s in (1, 3, 5, 7):
        one.timer_due(at_s * NS_PER_S, unread=True)
    assert (one.data_to_send(), one.events()) == (b"PING\r\nPING\r\n", [])
    one.receive_line(b"PONG", 8 * NS_PER_S)
    one.timer_due(9 * NS_PER_S)

    assert (one.data_to_send(), one.stale) == (b"PING\r\n", False)


@BOTH
def test_a_peer_whose_bytes_come_without_a_break_is_asked_on(make: type[LeafSession]) -> None:
    """Its PONG stands behind them, on a thin link for minutes; a hub takes a PING for life."""
    one = make()

    for at_s in range(1, 31, 2):
        one.heard(at_s * NS_PER_S)
        one.timer_due(at_s * NS_PER_S + 1)

    assert (one.data_to_send(), one.events()) == (b"PING\r\n" * 15, [])
    one.receive_line(b"PONG", 31 * NS_PER_S)
    one.timer_due(33 * NS_PER_S)
    one.timer_due(35 * NS_PER_S)
    one.timer_due(37 * NS_PER_S)
    assert one.events() == [Ended("2 PINGs went unanswered", StaleConnection)]


@BOTH
def test_bytes_without_an_answer_are_no_life_for_ever(make: type[LeafSession]) -> None:
    one = make()

    for at_s in range(1, 700, 2):
        one.heard(at_s * NS_PER_S)
        one.timer_due(at_s * NS_PER_S + 1)

    assert one.data_to_send().count(b"PING") == 300
    assert one.events() == [Ended("300 PINGs went unanswered", StaleConnection)]


@BOTH
def test_a_ping_that_waits_here_behind_a_large_message_has_time(make: type[LeafSession]) -> None:
    """As much as any has, and 20 s for the kernel's last, once nothing waits any more. Whether
    anything leaves, the write deadline asks.
    """
    one = make()

    for at_s in range(1, 31, 2):
        one.timer_due(at_s * NS_PER_S, unsent=True)
    for at_s in range(31, 55, 2):
        one.timer_due(at_s * NS_PER_S)
    assert one.events() == []
    one.timer_due(55 * NS_PER_S)

    assert one.events() == [Ended("27 PINGs went unanswered", StaleConnection)]


def asking(make: Callable[[], LeafSession]) -> LeafSession:
    """A link with a PING every two minutes, of which the one at 121 s is not answered."""
    one = make()
    one._pings = replace(one._pings, interval_ns=120 * NS_PER_S)
    one.timer_due(1 * NS_PER_S)
    one.receive_line(b"PONG", 1 * NS_PER_S + 5)
    one.timer_due(21 * NS_PER_S, 0)
    one.timer_due(121 * NS_PER_S, 100 * NS_PER_S)
    assert one.data_to_send() == b"PING\r\nPING\r\n"
    assert one.deadline_ns == 141 * NS_PER_S
    return one


@BOTH
def test_a_ping_that_tcp_does_not_get_across_ends_the_link(make: Callable[[], LeafSession]) -> None:
    one = asking(make)

    one.timer_due(141 * NS_PER_S, 120 * NS_PER_S)

    assert one.data_to_send() == b"-ERR 'Stale Connection'\r\n"
    reason = f"nothing has reached the {one.other} for 20 s"
    assert one.events() == [Ended(reason, StaleConnection)]
    assert one.stale


@BOTH
@pytest.mark.parametrize("silent_s", [20, 19, 0, None])
def test_one_that_got_across_may_be_answered_late(
    make: Callable[[], LeafSession], silent_s: int | None
) -> None:
    """So may one of which nobody knows. PINGs are counted as before."""
    one = make()
    one._pings = replace(one._pings, interval_ns=120 * NS_PER_S)
    silent_ns = None if silent_s is None else silent_s * NS_PER_S
    one.timer_due(1 * NS_PER_S)
    one.timer_due(21 * NS_PER_S, silent_ns)

    assert one.events() == []
    assert one.deadline_ns == 121 * NS_PER_S
    one.timer_due(121 * NS_PER_S)
    one.timer_due(141 * NS_PER_S, silent_ns)
    one.timer_due(241 * NS_PER_S)
    assert one.data_to_send() == b"PING\r\nPING\r\n-ERR 'Stale Connection'\r\n"
    assert one.events() == [Ended("2 PINGs went unanswered", StaleConnection)]


@BOTH
def test_an_answered_ping_is_not_looked_after(make: Callable[[], LeafSession]) -> None:
    one = asking(make)
    one.receive_line(b"PONG", 122 * NS_PER_S)

    one.timer_due(141 * NS_PER_S, 120 * NS_PER_S)

    assert one.events() == []
    assert one.deadline_ns == 241 * NS_PER_S


@BOTH
def test_who_is_doubted_is_asked_at_once_and_once(make: Callable[[], LeafSession]) -> None:
    one = make()
    one._pings = replace(one._pings, interval_ns=120 * NS_PER_S)

    assert not one.caught_up(50 * NS_PER_S, 50 * NS_PER_S)
    assert not one.caught_up(51 * NS_PER_S, 51 * NS_PER_S)

    assert one.data_to_send() == b"PING\r\n"
    assert one.deadline_ns == 70 * NS_PER_S
    one.timer_due(70 * NS_PER_S, 60 * NS_PER_S)
    assert one.stale
    one.data_to_send()
    assert one.caught_up(80 * NS_PER_S, 80 * NS_PER_S)
    assert one.data_to_send() == b""


@BOTH
def test_all_has_come_that_was_sent_before_the_pong_of_a_later_ping(
    make: Callable[[], LeafSession],
) -> None:
    one = asking(make)

    assert not one.caught_up(122 * NS_PER_S, 123 * NS_PER_S)
    assert one.data_to_send() == b"PING\r\n"
    one.receive_line(b"PONG", 124 * NS_PER_S)  # of the one before
    assert not one.caught_up(122 * NS_PER_S, 124 * NS_PER_S)
    one.receive_line(b"PONG", 125 * NS_PER_S)

    assert one.caught_up(122 * NS_PER_S, 126 * NS_PER_S)
    assert one.caught_up(123 * NS_PER_S, 126 * NS_PER_S)
    assert one.data_to_send() == b""
    assert not one.caught_up(124 * NS_PER_S, 126 * NS_PER_S)


@BOTH
def test_a_pong_that_nobody_asked_for_proves_nothing(make: Callable[[], LeafSession]) -> None:
    one = make()
    one.receive_line(b"PONG", 1 * NS_PER_S)
    one.receive_line(b"PONG", 1 * NS_PER_S)

    assert not one.caught_up(0, 2 * NS_PER_S)
    one.receive_line(b"PONG", 3 * NS_PER_S)
    assert one.caught_up(0, 3 * NS_PER_S)


@BOTH
def test_who_is_asked_what_has_come_is_not_given_up_any_sooner(
    make: Callable[[], LeafSession],
) -> None:
    one = asking(make)
    for second in range(122, 140, 3):
        one.caught_up(second * NS_PER_S, second * NS_PER_S)

    assert one._pings_out == 1
    assert not one.stale


def test_a_hub_does_not_ask_a_leaf_that_was_just_heard_of_and_a_spoke_asks_always() -> None:
    pings = []
    for one in (accepted(), dialed()):
        one.timer_due(1 * NS_PER_S)
        one.receive_line(b"PONG", 1 * NS_PER_S + 5)
        one.data_to_send()
        one.heard(2 * NS_PER_S)
        one.timer_due(3 * NS_PER_S)
        pings.append(one.data_to_send())

    assert pings == [b"", b"PING\r\n"]


def test_both_tables_take_the_same_once_the_link_is_up() -> None:
    for one in (AcceptingSession, DialingSession):
        assert LINKED.items() <= one.table[State.LINKED].items()
