"""Where a consumer starts, by policy. Measured on nats-server 2.15.1."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from leafnode.jetstream.api_types import ConsumerConfig
from leafnode.jetstream.start import start_of
from leafnode.protocol.subject import matches
from leafnode.store.memory import MemoryStore
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


@given(
    st.lists(st.sampled_from([b"a.1", b"a.2", b"b.1", b"b.2", b"c"]), min_size=1, max_size=12),
    st.sets(st.sampled_from(["a.*", "b.1", "b.2", "c"]), min_size=1),
    st.integers(0, 14),
)
def test_a_start_time_with_filters_is_what_all_subjects_say(
    subjects: list[bytes], filters: set[str], place: int
) -> None:
    store = MemoryStore().create_stream("$G", "S", b"", 0, 1)
    for number, subject in enumerate(subjects, 1):
        store.append(subject, 0, b"x", 100 * number)
    start, last = store.seq_at(100 * place), len(subjects)
    begins = []
    for one in filters:
        found = [n for n, name in enumerate(subjects, 1) if matches(one.encode(), name)]
        begins += found[:1]
    nearest = min((one for one in begins if start <= one < last), default=start)
    config = ConsumerConfig(
        deliver_policy="by_start_time", opt_start_time=100 * place, filter_subjects=sorted(filters)
    )

    assert start_of(store, config) == (nearest, [])


@pytest.mark.parametrize(("time", "asked"), [(9999, 0), (650, 5)])
def test_a_start_time_asks_no_more_subjects_than_it_needs(
    monkeypatch: pytest.MonkeyPatch, time: int, asked: int
) -> None:
    """Each of the five filters has a subject that begins before: the first of each is enough."""
    names = [b"%c.%d" % (letter, number) for number in range(3) for letter in b"abcde"]
    store = MemoryStore().create_stream("$G", "S", b"", 0, 1)
    for number, name in enumerate(names, 1):
        store.append(name, 0, b"x", 100 * number)
    seen: list[bytes] = []
    find = store.oldest

    def oldest(pattern: bytes, start_seq: int) -> int:
        seen.append(pattern)
        return find(pattern, start_seq)

    monkeypatch.setattr(store, "oldest", oldest)
    monkeypatch.setattr(store, "subjects", None)  # all of them, in order: 390 ms of 200,000
    config = ConsumerConfig(
        deliver_policy="by_start_time",
        opt_start_time=time,
        filter_subjects=[f"{letter}.*" for letter in "abcde"],
    )

    start_of(store, config)

    assert seen == names[:asked]


def test_a_start_time_with_few_filters_lists_no_subjects(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of 100,000 that took half a second."""
    store = stream(b"s.0", b"t.0", b"s.1", b"t.1")
    monkeypatch.setattr(store, "subjects", None)
    config = ConsumerConfig(
        deliver_policy="by_start_time", opt_start_time=150, filter_subjects=["s.1", "t.*"]
    )

    assert start_of(store, config) == (2, [])
