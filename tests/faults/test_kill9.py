"""SIGKILL under publish load loses no acked message: a few cycles here, many with `make kill9`."""

import asyncio
import random
from pathlib import Path

import pytest

from tests.faults.kill9 import Audit, Loop
from tests.faults.kill9_loads import (
    Acks,
    judge_acks,
    judge_batches,
    judge_counter,
    judge_fast,
    judge_followers,
    judge_plans,
)
from tests.faults.kill9_queue import Queue

CYCLES = 4


@pytest.mark.faults
def test_no_acked_message_is_lost_by_sigkill(tmp_path: Path, seed: int) -> None:
    audit = asyncio.run(Loop(tmp_path, seed=seed).run(CYCLES))

    assert audit.judge() == [], audit.summary()
    assert audit.kills == CYCLES


def test_the_audit_finds_a_lost_a_moved_and_a_missing_message() -> None:
    audit = Audit(acked={1: 1, 2: 2, 3: 3}, stored={1: 1, 3: 4})

    assert audit.judge() == [
        "1 acked messages lost: [2]",
        "1 messages at another sequence than acked: [3]",
        "the sequences have gaps",
    ]


def test_the_audit_finds_a_wrong_order() -> None:
    audit = Audit(acked={1: 2, 2: 1}, stored={1: 2, 2: 1})

    assert audit.judge() == ["the order of the stream is not the order of publishing"]


def test_an_audit_of_nothing_shows_nothing() -> None:
    assert Audit().judge() == ["nothing was acked, so nothing was shown"]


def test_a_batch_that_is_cut_and_one_that_is_lost_are_found() -> None:
    whole = [(1, 7, 1), (2, 7, 2)]
    assert judge_batches(whole, {7: 2}, {7: 2}) == []

    assert judge_batches(whole, {7: 2, 8: 4}, {7: 3, 8: 2}) == [
        "batch 7 of 3 is not whole: [(1, 1), (2, 2)]",
        "batch 8, acked at 4, is lost or elsewhere",
    ]
    assert judge_batches([], {}, {}) == ["no batch was acked, so nothing was shown"]


def test_what_is_wrong_about_fast_batches() -> None:
    assert judge_fast({1: [1, 2, 3], 2: [1]}, {1: 2, 2: 0}) == []
    assert judge_fast({1: [1, 3], 2: [2]}, {1: 3, 3: 1}) == [
        "fast batch 1 has a gap or a double: [1, 3]",
        "fast batch 2 has a gap or a double: [2]",
        "fast batch 1 has 2 of 3 promised",
        "fast batch 3 has 0 of 1 promised",
    ]
    assert judge_fast({}, {1: 0}) == ["nothing of a fast batch was promised, so nothing was shown"]


def test_a_wrong_total_and_a_lost_one_are_found() -> None:
    assert judge_counter({1: 3, 2: 6}, {1: 3}, 3) == []

    assert judge_counter({1: 3, 2: 5}, {1: 3, 3: 9}, 3) == [
        "total 5 at 2",
        "the acked total at 3 is gone",
    ]
    assert judge_counter({1: 3, 2: 6}, {1: 3}, 1) == ["2 additions of 1, 1 of them acked"]


def test_a_schedule_that_came_twice_or_never_is_found() -> None:
    assert judge_plans([1, 2], {1}) == []

    assert judge_plans([1, 1], {1, 2}) == [
        "schedules came twice: [1]",
        "acked schedules never came: [2]",
    ]


def test_a_follower_with_a_gap_or_a_double_is_found() -> None:
    origin = [(1, b"a"), (2, b"b")]
    assert judge_followers(origin, origin, [b"a", b"b"]) == []

    assert judge_followers(origin, origin[1:], [b"a", b"a", b"b"]) == [
        "the mirror has 1 of 2, and differs from 0 on",
        "the source has 3 of 2, and differs from 1 on",
    ]


def test_a_floor_ahead_and_a_confirmed_message_that_comes_again_are_found() -> None:
    acks = Acks(sent={1, 2, 4}, confirmed={2})

    acks.note_floor(2)
    acks.note_delivery(1)
    assert acks.faults == []
    acks.note_floor(4)
    acks.note_delivery(2)

    assert acks.faults == [
        "the ack floor is 4, no ack was sent for [3]",
        "2 was delivered again after its ack was confirmed",
    ]
    assert judge_acks({1, 3}, 3) == ["1 messages were never delivered: [2]"]


def test_a_message_that_was_consumed_and_is_stored_again_is_found() -> None:
    load = Queue(random.Random(1), acked={7: 3})
    load.note_repeat(7, {"seq": 3, "duplicate": True})
    assert load.faults == []

    load.note_repeat(7, {"seq": 9})

    assert load.faults == ["7 was stored at 3 and again: {'seq': 9}"]
