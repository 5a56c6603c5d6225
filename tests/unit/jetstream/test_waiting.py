"""num_pending, step by step: what is asked of the store, and what each step makes of it."""

from __future__ import annotations

import random
from collections import deque
from typing import TYPE_CHECKING

import pytest

from leafnode import limits
from leafnode.jetstream.waiting import Waiting
from leafnode.protocol.subject import matches
from leafnode.store.memory import MemoryStore

if TYPE_CHECKING:
    from leafnode.store.memory_stream import MemoryStream


class Counted:
    """A stream in memory, and what waits in it for a consumer with a filter."""

    def __init__(self, count: int = 0, filters: list[bytes] | None = None) -> None:
        self.stream: MemoryStream = MemoryStore().create_stream("A", "S", b"{}", 5, 1)
        self.filters = filters or []
        self.listed: deque[int] = deque()
        self.waiting = Waiting(self.stream, self.filters, self.listed)
        self.next_seq = 1
        self.asked = 0
        for number in range(count):
            self.put(b"s.%d" % (number % 2))

    def put(self, subject: bytes = b"s.1") -> None:
        self.stream.append(subject, 0, b"x", 9)

    def matches(self, subject: bytes) -> bool:
        return not self.filters or any(matches(one, subject) for one in self.filters)

    def delete(self, seq: int) -> None:
        subject = self.stream.subject_of(seq)
        assert subject is not None
        self.stream.remove([seq])
        if seq >= self.next_seq and self.matches(subject):
            self.waiting.removed(seq, subject, self.next_seq)

    def take(self) -> None:
        """Deliver the next message that matches."""
        for seq in self.stream.live(self.next_seq, 10**6):
            self.next_seq = seq + 1
            if self.matches(self.stream.subject_of(seq) or b""):
                self.waiting.take(1)
                return
        self.next_seq = self.stream.last_seq() + 1

    @property
    def count(self) -> int:
        return self.waiting.count(self.next_seq)


def test_what_comes_is_added_and_what_is_delivered_subtracted() -> None:
    counted = Counted(4)
    assert counted.count == 4
    counted.put()
    assert counted.count == 5
    counted.take()

    assert counted.waiting.left == counted.count == 4


def test_counted_anew_by_the_last_of_each_subject_more_may_come() -> None:
    counted = Counted(4)
    counted.waiting.count_last(4)
    assert counted.count == 2
    counted.put()
    assert counted.count == 3

    for left in (2, 1, 0, 0, 0):
        counted.take()
        assert counted.waiting.left == left
    counted.put()
    assert counted.count == 1


def test_what_is_uncounted_is_so_until_the_end_though_it_was_counted_anew() -> None:
    counted = Counted(6)
    counted.waiting.count_last(6)
    assert counted.count == 2
    counted.stream.remove([1, 2])
    counted.waiting.recount()

    assert counted.count == 0
    counted.put()
    counted.put()
    assert counted.count == 2


def test_counted_anew_by_the_last_of_each_subject_with_a_filter() -> None:
    counted = Counted(6, [b"s.1"])
    counted.waiting.count_last(6)

    assert counted.count == 1


@pytest.mark.parametrize("counts_first", [True, False])
def test_then_one_is_subtracted_for_each_message_that_is_deleted(counts_first: bool) -> None:
    counted = Counted(6)
    counted.next_seq = 3
    counted.waiting.count_last(6)
    if counts_first:
        assert counted.count == 2

    counted.delete(1)  # before its position
    counted.delete(3)  # another one is left

    assert counted.count == 1
    counted.delete(6)
    assert counted.count == 0


def test_messages_that_came_since_the_purge_was_asked_for_all_count() -> None:
    counted = Counted(4)
    for subject in (b"s.1", b"s.1", b"s.2", b"s.2"):
        counted.put(subject)

    counted.waiting.count_last(4)

    assert counted.count == 2 + 4


def test_what_was_undone_is_counted_as_before() -> None:
    counted = Counted(4)
    counted.waiting.count_last(4)
    assert counted.count == 2
    before = counted.waiting.mark()
    counted.waiting.count_last(9)

    counted.waiting.go_back(before)

    assert counted.count == 2
    counted.put()
    assert counted.count == 3


def test_one_that_is_removed_is_no_reason_to_ask_the_store(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    counted = Counted(100)
    assert counted.count == 100
    monkeypatch.setattr(counted.stream, "num_pending", None)  # a call would raise

    for seq in range(1, 51):  # each is the first
        counted.delete(seq)
        assert counted.count == 100 - seq
    counted.delete(100)

    assert counted.count == 49


def test_one_that_is_removed_before_the_last_listed_is_subtracted_at_once() -> None:
    counted = Counted(6)  # 5 and 6 are the last of their subjects
    counted.listed.extend([5, 6])
    assert counted.count == 2

    counted.delete(5)
    assert counted.count == 1
    counted.delete(2)  # does not come, and counts on nats-server
    assert counted.count == 0
    counted.waiting.recount()
    assert counted.count == 0
    assert counted.listed.popleft() == 5
    counted.waiting.skip(5)
    assert counted.count == 0
    counted.put()
    assert counted.count == 1


def test_one_whose_removal_was_undone_counts_again() -> None:
    counted = Counted(6)
    counted.listed.extend([5, 6])
    assert counted.count == 2
    counted.waiting.removed(5, b"s.0", 1)  # and it is there
    assert counted.waiting.left == 1

    counted.waiting.recount()

    assert counted.count == 2


class Model:
    """One number, as nats-server has it, that may be below 0."""

    def __init__(self, rng: random.Random) -> None:
        self.rng = rng
        filters = rng.choice([[], [b"s.*"], [b"s.1"], [b"s.0", b"s.2"]])
        self.counted = Counted(rng.randint(0, 12), filters)
        self.npc = len(self.waits())
        self.seen_seq = 0

    def waits(self) -> list[bytes]:
        """The subjects of what is really left."""
        counted = self.counted
        seqs = counted.stream.live(counted.next_seq, 10**6)
        names = [counted.stream.subject_of(seq) or b"" for seq in seqs]
        return [name for name in names if counted.matches(name)]

    def ask(self) -> None:
        if self.counted.next_seq > self.seen_seq:  # the end of what was there
            self.npc = len(self.waits())
        self.seen_seq = self.counted.stream.last_seq()
        assert self.counted.count == max(0, self.npc)

    def put(self) -> None:
        name = b"s.%d" % self.rng.randint(0, 2)
        self.counted.put(name)
        self.npc += self.counted.matches(name)

    def take(self) -> None:
        self.ask()  # as before each delivery
        self.npc -= bool(self.waits())
        self.counted.take()

    def delete(self) -> None:
        before = len(self.waits())
        for seq in self.rng.sample(self.counted.stream.live(1, 99), 1):
            self.counted.delete(seq)
        self.npc -= before - len(self.waits())

    def several(self) -> None:
        before = len(self.waits())
        self.counted.stream.remove(self.rng.sample(self.counted.stream.live(1, 99), 2))
        self.counted.waiting.recount()
        self.npc -= before - len(self.waits())

    def front(self) -> None:
        before = len(self.waits())
        self.counted.stream.remove_below(self.counted.stream.state().first_seq + 2)
        self.npc -= before - len(self.waits())

    def last(self) -> None:
        self.counted.waiting.count_last(self.counted.stream.last_seq())
        self.npc = len(set(self.waits()))
        self.seen_seq = self.counted.stream.last_seq()
        self.ask()  # later it would be of what is left then


@pytest.mark.parametrize("seed", range(100))
def test_whatever_happens_it_is_what_nats_server_says(seed: int) -> None:
    model = Model(random.Random(seed))
    model.ask()
    for _ in range(80):
        room = model.counted.stream.state().msgs >= 2
        steps = [model.put, model.put, model.take, model.ask, model.last]
        if room:
            steps += [model.delete, model.several, model.front]
        model.rng.choice(steps)()
    model.ask()


def change(two: tuple[Counted, Counted], rng: random.Random) -> None:
    """Let the same happen to both."""
    live = two[0].stream.live(1, 99)
    what = rng.choice(["put", "take", "delete", "listed", "nothing"])
    name, place = b"s.%d" % rng.randint(0, 4), rng.randrange(99)
    for one in two:
        if what == "put":
            one.put(name)
        elif what == "delete" and live:
            one.delete(live[place % len(live)])
        elif what == "take":
            assert one.count >= 0  # as before each delivery
            one.take()


@pytest.mark.parametrize("seed", range(60))
def test_what_does_not_count_may_be_looked_for_in_steps_whatever_happens_between_them(
    seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "LISTED_PER_STEP", 2)
    rng = random.Random(seed)
    filters: list[bytes] = rng.choice([[], [b"s.*"], [b"s.1"], [b"s.0", b"s.2"]])
    two = Counted(0, filters), Counted(0, filters)
    for one in two:
        for number in range(12):
            one.put(b"s.%d" % (number % 5))
        one.waiting.count_last(12)
    steps = two[0].waiting.look(1)
    for _ in steps:
        if rng.random() < 0.3:
            change(two, rng)
    if not two[0].waiting.mark()[1]:  # found: nothing is left to be looked for
        assert two[1].count == two[0].count

    for _ in range(20):
        change(two, rng)
        assert two[0].count == two[1].count


def test_a_step_is_of_so_many_subjects_and_the_count_behind_them_asks_for_none(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(limits, "LISTED_PER_STEP", 4)
    counted = Counted()
    for number in range(40):
        counted.put(b"s.%d" % number)
    counted.listed.extend(range(1, 41))
    counted.put(b"t")
    counted.next_seq = 2
    counted.listed.popleft()
    counted.waiting.count_last(41)
    asked: list[int] = []
    missing = counted.stream.missing
    monkeypatch.setattr(
        counted.stream, "missing", lambda seqs: asked.append(len(seqs)) or missing(seqs)
    )

    steps = sum(1 for _ in counted.waiting.look(2))

    assert steps >= 2 * 10
    assert max(asked) == 4
    monkeypatch.setattr(counted.stream, "num_subjects", None)  # nobody calls it
    assert counted.count == 40
