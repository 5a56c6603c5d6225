"""The leafs that are connected: places, twins, counters. Source: nats-server 2.15.1
server/leafnode.go addLeafNodeConnection; the bounds are ours."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from leafnode.clock import NS_PER_S
from leafnode.crowd import Crowd
from leafnode.limits import CLIENT_ERROR_LINES_MAX
from tests.sim.leaf_port import LeafPortWorld, SimLeaf

if TYPE_CHECKING:
    import pytest


def test_a_leaf_for_which_there_is_no_place_is_told_to_come_again() -> None:
    port = LeafPortWorld()
    port.registry.waiting = Crowd(1, NS_PER_S)
    first, second = SimLeaf(port), SimLeaf(port)

    assert b"Connection throttling is active" in second.greeting
    assert [leaf.raw.ended for leaf in (first, second)] == [False, True]


def test_who_waited_longest_for_its_login_makes_room_for_a_newer_one() -> None:
    port = LeafPortWorld()
    port.registry.waiting = Crowd(2, 0)
    first, second, third = SimLeaf(port), SimLeaf(port), SimLeaf(port)

    assert first.hears() == b"-ERR 'Authentication Timeout'\r\n"
    assert [leaf.raw.ended for leaf in (first, second, third)] == [True, False, False]
    assert port.registry.waiting.evicted == 1


def test_a_leaf_that_is_up_waits_for_nothing() -> None:
    port = LeafPortWorld()

    port.leaf()

    assert len(port.registry.waiting) == 0
    assert len(list(port.registry.links())) == 1


def test_refused_logins_are_counted_and_logged_once_in_a_second(
    caplog: pytest.LogCaptureFixture,
) -> None:
    port = LeafPortWorld()
    caplog.set_level(logging.WARNING)

    for _ in range(3):
        port.leaf(account="x")
    port.clock.advance(NS_PER_S)
    port.leaf(account="x")

    assert port.registry.auth_failures == 4
    lines = [line for line in caplog.messages if line.startswith("Leaf refused")]
    assert [line.rpartition(" ")[2] for line in lines] == ["unlogged=0", "unlogged=2"]


def test_a_name_of_a_leaf_cannot_forge_a_line_of_the_log(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)

    LeafPortWorld().leaf(name="a\nServer is ready")

    assert any("name=a?Server is ready" in line for line in caplog.messages)


def test_what_leafs_complain_of_is_logged_up_to_so_many_lines_in_a_second(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO)
    port = LeafPortWorld()
    two = port.leaf(name="a", cluster="a"), port.leaf(name="b", cluster="b")

    for leaf in two:
        leaf.says(b"-ERR 'boo'\r\n" * CLIENT_ERROR_LINES_MAX)
    port.clock.advance(NS_PER_S)
    two[0].says(b"-ERR 'last'\r\n")

    lines = [line for line in caplog.messages if "boo" in line]
    assert len(lines) == CLIENT_ERROR_LINES_MAX
    assert f"{CLIENT_ERROR_LINES_MAX} more errors of leafs were not logged" in caplog.messages
    assert "text=last" in caplog.messages[-1]


def test_what_ended_is_counted_by_its_cause() -> None:
    port = LeafPortWorld()
    leaf = port.leaf()

    for _ in range(3):
        port.clock.advance(125 * NS_PER_S)

    assert b"Stale Connection" in leaf.hears()
    assert port.registry.stale_connections == 1
    assert port.registry.open == {}


def test_all_are_closed_at_the_end_with_what_is_pending() -> None:
    port = LeafPortWorld()
    leaf = port.leaf()
    leaf.says(b"LS+ a\r\n")
    port.server.account().publish(b"a", b"x")

    for _ in port.registry.close_all("Server Shutdown"):
        pass

    assert leaf.hears() == b"LMSG a 1\r\nx\r\n"
    assert leaf.raw.ended
