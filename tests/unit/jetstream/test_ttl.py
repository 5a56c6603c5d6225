"""Times to live (ADR-43): texts, order, and what never ages. Measured on nats-server 2.15.1."""

from __future__ import annotations

import pytest

from leafnode import limits
from leafnode.jetstream.ttl import NEVER, TtlQueue, parse_ttl

S = 1_000_000_000


@pytest.mark.parametrize(
    ("value", "ttl_ns"),
    [
        (b"1", S),
        (b"1s", S),
        (b"1.5s", S),
        (b"1h30m", 5400 * S),
        (b"never", NEVER),
        (b"NEVER", NEVER),
        (b"0" * 5000 + b"7", 7 * S),
        (b"%d" % (2**63 - 1), (2**63 - 1) * S),
        (b"%d" % 2**63, None),
        (b"1" * 5000, None),
        (b"9" * 5000 + b"s", None),
        (b"0", None),
        (b"500ms", None),
        (b"-1", None),
        (b"abc", None),
        (b"", None),
    ],
)
def test_each_text_has_its_time(value: bytes, ttl_ns: int | None) -> None:
    assert parse_ttl(value) == ttl_ns


def test_what_is_due_comes_out_once_and_in_order() -> None:
    queue = TtlQueue()
    queue.add(1, 0, 30)
    queue.add(2, 0, 10)
    queue.add(3, 0, 20)

    assert queue.next_ns() == 10
    assert queue.take_due(20, 1) == [2]
    assert queue.take_due(20, 9) == [3]
    assert queue.take_due(20, 9) == []
    assert queue.next_ns() == 30


def test_what_never_ages_is_not_due() -> None:
    queue = TtlQueue()

    queue.add(1, 0, NEVER)

    assert queue.next_ns() is None
    assert list(queue.never) == [1]


def test_lost_messages_are_forgotten() -> None:
    queue = TtlQueue()
    queue.add(1, 0, 10)
    queue.add(2, 0, 5)
    queue.add(3, 0, NEVER)

    queue.forget_above(1)

    assert (queue.take_due(99, 9), list(queue.never)) == ([1], [])


def test_what_never_ages_is_found_by_its_place() -> None:
    queue = TtlQueue()
    for seq in (7, 3, 9, 3):
        queue.add(seq, 0, NEVER)

    assert [queue.first_never(seq) for seq in (1, 3, 4, 9, 10)] == [3, 3, 7, 9, None]
    assert [queue.is_never(seq) for seq in (2, 3, 9)] == [False, True, True]
    queue.forget_below(7)
    assert list(queue.never) == [7, 9]


@pytest.mark.parametrize("ttl_ns", [100, NEVER])
def test_where_many_more_are_known_than_are_there_those_are_forgotten(
    monkeypatch: pytest.MonkeyPatch, ttl_ns: int
) -> None:
    monkeypatch.setattr(limits, "TTLS_STALE_MAX", 4)
    queue = TtlQueue()
    for seq in range(1, 31):
        queue.add(seq, seq, ttl_ns)
    assert not queue.doubt(13)
    assert queue.doubt(12)

    gone: list[tuple[int, int]] = []
    while queue.is_doubtful:
        queue.add(100 + len(gone), 300, ttl_ns)  # others come meanwhile
        some = queue.sweep(lambda seq: seq % 3 == 0, 7)
        assert len(some) <= 7
        gone += some

    left = [seq for seq in range(1, 31) if seq % 3]
    assert sorted(seq for _, seq in gone) == left
    assert {at - seq for at, seq in gone} == ({100} if ttl_ns > 0 else {NEVER - s for s in left})
    kept = queue.take_due(10**9, 99) if ttl_ns > 0 else list(queue.never)
    assert [seq for seq in kept if seq < 100] == list(range(3, 31, 3))
    assert len(kept) == 10 + 5


def test_what_cannot_be_looked_at_now_is_doubtful_still(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "TTLS_STALE_MAX", 0)
    queue = TtlQueue()
    for seq in range(1, 10):
        queue.add(seq, seq, 100)
        queue.add(seq, seq, NEVER)
    assert queue.doubt(0)

    assert queue.sweep(lambda _: None, 99) == []

    assert queue.is_doubtful
    assert (queue.next_ns(), queue.first_never(0)) == (101, 1)
    assert sorted(queue.take_due(105, 9)) == [1, 2, 3, 4, 5]
    queue.forget_above(7)
    assert not queue.is_doubtful
    assert (queue.take_due(999, 9), list(queue.never)) == ([6, 7], [1, 2, 3, 4, 5, 6, 7])
