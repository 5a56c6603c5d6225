"""A consumer's reading position."""

from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING

import pytest

from leafnode import limits
from leafnode.errors import StoreBusy, StoreCorrupt
from leafnode.jetstream.cursor import Cursor
from tests.unit.jetstream.fake_store import FakeStore, FakeStream

if TYPE_CHECKING:
    from leafnode.store.api import StoredMsg


class Reader:
    """A stream, a cursor on it, and how often the cursor had news."""

    def __init__(self, count: int, **options: object) -> None:
        self.root = FakeStore()
        self.store: FakeStream = self.root.create_stream("$G", "S", b"", 0, 1)
        for number in range(count):
            self.store.append(b"s.%d" % (number % 2), 0, b"x", number)
        self.news = 0
        filters = options.pop("filters", [])
        stream = SimpleNamespace(root=self.root, store=self.store)
        self.cursor = Cursor(stream, filters, 1, on_ready=self._on_ready, **options)  # type: ignore[arg-type]

    def _on_ready(self) -> None:
        self.news += 1

    def run(self, most: int) -> list[StoredMsg]:
        run = self.cursor.peek_run(most)
        self.cursor.take_run(len(run))
        return run

    def all(self) -> list[int]:
        seqs = []
        while (msg := self.cursor.peek()) is not None:
            seqs.append(msg.seq)
            self.cursor.take()
        return seqs


def test_messages_come_in_order_over_many_pages() -> None:
    count = 2 * limits.READ_BATCH_MSGS + 1
    reader = Reader(count)

    assert reader.all() == list(range(1, count + 1))
    assert reader.cursor.exhausted
    assert reader.cursor.looked_at == count


def test_peeking_takes_nothing() -> None:
    reader = Reader(1)

    assert reader.cursor.peek() is reader.cursor.peek()


def test_a_filter_is_read_and_counted() -> None:
    reader = Reader(5, filters=[b"s.1"])

    assert reader.cursor.num_pending(1) == 2
    assert reader.all() == [2, 4]
    assert reader.cursor.num_pending(5) == 0
    assert reader.cursor.peek() is None
    assert reader.cursor.looked_at == 5


def test_a_slow_read_brings_news_and_a_fast_one_does_not() -> None:
    reader = Reader(2)
    reader.root.slow_reads = True
    assert reader.cursor.peek() is None
    assert not reader.cursor.exhausted

    reader.root.answer_reads()

    assert (reader.news, reader.all()) == (1, [1, 2])
    assert Reader(2).news == 0


def test_the_next_page_is_on_its_way_while_one_is_sent() -> None:
    reader = Reader(2 * limits.READ_BATCH_MSGS)
    reader.root.slow_reads = True
    reader.cursor.peek()
    reader.root.answer_reads()

    first = reader.run(limits.READ_BATCH_MSGS)
    reader.root.answer_reads()
    reader.root.slow_reads = False
    second = reader.run(limits.READ_BATCH_MSGS)

    assert (len(first), first[0].seq) == (limits.READ_BATCH_MSGS, 1)
    assert (len(second), second[0].seq) == (limits.READ_BATCH_MSGS, limits.READ_BATCH_MSGS + 1)
    assert reader.cursor.exhausted


def test_a_run_is_not_lost_when_the_store_refuses_to_read_the_next_page() -> None:
    reader = Reader(limits.READ_BATCH_MSGS + 1)
    reader.cursor.peek()
    reader.root.read_error = StoreBusy("as the test wants it")

    run = reader.run(limits.READ_BATCH_MSGS)
    reader.root.read_error = None

    assert [msg.seq for msg in run] == list(range(1, limits.READ_BATCH_MSGS + 1))
    assert reader.all() == [limits.READ_BATCH_MSGS + 1]


def test_an_answer_from_before_a_reset_is_thrown_away_and_whoever_waits_asks_anew() -> None:
    reader = Reader(3)
    reader.root.slow_reads = True
    reader.cursor.peek()
    reader.cursor.reset(3)

    reader.root.answer_reads()
    reader.root.slow_reads = False

    assert reader.news == 1
    assert reader.all() == [3]


def test_so_is_a_single_message_and_nobody_is_told_while_more_is_on_its_way() -> None:
    reader = Reader(3, listed=[1, 2, 3])
    reader.root.slow_reads = True
    reader.cursor.peek()
    reader.cursor.reset(1)
    assert reader.cursor.peek() is None

    old, new = reader.root.answers[:3], reader.root.answers[3:]
    for answer in old:
        answer()
    assert reader.news == 0
    for answer in new:
        answer()

    assert reader.news == 1
    assert reader.all() == [1, 2, 3]


def test_uncommitted_messages_are_not_there() -> None:
    reader = Reader(1)
    reader.root.hold()
    reader.store.append(b"s.a", 0, b"x", 9)

    assert reader.all() == [1]
    assert reader.cursor.exhausted


def test_listed_messages_come_first_and_reading_goes_on_behind_them() -> None:
    reader = Reader(6, listed=[2, 4])

    assert reader.cursor.num_pending(1) == 4
    assert reader.all() == [2, 4, 5, 6]


def test_a_listed_message_that_was_removed_is_passed_over() -> None:
    reader = Reader(4, listed=[2, 3])
    reader.store.remove([2])

    assert reader.all() == [3, 4]


def test_no_more_gets_are_under_way_than_allowed() -> None:
    reader = Reader(200, listed=range(1, 201))
    reader.root.slow_reads = True

    reader.cursor.peek()

    assert len(reader.root.answers) == limits.GETS_IN_FLIGHT
    reader.root.answer_reads()
    reader.root.slow_reads = False
    assert reader.all() == list(range(1, 201))


def test_messages_that_were_asked_for_together_are_one_piece_of_news() -> None:
    reader = Reader(100)
    reader.root.slow_reads = True
    reader.cursor.fetch(3, ahead=range(3, 13))

    reader.root.answer_reads()

    assert reader.news == 1
    assert [reader.cursor.fetch(seq)[0] for seq in range(3, 13)] == [True] * 10


def test_what_was_read_ahead_and_is_not_wanted_any_more_takes_no_room() -> None:
    reader = Reader(200)
    reader.cursor.fetch(1, ahead=range(2, 101))

    reader.root.slow_reads = True
    reader.cursor.fetch(101, ahead=range(102, 201))

    assert len(reader.root.answers) == limits.GETS_IN_FLIGHT


def test_what_is_read_ahead_may_be_refused() -> None:
    reader = Reader(3)
    reader.root.slow_reads = True
    reader.cursor.fetch(1)
    reader.root.read_error = StoreBusy("4096 reads wait for the disk")

    assert reader.cursor.fetch(1, ahead=[2, 3]) == (False, None)


def test_of_large_messages_that_come_again_no_more_is_read_ahead_than_of_new_ones() -> None:
    reader = Reader(0)
    for _ in range(10):
        reader.store.append(b"s.0", 0, bytes(limits.PREFETCH_BYTES // 4), 9)
    for _ in range(3):
        reader.store.append(b"s.0", 0, bytes(2 * limits.PREFETCH_BYTES), 9)
    reader.root.slow_reads = True

    reader.cursor.fetch(1, ahead=range(1, 11))
    assert len(reader.root.answers) == 3  # a message counts for more than its body
    reader.root.answer_reads()
    reader.cursor.fetch(11, ahead=range(11, 14))

    assert len(reader.root.answers) == 1


def test_nothing_is_read_ahead_for_one_where_so_many_others_read() -> None:
    reader = Reader(100)
    reader.root.slow_reads = reader.root.crowded = True

    reader.cursor.fetch(1, ahead=range(1, 101))

    assert len(reader.root.answers) == 1


def test_messages_that_lie_far_from_each_other_are_not_read_together() -> None:
    reader = Reader(0)
    for seq in (1, 2, limits.GETS_REACH + 2):
        reader.store.append(b"s.0", 0, b"x", 9, seq=seq)
    reader.root.slow_reads = True

    reader.cursor.fetch(1, ahead=[2, limits.GETS_REACH + 2])

    assert len(reader.root.answers) == 2


def test_counting_follows_arrivals_and_removals() -> None:
    reader = Reader(5)
    assert reader.cursor.num_pending(1) == 5
    reader.store.append(b"s.a", 0, b"x", 9)
    assert reader.cursor.num_pending(1) == 6
    reader.store.remove_below(4)
    assert reader.cursor.num_pending(1) == 3
    reader.store.remove([5])
    reader.cursor.removed_some()

    assert reader.cursor.num_pending(1) == 2


def test_a_fetched_message_is_known_until_it_is_forgotten() -> None:
    reader = Reader(1)

    known, msg = reader.cursor.fetch(1)
    assert known
    assert msg is not None
    assert reader.cursor.fetch(9) == (True, None)
    reader.cursor.forget(1)
    reader.root.slow_reads = True

    assert reader.cursor.fetch(1) == (False, None)


def test_a_refused_page_is_read_again_and_the_cursor_does_not_wait_for_ever() -> None:
    reader = Reader(2)
    reader.root.read_error = StoreBusy("4096 reads wait for the disk")
    with pytest.raises(StoreBusy):
        reader.cursor.peek()

    reader.root.read_error = None

    assert reader.all() == [1, 2]


def test_a_refused_message_is_asked_for_again() -> None:
    reader = Reader(2)
    reader.root.read_error = StoreBusy("4096 reads wait for the disk")
    with pytest.raises(StoreBusy):
        reader.cursor.fetch(1)

    reader.root.read_error = None
    known, msg = reader.cursor.fetch(1)

    assert known
    assert msg is not None


def test_after_a_refused_read_a_slow_one_is_still_news() -> None:
    reader = Reader(2)
    reader.root.read_error = StoreBusy("4096 reads wait for the disk")
    with pytest.raises(StoreBusy):
        reader.cursor.peek()
    reader.root.read_error = None
    reader.root.slow_reads = True
    reader.cursor.peek()

    reader.root.answer_reads()

    assert reader.news == 1


def test_the_silence_of_a_damaged_stream_moves_nothing() -> None:
    reader = Reader(3)
    reader.store.damaged = StoreCorrupt("the checksum of message 1 does not hold")

    assert reader.cursor.peek() is None
    assert reader.cursor.fetch(1) == (False, None)

    assert not reader.cursor.exhausted
    assert reader.cursor.looked_at == 0


def test_a_run_takes_what_is_at_hand_and_no_more_than_asked() -> None:
    reader = Reader(5)
    assert reader.cursor.num_pending(1) == 5

    assert [msg.seq for msg in reader.run(2)] == [1, 2]
    assert [msg.seq for msg in reader.run(9)] == [3, 4, 5]
    assert reader.run(9) == []

    assert reader.cursor.left == 0


@pytest.mark.parametrize("is_there", [False, True], ids=["on its way", "at hand"])
def test_a_single_message_that_is_gone_is_not_delivered_and_the_others_are_kept(
    is_there: bool,
) -> None:
    reader = Reader(3, listed=[1, 2, 3])
    reader.root.slow_reads = True
    reader.cursor.peek()
    if is_there:
        reader.root.answer_reads()
    reader.store.remove([1])
    reader.cursor.removed(1, b"s.0", 1)
    reader.cursor.forget(1)

    reader.root.answer_reads()
    assert reader.cursor.peek() is None
    assert len(reader.root.answers) == 1
    reader.root.answer_reads()

    assert reader.all() == [2, 3]


def test_listed_messages_are_not_taken_in_runs() -> None:
    assert Reader(3, listed=[1]).run(3) == []


def test_what_was_removed_since_it_was_read_ahead_is_neither_counted_nor_delivered() -> None:
    reader = Reader(6)
    assert reader.cursor.num_pending(1) == 6
    assert reader.cursor.peek_run(1)[0].seq == 1

    reader.store.remove([2])
    reader.cursor.removed(2, b"s.1", 1)
    reader.store.remove([4, 5])
    reader.cursor.removed_some()

    assert reader.cursor.num_pending(1) == 3
    assert reader.all() == [1, 3, 6]
    assert reader.cursor.left == 0
    assert reader.cursor.exhausted


def test_what_was_removed_while_it_was_read_is_not_delivered() -> None:
    reader = Reader(3)
    reader.root.slow_reads = True
    assert reader.cursor.peek() is None
    reader.store.remove([1])
    reader.cursor.removed(1, b"s.0", 1)
    assert reader.cursor.peek() is None

    reader.root.answer_reads()

    assert reader.all() == [2, 3]


def test_a_page_of_which_nothing_is_left_is_not_the_end() -> None:
    reader = Reader(limits.READ_BATCH_MSGS + 2)
    assert reader.cursor.peek() is not None
    reader.store.remove(range(1, limits.READ_BATCH_MSGS + 1))
    reader.cursor.removed_some()

    assert len(reader.all()) == 2


def test_listed_messages_that_new_filters_do_not_match_are_dropped() -> None:
    reader = Reader(6, listed=[1, 2, 3, 4])
    reader.store.remove([4])

    reader.cursor.reset(1, [b"s.1"])

    assert reader.all() == [2, 6]


def test_listed_messages_are_held_against_new_filters_in_steps_before(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(limits, "SIFTED_PER_STEP", 2)
    reader = Reader(6, listed=[1, 2, 3, 4, 5])
    asked: list[int] = []
    subject_of = reader.store.subject_of

    def counted(seq: int) -> bytes | None:
        asked.append(seq)
        return subject_of(seq)

    monkeypatch.setattr(reader.store, "subject_of", counted)
    steps = [len(asked) for _ in reader.cursor.sift([b"s.1"])]
    assert steps == [2, 4, 5]
    reader.cursor.listed.append(6)  # came since

    reader.cursor.reset(1, [b"s.1"])

    assert asked == [1, 2, 3, 4, 5, 6]
    assert reader.all() == [2, 4, 6]


def test_what_was_sifted_for_other_filters_says_nothing() -> None:
    reader = Reader(6, listed=[1, 2, 3, 4])
    for _ in reader.cursor.sift([b"s.0"]):
        pass

    reader.cursor.reset(1, [b"s.1"])

    assert reader.all() == [2, 4, 6]


def test_what_limits_took_of_the_front_is_not_delivered_from_what_was_read_ahead() -> None:
    reader = Reader(6)
    assert reader.cursor.peek() is not None
    reader.store.remove_below(4)

    assert reader.cursor.num_pending(1) == 3
    assert reader.all() == [4, 5, 6]
    assert reader.cursor.left == 0


def test_what_comes_again_comes_first_while_others_are_listed() -> None:
    reader = Reader(6, listed=[4, 5])
    reader.cursor.list_again([1, 2])
    assert reader.all() == [1, 2, 4, 5, 6]

    reader.cursor.list_again([1, 2])

    assert reader.all() == []
