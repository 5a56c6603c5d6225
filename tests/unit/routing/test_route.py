"""leafnode.routing.route: what a leaf names, and the general way for one message."""

from leafnode.routing.deliver import deliver
from leafnode.routing.peer import Kind
from leafnode.routing.route import Message
from tests.sim.peers import FakePeer, account


def test_a_message_from_a_leaf_reaches_a_group_only_when_it_names_it() -> None:
    world = account()
    hub, client = FakePeer(world, 9, Kind.LEAF), FakePeer(world, 1)
    client.subscribe(b"a", b"1", b"q")

    hub.says(b"LMSG a 1\r\nx\r\nLMSG a | other 1\r\ny\r\nLMSG a | q 1\r\nz\r\n")

    assert client.got() == b"MSG a 1 1\r\nz\r\n"


def test_a_reply_with_a_queue_list_from_a_leaf() -> None:
    world = account()
    hub, client = FakePeer(world, 9, Kind.LEAF), FakePeer(world, 1)
    client.subscribe(b"a", b"1", b"q")

    hub.says(b"LMSG a + r q 1\r\nx\r\n")

    assert client.got() == b"MSG a 1 r 1\r\nx\r\n"


def test_an_ack_reply_with_a_subject_from_a_leaf_shows_the_client_that_subject() -> None:
    world = account()
    hub, client = FakePeer(world, 9, Kind.LEAF), FakePeer(world, 1)
    client.subscribe(b"_INBOX.1", b"1")

    hub.says(b"LMSG _INBOX.1 $JS.ACK.S.C.1.1.1.1.0@ev.a 3\r\none\r\n")

    assert client.got() == b"MSG ev.a 1 $JS.ACK.S.C.1.1.1.1.0 3\r\none\r\n"


def test_a_message_to_an_invalid_subject_reaches_nobody() -> None:
    world = account()
    client = FakePeer(world)
    client.subscribe(b">", b"1")

    assert deliver(world, world.system, Message(b"a..b", b"", 0, b"")) == 0
    assert client.got() == b""
