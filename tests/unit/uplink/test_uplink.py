"""All configured streams together."""

from __future__ import annotations

import random

from leafnode.clock import NS_PER_S
from leafnode.config.options import UplinkOptions, UplinkStream
from leafnode.routing.account import Account
from leafnode.routing.peer import Outbox
from leafnode.uplink.status import State
from leafnode.uplink.uplink import Uplink
from tests.sim.clock import FakeClock
from tests.sim.hub import FakeHub
from tests.sim.local_jetstream import LocalJetStream


def test_a_stream_listed_twice_gets_a_consumer_for_each_hub() -> None:
    clock = FakeClock()
    outbox = Outbox(lambda: None)
    outbox.wake = lambda: clock.call_later(0, outbox.flush) and None
    account = Account("$G", outbox)
    local = LocalJetStream(account, clock)
    hub = FakeHub(account, clock, subjects=(b"edge.ev.>",))
    FakeHub(account, clock, domain="other", stream="COPY", subjects=(b"edge.copy.>",))
    one = UplinkStream(stream="EV", hub_stream="AGG", domain="hub")
    two = UplinkStream(stream="EV", hub_stream="COPY", domain="other", subject_prefix="edge.copy.")
    uplink = Uplink(
        UplinkOptions(streams=(one, two)),
        account=account,
        server_name="edge",
        clock=clock,
        random=random.Random(1),
        link=hub,
    )

    uplink.start()
    clock.advance(NS_PER_S)
    assert [status.state for status in uplink.status()] == [State.RUNNING, State.RUNNING]
    assert list(local.consumers) == ["leafnode-uplink-EV", "leafnode-uplink-EV-2"]

    hub.down()
    uplink.link_changed()
    assert [status.state for status in uplink.status()] == [State.OFFLINE, State.OFFLINE]

    uplink.stop()
    assert [status.state for status in uplink.status()] == [State.STOPPED, State.STOPPED]
