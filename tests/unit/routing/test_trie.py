"""leafnode.routing.trie: a walk finds what the oracle says, whatever comes and goes meanwhile."""

from __future__ import annotations

from itertools import product

from hypothesis import given
from hypothesis import strategies as st

from leafnode.routing.peer import Kind, Outbox, Peer
from leafnode.routing.sublist import Sublist
from leafnode.routing.subscription import Subscription
from leafnode.routing.trie import NO_SUBS, PAUSE_NODES, Node, walk, with_one, without
from tests.oracle.matcher import matches

PEER = Peer(1, Kind.CLIENT, Outbox(lambda: None))
TOKENS = st.sampled_from([b"a", b"b", b"*"])
PATTERNS = st.builds(
    lambda tokens, full: b".".join([*tokens, b">"] if full else tokens),
    st.lists(TOKENS, min_size=1, max_size=3),
    st.booleans(),
)
SUBJECTS = st.lists(st.sampled_from([b"a", b"b"]), min_size=1, max_size=4).map(b".".join)


def subscription(subject: bytes) -> Subscription:
    return Subscription(PEER, subject)


@given(
    st.lists(PATTERNS, max_size=10),
    SUBJECTS,
    st.lists(st.one_of(st.none(), PATTERNS), max_size=30),
)
def test_what_stays_is_found_once_and_what_is_found_was_there(
    there: list[bytes], subject: bytes, changes: list[bytes | None]
) -> None:
    sublist = Sublist()
    subs = [subscription(pattern) for pattern in there]
    for sub in subs:
        sublist.insert(sub)
    staying, passing = subs[::2], subs[1::2]
    found: list[Subscription] = []
    ever, left = [*subs], iter(changes)

    for piece in sublist.walk(subject):
        found += piece
        pattern = next(left, None)
        if pattern is not None:
            passing.append(subscription(pattern))
            ever.append(passing[-1])
            sublist.insert(passing[-1])
        elif passing:
            assert sublist.remove(passing.pop(0))

    assert len(found) == len(set(found))
    assert all(matches(sub.subject, subject) for sub in found)
    assert {sub for sub in staying if matches(sub.subject, subject)} <= set(found) <= set(ever)


def test_many_members_of_one_subject_become_a_table() -> None:
    members = [subscription(b"a")]
    subs = [*members, *[subscription(b"a") for _ in range(40)]]
    held = with_one([subs[0]], subs[1])
    for sub in subs[2:]:
        held = with_one(held, sub)

    assert isinstance(held, dict)
    assert list(held) == subs
    assert without(held, subs[3])
    assert not without(held, subs[3])


def test_a_node_knows_its_children_and_whether_it_has_any() -> None:
    root = Node()
    for token in (b"*", b">", b"a"):
        child = root.grow(token)
        assert root.child(token) is child
        assert child.is_empty()
        assert child.subs is NO_SUBS
        assert not root.is_empty()
        root.prune(token)
        assert root.child(token) is None
    assert root.is_empty()
    assert list(walk(root, b"a")) == []


def test_a_walk_that_finds_nothing_pauses_now_and_then() -> None:
    root = Node()
    for tokens in product((b"*", b"a"), repeat=7):
        node = root
        for token in tokens:
            node = node.child(token) or node.grow(token)

    assert list(walk(root, b".".join([b"a"] * 8))) == [()] * (2**8 // PAUSE_NODES - 1)
