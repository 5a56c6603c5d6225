"""leafnode.routing.publish: what a publisher is answered, and when it is answered nothing."""

from __future__ import annotations

from leafnode.routing.message_args import Args
from leafnode.routing.peer import Kind
from leafnode.routing.permissions import Permissions, Rules
from leafnode.routing.publish import judge, publish
from tests.sim.peers import FakePeer, account

ONE_BYTE = Args(b"", 0, 1)


def test_a_verbose_publisher_is_told_ok() -> None:
    peer = FakePeer(account())
    peer.verbose = True

    publish(peer, b"a", ONE_BYTE, b"x")

    assert peer.got() == b"+OK\r\n"


def test_a_pedantic_publisher_is_told_of_a_wildcard_and_the_message_goes_nowhere() -> None:
    world = account()
    peer, reader = FakePeer(world), FakePeer(world, 2)
    reader.subscribe(b"a", b"1")
    peer.pedantic = True

    judge(peer, b"a.*")
    publish(peer, b"a.*", ONE_BYTE, b"x")

    assert peer.got() == b"-ERR 'Invalid Publish Subject'\r\n"
    assert reader.got() == b""


def test_a_client_is_told_that_it_may_not_publish_and_a_leaf_is_not() -> None:
    world = account()
    reader = FakePeer(world, 9)
    reader.subscribe(b">", b"1")
    for kind, told in ((Kind.CLIENT, True), (Kind.LEAF, False)):
        peer = FakePeer(world, 1, kind)
        peer.permissions = Permissions(Rules(deny=[b"a"]), Rules())

        publish(peer, b"a", ONE_BYTE, b"x")

        assert (b"Permissions Violation" in peer.got()) is told
    assert reader.got() == b""


def test_a_requester_without_responders_gets_the_503_on_its_own_subscription_alone() -> None:
    world = account()
    requester, other = FakePeer(world, 1), FakePeer(world, 2)
    requester.no_responders = True
    requester.subscribe(b"r", b"7")
    other.subscribe(b"r", b"8")

    publish(requester, b"svc", Args(b"r", 0, 1), b"x")

    assert requester.got() == b"HMSG r 7 35 35\r\nNATS/1.0 503\r\nNats-Subject: svc\r\n\r\n\r\n"
    assert other.got() == b""


def test_a_subject_that_no_header_may_hold_is_told_as_it_was_published() -> None:
    requester = FakePeer(account(), 1)
    requester.no_responders = True
    requester.subscribe(b"r", b"7")

    publish(requester, b"a\rb", Args(b"r", 0, 1), b"x")

    assert requester.got() == b"HMSG r 7 35 35\r\nNATS/1.0 503\r\nNats-Subject: a\rb\r\n\r\n\r\n"
