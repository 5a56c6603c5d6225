"""SIGKILL under publish load loses no acked message: a few cycles here, many with `make kill9`."""

import asyncio
from pathlib import Path

import pytest

from tests.faults.kill9 import Audit, Loop

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
