"""leafnode.routing.permissions: delivered if and only if allowed."""

from hypothesis import given
from hypothesis import strategies as st

from leafnode.protocol import subject as subjects
from leafnode.routing.peer import Kind
from leafnode.routing.permissions import Permissions, Rules, may_deliver
from leafnode.routing.subscription import Subscription
from tests.sim.peers import FakePeer, account

LITERALS = st.lists(st.sampled_from([b"a", b"b", b"c"]), min_size=1, max_size=3).map(b".".join)
PATTERNS = (
    st.lists(st.sampled_from([b"a", b"b", b"*", b">"]), min_size=1, max_size=3)
    .map(b".".join)
    .filter(subjects.is_valid)
)
RULES = st.builds(Rules, st.none() | st.lists(PATTERNS, max_size=3), st.lists(PATTERNS, max_size=2))


def test_no_allow_list_allows_everything_but_what_is_denied() -> None:
    rules = Rules(deny=[b"secret.>"])

    assert rules.allows(b"a")
    assert not rules.allows(b"secret.x")


def test_an_empty_allow_list_allows_nothing() -> None:
    assert not Rules([]).allows(b"a")


def test_deny_wins_over_allow() -> None:
    assert not Rules([b"a.>"], [b"a.no"]).allows(b"a.no")


def test_exempt_prefixes_are_not_judged() -> None:
    rules = Rules([], exempt=(b"$JS.ACK.",))

    assert rules.allows(b"$JS.ACK.S.C.1")
    assert rules.allows_pattern(b"$JS.ACK.S.C.*")


def test_a_pattern_that_only_overlaps_a_deny_entry_may_be_subscribed() -> None:
    rules = Rules([b"a.>"], [b"a.no"])

    assert rules.allows_pattern(b"a.*")
    assert not rules.allows_pattern(b"a.no")


def test_a_leaf_may_announce_a_pattern_that_overlaps_an_allow_entry() -> None:
    rules = Rules([b"in.>"])

    assert not rules.allows_pattern(b">")
    assert rules.allows_pattern(b">", partly=True)
    assert not rules.allows_pattern(b"out.a", partly=True)


def test_a_client_without_echo_does_not_get_its_own_messages() -> None:
    client = FakePeer(account())
    sub = Subscription(client, b"a", sid=b"1")

    assert may_deliver(sub, b"a", client)
    client.echo = False
    assert not may_deliver(sub, b"a", client)


def test_a_message_from_one_leaf_goes_to_no_leaf() -> None:
    world = account()
    one, other = FakePeer(world, 1, Kind.LEAF), FakePeer(world, 2, Kind.LEAF)

    assert not may_deliver(Subscription(one, b"a"), b"a", one)
    assert not may_deliver(Subscription(other, b"a"), b"a", one)
    assert may_deliver(Subscription(other, b"a"), b"a", FakePeer(world, 3))


@given(RULES, PATTERNS, LITERALS)
def test_whatever_the_path_a_message_arrives_if_and_only_if_it_is_allowed(
    rules: Rules, pattern: bytes, literal: bytes
) -> None:
    allowed = rules.allows(literal)
    expected = 1 if subjects.matches(pattern, literal) and allowed else 0
    for queue, send in ((b"", "publish"), (b"q", "publish"), (b"", "deliver"), (b"", "lane")):
        world = account()
        reader = FakePeer(world, 1)
        reader.permissions = Permissions(Rules(), rules)
        reader.subscribe(pattern, b"9", queue)

        if send == "publish":
            world.publish(literal, b"x")
        elif send == "deliver":
            world.deliver(literal, [(b"stored", b"", 0, b"x")])
        else:
            FakePeer(world, 2).says(b"PUB %b 1\r\nx\r\n" % literal)

        assert reader.got().count(b"MSG ") == expected, (queue, send)
