"""leafnode.system.tally: who is connected to which account."""

from __future__ import annotations

from leafnode.system.tally import Tally


def test_clients_and_links_of_an_account_are_counted_in_and_out() -> None:
    tally = Tally()
    tally.enter(1, "A")
    tally.enter(2, "A")
    tally.link("A", 1)

    left = tally.leave(1)

    assert left == "A"
    assert (tally.clients("A"), tally.leafs("A"), tally.connections("A")) == (1, 1, 2)


def test_a_client_that_was_never_counted_in_leaves_nothing() -> None:
    tally = Tally()

    assert tally.leave(7) == ""
    assert tally.connections("A") == 0


def test_slow_consumers_are_counted_by_account() -> None:
    tally = Tally()

    tally.was_slow("A")

    assert (tally.slow_consumers("A"), tally.slow_consumers("B")) == (1, 0)
