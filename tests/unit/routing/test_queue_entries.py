"""leafnode.routing.queue_entries against a look at one entry after the other."""

from __future__ import annotations

from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from leafnode.protocol import subject as subjects
from leafnode.routing.queue_entries import QueueEntries
from tests.sim.making import counted, made

TOKENS = [b"a", b"b", b"*", b">", b""]
ANY = st.lists(st.sampled_from(TOKENS), min_size=1, max_size=4).map(b".".join)
VALID = st.lists(st.sampled_from(TOKENS[:4]), min_size=1, max_size=4).map(b".".join)
PATTERN = VALID.filter(subjects.is_valid)
NAMES = [b"v", b"v.1", b"v.*", b"v.>", b"*", b">", b"*.1", b"v..1", b"v."]
NAME = st.sampled_from(NAMES)
ENTRIES = st.lists(
    st.tuples(PATTERN, NAME | st.integers(0, 40).map(lambda n: b"n%d" % n)), max_size=60
)


def is_queue(queue: bytes, name: bytes) -> bool:
    return queue == name or subjects.is_subset(queue, name)


def stands_for(of: bytes, subject: bytes) -> bool:
    return subjects.matches(of, subject) and not subjects.has_empty_token(subject)


@given(ENTRIES, ANY, NAME | st.sampled_from([b"n7", b"w"]))
def test_what_entries_say_is_what_one_of_them_says(
    entries: list[tuple[bytes, bytes]], subject: bytes, queue: bytes
) -> None:
    found = made(QueueEntries.made(entries))

    assert found.entries == entries
    assert found.cover(subject, queue) is any(
        subjects.is_subset(subject, of) and is_queue(queue, name) for of, name in entries
    )
    assert found.match(subject, queue) is any(
        stands_for(of, subject) and is_queue(queue, name) for of, name in entries
    )
    assert found.name(subject) is any(stands_for(of, subject) for of, _ in entries)


@given(st.lists(NAME, max_size=40), NAME)
def test_many_queues_of_one_subject_are_what_each_of_them_is(
    names: list[bytes], queue: bytes
) -> None:
    found = made(QueueEntries.made([(b"a", name) for name in names]))

    assert found.match(b"a", queue) is any(is_queue(queue, name) for name in names)


@pytest.mark.parametrize(
    "entries",
    [
        [(b"a.%d.*" % number, b"v%d" % number) for number in range(5000)],
        [(b"a.*.7", b"v%d" % number) for number in range(5000)],
        [(b"a.%d" % number, b"v.*") for number in range(5000)],
    ],
)
def test_of_many_entries_few_are_looked_at(
    entries: list[tuple[bytes, bytes]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each SUB with a queue took 6.5 ms with 9,000 entries."""
    found, steps = counted(QueueEntries.made(entries))
    looked: list[bytes] = []
    for name in ("matches", "is_subset"):
        whole = getattr(subjects, name)
        monkeypatch.setattr(
            subjects, name, lambda one, other, whole=whole: looked.append(one) or whole(one, other)
        )

    for queue in (b"v7", b"v.7", b"no"):
        found.cover(b"a.7.7", queue)
        found.match(b"a.7.7", queue)
    found.name(b"b.7")

    assert len(looked) <= 12
    assert found.visits <= 6
    assert steps >= len(entries)


def test_how_far_entries_branch_is_known() -> None:
    entries = [(b".".join(tokens), b"q") for tokens in product([b"*", b"a"], repeat=6)]

    assert made(QueueEntries.made(entries)).visits == 2**7 - 1
