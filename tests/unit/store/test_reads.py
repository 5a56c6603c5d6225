"""Reads that fail are asked again; what comes back is in tests/unit/store/test_reader.py."""

from __future__ import annotations

from typing import Any

import pytest

from leafnode import limits
from leafnode.errors import StoreBusy, StoreError, StoreFailed
from leafnode.store.api import StoreStats
from leafnode.store.reader import ReadResult
from leafnode.store.reads import Reads
from leafnode.store.worker import Worker
from tests.sim.clock import FakeClock
from tests.sim.committer import HeldExecutor, Turns


class Reader:
    """Answers each request with the next of these."""

    def __init__(self) -> None:
        self.results: list[ReadResult] = []

    def read(self, _: object) -> ReadResult:
        return self.results.pop(0)


class Bench:
    def __init__(self) -> None:
        self.clock, self.turns, self.reader = FakeClock(), Turns(), Reader()
        self.executor, self.stats = HeldExecutor(), StoreStats()
        worker = Worker(self.executor, self.turns.call_soon)
        reader: Any = self.reader
        self.reads = Reads(self.clock, worker, reader, self.stats, 2)
        self.got: list[ReadResult] = []

    def ask(self) -> None:
        request: Any = object()
        self.reads.ask(request, self.got.append)

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


def test_once_closed_it_asks_nothing() -> None:
    bench = Bench()
    bench.reader.results = [FAILED]
    bench.ask()
    bench.settle()

    bench.reads.close()
    bench.clock.advance(limits.STORE_RETRY_MAX_NS)

    with pytest.raises(StoreFailed):
        bench.ask()
    request: Any = object()
    bench.reads.ask_further(request, bench.got.append)
    assert (bench.got, list(bench.executor.jobs), bench.clock.pending()) == ([], [], 0)


def test_an_answer_that_fails_after_the_end_is_dropped() -> None:
    bench = Bench()
    bench.reader.results = [FAILED]
    bench.ask()
    bench.reads.close()

    bench.settle()

    assert (bench.got, bench.clock.pending()) == ([], 0)
