"""leafnode.routing.awaited; who gives way at the bounds is in test_services."""

from __future__ import annotations

import random
from collections import Counter
from typing import TYPE_CHECKING

from leafnode.limits import RESPONSES_ENDED_PER_TURN
from leafnode.routing.awaited import Ranking
from tests.unit.routing.test_services import Pair

if TYPE_CHECKING:
    import pytest

    from leafnode.routing.match import Match


def test_a_ranking_names_who_has_most_whatever_was_added_and_taken() -> None:
    rng, ranking, counts = random.Random(1), Ranking[int](), Counter[int]()
    for _ in range(5_000):
        holder = rng.randrange(8)
        if counts[holder] and rng.random() < 0.48:
            ranking.add(holder, -1)
            counts[holder] -= 1
        else:
            ranking.add(holder)
            counts[holder] += 1

        assert ranking.total == counts.total()
        assert not ranking.total or counts[ranking.first()] == max(counts.values())


def asked(count: int) -> Pair:
    """Return a pair whose requester waits on so many inboxes."""
    pair = Pair()
    pair.responder.subscribe(b"q", b"1")
    for number in range(count):
        pair.requester.says(b"PUB q inbox.%d 1\r\nq\r\n" % number)
    return pair


def watched(pair: Pair, monkeypatch: pytest.MonkeyPatch) -> list[bytes]:
    """Return a list that grows by each reply whose receivers are looked for."""
    account, looked = pair.world.account("I"), list[bytes]()
    find = account.sublist.find_inbox

    def noting(subject: bytes) -> Match:
        looked.append(subject)
        return find(subject)

    monkeypatch.setattr(type(account.sublist), "find_inbox", lambda _, subject: noting(subject))
    return looked


def test_an_unsub_looks_at_nothing_while_the_same_is_subscribed_to_once_more(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    pair = asked(10)
    looked = watched(pair, monkeypatch)
    sub = pair.requester.subscribe(b"inbox.*", b"9")

    pair.world.account("I").remove(sub)
    pair.world.clock.advance(0)

    assert looked == []
    assert pair.owed == 10


def test_whatever_ends_in_one_turn_answers_are_looked_at_once_and_in_slices(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    count = RESPONSES_ENDED_PER_TURN + 10
    pair = asked(count)
    account = pair.world.account("I")
    pair.requester.subscribe(b"inbox.>", b"8")
    account.remove(pair.requester.subs.pop(b"1"))
    looked = watched(pair, monkeypatch)

    for _ in range(50):
        account.remove(pair.requester.subscribe(b"inbox.*", b"9"))
    assert looked == []
    pair.world.clock.advance(0)

    assert len(looked) == len(set(looked)) == count
    assert pair.owed == count


def test_of_very_many_answers_that_nobody_waits_for_a_slice_ends_in_each_turn() -> None:
    pair = asked(3 * RESPONSES_ENDED_PER_TURN)
    account = pair.world.account("I")
    left: list[int] = []

    account.remove(pair.requester.subs.pop(b"1"))
    pair.world.call_later(0, lambda: left.append(pair.owed))
    pair.world.clock.advance(0)

    assert 0 < left[0] < 3 * RESPONSES_ENDED_PER_TURN
    assert pair.owed == 0


def test_very_many_requests_with_one_reply_end_in_slices_too() -> None:
    pair = Pair()
    pair.responder.subscribe(b"q", b"1")
    for _ in range(3 * RESPONSES_ENDED_PER_TURN):
        pair.ask()
    account = pair.world.account("I")
    account.remove(pair.requester.subs.pop(b"1"))
    sub = pair.requester.subscribe(b"inbox.1", b"2")
    left: list[int] = []

    account.remove(sub)
    pair.world.call_later(0, lambda: left.append(pair.owed))
    pair.world.clock.advance(0)

    assert 0 < left[0] < 3 * RESPONSES_ENDED_PER_TURN
    assert pair.owed == 0


def test_a_token_that_only_looks_like_a_wildcard_is_none() -> None:
    pair = asked(1)
    account = pair.world.account("I")

    account.remove(pair.requester.subscribe(b"inbox.x*", b"9"))
    pair.world.clock.advance(0)

    assert pair.owed == 1
