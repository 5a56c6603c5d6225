"""leafnode.routing.replies: the quick way out equals the general one, whoever listens."""

from hypothesis import assume, given
from hypothesis import strategies as st

from leafnode.routing.deliver import deliver
from leafnode.routing.peer import Kind
from leafnode.routing.permissions import Permissions, Rules
from leafnode.routing.replies import publish_replies
from leafnode.routing.route import Message
from leafnode.routing.subscription import Delivery
from tests.sim.peers import FakePeer, account

PATTERNS = st.sampled_from([b"_INBOX.a.*", b"_INBOX.a.>", b"_INBOX.*.1", b"_INBOX.a.1", b">", b"r"])
LISTENERS = st.lists(
    st.tuples(
        st.sampled_from([Kind.CLIENT, Kind.LEAF]),
        PATTERNS,
        st.sampled_from([b"", b"", b"q"]),
        st.integers(0, 2),  # UNSUB limit
        st.booleans(),  # denied
    ),
    max_size=3,
)
SUBJECTS = st.sampled_from(
    [
        *(b"_INBOX.a.1", b"_INBOX.a.2", b"_INBOX.b.1", b"r", b"_INBOX.a.1.x", b""),
        *(b"_INBOX.>.1", b"_INBOX.a.", b"_INBOX.a. 1", b"_INBOX..1", b".1"),
    ]
)


def world_of(listeners: list[tuple[Kind, bytes, bytes, int, bool]]) -> list[FakePeer]:
    world = account()
    peers = []
    for cid, (kind, pattern, queue, limit, denied) in enumerate(listeners, 1):
        peer = FakePeer(world, cid, kind)
        peer.subscribe(pattern, b"%d" % cid, queue).max_msgs = limit
        if denied:
            peer.permissions = Permissions(Rules(), Rules(deny=[b"_INBOX.a.2"]))
        peers.append(peer)
    return peers


@given(LISTENERS, st.lists(SUBJECTS, max_size=6))
def test_many_replies_arrive_as_if_each_had_been_published_alone(
    listeners: list[tuple[Kind, bytes, bytes, int, bool]], subjects: list[bytes]
) -> None:
    # Whose turn it is decides whether a group's limited member is there for the next message.
    assume(not any(queue and limit for _, _, queue, limit, _ in listeners))
    quick, slow = world_of(listeners), world_of(listeners)

    if quick:
        publish_replies(quick[0].account, [(subject, b"hi") for subject in subjects])
        for subject in subjects:
            world = slow[0].account
            deliver(world, world.system, Message(subject, b"", 0, b"hi"), once=True)

    # Members of a group take turns; which one begins is not promised. So neither is how many
    # messages arrive when a member's limit can end it before or after its turn.
    grouped = [limit for _, _, queue, limit, _ in listeners if queue]
    if any(grouped):
        return
    if grouped:
        assert sum(p.got().count(b"hi") for p in quick) == sum(p.got().count(b"hi") for p in slow)
    else:
        assert [peer.got() for peer in quick] == [peer.got() for peer in slow]


def test_a_subscription_made_while_replies_go_out_gets_the_ones_after_it() -> None:
    world = account()
    late = FakePeer(world, 1)

    def on_first(_: Delivery) -> None:
        if not late.subs:
            late.subscribe(b"_INBOX.a.*", b"1")

    world.subscribe(b"_INBOX.a.*", on_first)
    publish_replies(world, [(b"_INBOX.a.1", b"x"), (b"_INBOX.a.2", b"y")])

    assert late.got() == b"MSG _INBOX.a.2 1 1\r\ny\r\n"


def test_a_run_of_deliveries_to_one_client_is_written_at_once() -> None:
    world = account()
    client = FakePeer(world)
    sub = client.subscribe(b"_INBOX.1", b"5")

    received = world.deliver(
        b"_INBOX.1",
        [(b"ev.a", b"$JS.ACK.1", 0, b"one"), (b"ev.b", b"", 12, b"NATS/1.0\r\n\r\ntwo")],
    )

    assert received == 1
    assert client.got() == (
        b"MSG ev.a 5 $JS.ACK.1 3\r\none\r\nHMSG ev.b 5 12 15\r\nNATS/1.0\r\n\r\ntwo\r\n"
    )
    assert (sub.delivered, client.traffic.out_msgs, world.traffic.out_msgs) == (2, 2, 2)


def test_out_bytes_are_those_of_messages_without_the_protocol() -> None:
    world = account()
    client = FakePeer(world)
    client.subscribe(b"_INBOX.1", b"5")

    world.deliver(
        b"_INBOX.1",
        [(b"ev.a", b"$JS.ACK.1", 0, b"one"), (b"ev.b", b"", 12, b"NATS/1.0\r\n\r\ntwo")],
    )
    publish_replies(world, [(b"_INBOX.1", b"four")])

    assert client.traffic.out_bytes == world.traffic.out_bytes == 3 + 15 + 4


def test_a_delivery_that_the_client_may_not_receive_is_held_back() -> None:
    world = account()
    client = FakePeer(world)
    client.subscribe(b"_INBOX.1", b"5")
    client.permissions = Permissions(Rules(), Rules(deny=[b"_INBOX.>"]))

    assert world.deliver(b"_INBOX.1", [(b"ev.a", b"", 0, b"one")]) == 0
    assert client.got() == b""
