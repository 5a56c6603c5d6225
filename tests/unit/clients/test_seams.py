"""leafnode.clients.seams: what follows from the options follows them."""

from __future__ import annotations

from dataclasses import replace

from tests.sim.clients import ClientWorld


def test_rules_follow_the_options_when_they_are_refreshed() -> None:
    seams = ClientWorld().server.seams

    seams.options = replace(seams.options, ping_max=7)
    before = seams.rules.ping_max
    seams.refresh()

    assert before != 7
    assert seams.rules.ping_max == 7
