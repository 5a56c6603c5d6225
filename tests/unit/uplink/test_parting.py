"""Halving: the newest of the hub's messages that is here, too."""

from __future__ import annotations

import random
from bisect import bisect_left
from itertools import islice
from typing import TYPE_CHECKING

import pytest

from leafnode import limits
from leafnode.uplink.answers import HubMessage
from leafnode.uplink.parting import Parting, Stretch, Verdict

if TYPE_CHECKING:
    from collections.abc import Callable

VERDICTS = {True: Verdict.HERE, False: Verdict.FOREIGN, None: Verdict.UNKNOWN}
SUBJECTS = ["e.a", "e.b"]


def find(parting: Parting, hub: dict[int, HubMessage], known: dict[int, bool | None]) -> int:
    """Answer from a hub's stream, and say what of it is here; return how many questions it took."""
    asked = 0
    seqs = sorted(hub)
    while not parting.is_over:
        while parting.open_walks:
            number, first, subject = parting.open_walks[0]
            later = islice(seqs, bisect_left(seqs, first), None)
            found = next((seq for seq in later if hub[seq].subject == subject), 0)
            parting.walk(number, first, hub.get(found))
            asked += 1
        found = parting.candidate.hub_seq if parting.candidate is not None else 0
        parting.judge(VERDICTS[known.get(found)])
    return asked


def ours(hub_seq: int, subject: str = "e.a") -> HubMessage:
    return HubMessage(hub_seq, hub_seq, None, subject)


def stranger(hub_seq: int) -> HubMessage:
    return HubMessage(hub_seq, None, None, "e.a")


def early(hub_seq: int) -> HubMessage:
    return stranger(hub_seq)._replace(stored_ns=1)


def newest(parting: Parting) -> int:
    return 0 if parting.newest is None else parting.newest.hub_seq


@pytest.mark.parametrize("here", [0, 1, 2, 500, 998, 999])
def test_the_newest_that_is_here_is_found_in_few_questions(here: int) -> None:
    hub = {seq: ours(seq) for seq in range(1, 1001)}
    parting = Parting(["e.a"], Stretch(0, 1000))

    asked = find(parting, hub, {seq: seq <= here for seq in hub})

    assert newest(parting) == here
    assert asked <= 11


@pytest.mark.parametrize("seed", range(20))
def test_whatever_lies_between_and_under_whichever_subject(seed: int) -> None:
    rng = random.Random(seed)
    hub: dict[int, HubMessage] = {}
    for seq in range(1, rng.randrange(3, 400)):
        if rng.random() < 0.8:
            hub[seq] = rng.choice([ours(seq), ours(seq, "e.b"), stranger(seq), ours(seq, "x")])
    end = max(hub) + 1
    border = rng.randrange(end)
    asked_for = [seq for seq, one in hub.items() if one.seq is not None and one.subject != "x"]
    parting = Parting(SUBJECTS, Stretch(0, end))

    find(parting, hub, {seq: seq <= border for seq in hub})

    assert newest(parting) == max((seq for seq in asked_for if seq <= border), default=0)


def test_what_may_have_been_here_is_passed_over() -> None:
    hub = {seq: ours(seq) for seq in range(1, 100)}
    known: dict[int, bool | None] = {seq: seq <= 60 for seq in hub}
    known |= dict.fromkeys(range(40, 58))
    parting = Parting(SUBJECTS, Stretch(0, 100))

    find(parting, hub, known)

    assert newest(parting) == 60


@pytest.mark.parametrize("here", [50_000, 50_001, 50_300, 50_600])
@pytest.mark.parametrize("make", [stranger, early])
def test_what_is_not_ours_is_passed_over_in_leaps(
    make: Callable[[int], HubMessage], here: int
) -> None:
    hub = {seq: make(seq) for seq in range(1, 50_000)}
    hub |= {seq: ours(seq)._replace(stored_ns=2) for seq in range(50_000, 50_601)}
    parting = Parting(["e.a"], Stretch(0, 50_601), since_ns=0 if make is stranger else 2)

    asked = find(parting, hub, {seq: seq <= here for seq in hub})

    assert (newest(parting), parting.is_whole) == (here, True)
    assert asked <= (30 if make is early else 300)


def test_others_may_lie_between_all_of_ours() -> None:
    hub = {seq: ours(seq) if seq % 20 == 0 else stranger(seq) for seq in range(1, 40_000)}
    parting = Parting(["e.a"], Stretch(0, 40_000))

    asked = find(parting, hub, {seq: seq <= 20_000 for seq in hub})

    assert (newest(parting), parting.is_whole) == (20_000, True)
    assert asked <= 20 * 15


def test_what_is_here_may_lie_behind_what_an_earlier_copy_left() -> None:
    """By its time that is before all that waits here; but clocks may be wrong."""
    hub = {seq: ours(seq)._replace(stored_ns=seq) for seq in range(1, 4_000)}
    here = {seq: seq <= 1_000 or 2_000 < seq <= 3_000 for seq in hub}
    told, ahead = (Parting(["e.a"], Stretch(0, 4_000), since_ns) for since_ns in (2_001, 10_000))

    find(told, hub, here)
    asked = find(ahead, hub, here)

    assert (newest(told), told.is_whole) == (3_000, True)
    assert newest(ahead) in {1_000, 3_000}
    assert asked <= 2 * limits.UPLINK_PROBES_MAX


def test_it_begins_behind_what_is_known() -> None:
    hub = {seq: ours(seq) for seq in range(1, 1001)}
    parting = Parting(["e.a"], Stretch(900, 1000))

    assert find(parting, hub, dict.fromkeys(hub, False)) <= 7
    assert (newest(parting), parting.is_whole) == (0, True)
    assert Parting(["e.a"], Stretch(99, 100)).is_over


def test_of_others_and_of_what_cannot_be_known_only_so_much_is_looked_at() -> None:
    many = 3 * limits.UPLINK_PROBES_MAX
    for known, hub in (
        ({}, {seq: stranger(seq) for seq in range(1, many)}),
        ({}, {seq: ours(seq) for seq in range(1, many)}),
    ):
        parting = Parting(["e.a"], Stretch(0, many))
        assert find(parting, hub, known) == limits.UPLINK_PROBES_MAX
        assert (newest(parting), parting.is_whole) == (0, False)


def test_an_answer_that_goes_back_or_comes_twice_changes_nothing() -> None:
    parting = Parting(["e.a"], Stretch(0, 100))
    (number, first, _) = parting.open_walks[0]

    parting.walk(number, first + 1, ours(70))
    assert parting.open_walks == [(number, first, "e.a")]
    parting.walk(number, first, HubMessage(first - 1, None, None, "e.a"))

    assert (parting.is_over, parting.open_walks) == (True, [])


def test_a_subject_is_not_asked_again_where_it_is_known_to_have_nothing() -> None:
    """Many prefixes and transforms give many subjects, of which each has a few messages."""
    subjects = [f"e.{number}" for number in range(40)]
    hub = {seq * 100: ours(seq * 100, subjects[seq % 10]) for seq in range(1, 201)}
    here = {seq: seq <= 10_000 for seq in hub}
    told, unknown = (Parting(subjects, Stretch(0, 20_001)) for _ in range(2))

    # Each subject of all 40 at each look were 560 and 40,960 questions.
    assert find(told, hub, here) <= 170
    assert (newest(told), told.is_whole) == (10_000, True)
    assert find(unknown, hub, {}) <= 1800
    assert newest(unknown) == 0


def test_what_needs_no_question_is_worked_off_some_at_a_time() -> None:
    """All of those are strangers, and known since the first look: nothing may hold the loop up."""
    hub = {seq: stranger(seq)._replace(subject=f"e.{seq}") for seq in range(1, 101)}
    parting = Parting([one.subject for one in hub.values()], Stretch(0, 101))
    steps = 0
    while not parting.is_over:
        for number, first, _ in parting.open_walks:
            found = hub[number + 1]
            parting.walk(number, first, found if found.hub_seq >= first else None)
        parting.judge(Verdict.UNKNOWN)
        steps += 1

    assert (newest(parting), parting.is_whole) == (0, True)
    assert steps >= 100 // limits.UPLINK_PROBES_AT_ONCE


@pytest.mark.parametrize(("stored_ns", "end"), [(5, 1000), (500, 399)])
def test_behind_one_of_another_history_that_shows_none_is_looked_for_but_where_it_is_early(
    stored_ns: int, end: int
) -> None:
    shown = HubMessage(400, 40, None, mark="other", stored_ns=stored_ns)
    parting = Parting(["e.a"], Stretch(0, 1000, shown), since_ns=100)
    seen = 0
    while not parting.is_over:
        for number, first, _ in parting.open_walks:
            seen = max(seen, first)
            parting.walk(number, first, None)

    assert parting.is_whole
    assert (seen > 400) == (end == 1000)
