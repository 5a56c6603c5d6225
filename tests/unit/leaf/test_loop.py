"""The loop subject of an account. Source: nats-server 2.15.1 server/leafnode.go."""

from __future__ import annotations

from random import Random

from leafnode.leaf.loop import LoopSubjects


def test_an_account_keeps_its_subject_and_no_two_share_one() -> None:
    subjects = LoopSubjects(Random(1))

    first = subjects.subject_of("A")

    assert first.startswith(b"$LDS.")
    assert len(first) == len(b"$LDS.") + 22
    assert subjects.subject_of("A") == first
    assert subjects.subject_of("B") != first
