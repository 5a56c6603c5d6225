"""What is known of where the next message lies: what a search need not ask again."""

from __future__ import annotations

import random

import pytest

from leafnode import limits
from leafnode.uplink.answers import HubMessage
from leafnode.uplink.nexts import Nexts

END = 60


def at(hub_seq: int) -> HubMessage:
    return HubMessage(hub_seq, None, None)


def test_an_answer_is_the_same_from_any_place_up_to_its_message() -> None:
    nexts = Nexts(2)

    nexts.add(0, 10, at(20))
    nexts.add(0, 50, None)

    found = [nexts.find(0, first) for first in (10, 15, 20, 50, 99)]
    assert [one and one.message for one in found] == [at(20), at(20), at(20), None, None]
    assert all(found)
    assert [nexts.find(0, first) for first in (9, 21, 49)] == [None] * 3
    assert nexts.find(1, 15) is None


@pytest.mark.parametrize("seed", range(20))
def test_what_it_knows_is_what_the_hub_would_say(seed: int) -> None:
    rng = random.Random(seed)
    hub = sorted(rng.sample(range(1, END), rng.randrange(12)))
    nexts, asked = Nexts(1), 0
    for _ in range(200):
        first = rng.randrange(1, END)
        true = next((at(seq) for seq in hub if seq >= first), None)
        known = nexts.find(0, first)
        if known is None:
            asked += 1
            nexts.add(0, first, true)
        else:
            assert known.message == true

    assert asked < END


def test_it_keeps_only_so_many(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "UPLINK_NEXTS_MAX", 3)
    nexts = Nexts(2)
    nexts.add(0, 1, at(1))
    nexts.add(0, 3, at(4))
    nexts.add(0, 2, at(4))
    nexts.add(1, 1, at(1))

    nexts.add(1, 5, at(6))

    assert [nexts.find(0, 1), nexts.find(0, 2), nexts.find(1, 1)] == [None] * 3
    assert nexts.find(1, 5) is not None
