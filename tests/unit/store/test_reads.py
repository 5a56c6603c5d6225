"""Reads that fail are asked again; what comes back is in tests/unit/store/test_reader.py."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from leafnode import limits
from leafnode.errors import StoreBusy, StoreError, StoreFailed
from leafnode.store.api import StoreStats
from leafnode.store.reader import ReadRequest, ReadResult
from leafnode.store.reads import Reads
from leafnode.store.worker import Worker
from tests.sim.clock import FakeClock
from tests.sim.committer import HeldExecutor, Turns

if TYPE_CHECKING:
    from leafnode.store.reads import Done


def request(seq: int, max_msgs: int) -> ReadRequest:
    return ReadRequest(1, 1, seq, seq, None, max_msgs, 1, {})


class Reader:
    """Answers each request with the next of these."""

    def __init__(self) -> None:
        self.results: list[ReadResult] = []
        self.asked: list[int] = []

    def read(self, request: ReadRequest) -> ReadResult:
        self.asked.append(request.first_seq)
        return self.results.pop(0) if self.results else ReadResult()


class Bench:
    def __init__(self, waiting_max: int = 2) -> None:
        self.clock, self.turns, self.reader = FakeClock(), Turns(), Reader()
        self.executor, self.stats = HeldExecutor(), StoreStats()
        worker = Worker(self.executor, self.turns.call_soon)
        reader: Any = self.reader
        self.reads = Reads(self.clock, worker, reader, self.stats, waiting_max)
        self.got: list[ReadResult] = []

    def ask(self, seq: int = 1, *, max_msgs: int = 1, done: Done | None = None) -> None:
        self.reads.ask(request(seq, max_msgs), done or self.got.append)

    def settle(self) -> None:
        self.executor.release()
        self.turns.run()


FAILED = ReadResult(error=StoreError("cannot be read"))


def test_a_read_that_fails_is_asked_again_ever_more_rarely() -> None:
    bench, right = Bench(), ReadResult()
    bench.reader.results = [FAILED, FAILED, right]
    bench.ask()
    bench.settle()

    for wait_ns in (limits.STORE_RETRY_NS, 2 * limits.STORE_RETRY_NS):
        bench.clock.advance(wait_ns - 1)
        bench.settle()
        assert bench.got == []
        bench.clock.advance(1)
        bench.settle()

    assert bench.got == [right]


def test_so_many_wait_and_no_more() -> None:
    bench = Bench()
    bench.reader.results = [FAILED, ReadResult(), ReadResult()]
    bench.ask()
    bench.settle()
    bench.ask()

    with pytest.raises(StoreBusy, match="2 reads wait"):
        bench.ask()

    assert (bench.stats.reads_refused, bench.reads.waiting) == (1, 1)
    bench.settle()
    bench.ask()


def test_it_is_crowded_long_before_more_are_refused() -> None:
    bench = Bench(limits.READS_WAITING_MAX)
    for _ in range(limits.READS_AHEAD_MAX - 1):
        bench.ask()
    assert not bench.reads.is_crowded()

    bench.ask()
    assert bench.reads.is_crowded()
    bench.settle()

    assert not bench.reads.is_crowded()


def test_once_closed_it_asks_nothing() -> None:
    bench = Bench()
    bench.reader.results = [FAILED]
    bench.ask()
    bench.settle()

    bench.reads.close()
    bench.clock.advance(limits.STORE_RETRY_MAX_NS)

    with pytest.raises(StoreFailed):
        bench.ask()
    bench.reads.ask_further(request(1, 1), bench.got.append)
    assert (bench.got, list(bench.executor.jobs), bench.clock.pending()) == ([], [], 0)


def test_an_answer_that_fails_after_the_end_is_dropped() -> None:
    bench = Bench()
    bench.reader.results = [FAILED]
    bench.ask()
    bench.reads.close()

    bench.settle()

    assert (bench.got, bench.clock.pending()) == ([], 0)


def test_reads_of_one_message_travel_together_while_others_are_at_the_reader() -> None:
    bench = Bench(waiting_max=9)
    for seq in (1, 2, 3, 4):
        bench.ask(seq)
    assert (len(bench.executor.jobs), bench.reads.waiting) == (1, 4)

    bench.executor.release()
    bench.turns.run()

    assert (len(bench.executor.jobs), bench.reads.waiting) == (1, 3)
    bench.settle()
    assert (bench.reader.asked, len(bench.got), bench.reads.waiting) == ([1, 2, 3, 4], 4, 0)


@pytest.mark.parametrize("more", [0, 1])
def test_so_many_travel_together_and_no_more(more: int) -> None:
    together = limits.READS_AT_ONCE + more
    bench = Bench(waiting_max=1 + together)
    for seq in range(1 + together):
        bench.ask(seq)
    bench.settle()

    bench.executor.release()

    assert len(bench.reader.asked) == 1 + limits.READS_AT_ONCE
    bench.turns.run()
    assert len(bench.executor.jobs) == more


def test_a_read_of_more_waits_for_nobody() -> None:
    bench = Bench(waiting_max=9)
    bench.ask(1)
    bench.ask(2)

    bench.ask(3, max_msgs=2)

    bench.executor.release()
    assert bench.reader.asked == [1, 3]


def test_of_those_together_each_fails_for_itself() -> None:
    bench = Bench(waiting_max=9)
    bench.reader.results = [ReadResult(), ReadResult(), FAILED, ReadResult()]
    for seq in (1, 2, 3, 4):
        bench.ask(seq)
    bench.settle()
    bench.settle()
    assert len(bench.got) == 3

    bench.clock.advance(limits.STORE_RETRY_NS)
    bench.settle()

    assert (bench.reader.asked[4:], len(bench.got)) == ([3], 4)


def test_one_who_raises_keeps_no_other_from_its_answer() -> None:
    bench = Bench(waiting_max=9)

    def bug(_: ReadResult) -> None:
        raise ZeroDivisionError

    bench.ask(1)
    bench.ask(2, done=bug)
    bench.ask(3)
    bench.settle()
    bench.executor.release()

    with pytest.raises(ZeroDivisionError):
        bench.turns.run()
    bench.clock.advance(0)

    assert (len(bench.got), bench.reads.waiting) == (2, 0)


def test_what_gathered_is_dropped_at_the_end() -> None:
    bench = Bench(waiting_max=9)
    bench.ask(1)
    bench.ask(2)

    bench.reads.close()
    bench.settle()

    assert (bench.reader.asked, len(bench.got), bench.reads.waiting) == ([1], 1, 0)
