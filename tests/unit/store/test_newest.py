"""When the newest message of a pattern is looked for, and when only what came since."""

from __future__ import annotations

import pytest

from leafnode import limits
from leafnode.store.newest import Newest


class Stream:
    """Sequences that match some pattern, and what was asked."""

    def __init__(self, *seqs: int) -> None:
        self.seqs = set(seqs)
        self.last_seq = max(seqs, default=0)
        self.newest = Newest()
        self.asked: list[str] = []

    def since(self, seq: int) -> int:
        self.asked.append(f"since {seq}")
        return max((one for one in self.seqs if one >= seq), default=0)

    def search(self) -> int:
        self.asked.append("search")
        return max(self.seqs, default=0)

    def ask(self, pattern: bytes = b"s.*") -> int:
        self.asked.clear()
        return self.newest.of(
            pattern,
            self.last_seq,
            since=self.since,
            lives=self.seqs.__contains__,
            search=self.search,
        )


@pytest.mark.parametrize("seqs", [(), (3, 5)])
def test_asked_again_only_what_came_since_is_looked_at(seqs: tuple[int, ...]) -> None:
    stream = Stream(*seqs)
    assert stream.ask() == max(seqs, default=0)
    assert stream.asked == (["since 1"] if seqs else ["since 1", "search"])
    stream.last_seq = 9

    assert stream.ask() == max(seqs, default=0)

    assert stream.asked == [f"since {max(seqs, default=0) + 1}"]
    stream.seqs.add(12)
    stream.last_seq = 13
    assert (stream.ask(), stream.asked) == (12, ["since 10"])


def test_one_that_is_gone_is_looked_for_unless_a_newer_one_came() -> None:
    stream = Stream(3, 5)
    assert stream.ask() == 5
    stream.seqs = {3, 6}
    stream.last_seq = 6
    assert (stream.ask(), stream.asked) == (6, ["since 6"])
    stream.seqs.discard(6)

    assert stream.ask() == 3

    assert stream.asked == ["since 7", "search"]


def test_after_very_many_all_are_looked_at() -> None:
    stream = Stream(1)
    assert stream.ask() == 1
    stream.last_seq += limits.NEWEST_LOOKED_AT
    assert (stream.ask(), stream.asked) == (1, ["since 2"])
    stream.last_seq += limits.NEWEST_LOOKED_AT + 1
    near = stream.last_seq + 1 - limits.NEWEST_NEAR

    assert (stream.ask(), stream.asked) == (1, [f"since {near}", "search"])


def test_so_many_patterns_are_known(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "SUBJECT_FILTERS_MAX", 2)
    stream = Stream(1)
    for pattern in (b"a.*", b"b.*", b"a.*", b"c.*"):
        stream.ask(pattern)

    assert (stream.ask(b"a.*"), stream.asked) == (1, ["since 2"])
    assert (stream.ask(b"b.*"), stream.asked) == (1, ["since 1"])


def test_one_near_the_end_is_found_without_a_look_at_every_subject() -> None:
    near = limits.NEWEST_NEAR
    stream = Stream(near, 2 * near)
    stream.last_seq = 3 * near - 1
    assert (stream.ask(), stream.asked) == (2 * near, [f"since {2 * near}"])

    stream.last_seq += 1

    assert (stream.ask(b"o.*"), stream.asked) == (2 * near, [f"since {2 * near + 1}", "search"])
