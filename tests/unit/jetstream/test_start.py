"""Where a consumer starts, by policy. Measured on nats-server 2.15.1."""

from __future__ import annotations

import pytest

from leafnode.jetstream.api_types import ConsumerConfig
from leafnode.jetstream.start import start_of
from tests.unit.jetstream.fake_store import FakeStore, FakeStream


def stream(*subjects: bytes, first_seq: int = 1) -> FakeStream:
    store = FakeStore().create_stream("$G", "S", b"", 0, first_seq)
    for number, subject in enumerate(subjects):
        store.append(subject, 0, b"x", 100 * (number + 1))
    return store


@pytest.mark.parametrize(
    ("config", "start"),
    [
        (ConsumerConfig(), (5, [])),
        (ConsumerConfig(deliver_policy="last"), (8, [])),
        (ConsumerConfig(deliver_policy="last", filter_subject="a"), (7, [])),
        (ConsumerConfig(deliver_policy="last", filter_subject="zz"), (5, [])),
        (ConsumerConfig(deliver_policy="new"), (9, [])),
        (ConsumerConfig(deliver_policy="by_start_sequence", opt_start_seq=6), (6, [])),
        (ConsumerConfig(deliver_policy="by_start_sequence", opt_start_seq=1), (5, [])),
        (ConsumerConfig(deliver_policy="by_start_sequence", opt_start_seq=99), (99, [])),
        (ConsumerConfig(deliver_policy="by_start_time", opt_start_time=250), (7, [])),
        (ConsumerConfig(deliver_policy="by_start_time", opt_start_time=999), (9, [])),
        (ConsumerConfig(deliver_policy="last_per_subject", filter_subject=">"), (7, [7, 8])),
        (ConsumerConfig(deliver_policy="last_per_subject", filter_subject="zz"), (8, [])),
        (
            ConsumerConfig(deliver_policy="by_start_time", opt_start_time=0, filter_subject="b"),
            (6, []),
        ),
    ],
)
def test_each_policy_has_its_start(config: ConsumerConfig, start: tuple[int, list[int]]) -> None:
    assert start_of(stream(b"a", b"b", b"a", b"b", first_seq=5), config) == start


def test_an_empty_stream_starts_at_its_first_sequence() -> None:
    assert start_of(stream(), ConsumerConfig(deliver_policy="last")) == (1, [])


def test_where_a_subject_has_one_message_all_of_the_stream_comes() -> None:
    config = ConsumerConfig(deliver_policy="last_per_subject", filter_subject=">")

    assert start_of(stream(b"a", b"b"), config, one_per_subject=True) == (1, [])
