"""leafnode.leaf.facts: what /connz shows of links; nats-server 2.15.1 server/monitor.go."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from leafnode.clock import NS_PER_S
from leafnode.limits import CLOSED_SUBSCRIPTIONS_MAX
from tests.sim.leaf_port import LeafPortWorld, SimLeaf

if TYPE_CHECKING:
    from leafnode.clients.facts import ClosedConnection


def gone(port: LeafPortWorld) -> ClosedConnection:
    (found,) = port.server.registry.closed_ring
    return found


def test_a_link_that_ends_is_remembered_with_its_subscriptions_and_the_reason() -> None:
    port = LeafPortWorld()
    leaf = port.leaf()
    leaf.says(b"LS+ a.*\r\nLS+ b q 1\r\nLMSG x 2\r\nhi\r\n")
    port.clock.advance(3 * NS_PER_S)

    leaf.end.close()
    port.settle()

    link = gone(port)
    assert (link.facts.kind, link.facts.name, link.facts.account) == ("Leafnode", "edge", "$G")
    assert (link.reason, link.stop_ns) == ("Client Closed", port.clock.wall_ns())
    assert (link.facts.in_msgs, link.facts.subscriptions) == (1, 2)
    assert link.facts.uptime_ns == 3 * NS_PER_S
    assert [(sub.subject, sub.queue) for sub in link.subscriptions] == [(b"a.*", b""), (b"b", b"q")]


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        (b"GARBAGE\r\n", "Authentication Failure"),
        (b'CONNECT {"name":"edge","user":"u","pass":"CANARY"}\r\nBLA\r\n', "Protocol Violation"),
    ],
)
def test_who_never_was_a_link_is_remembered_too(said: bytes, reason: str) -> None:
    port = LeafPortWorld()

    SimLeaf(port).says(said)

    assert gone(port).reason == reason
    assert gone(port).facts.uptime_ns == 0
    assert "CANARY" not in repr(gone(port))


def test_subscriptions_that_are_remembered_are_bounded() -> None:
    port = LeafPortWorld()
    leaf = port.leaf()
    leaf.says(b"".join(b"LS+ a.%d\r\n" % number for number in range(CLOSED_SUBSCRIPTIONS_MAX + 1)))

    leaf.end.close()
    port.settle()

    assert len(gone(port).subscriptions) == CLOSED_SUBSCRIPTIONS_MAX
    assert gone(port).facts.subscriptions == CLOSED_SUBSCRIPTIONS_MAX + 1
