"""What a stream lets in and lets go. Sizes and refusals measured on nats-server 2.15.1."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from leafnode.jetstream import retention
from leafnode.jetstream.api_types import StreamConfig
from leafnode.store.api import StreamState, SubjectState

LIMITS = StreamConfig(
    name="S", max_msgs=-1, max_bytes=-1, max_msgs_per_subject=-1, max_msg_size=-1, discard="new"
)
HELD = StreamState(3, 153, 1, 100, 3, 300, 1, 0)


@pytest.mark.parametrize(
    ("change", "of_subject", "size", "why"),
    [
        ({}, None, 1000, ""),
        ({"max_msgs": 4}, None, 1, ""),
        ({"max_msgs": 3}, None, 1, retention.TOO_MANY),
        ({"max_bytes": 204}, None, 51, ""),
        ({"max_bytes": 203}, None, 51, retention.TOO_MANY_BYTES),
        ({"max_msgs": 3, "max_msgs_per_subject": 1}, SubjectState(1, 1, 1), 1, ""),
        ({"max_msgs": 3, "max_msgs_per_subject": 1}, None, 1, retention.TOO_MANY),
        (
            {"max_msgs_per_subject": 1, "discard_new_per_subject": True},
            SubjectState(1, 1, 1),
            1,
            retention.TOO_MANY_OF_SUBJECT,
        ),
        (
            {"max_msgs_per_subject": 2, "discard_new_per_subject": True},
            SubjectState(1, 1, 1),
            1,
            "",
        ),
    ],
)
def test_discard_new_refuses_what_does_not_fit(
    change: dict[str, int], of_subject: SubjectState | None, size: int, why: str
) -> None:
    config = replace(LIMITS, **change)

    assert retention.refusal(config, HELD, of_subject, size) == why


def test_a_rollup_passes_the_limit_of_its_subject() -> None:
    config = replace(LIMITS, max_msgs_per_subject=1, discard_new_per_subject=True)

    assert retention.refusal(config, HELD, SubjectState(1, 1, 1), 1, rollup=True) == ""


def test_what_replaces_a_smaller_one_may_have_too_many_bytes() -> None:
    config = replace(LIMITS, max_msgs_per_subject=1, max_bytes=HELD.bytes)
    of_subject = SubjectState(1, 1, 1)

    assert retention.refusal(config, HELD, of_subject, 9, oldest_size=9) == ""
    assert retention.refusal(config, HELD, of_subject, 9, oldest_size=8) == retention.TOO_MANY_BYTES


@pytest.mark.parametrize(
    ("held", "why"),
    [
        ((4, 100, 2), ""),
        ((5, 101, 3), retention.TOO_MANY),
        ((4, 101, 3), retention.TOO_MANY_BYTES),
        ((4, 100, 3), retention.TOO_MANY_OF_SUBJECT),
        ((4, 100, 0), ""),
    ],
)
def test_a_batch_counts_what_would_be_held(held: tuple[int, int, int], why: str) -> None:
    limited = {"max_msgs": 4, "max_bytes": 100, "max_msgs_per_subject": 2}
    config = replace(LIMITS, **limited, discard_new_per_subject=True)

    assert retention.refusal_in_batch(config, *held) == why


@pytest.mark.parametrize(("most", "excess"), [(-1, 0), (3, 0), (2, 1)])
def test_the_excess_is_what_is_above_the_limit(most: int, excess: int) -> None:
    assert retention.excess_msgs(replace(LIMITS, max_msgs=most), HELD) == excess


@pytest.mark.parametrize(
    ("change", "makes"),
    [
        ({"discard": "old", "max_msgs": 1}, True),
        ({"discard": "old", "max_bytes": 1}, True),
        ({"discard": "old"}, False),
        ({"discard": "new", "max_msgs": 1, "max_bytes": 1}, False),
    ],
)
def test_only_what_refuses_nothing_makes_room(change: dict[str, Any], makes: bool) -> None:
    assert retention.makes_room(replace(LIMITS, **change)) is makes


def test_the_excess_of_bytes_and_of_a_subject() -> None:
    config = replace(LIMITS, max_bytes=150, max_msgs_per_subject=2)

    assert retention.excess_bytes(config, HELD) == 3
    assert retention.excess_of_subject(config, SubjectState(3, 1, 3)) == 1
    assert retention.excess_of_subject(config, None) == 0


def test_the_oldest_message_says_when_expiry_is_due() -> None:
    config = replace(LIMITS, max_age=1000)

    assert retention.next_expiry_ns(config, 100, now_ns=600) == 500
    assert retention.next_expiry_ns(config, 100, now_ns=5000) == 0
    assert retention.next_expiry_ns(LIMITS, 100, now_ns=600) is None
    assert retention.next_expiry_ns(config, None, now_ns=600) is None
    assert retention.expiry_cutoff_ns(config, 5000) == 4000


@pytest.mark.parametrize(
    ("change", "refuses"),
    [
        ({}, False),
        ({"max_msgs": 1}, True),
        ({"max_bytes": 1}, True),
        ({"max_msgs": 1, "discard": "old"}, False),
    ],
)
def test_a_stream_without_discard_new_limits_refuses_nothing(
    change: dict[str, object], refuses: bool
) -> None:
    assert retention.refuses_anything(replace(LIMITS, **change)) is refuses  # type: ignore[arg-type]
