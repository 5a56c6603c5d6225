"""leafnode.routing.subscription: what one starts as."""

from leafnode.routing.subscription import Subscription
from tests.sim.peers import FakePeer, account


def test_a_subscription_starts_open_without_a_limit() -> None:
    sub = Subscription(FakePeer(account()), b"a", sid=b"1", queue=b"q")

    assert not sub.closed
    assert (sub.max_msgs, sub.delivered, sub.weight) == (0, 0, 1)
    assert sub.handler is None
