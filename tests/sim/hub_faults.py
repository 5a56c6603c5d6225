"""What goes wrong in a cluster at the hub of a gateway of the simulated years."""

from __future__ import annotations

from typing import TYPE_CHECKING

from leafnode import limits
from leafnode.clock import NS_PER_MS, NS_PER_S
from tests.sim.pauses import MINUTE_NS, OUTAGES_NS

if TYPE_CHECKING:
    from tests.sim.uplink_gateway import Gateway


def lose_followers(gateway: Gateway) -> None:
    """The hub's leader proposes what comes and cannot commit it, for as long as it takes to
    step down; the link may go, or come back, meanwhile.
    """
    gateway.year.met["lost followers"] += 1
    site, rng = gateway.site, gateway.rng
    most_ns = (limits.UPLINK_QUORUM_NS - NS_PER_S) // 2
    site.hub.is_alone = True
    gateway.store()
    site.clock.advance(rng.randrange(most_ns))
    how = rng.choice(["stays", "goes", "flaps"])
    if how != "stays":
        site.link_down()
    if how == "flaps":
        site.link_up()
    gateway.store()
    site.clock.advance(rng.randrange(most_ns))
    site.hub.commit(rng.choice([None, None, rng.randrange(20)]))
    if how == "goes":
        site.clock.advance(rng.choice(OUTAGES_NS))
        site.link_up()


def lose_quorum(gateway: Gateway) -> None:
    """Nobody leads the hub's stream for longer than it remembers ids. What it stored last has no
    PubAck, and the link goes over to a node that is left, or the gateway is restarted.
    """
    gateway.year.met["lost quorums"] += 1
    site, rng = gateway.site, gateway.rng
    site.hub.loses_acks = True
    gateway.store()
    site.clock.advance(rng.randrange(1, 3000) * NS_PER_MS)
    site.hub.loses_acks, site.hub.is_leaderless = False, True
    site.link_down()
    if rng.random() < 0.2:
        gateway.restart()
    site.link_up()
    gateway.store()
    site.clock.advance(rng.randrange(2 * MINUTE_NS, 10 * MINUTE_NS))
    site.hub.is_leaderless = False
