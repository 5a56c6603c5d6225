"""What survives a restart is in one bucket."""

from __future__ import annotations

from leafnode.clock import NS_PER_S
from leafnode.uplink.bucket import BUCKET_CONFIG, BUCKET_STREAM
from tests.sim.uplink_world import OPTIONS, Site, World


def test_the_ledger_and_the_prefixes_make_the_same_bucket() -> None:
    world, site = World(), Site(OPTIONS)
    world.start()  # a stream alone, without a ledger
    world.store(b"1")
    world.clock.advance(NS_PER_S)
    site.uplink.start()
    site.clock.advance(NS_PER_S)

    assert world.local.side[BUCKET_STREAM].config == BUCKET_CONFIG
    assert site.side[BUCKET_STREAM].config == BUCKET_CONFIG
