"""leafnode.store.worker: jobs in order on a thread, results in order on the loop."""

import threading

import pytest

from leafnode.clock import NS_PER_MS, NS_PER_S
from leafnode.store.worker import ThreadExecutor, Worker
from tests.sim.committer import HeldExecutor, Turns


def test_results_come_in_order_in_the_loops_turn() -> None:
    turns, executor = Turns(), HeldExecutor()
    worker = Worker(executor, turns.call_soon)
    results: list[int] = []
    for number in (1, 2, 3):
        worker.submit(lambda number=number: number, results.append)
    assert worker.waiting == 3

    executor.release()
    assert results == []
    turns.run()

    assert results == [1, 2, 3]
    assert worker.waiting == 0


def test_a_job_that_raises_raises_on_the_loop() -> None:
    turns, executor = Turns(), HeldExecutor()
    worker = Worker(executor, turns.call_soon)
    worker.submit(lambda: 1 // 0, lambda _: None)
    executor.release()

    with pytest.raises(ZeroDivisionError):
        turns.run()

    assert worker.waiting == 0


def test_drain_hands_over_what_a_thread_finished_without_the_loop() -> None:
    def closed_loop(_: object) -> None:
        raise RuntimeError("Event loop is closed")

    worker = Worker(ThreadExecutor("test"), closed_loop)
    results: list[str] = []
    worker.submit(lambda: threading.current_thread().name, results.append)

    assert worker.drain(10 * NS_PER_S)

    assert results == ["test"]
    worker.close()


def test_drain_gives_up_on_a_job_that_does_not_end() -> None:
    worker = Worker(HeldExecutor(), Turns().call_soon)
    worker.submit(lambda: 1, lambda _: None)

    assert not worker.drain(NS_PER_MS)


def test_closing_a_thread_finishes_its_jobs_and_ends_it() -> None:
    executor = ThreadExecutor("test")
    done: list[int] = []
    executor.submit(lambda: done.append(1))

    executor.close()

    assert done == [1]
    assert "test" not in [thread.name for thread in threading.enumerate()]
