"""Which interest a leaf link is told of. Source: nats-server 2.15.1 server/leafnode.go
initLeafNodeSmapAndSendSubs, updateLeafNodesEx; leaf protocol 2.4 and 2.6."""

from __future__ import annotations

from leafnode.routing.leaf_interest import LeafInterest
from leafnode.routing.peer import LeafSide

A = LeafSide("a", is_hub=False)
B = LeafSide("b", is_hub=False)
HUB = LeafSide("hub", is_hub=True)
OTHER_HUB = LeafSide("other", is_hub=True)
KEY = (b"s", b"")


def interest(*sides: LeafSide, key: tuple[bytes, bytes] = KEY) -> LeafInterest:
    found = LeafInterest()
    for side in sides:
        found.add(key, side, 1)
    return found


def test_a_leaf_is_told_what_other_leafs_and_hubs_want_and_not_what_it_wants_itself() -> None:
    found = interest(A, B, HUB)

    assert found.count(KEY, A) == 2
    assert found.count(KEY, LeafSide("c", is_hub=False)) == 3


def test_a_hub_is_told_what_leafs_want_and_not_what_another_hub_wants() -> None:
    found = interest(A, HUB, OTHER_HUB)

    assert found.count(KEY, HUB) == 1


def test_one_cluster_is_one_origin() -> None:
    found = interest(A, A)

    assert found.count(KEY, LeafSide("a", is_hub=False)) == 0
    assert found.count(KEY, B) == 2


def test_an_isolated_leaf_is_told_nothing_of_others() -> None:
    assert interest(A, HUB).count(KEY, LeafSide("b", is_hub=False, is_isolated=True)) == 0


def test_a_loop_subject_goes_on_to_every_other_hub() -> None:
    lds = (b"$LDS.x", b"")

    assert interest(HUB, key=lds).count(lds, OTHER_HUB) == 1
    assert interest(HUB, key=lds).count(lds, HUB) == 0


def test_weights_add_up_and_what_is_over_is_forgotten() -> None:
    found = LeafInterest()
    found.add(KEY, A, 3)
    found.add(KEY, A, -1)

    assert found.count(KEY, B) == 2
    found.add(KEY, A, -2)
    assert list(found) == []
    assert found.count(KEY, B) == 0


def test_messages_pass_between_leafs_and_from_and_to_a_hub_but_not_between_hubs() -> None:
    assert A.passes_to(B)
    assert A.passes_to(HUB)
    assert HUB.passes_to(A)
    assert not HUB.passes_to(OTHER_HUB)
    assert not A.passes_to(LeafSide("a", is_hub=False))
