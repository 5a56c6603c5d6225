"""What the composition root hands over."""

from __future__ import annotations

from leafnode.slices import finish
from tests.sim.monitor import SECRET, facts, views


def test_no_view_shows_a_secret_when_it_is_printed() -> None:
    assert SECRET not in repr(facts())
    assert SECRET not in repr(views().remotes())


def test_what_is_off_needs_no_view() -> None:
    from leafnode.monitor.views import Views

    bare = Views(
        facts=facts(),
        counters=views().counters,
        connections=list,
        subscriptions=lambda _: [],
    )

    assert (bare.leafs(), bare.remotes(), bare.uplinks(), bare.ports()) == ([], [], [], [])
    assert bare.budgets() == []
    assert finish(bare.jetstream()) is None
